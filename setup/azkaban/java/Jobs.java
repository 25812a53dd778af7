import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.WeakHashMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.objectweb.asm.MethodVisitor;

/**
 * Makes a job end with everything that it started.
 *
 * Azkaban signals a job's first process alone, from Java 9 on without knowing its pid, and never
 * with SIGKILL. Here AzkabanProcess starts a keeper (azkaban_client/keeper.py) in front of the
 * job's program. It ends all below it when the server closes its standard input, so also when the
 * server dies; the job's environment has a mark by which the rest is found.
 *
 * A flow that is cancelled cancels its jobs one after the other, and misses one that is between
 * two programs: FlowRunner.kill() is made to tell all keepers at once, and no program of a
 * cancelled flow is started any more. What jobs left behind that have ended is ended as well.
 */
public final class Jobs extends MethodTransformer {
    private static final String PROCESS = "azkaban/jobExecutor/utils/process/AzkabanProcess";
    private static final String FLOW = "azkaban/execapp/FlowRunner";
    private static final String HOME = System.getProperty("jobs.home", "");
    private static final String PYTHON = System.getProperty("jobs.python", "");
    private static final String KEEPER = System.getProperty("jobs.keeper", "");
    private static final String VARIABLE = "AZKABAN_JOBFLOW_RUN";
    private static final long MARGIN = 12000; // for SIGKILL, in milliseconds; the keeper takes 10
    private static final long LAST_OUTPUT = 5000; // as Azkaban waits after a success
    private static final Map<Process, Started> STARTED =
            Collections.synchronizedMap(new WeakHashMap<Process, Started>());
    private static final Map<Integer, WeakReference<Object>> KILLED =
            new ConcurrentHashMap<Integer, WeakReference<Object>>();
    private static final ThreadLocal<List<Thread>> READERS = new ThreadLocal<List<Thread>>();

    /** What is known of a process: whose it is, and whether it has a keeper. */
    private static final class Started {
        final int execution;
        final String mark;
        final boolean kept;

        Started(int execution, String mark, boolean kept) {
            this.execution = execution;
            this.mark = mark;
            this.kept = kept;
        }
    }

    @Override
    protected boolean changes(String type) {
        return !HOME.isEmpty() && (type.equals(PROCESS) || type.equals(FLOW));
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        if (type.equals(FLOW)) {
            return method.equals("kill") && descriptor.equals("()V") ? aroundKill(next) : next;
        }
        switch (method) {
            case "run":
                return ourCalls(next);
            case "processId":
                return instead(next, "Jobs.processId", "(Ljava/lang/Process;)I", 1);
            case "softKill":
                return instead(next, "Jobs.softKill",
                        "(Ljava/lang/Object;JLjava/util/concurrent/TimeUnit;)Z", 0, 1, 3);
            case "hardKill":
                return instead(next, "Jobs.hardKill", "(Ljava/lang/Object;)V", 0);
            default:
                return next;
        }
    }

    /** Calls us at the begin and at the end of FlowRunner.kill(). */
    private MethodVisitor aroundKill(MethodVisitor next) {
        MethodVisitor begin = before(next, "Jobs.killing", "(Ljava/lang/Object;)V", 0);
        return after(begin, "Jobs.killed", "(Ljava/lang/Object;)V", 0);
    }

    /** Leads AzkabanProcess.run() past us where it starts the program and waits for it. */
    private MethodVisitor ourCalls(MethodVisitor next) {
        MethodVisitor started = redirect(next, "java/lang/ProcessBuilder.start", "Jobs.start",
                "(Ljava/lang/ProcessBuilder;)Ljava/lang/Process;");
        MethodVisitor read = redirect(started, "azkaban/utils/LogGobbler.start",
                "Jobs.startReader", "(Ljava/lang/Thread;)V");
        return redirect(read, "java/lang/Process.waitFor", "Jobs.waitFor",
                "(Ljava/lang/Process;)I");
    }

    // -- what AzkabanProcess calls ------------------------------------------------------------

