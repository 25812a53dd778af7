"""Run a program of a job, and end with it whatever it started.

Executors and local runs start ``keeper.py GRACE PROGRAM NAME [ARGUMENT ...]`` in place of a job's
program, with ``python -I -S``. The keeper hands on what the program gets (arguments, environment,
standard streams) and what it returns. The kernel makes it the parent of every process whose own
parent has ended, so that also those that became daemons stay below it. Whoever started it closes
its standard input to end the job, and does so by dying, too. Then the program gets SIGTERM; the
rest gets it when the program has ended, or after half of the grace; and after the grace whatever
still runs gets SIGKILL. The keeper says on the job's log what it ended.

A variable in the environment of each job, `VARIABLE`, names its executor's folder, its execution
and its attempt. It shows whose a process is when nobody keeps it any more:
``keeper.py --end GRACE MARK [PID]`` ends all whose mark begins so, and all below a keeper that does
not end them itself. A process that sets the variable to
`OUTLIVES` is left alone, until it ends by itself.

This needs Linux and the standard library alone, and as little of that as possible: it is started
for every job.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # the module typing would take as long to load as all the others
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # Its pid, its start in clock ticks since boot, its name.
    Found = tuple[int, int, str]

__all__ = [
    "GRACE",
    "OUTLIVES",
    "VARIABLE",
    "below",
    "descendants",
    "end",
    "keeps",
    "living",
    "look",
    "main",
    "marked",
    "wrapped",
]

VARIABLE = "AZKABAN_JOBFLOW_RUN"
OUTLIVES = "outlives"
GRACE = 5.0  # seconds between SIGTERM and SIGKILL, as in Azkaban 2.5

_PATIENCE = 10.0  # seconds for SIGKILL: what forks in a loop, or waits for a disk, takes a while
_EMPTY = 3  # looks at all processes that must find none
_LOOKS = 100  # at own children, between two looks at all processes
_MOST = 20  # names in a message
_SUBREAPER, _DEATH_SIGNAL = 36, 1  # PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG


def wrapped(program: str, words: list[str], grace: float = GRACE) -> list[str]:
    """Return the command that runs a program with a keeper; its own where there can be none.

    Parameters
    ----------
    program
        The file to run.
    words
        Its name, as it sees it, and its arguments.
    grace
        Seconds between SIGTERM and SIGKILL.
    """
    able = sys.platform == "linux" and hasattr(os, "fork") and sys.executable
    if not (able and os.path.isfile(__file__)):
        return words
    if not (os.path.isfile(program) and os.access(program, os.X_OK)):
        return words  # the caller then hears from the system itself what is wrong with it
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(grace), program, *words]


def living() -> list[Found]:
    """List the processes of this account."""
    own = os.geteuid()
    return [seen[1] for pid in _pids() if _owner(pid) == own and (seen := look(pid))]


def descendants(pid: int) -> list[Found]:
    """List the descendants of a process, except those that are to outlive it."""
    return [found for found in below(pid) if _mark(found[0]) != OUTLIVES]


def below(pid: int) -> list[Found]:
    """List the descendants of a process that still run."""
    children: dict[int, list[Found]] = {}
    for parent, found in filter(None, map(look, _pids())):
        children.setdefault(parent, []).append(found)
    listed: list[Found] = []
    pending = [pid]
    while pending:
        inner = children.pop(pending.pop(), [])
        listed += inner
        pending += [number for number, _, _ in inner]
    return listed


def marked(beginning: str) -> list[Found]:
    """List the processes of this account whose mark begins with this text."""
    result = []
    for number in _pids():
        mark = _mark(number)
        if mark is not None and mark.startswith(beginning) and (seen := look(number)):
            result.append(seen[1])
    return result


def end(
    find: Callable[[], Iterable[Found]],
    grace: float = GRACE,
    first: int = 0,
    near: Callable[[], Iterable[Found]] = list,
    alone: Callable[[], bool] | None = None,
) -> list[str]:
    """End processes until none is found any more.

    Parameters
    ----------
    find
        Looks for those that still run; called again and again.
    grace
        Seconds between SIGTERM and SIGKILL.
    first
        The one that gets SIGTERM before the others, and may end them itself.
    near
        Looks for some of them, as fast as can be: one that forks in a loop and ends is gone
        before `find` has seen everything.
    alone
        Tells for certain whether none is left, when `find` sees none: one that forks and ends just
        then may escape it. By default `find` must see none several times.

    Returns
    -------
    list of str
        One line for each way in which processes ended; empty if there were none.
    """
    sent: dict[Found, int] = {}
    begun, empty = time.monotonic(), 0
    while True:
        found, spent = list(find()), time.monotonic() - begun
        empty = 0 if found else empty + 1
        if spent > grace + _PATIENCE or (empty and (alone() if alone else empty >= _EMPTY)):
            break
        first_only = spent < grace / 2 and any(pid == first for pid, _, _ in found)
        for one in found:
            if spent >= grace:
                sent[one] = signal.SIGKILL
                _send(one, signal.SIGKILL)
            elif one not in sent and (not first_only or one[0] == first):
                sent[one] = signal.SIGTERM
                _send(one, signal.SIGTERM)
                _send(one, signal.SIGCONT)  # one that was stopped would not take it
        for one in near() if spent >= grace else ():
            sent[one] = signal.SIGKILL
            _send(one, signal.SIGKILL)
        time.sleep(0.001 if spent >= grace else 0.02)
    return list(_endings(sent, set(found), grace))


def _endings(sent: dict[Found, int], left: set[Found], grace: float) -> Iterable[str]:
    """Write a line for each signal that ended processes, and one for those that are left."""
    gone = {one: number for one, number in sent.items() if one not in left}
    by = {number: [one for one in gone if gone[one] == number] for number in set(gone.values())}
    if found := by.get(signal.SIGTERM):
        yield f"ended by SIGTERM: {_names(found)}"
    if found := by.get(signal.SIGKILL):
        yield f"ended by SIGKILL {grace:g} s after SIGTERM: {_names(found)}"
    if left:
        yield f"could not be ended, not even by SIGKILL: {_names(sorted(left))}"


def _names(found: list[Found]) -> str:
    shown = [f"{name} (pid {pid})" for pid, _, name in found[:_MOST]]
    return ", ".join(shown) + (f" and {len(found) - _MOST} more" if len(found) > _MOST else "")


def _send(one: Found, number: int) -> None:
    """Send a signal, unless the pid is another process's by now."""
    pid, started, _ = one
    seen = look(pid)
    if seen and seen[1][1] == started:
        try:
            os.kill(pid, number)
        except OSError:  # it has ended, or is another account's (set-uid)
            return


