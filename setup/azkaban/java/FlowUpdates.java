import java.security.ProtectionDomain;
import java.util.Collection;
import java.util.Map;
import java.util.Timer;
import java.util.TimerTask;
import java.util.WeakHashMap;
import org.objectweb.asm.MethodVisitor;

/**
 * Lets the executor of 2.5 run flows of thousands of jobs in a time that grows with their number.
 *
 * At each start and end of a job it writes the state of all jobs of the flow to the database: of
 * 2,000 jobs this takes longer than a short job itself, and all others wait for it. Here the state
 * of a large flow is written again when ten times as long has gone by as the last writing took. The
 * flow's own state, its end, and the rows of single jobs are written as ever.
 */
public final class FlowUpdates extends MethodTransformer {
    private static final String RUNNER = "azkaban/execapp/FlowRunner";
    private static final int LARGE = 100; // jobs
    private static final int TIMES = 10;
    private static final long MOST = 5000; // ms
    private static final int JAVA_6 = 50; // later classes, of 3.x, need stack map frames
    private static final Map<Object, FlowUpdates.Last> LAST = new WeakHashMap<Object, Last>();
    private static final Timer LATER = new Timer("flow-updates", true);

    @Override
    public byte[] transform(ClassLoader loader, String type, Class<?> redefined,
            ProtectionDomain domain, byte[] bytes) {
        return bytes[7] > JAVA_6 ? null
                : super.transform(loader, type, redefined, domain, bytes);
    }

    @Override
    protected boolean changes(String type) {
        return type.equals(RUNNER);
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        if (!method.equals("updateFlow") || !descriptor.equals("(J)V")) {
            return next;
        }
        // In this order, an update that has to wait is not noted as written.
        MethodVisitor asked = before(next, "FlowUpdates.waits", "(Ljava/lang/Object;)Z", 0);
        return after(asked, "FlowUpdates.written", "(Ljava/lang/Object;)V", 0);
    }

    /** Tells whether the state need not be written now; then it is written later. */
    public static boolean waits(final Object runner) {
        Object flow = Members.call(runner, "getExecutableFlow");
        if (((Collection<?>) Members.call(flow, "getExecutableNodes")).size() < LARGE) {
            return false;
        }
        long now = System.nanoTime() / 1000000;
        Object status = Members.call(flow, "getStatus");
        boolean ended = (Long) Members.call(flow, "getEndTime") != -1;
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
                Object flow = Members.call(runner, "getExecutableFlow");
                if ((Long) Members.call(flow, "getEndTime") == -1) {
                    Members.call(runner, "updateFlow");
                }
            } catch (IllegalStateException error) {
                error.printStackTrace(); // an error that gets out would end all later updates
            }
        }
    }
}
