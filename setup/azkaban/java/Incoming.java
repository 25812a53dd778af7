import org.objectweb.asm.MethodVisitor;

/**
 * Leads what comes in past our checks: requests past Requests, their bodies past Bodies, new
 * cookies past Cookies, sessions past Owners and Users, logins past Logins, uploaded zips past Uploads.
 */
public final class Incoming extends MethodTransformer {
    private static final String JETTY = "org/mortbay/jetty/";
    private static final String MANAGER = "azkaban/user/UserManager";
    private static final String LOGIN = "(L" + MANAGER
            + ";Ljava/lang/String;Ljava/lang/String;)Lazkaban/user/User;";
    private static final String UNZIP = "(Ljava/util/zip/ZipFile;Ljava/io/File;)V";

    @Override
    protected boolean changes(String type) {
        return type.equals(JETTY + "Server") || type.equals(JETTY + "Response")
                || type.equals(JETTY + "HttpConnection$RequestHandler")
                || type.equals("azkaban/utils/Utils") || type.startsWith("azkaban/")
                && type.matches(".*/(SessionCache|LoginAbstractAzkabanServlet|MultipartParser)");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        String called = type.substring(type.lastIndexOf('/') + 1) + "." + method;
        switch (called) {
            case "Server.handle":
                return descriptor.equals("(L" + JETTY + "HttpConnection;)V")
                        ? before(next, "Requests.refuse", "(L" + JETTY + "HttpConnection;)Z", 1)
                        : next;
            case "HttpConnection$RequestHandler.content":
                return before(next, "Bodies.keep", "(Lorg/mortbay/io/Buffer;)Z", 1);
            case "Response.addCookie":
                return before(next, "Cookies.add",
                        "(L" + JETTY + "Response;Ljavax/servlet/http/Cookie;)Z", 0, 1);
            case "SessionCache.addSession":
                return before(next, "Owners.bind", "(Ljava/lang/Object;Ljava/lang/Object;)V", 0, 1);
            case "SessionCache.getSession":
                String same = "(Ljava/lang/Object;)Ljava/lang/Object;";
                MethodVisitor checked = result(next, descriptor, "Owners.check", same);
                return result(checked, descriptor, "Users.live", same);
            case "MultipartParser.parseMultipart":
                return result(next, descriptor, "Uploads.checkNames",
                        "(Ljava/util/Map;)Ljava/util/Map;");
            case "Utils.unzip":
                return descriptor.equals(UNZIP)
                        ? instead(next, "Uploads.unzip", UNZIP, 0, 1) : next;
            default:
                return called.startsWith("LoginAbstractAzkabanServlet.")
                        ? redirect(next, MANAGER + ".getUser", "Logins.getUser", LOGIN) : next;
        }
    }
}
