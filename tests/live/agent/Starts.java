import org.mortbay.jetty.bio.SocketConnector;

/** Asks a connector that starts, again and again, whether it runs, as its acceptors do. */
public final class Starts {
    private static final int ROUNDS = 3_000;
    private static volatile int round; // positive from before a start until before its stop
    private static volatile int asked;
    private static volatile int lost;

    private Starts() {
    }

    public static void main(String[] arguments) throws Exception {
        SocketConnector connector = new SocketConnector() {
            @Override
            protected void doStart() {
                while (asked != round) { // so that the acceptor asks while the state changes
                    Thread.yield();
                }
            }

            @Override
            protected void doStop() {
            }
        };
        Thread acceptor = new Thread(() -> {
            while (true) {
                int now = round;
                if (now > 0 && connector.isRunning()) {
                    asked = now;
                    while (round == now) {
                        if (!connector.isRunning() && round == now) {
                            lost++;
                        }
                    }
                }
            }
        });
        acceptor.setDaemon(true);
        acceptor.start();
        for (int number = 1; number <= ROUNDS; number++) {
            round = number;
            connector.start();
            round = 0;
            connector.stop();
        }
        System.out.println("lost " + lost);
    }
}
