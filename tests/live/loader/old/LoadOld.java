import azkaban.flow.Edge;
import azkaban.flow.Flow;
import azkaban.flow.Node;
import azkaban.utils.DirectoryFlowLoader;
import java.io.File;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.log4j.Logger;
import org.codehaus.jackson.map.ObjectMapper;

/** Loads every folder in a folder with the loader of 2.5, and prints what it makes of each. */
public final class LoadOld {
  public static void main(final String[] arguments) throws Exception {
    final PrintStream out = new PrintStream(arguments[1], "UTF-8");
    final File[] folders = new File(arguments[0]).listFiles();
    Arrays.sort(folders);
    for (final File folder : folders) {
      final Map<String, Object> report = new TreeMap<>();
      report.put("project", folder.getName());
      try {
        final DirectoryFlowLoader loader = new DirectoryFlowLoader(Logger.getRootLogger());
        loader.loadProjectFlow(folder);
        report.put("errors", !loader.getErrors().isEmpty());
        final Map<String, Object> flows = new TreeMap<>();
        for (final Flow flow : loader.getFlowMap().values()) {
          flows.put(flow.getId(), describe(flow));
        }
        report.put("flows", flows);
      } catch (final StackOverflowError error) {
        report.put("overflow", true);
      }
      out.println(new ObjectMapper().writeValueAsString(report));
    }
    out.close();
  }

  private static Object describe(final Flow flow) {
    final Map<String, Object> found = new TreeMap<>();
    for (final Node node : flow.getNodes()) {
      found.put(node.getId(), node.getLevel() + " " + node.getEmbeddedFlowId());
    }
    final TreeSet<String> edges = new TreeSet<>();
    for (final Edge edge : flow.getEdges()) {
      edges.add(edge.getId() + " " + edge.getError());
    }
    found.put("edges", edges);
    return found;
  }
}
