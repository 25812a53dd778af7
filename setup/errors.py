"""What can go wrong, and the exit code of each.

::

    SetupError            3   this machine or account cannot do it; the message says what to change
    ├── UsageError        2   the command line asks for something that cannot be
    ├── DownloadError     4   a package or jar cannot be downloaded, or is not the pinned one
    └── ServerError       5   a server did not start, or died

0 is success, 1 a flow that failed or a server that is down, 130 interrupted.
"""

from azkaban_client.secrecy import masked

__all__ = ["DownloadError", "ServerError", "SetupError", "UsageError"]


class SetupError(Exception):
    """The machine or the account cannot do what was asked."""

    code = 3

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class UsageError(SetupError):
    """The command line asks for something that cannot be."""

    code = 2


class DownloadError(SetupError):
    """A package or jar could not be downloaded, or is not the pinned one."""

    code = 4


class ServerError(SetupError):
    """A server did not come up, or died."""

    code = 5
