"""Connections that are ended at a time limit, and that tell whether a request has left.

The time limits of the libraries below count each wait for a byte: a server that sends one a second
is never late for them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["POOLS", "Deadline"]


class _Current(threading.local):
    """The current exchange of a thread."""

    deadline: Deadline | None = None


_current = _Current()


class Deadline:
    """Ends the exchange within a ``with`` block when its time is over.

    Parameters
    ----------
    seconds
        From now on; None for no limit.
    admit
        Is given each new connection before anything of the request is sent, and raises if nothing
        may be.

    Attributes
    ----------
    sent
        Whether a request has begun to leave.
    passed
        Whether the time was over.
    """

    def __init__(
        self, seconds: float | None, admit: Callable[[socket.socket], None] | None = None
    ) -> None:
        self.sent = self.passed = False
        self.admit = admit
        self.connection: Any = None
        self._timer = None if seconds is None else threading.Timer(seconds, self._end)

    def __enter__(self) -> Self:
        _current.deadline = self
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        _current.deadline = None
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        self.passed = True
        connected = getattr(self.connection, "sock", None)
        if connected is not None:
            # Close the plain socket below TLS: closing that of TLS would wait for its reader.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


class _Watched:
    """What both kinds of connections tell the exchange of their thread."""

    def connect(self) -> None:
        if _current.deadline is not None:
            _current.deadline.connection = self
        super().connect()  # type: ignore[misc]
        if _current.deadline is not None and _current.deadline.admit is not None:
            _current.deadline.admit(self.sock)  # type: ignore[attr-defined]

    def putrequest(self, *args: Any, **options: Any) -> None:
        if _current.deadline is not None:
            _current.deadline.connection = self
        super().putrequest(*args, **options)  # type: ignore[misc]

    def endheaders(self, *args: Any, **options: Any) -> None:
        # This connects where there is no connection yet, TLS included, and then sends.
        if getattr(self, "sock", None) is None:
            self.connect()
        if _current.deadline is not None:
            _current.deadline.sent = True
        super().endheaders(*args, **options)  # type: ignore[misc]


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
"""For ``PoolManager.pool_classes_by_scheme``."""
