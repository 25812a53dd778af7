import java.lang.instrument.ClassFileTransformer;
import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.security.ProtectionDomain;
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
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Loads projects in linear time.
 *
 * Up to 3.44 Azkaban walks every path of a flow when it loads it, once for its nodes and once for
 * their levels: nine layers of eight jobs take minutes, thirty layers never end. Its methods are
 * replaced by walks that come to each job and each edge once. What they make is the same: nodes,
 * edges, errors of cycles, levels. They keep a stack of their own, so that a chain of ten thousand
 * jobs does not overflow that of the thread.
 *
 * The classes of the server are used by reflection: their packages differ between versions.
 */
public final class Projects implements ClassFileTransformer {
    private static final String FLOW = "azkaban/flow/Flow";
    private static final String NODE = "azkaban/flow/Node";
    private static final Map<String, AccessibleObject> KNOWN =
            Collections.synchronizedMap(new HashMap<String, AccessibleObject>());

    @Override
    public byte[] transform(ClassLoader loader, final String name, Class<?> type,
            ProtectionDomain domain, byte[] bytes) {
        if (name == null || !(name.equals(FLOW)
                || name.endsWith("/DirectoryFlowLoader") && name.startsWith("azkaban/"))) {
            return null;
        }
        ClassReader reader = new ClassReader(bytes);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                MethodVisitor next =
                        super.visitMethod(access, method, descriptor, signature, exceptions);
                String called = method + descriptor;
                if (called.equals("constructFlow(L" + FLOW + ";L" + NODE + ";Ljava/util/Set;)V")) {
                    callInstead(next, "constructFlow", 3);
                    return null; // the original body is dropped
                }
                if (called.equals("recursiveSetLevels(L" + NODE + ";)V")) {
                    callInstead(next, "setLevels", 2);
                    return null;
                }
                return next;
            }
        }, 0);
        return writer.toByteArray();
    }

    /** Writes the body: our method, with the object itself and its first parameters. */
    private static void callInstead(MethodVisitor method, String ours, int arguments) {
        StringBuilder descriptor = new StringBuilder("(");
        method.visitCode();
        for (int number = 0; number < arguments; number++) {
            method.visitVarInsn(Opcodes.ALOAD, number);
            descriptor.append("Ljava/lang/Object;");
        }
        method.visitMethodInsn(Opcodes.INVOKESTATIC, "Projects", ours,
                descriptor.append(")V").toString(), false);
        method.visitInsn(Opcodes.RETURN);
        method.visitMaxs(arguments, arguments + 1);
        method.visitEnd();
    }

    /** Adds the jobs that lead to one to its flow, as DirectoryFlowLoader.constructFlow does. */
    public static void constructFlow(Object loader, Object flow, Object last) {
        Map<?, ?> nodes = (Map<?, ?>) get(loader, "nodeMap");
        Map<?, ?> needs = (Map<?, ?>) get(loader, "nodeDependencies");
        @SuppressWarnings("unchecked")
        Collection<Object> errors = (Collection<Object>) get(loader, "errors");
        Deque<Object> path = new ArrayDeque<Object>();
        Deque<Iterator<?>> rest = new ArrayDeque<Iterator<?>>();
        Set<Object> onPath = new HashSet<Object>();
        Set<Object> seen = new HashSet<Object>();
        for (Object next = last; next != null || !path.isEmpty();) {
            if (next != null) { // a job that is new to the flow
                Object id = call(next, "getId");
                seen.add(id);
                onPath.add(id);
                path.push(next);
                call(flow, "addNode", next);
                noteEmbedded(loader, flow, next);
                Map<?, ?> edges = (Map<?, ?>) needs.get(id);
                rest.push(edges == null ? Collections.emptyIterator() : edges.values().iterator());
            }
            next = null;
            if (!rest.peek().hasNext()) {
                rest.pop();
                onPath.remove(call(path.pop(), "getId"));
                continue;
            }
            Object edge = rest.peek().next();
            Object source = call(edge, "getSourceId");
            if (!(Boolean) call(edge, "hasError") && onPath.contains(source)) {
                edge = create(edge.getClass(), source, call(path.peek(), "getId"));
                call(edge, "setError", "Cyclical dependencies found.");
                errors.add("Cyclical dependency found at " + call(edge, "getId"));
            }
            call(flow, "addEdge", edge);
            if (!(Boolean) call(edge, "hasError") && !seen.contains(source)) {
                next = nodes.get(source);
            }
        }
    }

    private static void noteEmbedded(Object loader, Object flow, Object node) {
        if (!"flow".equals(call(node, "getType"))) {
            return;
        }
        Object properties = ((Map<?, ?>) get(loader, "jobPropsMap")).get(call(node, "getId"));
        Object embedded = call(properties, "get", "flow.name");
        @SuppressWarnings("unchecked")
        Map<Object, Set<Object>> all = (Map<Object, Set<Object>>) get(loader, "flowDependencies");
        Object id = call(flow, "getId");
        if (!all.containsKey(id)) {
            all.put(id, new HashSet<Object>());
        }
        call(node, "setEmbeddedFlowId", embedded);
        all.get(id).add(embedded);
    }

    /** Gives each job its level: one more than the highest of those that it waits for. */
    public static void setLevels(Object flow, Object start) {
        List<?> starts = (List<?>) get(flow, "startNodes");
        if (starts.get(starts.size() - 1) != start) {
            return; // it is called for each of them: the last call does the work of all
        }
        Map<?, ?> nodes = (Map<?, ?>) get(flow, "nodes");
        Map<?, ?> out = (Map<?, ?>) get(flow, "outEdges");
        Map<Object, Integer> waiting = countReached(nodes, out, starts);
        Map<Object, Integer> levels = new HashMap<Object, Integer>();
        Deque<Object> ready = new ArrayDeque<Object>(starts);
        int highest = 0;
        while (!ready.isEmpty()) { // jobs of a cycle are never ready
            Object node = ready.pop();
            int level = levels.containsKey(node) ? levels.get(node) : 0;
            call(node, "setLevel", level);
            highest = Math.max(highest, level);
            for (Object edge : edges(out, node)) {
                Object next = nodes.get(call(edge, "getTargetId"));
                call(edge, "setSource", node);
                call(edge, "setTarget", next);
                Integer known = levels.get(next);
                levels.put(next, Math.max(level + 1, known == null ? 0 : known));
                int left = waiting.get(next) - 1;
                waiting.put(next, left);
                if (left == 0) {
                    ready.add(next);
                }
            }
        }
        set(flow, "numLevels", highest);
    }

    /** Counts for each job that can be reached the edges that lead to it from such jobs. */
    private static Map<Object, Integer> countReached(Map<?, ?> nodes, Map<?, ?> out, List<?> starts) {
        Map<Object, Integer> waiting = new HashMap<Object, Integer>();
        Set<Object> seen = new HashSet<Object>(starts);
        Deque<Object> open = new ArrayDeque<Object>(starts);
        while (!open.isEmpty()) {
            for (Object edge : edges(out, open.pop())) {
                Object next = nodes.get(call(edge, "getTargetId"));
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
        Object found = out.get(call(node, "getId"));
        return found == null ? Collections.emptySet() : (Collection<?>) found;
    }

    // -- the server's classes ----------------------------------------------------------------

    private static Object call(Object object, String name, Object... arguments) {
        String key = object.getClass().getName() + "." + name + "/" + arguments.length;
        Method found = (Method) KNOWN.get(key);
        if (found == null) {
            for (Method one : object.getClass().getMethods()) {
                if (one.getName().equals(name) && fits(one.getParameterTypes(), arguments)) {
                    found = one;
                }
            }
            if (found == null) {
                throw new IllegalStateException("This Azkaban has no " + key);
            }
            found.setAccessible(true);
            KNOWN.put(key, found);
        }
        try {
            return found.invoke(object, arguments);
        } catch (IllegalAccessException error) {
            throw new IllegalStateException(error);
        } catch (InvocationTargetException error) {
            throw new IllegalStateException(error.getCause());
        }
    }

    private static boolean fits(Class<?>[] types, Object[] arguments) {
        boolean fits = types.length == arguments.length;
        for (int number = 0; fits && number < types.length; number++) {
            fits = arguments[number] == null || types[number].isInstance(arguments[number])
                    || types[number] == int.class && arguments[number] instanceof Integer;
        }
        return fits;
    }

    private static Object create(Class<?> type, Object first, Object second) {
        try {
            return type.getConstructor(String.class, String.class).newInstance(first, second);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private static Field field(Object object, String name) {
        String key = object.getClass().getName() + "#" + name;
        try {
            if (!KNOWN.containsKey(key)) {
                Field found = object.getClass().getDeclaredField(name);
                found.setAccessible(true);
                KNOWN.put(key, found);
            }
            return (Field) KNOWN.get(key);
        } catch (NoSuchFieldException error) {
            throw new IllegalStateException(error);
        }
    }

    private static Object get(Object object, String name) {
        try {
            return field(object, name).get(object);
        } catch (IllegalAccessException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void set(Object object, String name, int value) {
        try {
            field(object, name).setInt(object, value);
        } catch (IllegalAccessException error) {
            throw new IllegalStateException(error);
        }
    }
}
