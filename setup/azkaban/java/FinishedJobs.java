import java.lang.instrument.ClassFileTransformer;
import java.security.ProtectionDomain;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import java.util.WeakHashMap;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Lets a job wait for another one's failure until its flow has handled it.
 *
 * A job's own thread writes FAILED into the job, and tells its flow afterwards. When the flow handles
 * the end of another job in between, it finds that what waits for both can no longer run, cancels
 * it, and ends KILLED, although nobody killed it; retries of the job that failed are lost. A job that
 * "succeeds on failure" has its outputs only when the flow is told, so that what waits for it may
 * start without them. Azkaban 2.5 to 4.0 do so. Here a job that failed counts as running for those
 * that wait for it, until the flow's thread has taken its end from the queue.
 *
 * A FlowRunner in which not all three places are found stays as it is.
 */
public final class FinishedJobs implements ClassFileTransformer {
    private static final String NODE = "azkaban/executor/ExecutableNode";
    private static final String STATUS = "azkaban/executor/Status";
    private static final Set<String> ASKING = new HashSet<String>(
            Arrays.asList("getImpliedStatus", "checkConditionOnJobStatus"));
    /** Jobs that were started and whose end no flow has handled; they are equal if identical. */
    private static final Set<Object> OPEN = Collections.synchronizedSet(
            Collections.newSetFromMap(new WeakHashMap<Object, Boolean>()));

    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> type,
            ProtectionDomain domain, byte[] bytes) {
        if (!"azkaban/execapp/FlowRunner".equals(name)) {
            return null;
        }
        final Set<String> found = new HashSet<String>();
        ClassReader reader = new ClassReader(bytes);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                MethodVisitor next =
                        super.visitMethod(access, method, descriptor, signature, exceptions);
                if (method.equals("runExecutableNode") && descriptor.equals("(L" + NODE + ";)V")) {
                    found.add("start");
                    return new NoteFirst(next);
                }
                if (method.equals("progressGraph")) {
                    return new Swaps(next, found);
                }
                return ASKING.contains(method) ? new Asks(next, found) : next;
            }
        }, 0);
        return found.size() == 3 ? writer.toByteArray() : null;
    }

    /** Puts "FinishedJobs.started(node);" before a method's own code. */
    private static final class NoteFirst extends MethodVisitor {
        NoteFirst(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitCode() {
            super.visitCode();
            visitVarInsn(Opcodes.ALOAD, 1);
            visitMethodInsn(Opcodes.INVOKESTATIC, "FinishedJobs", "started",
                    "(Ljava/lang/Object;)V", false);
        }
    }

    /** Puts "FinishedJobs.handled(queue);" after "queue.swap();". */
    private static final class Swaps extends MethodVisitor {
        private final Set<String> found;

        Swaps(MethodVisitor next, Set<String> found) {
            super(Opcodes.ASM9, next);
            this.found = found;
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                boolean ofInterface) {
            boolean swap = owner.equals("azkaban/utils/SwapQueue") && name.equals("swap");
            if (swap) {
                found.add("end");
                super.visitInsn(Opcodes.DUP);
            }
            super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
            if (swap) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "FinishedJobs", "handled",
                        "(Ljava/lang/Iterable;)V", false);
            }
        }
    }

    /** Makes "node.getStatus()" into "(Status) FinishedJobs.status(node, node.getStatus())". */
    private static final class Asks extends MethodVisitor {
        private final Set<String> found;

        Asks(MethodVisitor next, Set<String> found) {
            super(Opcodes.ASM9, next);
            this.found = found;
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                boolean ofInterface) {
            boolean asked = owner.equals(NODE) && name.equals("getStatus");
            if (asked) {
                found.add("status");
                super.visitInsn(Opcodes.DUP);
            }
            super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
            if (asked) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "FinishedJobs", "status",
                        "(Ljava/lang/Object;Ljava/lang/Enum;)Ljava/lang/Enum;", false);
                super.visitTypeInsn(Opcodes.CHECKCAST, STATUS);
            }
        }
    }

    /** Called by the flow's thread before it starts a job. */
    public static void started(Object node) {
        OPEN.add(node);
    }

    /** Called by the flow's thread with the jobs whose end it handles now. */
    public static void handled(Iterable<?> nodes) {
        for (Object node : nodes) {
            OPEN.remove(node);
        }
    }

    /** The status of a job as those that wait for it shall see it. */
    public static Enum<?> status(Object node, Enum<?> status) {
        boolean failed = status.name().startsWith("FAILED"); // FAILED, FAILED_SUCCEEDED
        return failed && OPEN.contains(node) ? running(status) : status;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Enum<?> running(Enum status) {
        return Enum.valueOf(status.getDeclaringClass(), "RUNNING");
    }
}
