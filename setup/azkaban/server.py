"""The life of an Azkaban server: brought up, asked, stopped."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.parse
from typing import TYPE_CHECKING

from setup.azkaban import config
from setup.azkaban.install import VERSION, install
from setup.azkaban.settings import Settings, Wanted, choose
from setup.console import step
from setup.errors import ServerError, UsageError
from setup.process import Process, Status, environment, refuse_root, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from setup.azkaban.settings import Part
    from setup.java import Java
    from setup.layout import Layout

__all__ = ["Server"]

HEAP = "1g"  # 256 MB fails on a 6 MB upload
START_SECONDS = 90.0

_TLS_OPTIONS = (  # TLS 1.2 and 1.3 with forward secrecy only: the defaults allow static RSA and CBC
    "-Djdk.tls.server.protocols=TLSv1.3,TLSv1.2",
    (
        "-Djdk.tls.server.cipherSuites=TLS_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256,"
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,"
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    ),
    "-Djdk.tls.rejectClientInitiatedRenegotiation=true",
)


class _PortLostError(ServerError):
    """Another program took the port just before the server did."""


class Server:
    """The server of one installation.

    Parameters
    ----------
    layout
        Where it lives.
    python
        The interpreter that jobs use; the installation's own by default.
    """

    def __init__(self, layout: Layout, python: Path | None = None) -> None:
        self.layout = layout
        self.python = python or layout.python
        self.home = layout.azkaban

    # What it is

    @property
    def installed(self) -> bool:
        """Tell whether it was set up before."""
        return self._settings_file.is_file()

    @property
    def settings(self) -> Settings:
        """What it was asked to be."""
        return Settings.read(self._settings_file)

    @property
    def _settings_file(self) -> Path:
        return self.home / "settings.json"

    @property
    def password_file(self) -> Path:
        """Where the administrator's password stands."""
        return config.password_file(self.layout)

    @property
    def password(self) -> str:
        """The administrator's password."""
        return self.password_file.read_text().strip()

    def log(self, part: str = "") -> Path:
        """Tell where a part logs; without a name, the one that serves the pages."""
        return self.home / "logs" / f"{part or self.settings.parts[-1].name}.log"

    def pid_file(self, part: str = "") -> Path:
        """Tell where the process of a part is recorded; without a name, that of the pages."""
        return self.home / f"{part or self.settings.parts[-1].name}.pid"

    def running(self) -> dict[str, Process]:
        """Find the processes that run, by the names of the parts."""
        if not self.installed:
            return {}
        found = {part.name: Process.read(self.pid_file(part.name)) for part in self.settings.parts}
        return {name: process for name, process in found.items() if process}

    # Its life

    def up(self, java: Java, wanted: Wanted | None = None) -> Settings:
        """Install what is missing, start what does not run, and wait until a login works.

        Parameters
        ----------
        java
            Runs it.
        wanted
            What the server shall be; by default what it was, or a single server on H2.

        Raises
        ------
        UsageError
            When a running server would have to change.
        SetupError
            For root, or a port that is taken.
        ServerError
            When it does not come up; with the tail of its log.
        """
        refuse_root()
        wanted = wanted or Wanted()
        running = self.running()
        old = self.settings if self.installed else None
        if old and running:
            self._refuse_change(wanted, running)
            if len(running) == len(old.parts):
                return self._reuse(old, running)
        settings = old if old and running else choose(wanted, old)
        if not running:  # a part that runs has the jars open: they are not written under it
            with step(f"Azkaban {VERSION}") as shown:
                jars = install(self.layout, java, shown.update)
                shown.done(f"{jars} jars, each with its pinned SHA-256")
        tries = 1 if old or wanted.port else 3
        while True:
            tries -= 1
            self._configure(java, settings)
            try:
                for part in settings.parts:
                    if part.name not in self.running():
                        self._start(java, settings, part)
            except _PortLostError:  # between the choice of the port and its use
                if not tries:
                    raise
                settings = choose(wanted, None)
            else:
                return settings

    def stop(self) -> bool:
        """Stop the server and the jobs that it runs; False when it was not running."""
        running = self.running()
        if not running:
            return False
        with step("stopping Azkaban") as shown:
            jobs = [job for process in running.values() for job in process.children()]
            for name, process in reversed(running.items()):
                process.stop()
                self.pid_file(name).unlink(missing_ok=True)
            for job in jobs:  # the server leaves the programs of its jobs behind
                job.stop(patience=5.0)
            shown.done(f"stopped, {len(jobs)} running job processes ended" if jobs else "stopped")
        return True

    def statuses(self) -> list[Status]:
        """Look at each part: its process, and whether it answers."""
        if not self.installed:
            return [Status("azkaban", "not installed", None, None, VERSION, None)]
        settings, running = self.settings, self.running()
        statuses = []
        for part in settings.parts:
            process = running.get(part.name)
            state = "down"
            if process:
                state = "running" if self._answers(settings, part) else "unresponsive"
            port = part.ends[0][1]
            url = settings.browser_url if port == settings.port else None
            pid = process.pid if process else None
            statuses.append(Status(part.name, state, pid, port, VERSION, url))
        return statuses

    # How it comes up

    def _refuse_change(self, wanted: Wanted, running: dict[str, Process]) -> None:
        now = self.settings
        given = {
            "--profile": (wanted.profile, now.profile),
            "--mysql": (wanted.mysql, now.database == "mysql"),
            "--tls": (wanted.tls, now.tls),
            "--port": (wanted.port, now.port),
            "--listen": (wanted.listen, now.address),
        }
        for option, (asked, present) in given.items():
            if asked is not None and asked != present:
                pids = ", ".join(str(process.pid) for process in running.values())
                raise UsageError(
                    f"{option} {asked}: the server runs already with {present} (pid {pids}); "
                    "run setup stop first"
                )

    def _reuse(self, settings: Settings, running: dict[str, Process]) -> Settings:
        with step("Azkaban") as shown:
            for part in settings.parts:
                self._wait(running[part.name], settings, part, shown.update)
            pids = ", ".join(str(process.pid) for process in running.values())
            shown.done(f"already running, {settings.browser_url} (pid {pids})")
        return settings

    def _configure(self, java: Java, settings: Settings) -> None:
        mysql, keystore = None, None
        if settings.database == "mysql":
            from setup.mysql import Server as MySQL  # noqa: PLC0415 (where it is asked for)

            mysql = MySQL(self.layout).ensure()
        if settings.tls:
            from setup.tls.certificates import Certificates  # noqa: PLC0415 (where it is asked for)

            keystore = Certificates(self.layout).ensure(settings.host, java)
        config.write(self.layout, settings, self.python, mysql=mysql, keystore=keystore)
        settings.write(self._settings_file)

    def _command(self, java: Java, settings: Settings, part: Part) -> Sequence[str]:
        home = self.home
        executor = settings.executor_port  # for our own processes: it asks for no password
        ends = ",".join(
            f"{port}={address}{'=own' if port == executor else ''}" for address, port in part.ends
        )
        return [
            str(java.program),
            f"-Xmx{HEAP}",
            f"-javaagent:{home / 'lib/port-guard.jar'}={ends}",
            f"-Djava.io.tmpdir={home / 'temp'}",
            "-Dfile.encoding=UTF-8",
            f"-Dlog4j.configuration={(home / f'conf/log4j-{part.name}.properties').as_uri()}",
            *(_TLS_OPTIONS if settings.tls else ()),
            *("-cp", str(home / "lib" / "*")),
            part.main,
            *("-conf", str(home / "conf")),
        ]

    def _start(self, java: Java, settings: Settings, part: Part) -> None:
        name = "Azkaban" if part.name == "azkaban" else f"Azkaban {part.name}"
        with step(f"starting {name}") as shown:
            output = self._output(part.name)
            output.unlink(missing_ok=True)
            process = Process.start(
                self._command(java, settings, part),
                folder=self.home,
                log=output,
                environ=environment({}),
            )
            process.write(self.pid_file(part.name))
            try:
                self._wait(process, settings, part, shown.update)
                self._check_addresses(process, part)
            except BaseException:
                process.stop(patience=5.0)
                self.pid_file(part.name).unlink(missing_ok=True)
                raise
            web = (settings.address, settings.port) in part.ends
            shown.done(f"{settings.browser_url if web else 'ready'} (pid {process.pid})")

    def strangers(self, process: Process, part: Part) -> set[tuple[str, int]]:
        """Find the ends on which a part listens though nobody asked for them."""
        # Java listens on [::] for 0.0.0.0
        found = {("0.0.0.0" if a == "::" else a, port) for a, port in process.listening()}  # noqa: S104 (a comparison)
        return found - set(part.ends)

    def _check_addresses(self, process: Process, part: Part) -> None:
        """Make sure that nobody else's machine can reach what was not opened to it."""
        if strange := self.strangers(process, part):
            raise ServerError(
                f"the server listens on {sorted(strange)}, which nobody asked for; it was stopped"
            )

    def _output(self, part: str) -> Path:
        return self.home / "logs" / f"{part}.out"

    def _wait(
        self, process: Process, settings: Settings, part: Part, update: Callable[[str], None]
    ) -> None:
        """Wait until a login works: a port that is open is not yet a server."""
        deadline = time.monotonic() + START_SECONDS
        while not self._ready(settings, part):
            what = ""
            if not process.alive():
                what = f"Azkaban (pid {process.pid}) ended while it started"
            elif time.monotonic() > deadline:
                what = f"Azkaban (pid {process.pid}) accepts no login after {START_SECONDS:.0f} s"
            if what:
                log, output = self.log(part.name), tail(self._output(part.name), 10)
                lost = "Address already in use" in output + tail(log, 5)
                kind = _PortLostError if lost else ServerError
                raise kind(f"{what}; the end of {log}:\n{tail(log)}\n{output}")
            update("waiting until it answers")
            time.sleep(0.1)

    def _ready(self, settings: Settings, part: Part) -> bool:
        if part.name == "executor":
            return self._answers(settings, part)
        form = {"action": "login", "username": settings.user, "password": self.password}
        return b'"session.id"' in self._ask(settings, part, "/", form)

    def _answers(self, settings: Settings, part: Part) -> bool:
        if part.name == "executor":
            return b"alive" in self._ask(settings, part, "/executor?action=ping")
        return bool(self._ask(settings, part, "/"))

    def _ask(
        self, settings: Settings, part: Part, path: str, form: dict[str, str] | None = None
    ) -> bytes:
        """Ask one part by its address, past any proxy; empty when it gives no good answer."""
        address, port = part.ends[0]
        method = "POST" if form else "GET"
        body = urllib.parse.urlencode(form) if form else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection = http.client.HTTPConnection(settings.host, port)
        try:
            plain = socket.create_connection((address, port), timeout=10)
            connection.sock = plain
            if settings.tls and part.name != "executor":
                context = ssl.create_default_context(cafile=self.layout.ca)
                connection.sock = context.wrap_socket(plain, server_hostname=settings.host)
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.read() if response.status == http.HTTPStatus.OK else b""
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()
