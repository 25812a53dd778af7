package org.mortbay.jetty.security;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import org.mortbay.io.Buffer;
import org.mortbay.io.Connection;
import org.mortbay.io.EndPoint;
import org.mortbay.io.nio.SelectChannelEndPoint;
import org.mortbay.io.nio.SelectorManager.SelectSet;
import org.mortbay.jetty.HttpConnection;
import org.mortbay.jetty.HttpParser;
import org.mortbay.jetty.HttpSchemes;
import org.mortbay.jetty.PatientConnection;
import org.mortbay.jetty.Request;

/**
 * Stands before Jetty's own class of this name, for the same reason as SocketConnector: there a
 * connection holds a thread from its first byte, before any handshake.
 */
public class SslSocketConnector extends SslSelectChannelConnector {
    public SslSocketConnector() {
        PatientConnection.prepare(this);
        setUseDirectBuffers(false); // which are freed late
        // Jetty takes what TLS 1.3 says after a handshake for one, and would hang up. Renegotiation
        // is refused by Java itself: jdk.tls.rejectClientInitiatedRenegotiation (launch.py).
        setAllowRenegotiate(true);
    }

    /** Looks again, as SocketConnector does. */
    @Override
    public boolean isRunning() {
        return super.isRunning() || super.isRunning();
    }

    /** Leaves out the client's certificates, which Jetty asks for in a way that Java has no more. */
    @Override
    public void customize(EndPoint end, Request request) throws IOException {
        SelectChannelEndPoint channel = (SelectChannelEndPoint) end;
        channel.cancelIdle();
        request.setTimeStamp(channel.getSelectSet().getNow());
        request.setScheme(HttpSchemes.HTTPS);
    }

    /**
     * Keeps the buffers of records out of the pool. A connection that is closed twice gives them
     * back twice, and two others would write into one.
     */
    @Override
    public void returnBuffer(Buffer buffer) {
        int size = buffer.capacity();
        if (size == getHeaderBufferSize() || size == getRequestBufferSize()
                || size == getResponseBufferSize()) {
            super.returnBuffer(buffer);
        }
    }

    @Override
    public void setHeaderBufferSize(int asked) {
        super.setHeaderBufferSize(PatientConnection.MOST_HEADER);
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
        PatientConnection connection = new PatientConnection(this, end, getServer());
        ((HttpParser) connection.getParser()).setForceContentBuffer(true); // as the parent does
        return connection;
    }
}
