import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.codehaus.jackson.JsonProcessingException;
import org.codehaus.jackson.map.ObjectMapper;

/** The schedules that azk made on this account, as azk schedule keeps them in a file. */
final class Schedules {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String[] SHOWN = {
        "project", "flow", "name", "words", "next", "kept_by", "catch_up", "paused", "server_id",
        "missed"
    };

    private Schedules() {}

    /** Those of the projects that somebody may read, without what they start a flow with. */
    static List<Map<String, Object>> read(Path file, Predicate<String> readable)
            throws IOException {
        List<Map<String, Object>> found = new ArrayList<Map<String, Object>>();
        if (!Files.isRegularFile(file)) {
            return found;
        }
        Map<?, ?> whole;
        try {
            whole = JSON.readValue(file.toFile(), Map.class);
        } catch (JsonProcessingException broken) { // azk schedule says so
            return found;
        }
        Object entries = whole.get("entries");
        for (Object one : entries instanceof List ? (List<?>) entries : new ArrayList<Object>()) {
            Map<?, ?> entry = one instanceof Map ? (Map<?, ?>) one : new TreeMap<String, Object>();
            Object project = entry.get("project");
            if (project instanceof String && readable.test((String) project)) {
                Map<String, Object> shown = new TreeMap<String, Object>();
                for (String key : SHOWN) {
                    shown.put(key, entry.get(key));
                }
                found.add(shown);
            }
        }
        return found;
    }
}
