"""Start, ask and stop another scheduler on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from azkaban_client.files import open_private, write_private
from setup import environment
from setup.errors import ServerError
from setup.life.daemons import Daemons
from setup.life.process import free_port, refuse_root, tail
from setup.life.status import Status
from setup.messages import step
from setup.python import pip
from setup.python.installer import LOCKS, Installer
from setup.schedulers.airflow import Airflow
from setup.schedulers.kind import Place
from setup.schedulers.luigi import Luigi

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from setup.layout import Layout
    from setup.life.daemons import Daemon
    from setup.schedulers.kind import Kind

__all__ = ["KINDS", "Scheduler", "running"]

KINDS: dict[str, Kind] = {"luigi": Luigi(), "airflow": Airflow()}

START_SECONDS = (
    300.0  # for each of them, on a busy machine; Airflow needs 20 s in all on an idle one
)
_ADDRESS = "127.0.0.1"


class Scheduler:
    """A scheduler of a prefix.

    Parameters
    ----------
    layout
        The installation.
    name
        One of `KINDS`, or that of another one.
    kind
        The other one; its lock lies in the folder `locks`.
    """

    def __init__(
        self, layout: Layout, name: str, kind: Kind | None = None, *, locks: Path = LOCKS
    ) -> None:
        self.layout = layout
        self.name = name
        self.kind = kind or KINDS[name]
        self.lock = locks / f"{name}.txt"
        self.home = layout.prefix / "schedulers" / name
        # PostgreSQL works in its data, and serves the others to the end.
        self._daemons = Daemons(self.home, self.home / "data", last=("database",))

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.home / "env" / "bin" / "python"

    @property
    def version(self) -> str:
        """The version that its lock pins."""
        package = {"airflow": "apache-airflow"}.get(self.name, self.name)
        lines = self.lock.read_text("utf-8").splitlines()
        pin = next(line for line in lines if line.startswith(f"{package}=="))
        return pin.split("==")[1].split()[0]

    @property
    def installed(self) -> bool:
        """Whether its environment is that of its lock, and its Python is still there."""
        with contextlib.suppress(FileNotFoundError):
            made = (self.home / ".lock").read_text("utf-8") == self._digest()
            return made and self.python.exists()
        return False

    @property
    def is_running(self) -> bool:
        """Whether any of its processes runs."""
        return bool(self._daemons.running())

    def install(self) -> None:
        """Make its environment, in which nothing but its lock is; a second call does nothing.

        Raises
        ------
        DownloadError
            When a package cannot be downloaded, or is not the pinned one.
        """
        if self.installed:
            return
        self.layout.create(self.kind.megabytes << 20)
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with step(self.name) as shown, Installer(self.layout) as installer:
            (self.home / ".lock").unlink(missing_ok=True)
            shutil.rmtree(self.home / "env", ignore_errors=True)
            pip.make_environment(self.home / "env")
            shown.update("downloading and unpacking")
            installer.install(self.lock, self.python)
            write_private(self.home / ".lock", self._digest())
            shown.done(self.version)

    def start(self) -> Place:
        """Start it and wait until it works; leave a running one as it is.

        Raises
        ------
        SetupError
            For root.
        ServerError
            When it does not start, with the end of the log; nothing is left running.
        """
        refuse_root()
        self.install()
        alive = self._daemons.running()
        if alive and len(alive) == len(self._daemons.names()):
            return self.place()
        self._daemons.end()
        (self.home / "logs").mkdir(exist_ok=True, mode=0o700)
        with step(f"starting {self.name}") as shown:
            place = Place(self.layout, self.home, free_port(_ADDRESS, self.kind.port))
            write_private(self._port_file, str(place.port))
            try:
                self.kind.prepare(place, shown.update)
                for daemon in self.kind.daemons(place):
                    shown.update(daemon.name)
                    self._launch(daemon)
            except BaseException:
                self._daemons.end()
                raise
            shown.done(place.url)
        return place

    def stop(self) -> bool:
        """Stop it; return False if it was not running."""
        alive = self._daemons.running()
        if alive:
            with step(f"stopping {self.name}") as shown:
                self._daemons.end()
                shown.done("stopped")
        self._daemons.forget()
        return bool(alive)

    def wipe(self) -> None:
        """Stop it, and delete its environment and its data."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def statuses(self) -> list[Status]:
        """Report the state of each of its processes; the page is the first one's of them."""
        if not (self.installed or self.is_running):
            return [Status(self.name, "not installed", None, None, self.version, None)]
        names, alive = self._daemons.names(), self._daemons.running()
        if not names:
            return [Status(self.name, "down", None, None, self.version, None)]
        place, found = self.place(), []
        for name in names:
            process = alive.get(name)
            serves = process is not None and (_ADDRESS, place.port) in process.listening()
            found.append(
                Status(
                    f"{self.name} {name}",
                    "running" if process else "down",
                    process.pid if process else None,
                    place.port if serves else None,
                    self.version,
                    place.url if serves else None,
                )
            )
        return found

    def log(self, daemon: str) -> Path:
        """Return the log file of a process."""
        return self._daemons.log(daemon)

    def about(self) -> str:
        """Return what the user needs to know after a start."""
        return self.kind.about(self.place())

    def place(self) -> Place:
        """Tell where it lies, and where its page is."""
        return Place(self.layout, self.home, int(self._port_file.read_text("utf-8")))

    # Steps of these

    def _digest(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()

    @property
    def _port_file(self) -> Path:
        return self.home / "port"

    def _launch(self, daemon: Daemon) -> None:
        """Start a process and wait until it works, or until it has ended well if it is to end."""
        path = f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        environ = environment.local({"PATH": path})
        log = self.log(daemon.name)
        if daemon.once:
            log.unlink(missing_ok=True)
            self._run(daemon, log, {**environ, **daemon.variables})
            return
        process = self._daemons.start(daemon, environ)
        deadline = time.monotonic() + START_SECONDS
        while not daemon.ready():
            if not process.alive():
                raise ServerError(f"{daemon.name} ended; the end of {log}:\n{tail(log)}")
            if time.monotonic() > deadline:
                process.stop()
                raise ServerError(
                    f"{daemon.name} is not ready after {START_SECONDS:.0f} s; the end of {log}:\n"
                    f"{tail(log)}"
                )
            time.sleep(0.2)

    def _run(self, daemon: Daemon, log: Path, environ: Mapping[str, str]) -> None:
        """Run a process to its end."""
        with open_private(log, "ab") as output:
            try:
                code = subprocess.run(
                    daemon.command,
                    cwd=self.home,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    umask=0o077,
                    timeout=START_SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired as error:
                raise ServerError(
                    f"{daemon.name} has not ended after {START_SECONDS:.0f} s; the end of {log}:\n"
                    f"{tail(log)}"
                ) from error
        if code:
            raise ServerError(
                f"{daemon.name} ended with exit code {code}; the end of {log}:\n{tail(log)}"
            )


def running(layout: Layout) -> list[Scheduler]:
    """List the schedulers that run under a prefix."""
    found = (Scheduler(layout, name) for name in KINDS)
    return [scheduler for scheduler in found if scheduler.is_running]
