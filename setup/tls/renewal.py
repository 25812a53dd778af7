"""Use a renewed certificate: Jetty reads its keystore only once, so its process is restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup.messages import say
from setup.tls.certificates import Certificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.azkaban import Server
    from setup.java import Java

__all__ = ["restart", "tend"]

LAST_DAYS = 3  # after this long a wait for a moment without jobs, they are not waited for


def restart(server: Server, java: Java) -> bool:
    """Restart the process that serves the pages, so that it uses the present certificate.

    In the profile ``server`` jobs continue, as they run under the executor. In ``solo`` they end.

    Parameters
    ----------
    server
        The server whose pages are served.
    java
        Runs it.

    Returns
    -------
    bool
        False when no server with TLS was running.
    """
    if not (server.running() and server.settings.tls):
        return False
    if len(server.settings.parts) == 1:
        server.stop()
    elif process := server.running().get(server.settings.parts[-1].name):
        process.stop()
        server.pid_file().unlink(missing_ok=True)
    server.up(java)
    return True


def tend(server: Server, java: Callable[[], Java]) -> bool:
    """Renew a local certificate that expires within 30 days, unless that would end a job.

    Parameters
    ----------
    server
        Whose certificate it is.
    java
        Finds what runs it.

    Returns
    -------
    bool
        Whether it was renewed.
    """
    certificates = Certificates(server.layout)
    if not (server.installed and server.settings.tls and certificates.due):
        return False
    running = server.running()
    alone = len(server.settings.parts) == 1
    if alone and any(process.children() for process in running.values()):
        if certificates.summary().days_left > LAST_DAYS:
            return False
        say("the certificate ends: the server is started again while jobs run")
    return restart(server, java())  # which renews it
