import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.Socket;
import java.util.Arrays;
import java.util.Date;
import java.util.HashSet;
import java.util.Set;
import org.objectweb.asm.MethodVisitor;

/**
 * Looks at whom the server has connected to, before it says anything.
 *
 * Any account of this machine can listen on a port while the server that belongs there is down. On
 * MySQL's port it would be told the password and could hand out jobs of its own; on the executor's
 * it would be told to run flows, and say that they run. So each new connection of MySQL's driver
 * and of the HTTP client is looked at: within this machine, the socket at its other end must be of
 * this account, of root, or of one of the accounts (numbers, with commas between them) in
 * -Dportguard.trusted. Otherwise it is closed, and the attempt fails as if nobody listened.
 */
public final class Outgoing extends MethodTransformer {
    private static final Set<String> FACTORIES = new HashSet<String>(Arrays.asList(
            "com/mysql/jdbc/StandardSocketFactory", "com/mysql/cj/protocol/StandardSocketFactory",
            "org/apache/http/conn/scheme/PlainSocketFactory",
            "org/apache/http/conn/socket/PlainConnectionSocketFactory"));

    @Override
    protected boolean changes(String type) {
        return FACTORIES.contains(type);
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        return method.startsWith("connect")
                ? result(next, descriptor, "Outgoing.check", "(Ljava/lang/Object;)Ljava/lang/Object;")
                : next;
    }

    /** Returns a connection; closes one whose other end another account of this machine has. */
    public static Object check(Object made) throws IOException {
        if (!(made instanceof Socket) || !((Socket) made).isConnected()) {
            return made;
        }
        Socket socket = (Socket) made;
        InetSocketAddress here = (InetSocketAddress) socket.getLocalSocketAddress();
        InetSocketAddress there = (InetSocketAddress) socket.getRemoteSocketAddress();
        if (!isHere(there.getAddress())) {
            return made;
        }
        Set<String> owners = Peer.owners(here, there);
        if (!owners.isEmpty() && trusted().containsAll(owners)) {
            return made;
        }
        socket.close();
        String words = there.getAddress().getHostAddress() + " port " + there.getPort()
                + " belongs to " + (owners.isEmpty() ? "no account of this machine"
                : "the account with the number " + String.join(", ", owners))
                + ", not to this server's own, " + Peer.own() + ": nothing was sent. If that is "
                + "meant, AZK_TRUST=NAME at the next start allows it";
        System.err.println(new Date() + " " + words);
        throw new ConnectException(words);
    }

    private static boolean isHere(InetAddress address) throws IOException {
        return address.isLoopbackAddress() || NetworkInterface.getByInetAddress(address) != null;
    }

    private static Set<String> trusted() throws IOException {
        String named = System.getProperty("portguard.trusted", "");
        Set<String> found = new HashSet<String>(Arrays.asList(named.split(",")));
        found.addAll(Arrays.asList("0", Peer.own()));
        return found;
    }
}
