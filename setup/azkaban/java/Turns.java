package org.mortbay.jetty;

import java.util.ArrayDeque;
import java.util.Deque;
import org.mortbay.util.ajax.Continuation;

/**
 * Lets a few of the requests that take long be worked on at once; the others wait without a thread.
 *
 * With a thread for each of hundreds of uploads there is none for anybody else: a short question,
 * or the first bytes of a TLS handshake, stands behind all of them.
 */
public final class Turns {
    private final int most;
    private final Deque<PatientConnection> waiting = new ArrayDeque<PatientConnection>();
    private int taken;

    public Turns(int most) {
        this.most = most;
    }

    /**
     * Returns when a request may go on; it has its turn until it has been handled. While there is
     * none for it, RetryRequest is thrown: Jetty gives the thread to others, and handles the
     * request again when another one has ended.
     */
    public void take(PatientConnection connection) {
        Continuation later = connection.getRequest().getContinuation(true);
        synchronized (this) {
            if (connection.turns == this && connection.hasTurn) {
                later.reset(); // it was called again for this
                return;
            }
            connection.turns = this;
            connection.hasTurn = taken < most;
            if (connection.hasTurn) {
                taken++;
                return;
            }
            waiting.add(connection);
            later.suspend(0); // within the lock, so that nobody calls it again before
        }
    }

    /** Called when a request was handled, or its connection is gone: the next one may go on. */
    static void end(PatientConnection connection) {
        Turns turns = connection.turns;
        PatientConnection next = turns == null ? null : turns.pass(connection);
        if (next != null) {
            next.getRequest().getContinuation().resume();
        }
    }

    private synchronized PatientConnection pass(PatientConnection connection) {
        if (connection.turns != this) {
            return null; // somebody else was quicker
        }
        connection.turns = null;
        if (!connection.hasTurn) {
            waiting.remove(connection);
            return null;
        }
        connection.hasTurn = false;
        PatientConnection next = waiting.poll();
        if (next == null) {
            taken--;
        } else {
            next.hasTurn = true;
        }
        return next;
    }
}
