import java.io.File;
import java.io.IOException;
import java.sql.SQLException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Says in the message of a refused upload or start what its cause was.
 *
 * Azkaban answers with the message of the outermost exception, such as "Error unzipping file.",
 * whether the zip is damaged or the disk full. The constructors of its two exceptions are made to
 * add the cause where it is one of the disk or of a file.
 */
public final class Causes extends MethodTransformer {
    private static final String ALONE = "(Ljava/lang/String;)V";
    private static final String CAUSED = "(Ljava/lang/String;Ljava/lang/Throwable;)V";
    /** What Azkaban says where it drops the cause. */
    private static final Pattern DROPPED = Pattern.compile(
            "Md5 Hash failed|Error creating temp file|Error chunking file");
    private static final long NO_ROOM = 1 << 20;
    private static final Pattern FULL = Pattern.compile(
            "No space left on device|Disk quota exceeded|[Ee]rror 28\\b|[Ee]rrcode: (28|122)\\b"
            + "|The table '[^']*' is full|Disk full");

    @Override
    protected boolean changes(String type) {
        return type.equals("azkaban/project/ProjectManagerException")
                || type.equals("azkaban/executor/ExecutorManagerException");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        boolean caused = descriptor.equals(CAUSED);
        boolean ours = method.equals("<init>") && (caused || descriptor.equals(ALONE));
        return ours ? new TellFirst(next, caused) : next;
    }

    /** Puts "message = Causes.told(message, cause);" before the constructor's own code. */
    private static final class TellFirst extends MethodVisitor {
        private final boolean caused;

        TellFirst(MethodVisitor next, boolean caused) {
            super(Opcodes.ASM9, next);
            this.caused = caused;
        }

        @Override
        public void visitCode() {
            super.visitCode();
            visitVarInsn(Opcodes.ALOAD, 1);
            if (caused) {
                visitVarInsn(Opcodes.ALOAD, 2);
            } else {
                visitInsn(Opcodes.ACONST_NULL);
            }
            visitMethodInsn(Opcodes.INVOKESTATIC, "Causes", "told",
                    "(Ljava/lang/String;Ljava/lang/Throwable;)Ljava/lang/String;", false);
            visitVarInsn(Opcodes.ASTORE, 1);
        }
    }

    /** The message of an error, with what caused it. */
    public static String told(String message, Throwable cause) {
        String words = "";
        boolean unsaid = cause == null && DROPPED.matcher(String.valueOf(message)).find();
        for (Throwable one = cause; one != null; one = one.getCause()) {
            String said = String.valueOf(one.getMessage());
            Matcher full = FULL.matcher(said);
            if (full.find()) { // the rest of what a database says holds its statement's values
                return "The server's disk is full: " + message + " (" + full.group() + ")";
            }
            unsaid |= isClosed(one);
            if (one instanceof IOException) {
                words = said;
            }
        }
        boolean added = !words.isEmpty() && !String.valueOf(message).contains(words);
        String whole = added ? message + " (" + words + ")" : message;
        return (unsaid || added) && noRoom() ? "The server's disk is full: " + whole : whole;
    }

    /** Tells whether the embedded database is closed, as it is after an error of its file. */
    private static boolean isClosed(Throwable cause) {
        return cause instanceof SQLException && ((SQLException) cause).getErrorCode() == 90098;
    }

    /** Looks at the disk itself: the words of an error depend on the server's language. */
    private static boolean noRoom() {
        return new File(System.getProperty("java.io.tmpdir")).getUsableSpace() < NO_ROOM;
    }
}