    /** Starts a job's program, with its keeper before it and its mark in the environment. */
    public static Process start(ProcessBuilder builder) throws IOException {
        int execution = execution();
        refuseIfKilled(execution);
        Map<String, String> environment = builder.environment();
        String file = environment.get("JOB_PROP_FILE"); // one for each attempt of a job
        String attempt = file == null ? String.valueOf(System.nanoTime()) : new File(file).getName();
        String mark = HOME + ":" + execution + ":" + attempt;
        environment.put(VARIABLE, mark);
        List<String> command = builder.command();
        String program = command.isEmpty() ? null : find(command.get(0), builder.directory());
        boolean kept = program != null && new File(PYTHON).canExecute() && new File(KEEPER).isFile();
        if (kept) {
            List<String> longer = keeper(String.valueOf(grace() / 1000.0), program);
            longer.addAll(command);
            builder.command(longer);
        }
        Process process = builder.start();
        STARTED.put(process, new Started(execution, mark, kept));
        try {
            refuseIfKilled(execution); // which may have happened just now
        } catch (IOException killed) {
            release(process);
        }
        READERS.set(new ArrayList<Thread>());
        return process;
    }

    /** Starts a thread that reads what the job prints. */
    public static void startReader(Thread reader) {
        reader.start();
        if (READERS.get() != null) {
            READERS.get().add(reader);
        }
    }

    /** Waits for a job's program; after a failure also for its last words, as after a success. */
    public static int waitFor(Process process) throws InterruptedException {
        List<Thread> readers = READERS.get();
        READERS.remove();
        int code = process.waitFor();
        Started started = STARTED.get(process);
        if (code == 128 + 9 && started != null) { // its keeper cannot have ended the rest
            sweep(started.mark, grace() / 1000.0);
        }
        for (Thread reader : code == 0 || readers == null ? new ArrayList<Thread>() : readers) {
            reader.join(LAST_OUTPUT);
        }
        return code;
    }

    /** The pid of a process; 0 when Java does not tell. */
    public static int processId(Process process) {
        try {
            return ((Number) Process.class.getMethod("pid").invoke(process)).intValue(); // Java 9
        } catch (ReflectiveOperationException earlier) {
            try {
                Field pid = process.getClass().getDeclaredField("pid");
                pid.setAccessible(true);
                return pid.getInt(process);
            } catch (ReflectiveOperationException unknown) {
                return 0;
            }
        }
    }

    /** Ends a job; true when nothing of it is left within the time, and some more for SIGKILL. */
    public static boolean softKill(Object job, long time, TimeUnit unit)
            throws InterruptedException {
        Process process = (Process) Members.get(job, "process");
        CountDownLatch ended = (CountDownLatch) Members.get(job, "completeLatch");
        if (process == null) { // its flow is cancelled: start() will refuse
            return false;
        }
        Started started = STARTED.get(process);
        release(process);
        if (started != null && started.kept) {
            return ended.await(unit.toMillis(time) + MARGIN, TimeUnit.MILLISECONDS);
        }
        signal(process, "-TERM");
        return ended.await(time, unit);
    }

    /** Ends a job whose keeper does not. */
    public static void hardKill(Object job) {
        Process process = (Process) Members.get(job, "process");
        if (process != null) {
            Started started = STARTED.get(process);
            if (started != null) { // while what has no mark is still below it
                sweep(started.mark, 0.0, String.valueOf(processId(process)));
            }
            process.destroyForcibly();
        }
    }

    // -- what FlowRunner calls ----------------------------------------------------------------

    /** Tells all keepers of a flow's jobs at once. */
    public static void killing(Object flow) {
        int execution = execution(flow);
        for (WeakReference<Object> known : KILLED.values()) {
            if (known.get() == null) {
                KILLED.values().remove(known);
            }
        }
        KILLED.put(execution, new WeakReference<Object>(flow));
        for (Map.Entry<Process, Started> entry : started().entrySet()) {
            if (entry.getValue().execution == execution && entry.getValue().kept) {
                release(entry.getKey());
            }
        }
    }

