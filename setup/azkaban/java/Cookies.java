import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;
import javax.servlet.http.Cookie;
import org.mortbay.jetty.HttpConnection;
import org.mortbay.jetty.HttpFields;
import org.mortbay.jetty.HttpHeaders;
import org.mortbay.jetty.Response;

/** Keeps cookies from scripts, from other sites and, over TLS, from plain connections. */
public final class Cookies {
    private Cookies() {
    }

    /** Called instead of Response.addCookie(): servlets of this age know none of these words. */
    public static boolean add(Response response, Cookie cookie) {
        HttpFields fields = response.getHttpFields();
        fields.addSetCookie(cookie);
        List<String> lines = lines(fields);
        String line = lines.remove(lines.size() - 1);
        fields.remove(HttpHeaders.SET_COOKIE);
        for (String earlier : lines) {
            fields.add(HttpHeaders.SET_COOKIE, earlier);
        }
        boolean tls = HttpConnection.getCurrentConnection().getRequest().isSecure();
        String plain = line.replaceAll("(?i);\\s*(HttpOnly|Secure)\\s*(?=;|$)", "");
        fields.add(HttpHeaders.SET_COOKIE,
                plain + "; HttpOnly; SameSite=Strict" + (tls ? "; Secure" : ""));
        return true;
    }

    private static List<String> lines(HttpFields fields) {
        List<String> lines = new ArrayList<String>();
        Enumeration<?> values = fields.getValues(HttpHeaders.SET_COOKIE);
        for (Object value : values == null ? Collections.emptyList() : Collections.list(values)) {
            lines.add((String) value);
        }
        return lines;
    }
}
