"""Submit an application to a cluster and follow it to its end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self, cast

from azkaban_client.files import write_private
from setup import environment
from setup.called import called
from setup.errors import ServerError
from setup.messages import say, step
from setup.spark import logs
from setup.spark.plan import shown
from setup.spark.resource_manager import ENDED
from setup.spark.secrecy import without_secrets
from setup.spark.yarn_client import YarnClient, kerberos_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from io import BufferedReader

    from setup.spark.install import Spark
    from setup.spark.plan import Application
    from setup.spark.resource_manager import ApplicationReport
    from setup.spark.target import Target

__all__ = ["Run", "client", "environ", "variables"]

WAIT_SECONDS = 40.0  # for containers, after which one hears of it
SILENT_SECONDS = 30.0  # after which one hears that the ResourceManager does not answer
_COLLECT_SECONDS = 5.0
KILL_SECONDS = 4.0  # Azkaban kills for good 5 s after its first signal
_ID = re.compile(r"\bapplication_\d+_\d+\b")
# What YARN's client repeats; `Run` reports it better.
# Ends spark-submit, and deletes what was written for it, when this program is killed outright:
# whoever reads from a pipe hears when the other end is gone.
_GUARD = """\
read -r ended && exit
kill -s TERM -- "-$1"
rm -rf -- "$2" "$2.conf"
sleep 10
kill -s KILL -- "-$1"
"""
_STATE = re.compile(r"Application report for application_\d+_\d+ \(state: (\w+)\)")
_CHATTER = re.compile(
    r" (INFO|WARN) Client: |^WARNING: Using incubator modules|"
    r"^\s+(client token|diagnostics|ApplicationMaster (host|RPC port)|queue|start time|"
    r"final status|tracking URL|user): "
)


class _SignalError(Exception):
    """A signal that ends this program."""

    def __init__(self, number: int) -> None:
        self.number = number


class _DeadClusterError(Exception):
    """What an application cannot go on without has died."""


def environ(spark: Spark, target: Target) -> dict[str, str]:
    """Choose the variables of spark-submit: ours, because the driver may be one of our programs."""
    own = {
        "JAVA_HOME": str(spark.java.program.parents[1]),
        "SPARK_HOME": str(spark.spark_home),
        **target.variables(),
    }
    theirs = os.environ.get("SPARK_SUBMIT_OPTS", "")
    if (options := kerberos_options()) and "java.security.krb5.conf" not in theirs:
        own["SPARK_SUBMIT_OPTS"] = " ".join([theirs, *(f'"{one}"' for one in options)]).strip()
    if target.cluster or target.local:
        own["SPARK_LOCAL_IP"] = "127.0.0.1"
    if target.cluster and not os.environ.get("SPARK_CONF_DIR"):
        own["SPARK_CONF_DIR"] = str(target.conf)
    return own


def variables(spark: Spark, target: Target, *, ships: bool) -> dict[str, str]:
    """Choose all the variables of spark-submit.

    Parameters
    ----------
    spark, target
        Which Spark, and which cluster.
    ships
        Whether an environment goes along, whose Python then counts.
    """
    drop = ["PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"] if ships else []
    if not target.remote:
        drop.append("SPARK_REMOTE")  # spark-submit refuses it beside a master
    found = environment.program(environ(spark, target))
    return {name: value for name, value in found.items() if name not in drop}


def client(spark: Spark, target: Target) -> YarnClient:
    """Return Hadoop's client for a cluster."""
    return YarnClient(spark.java.program, spark.jars, environ(spark, target), target.login)


