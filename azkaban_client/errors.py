"""Everything that can go wrong, as one tree of exceptions.

::

    AzkabanError
    +-- NetworkError            no connection, name not found, connection cut, no answer in time
    |   +-- TLSError            the certificate was refused, or the server speaks no TLS
    |   +-- WrongAccount        on this machine, another account than the server's has the port
    |   +-- OutcomeUnknown      sent, but the answer was lost: it may have been done
    +-- AuthenticationError     wrong user or password, or no password to log in with
    |   +-- SessionRefused      the server refused the session
    +-- Refused                 the server said no, in its own words
    |   +-- NotFound            no such project, flow, job, execution or schedule
    |   +-- PermissionDenied    the user may not do that
    |   +-- AlreadyRunning      the flow runs and concurrency is "skip"
    |   +-- Unsupported         this server's version lacks the feature
    |   +-- ServerFault         HTTP 5xx: an exception inside the server
    |       +-- NotReady        a passing 5xx: the log does not exist yet, the flow is being filed
    +-- BadAnswer               no answer of an Azkaban server: HTML, half a JSON document
    +-- WaitTimeout             the execution did not end within the given time
    +-- InvalidProject          the project has errors (found before anything is sent)

Each carries the request that failed (`request`, secrets redacted), the ids that it was about
(`project`, `flow`, `execid`, `job`) and, where there was an answer, its HTTP `status`.
"""

from __future__ import annotations

__all__ = [
    "AlreadyRunning",
    "AuthenticationError",
    "AzkabanError",
    "BadAnswer",
    "InvalidProject",
    "NetworkError",
    "NotFound",
    "NotReady",
    "OutcomeUnknown",
    "PermissionDenied",
    "Refused",
    "ServerFault",
    "SessionRefused",
    "TLSError",
    "Unsupported",
    "WaitTimeout",
    "WrongAccount",
]


class AzkabanError(Exception):
    """Base of everything that this package raises on purpose.

    Parameters
    ----------
    message
        What went wrong: the server's words where it gave any.
    request
        The request, secrets redacted, for example ``GET /executor ajax=fetchexecflow execid=7``.
    status
        HTTP status of the answer.
    ids
        What the request was about, by the API's names: project, flow, execid, jobId ...
    """

    def __init__(
        self,
        message: str,
        *,
        request: str | None = None,
        status: int | None = None,
        ids: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        ids = ids or {}
        self.message = message
        self.request = request
        self.status = status
        self.project = ids.get("project") or ids.get("projectName")
        self.flow = ids.get("flow") or ids.get("flowId") or ids.get("flowName")
        self.execid = int(ids["execid"]) if ids.get("execid", "").isdecimal() else None
        self.job = ids.get("jobId") or ids.get("jobid") or ids.get("jobName") or ids.get("node")


class NetworkError(AzkabanError):
    """No connection, unknown host, connection cut, or no answer in time."""


class TLSError(NetworkError):
    """The certificate was refused, or the server speaks no TLS."""


class WrongAccount(NetworkError):
    """On this machine, another account than the server's has the port; nothing was sent."""


class OutcomeUnknown(NetworkError):
    """The request went out and the answer was lost; it may have been carried out."""


class AuthenticationError(AzkabanError):
    """Wrong user or password, or no password to log in with."""


class SessionRefused(AuthenticationError):
    """The server refused the session: expired, or bound to another address."""


class Refused(AzkabanError):
    """The server said no; the message is its own."""


class NotFound(Refused):
    """No such project, flow, job, execution or schedule."""


class PermissionDenied(Refused):
    """The user may not do that."""


class AlreadyRunning(Refused):
    """The flow is running and the concurrency option is ``skip``."""


class Unsupported(Refused):
    """The server's version lacks the feature."""


class ServerFault(Refused):
    """HTTP 5xx: an exception inside the server."""


class NotReady(ServerFault):
    """A passing 5xx: the job's log does not exist yet, or the flow is being filed."""


class BadAnswer(AzkabanError):
    """The answer is not one of Azkaban's: HTML where JSON was due, half a JSON document."""


class WaitTimeout(AzkabanError):
    """The execution did not end within the given time; it goes on running."""


class InvalidProject(AzkabanError):
    """The project has errors; nothing was sent."""
