"""A supervised installation of the profile `server`; its parts can be killed at chosen points."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from azkaban_client import Client
from azkaban_client.files import open_private
from setup.layout import CHECKOUT
from setup.life import servers
from setup.life.process import Process
from setup.life.supervise import pid_file
from setup.mysql import Server as MySQL
from tests import waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.live.conftest import LiveAzkaban

__all__ = ["Background", "Site", "eventually"]

SECONDS = 180.0  # for what must happen; a failing test waits so long
eventually = partial(waiting.eventually, seconds=SECONDS)

# `setup supervise` without the making of an environment, and with shorter pauses.
_SUPERVISE = """
import sys
from pathlib import Path
from setup.life import servers, supervise
from setup.layout import Layout
supervise.CHECK_SECONDS, servers.LOOK_SECONDS = 0.3, 3.0
backoff = supervise.Backoff(first=0.1, longest=1.0, most=100)
policy = supervise.Policy(restart_hung=sys.argv[3] == "True", backoff=backoff)
servers.keep_up(Layout(Path(sys.argv[1]), Path(sys.argv[2])), Path(sys.executable), policy)
"""


class Background(threading.Thread):
    """A call that goes on while the test kills something.

    Attributes
    ----------
    answer
        What it returned: the acknowledgement. None when it failed.
    error
        What it raised.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.answer: Any = None
        self.error: Exception | None = None
        self._call = call
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._call()
        except Exception as error:  # noqa: BLE001 (whatever it is: there was no acknowledgement)
            self.error = error

    def wait(self) -> Any:
        self.join(SECONDS)
        assert not self.is_alive(), "the call hangs"
        return self.answer


class Site:
    """MySQL, executor, web server, and a supervisor over them."""

    def __init__(self, live: LiveAzkaban) -> None:
        self.live = live
        self.database = MySQL(live.layout)
        self._supervisor: subprocess.Popen[bytes] | None = None
        self.supervise()

    def supervise(self, *, restart_hung: bool = False) -> None:
        """Start the supervisor, as systemd or a person would, and wait for it."""
        self.wait_for_supervisor()  # `setup stop` has ended an earlier one
        folders = [str(self.live.layout.prefix), str(self.live.layout.cache)]
        log = self.live.layout.prefix / "supervisor.log"
        with open_private(log, "ab") as stream:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-c", _SUPERVISE, *folders, str(restart_hung)],
                cwd=CHECKOUT,
                stderr=stream,
                start_new_session=True,
            )
        eventually(lambda: self.process("supervisor"), "a supervisor")

    def process(self, victim: str) -> Process | None:
        if victim == "supervisor":
            return Process.read(pid_file(self.live.layout.prefix))
        if victim == "mysqld":
            return self.database.process()
        return self.live.server.running().get(victim)

    def kill(self, victim: str) -> None:
        """End a process as a power cut would."""
        process = self.process(victim)
        assert process is not None, f"{victim} does not run"
        os.kill(process.pid, signal.SIGKILL)
        if victim == "supervisor":
            self.wait_for_supervisor()
        process.stop()  # waits until it is gone

    def wait_for_supervisor(self) -> None:
        """Wait for the end of a supervisor that was killed: it is a child of this process."""
        if self._supervisor:
            self._supervisor.wait()

    def recover(self, victim: str) -> None:
        """Wait until everything runs again, which nobody but the supervisor may bring about."""
        if victim == "supervisor":
            self.supervise()
        self.whole(f"the death of {victim}")

    def whole(self, event: str) -> None:
        """Wait until all servers run, and the supervisor has mended what there is to mend."""

        def whole() -> bool:
            found = servers.statuses(self.live.layout)
            return len(found) == 3 and all(status.state == "running" for status in found)

        eventually(whole, f"all servers up after {event}")
        with self.live.layout.locked():
            assert whole()

    @contextmanager
    def starved(self, victim: str, limit: int) -> Iterator[None]:
        """Let a process open no more files, start no threads and programs, or write no long files.

        Parameters
        ----------
        victim
            Its name.
        limit
            ``RLIMIT_NOFILE``, ``RLIMIT_NPROC`` or ``RLIMIT_FSIZE`` of `resource`.
        """
        process = self.process(victim)
        assert process is not None, f"{victim} does not run"
        before = resource.prlimit(process.pid, limit)
        files = len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208 (names are enough)
        few = {resource.RLIMIT_NOFILE: files, resource.RLIMIT_NPROC: 1, resource.RLIMIT_FSIZE: 4096}
        resource.prlimit(process.pid, limit, (few[limit], before[1]))
        try:
            yield
        finally:
            if process.alive():
                resource.prlimit(process.pid, limit, before)

    def end(self) -> None:
        """Leave the servers to themselves."""
        if self.process("supervisor"):
            self.kill("supervisor")

    def client(self, **options: Any) -> Client:
        live = self.live
        return Client(
            live.url,
            auth=(live.username, live.password),
            address=live.address,
            verify=str(live.layout.ca),
            **options,
        )

    def ask(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement as root."""
        with self.database.connect("azkaban") as connection:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.with_rows else []

    @contextmanager
    def held(self, table: str, *, readers: bool = False) -> Iterator[Callable[[], None]]:
        """Make whoever writes to a table wait (readers too, if asked); yield what waits for one."""
        waiting = (
            "SELECT COUNT(*) FROM information_schema.processlist "
            "WHERE state = 'Waiting for table metadata lock'"
        )

        def until_one_waits() -> None:
            eventually(lambda: self.ask(waiting)[0][0], f"somebody who writes to {table}")

        with self.database.connect("azkaban") as connection:
            cursor = connection.cursor()
            cursor.execute(f"LOCK TABLES {table} {'WRITE' if readers else 'READ'}")
            yield until_one_waits
