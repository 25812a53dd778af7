import azkaban.user.Permission;
import java.util.Collection;
import javax.servlet.http.HttpServletRequest;
import org.objectweb.asm.MethodVisitor;

/**
 * Lets a trigger be removed only by those who may schedule its flow.
 *
 * A schedule is a trigger, and Azkaban 2.5 to 4.0 have two ways to remove it. That of /schedule asks
 * for the permission SCHEDULE. In that of /triggers the question was never written, so that whoever
 * had logged in could take away everybody's schedules, one number after the other.
 */
public final class Triggers extends MethodTransformer {
    @Override
    protected boolean changes(String type) {
        return type.startsWith("azkaban/") && type.endsWith("/TriggerManagerServlet");
    }

    @Override
    protected MethodVisitor change(
            String type, String method, String descriptor, MethodVisitor next) {
        String three = "(Ljava/lang/Object;Ljava/lang/Object;Ljava/lang/Object;)V";
        return method.equals("ajaxExpireTrigger")
                ? before(next, "Triggers.check", three, 0, 1, 3) : next;
    }

    /** Throws what the servlet answers as an error, unless the user may remove the trigger. */
    public static void check(Object servlet, Object request, Object user) {
        String asked = ((HttpServletRequest) request).getParameter("triggerId");
        Object triggers = Members.get(servlet, "triggerManager");
        Object trigger = asked != null && asked.matches("[0-9]{1,9}")
                ? Members.call(triggers, "getTrigger", Integer.valueOf(asked)) : null;
        if (trigger != null && !mayRemove(servlet, trigger, user)) { // of no trigger it says so itself
            throw new IllegalArgumentException(
                    "Permission denied. Cannot remove schedule with id " + asked);
        }
    }

    private static boolean mayRemove(Object servlet, Object trigger, Object user) {
        Object projects = Members.call(
                Members.call(servlet, "getApplication"), "getProjectManager");
        Collection<?> actions = (Collection<?>) Members.call(trigger, "getActions");
        for (Object action : actions) {
            if (!action.getClass().getSimpleName().equals("ExecuteFlowAction")) {
                return false; // one of Azkaban's own, which goes with its execution
            }
            Object number = Members.call(action, "getProjectId");
            Object project = Members.call(projects, "getProject", number);
            if (project == null || !(Boolean) Members.call(
                    servlet, "hasPermission", project, user, Permission.Type.SCHEDULE)) {
                return false;
            }
        }
        return !actions.isEmpty();
    }
}
