import java.lang.instrument.ClassFileTransformer;
import java.lang.reflect.Method;
import java.security.ProtectionDomain;
import java.util.Collection;
import java.util.Map;
import java.util.Timer;
import java.util.TimerTask;
import java.util.WeakHashMap;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.Label;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Lets the executor of 2.5 run flows of thousands of jobs in a time that grows with their number.
 *
 * At each start and end of a job it writes the state of all jobs of the flow to the database: of
 * 2,000 jobs this takes longer than a short job itself, and all others wait for it. Here the state
 * of a large flow is written again when ten times as long has gone by as the last writing took. The
 * flow's own state, its end, and the rows of single jobs are written as ever.
 */
public final class FlowUpdates implements ClassFileTransformer {
    private static final String RUNNER = "azkaban/execapp/FlowRunner";
    private static final int LARGE = 100; // jobs
    private static final int TIMES = 10;
    private static final long MOST = 5000; // ms
    private static final int JAVA_6 = 50; // later classes, of 3.x, need stack map frames
    private static final Map<Object, FlowUpdates.Last> LAST = new WeakHashMap<Object, Last>();
    private static final Timer LATER = new Timer("flow-updates", true);

    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> type,
            ProtectionDomain domain, byte[] bytes) {
        if (!RUNNER.equals(name) || bytes[7] > JAVA_6) {
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
                boolean ours = method.equals("updateFlow") && descriptor.equals("(J)V");
                return ours ? new AskFirst(next) : next;
            }
        }, 0);
        return writer.toByteArray();
    }

    /** Puts "if (FlowUpdates.waits(this)) return;" before a method's own code, and notes its end. */
    private static final class AskFirst extends MethodVisitor {
        AskFirst(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitCode() {
            super.visitCode();
            Label now = new Label();
            call("waits", "(Ljava/lang/Object;)Z");
            visitJumpInsn(Opcodes.IFEQ, now);
            super.visitInsn(Opcodes.RETURN);
            visitLabel(now);
        }

        @Override
        public void visitInsn(int opcode) {
            if (opcode == Opcodes.RETURN) {
                call("written", "(Ljava/lang/Object;)V");
            }
            super.visitInsn(opcode);
        }

        private void call(String ours, String descriptor) {
            visitVarInsn(Opcodes.ALOAD, 0);
            visitMethodInsn(Opcodes.INVOKESTATIC, "FlowUpdates", ours, descriptor, false);
        }
    }

    /** Tells whether the state need not be written now; then it is written later. */
    public static boolean waits(final Object runner) {
        Object flow = call(runner, "getExecutableFlow");
        if (((Collection<?>) call(flow, "getExecutableNodes")).size() < LARGE) {
            return false;
        }
        long now = System.nanoTime() / 1000000;
        Object status = call(flow, "getStatus");
        boolean ended = (Long) call(flow, "getEndTime") != -1;
        synchronized (LAST) {
            Last last = LAST.get(runner);
            if (last == null || ended || status != last.status || now >= last.next) {
                LAST.put(runner, new Last(status, now));
                return false;
            }
            if (!last.waiting) {
                last.waiting = true;
                LATER.schedule(new Update(runner), last.next - now);
            }
            return true;
        }
    }

    /** Called when the state was written. */
    public static void written(Object runner) {
        long now = System.nanoTime() / 1000000;
        synchronized (LAST) {
            Last last = LAST.get(runner);
            if (last != null) {
                last.next = now + Math.min(MOST, TIMES * (now - last.begun));
            }
        }
    }

    /** When the state of a flow was last written. */
    private static final class Last {
        private final Object status;
        private final long begun;
        private long next;
        private boolean waiting;

        Last(Object status, long begun) {
            this.status = status;
            this.begun = begun;
            this.next = begun;
        }
    }

    /** Writes what had to wait, unless the end of the flow has been written meanwhile. */
    private static final class Update extends TimerTask {
        private final Object runner;

        Update(Object runner) {
            this.runner = runner;
        }

        @Override
        public void run() {
            synchronized (LAST) {
                LAST.get(runner).waiting = false;
            }
            try {
                if ((Long) call(call(runner, "getExecutableFlow"), "getEndTime") == -1) {
                    call(runner, "updateFlow");
                }
            } catch (IllegalStateException error) {
                error.printStackTrace(); // an error that gets out would end all later updates
            }
        }
    }

    private static Object call(Object object, String name) {
        for (Class<?> type = object.getClass(); type != null; type = type.getSuperclass()) {
            try {
                Method method = type.getDeclaredMethod(name);
                method.setAccessible(true);
                return method.invoke(object);
            } catch (NoSuchMethodException error) {
                continue; // an ancestor has it
            } catch (ReflectiveOperationException error) {
                throw new IllegalStateException(name, error);
            }
        }
        throw new IllegalStateException("This Azkaban has no " + name);
    }
}
