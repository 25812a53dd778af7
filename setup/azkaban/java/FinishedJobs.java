import azkaban.executor.ExecutableNode;
import azkaban.executor.Status;
import azkaban.utils.SwapQueue;
import java.security.ProtectionDomain;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import java.util.WeakHashMap;
import org.objectweb.asm.MethodVisitor;

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
public final class FinishedJobs extends MethodTransformer {
    private static final String NODE = "azkaban/executor/ExecutableNode";
    private static final String QUEUE = "azkaban/utils/SwapQueue";
    private static final Set<String> ASKING = new HashSet<String>(
            Arrays.asList("getImpliedStatus", "checkConditionOnJobStatus"));
    /** Jobs that were started and whose end no flow has handled; they are equal if identical. */
    private static final Set<Object> OPEN = Collections.synchronizedSet(
            Collections.newSetFromMap(new WeakHashMap<Object, Boolean>()));

    @Override
    public byte[] transform(ClassLoader loader, String type, Class<?> redefined,
            ProtectionDomain domain, byte[] bytes) {
        byte[] changed = super.transform(loader, type, redefined, domain, bytes);
        return changed != null && placed.size() == 3 ? changed : null;
    }

    @Override
    protected boolean changes(String type) {
        return type.equals("azkaban/execapp/FlowRunner");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        if (method.equals("runExecutableNode") && descriptor.equals("(L" + NODE + ";)V")) {
            return before(next, "FinishedJobs.started", "(Ljava/lang/Object;)V", 1);
        }
        if (method.equals("progressGraph")) {
            return redirect(next, QUEUE + ".swap", "FinishedJobs.swap", "(L" + QUEUE + ";)V");
        }
        return ASKING.contains(method)
                ? redirect(next, NODE + ".getStatus", "FinishedJobs.status",
                        "(L" + NODE + ";)Lazkaban/executor/Status;")
                : next;
    }

    /** Called by the flow's thread before it starts a job. */
    public static void started(Object node) {
        OPEN.add(node);
    }

    /** Takes the jobs from the queue whose end the flow's thread handles now. */
    public static void swap(SwapQueue<?> queue) {
        queue.swap();
        for (Object node : queue) {
            OPEN.remove(node);
        }
    }

    /** Returns the status of a job as those that wait for it shall see it. */
    public static Status status(ExecutableNode node) {
        Status status = node.getStatus();
        boolean failed = status.name().startsWith("FAILED"); // FAILED, FAILED_SUCCEEDED
        return failed && OPEN.contains(node) ? Status.RUNNING : status;
    }
}
