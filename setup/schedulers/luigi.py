"""Luigi: tasks that know their targets, and a small daemon that keeps two workers apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup.life.daemons import Daemon
from setup.life.process import port_taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.schedulers.kind import Place

__all__ = ["Luigi"]


class Luigi:
    """The environment of Luigi, and its daemon ``luigid``."""

    port = 8082
    megabytes = 100

    def prepare(self, place: Place, update: Callable[[str], None]) -> None:
        """Do nothing: all of it is in the lock."""

    def daemons(self, place: Place) -> list[Daemon]:
        """Return the daemon."""
        command = [str(place.bin / "luigid"), "--address", "127.0.0.1", "--port", str(place.port)]
        command += ["--state-path", str(place.home / "state.pickle")]
        return [Daemon("luigid", command, ready=lambda: port_taken("127.0.0.1", place.port))]

    def about(self, place: Place) -> str:
        """Say where the daemon is, and that it knows no password."""
        return (
            f"{place.bin}/luigi --scheduler-port {place.port} --module NAME ...\n"
            f"{place.url} has no password: every account of this machine can look and forget tasks "
            "there; luigi --local-scheduler needs no daemon"
        )
