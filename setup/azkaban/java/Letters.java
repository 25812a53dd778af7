import java.security.ProtectionDomain;
import java.text.SimpleDateFormat;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Lets 2.5 send mail that people can read, and one for each failure.
 *
 * It writes times as milliseconds since 1970, links whose quotes do not match, and https also where
 * its pages have no TLS. Of a job that failed it tells at once, if it is asked to, and again when
 * the flow has ended; here it tells again only if it is asked for both.
 */
public final class Letters extends MethodTransformer {
    private static final String CREATOR = "azkaban/executor/mail/DefaultMailCreator";
    private static final String SENDER = "azkaban/utils/Emailer";
    private static final String FLOW = "(Lazkaban/executor/ExecutableFlow;";
    private static final String APPEND = "(J)Ljava/lang/StringBuilder;";
    private static final String SCHEME = "https://";
    private static final String BROKEN = "<a href='\"";
    private static final String LINK = "<a href=\"";
    private static final int JAVA_6 = 50; // later classes, of 3.x, write other letters
    private static final int MOST = 10000; // executions
    private static final Set<Integer> TOLD = Collections.synchronizedSet(
            Collections.newSetFromMap(new LinkedHashMap<Integer, Boolean>() {
                private static final long serialVersionUID = 1L;

                @Override
                protected boolean removeEldestEntry(Map.Entry<Integer, Boolean> eldest) {
                    return size() > MOST;
                }
            }));

    @Override
    public byte[] transform(ClassLoader loader, String type, Class<?> redefined,
            ProtectionDomain domain, byte[] bytes) {
        return bytes[7] > JAVA_6 ? null
                : super.transform(loader, type, redefined, domain, bytes);
    }

    @Override
    protected boolean changes(String type) {
        return type.equals(CREATOR) || type.equals(SENDER);
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        if (type.equals(CREATOR)) {
            return new Readable(next);
        }
        if (method.equals("sendErrorEmail") && descriptor.startsWith(FLOW)) {
            return before(next, "Letters.wasTold", "(Ljava/lang/Object;)Z", 1);
        }
        return method.equals("sendFirstErrorMessage") && descriptor.startsWith(FLOW)
                ? new TellOnce(next) : next;
    }

    /** Writes times and links that can be used. */
    private static final class Readable extends MethodVisitor {
        Readable(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                boolean ofInterface) {
            if (owner.equals("java/lang/StringBuilder") && descriptor.equals(APPEND)) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "Letters", "time",
                        "(Ljava/lang/StringBuilder;J)Ljava/lang/StringBuilder;", false);
            } else {
                super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
            }
        }

        @Override
        public void visitLdcInsn(Object value) {
            Object better = SCHEME.equals(value) ? System.getProperty("letters.scheme", SCHEME)
                    : BROKEN.equals(value) ? LINK : value;
            super.visitLdcInsn(better);
        }
    }

    /** Notes that a letter about the first failure was sent. */
    private static final class TellOnce extends MethodVisitor {
        TellOnce(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                boolean ofInterface) {
            super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
            if (name.equals("sendEmail")) { // what it throws has left by then
                visitVarInsn(Opcodes.ALOAD, 1);
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "Letters", "told",
                        "(Ljava/lang/Object;)V", false);
            }
        }
    }

    /** Adds a time in the server's time zone. */
    public static StringBuilder time(StringBuilder text, long milliseconds) {
        SimpleDateFormat format = new SimpleDateFormat("yyyy-MM-dd HH:mm:ss zzz");
        return text.append(milliseconds > 0 ? format.format(new Date(milliseconds)) : "-");
    }

    /** Called when a letter about the first failure of a flow was sent. */
    public static void told(Object flow) {
        TOLD.add((Integer) Members.call(flow, "getExecutionId"));
    }

    /** Tells whether the end of a flow that has failed needs no letter. */
    public static boolean wasTold(Object flow) {
        boolean told = TOLD.remove((Integer) Members.call(flow, "getExecutionId"));
        Object options = Members.call(flow, "getExecutionOptions");
        return told && !(Boolean) Members.call(options, "getNotifyOnLastFailure");
    }
}