# -- what the kernel tells -------------------------------------------------------------------


def keeps(pid: int) -> bool:
    """Tell whether a process is a keeper."""
    words = _read(f"/proc/{pid}/cmdline").split(b"\0")
    return words[1:3] == [b"-I", b"-S"] and os.path.basename(words[3]) == b"keeper.py"


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def look(pid: int) -> tuple[int, Found] | None:
    """Return the parent of a process, and itself; None when it has ended."""
    content = _read(f"/proc/{pid}/stat")
    opening, closing = content.find(b"("), content.rfind(b")")
    if closing < 0:
        return None
    fields = content[closing + 2 :].split()
    if fields[0] in {b"Z", b"X"} and not _has_threads(pid):
        return None
    name = content[opening + 1 : closing].decode("ascii", "replace")
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return int(fields[1]), (pid, int(fields[19]), shown)


def _has_threads(pid: int) -> bool:
    """Tell whether the first thread alone has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def _mark(pid: int) -> str | None:
    name = VARIABLE.encode() + b"="
    for variable in _read(f"/proc/{pid}/environ").split(b"\0"):
        if variable.startswith(name):
            return os.fsdecode(variable[len(name) :])
    return None


def _read(path: str) -> bytes:
    """Read a file of ``/proc``; empty when the process has ended or is another account's."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


# -- the keeper ------------------------------------------------------------------------------


