package azkaban.spi;

/** The one class of Azkaban that its project loaders need and Maven Central does not have. */
public class AzkabanException extends RuntimeException {
  public AzkabanException(final String message) {
    super(message);
  }

  public AzkabanException(final String message, final Throwable cause) {
    super(message, cause);
  }
}
