import java.util.regex.Pattern;
import org.mortbay.jetty.Request;
import org.mortbay.jetty.Response;

/**
 * Sends the console's programs and styles compressed: a quarter of the bytes.
 *
 * Set-up puts the compressed files beside the others. Jetty 6 could send them by itself, if Azkaban
 * let its settings be set.
 */
final class Compressed {
    private static final Pattern FILE = Pattern.compile("/js/console/[a-z]+\\.(?:js|css)");

    private Compressed() {
    }

    /** Lets the request be for the compressed file, if it may be and the browser takes it. */
    static void prefer(Request request, Response response) {
        String path = request.getPathInfo();
        boolean get = request.getMethod().equals("GET") || request.getMethod().equals("HEAD");
        if (!get || path == null || !FILE.matcher(path).matches()) {
            return;
        }
        response.setHeader("Vary", "Accept-Encoding");
        String accepted = request.getHeader("Accept-Encoding");
        if (accepted == null || !accepted.contains("gzip")) {
            return;
        }
        response.setHeader("Content-Encoding", "gzip");
        response.setContentType(path.endsWith(".css") ? "text/css" : "application/x-javascript");
        request.setPathInfo(path + ".gz");
    }
}
