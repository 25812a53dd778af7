import azkaban.flow.Edge;
import azkaban.flow.Flow;
import azkaban.flow.Node;
import azkaban.project.FlowLoader;
import azkaban.project.FlowLoaderFactory;
import azkaban.project.FlowLoaderUtils;
import azkaban.project.Project;
import azkaban.utils.Props;
import azkaban.utils.PropsUtils;
import java.io.File;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.codehaus.jackson.map.ObjectMapper;

/**
 * Loads every folder in a folder as a server does at an upload, and writes one JSON object for
 * each to a file: its errors, and for each flow its jobs, edges and properties. In `properties` a job's are
 * merged and resolved by the server's own classes, without outputs of other jobs.
 */
public final class LoadProjects {
  public static void main(final String[] arguments) throws Exception {
    final PrintStream out = new PrintStream(arguments[1], "UTF-8");
    final File[] folders = new File(arguments[0]).listFiles(File::isDirectory);
    Arrays.sort(folders);
    for (final File folder : folders) {
      final Map<String, Object> report = load(folder);
      report.put("project", folder.getName());
      out.println(new ObjectMapper().writeValueAsString(report));
    }
    out.close();
  }

  private static Map<String, Object> load(final File folder) {
    final Map<String, Object> report = new LinkedHashMap<>();
    try {
      final FlowLoader loader = new FlowLoaderFactory(new Props()).createFlowLoader(folder);
      report.put("errors", loader.loadProjectFlow(new Project(1, "p"), folder).getErrorMsgs());
      final Map<String, Object> flows = new TreeMap<>();
      for (final Flow flow : loader.getFlowMap().values()) {
        flows.put(flow.getId(), describe(flow, folder));
      }
      report.put("flows", flows);
    } catch (final Exception | StackOverflowError error) {
      report.put("errors", Arrays.asList(String.valueOf(error)));
    }
    return report;
  }

  private static Map<String, Object> describe(final Flow flow, final File folder) {
    final Map<String, Object> jobs = new TreeMap<>();
    for (final Node node : flow.getNodes()) {
      final Map<String, Object> job = new LinkedHashMap<>();
      job.put("type", node.getType());
      job.put("condition", node.getCondition());
      job.put("status", String.valueOf(node.getConditionOnJobStatus()));
      job.put("embedded", node.getEmbeddedFlowId());
      final List<String> needs = new ArrayList<>();
      for (final Edge edge : flow.getEdges()) {
        if (edge.getTargetId().equals(node.getId())) {
          needs.add(edge.getSourceId());
        }
      }
      job.put("needs", needs);
      if (node.getPropsSource() != null && node.getPropsSource().endsWith(".flow")) {
        job.put("properties", properties(flow.getId(), node, folder));
      }
      jobs.put(node.getId(), job);
    }
    return jobs;
  }

  /** Chains the configuration of a job to those of the flows around it, as an executor does. */
  private static Object properties(final String flow, final Node node, final File folder) {
    final File file = new File(folder, node.getPropsSource());
    Props merged = null;
    String path = "";
    for (final String name : (flow + ":" + node.getId()).split(":")) {
      path = path.isEmpty() ? name : path + ":" + name;
      final Props own = FlowLoaderUtils.getPropsFromYamlFile(path, file);
      if (own == null) {
        return null;
      }
      own.setParent(merged);
      merged = own;
    }
    try {
      return new TreeMap<>(PropsUtils.resolveProps(merged).getFlattened());
    } catch (final RuntimeException error) {
      return error.getMessage();
    }
  }
}
