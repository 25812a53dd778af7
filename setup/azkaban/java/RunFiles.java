import azkaban.executor.ExecutableFlow;
import azkaban.executor.ExecutableFlowBase;
import azkaban.executor.ExecutableNode;
import azkaban.executor.ExecutorManagerException;
import azkaban.project.Project;
import azkaban.user.Permission;
import azkaban.utils.Props;
import azkaban.webapp.AzkabanWebServer;
import azkaban.webapp.servlet.LoginAbstractAzkabanServlet;
import azkaban.webapp.session.Session;
import java.io.File;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.codehaus.jackson.JsonProcessingException;
import org.codehaus.jackson.map.ObjectMapper;

/**
 * Shows the files that jobs leave, reports above all, to users who may read the project.
 *
 * A viewer plugin of Azkaban, at /runs: GET /runs?ajax=files&amp;execid=N lists the files of an
 * execution by job, ajax=records&amp;execids=N,M what the jobs recorded (metrics, status) in
 * run.json, ajax=outputs&amp;execid=N the outputs of each job, which a later run needs that does not
 * run it again (no call of Azkaban's tells them), ajax=retries&amp;execids=N,M of which execution
 * each is a retry, ajax=started&amp;execids=N,M the parameters that each was started with,
 * ajax=health how the server is, ajax=source&amp;project=P&amp;version=V the zip of a version; ajax=schedules
 * those that azk made, and the runs that they missed; ajax=cards&amp;projects=P,Q the flows and the
 * last runs of projects. GET /runs/N/JOB/FILE is one of the files. Jobs write to
 * RUNS/PROJECT/N/JOB/. A report is a page made by somebody's project: it is shown in a sandbox,
 * without the origin of the console, so it can neither read the session nor act with it.
 */
public final class RunFiles extends LoginAbstractAzkabanServlet {
    private static final long serialVersionUID = 1L;
    private static final int MOST_FILES = 500;
    private static final int DEPTH = 4;
    private static final int MOST_EXECUTIONS = 50;
    private static final int MOST_PROJECTS = 50;
    private static final int MOST_BYTES = 1 << 20;
    private static final String RETRY_OF = "retry.of";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String[] RECORDED =
            {"status", "error", "started", "seconds", "metrics"};
    private static final String POLICY = "sandbox allow-scripts allow-popups; default-src 'none'; "
            + "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
            + "frame-ancestors 'self'";
    private static final Map<String, String> TYPES = new HashMap<String, String>();

    static {
        TYPES.put("html", "text/html; charset=utf-8");
        TYPES.put("svg", "image/svg+xml");
        TYPES.put("png", "image/png");
        TYPES.put("json", "application/json; charset=utf-8");
        for (String plain : new String[] {"txt", "csv", "log", "md", "properties"}) {
            TYPES.put(plain, "text/plain; charset=utf-8");
        }
    }

    private final Path runs;
    private final Path schedules;

    public RunFiles(Props settings) {
        super();
        runs = Paths.get(settings.getString("runs.dir"));
        schedules = Paths.get(settings.getString("schedules.file", "none"));
    }

