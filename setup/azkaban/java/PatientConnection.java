package org.mortbay.jetty;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;
import javax.servlet.ServletInputStream;
import org.mortbay.io.Connection;
import org.mortbay.io.EndPoint;
import org.mortbay.io.nio.SelectChannelEndPoint;
import org.mortbay.jetty.nio.SelectChannelConnector;
import org.mortbay.log.Log;
import org.mortbay.util.ajax.Continuation;

/**
 * A connection whose client may be slow without holding a thread.
 *
 * Jetty handles a request at the first byte of its body, and the thread then waits for the rest: 25
 * half-sent forms are 25 threads. Here a body is collected while it comes, and the request is
 * handled when it is whole. What does not fit into memory goes to a file, if Bodies finds that it
 * is wanted; if not, the request is handled, and refused, at once. Who sends nothing, or too little
 * of a header or of a body in memory, is cut off after PATIENCE; who sends a longer one, when
 * nothing of it has come for so long.
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
    private static final int HURRY = 500; // ms, of a thread, to tell a client that it is cut off
    private static final int MOST_CONNECTIONS =
            Integer.getInteger("portguard.connections", 1000);
    private static final byte[] NOTHING = new byte[0];
    private static final Set<SelectChannelEndPoint> OPEN =
            new LinkedHashSet<SelectChannelEndPoint>(); // oldest first

    private final ServletInputStream body = new Body();
    private byte[] kept = NOTHING;
    private int size;
    private int position;
    private volatile Spool rest; // of the body
    private boolean handled;
    private volatile boolean inServlet; // or waits for its turn
    private volatile boolean running;
    private volatile long lastPiece; // of the rest
    volatile Turns turns; // where this request waits or has its turn; used by them, as the next is
    boolean hasTurn;

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
    public static SelectChannelEndPoint admit(SelectChannelConnector connector,
            SocketChannel channel, SelectChannelEndPoint end) throws IOException {
        channel.socket().setSoTimeout(HURRY);
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
        return end;
    }

    /** Forgets a connection that was closed. */
    public static void leave(HttpConnection connection) {
        synchronized (OPEN) {
            OPEN.remove(connection.getEndPoint());
        }
        PatientConnection closed = (PatientConnection) connection;
        if (!closed.running) { // otherwise its thread comes to the end of the request
            Turns.end(closed);
            closed.forget();
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

    /** Called before Jetty cuts off a connection that seems idle; true if it must wait longer. */
    public static boolean isPatient(SelectChannelEndPoint end) {
        Connection connection = end.getConnection();
        boolean patient = connection instanceof PatientConnection
                && ((PatientConnection) connection).isReceiving();
        if (patient) {
            end.scheduleIdle();
        }
        return patient;
    }

    private boolean isReceiving() {
        return rest != null && System.nanoTime() - lastPiece < PATIENCE * 1000000L;
    }

    /** Tells whether its request has been handled, or is. */
    public boolean isHandled() {
        return handled;
    }

    /** Keeps the next piece of the body for later; false if there is no room. */
    public boolean keep(int length) throws IOException {
        if (rest != null) {
            lastPiece = System.nanoTime();
            return rest.take(live(), length);
        }
        if (size + length > MOST_KEPT) {
            return false;
        }
        if (kept.length < size + length) {
            kept = Arrays.copyOf(kept, Math.max(2 * kept.length, size + length));
        }
        size += live().read(kept, size, length);
        return true;
    }

    /** Makes room on the disk for all that comes; false if it has none. */
    public boolean makeRoom() {
        if (rest == null) {
            rest = Spool.create();
        }
        return rest != null;
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
        running = true;
        try {
            super.handleRequest();
        } finally {
            running = false;
            Continuation later = getRequest().getContinuation();
            if (later == null || !later.isPending()) {
                inServlet = false;
                Turns.end(this);
                forget();
            }
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

    private void forget() {
        if (rest != null) {
            rest.close();
            rest = null;
        }
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
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int from, int length) throws IOException {
            if (position == size) {
                int count = rest == null ? 0 : rest.read(bytes, from, length);
                return count > 0 ? count : live().read(bytes, from, length);
            }
            int count = Math.min(length, size - position);
            System.arraycopy(kept, position, bytes, from, count);
            position += count;
            return count;
        }

        @Override
        public int available() throws IOException {
            return size - position + (rest == null ? 0 : rest.available()) + live().available();
        }
    }
}
