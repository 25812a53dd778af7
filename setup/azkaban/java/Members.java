import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Reaches methods and fields of the server's objects by their names.
 *
 * The packages of its classes differ between versions, and some members are private. What is found
 * is remembered: a flow of thousands of jobs asks hundreds of thousands of times.
 */
final class Members {
    private static final Map<String, AccessibleObject> KNOWN =
            new ConcurrentHashMap<String, AccessibleObject>();

    private Members() {
    }

    /** Calls the method with this name that takes such arguments. */
    static Object call(Object object, String name, Object... arguments) {
        String key = object.getClass().getName() + "." + name + "/" + arguments.length;
        Method found = (Method) KNOWN.get(key);
        if (found == null) {
            found = find(object.getClass(), name, arguments);
            remember(key, found);
        }
        try {
            return found.invoke(object, arguments);
        } catch (IllegalAccessException error) {
            throw new IllegalStateException(error);
        } catch (InvocationTargetException error) {
            throw new IllegalStateException(error.getCause());
        }
    }

    private static Method find(Class<?> type, String name, Object[] arguments) {
        for (Class<?> one = type; one != null; one = one.getSuperclass()) {
            for (Method method : one.getDeclaredMethods()) {
                if (method.getName().equals(name)
                        && fits(method.getParameterTypes(), arguments)) {
                    return method;
                }
            }
        }
        return null;
    }

    private static boolean fits(Class<?>[] types, Object[] arguments) {
        boolean fits = types.length == arguments.length;
        for (int number = 0; fits && number < types.length; number++) {
            fits = arguments[number] == null || types[number].isInstance(arguments[number])
                    || types[number] == int.class && arguments[number] instanceof Integer;
        }
        return fits;
    }

    /** Returns the value of a field that the object's own class declares. */
    static Object get(Object object, String name) {
        try {
            return field(object, name).get(object);
        } catch (IllegalAccessException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Gives a field a number. */
    static void set(Object object, String name, int value) {
        try {
            field(object, name).setInt(object, value);
        } catch (IllegalAccessException error) {
            throw new IllegalStateException(error);
        }
    }

    private static Field field(Object object, String name) {
        String key = object.getClass().getName() + "#" + name;
        Field found = (Field) KNOWN.get(key);
        if (found == null) {
            for (Field one : object.getClass().getDeclaredFields()) {
                found = one.getName().equals(name) ? one : found;
            }
            remember(key, found);
        }
        return found;
    }

    private static void remember(String key, AccessibleObject found) {
        if (found == null) {
            throw new IllegalStateException("This Azkaban has no " + key);
        }
        found.setAccessible(true);
        KNOWN.put(key, found);
    }
}
