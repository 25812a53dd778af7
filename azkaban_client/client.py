"""The client."""

from __future__ import annotations

from azkaban_client._executions import ExecutionCalls
from azkaban_client._permissions import PermissionCalls
from azkaban_client._schedules import ScheduleCalls

__all__ = ["Client"]


class Client(ExecutionCalls, ScheduleCalls, PermissionCalls):
    """A client of one Azkaban server.

    It logs in at the first call that needs it and again, once, when the session is refused.
    Every call has a time limit; calls that may be repeated are, after a lost connection.

    Parameters
    ----------
    url
        Base URL with the server's real host name: ``https://azkaban.example:8443``. Up to 3.32
        a session belongs to the client's address, so one address is kept for the session.
    auth
        Who logs in: ``(user, password)``, where the password may be a function that is called
        when it is needed; or a `azkaban_client.auth.Login`, which can hold an earlier session.
        Without it, the host's entry in ``~/.netrc``.
    verify
        True, or the path of a file of CA certificates to trust; False switches the check off.
    timeout
        Seconds to wait for each answer (for a connection, 10 at most).
    retries
        How often a call that may be repeated is repeated after a lost connection.
    address
        IP address to connect to instead of resolving the host's name (like ``curl --resolve``).
        TLS is still checked against the name.
    server_account
        The account (name or number) that runs the server, where that is on this machine and not
        your own: another's may have taken the port. It is checked before anything is sent, unless
        a certificate proves the server.

    Examples
    --------
    >>> client = Client("http://azkaban.example:8081", auth=("me", "secret"))
    >>> client.url
    'http://azkaban.example:8081'
    >>> client.close()
    """
