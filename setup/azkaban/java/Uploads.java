import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.Enumeration;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.apache.commons.fileupload.FileItem;
import org.apache.commons.io.FileUtils;
import org.mortbay.jetty.HttpException;

/**
 * Unpacks the zips of projects within limits, and nothing outside of their folder.
 *
 * Called in place of Azkaban's own code, by the web server when a project is uploaded and by the
 * executor when it first runs. azk checks the same before it uploads, with the same words
 * (azkaban_client/flow/zip.py).
 */
public final class Uploads {
    private static final long MOST_BYTES = Long.getLong("portguard.unpacked", 4096) << 20;
    private static final int MOST_ENTRIES = Integer.getInteger("portguard.entries", 200000);
    private static final int MOST_RATIO = 200;
    private static final long SMALL = 100L << 20; // a zip of zeros is no bomb before this
    private static final int LINK = 0120000;
    private static final int TYPE = 0170000;

    private Uploads() {
    }

    /** Called in place of Utils.unzip(). */
    public static void unzip(ZipFile zip, File folder) throws IOException {
        boolean done = false;
        try {
            refuseLinks(new File(zip.getName()));
            unpack(zip, folder);
            done = true;
        } finally {
            zip.close(); // neither of the two callers needs it any more, and neither closes it
            if (!done) {
                FileUtils.deleteQuietly(folder); // both callers have made it for this
            }
        }
    }

    private static void unpack(ZipFile zip, File folder) throws IOException {
        if (zip.size() > MOST_ENTRIES) {
            throw new IOException("The zip has " + zip.size() + " entries; this server takes "
                    + MOST_ENTRIES + ".");
        }
        long packed = new File(zip.getName()).length();
        long most = Math.min(MOST_BYTES, Math.max(SMALL, packed * MOST_RATIO));
        String inside = folder.getCanonicalPath() + File.separator;
        byte[] piece = new byte[1 << 16];
        long whole = 0;
        Enumeration<? extends ZipEntry> entries = zip.entries();
        while (entries.hasMoreElements()) {
            ZipEntry entry = entries.nextElement();
            File file = new File(folder, entry.getName());
            if (entry.getName().contains("..")
                    && !(file.getCanonicalPath() + File.separator).startsWith(inside)) {
                throw new IOException(
                        "The entry '" + entry.getName() + "' leads out of the folder.");
            }
            if (entry.isDirectory()) {
                file.mkdirs();
                continue;
            }
            file.getParentFile().mkdirs();
            try (InputStream from = zip.getInputStream(entry);
                    OutputStream to = new BufferedOutputStream(new FileOutputStream(file))) {
                // Counted while it comes: the sizes that a zip states may be anything.
                for (int count = from.read(piece); count >= 0; count = from.read(piece)) {
                    whole += count;
                    if (whole > most) {
                        throw new IOException("The zip unpacks to more than " + (most >> 20)
                                + " MB, from " + packed + " bytes.");
                    }
                    to.write(piece, 0, count);
                }
            }
        }
    }

    /**
     * Refuses links, which Java would unpack as files that hold a path. ZipFile does not tell of
     * them: the modes stand in the table of contents, at the end of the zip.
     */
    private static void refuseLinks(File zip) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(zip, "r")) {
            int tail = (int) Math.min(file.length(), 22 + 65535);
            ByteBuffer end = read(file, file.length() - tail, tail);
            int at = tail - 22;
            while (at >= 0 && end.getInt(at) != 0x06054b50) {
                at--;
            }
            if (at < 0) {
                return; // ZipFile has refused it
            }
            long size = end.getInt(at + 12) & 0xffffffffL;
            long start = file.length() - tail + at - size;
            if (at >= 20 && end.getInt(at - 20) == 0x07064b50) { // a large zip has a second end
                ByteBuffer second = read(file, end.getLong(at - 12), 56);
                size = second.getLong(40);
                start = end.getLong(at - 12) - size;
            }
            refuseLinks(file, start, size);
        } catch (IndexOutOfBoundsException | IllegalArgumentException broken) {
            throw new IOException("The zip is damaged: its table of contents cannot be read.");
        }
    }

    private static void refuseLinks(RandomAccessFile file, long start, long size)
            throws IOException {
        ByteBuffer table = file.getChannel().map(FileChannel.MapMode.READ_ONLY, start, size)
                .order(ByteOrder.LITTLE_ENDIAN);
        int at = 0;
        while (at + 46 <= size && table.getInt(at) == 0x02014b50) {
            int name = table.getShort(at + 28) & 0xffff;
            int others = (table.getShort(at + 30) & 0xffff) + (table.getShort(at + 32) & 0xffff);
            if ((table.getInt(at + 38) >>> 16 & TYPE) == LINK) {
                byte[] text = new byte[name];
                table.position(at + 46);
                table.get(text);
                throw new IOException("The entry '" + new String(text, "UTF-8") + "' is a link.");
            }
            at += 46 + name + others;
        }
    }

    private static ByteBuffer read(RandomAccessFile file, long from, int length)
            throws IOException {
        byte[] bytes = new byte[length];
        file.seek(from);
        file.readFully(bytes);
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Called with what was parsed of an upload: Azkaban writes a file of the name that it has. */
    public static Map<?, ?> checkNames(Map<?, ?> fields) throws IOException {
        for (Object field : fields.values()) {
            if (field instanceof FileItem && ((FileItem) field).getName() != null
                    && ((FileItem) field).getName().matches("(?s).*/.*|\\.\\.?|")) {
                throw new HttpException(400, "the name of the uploaded file is no name: "
                        + Requests.printable(((FileItem) field).getName()));
            }
        }
        return fields;
    }
}
