package org.mortbay.jetty;

import java.io.IOException;
import java.net.Socket;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;
import javax.servlet.ServletInputStream;
import org.mortbay.io.Buffer;
import org.mortbay.io.EndPoint;
import org.mortbay.io.nio.SelectChannelEndPoint;
import org.mortbay.jetty.nio.SelectChannelConnector;
import org.mortbay.log.Log;

/**
 * A connection whose client may be slow without holding a thread.
 *
 * Jetty handles a request at the first byte of its body, and the thread then waits for the rest: 25
 * half-sent forms are 25 threads. Here a body is collected while it comes, and the request is
 * handled when it is whole, or when there is more than fits into memory. Then Requests decides
 * whether the rest is wanted. Who sends nothing, too little of a header, or too little of such a
 * body is cut off after PATIENCE.
 */
public final class PatientConnection extends HttpConnection {
    /** What is kept of a body before its request is handled. */
    public static final int MOST_KEPT = 64 << 10;
    /** Of a request. */
    public static final int MOST_HEADER = 64 << 10;
    private static final int PATIENCE =
            Integer.getInteger("portguard.patience", 30) * 1000;
    private static final int LITTLE_PATIENCE = 5000; // ms, while there are MANY connections
    private static final int MANY = 300;
    private static final int MOST_CONNECTIONS =
            Integer.getInteger("portguard.connections", 1000);
    private static final byte[] NOTHING = new byte[0];
    private static final Set<SelectChannelEndPoint> OPEN =
            new LinkedHashSet<SelectChannelEndPoint>(); // oldest first

    private final ServletInputStream body = new Body();
    private byte[] kept = NOTHING;
    private int size;
    private int position;
    private boolean handled;
    private volatile boolean inServlet;

    public PatientConnection(Connector connector, EndPoint end, Server server) {
        super(connector, end, server);
    }

    /** Sets what connectors have in common. */
    public static void prepare(SelectChannelConnector connector) {
        connector.setHeaderBufferSize(MOST_HEADER);
        connector.setMaxIdleTime(PATIENCE);
        connector.setLowResourcesConnections(MANY);
        connector.setLowResourceMaxIdleTime(LITTLE_PATIENCE);
    }

    /**
     * Takes a new connection in. Beyond the most that there is memory for, the oldest one that is
     * not being served gives way to it: who holds many gains nothing, and who comes anew is served.
     */
    public static void admit(SelectChannelConnector connector, SelectChannelEndPoint end)
            throws IOException {
        SelectChannelEndPoint oldest = null;
        synchronized (OPEN) {
            OPEN.add(end);
            if (OPEN.size() > MOST_CONNECTIONS) {
                Iterator<SelectChannelEndPoint> all = OPEN.iterator();
                while (oldest == null && all.hasNext()) {
                    SelectChannelEndPoint one = all.next();
                    if (!one.isOpen() || !((PatientConnection) one.getConnection()).inServlet) {
                        oldest = one;
                        all.remove();
                    }
                }
            }
        }
        if (oldest != null) {
            connector.getThreadPool().dispatch(new Farewell(oldest));
        }
    }

    /** Forgets a connection that was closed. */
    public static void leave(HttpConnection connection) {
        synchronized (OPEN) {
            OPEN.remove(connection.getEndPoint());
        }
    }

    /** Closes a connection in a thread of its own: it is polite about that, which takes time. */
    private static final class Farewell implements Runnable {
        private final EndPoint end;

        Farewell(EndPoint end) {
            this.end = end;
        }

        @Override
        public void run() {
            try {
                end.close();
            } catch (IOException gone) {
                Log.ignore(gone);
            }
        }
    }

    /** Limits for how long Jetty tries, in a thread, to tell a client that it is cut off. */
    public static void hurry(Socket socket) throws IOException {
        socket.setSoTimeout(500);
    }

    /** Called before Jetty's own code for each piece of a body; true when it is kept for later. */
    public static boolean keep(Buffer piece) throws IOException {
        HttpConnection current = getCurrentConnection();
        return current instanceof PatientConnection
                && ((PatientConnection) current).take(piece.length());
    }

    private boolean take(int length) throws IOException {
        if (handled || size + length > MOST_KEPT) {
            // It is read now or, where it was refused, thrown away: a client that is cut off in
            // the middle does not see why.
            return false;
        }
        if (kept.length < size + length) {
            kept = Arrays.copyOf(kept, Math.max(2 * kept.length, size + length));
        }
        size += super.getInputStream().read(kept, size, length);
        return true;
    }

    /** Tells whether the whole body has come. */
    public boolean isWhole() {
        return getParser().isComplete();
    }

    /** Returns what has come of the body before its request was handled. */
    public byte[] kept() {
        return Arrays.copyOf(kept, size);
    }

    @Override
    protected void handleRequest() throws IOException {
        handled = true;
        inServlet = true;
        try {
            super.handleRequest();
        } finally {
            inServlet = false;
        }
    }

    @Override
    public void reset(boolean returnBuffers) {
        super.reset(returnBuffers);
        handled = false;
        kept = NOTHING;
        size = 0;
        position = 0;
    }

    @Override
    public ServletInputStream getInputStream() {
        return body;
    }

    private ServletInputStream live() {
        return super.getInputStream();
    }

    /** What was kept, then what is still to come. */
    private final class Body extends ServletInputStream {
        @Override
        public int read() throws IOException {
            return position < size ? kept[position++] & 0xff : live().read();
        }

        @Override
        public int read(byte[] bytes, int from, int length) throws IOException {
            if (position == size) {
                return live().read(bytes, from, length);
            }
            int count = Math.min(length, size - position);
            System.arraycopy(kept, position, bytes, from, count);
            position += count;
            return count;
        }

        @Override
        public int available() throws IOException {
            return size - position + live().available();
        }
    }
}
