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
    username, password
        Who logs in. The password may be a function, which is called when it is needed.
    session_id
        A session from an earlier login, to go on with.
    address
        IP address to connect to instead of resolving the host's name (like ``curl --resolve``).
        TLS is still checked against the name.
    verify
        True, or the path of a file of CA certificates to trust; False switches the check off.
    timeout
        Seconds to wait for each answer (for a connection, 10 at most).
    retries
        How often a call that may be repeated is repeated after a lost connection.

    Examples
    --------
    >>> client = Client("http://azkaban.example:8081", username="me", password="secret")
    >>> client.url
    'http://azkaban.example:8081'
    >>> client.close()
    """
