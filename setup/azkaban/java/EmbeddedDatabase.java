import java.sql.SQLException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.objectweb.asm.MethodVisitor;

/**
 * Lets a server go on with its embedded database after an error of the database's file, and keeps
 * an interrupt from being one.
 *
 * Azkaban interrupts the thread of a flow whenever a job ends. From 1.4 on (Azkaban 3.x and 4.0)
 * H2 reads and writes its file through a channel of Java's, which an interrupt closes, and the
 * database with it: what the thread was about to store is lost. Here H2 opens the file as 1.3 did.
 *
 * Where H2 cannot write, as on a full disk, it closes the file, and from then on each statement
 * fails ("Stream Closed") until the server is started again; what a failed statement had locked
 * stays locked. Here the whole database is closed, as H2 does itself when memory ends: the next
 * connection opens it again, and finds all that was committed. Pools try a connection before
 * they give it away, so that those of the closed database are replaced.
 */
public final class EmbeddedDatabase extends MethodTransformer {
    private static final Set<Integer> OF_A_FILE = new HashSet<Integer>(Arrays.asList(90028, 90031));
    private static final int CLOSED = -1;

    @Override
    protected boolean changes(String type) {
        return type.equals("org/h2/engine/Database") || type.equals("org/h2/mvstore/FileStore")
                || type.matches("org/apache/commons/dbcp2?/BasicDataSource");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        switch (method) {
            case "exceptionThrown": // of H2's database, as "checkPowerOff"
                return before(next, "EmbeddedDatabase.failed",
                        "(Ljava/lang/Object;Ljava/sql/SQLException;)V", 0, 1);
            case "checkPowerOff":
                return redirect(next, "org/h2/engine/Engine.close", "EmbeddedDatabase.forget",
                        "(Ljava/lang/Object;Ljava/lang/String;)V");
            case "open": // of H2's file, where it asks whether the name has a scheme, else "nio:"
                return !type.endsWith("/FileStore") ? next : redirect(next,
                        "java/lang/String.startsWith", "EmbeddedDatabase.named",
                        "(Ljava/lang/String;Ljava/lang/String;)Z");
            case "setUrl": // of a pool
                return before(next, "EmbeddedDatabase.tried",
                        "(Ljava/lang/Object;Ljava/lang/String;)V", 0, 1);
            default:
                return next;
        }
    }

    /** Closes a database with whose file a statement failed. */
    public static void failed(Object database, SQLException error) {
        if (OF_A_FILE.contains(error.getErrorCode())) {
            Members.call(database, "shutdownImmediately");
        }
    }

    /**
     * Forgets a database that has been closed. H2 does so whenever a connection of it is used, and
     * would forget the one that has been opened since, whose file is locked against a third.
     */
    public static void forget(Object engine, String name) {
        Map<?, ?> open = (Map<?, ?>) Members.get(engine, "DATABASES");
        Object database = open.get(name);
        if (database != null && (Integer) Members.get(database, "powerOffCount") == CLOSED) {
            open.remove(name);
        }
    }

    /** Takes the file's name as it is; without a scheme, it is one that no interrupt closes. */
    public static boolean named(String file, String scheme) {
        return true;
    }

    /** Lets a pool of connections to H2 try each before it gives it away. */
    public static void tried(Object pool, String url) {
        if (url.startsWith("jdbc:h2:")) {
            Members.call(pool, "setValidationQuery", "SELECT 1");
        }
    }
}
