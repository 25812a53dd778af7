import java.lang.instrument.ClassFileTransformer;
import java.security.ProtectionDomain;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Ends the sessions of users who were removed or changed.
 *
 * Azkaban keeps a session, with the roles of its login, for hours after its user has gone from the
 * users' file. SessionCache.getSession() is made to ask Users before it returns one.
 */
public final class Sessions implements ClassFileTransformer {
    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> type,
            ProtectionDomain domain, byte[] bytes) {
        if (name == null || !name.startsWith("azkaban/") || !name.endsWith("/SessionCache")) {
            return null;
        }
        final String session = name.substring(0, name.length() - "Cache".length());
        ClassReader reader = new ClassReader(bytes);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                MethodVisitor next =
                        super.visitMethod(access, method, descriptor, signature, exceptions);
                boolean asked = method.equals("getSession")
                        && descriptor.equals("(Ljava/lang/String;)L" + session + ";");
                return asked ? new AskUsers(next, session) : next;
            }
        }, 0);
        return writer.toByteArray();
    }

    /** Makes "return session;" to "return (Session) Users.live(session);". */
    private static final class AskUsers extends MethodVisitor {
        private final String session;

        AskUsers(MethodVisitor next, String session) {
            super(Opcodes.ASM9, next);
            this.session = session;
        }

        @Override
        public void visitInsn(int opcode) {
            if (opcode == Opcodes.ARETURN) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "Users", "live",
                        "(Ljava/lang/Object;)Ljava/lang/Object;", false);
                super.visitTypeInsn(Opcodes.CHECKCAST, session);
            }
            super.visitInsn(opcode);
        }
    }
}
