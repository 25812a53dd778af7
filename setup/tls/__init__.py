"""Certificates for the web server, from a local authority or a company's.

Everything is in ``<prefix>/tls``::

    keystore.p12         0600: the server's key, certificate and chain; all that Jetty reads
    keystore.password    0600: the password of keystore and truststore
    truststore.p12       what a Java client trusts
    ca.pem               the same for other clients
    ca.key               0600: the local authority's key, unless a company's signed
    server.csr           a request, with its key in request.key (0600), until the answer comes
    settings.json        names and kind of key, for the renewal
"""
