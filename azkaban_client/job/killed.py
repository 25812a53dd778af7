"""Make sure that a kill ends the job, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import start_new_thread
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["CODE", "Killed", "Terminator"]

CODE = 128 + signal.SIGTERM

_SECONDS = 5.0  # for a job to let the exception through


class Killed(SystemExit):
    """SIGTERM ends the job.

    A signal can arrive during an import or a finaliser, where C code drops exceptions, or in a
    ``try`` of the job that catches everything. The job would then continue unnoticed. So an
    exception that vanishes before it reaches the top sends the signal again.

    Attributes
    ----------
    arrived
        Set by the code that caught it and ends the job.
    """

    def __init__(self) -> None:
        super().__init__(CODE)
        self.arrived = False

    def __del__(self) -> None:
        if not self.arrived:
            with suppress(RuntimeError):  # the interpreter is at its end, and so is the job
                start_new_thread(_again, ())


def _again() -> None:
    time.sleep(0.02)  # what is raised within a finaliser would vanish like the first one
    os.kill(os.getpid(), signal.SIGTERM)


class Terminator:
    """The handler of SIGTERM: raise `Killed`, and kill a job that never lets it through."""

    def __init__(self) -> None:
        self._since: float | None = None

    def __call__(self, _signum: int, _frame: FrameType | None) -> None:
        """Raise."""
        if self._since is None:
            self._since = time.monotonic()
            print("killed (SIGTERM)", file=sys.stderr, flush=True)
        elif time.monotonic() - self._since > _SECONDS:
            os._exit(CODE)
        raise Killed
