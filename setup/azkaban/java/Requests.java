import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.mortbay.jetty.HttpConnection;
import org.mortbay.jetty.HttpHeaders;
import org.mortbay.jetty.Request;
import org.mortbay.jetty.Response;
import org.mortbay.util.MultiMap;
import org.mortbay.util.UrlEncoded;

/**
 * Decides which requests reach Azkaban: called first for each one, on the web's and the executor's
 * port.
 *
 * Azkaban changes things by GET, knows no cross-site request and takes any name for its own. What
 * another page makes a browser send is refused here, or counts as sent without a login. "Another
 * page" includes those on other ports of this host: they may be those of another account.
 */
public final class Requests {
    private static final Set<String> NAMES = names();
    private static final Set<String> TRUSTED = words("portguard.origins"); // proxies' names
    private static final boolean BRIDGED = "bridged".equals(System.getProperty("portguard.pages"));
    private static final Pattern URL =
            Pattern.compile("[a-z][a-z0-9+.-]*://(?:[^/?#]*@)?([^/?#@]*)");
    /** By GET, only these do something, on Azkaban 2.5 to 4.0. */
    private static final List<String> ACTIONS = Arrays.asList(
            "ajax", "action", "delete", "purge", "logout", "reloadProjectWhitelist");

    private Requests() {
    }

    /** Answers itself, and returns true, unless the request may go on. */
    public static boolean refuse(HttpConnection connection) throws IOException {
        Request request = connection.getRequest();
        Response response = connection.getResponse();
        response.setHeader("X-Content-Type-Options", "nosniff");
        response.setHeader("X-Frame-Options", "DENY");
        response.setHeader("Content-Security-Policy", policy(request));
        response.setHeader("Referrer-Policy", "same-origin");
        String called = request.getHeader(HttpHeaders.HOST);
        if (called != null && called.trim().endsWith("]")) {
            request.setServerName(called.trim()); // Jetty takes what follows the last colon for a port
        }
        Refusal refusal = refusal(connection, request);
        if (refusal == null) {
            Compressed.prefer(request, response);
            Bodies.takeTurn(connection, request);
            return false;
        }
        byte[] answer = refusal.body.getBytes(StandardCharsets.UTF_8);
        response.setStatus(refusal.status);
        response.setContentType(refusal.body.startsWith("{")
                ? "application/json; charset=utf-8" : "text/plain; charset=utf-8");
        response.setContentLength(answer.length);
        response.getOutputStream().write(answer);
        request.setHandled(true);
        return true;
    }

    /**
     * Azkaban 2.5 writes what people say into its pages unescaped. Where the one script of such a
     * page leads to the console, that one alone may run.
     */
    private static String policy(Request request) {
        String path = request.getPathInfo();
        boolean file = path != null && (path.startsWith("/js/") || path.startsWith("/css/"));
        return BRIDGED && !file
                ? "script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
                : "frame-ancestors 'none'";
    }

    static Refusal refusal(HttpConnection connection, Request request) throws IOException {
        boolean open = PortGuard.isOpen(request.getLocalPort());
        if (!open && !Owners.isOurs(connection)) {
            return new Refusal(403, "this port is for the server's own account");
        }
        if (request.getMethod().equals("TRACE")) {
            return new Refusal(405, "TRACE is not served");
        }
        String strange = strangeName(request);
        if (strange != null) {
            return new Refusal(403, "this server does not know the name " + strange
                    + " (header Host): add it to portguard.names in conf/local.properties");
        }
        Refusal foreign = foreign(request);
        return foreign == null && open ? Bodies.refusal(connection, request) : foreign;
    }

    // -- the name by which it is called: an attacker's name can be made to lead here ---------------

    private static String strangeName(Request request) throws IOException {
        List<String> called = values(request, HttpHeaders.HOST);
        String inside = request.getUri().getHost(); // GET http://name/path
        for (String one : called) {
            if (!isOurs(name(one), request)) {
                return printable(one);
            }
        }
        return inside == null || isOurs(name(inside), request) ? null : printable(inside);
    }

    private static boolean isOurs(String name, Request request) throws IOException {
        if (NAMES.contains(name) || TRUSTED.contains(name) || name.equals("localhost")
                || name.endsWith(".localhost")) {
            return true;
        }
        if (!name.matches("[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-f:]*:[0-9a-f:.]*")) {
            return false; // nothing is asked of any name service
        }
        try {
            InetAddress address = InetAddress.getByName(name);
            return address.isLoopbackAddress()
                    || address.equals(InetAddress.getByName(request.getLocalAddr()));
        } catch (IOException none) {
            return false;
        }
    }

