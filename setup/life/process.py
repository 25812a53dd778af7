"""Start servers detached, recognise them by pid and start time, stop them, look at their ports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import keeper
from azkaban_client.files import open_private, write_private
from setup.errors import SetupError
from setup.life import probe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = [
    "Process",
    "free_port",
    "living",
    "port_taken",
    "refuse_root",
    "stop_all",
    "tail",
]

_GONE_SECONDS = 20.0


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same pid.

    Attributes
    ----------
    pid
        Process id.
    started
        Its start in clock ticks since boot (field 22 of ``/proc/PID/stat``).
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return a running process; None when there is none (a zombie does not count)."""
        seen = keeper.look(pid)
        return cls(*seen[1][:2]) if seen else None

    @classmethod
    def read(cls, pid_file: Path, folder: Path | None = None) -> Process | None:
        """Read a pid file; None when its process is gone, or works in another folder."""
        try:
            saved = cls(**json.loads(pid_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return saved if saved.alive() and (folder is None or saved.works_in(folder)) else None

    @classmethod
    def start(
        cls, command: Sequence[str], *, folder: Path, log: Path, environ: Mapping[str, str]
    ) -> Process:
        """Start a server that outlives this process, its output appended to `log`."""
        with open_private(log, "ab") as output:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        started = cls.of(child.pid)
        # Popen's finaliser would warn about a child that still runs; it is meant to.
        child.returncode = 0
        return started or cls(child.pid, 0)

    def write(self, pid_file: Path) -> None:
        """Record this process."""
        write_private(pid_file, json.dumps(asdict(self)))

    def alive(self) -> bool:
        """Tell whether it still runs."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)  # a child of ours that ended would stay a zombie
        return Process.of(self.pid) == self

    @property
    def command(self) -> list[bytes]:
        """Its command line; empty when it has ended."""
        try:
            return Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")[:-1]
        except OSError:
            return []

    @property
    def folder(self) -> str:
        """The name of its working folder, as the kernel has it; empty when it has ended."""
        try:
            return os.readlink(f"/proc/{self.pid}/cwd")  # noqa: PTH115 (the folder may be gone)
        except OSError:
            return ""

    def works_in(self, *folders: Path) -> bool:
        """Tell whether its working folder is one of these; one that was made again is another."""
        try:
            here = Path(f"/proc/{self.pid}/cwd").stat()
        except OSError:  # the kernel does not tell
            return True
        present = (folder.stat() for folder in folders if folder.is_dir())
        return any(os.path.samestat(here, there) for there in present)

    def children(self) -> list[Process]:
        """List the processes that it started, and theirs."""
        return [Process(pid, started) for pid, started, _ in keeper.below(self.pid)]

    def stop(self, patience: float = 20.0) -> None:
        """End it with SIGTERM, or with SIGKILL if it still runs after `patience` seconds."""
        # What SIGKILL ends takes a moment to go, in which it still holds ports and files.
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, _GONE_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                # Asked right before the signal: the pid could be another program's by then.
                if self.alive():
                    os.kill(self.pid, number)
                    os.kill(self.pid, signal.SIGCONT)  # one that was stopped would not take it
            deadline = time.monotonic() + seconds
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.05)

    def listening(self) -> set[tuple[str, int]]:
        """List the TCP addresses and ports on which it listens."""
        return probe.listening(self.pid)


def stop_all(processes: Iterable[Process]) -> list[str]:
    """End processes at the same time, and return a line for each way in which they ended.

    Parameters
    ----------
    processes
        Get SIGTERM, and SIGKILL if they still run some seconds later.
    """
    known = {(one.pid, one.started) for one in processes}
    return keeper.end(lambda: [one for one in keeper.living() if one[:2] in known])


def living() -> Iterator[Process]:
    """Iterate over the processes of this account."""
    return (Process(pid, started) for pid, started, _ in keeper.living())


def port_taken(address: str, port: int) -> bool:
    """Tell whether something listens on a port already."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except PermissionError as error:
            raise SetupError(
                f"port {port}: ports below 1024 are for root; use 1024 or above"
            ) from error
        except OSError:
            return True
    return False


def free_port(address: str, preferred: int, *avoid: int) -> int:
    """Choose a free port: the preferred one (0: none is), else any."""
    if preferred and preferred not in avoid and not port_taken(address, preferred):
        return preferred
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.bind((address, 0))
        return int(trial.getsockname()[1])


def refuse_root() -> None:
    """Refuse to start servers as root: a job could then change the whole machine."""
    if os.geteuid() == 0 and os.environ.get("AZK_ALLOW_ROOT") != "1":
        raise SetupError(
            "servers are not started as root: whoever may upload a flow could then change the "
            "whole machine. Use an ordinary account, or set AZK_ALLOW_ROOT=1 if you mean it"
        )


def tail(path: Path, lines: int = 20) -> str:
    """Read the last lines of a log."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 400 * lines))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return f"({path} cannot be read)"
    return "\n".join(text.splitlines()[-lines:])
