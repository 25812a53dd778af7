import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Random;

/** Reads a row of H2 while another thread writes it, as Azkaban does with a flow's state. */
public final class Readers {
    private static final int WRITES = 3000;
    private static final int BYTES = 3000;

    private Readers() {
    }

    public static void main(String[] arguments) throws Exception {
        final String url = "jdbc:h2:file:" + arguments[0];
        try (Connection connection = DriverManager.getConnection(url)) {
            connection.createStatement().execute("CREATE TABLE t (id INT PRIMARY KEY, d LONGBLOB)");
            connection.createStatement().execute("INSERT INTO t VALUES (1, '00')");
            Thread writer = new Thread() {
                @Override
                public void run() {
                    write(url);
                }
            };
            writer.start();
            System.out.println("failed " + read(connection, writer));
        }
    }

    private static void write(String url) {
        byte[] data = new byte[BYTES];
        Random random = new Random(0);
        try (Connection connection = DriverManager.getConnection(url)) {
            PreparedStatement update = connection.prepareStatement("UPDATE t SET d = ?");
            for (int i = 0; i < WRITES; i++) {
                random.nextBytes(data);
                update.setBytes(1, data);
                update.executeUpdate();
            }
        } catch (SQLException error) {
            System.out.println("write " + error.getErrorCode());
        }
    }

    private static int read(Connection connection, Thread writer) throws SQLException {
        PreparedStatement select = connection.prepareStatement("SELECT d FROM t WHERE id = 1");
        int failed = 0;
        while (writer.isAlive()) {
            try (ResultSet found = select.executeQuery()) {
                found.next();
                found.getBytes(1);
            } catch (SQLException error) {
                failed++;
            }
        }
        return failed;
    }
}
