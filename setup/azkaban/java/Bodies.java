import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.servlet.http.Cookie;
import org.mortbay.io.Buffer;
import org.mortbay.jetty.HttpConnection;
import org.mortbay.jetty.PatientConnection;
import org.mortbay.jetty.Request;
import org.mortbay.jetty.Turns;
import org.mortbay.util.MultiMap;

/**
 * Decides whether the rest of a large body is wanted, before any of it reaches the disk, and when
 * a request that takes long is handled.
 *
 * Azkaban stores an upload and asks who it comes from afterwards. What PatientConnection has not
 * kept in memory is read for those alone who have logged in, and up to a size.
 */
public final class Bodies {
    private static final long MOST = Long.getLong("portguard.upload", 1024) << 20;
    private static final Pattern FIELD = Pattern.compile("name=\"session\\.id\"[^\\r\\n]*\\r\\n"
            + "(?:[^\\r\\n]+\\r\\n)*\\r\\n([0-9A-Za-z-]{1,64})\\r\\n");
    private static final String COOKIE = "azkaban.browser.session.id";
    private static final String START = "ajax=executeFlow";
    // Both keep the processors busy, and wait for the database or for an executor meanwhile.
    private static final int AT_ONCE = 4 * Runtime.getRuntime().availableProcessors();
    private static final Turns UPLOADS = new Turns(AT_ONCE);
    private static final Turns STARTS = new Turns(AT_ONCE);

    private Bodies() {
    }

    /** Called before Jetty's own code for each piece of a body; true when it is kept for later. */
    public static boolean keep(Buffer piece) throws IOException {
        HttpConnection current = HttpConnection.getCurrentConnection();
        if (!(current instanceof PatientConnection)) {
            return false;
        }
        PatientConnection connection = (PatientConnection) current;
        if (connection.isHandled()) {
            // It is read now or, where it was refused, thrown away: a client that is cut off in
            // the middle does not see why.
            return false;
        }
        return connection.keep(piece.length())
                || Requests.refusal(connection, connection.getRequest()) == null
                && connection.makeRoom() && connection.keep(piece.length());
    }

    /** Lets uploads and starts of flows wait until it is their turn. */
    static void takeTurn(HttpConnection connection, Request request) {
        if (!(connection instanceof PatientConnection)) {
            return;
        }
        PatientConnection patient = (PatientConnection) connection;
        String type = request.getContentType();
        if (type != null && type.startsWith("multipart/")) {
            UPLOADS.take(patient);
        } else if (String.valueOf(request.getQueryString()).contains(START)
                || new String(patient.kept(), StandardCharsets.ISO_8859_1).contains(START)) {
            STARTS.take(patient);
        }
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
