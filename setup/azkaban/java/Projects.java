import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.objectweb.asm.MethodVisitor;

/**
 * Loads projects in linear time.
 *
 * Up to 3.44 Azkaban walks every path of a flow when it loads it, once for its nodes and once for
 * their levels: nine layers of eight jobs take minutes, thirty layers never end. Its methods are
 * replaced by walks that come to each job and each edge once. What they make is the same: nodes,
 * edges, errors of cycles, levels. They keep a stack of their own, so that a chain of ten thousand
 * jobs does not overflow that of the thread.
 */
public final class Projects extends MethodTransformer {
    private static final String FLOW = "azkaban/flow/Flow";
    private static final String NODE = "azkaban/flow/Node";

    @Override
    protected boolean changes(String type) {
        return type.equals(FLOW)
                || type.endsWith("/DirectoryFlowLoader") && type.startsWith("azkaban/");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        String object = "Ljava/lang/Object;";
        switch (method + descriptor) {
            case "constructFlow(L" + FLOW + ";L" + NODE + ";Ljava/util/Set;)V":
                return instead(next, "Projects.constructFlow",
                        "(" + object + object + object + ")V", 0, 1, 2);
            case "recursiveSetLevels(L" + NODE + ";)V":
                return instead(next, "Projects.setLevels", "(" + object + object + ")V", 0, 1);
            default:
                return next;
        }
    }

    /** Adds the jobs that lead to one to its flow, as DirectoryFlowLoader.constructFlow does. */
    public static void constructFlow(Object loader, Object flow, Object last) {
        Map<?, ?> nodes = (Map<?, ?>) Members.get(loader, "nodeMap");
        Map<?, ?> needs = (Map<?, ?>) Members.get(loader, "nodeDependencies");
        @SuppressWarnings("unchecked")
        Collection<Object> errors = (Collection<Object>) Members.get(loader, "errors");
        Deque<Object> path = new ArrayDeque<Object>();
        Deque<Iterator<?>> rest = new ArrayDeque<Iterator<?>>();
        Set<Object> onPath = new HashSet<Object>();
        Set<Object> seen = new HashSet<Object>();
        for (Object next = last; next != null || !path.isEmpty();) {
            if (next != null) { // a job that is new to the flow
                Object id = Members.call(next, "getId");
                seen.add(id);
                onPath.add(id);
                path.push(next);
                Members.call(flow, "addNode", next);
                noteEmbedded(loader, flow, next);
                Map<?, ?> edges = (Map<?, ?>) needs.get(id);
                rest.push(edges == null ? Collections.emptyIterator() : edges.values().iterator());
            }
            next = null;
            if (!rest.peek().hasNext()) {
                rest.pop();
                onPath.remove(Members.call(path.pop(), "getId"));
                continue;
            }
            Object edge = rest.peek().next();
            Object source = Members.call(edge, "getSourceId");
            if (!(Boolean) Members.call(edge, "hasError") && onPath.contains(source)) {
                edge = create(edge.getClass(), source, Members.call(path.peek(), "getId"));
                Members.call(edge, "setError", "Cyclical dependencies found.");
                errors.add("Cyclical dependency found at " + Members.call(edge, "getId"));
            }
            Members.call(flow, "addEdge", edge);
            if (!(Boolean) Members.call(edge, "hasError") && !seen.contains(source)) {
                next = nodes.get(source);
            }
        }
    }

    private static void noteEmbedded(Object loader, Object flow, Object node) {
        if (!"flow".equals(Members.call(node, "getType"))) {
            return;
        }
        Map<?, ?> properties = (Map<?, ?>) Members.get(loader, "jobPropsMap");
        Object own = properties.get(Members.call(node, "getId"));
        Object embedded = Members.call(own, "get", "flow.name");
        @SuppressWarnings("unchecked")
        Map<Object, Set<Object>> all =
                (Map<Object, Set<Object>>) Members.get(loader, "flowDependencies");
        Object id = Members.call(flow, "getId");
        if (!all.containsKey(id)) {
            all.put(id, new HashSet<Object>());
        }
        Members.call(node, "setEmbeddedFlowId", embedded);
        all.get(id).add(embedded);
    }

    /** Gives each job its level: one more than the highest of those that it waits for. */
    public static void setLevels(Object flow, Object start) {
        List<?> starts = (List<?>) Members.get(flow, "startNodes");
        if (starts.get(starts.size() - 1) != start) {
            return; // it is called for each of them: the last call does the work of all
        }
        Map<?, ?> nodes = (Map<?, ?>) Members.get(flow, "nodes");
        Map<?, ?> out = (Map<?, ?>) Members.get(flow, "outEdges");
        Map<Object, Integer> waiting = countReached(nodes, out, starts);
        Map<Object, Integer> levels = new HashMap<Object, Integer>();
        Deque<Object> ready = new ArrayDeque<Object>(starts);
        int highest = 0;
        while (!ready.isEmpty()) { // jobs of a cycle are never ready
            Object node = ready.pop();
            int level = levels.containsKey(node) ? levels.get(node) : 0;
            Members.call(node, "setLevel", level);
            highest = Math.max(highest, level);
            for (Object edge : edges(out, node)) {
                Object next = nodes.get(Members.call(edge, "getTargetId"));
                Members.call(edge, "setSource", node);
                Members.call(edge, "setTarget", next);
                Integer known = levels.get(next);
                levels.put(next, Math.max(level + 1, known == null ? 0 : known));
                int left = waiting.get(next) - 1;
                waiting.put(next, left);
                if (left == 0) {
                    ready.add(next);
                }
            }
        }
        Members.set(flow, "numLevels", highest);
    }

    /** Counts for each job that can be reached the edges that lead to it from such jobs. */
    private static Map<Object, Integer> countReached(Map<?, ?> nodes, Map<?, ?> out, List<?> starts) {
        Map<Object, Integer> waiting = new HashMap<Object, Integer>();
        Set<Object> seen = new HashSet<Object>(starts);
        Deque<Object> open = new ArrayDeque<Object>(starts);
        while (!open.isEmpty()) {
            for (Object edge : edges(out, open.pop())) {
                Object next = nodes.get(Members.call(edge, "getTargetId"));
                Integer before = waiting.get(next);
                waiting.put(next, before == null ? 1 : before + 1);
                if (seen.add(next)) {
                    open.push(next);
                }
            }
        }
        return waiting;
    }

    private static Collection<?> edges(Map<?, ?> out, Object node) {
        Object found = out.get(Members.call(node, "getId"));
        return found == null ? Collections.emptySet() : (Collection<?>) found;
    }

    private static Object create(Class<?> type, Object first, Object second) {
        try {
            return type.getConstructor(String.class, String.class).newInstance(first, second);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }
}
