import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.security.ProtectionDomain;
import java.util.HashMap;
import java.util.Map;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Makes Jetty 6 listen where it should instead of on every address.
 *
 * Azkaban has no setting for the address of its web and executor ports, and a Jetty connector
 * without a host listens everywhere. This agent replaces the body of
 * AbstractConnector.getHost() by "return BindAgent.host(getPort())". Set-up checks after each
 * start where the server really listens, and stops it when that is not what was asked for.
 *
 * Use: -javaagent:bind-agent.jar=PORT=ADDRESS,PORT=ADDRESS with asm on the class path; a port
 * that is not named is bound to 127.0.0.1.
 */
public final class BindAgent implements ClassFileTransformer {
    private static final String CONNECTOR = "org/mortbay/jetty/AbstractConnector";
    private static final Map<Integer, String> HOSTS = new HashMap<Integer, String>();

    public static void premain(String arguments, Instrumentation instrumentation) {
        for (String entry : arguments.split(",")) {
            String[] parts = entry.split("=", 2);
            HOSTS.put(Integer.valueOf(parts[0]), parts[1]);
        }
        instrumentation.addTransformer(new BindAgent());
    }

    /** The address for a port; called by Jetty's connectors. */
    public static String host(int port) {
        String host = HOSTS.get(port);
        return host == null ? "127.0.0.1" : host;
    }

    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> type,
            ProtectionDomain domain, byte[] bytes) {
        if (!CONNECTOR.equals(name)) {
            return null;
        }
        ClassReader reader = new ClassReader(bytes);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                MethodVisitor next =
                        super.visitMethod(access, method, descriptor, signature, exceptions);
                if (!method.equals("getHost") || !descriptor.equals("()Ljava/lang/String;")) {
                    return next;
                }
                next.visitCode();
                next.visitVarInsn(Opcodes.ALOAD, 0);
                next.visitMethodInsn(Opcodes.INVOKEVIRTUAL, CONNECTOR, "getPort", "()I", false);
                next.visitMethodInsn(Opcodes.INVOKESTATIC, "BindAgent", "host",
                        "(I)Ljava/lang/String;", false);
                next.visitInsn(Opcodes.ARETURN);
                next.visitMaxs(1, 1);
                next.visitEnd();
                return null; // the original body is dropped
            }
        }, 0);
        return writer.toByteArray();
    }
}
