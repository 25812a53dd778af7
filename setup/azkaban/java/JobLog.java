import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.apache.log4j.Appender;
import org.apache.log4j.Layout;
import org.apache.log4j.Logger;
import org.apache.log4j.RollingFileAppender;
import org.apache.log4j.helpers.LogLog;
import org.apache.log4j.spi.ErrorHandler;
import org.apache.log4j.spi.LoggingEvent;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * The log of a job, in which a line says what is missing.
 *
 * Azkaban writes a job's log to files of 5 MB (job.log.chunk.size) and keeps as many earlier ones
 * as job.log.backup.index says; the oldest is deleted without a word. Here the first file stays,
 * under the name LOG.head, and LOG.cut says how much is left out between it and the others. At the
 * end Azkaban stores all files that begin with the log's name, in the reverse order of their
 * names: head, cut, 4, 3, 2, 1, and the last.
 *
 * A line that cannot be written, as on a full disk, is lost without a word as well. Here the next
 * one that can be written, or the end of the log, says so.
 */
public final class JobLog extends RollingFileAppender {
    private static final int MOST_FILES = 9; // "10" would come before "2" in the order of names
    private long leftOut;
    private int unwritten;
    private String reason = "";

    public JobLog(Layout layout, String path, boolean append) throws IOException {
        super(layout, path, append);
        setErrorHandler(new Failures());
    }

    @Override
    public void setMaxBackupIndex(int number) {
        super.setMaxBackupIndex(Math.min(Math.max(number, 1), MOST_FILES));
    }

    @Override
    public void rollOver() {
        File oldest = new File(fileName + "." + maxBackupIndex);
        File head = new File(fileName + ".head");
        if (oldest.exists() && (head.exists() || !oldest.renameTo(head))) {
            leftOut += oldest.length();
            markCut();
        }
        super.rollOver();
    }

    private void markCut() {
        String words = "[... " + leftOut + " bytes of this log are left out here: of a long log its"
                + " first " + (maxFileSize >> 10) + " KB and its end are kept"
                + " (job.log.chunk.size, job.log.backup.index) ...]\n";
        try (OutputStream stream = new FileOutputStream(fileName + ".cut")) {
            stream.write(words.getBytes(StandardCharsets.UTF_8));
        } catch (IOException error) {
            LogLog.error(fileName + ".cut", error);
        }
    }

    @Override
    protected void subAppend(LoggingEvent event) {
        sayWhatIsMissing();
        super.subAppend(event);
    }

    @Override
    public synchronized void close() {
        sayWhatIsMissing();
        super.close();
    }

    private void sayWhatIsMissing() {
        int before = unwritten;
        if (before > 0 && qw != null) {
            unwritten = 0;
            qw.write("\n[... " + before + " lines could not be written here: " + reason + " ...]\n");
            qw.flush();
            unwritten = unwritten > 0 ? before : 0;
        }
    }

    /** Counts the lines that could not be written, and tells the first in the server's output. */
    private final class Failures implements ErrorHandler {
        @Override
        public void error(String message, Exception error, int code) {
            if (reason.isEmpty()) {
                LogLog.error(fileName + ": " + message, error);
            }
            unwritten++;
            reason = error == null ? message : Causes.told(message, error);
        }

        @Override
        public void error(String message) {
            error(message, null, 0);
        }

        @Override
        public void error(String message, Exception error, int code, LoggingEvent event) {
            error(message, error, code);
        }

        @Override
        public void setLogger(Logger logger) {
        }

        @Override
        public void setAppender(Appender appender) {
        }

        @Override
        public void setBackupAppender(Appender appender) {
        }

        @Override
        public void activateOptions() {
        }
    }

    /** Makes Azkaban's JobRunner write this kind of log. */
    public static final class Use extends MethodTransformer {
        private static final String STOCK = "org/apache/log4j/RollingFileAppender";

        @Override
        protected boolean changes(String type) {
            return type.equals("azkaban/execapp/JobRunner");
        }

        @Override
        protected MethodVisitor change(
                String type, String method, String descriptor, MethodVisitor next) {
            return new Replace(next);
        }

        private static final class Replace extends MethodVisitor {
            Replace(MethodVisitor next) {
                super(Opcodes.ASM9, next);
            }

            @Override
            public void visitTypeInsn(int opcode, String type) {
                boolean made = opcode == Opcodes.NEW && type.equals(STOCK);
                super.visitTypeInsn(opcode, made ? "JobLog" : type);
            }

            @Override
            public void visitMethodInsn(int opcode, String owner, String name, String descriptor,
                    boolean ofInterface) {
                boolean made = owner.equals(STOCK) && name.equals("<init>");
                super.visitMethodInsn(
                        opcode, made ? "JobLog" : owner, name, descriptor, ofInterface);
            }
        }
    }
}
