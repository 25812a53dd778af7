package org.mortbay.jetty.bio;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import org.mortbay.io.Connection;
import org.mortbay.io.nio.SelectChannelEndPoint;
import org.mortbay.io.nio.SelectorManager.SelectSet;
import org.mortbay.jetty.HttpConnection;
import org.mortbay.jetty.PatientConnection;
import org.mortbay.jetty.nio.SelectChannelConnector;

/**
 * Stands before Jetty's own class of this name, which Azkaban asks for: that one holds a thread for
 * each connection, idle ones included, so that a few clients keep everybody else out.
 */
public class SocketConnector extends SelectChannelConnector {
    public SocketConnector() {
        PatientConnection.prepare(this);
    }

    /**
     * Jetty looks twice at its state, for "started" and then for "starting". Between the two it may
     * go from one to the other, and an acceptor that asks right then ends: nobody is served.
     */
    @Override
    public boolean isRunning() {
        return super.isRunning() || super.isRunning();
    }

    @Override
    public void setHeaderBufferSize(int asked) {
        super.setHeaderBufferSize(PatientConnection.MOST_HEADER); // Azkaban asks for 10 MB each
    }

    @Override
    protected SelectChannelEndPoint newEndPoint(SocketChannel channel, SelectSet set,
            SelectionKey key) throws IOException {
        return PatientConnection.admit(this, channel, super.newEndPoint(channel, set, key));
    }

    @Override
    protected void connectionClosed(HttpConnection connection) {
        PatientConnection.leave(connection);
        super.connectionClosed(connection);
    }

    @Override
    protected Connection newConnection(SocketChannel channel, SelectChannelEndPoint end) {
        return new PatientConnection(this, end, getServer());
    }
}
