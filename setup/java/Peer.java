import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;

/** Who is at the other end of a connection from this machine: the kernel's tables tell. */
public final class Peer {
    private static final String TABLES = "/proc/net/tcp";

    private Peer() {
    }

    /**
     * Tells whether the connection that comes from one port of this machine to another belongs to
     * this process's own account. All sockets with these two ports must be ours: another loopback
     * address could use the same port. One that another machine or nobody has is not ours.
     */
    public static boolean isOurs(int from, int to) throws IOException {
        String own = System.getProperty("portguard.uid",
                Files.getAttribute(Paths.get("/proc/self"), "unix:uid").toString());
        boolean found = false;
        for (String table : new String[] {TABLES, TABLES + "6"}) {
            if (!Files.isReadable(Paths.get(table))) {
                continue;
            }
            for (String line : Files.readAllLines(Paths.get(table), StandardCharsets.US_ASCII)) {
                String[] words = line.trim().split("\\s+");
                if (words.length > 7 && port(words[1]) == from && port(words[2]) == to) {
                    if (!words[7].equals(own)) {
                        return false;
                    }
                    found = true;
                }
            }
        }
        return found;
    }

    /** Called by LoopbackGuard at the end of each accept(): closes what is not ours, takes the next. */
    public static SocketChannel admit(ServerSocketChannel server, SocketChannel peer)
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
