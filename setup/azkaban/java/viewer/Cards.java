import azkaban.executor.ExecutableFlow;
import azkaban.executor.ExecutorManagerException;
import azkaban.flow.Flow;
import azkaban.project.Project;
import azkaban.webapp.AzkabanWebServer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The flows of projects and their last runs, which Azkaban tells by one request for each flow. */
final class Cards {
    private static final int RUNS = 20;
    private static final int MOST_FLOWS = 50; // of a project: each takes the database a question
    private static final Comparator<ExecutableFlow> NEWEST_FIRST =
            Comparator.comparing(ExecutableFlow::getExecutionId).reversed();

    private final AzkabanWebServer server;

    Cards(AzkabanWebServer server) {
        this.server = server;
    }

    /** The names of a project's flows, and the last runs `of` so many of them. */
    Map<String, Object> of(Project project) throws ExecutorManagerException {
        List<String> flows = new ArrayList<String>();
        for (Flow flow : project.getFlows()) {
            if (!embedded(flow)) {
                flows.add(flow.getId());
            }
        }
        Collections.sort(flows);
        List<String> asked = flows.subList(0, Math.min(MOST_FLOWS, flows.size()));
        List<Map<String, Object>> runs = new ArrayList<Map<String, Object>>();
        for (ExecutableFlow run : last(project, asked)) {
            Map<String, Object> one = new LinkedHashMap<String, Object>();
            one.put("id", run.getExecutionId());
            one.put("flow", run.getFlowId());
            one.put("status", run.getStatus().toString());
            one.put("start", run.getStartTime());
            one.put("end", run.getEndTime());
            runs.add(one);
        }
        Map<String, Object> card = new LinkedHashMap<String, Object>();
        card.put("flows", flows);
        card.put("of", asked.size());
        card.put("runs", runs);
        return card;
    }

    /** The newest runs of all flows: of a flow whose newest is older than these, no more are read. */
    private List<ExecutableFlow> last(Project project, List<String> flows)
            throws ExecutorManagerException {
        List<ExecutableFlow> newest = new ArrayList<ExecutableFlow>();
        for (String flow : flows) {
            newest.addAll(runs(project, flow, 1));
        }
        newest.sort(NEWEST_FIRST);
        List<ExecutableFlow> found = new ArrayList<ExecutableFlow>();
        for (ExecutableFlow one : newest) {
            boolean enough = found.size() == RUNS
                    && found.get(RUNS - 1).getExecutionId() > one.getExecutionId();
            if (enough) {
                break;
            }
            found.addAll(runs(project, one.getFlowId(), RUNS));
            found.sort(NEWEST_FIRST);
            found.subList(Math.min(RUNS, found.size()), found.size()).clear();
        }
        return found;
    }

    private List<ExecutableFlow> runs(Project project, String flow, int most)
            throws ExecutorManagerException {
        List<ExecutableFlow> found = new ArrayList<ExecutableFlow>();
        server.getExecutorManager().getExecutableFlows(project.getId(), flow, 0, most, found);
        return found;
    }

    /** Whether it is a part of another flow, which later servers list among the flows of a project. */
    private static boolean embedded(Flow flow) {
        try {
            return (Boolean) Flow.class.getMethod("isEmbeddedFlow").invoke(flow);
        } catch (ReflectiveOperationException before) { // 2.5 has no such flows
            return false;
        }
    }
}