class Run:
    """One run of spark-submit.

    Parameters
    ----------
    spark
        The installation.
    target
        The cluster.
    application
        What is submitted.
    ships
        Whether an environment goes along, whose Python then counts.
    """

    def __init__(
        self, spark: Spark, target: Target, application: Application, *, ships: bool
    ) -> None:
        self.spark = spark
        self.target = target
        self.tag = application.tag
        self.deploy_mode = application.deploy_mode
        self.ships = ships
        self.application = ""
        self._state = ""  # as spark-submit reports it
        self._last: deque[str] = deque(maxlen=400)
        self._printed = b""
        self._shown = ""
        self._daemons = set(target.cluster.running()) if target.cluster else set()
        self._answered = time.monotonic()
        self._served = time.monotonic()  # when it last had all that it asks YARN for

    def follow(self, command: Sequence[str], *, show_logs: bool = False) -> int:
        """Show and run the command until the application ends; SIGTERM and Ctrl-C end it.

        They also end the application on the cluster.

        Parameters
        ----------
        command
            Command that `setup.spark.plan.command` makes.
        show_logs
            Whether to print the logs of the cluster's processes even after a success.

        Returns
        -------
        int
            The exit status of the application; 128 and the signal's number when a signal ended it;
            that of a `ServerError` when the cluster here died.
        """
        say(shown(without_secrets(command), self.target.variables()))
        with _Signals() as signals, self._started(command) as (process, readers):
            try:
                signals.arm()
                self._watch(process)
                for reader in readers:
                    reader.join(timeout=10)
            except _DeadClusterError as death:
                self._end(process)
                say(f"{self.application or 'the application'} was ended: {death}")
                return ServerError.code
            except _SignalError as ended:
                self._end(process)
                say(f"{self.application or 'the application'} was ended by signal {ended.number}")
                return 128 + ended.number
            finally:
                self._clean()
        code = process.returncode
        if code:
            self._explain(code)
        elif show_logs:
            self._print_logs(self._logs(), lines=1000)
        return 128 - code if code < 0 else code

    @contextlib.contextmanager
    def _started(
        self, command: Sequence[str]
    ) -> Iterator[tuple[subprocess.Popen[bytes], list[threading.Thread]]]:
        """Start the command, what reads from it, and what ends it if this program cannot."""
        environ = variables(self.spark, self.target, ships=self.ships)
        process = subprocess.Popen(
            command,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        written = self.spark.home / "submissions" / self.tag
        guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", str(process.pid), str(written)],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        readers = [
            threading.Thread(target=read, args=(process,), daemon=True)
            for read in (self._read, self._hand_on)
        ]
        for reader in readers:
            reader.start()
        try:
            yield process, readers
        finally:
            guard.communicate(b"ended\n")

    def _hand_on(self, process: subprocess.Popen[bytes]) -> None:
        """Hand on what a driver prints as it comes, and keep its end, where a traceback would be.

        Spark prints both outputs of a Python driver here.
        """
        is_read = sys.stdout is not None  # else the number is that of another file
        with cast("BufferedReader", process.stdout) as stream:
            while data := stream.read1(1 << 16):
                self._printed = (self._printed + data)[-200_000:]
                rest = memoryview(data)
                while rest and is_read:
                    try:
                        rest = rest[os.write(1, rest) :]
                    except OSError:  # as behind `head`; the application goes on
                        is_read = False

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on the messages of spark-submit, and find the application's id in them."""
        with cast("BufferedReader", process.stderr) as stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace")
                self._last.append(line)
                if not self.application and (match := _ID.search(line)):
                    self.application = match[0]
                if state := _STATE.search(line):
                    self._state = state[1]
                if not _CHATTER.search(line):
                    print(line, end="", file=sys.stderr, flush=True)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        with step("application") as line:
            line.failure = "ended by a signal"
            while process.poll() is None:
                self._look_at_cluster()
                self._shown = self._progress()  # once a second: YARN logs each question
                line.update(self._shown)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1.0)
            line.done(self._shown or "ended")

    def _look_at_cluster(self) -> None:
        """Notice processes of the cluster here that have died, which Spark would wait for."""
        cluster = self.target.cluster
        gone = self._daemons - cluster.running().keys() if cluster else set()
        if not cluster or not gone:
            return
        self._daemons -= gone
        names = ", ".join(sorted(gone))
        text = f"{names} of the {cluster.kind} cluster {'has' if len(gone) == 1 else 'have'} died"
        log = cluster.log(min(gone))
        if cluster.can_work(self._daemons):
            say(f"note: {text} (log: {log}); the application goes on with what remains")
            cluster.clear()  # what it held, which nobody else deletes while the others live
            return
        again = f"{called()} spark stop, then start, brings it back"
        raise _DeadClusterError(f"{text} (log: {log}); {again}")

    def _progress(self) -> str:
        """Write one line about the application's progress."""
        if not self.application:
            self._answered = time.monotonic()
            return ""
        manager = self.target.manager
        if not manager or self.target.kerberos:  # whose pages are closed to us
            return f"{self.application} {self._state}".strip()
        try:
            app = manager.application(self.application)
        except ServerError as error:  # unknown so far, or out of reach
            if time.monotonic() - self._answered > SILENT_SECONDS:
                say(f"note: for {SILENT_SECONDS:.0f} s, {error}")
                self._answered = float("inf")  # said once
            return self._shown or self.application
        self._answered = time.monotonic()
        self._look_at_requests(app)
        if app.state != "RUNNING":
            return f"{app.id} {app.state}"
        return f"{app.id} RUNNING, {app.containers} containers"

    def _look_at_requests(self, app: ApplicationReport) -> None:
        """Say once what an application waits for, such as the place of an executor that was lost.

        Nothing else tells: tasks that run at the same time wait for ever, without a word.
        """
        now = time.monotonic()
        if not app.pending:
            self._served = now
        elif now - self._served > WAIT_SECONDS:
            self._served = float("inf")  # said once
            size = f"{app.memory} MB and {app.cores} core{'s' if app.cores > 1 else ''}"
            many = f"{app.pending} more containers of" if app.pending > 1 else "a container of"
            why = "" if app.state == "RUNNING" else f" ({' '.join(app.diagnostics.split())[:300]})"
            say(
                f"note: {app.id} has waited for {many} {size} for {WAIT_SECONDS:.0f} s: nodes or "
                f"queue have no room{why}. It waits on; Ctrl-C ends it"
            )

    # The end

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the application, then spark-submit, which may clean up first."""
        started = time.monotonic()
        self._kill(self._find())
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.deploy_mode == "cluster" and self.application:
                process.wait(max(0.1, KILL_SECONDS - 1 - (time.monotonic() - started)))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(max(1.0, KILL_SECONDS - (time.monotonic() - started)))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        late = self._find()  # submitted just before its spark-submit ended
        if late != self.application:
            self._kill(late)

    def _find(self) -> str:
        """Find the application by its id if that is known, else by its tag."""
        if self.application or not self.target.manager:
            return self.application
        with contextlib.suppress(ServerError):
            return next(iter(self.target.manager.tagged(self.tag)), "")
        return ""

    def _kill(self, application: str) -> None:
        manager = self.target.manager
        if not application or not manager:
            return
        self.application = application
        try:
            manager.kill(application)
        except ServerError:
            if self.target.cluster:  # it has died
                return
            client(self.spark, self.target).kill(application)  # with Kerberos, HTTP is closed

    def _clean(self) -> None:
        """Delete what a killed application leaves behind, where we have access."""
        cluster = self.target.cluster
        if cluster:
            cluster.clear()  # in case one of its processes died at the same time
        if cluster and self.application:
            for folder in (cluster.home / "staging").glob(f"*/.sparkStaging/{self.application}"):
                shutil.rmtree(folder, ignore_errors=True)
        if cluster and cluster.kind == "standalone":  # whose workers keep what they unpacked
            for folder in (cluster.home / "work").glob("*/app-*/*/environment"):
                shutil.rmtree(folder.resolve(), ignore_errors=True)
                folder.unlink(missing_ok=True)

    # What went wrong

    def _explain(self, code: int) -> None:
        """Say why the application failed, and show the logs that explain it."""
        found = self._logs()
        diagnostics = ""
        if self.target.manager and self.application:
            there = client(self.spark, self.target) if self.target.kerberos else self.target.manager
            with contextlib.suppress(ServerError):
                app = there.application(self.application)
                diagnostics = app.diagnostics if app.state in ENDED else ""
        if self.deploy_mode == "cluster":
            self._print_logs(found, lines=25)
        reason = self._reason(code, found, diagnostics)
        what = self.application or "the application"
        if found:
            file = self.spark.home / "logs" / f"{self.application}.log"
            file.parent.mkdir(exist_ok=True, mode=0o700)
            parts = (f"==== {name}\n{text}\n" for name, text in found.items())
            write_private(file, "".join(parts))
            reason += f"\nall its logs: {file}"
        say(f"{what} failed (exit {code}): {reason}")

    def _reason(self, code: int, found: Mapping[str, str], diagnostics: str) -> str:
        """Say in one sentence why the application failed."""
        printed = self._printed.decode("utf-8", "replace")
        here = "\n".join([printed, "".join(self._last)])
        first = {name: text for name, text in found.items() if "_000001/" in name}
        others = [text for name, text in found.items() if name not in first and "/" in name]
        driver = "\n".join([here, *first.values()])
        reason = logs.out_of_memory(driver, "\n".join(others))
        reason = reason or logs.cause(printed, "".join(self._last), *found.values(), diagnostics)
        if self.deploy_mode == "cluster":
            printed = "\n".join(text for name, text in first.items() if name.endswith("/stdout"))
        last = [line.strip() for line in printed.splitlines() if line.strip()][-1:]
        words = f"; its last words: {last[0][:300]}" if last else ""
        if reason.startswith(logs.ENDED):
            return reason + words
        if reason or diagnostics.strip():
            return reason or diagnostics.strip()[:300]
        if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return "the driver was killed: by the system if memory ran out, or by somebody"
        return f"the driver ended with exit code {code}{words}"

    def _logs(self) -> dict[str, str]:
        cluster, application = self.target.cluster, self.application
        if not application:
            return {}
        if cluster:
            return logs.of_cluster(cluster, application)
        there = client(self.spark, self.target)
        text = there.logs(application)
        if not text:  # nodes collect them after the application's end, within seconds
            time.sleep(_COLLECT_SECONDS)
            text = there.logs(application)
        return {"aggregated": text} if text else {}

    def _print_logs(self, found: dict[str, str], lines: int) -> None:
        """Print the ends of the driver's logs; in client mode they were printed already."""
        for name, text in found.items():
            if "_000001/" in name or name == "aggregated":
                last = [line for line in text.splitlines() if line.strip()][-lines:]
                if last:
                    say("\n".join([f"---- {name}", *last]))


class _Signals:
    """Turn the first signal that would end this program into an exception, once armed.

    A signal that comes earlier waits: between the start of a program and the moment when its pid is
    known, an exception would leave the program running alone.
    """

    _NAMES = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self._armed = False
        self._came = 0

    def __enter__(self) -> Self:
        self._before = {name: signal.signal(name, self._take) for name in self._NAMES}
        return self

    def __exit__(self, *_: object) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    def arm(self) -> None:
        """Let a signal raise from now on; one that came earlier raises at once."""
        self._armed = True
        if self._came:
            raise _SignalError(self._came)

    def _take(self, number: int, _frame: object) -> None:
        first = not self._came
        self._came = self._came or number
        if self._armed and first:
            raise _SignalError(number)