def _numbers(*names: str) -> tuple[int, ...]:
    """Return the numbers of signals; a system without them can import this all the same."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


_ENDING = _numbers("SIGTERM", "SIGINT", "SIGHUP")
_PASSED_ON = _numbers("SIGQUIT", "SIGUSR1", "SIGUSR2")  # at the first, a Java shows its threads


class _Keeper:
    """The parent of a job's program."""

    def __init__(self, grace: float, program: str, words: list[str]) -> None:
        _prctl(_SUBREAPER, 1)
        self._grace = grace
        self._own = os.getpid()
        self._code: int | None = None
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._before = {number: signal.getsignal(number) for number in (*_ENDING, *_PASSED_ON)}
        for number in (*self._before, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._child = self._start(program, words)

    def run(self) -> int:
        """Wait for the program, and return its exit code; end the job when asked to."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.register(0, 0)  # nothing but its end is asked for: the program alone reads it
        while self._code is None:
            for descriptor, events in poll.poll():
                if descriptor == self._reader:
                    signals = set(os.read(self._reader, 4096))
                    for number in signals.intersection(_PASSED_ON):
                        os.kill(self._child, number)
                    if signals.intersection(_ENDING):
                        return self._end()
                elif events & select.POLLHUP:
                    return self._end()
                else:  # the input is closed, or no pipe
                    poll.unregister(0)
            self._reap()
        if self._code:  # 2.5 tells it nowhere
            _say(f"exit code {self._code}")
        return self._code

    def _end(self) -> int:
        for line in end(self._below, self._grace, self._child, self._children, self._alone):
            _say(line)
        return self._code or 128 + signal.SIGTERM

    def _below(self) -> list[Found]:
        self._reap()
        mark = os.environ.get(VARIABLE)
        found = {*descendants(self._own), *(marked(mark) if mark else ())}
        return [one for one in found if one[0] != self._own]

    def _alone(self) -> bool:
        """Tell whether only descendants that are to outlive the job are left."""
        if not self._reap():
            return True
        own = [
            found[0] for parent, found in filter(None, map(look, _pids())) if parent == self._own
        ]
        return bool(own) and all(_mark(pid) == OUTLIVES for pid in own)

    def _children(self) -> Iterable[Found]:
        """Yield own children, again and again for a while, where the kernel has a list of them."""
        for _ in range(_LOOKS):
            for pid in _read(f"/proc/self/task/{self._own}/children").split():
                if seen := look(int(pid)):
                    yield seen[1]
            self._reap()

    def _reap(self) -> bool:
        """Collect the exit codes of children that have ended; tell whether there are others."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._child:
                code = os.waitstatus_to_exitcode(status)
                self._code = code if code >= 0 else 128 - code

    def _start(self, program: str, words: list[str]) -> int:
        every = signal.valid_signals()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, every)  # none may be lost in between
        child = os.fork()
        if child == 0:
            try:
                self._become(program, words, mask)
            finally:
                os._exit(127)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return child

    def _become(self, program: str, words: list[str], mask: Iterable[int]) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            ignored = handler is signal.SIG_IGN
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores the last
            signal.signal(number, signal.SIG_DFL)
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != self._own:  # it died before that
            return
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            os.execv(program, words)
        except OSError as error:
            if error.errno == errno.ENOEXEC:  # a script that does not name its shell
                os.execv("/bin/sh", [words[0], program, *words[1:]])
            _say(f'Cannot run program "{words[0]}": error={error.errno}, {error.strerror}')


def _prctl(option: int, value: int) -> None:
    """Set an attribute of this process; if it fails, only the mark shows what belongs to a job."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return


def _say(text: str) -> None:
    """Write a line to the job's log, unless nobody reads it any more."""
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    line = f"azkaban-jobflow: {text}\n".encode("utf-8", "replace")
    try:
        if poll.poll(1000):
            os.write(2, line[:4096])  # so much never waits for the reader
    except OSError:
        return


def main(arguments: list[str]) -> int:
    """Keep a program, or end what is marked; see the top of this file."""
    if arguments[0] == "--end":
        grace, mark, kept_by = (
            float(arguments[1]),
            arguments[2],
            [int(pid) for pid in arguments[3:]],
        )

        def left() -> list[Found]:
            found = {*marked(mark), *(one for pid in kept_by for one in descendants(pid))}
            return [one for one in found if one[0] not in kept_by]

        for line in end(left, grace):
            sys.stdout.write(f"{line}\n")
        return 0
    return _Keeper(float(arguments[0]), arguments[1], arguments[2:]).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
