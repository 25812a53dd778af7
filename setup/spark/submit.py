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
from typing import TYPE_CHECKING, Self

from azkaban_client import keeper
from azkaban_client.files import write_private
from setup import environment
from setup.errors import ServerError
from setup.java import OPTIONS
from setup.messages import say, step
from setup.spark import logs
from setup.spark.plan import shown, without_secrets
from setup.spark.resource_manager import ENDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.spark.install import Spark
    from setup.spark.plan import Application
    from setup.spark.target import Target

__all__ = ["Run", "environ"]

KILL_SECONDS = 4.0  # Azkaban kills for good 5 s after its first signal
_ID = re.compile(r"\bapplication_\d+_\d+\b")
# What YARN's client repeats; `Run` reports it better.
_CHATTER = re.compile(
    r" (INFO|WARN) Client: |^WARNING: Using incubator modules|"
    r"^\s+(client token|diagnostics|ApplicationMaster (host|RPC port)|queue|start time|"
    r"final status|tracking URL|user): "
)


class _SignalError(Exception):
    """A signal that ends this program."""

    def __init__(self, number: int) -> None:
        self.number = number


def environ(spark: Spark, target: Target) -> dict[str, str]:
    """Choose the variables of spark-submit: ours, because the driver may be one of our programs."""
    own = {
        "JAVA_HOME": str(spark.java.program.parents[1]),
        "SPARK_HOME": str(spark.spark_home),
        **target.variables(),
    }
    if target.cluster or target.local:
        own["SPARK_LOCAL_IP"] = "127.0.0.1"
    if target.cluster and not os.environ.get("SPARK_CONF_DIR"):
        own["SPARK_CONF_DIR"] = str(target.conf)
    return own


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
        self._last: deque[str] = deque(maxlen=400)
        self._shown = ""

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
            The exit status of the application; 128 and the signal's number when a signal ended it.
        """
        drop = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON") if self.ships else ()
        variables = environment.program(environ(self.spark, self.target))
        variables = {k: v for k, v in variables.items() if k not in drop}
        with _Signals() as signals:
            say(shown(without_secrets(command), self.target.variables()))
            process = subprocess.Popen(
                command,
                env=variables,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C is ours to handle
            )
            reader = threading.Thread(target=self._read, args=(process,), daemon=True)
            reader.start()
            try:
                signals.arm()
                self._watch(process)
                reader.join(timeout=10)
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

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Pass on the output of spark-submit, and find the application's id in it."""
        for line in process.stderr or ():
            self._last.append(line)
            if not self.application and (match := _ID.search(line)):
                self.application = match[0]
            if not _CHATTER.search(line):
                print(line, end="", file=sys.stderr, flush=True)

    def _watch(self, process: subprocess.Popen[str]) -> None:
        with step("application") as line:
            line.failure = "ended by a signal"
            while process.poll() is None:
                self._shown = self._progress()  # once a second: YARN logs each question
                line.update(self._shown)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1.0)
            line.done(self._shown or "ended")

    def _progress(self) -> str:
        """Write one line about the application's progress."""
        if not self.application:
            return ""
        manager = self.target.manager
        if not manager:
            return self.application
        try:
            app = manager.application(self.application)
        except ServerError:  # unknown so far, or out of reach, which the client reports
            return self._shown or self.application
        if app.state != "RUNNING":
            return f"{app.id} {app.state}"
        return f"{app.id} RUNNING, {app.containers} containers"

    # The end

    def _end(self, process: subprocess.Popen[str]) -> None:
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
        except ServerError:  # a cluster with Kerberos has its HTTP closed; this outlives us
            command = [str(self.spark.java.program), *OPTIONS, "-cp", self._classes()]
            command += ["org.apache.hadoop.yarn.client.cli.ApplicationCLI"]
            subprocess.Popen(
                [*command, "application", "-kill", application],
                env=environment.program(
                    {**environ(self.spark, self.target), keeper.VARIABLE: keeper.OUTLIVES}
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _classes(self) -> str:
        return f"{self.target.variables().get('HADOOP_CONF_DIR', '')}:{self.spark.jars}/*"

    def _clean(self) -> None:
        """Delete what a killed application leaves behind, where we have access."""
        (self.spark.home / "submissions" / f"{self.tag}.conf").unlink(missing_ok=True)
        cluster = self.target.cluster
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
            with contextlib.suppress(ServerError):
                app = self.target.manager.application(self.application)
                diagnostics = app.diagnostics if app.state in ENDED else ""
        texts = ["".join(self._last), *found.values(), diagnostics]
        if self.deploy_mode == "cluster":
            self._print_logs(found, lines=25)
        reason = logs.cause(*texts) or diagnostics.strip()[:300] or "see the messages above"
        what = self.application or "the application"
        if found:
            file = self.spark.home / "logs" / f"{self.application}.log"
            file.parent.mkdir(exist_ok=True, mode=0o700)
            parts = (f"==== {name}\n{text}\n" for name, text in found.items())
            write_private(file, "".join(parts))
            reason += f"\nall its logs: {file}"
        say(f"{what} failed (exit {code}): {reason}")

    def _logs(self) -> dict[str, str]:
        cluster, application = self.target.cluster, self.application
        if not application:
            return {}
        if cluster:
            return logs.of_cluster(cluster, application)
        variables = environment.program(environ(self.spark, self.target))
        java = self.spark.java.program
        try:
            text = logs.aggregated(self._classes(), java, variables, application)
        except (OSError, subprocess.TimeoutExpired):
            return {}
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
