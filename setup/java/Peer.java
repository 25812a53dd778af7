import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Who is at the other end of a connection from this machine: the kernel's tables tell. */
public final class Peer {
    private static final String TABLES =
            System.getProperty("portguard.tables", "/proc/net") + "/tcp";
    private static final int STATE = 3;
    private static final int OWNER = 7;
    private static final int INODE = 9;
    private static final String LISTENS = "0A";
    private static final int LOOKS = 3;
    private static final int SPACING = 20; // ms between two readings of the tables
    private static List<String> latest = new ArrayList<String>();
    private static long begun = System.nanoTime();

    private Peer() {
    }

    /**
     * Tells whether the connection that comes from one port of this machine to another belongs to
     * this process's own account. All sockets with these two ports must be ours: another loopback
     * address could use the same port. One that another machine or nobody has is not ours.
     */
    public static boolean isOurs(int from, int to) throws IOException {
        boolean found = false;
        for (String[] words : sockets(to)) {
            if (port(words[1]) == from && port(words[2]) == to) {
                if (!words[OWNER].equals(own())) {
                    return false;
                }
                found = true;
            }
        }
        return found;
    }

    /** The number of this process's own account. */
    public static String own() throws IOException {
        return System.getProperty("portguard.uid",
                Files.getAttribute(Paths.get("/proc/self"), "unix:uid").toString());
    }

    /**
     * Lists the accounts that have the other end of a connection within this machine: that of the
     * socket there or, before a process has accepted the connection, of those that listen for it.
     * Nobody where the kernel does not tell.
     */
    public static Set<String> owners(InetSocketAddress here, InetSocketAddress there)
            throws IOException {
        Set<String> from = ends(here.getAddress().getAddress(), here.getPort());
        Set<String> to = ends(there.getAddress().getAddress(), there.getPort());
        Set<String> anywhere = ends(new byte[4], there.getPort());
        anywhere.addAll(ends(new byte[16], there.getPort()));
        for (int look = 0; look < LOOKS; look++) { // one that misses our own end may miss others
            Set<String> accepted = new HashSet<String>();
            Set<String> listening = new HashSet<String>();
            Set<String> listeningAnywhere = new HashSet<String>();
            boolean whole = false;
            for (String[] words : sockets(there.getPort())) {
                boolean listens = words[STATE].equals(LISTENS);
                if (from.contains(words[1]) && to.contains(words[2])) {
                    whole = true;
                } else if (to.contains(words[1]) && from.contains(words[2])) {
                    // Until it is accepted no process has it, and it is said to be root's.
                    if (!words[INODE].equals("0")) {
                        accepted.add(words[OWNER]);
                    }
                } else if (listens && to.contains(words[1])) {
                    listening.add(words[OWNER]);
                } else if (listens && anywhere.contains(words[1])) {
                    listeningAnywhere.add(words[OWNER]);
                }
            }
            if (whole) {
                return !accepted.isEmpty() ? accepted
                        : !listening.isEmpty() ? listening : listeningAnywhere;
            }
        }
        return new HashSet<String>();
    }

    /**
     * Lists the accounts that have the other end of a connection that came in from this machine. One
     * whose process has closed it already is nobody's: who listens at its address means nothing.
     */
    public static Set<String> callers(InetSocketAddress here, InetSocketAddress there)
            throws IOException {
        Set<String> to = ends(here.getAddress().getAddress(), here.getPort());
        Set<String> from = ends(there.getAddress().getAddress(), there.getPort());
        Set<String> found = new HashSet<String>();
        for (int look = 0; look < LOOKS && found.isEmpty(); look++) {
            for (String[] words : sockets(there.getPort())) {
                if (from.contains(words[1]) && to.contains(words[2])
                        && !words[INODE].equals("0")) {
                    found.add(words[OWNER]);
                }
            }
        }
        return found;
    }

    /** Writes an end as the tables do; one of IPv4 can stand in both. */
    private static Set<String> ends(byte[] address, int port) {
        Set<String> found = new HashSet<String>();
        found.add(words(address) + String.format(":%04X", port));
        if (address.length == 4) {
            byte[] mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, address[0], address[1],
                address[2], address[3]};
            found.add(words(mapped) + String.format(":%04X", port));
        }
        return found;
    }

    /** Writes bytes as the kernel does: words of four in this machine's order. */
    private static String words(byte[] address) {
        IntBuffer words = ByteBuffer.wrap(address).order(ByteOrder.nativeOrder()).asIntBuffer();
        StringBuilder text = new StringBuilder();
        while (words.hasRemaining()) {
            text.append(String.format("%08X", words.get()));
        }
        return text.toString();
    }

    /** Reads the sockets with a port at one of their ends, each as its words. */
    private static List<String[]> sockets(int port) throws IOException {
        List<String[]> found = new ArrayList<String[]>();
        String end = String.format(":%04X", port);
        for (String line : lines(System.nanoTime())) {
            String[] words = line.contains(end) ? line.trim().split("\\s+") : new String[0];
            if (words.length > INODE) {
                found.add(words);
            }
        }
        return found;
    }

    /**
     * Reads the tables as they are at a moment or later. What another thread has begun to read
     * since then will do, and readings wait for each other: with hundreds of new connections the
     * kernel's walk would take all of a processor.
     */
    private static synchronized List<String> lines(long moment) throws IOException {
        if (begun - moment <= 0) {
            pause(SPACING - (System.nanoTime() - begun) / 1000000);
            long start = System.nanoTime();
            List<String> found = new ArrayList<String>();
            for (String table : new String[] {TABLES, TABLES + "6"}) {
                if (Files.isReadable(Paths.get(table))) {
                    found.addAll(Files.readAllLines(Paths.get(table), StandardCharsets.US_ASCII));
                }
            }
            latest = found;
            begun = start;
        }
        return latest;
    }

    private static void pause(long milliseconds) {
        try {
            Thread.sleep(Math.max(milliseconds, 0));
        } catch (InterruptedException wanted) {
            Thread.currentThread().interrupt(); // whoever wanted that finds it
        }
    }

    /** Called by LoopbackGuard with what accept() returns: closes what is not ours, takes the next. */
    public static SocketChannel admit(SocketChannel peer, ServerSocketChannel server)
            throws IOException {
        if (peer == null) {
            return null;
        }
        SocketAddress from = peer.getRemoteAddress();
        SocketAddress to = peer.getLocalAddress();
        if (!(from instanceof InetSocketAddress) || isOurs(
                ((InetSocketAddress) from).getPort(), ((InetSocketAddress) to).getPort())) {
            return peer;
        }
        peer.close();
        return server.accept();
    }

    /** The port of "0100007F:1F91"; -1 for the table's heading. */
    private static int port(String end) {
        int colon = end.indexOf(':');
        return colon < 0 ? -1 : Integer.parseInt(end.substring(colon + 1), 16);
    }
}