    /** The name in "name:port" or "[::1]:port". */
    private static String name(String authority) {
        String whole = authority.trim().toLowerCase(Locale.ROOT);
        int end = whole.startsWith("[") ? whole.indexOf(']') : whole.lastIndexOf(':');
        if (whole.startsWith("[") && end > 0) {
            return whole.substring(1, end);
        }
        String name = end < 0 ? whole : whole.substring(0, end);
        return name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
    }

    // -- the page that made the browser ask ------------------------------------------------------

    private static Refusal foreign(Request request) {
        String origin = request.getHeader("Origin");
        String referer = request.getHeader("Referer");
        String site = request.getHeader("Sec-Fetch-Site");
        boolean get = request.getMethod().equals("GET") || request.getMethod().equals("HEAD");
        boolean acts = !get || acts(request);
        boolean foreign = origin != null && !isOwn(origin, request)
                || referer != null && !isOwn(referer, request)
                || site != null && !site.equals("same-origin") && !site.equals("none")
                        && !trusts(origin, referer);
        if (!foreign) {
            // An image of another page on this host brings the cookie, and no header that tells
            // where it stands, if that page wants so. A program is no browser and has no pages.
            boolean silent = origin == null && referer == null && site == null
                    && request.getHeader("X-Requested-With") == null;
            String agent = request.getHeader("User-Agent");
            boolean browser = agent != null && agent.contains("Mozilla/");
            return get && acts && silent && browser
                    ? new Refusal(403, "a browser must tell which page asks for this (Referer, or "
                            + "X-Requested-With: XMLHttpRequest)")
                    : null;
        }
        String mode = request.getHeader("Sec-Fetch-Mode");
        if (acts || origin != null || mode != null && !mode.equals("navigate")) {
            return new Refusal(403, "another page (" + printable(origin != null ? origin
                    : referer != null ? referer : site) + ") asked for this: it was not done");
        }
        // A link to a page: whoever follows it sees the page that anybody may see.
        request.getConnection().getRequestFields().remove(HttpHeaders.COOKIE);
        return null;
    }

    private static boolean acts(Request request) {
        MultiMap parameters = query(request);
        for (String action : ACTIONS) {
            if (parameters.containsKey(action)) {
                return true;
            }
        }
        return false;
    }

    /** Its query alone: asking the request itself would read the body of a form. */
    static MultiMap query(Request request) {
        MultiMap parameters = new MultiMap();
        String query = request.getQueryString();
        if (query != null) {
            UrlEncoded.decodeTo(query, parameters, "UTF-8");
        }
        return parameters;
    }

    private static boolean isOwn(String url, Request request) {
        String page = authority(url);
        if (page == null) {
            return false;
        }
        for (String host : values(request, HttpHeaders.HOST)) {
            if (page.equals(plain(host.trim().toLowerCase(Locale.ROOT)))) {
                return true;
            }
        }
        return TRUSTED.contains(name(page));
    }

    private static boolean trusts(String origin, String referer) {
        String page = origin != null ? authority(origin) : referer != null ? authority(referer) : null;
        return page != null && TRUSTED.contains(name(page));
    }

    private static String authority(String url) {
        Matcher found = URL.matcher(url.trim().toLowerCase(Locale.ROOT));
        return found.lookingAt() ? plain(found.group(1)) : null;
    }

    /** Without a port that need not be told: a proxy may speak TLS where we do not. */
    private static String plain(String authority) {
        return authority.replaceFirst(":(80|443)$", "");
    }

    // -- small things ----------------------------------------------------------------------------

    private static List<String> values(Request request, String header) {
        @SuppressWarnings("unchecked")
        List<String> found = Collections.list(request.getHeaders(header));
        return found;
    }

    static String printable(String text) {
        String plain = text.replaceAll("[^ -~]", "?");
        return plain.length() > 100 ? plain.substring(0, 100) + "..." : plain;
    }

    private static Set<String> names() {
        Set<String> found = words("portguard.names");
        try {
            found.add(new String(Files.readAllBytes(Paths.get("/proc/sys/kernel/hostname")),
                    StandardCharsets.UTF_8).trim().toLowerCase(Locale.ROOT));
        } catch (IOException none) {
            return found;
        }
        return found;
    }

    private static Set<String> words(String property) {
        Set<String> found = new HashSet<String>();
        for (String word : System.getProperty(property, "").split("[\\s,]+")) {
            if (!word.isEmpty()) {
                found.add(word.toLowerCase(Locale.ROOT));
            }
        }
        return found;
    }

    /** What is answered instead. */
    static final class Refusal {
        final int status;
        final String body;

        Refusal(int status, String error) {
            this(status, "{\"error\":\"" + error.replace("\\", "\\\\").replace("\"", "\\\"")
                    + "\"}", true);
        }

        Refusal(int status, String body, boolean whole) {
            this.status = status;
            this.body = body;
        }
    }
}
