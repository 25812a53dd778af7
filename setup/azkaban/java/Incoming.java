import java.lang.instrument.ClassFileTransformer;
import java.security.ProtectionDomain;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Leads what comes in past our checks: requests past Requests, their bodies past Bodies, new
 * cookies past Cookies, sessions past Owners, logins past Logins, uploaded zips past Uploads.
 */
public final class Incoming implements ClassFileTransformer {
    private static final String JETTY = "org/mortbay/jetty/";
    private static final String MANAGER = "azkaban/user/UserManager";

    @Override
    public byte[] transform(ClassLoader loader, final String type, Class<?> redefined,
            ProtectionDomain domain, byte[] bytes) {
        if (type == null || !(type.equals(JETTY + "Server") || type.equals(JETTY + "Response")
                || type.equals(JETTY + "HttpConnection$RequestHandler")
                || type.equals("azkaban/utils/Utils") || type.startsWith("azkaban/")
                && type.matches(".*/(SessionCache|LoginAbstractAzkabanServlet|MultipartParser)"))) {
            return null;
        }
        ClassReader reader = new ClassReader(bytes);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                return led(type.substring(type.lastIndexOf('/') + 1) + "." + method, descriptor,
                        super.visitMethod(access, method, descriptor, signature, exceptions));
            }
        }, 0);
        return writer.toByteArray();
    }

    private static MethodVisitor led(String called, String descriptor, MethodVisitor next) {
        switch (called) {
            case "Server.handle":
                return descriptor.equals("(L" + JETTY + "HttpConnection;)V")
                        ? new Before(next, "Requests", "refuse",
                                "(L" + JETTY + "HttpConnection;)Z", 1)
                        : next;
            case "HttpConnection$RequestHandler.content":
                return new Before(next, "Bodies", "keep", "(Lorg/mortbay/io/Buffer;)Z", 1);
            case "Response.addCookie":
                return new Before(next, "Cookies", "add",
                        "(L" + JETTY + "Response;Ljavax/servlet/http/Cookie;)Z", 0, 1);
            case "SessionCache.addSession":
                return new Before(next, "Owners", "bind",
                        "(Ljava/lang/Object;Ljava/lang/Object;)V", 0, 1);
            case "SessionCache.getSession":
                return new Result(next, "Owners", "check", "Ljava/lang/Object;", descriptor);
            case "MultipartParser.parseMultipart":
                return new Result(next, "Uploads", "checkNames", "Ljava/util/Map;", descriptor);
            case "Utils.unzip":
                return unzip(descriptor, next);
            default:
                return called.startsWith("LoginAbstractAzkabanServlet.") ? new Ask(next) : next;
        }
    }

    /** Writes the body of Utils.unzip(): Uploads does the work. */
    private static MethodVisitor unzip(String descriptor, MethodVisitor method) {
        if (!descriptor.equals("(Ljava/util/zip/ZipFile;Ljava/io/File;)V")) {
            return method;
        }
        method.visitCode();
        method.visitVarInsn(Opcodes.ALOAD, 0);
        method.visitVarInsn(Opcodes.ALOAD, 1);
        method.visitMethodInsn(Opcodes.INVOKESTATIC, "Uploads", "unzip", descriptor, false);
        method.visitInsn(Opcodes.RETURN);
        method.visitMaxs(2, 2);
        method.visitEnd();
        return null; // the original body is dropped
    }

    /** Makes "return x;" to "return ours(x);". */
    private static final class Result extends MethodVisitor {
        private final String owner;
        private final String name;
        private final String type;
        private final String result;

        Result(MethodVisitor next, String owner, String name, String type, String descriptor) {
            super(Opcodes.ASM9, next);
            this.owner = owner;
            this.name = name;
            this.type = type;
            int start = descriptor.indexOf(')') + 2;
            result = descriptor.substring(start, descriptor.length() - 1);
        }

        @Override
        public void visitInsn(int opcode) {
            if (opcode == Opcodes.ARETURN) {
                super.visitMethodInsn(
                        Opcodes.INVOKESTATIC, owner, name, "(" + type + ")" + type, false);
                super.visitTypeInsn(Opcodes.CHECKCAST, result);
            }
            super.visitInsn(opcode);
        }
    }

    /** Makes "manager.getUser(name, password)" to "Logins.getUser(manager, name, password)". */
    private static final class Ask extends MethodVisitor {
        Ask(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                boolean ofInterface) {
            if (owner.equals(MANAGER) && name.equals("getUser")) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "Logins", name,
                        "(L" + MANAGER + ";" + descriptor.substring(1), false);
            } else {
                super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
            }
        }
    }
}
