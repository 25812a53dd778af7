import java.lang.instrument.Instrumentation;
import org.objectweb.asm.MethodVisitor;

/**
 * Keeps all of a process's ports for its own account.
 *
 * YARN without Kerberos runs what anybody who reaches its ports hands in, as the account that it
 * runs as, and any account of this machine reaches loopback. Every server socket of Hadoop, Jetty
 * and Netty is a java.nio ServerSocketChannel: its accept() is made to close connections from
 * processes of other accounts before anything is read from them.
 *
 * Use: -javaagent:loopback-guard.jar, with peer.jar (Peer.java) and asm beside it.
 */
public final class LoopbackGuard extends MethodTransformer {
    private static final String CHANNEL = "sun/nio/ch/ServerSocketChannelImpl";
    private static final String ACCEPTED = "Ljava/nio/channels/SocketChannel;";

    public static void premain(String arguments, Instrumentation instrumentation)
            throws ReflectiveOperationException,
            java.lang.instrument.UnmodifiableClassException {
        LoopbackGuard guard = new LoopbackGuard();
        instrumentation.addTransformer(guard, true);
        instrumentation.retransformClasses(Class.forName(CHANNEL.replace('/', '.')));
        // What a transformer throws is swallowed: without this the ports would stay open.
        if (guard.placed.isEmpty()) {
            throw new IllegalStateException("this Java is too new for LoopbackGuard");
        }
    }

    @Override
    protected boolean changes(String type) {
        return type.equals(CHANNEL);
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        boolean accepts = method.equals("accept") || method.equals("blockingAccept");
        return accepts && descriptor.endsWith(")" + ACCEPTED)
                ? result(next, descriptor, "Peer.admit",
                        "(" + ACCEPTED + "Ljava/nio/channels/ServerSocketChannel;)" + ACCEPTED, 0)
                : next;
    }
}
