import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Date;
import java.util.TimeZone;
import org.quartz.CronExpression;

/** Writes the next times of each Quartz expression of a file, in seconds since 1970. */
public final class CronTimes {
  private static final int COUNT = 6;

  public static void main(final String[] arguments) throws Exception {
    final PrintStream out = new PrintStream(arguments[2], "UTF-8");
    for (final String line : Files.readAllLines(Paths.get(arguments[1]), StandardCharsets.UTF_8)) {
      final StringBuilder times = new StringBuilder();
      try {
        final CronExpression expression = new CronExpression(line);
        expression.setTimeZone(TimeZone.getTimeZone("UTC"));
        Date time = new Date(Long.parseLong(arguments[0]) * 1000);
        for (int number = 0; number < COUNT && time != null; number++) {
          time = expression.getNextValidTimeAfter(time);
          times.append(time == null ? "" : time.getTime() / 1000 + " ");
        }
      } catch (final Exception error) {
        times.append("refused: ").append(error.getMessage());
      }
      out.println(times.toString().trim());
    }
    out.close();
  }
}
