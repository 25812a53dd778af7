import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;
import org.mortbay.io.EndPoint;
import org.mortbay.jetty.HttpConnection;

/**
 * Knows which account of this machine is at the other end, and keeps sessions with theirs.
 *
 * A cookie knows no port: the browser of somebody who is logged in sends the session to every
 * server on this host, so also to that of another account. A session is therefore good only for
 * connections of the account that has logged in; all that come from elsewhere count as one.
 */
public final class Owners {
    private static final String ELSEWHERE = "elsewhere";
    private static final String UNKNOWN = "unknown";
    private static final Map<Object, String> SESSIONS =
            Collections.synchronizedMap(new WeakHashMap<Object, String>());

    private static volatile Object sessions; // Azkaban's own, once there has been a login

    private Owners() {
    }

    /** Returns "account N" for a connection from this machine, else "elsewhere" or "unknown". */
    public static String of(HttpConnection connection) {
        Object known = connection.getAssociatedObject();
        if (known instanceof String) {
            return (String) known;
        }
        String found;
        try {
            found = look(connection.getEndPoint());
        } catch (IOException | RuntimeException unreadable) { // or the connection has gone
            found = UNKNOWN;
        }
        connection.setAssociatedObject(found); // a connection never changes hands
        return found;
    }

    private static String look(EndPoint end) throws IOException {
        InetAddress peer = InetAddress.getByName(end.getRemoteAddr()); // numbers: nobody is asked
        if (!peer.isLoopbackAddress() && NetworkInterface.getByInetAddress(peer) == null) {
            return ELSEWHERE;
        }
        Set<String> found = Peer.callers(
                new InetSocketAddress(end.getLocalAddr(), end.getLocalPort()),
                new InetSocketAddress(peer, end.getRemotePort()));
        return found.size() == 1 ? "account " + found.iterator().next() : UNKNOWN;
    }

    /** Names where a login comes from: the account on this machine, else the address. */
    public static String place(HttpConnection connection) {
        String owner = of(connection);
        String address = String.valueOf(connection.getEndPoint().getRemoteAddr());
        if (!owner.equals(ELSEWHERE)) {
            return owner; // an account has all of 127.0.0.0/8
        }
        // Who has one address of IPv6 has the 2^64 beside it.
        return address.contains(":") ? address.replaceFirst("^((?:[^:]*:){4}).*", "$1") : address;
    }

    /** Tells whether a connection comes from this process's own account. */
    public static boolean isOurs(HttpConnection connection) throws IOException {
        return of(connection).equals("account " + Peer.own());
    }

    /** Called when a session begins. */
    public static void bind(Object cache, Object session) {
        sessions = cache;
        HttpConnection connection = HttpConnection.getCurrentConnection();
        if (connection != null) {
            SESSIONS.put(session, of(connection));
        }
    }

    /** Tells whether there is a session of this name that this connection may use. */
    public static boolean knows(String id) {
        return sessions != null && Members.call(sessions, "getSession", id) != null;
    }

    /** Returns a session that was found if this connection may use it, else null. */
    public static Object check(Object session) {
        HttpConnection connection = HttpConnection.getCurrentConnection();
        if (session == null || connection == null) {
            return session;
        }
        String owner = of(connection);
        return owner.equals(SESSIONS.get(session)) && !owner.equals(UNKNOWN) ? session : null;
    }
}
