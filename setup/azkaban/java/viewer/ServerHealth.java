import azkaban.executor.ExecutorManagerException;
import azkaban.webapp.AzkabanWebServer;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** How the web server and what it needs are: executors, database, memory, disk. */
final class ServerHealth {
    private static final int PATIENCE = 1000;

    private ServerHealth() {
    }

    static Map<String, Object> of(AzkabanWebServer server, Path runs) {
        Map<String, Object> found = new LinkedHashMap<String, Object>();
        found.put("executors", executors(server));
        found.put("database", database(server));
        Runtime java = Runtime.getRuntime();
        found.put("memory", pair("used", java.totalMemory() - java.freeMemory(), "most",
                java.maxMemory()));
        File folder = runs.toFile().getAbsoluteFile();
        while (!folder.exists() && folder.getParentFile() != null) { // no job has left files yet
            folder = folder.getParentFile();
        }
        found.put("disk", pair("free", folder.getUsableSpace(), "total", folder.getTotalSpace()));
        return found;
    }

    private static Map<String, Long> pair(String one, long first, String other, long second) {
        Map<String, Long> found = new LinkedHashMap<String, Long>();
        found.put(one, first);
        found.put(other, second);
        return found;
    }

    private static List<Map<String, Object>> executors(AzkabanWebServer server) {
        Set<String> names = new TreeSet<String>(server.getExecutorManager().getPrimaryServerHosts());
        names.addAll(server.getExecutorManager().getAllActiveExecutorServerHosts());
        List<Map<String, Object>> found = new ArrayList<Map<String, Object>>();
        for (String name : names) {
            Map<String, Object> one = new LinkedHashMap<String, Object>();
            one.put("name", name);
            one.put("up", answers(name));
            found.add(one);
        }
        return found;
    }

    private static boolean answers(String name) {
        int colon = name.lastIndexOf(':');
        try (Socket socket = new Socket()) {
            int port = Integer.parseInt(name.substring(colon + 1));
            socket.connect(new InetSocketAddress(name.substring(0, colon), port), PATIENCE);
            return true;
        } catch (IOException down) {
            return false;
        } catch (RuntimeException strange) { // no port in it
            return false;
        }
    }

    /** Milliseconds in which the database gives the newest execution; -1 when it does not. */
    private static long database(AzkabanWebServer server) {
        long begin = System.nanoTime();
        try {
            server.getExecutorManager().getExecutableFlows(0, 1);
        } catch (ExecutorManagerException down) {
            return -1;
        }
        return (System.nanoTime() - begin) / 1_000_000;
    }
}