    @Override
    protected void handleGet(HttpServletRequest request, HttpServletResponse response,
            Session session) throws ServletException, IOException {
        response.setHeader("Cache-Control", "no-store");
        if (hasParam(request, "ajax") && answered(request, response, session)) {
            return;
        }
        if (hasParam(request, "ajax") && "records".equals(getParam(request, "ajax"))) {
            Map<String, Object> found = new TreeMap<String, Object>();
            for (Integer execution : executions(request, session)) {
                found.put(String.valueOf(execution), records(execution));
            }
            writeJSON(response, Collections.singletonMap("records", found));
            return;
        }
        if (hasParam(request, "ajax") && "schedules".equals(getParam(request, "ajax"))) {
            writeJSON(response, Collections.singletonMap("schedules",
                    Schedules.read(schedules, name -> mayRead(name, session))));
            return;
        }
        if (hasParam(request, "ajax")) {
            Map<String, Object> answer = new HashMap<String, Object>();
            int execution = getIntParam(request, "execid", -1);
            if (!mayRead(execution, session)) {
                answer.put("error", "Execution " + execution + " is unknown or not yours to read.");
            } else if ("outputs".equals(getParam(request, "ajax"))) {
                answer.put("outputs", outputs(flow(execution), new TreeMap<String, Object>()));
            } else {
                answer.put("files", list(execution));
            }
            writeJSON(response, answer);
            return;
        }
        String path = request.getPathInfo();
        String[] parts = path == null ? new String[0] : path.split("/", 3);
        if (parts.length < 3 || !parts[1].matches("[0-9]{1,9}")
                || !mayRead(Integer.parseInt(parts[1]), session)) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
            return;
        }
        Path file = find(Integer.parseInt(parts[1]), parts[2]);
        if (file == null) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
            return;
        }
        send(file, response);
    }

    /** What is told besides files and records; false when something else is asked for. */
    private boolean answered(HttpServletRequest request, HttpServletResponse response,
            Session session) throws ServletException, IOException {
        AzkabanWebServer server = (AzkabanWebServer) getApplication();
        String asked = getParam(request, "ajax");
        if ("started".equals(asked) || "retries".equals(asked)) {
            Map<String, Object> found = new TreeMap<String, Object>();
            for (Integer execution : executions(request, session)) {
                Map<String, String> given =
                        flow(execution).getExecutionOptions().getFlowParameters();
                Object told = "started".equals(asked) ? given : given.get(RETRY_OF);
                if (told != null) {
                    found.put(String.valueOf(execution), told);
                }
            }
            writeJSON(response, Collections.singletonMap(asked, found));
            return true;
        }
        if ("health".equals(asked)) {
            writeJSON(response, Collections.singletonMap("health", ServerHealth.of(server, runs)));
            return true;
        }
        if ("cards".equals(asked)) {
            writeJSON(response, Collections.singletonMap("cards", cards(request, session)));
            return true;
        }
        if (!"source".equals(asked)) {
            return false;
        }
        Project project = server.getProjectManager().getProject(getParam(request, "project", ""));
        int version = getIntParam(request, "version", -1);
        if (project == null || !hasPermission(project, session.getUser(), Permission.Type.READ)
                || !ProjectSource.send(server.getProjectManager(), project, version, response)) {
            writeJSON(response, Collections.singletonMap("error",
                    "This version is unknown, too large, or the server keeps it no more."));
        }
        return true;
    }

    @Override
    protected void handlePost(HttpServletRequest request, HttpServletResponse response,
            Session session) throws ServletException, IOException {
        response.sendError(HttpServletResponse.SC_METHOD_NOT_ALLOWED);
    }

    /** Those of the executions asked for that the user may read. */
    private List<Integer> executions(HttpServletRequest request, Session session)
            throws ServletException {
        List<Integer> found = new ArrayList<Integer>();
        for (String number : getParam(request, "execids", "").split(",", MOST_EXECUTIONS + 1)) {
            if (number.matches("[0-9]{1,9}") && mayRead(Integer.parseInt(number), session)) {
                found.add(Integer.valueOf(number));
            }
        }
        return found;
    }

    /** The cards of those of the projects asked for that the user may read, by name. */
    private Map<String, Object> cards(HttpServletRequest request, Session session)
            throws ServletException {
        AzkabanWebServer server = (AzkabanWebServer) getApplication();
        Cards cards = new Cards(server);
        Map<String, Object> found = new TreeMap<String, Object>();
        String[] names = getParam(request, "projects", "").split(",", MOST_PROJECTS + 1);
        for (int at = 0; at < Math.min(names.length, MOST_PROJECTS); at++) {
            if (mayRead(names[at], session)) {
                try {
                    found.put(names[at],
                            cards.of(server.getProjectManager().getProject(names[at])));
                } catch (ExecutorManagerException down) {
                    throw new ServletException(down);
                }
            }
        }
        return found;
    }

    private ExecutableFlow flow(int execution) {
        AzkabanWebServer server = (AzkabanWebServer) getApplication();
        try {
            return server.getExecutorManager().getExecutableFlow(execution);
        } catch (ExecutorManagerException broken) {
            return null;
        } catch (IndexOutOfBoundsException unknown) { // what 2.5 throws for an unknown number
            return null;
        }
    }

    private boolean mayRead(String name, Session session) {
        Project project = ((AzkabanWebServer) getApplication()).getProjectManager().getProject(name);
        return project != null && hasPermission(project, session.getUser(), Permission.Type.READ);
    }

    private boolean mayRead(int execution, Session session) throws ServletException {
        AzkabanWebServer server = (AzkabanWebServer) getApplication();
        ExecutableFlow flow = flow(execution);
        Project project =
                flow == null ? null : server.getProjectManager().getProject(flow.getProjectId());
        return project != null && hasPermission(project, session.getUser(), Permission.Type.READ);
    }

    /** The outputs of jobs and embedded flows, by their nested ids; of those that have ended. */
    private static Map<String, Object> outputs(ExecutableFlowBase flow, Map<String, Object> found) {
        for (ExecutableNode node : flow.getExecutableNodes()) {
            Props props = node.getOutputProps();
            if (props != null) {
                Map<String, String> own = new TreeMap<String, String>();
                for (String key : props.getKeySet()) {
                    own.put(key, props.get(key));
                }
                found.put(node.getNestedId(), own);
            }
            if (node instanceof ExecutableFlowBase) {
                outputs((ExecutableFlowBase) node, found);
            }
        }
        return found;
    }

    /** The folders of an execution: jobs may call their project by a name of their own. */
    private List<Path> folders(int execution) {
        File[] projects = runs.toFile().listFiles();
        List<Path> found = new ArrayList<Path>();
        for (File project : projects == null ? new File[0] : projects) {
            Path folder = project.toPath().resolve(String.valueOf(execution));
            if (Files.isDirectory(folder)) {
                found.add(folder);
            }
        }
        return found;
    }

    private Map<String, List<String>> list(int execution) throws IOException {
        Map<String, List<String>> jobs = new TreeMap<String, List<String>>();
        for (Path folder : folders(execution)) {
            for (Path file : files(folder)) {
                Path inside = folder.relativize(file);
                if (inside.getNameCount() > 1) {
                    String job = inside.getName(0).toString();
                    String name = inside.subpath(1, inside.getNameCount()).toString();
                    jobs.computeIfAbsent(job, unused -> new ArrayList<String>()).add(name);
                }
            }
        }
        return jobs;
    }

    /** The files below a folder; what a job has closed to its own account is left out. */
    private static List<Path> files(Path folder) throws IOException {
        final List<Path> found = new ArrayList<Path>();
        Files.walkFileTree(folder, EnumSet.noneOf(FileVisitOption.class), DEPTH,
                new SimpleFileVisitor<Path>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes unused) {
                        if (Files.isRegularFile(file)) {
                            found.add(file);
                        }
                        return found.size() < MOST_FILES
                                ? FileVisitResult.CONTINUE : FileVisitResult.TERMINATE;
                    }

                    @Override
                    public FileVisitResult visitFileFailed(Path file, IOException closed) {
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(Path inside, IOException gone) {
                        return FileVisitResult.CONTINUE;
                    }
                });
        Collections.sort(found);
        return found;
    }

    /** What the jobs of an execution recorded in run.json, by job. */
    private Map<String, Object> records(int execution) throws IOException {
        Map<String, Object> jobs = new TreeMap<String, Object>();
        for (Path folder : folders(execution)) {
            List<Path> inside;
            try (Stream<Path> list = Files.list(folder)) {
                inside = list.filter(Files::isDirectory).limit(MOST_FILES)
                        .collect(Collectors.<Path>toList());
            } catch (AccessDeniedException closed) { // by a job, to its own account
                continue;
            }
            for (Path job : inside) {
                String name = job.getFileName().toString();
                Path file = find(execution, name + "/run.json");
                if (file != null && Files.size(file) <= MOST_BYTES) {
                    jobs.put(name, record(file));
                }
            }
        }
        return jobs;
    }

    /** The parts that pages show; none when it is no JSON object. */
    private static Map<String, Object> record(Path file) throws IOException {
        Map<String, Object> shown = new TreeMap<String, Object>();
        try {
            Map<?, ?> whole = JSON.readValue(file.toFile(), Map.class);
            for (String key : RECORDED) {
                if (whole.get(key) != null) {
                    shown.put(key, whole.get(key));
                }
            }
        } catch (JsonProcessingException broken) { // half written, or by another program
            return shown;
        } catch (StackOverflowError nested) { // brackets in brackets, made to do this
            return shown;
        }
        return shown;
    }

    /** A file below the folders of an execution, or null; links that lead out are not followed. */
    private Path find(int execution, String name) throws IOException {
        for (Path folder : folders(execution)) {
            try {
                Path file = folder.resolve(name);
                if (Files.isRegularFile(file) && Files.isReadable(file)
                        && file.toRealPath().startsWith(folder.toRealPath())) {
                    return file;
                }
            } catch (InvalidPathException impossible) {
                return null;
            }
        }
        return null;
    }

    private static void send(Path file, HttpServletResponse response) throws IOException {
        String name = file.getFileName().toString();
        String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        String type = TYPES.get(ending);
        response.setHeader("Content-Security-Policy", POLICY);
        response.setHeader("X-Frame-Options", "SAMEORIGIN"); // the console shows it beside its run
        response.setContentType(type == null ? "application/octet-stream" : type);
        if (type == null) {
            response.setHeader("Content-Disposition", "attachment");
        }
        response.setHeader("Content-Length", String.valueOf(Files.size(file)));
        Files.copy(file, response.getOutputStream());
    }
}
