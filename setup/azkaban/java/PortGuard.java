import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import javax.mail.Authenticator;
import javax.mail.Session;
import org.mortbay.jetty.Connector;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Keeps Azkaban's ports for those who may use them, and mends what has no setting.
 *
 * Azkaban has no setting for the address of its web and executor ports, and a Jetty connector
 * without a host listens everywhere: AbstractConnector.getHost() is made to return the address
 * that was asked for. The executor obeys whoever reaches it, without a password, and any account
 * of this machine reaches loopback: Requests refuses, on that port, those from processes of other
 * accounts. What else Azkaban lacks at the door is added by the classes that Incoming names.
 *
 * Use: -javaagent:port-guard.jar=PORT=ADDRESS,PORT=ADDRESS=own with asm on the class path. A port
 * that is not named is bound to 127.0.0.1 and is for this account's own processes. Set-up checks
 * after each start where the server listens, and stops it when that is not what was asked for.
 *
 * Three more things have no setting. Mail: properties of this process that begin with "mail.smtp."
 * (port, encryption) reach JavaMail's sessions. Azkaban 3 and 4 install a security manager that
 * allows everything, which Java 24 no longer has: that call is left out. What is printed goes to
 * the file of -Dportguard.output and begins anew at 10 MB, with one earlier file kept.
 */
public final class PortGuard extends MethodTransformer {
    private static final String CONNECTOR = "org/mortbay/jetty/AbstractConnector";
    private static final Set<String> CALLERS = new HashSet<String>(Arrays.asList(
            "azkaban/utils/EmailMessage", "azkaban/execapp/AzkabanExecutorServer",
            "azkaban/soloserver/AzkabanSingleServer"));
    private static final Map<Integer, String> HOSTS = new HashMap<Integer, String>();
    private static final Set<Integer> OPEN = new HashSet<Integer>();

    public static void premain(String arguments, Instrumentation instrumentation) {
        for (String entry : arguments.split(",")) {
            String[] parts = entry.split("=");
            HOSTS.put(Integer.valueOf(parts[0]), parts[1]);
            if (parts.length == 2) {
                OPEN.add(Integer.valueOf(parts[0]));
            }
        }
        for (ClassFileTransformer one : new ClassFileTransformer[] {
            new PortGuard(), new Incoming(), new Outgoing(), new Connections(), new Limits(),
            new Projects(), new Jobs(), new JobLog.Use(), new FinishedJobs(), new FlowUpdates(),
            new Causes(), new EmbeddedDatabase(), new Letters(), new Triggers(),
            new Characters(), new Permissions()}) {
            instrumentation.addTransformer(one);
        }
        String output = System.getProperty("portguard.output");
        if (output != null) {
            PrintStream stream = new PrintStream(new Output(new File(output)), true);
            System.setOut(stream);
            System.setErr(stream);
        }
    }

    @Override
    protected boolean changes(String type) {
        return type.equals(CONNECTOR) || CALLERS.contains(type);
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        if (!type.equals(CONNECTOR)) {
            return new OtherCalls(next);
        }
        return method.equals("getHost") && descriptor.equals("()Ljava/lang/String;")
                ? instead(next, "PortGuard.host", "(Ljava/lang/Object;)Ljava/lang/String;", 0)
                : next;
    }

    /** Leads a session of JavaMail past us, and leaves out the security manager. */
    private static final class OtherCalls extends MethodVisitor {
        OtherCalls(MethodVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                boolean ofInterface) {
            if (name.equals("setSecurityManager") || name.equals("setPolicy")) {
                super.visitInsn(Opcodes.POP);
            } else if (owner.equals("javax/mail/Session") && name.equals("getInstance")) {
                super.visitMethodInsn(opcode, "PortGuard$Mail", "session", descriptor, false);
            } else {
                super.visitMethodInsn(opcode, owner, name, descriptor, ofInterface);
            }
        }
    }

    /** Tells whether a port is for other accounts, too. */
    static boolean isOpen(int port) {
        return OPEN.contains(port);
    }

    /** Returns the address for a connector of Jetty. */
    public static String host(Object connector) { // a Java without Jetty can have this agent, too
        String host = HOSTS.get(((Connector) connector).getPort());
        return host == null ? "127.0.0.1" : host;
    }

    /** Sessions of JavaMail with the settings of this process. */
    public static final class Mail {
        private Mail() {
        }

        public static Session session(Properties given, Authenticator authenticator) {
            for (String name : System.getProperties().stringPropertyNames()) {
                if (name.startsWith("mail.smtp.")) {
                    given.put(name, System.getProperty(name));
                }
            }
            given.remove("mail.smtp.ssl.trust"); // Azkaban 4 would take any certificate
            return Session.getInstance(given, authenticator);
        }
    }

    /** A file that begins anew when it is full; the one before it is kept. */
    private static final class Output extends OutputStream {
        private static final long MOST = 10L << 20;
        private final File file;
        private OutputStream stream;
        private long size;

        Output(File file) {
            this.file = file;
        }

        @Override
        public void write(int one) throws IOException {
            write(new byte[] {(byte) one}, 0, 1);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int count) throws IOException {
            if (stream == null) {
                stream = new FileOutputStream(file, true);
                size = file.length();
            }
            stream.write(bytes, from, count);
            size += count;
            if (size > MOST) {
                stream.close();
                stream = null;
                Files.move(file.toPath(), Paths.get(file + ".1"),
                        StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }
}
