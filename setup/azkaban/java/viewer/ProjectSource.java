import azkaban.project.Project;
import azkaban.project.ProjectFileHandler;
import azkaban.project.ProjectLoader;
import azkaban.project.ProjectManager;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import javax.servlet.http.HttpServletResponse;

/** The zip file of a version of a project, which 2.5 keeps in its database and shows nowhere. */
final class ProjectSource {
    private static final long MOST_BYTES = 64L << 20; // a browser reads it whole

    private ProjectSource() {
    }

    /** Send it; false when the server has it no more, or it is too large. */
    static boolean send(ProjectManager projects, Project project, int version,
            HttpServletResponse response) throws IOException {
        ProjectFileHandler handler;
        try {
            Field field = projects.getClass().getDeclaredField("projectLoader");
            field.setAccessible(true);
            ProjectLoader loader = (ProjectLoader) field.get(projects);
            handler = loader.getUploadedFile(project.getId(), version);
        } catch (ReflectiveOperationException other) { // later servers send it themselves
            return false;
        } catch (RuntimeException other) {
            return false;
        } catch (Exception gone) { // of older versions the server keeps the last three alone
            return false;
        }
        if (handler == null) {
            return false;
        }
        try {
            File file = handler.getLocalFile();
            if (file == null || file.length() > MOST_BYTES) {
                return false;
            }
            response.setContentType("application/zip");
            response.setHeader("Content-Length", String.valueOf(file.length()));
            Files.copy(file.toPath(), response.getOutputStream());
            return true;
        } finally {
            handler.deleteLocalFile();
        }
    }
}
