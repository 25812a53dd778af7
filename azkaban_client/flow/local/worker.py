"""Run the attempts and commands of one job of a local run, in a thread of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import javaproperties

from azkaban_client import keeper
from azkaban_client.flow.loader.command_line import split_command
from azkaban_client.flow.outputs import read_outputs
from azkaban_client.flow.substitution import UnresolvedError, expression, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Say = Callable[[str], object]

__all__ = ["Processes", "Work", "run_job"]

_SAID_BY_KEEPER = b"azkaban-jobflow: exit code "
_LAST_OUTPUT = 5.0  # seconds that the server waits for output after the end of a process
_LAST_SECONDS = 2 * keeper.GRACE + 5  # for a job that is to end; its keeper needs less


class Processes:
    """The processes of a run, which end with it."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    def start(
        self, words: list[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | None:
        """Start a process; None if the run is being stopped.

        Raises
        ------
        OSError, ValueError
            There is no such program or folder, or a word cannot be an argument.
        """
        # Java looks for a program on its own PATH, not on the one that it gives the process.
        program = words[0] if "/" in words[0] else shutil.which(words[0])
        if program is None:
            raise FileNotFoundError(f"error=2, No such file or directory: {words[0]}")
        with self._lock:
            if self.stopping.is_set():
                return None
            command = keeper.wrapped(os.path.join(folder, program), words)  # noqa: PTH118 (as it is)
            process = subprocess.Popen(
                command,
                executable=program if command is words else None,
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,  # never written to and never closed, as on the server
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            self._running.add(process)
        return process

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a process that has ended."""
        with self._lock:
            self._running.discard(process)
        if process.stdin is not None:
            process.stdin.close()

    def stop(self) -> None:
        """End what still runs: at once if it heeds that, within some seconds if it does not."""
        with self._lock:
            self.stopping.set()
            processes = list(self._running)
        for process in processes:
            process.terminate()  # to its keeper, which ends all that it started
        for process in processes:
            try:
                process.wait(_LAST_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Work:
    """One attempt of a job.

    Attributes
    ----------
    name
        Name of the job.
    given
        Its properties, references as written.
    later
        Properties that it can read in its file, but that references do not find.
    evaluates
        Whether the servers that run such a project evaluate expressions ``$(...)``.
    """

    name: str
    given: Mapping[str, str]
    later: Mapping[str, str]
    evaluates: bool


def run_job(work: Work, processes: Processes, say: Say) -> dict[str, str] | None:
    """Run one attempt of a job.

    Parameters
    ----------
    work
        The job.
    processes
        Where its processes are kept.
    say
        Takes the lines of its log.

    Returns
    -------
    dict or None
        Its outputs; None if it failed.
    """
    name, given = work.name, work.given
    try:
        once = resolve(given)
    except UnresolvedError as error:
        say(f"Failed to build job executor for job {name}: {error}")
        return None
    if not _say_what_is_otherwise(once, work, say):
        return None
    kind = given.get("type")
    if kind == "noop":
        return {}
    if kind != "command":
        say(f"jobs of type {kind!r} need a server: only command, noop and flow run here")
        return None
    try:
        # A job that starts processes has its properties resolved once more.
        return _run_commands(
            name, {**work.later, **resolve(once)}, once["working.dir"], processes, say
        )
    except UnresolvedError as error:
        say(f"Bad property definition! {error}")
    except (OSError, ValueError) as error:
        say(f"Cannot run program: {error}")
    return None


def _say_what_is_otherwise(once: Mapping[str, str], work: Work, say: Say) -> bool:
    """Report what only a server could do; tell whether the job can run anyway."""
    for key, value in once.items():
        if key.startswith("job.notification.") and key.endswith(".url"):
            say(f"{key}: job callbacks are for the server: not called here")
        if expression(value) is None:
            continue
        if work.evaluates:
            say(f"{key}={value}: Azkaban would evaluate $(...), azk run --local cannot")
            return False
        say(f"{key}={value}: Azkaban evaluates $(...) from 2.6 on; passed on as text, as 2.5 does")
    return True


def _run_commands(
    name: str, merged: Mapping[str, str], folder: str, processes: Processes, say: Say
) -> dict[str, str] | None:
    commands = list(_commands(merged))
    if not commands:
        say("Job set up failed: Missing required property 'command'")
        return None
    if not Path(folder).is_absolute():
        # The server takes it from the folder that it was started in, which is not the project.
        say(f"working.dir={folder}: no such folder on the server: it counts from / alone")
        return None
    home = Path(folder)
    props, outputs = _new_file(home, f"{name}_props_"), _new_file(home, f"{name}_output_")
    with props.open("w", encoding="iso-8859-1") as stream:
        javaproperties.dump(merged, stream, timestamp=True)
    environment = {k[4:]: v for k, v in merged.items() if k.startswith("env.")}
    environment |= {k[4:]: v for k, v in merged.items() if k.startswith("ENV.")}
    environment |= {
        keeper.VARIABLE: f"{home}:{props.name}",
        "JOB_PROP_FILE": str(props),
        "JOB_OUTPUT_PROP_FILE": str(outputs),
        "JOB_NAME": name,
    }
    for command in commands:
        if not _run_process(split_command(command), home, environment, processes, say):
            props.unlink(missing_ok=True)
            outputs.unlink(missing_ok=True)
            return None
    return read_outputs(outputs, say)


def _commands(merged: Mapping[str, str]) -> Iterator[str]:
    number, key = 0, "command"
    while key in merged:
        yield merged[key]
        number += 1
        key = f"command.{number}"


def _new_file(folder: Path, prefix: str) -> Path:
    handle, path = tempfile.mkstemp("_tmp", prefix, dir=folder)
    os.close(handle)
    return Path(path)


def _run_process(
    words: list[str],
    folder: Path,
    environment: Mapping[str, str],
    processes: Processes,
    say: Say,
) -> bool:
    if not words:
        say("Cannot run program: the command is empty")
        return False
    process = processes.start(words, folder, environment)
    if process is None:
        return False
    reader = threading.Thread(target=_pass_on, args=(process, say), daemon=True)
    reader.start()
    code = process.wait()
    # A child process that it left behind may keep the output open forever.
    reader.join(_LAST_OUTPUT)
    processes.ended(process)
    if code:
        say(f"Process exited with code {code}")
    return code == 0


def _pass_on(process: subprocess.Popen[bytes], say: Say) -> None:
    assert process.stdout is not None
    with process.stdout as stream:
        for line in stream:
            if not line.startswith(_SAID_BY_KEEPER):  # which `_run_process` says as well
                say(line.decode("utf-8", "replace").removesuffix("\n"))