    /** Ends what jobs of a cancelled flow left behind that had ended themselves. */
    public static void killed(Object flow) {
        String said = sweep(HOME + ":" + execution(flow) + ":", grace() / 1000.0);
        if (!said.isEmpty()) {
            try {
                Members.call(Members.get(flow, "logger"), "info", said);
            } catch (IllegalStateException other) { // a version whose flows log in another way
                System.err.println(said);
            }
        }
    }

    private static void refuseIfKilled(int execution) throws IOException {
        WeakReference<Object> known = KILLED.get(execution);
        Object flow = known == null ? null : known.get();
        if (flow != null && (Boolean) Members.call(flow, "isKilled")) {
            throw new IOException("Execution " + execution
                    + " was cancelled: no further program of it is started.");
        }
    }

    private static Map<Process, Started> started() {
        synchronized (STARTED) {
            return new HashMap<Process, Started>(STARTED);
        }
    }

    // -- keepers ------------------------------------------------------------------------------

    private static List<String> keeper(String... arguments) {
        List<String> command =
                new ArrayList<String>(Arrays.asList(PYTHON, "-I", "-S", KEEPER));
        command.addAll(Arrays.asList(arguments));
        return command;
    }

    /** Closes the standard input of a job's keeper, which then ends the job; wakes it if needed. */
    private static void release(Process process) {
        try {
            process.getOutputStream().close();
        } catch (IOException closed) { // it has ended meanwhile
            return;
        }
        signal(process, "-CONT");
    }

    /** Ends all processes whose mark begins so, and returns what it says of them. */
    private static String sweep(String mark, double grace, String... keepers) {
        List<String> command = keeper("--end", String.valueOf(grace), mark);
        command.addAll(Arrays.asList(keepers));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.redirectErrorStream(true);
        try {
            Process process = builder.start();
            process.getOutputStream().close();
            try (InputStream output = process.getInputStream();
                    Scanner text = new Scanner(output, StandardCharsets.UTF_8.name())) {
                return text.useDelimiter("\\A").hasNext() ? text.next().trim() : "";
            }
        } catch (IOException none) { // no Python: nothing was marked that has no keeper
            return "";
        }
    }

    /** Sends a signal to a job's first process; Process.destroy() would close its log. */
    private static void signal(Process process, String name) {
        int pid = processId(process);
        if (pid > 0 && process.isAlive()) {
            try {
                new ProcessBuilder("kill", name, String.valueOf(pid)).start();
            } catch (IOException none) { // no further process may be started: SIGKILL comes later
                return;
            }
        }
    }

    /** The file that Java would run; null when it would find none, and then says so itself. */
    private static String find(String name, File folder) {
        if (folder != null && !folder.isDirectory()) {
            return null;
        }
        String path = System.getenv("PATH");
        String[] places = name.contains("/") ? new String[] {""}
                : (path == null ? ":/bin:/usr/bin" : path).split(":", -1);
        for (String place : places) {
            String file = name.contains("/") ? name : (place.isEmpty() ? "." : place) + "/" + name;
            File found = file.startsWith("/") ? new File(file) : new File(folder, file);
            if (found.isFile() && found.canExecute()) {
                return file;
            }
        }
        return null;
    }

    /** Milliseconds between SIGTERM and SIGKILL: Azkaban's own, 5,000 in 2.5 and 30,000 in 4.0. */
    private static long grace() {
        try {
            for (Field one : Class.forName("azkaban.jobExecutor.ProcessJob").getDeclaredFields()) {
                if (one.getName().startsWith("KILL_TIME")) {
                    one.setAccessible(true);
                    Object value = one.get(null);
                    return value instanceof Duration
                            ? ((Duration) value).toMillis() : ((Number) value).longValue();
                }
            }
        } catch (ReflectiveOperationException other) {
            return 5000;
        }
        return 5000;
    }

    /** The execution whose job this thread runs: JobRunner names it JOB-EXECUTION. */
    private static int execution() {
        String name = Thread.currentThread().getName();
        String number = name.substring(name.lastIndexOf('-') + 1);
        return name.startsWith("JobRunner-") && number.matches("[0-9]{1,9}")
                ? Integer.parseInt(number) : -1;
    }

    private static int execution(Object flow) {
        return ((Number) Members.get(flow, "execId")).intValue();
    }
}
