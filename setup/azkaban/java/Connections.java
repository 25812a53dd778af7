import java.sql.Connection;
import java.sql.Driver;
import java.sql.SQLException;
import java.util.Properties;
import org.objectweb.asm.MethodVisitor;

/**
 * Tries again to connect to the database when that was refused, or cut off before the log-in ended.
 *
 * MySQL gives a new connection 5 s for its log-in, so that strangers cannot hold them; on a busy
 * machine the server itself is late at times. Nothing was asked yet, so another try is safe, where
 * Azkaban would fail an upload, or answer as if a project had no log.
 */
public final class Connections extends MethodTransformer {
    private static final int TRIES = 4;
    private static final long PAUSE = 250; // ms, twice as long each time

    @Override
    protected boolean changes(String type) {
        return type.matches("org/apache/commons/dbcp2?/DriverConnectionFactory");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        return redirect(next, "java/sql/Driver.connect", "Connections.connect",
                "(Ljava/sql/Driver;Ljava/lang/String;Ljava/util/Properties;)Ljava/sql/Connection;");
    }

    /** Connects; the last failure is the caller's. */
    public static Connection connect(Driver driver, String url, Properties settings)
            throws SQLException {
        for (int left = TRIES - 1;; left--) {
            try {
                return driver.connect(url, settings);
            } catch (SQLException error) {
                String state = String.valueOf(error.getSQLState());
                if (left == 0 || !state.startsWith("08")) { // 08: of the connection itself
                    throw error;
                }
                try {
                    Thread.sleep(PAUSE << TRIES - 1 - left);
                } catch (InterruptedException wanted) {
                    Thread.currentThread().interrupt();
                    throw error;
                }
            }
        }
    }
}
