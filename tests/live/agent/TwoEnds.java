import azkaban.execapp.FlowRunner;
import azkaban.execapp.JobRunner;
import azkaban.execapp.event.Event;
import azkaban.executor.ExecutableFlow;
import azkaban.executor.ExecutorLoader;
import azkaban.executor.Status;
import azkaban.flow.Edge;
import azkaban.flow.Flow;
import azkaban.flow.Node;
import azkaban.project.Project;
import azkaban.project.ProjectLoader;
import azkaban.utils.Props;
import azkaban.utils.SwapQueue;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Runs the server's FlowRunner on a flow in which "last" waits for "fails" and "works", whose ends
 * come in the worst order: "fails" has failed already, but its flow is told of "works" first.
 *
 * No job runs: what a job's thread does at its end is done here, step by step. Prints for each way
 * to fail the jobs in the order in which the flow starts them, and the flow's status at the end.
 */
public final class TwoEnds {
  private static final BlockingQueue<JobRunner> STARTED = new LinkedBlockingQueue<>();

  public static void main(final String[] arguments) throws Exception {
    final Path folder = Paths.get(arguments[0]);
    run(folder, Status.FAILED, 0);
    run(folder, Status.FAILED, 1);
    run(folder, Status.FAILED_SUCCEEDED, 0);
    System.exit(0);
  }

  private static void run(final Path folder, final Status failed, final int retries)
      throws Exception {
    final ExecutableFlow flow = new ExecutableFlow(new Project(1, "p"), flow());
    flow.setExecutionId(1);
    flow.setExecutionPath(folder.toString());
    for (final String job : new String[] {"fails", "works", "last"}) {
      Files.write(folder.resolve(job + ".job"), ("type=command\nretries=" + retries).getBytes());
    }
    final FlowRunner runner = new FlowRunner(flow, stub(ExecutorLoader.class),
        stub(ProjectLoader.class), null, stub(ExecutorService.class));
    runner.setGlobalProps(new Props());
    final Thread thread = new Thread(runner);
    thread.start();

    final JobRunner one = next(thread);
    final JobRunner other = next(thread);
    final boolean inOrder = one.getNode().getId().equals("fails");
    final JobRunner fails = inOrder ? one : other;
    final JobRunner works = inOrder ? other : one;
    final StringBuilder told = new StringBuilder(failed + ", " + retries + " retries:");
    fails.getNode().setStatus(failed);
    end(works, Status.SUCCEEDED);
    waitUntilHandled(runner);
    if (!STARTED.isEmpty()) {
      told.append(" too early:");
    }
    end(fails, failed);
    JobRunner job;
    while ((job = next(thread)) != null) {
      told.append(' ').append(job.getNode().getId());
      end(job, Status.SUCCEEDED);
    }
    thread.join();
    System.out.println(told.append(' ').append(flow.getStatus()));
  }

  private static Flow flow() {
    final Flow flow = new Flow("last");
    for (final String job : new String[] {"fails", "works", "last"}) {
      final Node node = new Node(job);
      node.setType("command");
      node.setJobSource(job + ".job");
      flow.addNode(node);
    }
    flow.addEdge(new Edge("fails", "last"));
    flow.addEdge(new Edge("works", "last"));
    flow.initialize();
    return flow;
  }

  /** Gives the next job that the flow starts; null when it ends first. */
  private static JobRunner next(final Thread flow) throws InterruptedException {
    JobRunner job = null;
    while (job == null && flow.isAlive()) {
      job = STARTED.poll(20, TimeUnit.MILLISECONDS);
    }
    return job == null ? STARTED.poll() : job;
  }

  private static void end(final JobRunner job, final Status status) {
    job.getNode().setStatus(status);
    job.getNode().setEndTime(System.currentTimeMillis());
    job.fireEventListeners(Event.create(job, Event.Type.JOB_FINISHED, null, false));
  }

  /** Waits until the flow's thread has done all that it can. */
  private static void waitUntilHandled(final FlowRunner runner) throws Exception {
    boolean busy = true;
    while (busy) {
      Thread.sleep(10);
      synchronized (get(runner, "mainSyncObj")) {
        final SwapQueue<?> ends = (SwapQueue<?>) get(runner, "finishedNodes");
        busy = ends.getSize() > 0 && !(Boolean) get(runner, "flowFinished");
      }
    }
  }

  private static Object get(final FlowRunner runner, final String name) throws Exception {
    final Field field = FlowRunner.class.getDeclaredField(name);
    field.setAccessible(true);
    return field.get(runner);
  }

  /** Makes a database that keeps nothing, and a pool that starts nothing. */
  private static <T> T stub(final Class<T> type) {
    final InvocationHandler handler = (self, method, arguments) -> {
      if (method.getName().equals("submit")) {
        STARTED.add((JobRunner) arguments[0]);
      }
      if (method.getReturnType() == boolean.class) {
        return true;
      }
      return method.getReturnType() == int.class ? 0 : null;
    };
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }
}
