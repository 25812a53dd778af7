import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.servlet.http.Cookie;
import org.mortbay.jetty.HttpConnection;
import org.mortbay.jetty.PatientConnection;
import org.mortbay.jetty.Request;
import org.mortbay.util.MultiMap;

/**
 * Decides whether the rest of a large body is wanted, before any of it reaches the disk.
 *
 * Azkaban stores an upload and asks who it comes from afterwards. What PatientConnection has not
 * kept in memory is read for those alone who have logged in, and up to a size.
 */
final class Bodies {
    private static final long MOST = Long.getLong("portguard.upload", 1024) << 20;
    private static final Pattern FIELD = Pattern.compile("name=\"session\\.id\"[^\\r\\n]*\\r\\n"
            + "(?:[^\\r\\n]+\\r\\n)*\\r\\n([0-9A-Za-z-]{1,64})\\r\\n");
    private static final String COOKIE = "azkaban.browser.session.id";

    private Bodies() {
    }

    static Requests.Refusal refusal(HttpConnection connection, Request request) {
        if (!(connection instanceof PatientConnection)
                || ((PatientConnection) connection).isWhole()) {
            return null;
        }
        String length = request.getHeader("Content-Length");
        if (length == null) {
            return new Requests.Refusal(411, "an upload must say how long it is (Content-Length)");
        }
        if (!length.trim().matches("[0-9]{1,18}") || Long.parseLong(length.trim()) > MOST) {
            return new Requests.Refusal(413, "the upload has " + Requests.printable(length)
                    + " bytes; this server takes " + (MOST >> 20)
                    + " MB (portguard.upload in conf/local.properties)");
        }
        return hasLogin(((PatientConnection) connection).kept(), request) ? null
                // as Azkaban says it, which clients know
                : new Requests.Refusal(200, "Login error. Need username and password, or a session:"
                        + " log in first, and send the session before the file", true);
    }

    /** Looks for a session where clients put it: cookie, query, a field before the file. */
    private static boolean hasLogin(byte[] start, Request request) {
        Cookie[] cookies = request.getCookies();
        for (Cookie cookie : cookies == null ? new Cookie[0] : cookies) {
            if (cookie.getName().equals(COOKIE) && Owners.knows(cookie.getValue())) {
                return true;
            }
        }
        MultiMap query = Requests.query(request);
        if (query.containsKey("session.id") && Owners.knows(query.getString("session.id"))) {
            return true;
        }
        // What looks like the field inside of a file is as good: who has a session may send it.
        Matcher field = FIELD.matcher(new String(start, StandardCharsets.ISO_8859_1));
        while (field.find()) {
            if (Owners.knows(field.group(1))) {
                return true;
            }
        }
        return false;
    }
}
