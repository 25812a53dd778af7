import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.security.ProtectionDomain;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

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
public final class LoopbackGuard implements ClassFileTransformer {
    private static final String CHANNEL = "sun/nio/ch/ServerSocketChannelImpl";
    private static final String ACCEPTED = ")Ljava/nio/channels/SocketChannel;";
    private static int guarded;

    public static void premain(String arguments, Instrumentation instrumentation)
            throws ReflectiveOperationException,
            java.lang.instrument.UnmodifiableClassException {
        instrumentation.addTransformer(new LoopbackGuard(), true);
        instrumentation.retransformClasses(Class.forName(CHANNEL.replace('/', '.')));
        if (guarded == 0) { // what a transformer throws is swallowed: without this it would go on
            throw new IllegalStateException("this Java is too new for LoopbackGuard");
        }
    }

    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> type,
            ProtectionDomain domain, byte[] bytes) {
        if (!CHANNEL.equals(name)) {
            return null;
        }
        ClassReader reader = new ClassReader(bytes);
        ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                MethodVisitor next =
                        super.visitMethod(access, method, descriptor, signature, exceptions);
                boolean accepts = method.equals("accept") || method.equals("blockingAccept");
                return accepts && descriptor.endsWith(ACCEPTED) ? new AdmitLast(next) : next;
            }
        }, 0);
        return writer.toByteArray();
    }

    /** Makes "return channel" into "return Peer.admit(this, channel)". */
    private static final class AdmitLast extends MethodVisitor {
        AdmitLast(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitInsn(int code) {
            if (code == Opcodes.ARETURN) {
                guarded++;
                visitVarInsn(Opcodes.ALOAD, 0);
                super.visitInsn(Opcodes.SWAP);
                visitMethodInsn(Opcodes.INVOKESTATIC, "Peer", "admit",
                        "(Ljava/nio/channels/ServerSocketChannel;Ljava/nio/channels/SocketChannel"
                        + ";)Ljava/nio/channels/SocketChannel;", false);
            }
            super.visitInsn(code);
        }
    }
}
