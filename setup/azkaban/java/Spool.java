package org.mortbay.jetty;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import org.mortbay.log.Log;

/**
 * The part of a body that does not fit into memory, in a file without a name: whatever happens,
 * nothing of it is left.
 */
final class Spool implements Closeable {
    private final RandomAccessFile file;
    private final byte[] piece = new byte[16 << 10];
    private long written;
    private long position;
    private IOException broken;

    private Spool(RandomAccessFile file) {
        this.file = file;
    }

    /** Makes an empty one; null if the disk or the limit of open files allows none. */
    static Spool create() {
        try {
            File path = File.createTempFile("body", null);
            try {
                return new Spool(new RandomAccessFile(path, "rw"));
            } finally {
                path.delete();
            }
        } catch (IOException none) {
            Log.warn("no file for the body of a request: " + none);
            return null;
        }
    }

    /** Writes so much of a stream; false if it cannot be written, which who reads is told. */
    boolean take(InputStream body, int length) throws IOException {
        for (int left = length; left > 0 && broken == null;) {
            int count = body.read(piece, 0, Math.min(left, piece.length));
            if (count < 0) {
                throw new EofException();
            }
            try {
                file.write(piece, 0, count);
            } catch (IOException error) {
                broken = error;
            }
            written += broken == null ? count : 0;
            left -= count;
        }
        return broken == null;
    }

    /** Reads on; 0 at the end. */
    int read(byte[] bytes, int from, int length) throws IOException {
        if (position == written) {
            if (broken != null) {
                throw broken;
            }
            return 0;
        }
        file.seek(position);
        int count = file.read(bytes, from, (int) Math.min(length, written - position));
        position += count;
        return count;
    }

    int available() {
        return (int) Math.min(written - position, Integer.MAX_VALUE >> 1);
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException gone) {
            Log.ignore(gone);
        }
    }
}
