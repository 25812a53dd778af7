import azkaban.user.User;
import azkaban.user.UserManager;
import azkaban.user.UserManagerException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.log4j.Logger;
import org.mortbay.jetty.HttpConnection;

/**
 * Slows down those who guess passwords: every login asks here instead of the user manager itself.
 *
 * Failures are counted for a user from one place (an account of this machine, or an address), for
 * a place, and for a user from all places. Beyond a number of free ones, each failure makes the
 * next try wait twice as long, up to five minutes; a try that comes earlier is refused unheard, at
 * once, so that guessing takes neither threads nor time. A user who has logged in from a place
 * before is not refused there for what others do, so nobody is locked out by a stranger.
 */
public final class Logins {
    private static final Logger LOG = Logger.getLogger(Logins.class);
    private static final int USER_AND_PLACE = 10;
    private static final int PLACE = 30;
    private static final int USER = 100;
    private static final long LONGEST = 300;
    private static final long FORGOTTEN = 900;
    private static final long SECOND = 1000000000L;
    private static final int MOST_KNOWN = 10000;
    private static final Map<String, Count> COUNTS = new Recent<Count>();
    private static final Map<String, Boolean> PASSED = new Recent<Boolean>();

    private Logins() {
    }

    /** Called in place of UserManager.getUser(). */
    public static User getUser(UserManager manager, String user, String password)
            throws UserManagerException {
        HttpConnection connection = HttpConnection.getCurrentConnection();
        String place = connection == null ? "here" : Owners.place(connection);
        long wait = wait(String.valueOf(user), place);
        if (wait > 0) {
            throw new UserManagerException("Too many failed logins: try again in " + wait + " s.");
        }
        try {
            User found = manager.getUser(user, password);
            passed(String.valueOf(user), place);
            return found;
        } catch (UserManagerException refused) {
            failed(String.valueOf(user), place);
            throw refused;
        }
    }

    private static synchronized long wait(String user, String place) {
        long now = System.nanoTime();
        long longest = left(COUNTS.get(user + "\0" + place), now);
        if (!PASSED.containsKey(user + "\0" + place)) {
            longest = Math.max(longest, left(COUNTS.get("\0" + place), now));
            longest = Math.max(longest, left(COUNTS.get(user + "\0"), now));
        }
        return longest;
    }

    private static long left(Count count, long now) {
        return count == null ? 0 : Math.max(0, (count.until - now + SECOND - 1) / SECOND);
    }

    private static synchronized void passed(String user, String place) {
        COUNTS.remove(user + "\0" + place);
        PASSED.put(user + "\0" + place, true);
    }

    private static synchronized void failed(String user, String place) {
        int times = count(user + "\0" + place, USER_AND_PLACE);
        count("\0" + place, PLACE);
        count(user + "\0", USER);
        LOG.warn("login of " + Requests.printable(user) + " from " + place + " failed, " + times
                + " times by now");
    }

    private static int count(String key, int free) {
        long now = System.nanoTime();
        Count count = COUNTS.get(key);
        if (count == null || now - count.last > FORGOTTEN * SECOND) {
            count = new Count();
            COUNTS.put(key, count);
        }
        count.failures++;
        count.last = now;
        int over = count.failures - free;
        count.until = over < 0 ? now
                : now + Math.min(LONGEST, 1L << Math.min(over, 30)) * SECOND;
        return count.failures;
    }

    private static final class Count {
        private int failures;
        private long last;
        private long until;
    }

    /** Remembers what was used last, and so many. */
    private static final class Recent<T> extends LinkedHashMap<String, T> {
        private static final long serialVersionUID = 1L;

        Recent() {
            super(16, 0.75f, true);
        }

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, T> eldest) {
            return size() > MOST_KNOWN;
        }
    }
}
