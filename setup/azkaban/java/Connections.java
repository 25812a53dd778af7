import java.lang.instrument.ClassFileTransformer;
import java.security.ProtectionDomain;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.SQLException;
import java.util.Properties;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Tries again to connect to the database when that was refused, or cut off before the log-in ended.
 *
 * MySQL gives a new connection 5 s for its log-in, so that strangers cannot hold them; on a busy
 * machine the server itself is late at times. Nothing was asked yet, so another try is safe, where
 * Azkaban would fail an upload, or answer as if a project had no log.
 */
public final class Connections implements ClassFileTransformer {
    private static final int TRIES = 4;
    private static final long PAUSE = 250; // ms, twice as long each time
    private static final String CONNECT =
            "(Ljava/lang/String;Ljava/util/Properties;)Ljava/sql/Connection;";

    @Override
    public byte[] transform(ClassLoader loader, String name, Class<?> type,
            ProtectionDomain domain, byte[] bytes) {
        if (name == null || !name.matches("org/apache/commons/dbcp2?/DriverConnectionFactory")) {
            return null;
        }
        ClassReader reader = new ClassReader(bytes);
        ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
        reader.accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public MethodVisitor visitMethod(int access, String method, String descriptor,
                    String signature, String[] exceptions) {
                return new Again(
                        super.visitMethod(access, method, descriptor, signature, exceptions));
            }
        }, 0);
        return writer.toByteArray();
    }

    /** Makes "driver.connect(url, settings)" to "Connections.connect(driver, url, settings)". */
    private static final class Again extends MethodVisitor {
        Again(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                boolean ofInterface) {
            if (name.equals("connect") && descriptor.equals(CONNECT)) {
                super.visitMethodInsn(Opcodes.INVOKESTATIC, "Connections", name,
                        "(Ljava/sql/Driver;" + CONNECT.substring(1), false);
            } else {
                super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
            }
        }
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
