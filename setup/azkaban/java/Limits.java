import java.util.HashMap;
import java.util.Map;
import org.objectweb.asm.Label;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Sets limits of Azkaban and its libraries that have no setting, so that many can use one server.
 *
 * Twice a second the web server of 2.5 asks the executor for what is new, in one request that
 * names all executions with some 22 characters each. Jetty refuses a request line of more than
 * 4 KB: from about 180 executions on each of these requests failed, and after the sixth the web
 * server recorded all of them as failed, while they ran.
 *
 * Up to 50 connections may wait to be accepted; the next ones are dropped and tried again by the
 * clients' kernels after 1, 3 and 7 seconds.
 *
 * Of the connections to the database only 8 stay open; the others are opened and closed again for
 * each question. On H2 there are no others: flows wait, and one that is woken then by the end of a
 * job takes that for an error of the database.
 *
 * A connection whose request waits for a thread is idle to Jetty, and cut off after the time limit
 * for idle ones. Here one that was handed to the threads is none.
 *
 * An upload is held in memory up to 20 MB, and copied to the database in pieces of 10 MB, each of
 * which is in memory several times: a few dozen of any size filled the heap.
 */
public final class Limits extends MethodTransformer {
    private static final String END_POINT = "org/mortbay/io/nio/SelectChannelEndPoint";
    private static final Map<String, Map<String, Integer>> FIELDS =
            new HashMap<String, Map<String, Integer>>();
    private static final Map<Integer, Integer> CONSTANTS = new HashMap<Integer, Integer>();

    static {
        field("org/mortbay/jetty/AbstractBuffers", "_headerBufferSize", 64 << 10);
        field("org/mortbay/jetty/AbstractConnector", "_acceptQueueSize", 1024);
        field("org/apache/commons/dbcp/BasicDataSource", "maxActive", 120); // MySQL has a setting
        field("org/apache/commons/dbcp/BasicDataSource", "maxIdle", 64);
        field("org/apache/commons/dbcp2/BasicDataSource", "maxTotal", 120);
        field("org/apache/commons/dbcp2/BasicDataSource", "maxIdle", 64);
        CONSTANTS.put(20 << 20, 256 << 10);
        CONSTANTS.put(10 << 20, 1 << 20);
    }

    private static void field(String type, String name, int value) {
        if (!FIELDS.containsKey(type)) {
            FIELDS.put(type, new HashMap<String, Integer>());
        }
        FIELDS.get(type).put(name, value);
    }

    private static boolean takesUploads(String name) {
        return name.equals("azkaban/webapp/servlet/LoginAbstractAzkabanServlet")
                || name.equals("azkaban/project/JdbcProjectLoader")
                || name.equals("azkaban/project/JdbcProjectImpl");
    }

    @Override
    protected boolean changes(String type) {
        return FIELDS.containsKey(type) || takesUploads(type) || type.equals(END_POINT);
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        if (type.equals(END_POINT)) {
            return method.equals("idleExpired")
                    ? before(new WaitFirst(next), "org/mortbay/jetty/PatientConnection.isPatient",
                            "(L" + END_POINT + ";)Z", 0)
                    : next;
        }
        if (!FIELDS.containsKey(type)) {
            return new OtherConstants(next);
        }
        return method.equals("<init>") ? new OtherDefaults(next, FIELDS.get(type)) : next;
    }

    /** Replaces constants. */
    private static final class OtherConstants extends MethodVisitor {
        OtherConstants(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitLdcInsn(Object value) {
            super.visitLdcInsn(CONSTANTS.containsKey(value) ? CONSTANTS.get(value) : value);
        }
    }

    /** Replaces the values that a constructor gives to fields. */
    private static final class OtherDefaults extends MethodVisitor {
        private final Map<String, Integer> fields;

        OtherDefaults(MethodVisitor next, Map<String, Integer> fields) {
            super(Opcodes.ASM9, next);
            this.fields = fields;
        }

        @Override
        public void visitFieldInsn(int opcode, String owner, String name, String descriptor) {
            if (opcode == Opcodes.PUTFIELD && fields.containsKey(name)) {
                super.visitInsn(Opcodes.POP);
                super.visitLdcInsn(fields.get(name));
            }
            super.visitFieldInsn(opcode, owner, name, descriptor);
        }
    }

    /** Puts "if (_dispatched) { scheduleIdle(); return; }" before a method's own code. */
    private static final class WaitFirst extends MethodVisitor {
        WaitFirst(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitCode() {
            super.visitCode();
            Label idle = new Label();
            visitVarInsn(Opcodes.ALOAD, 0);
            visitFieldInsn(Opcodes.GETFIELD, END_POINT, "_dispatched", "Z");
            visitJumpInsn(Opcodes.IFEQ, idle);
            visitVarInsn(Opcodes.ALOAD, 0);
            visitMethodInsn(Opcodes.INVOKEVIRTUAL, END_POINT, "scheduleIdle", "()V", false);
            visitInsn(Opcodes.RETURN);
            visitLabel(idle); // Jetty's classes are older than stack map frames
        }
    }
}
