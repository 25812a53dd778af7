import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** Stores rows in H2 from a thread that is interrupted, as Azkaban's threads of flows are. */
public final class Interrupts {
    private static final int ROWS = 20;

    private Interrupts() {
    }

    public static void main(String[] arguments) {
        String url = "jdbc:h2:file:" + arguments[0] + "/azkaban;WRITE_DELAY=0";
        try (Connection connection = DriverManager.getConnection(url)) {
            Statement statement = connection.createStatement();
            statement.execute("CREATE TABLE t (row INT)");
            for (int row = 0; row < ROWS; row++) {
                Thread.currentThread().interrupt();
                statement.execute("INSERT INTO t VALUES (" + row + ")");
                Thread.interrupted();
            }
            ResultSet found = statement.executeQuery("SELECT COUNT(*) FROM t");
            found.next();
            System.out.println("rows " + found.getInt(1));
        } catch (SQLException error) {
            System.out.println("error " + error.getErrorCode());
        }
    }
}
