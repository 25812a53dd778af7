"""A real Azkaban 2.5.0 as a single server: assembled, configured, started, stopped.

Everything lies in ``<prefix>/azkaban``::

    settings.json      host, address, ports, user: what was asked for, kept between starts
    admin.password     0600; with azkaban-users.xml the only places that hold the password
    lib/               the pinned jars and bind-agent.jar
    conf/ sql/ web/ plugins/ projects/ executions/ h2/ logs/ temp/
"""

from __future__ import annotations

import getpass
import ipaddress
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from setup import maven, web
from setup.console import step
from setup.errors import ServerError, SetupError, UsageError
from setup.layout import CHECKOUT, write_private
from setup.process import Process, environment, free_port, port_taken, refuse_root, tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.java import Java
    from setup.layout import Layout

__all__ = ["VERSION", "Server", "Settings", "Status"]

VERSION = "2.5.0"
HEAP = "1g"  # 256 MB fails on a 6 MB upload
WEB_PORT, EXECUTOR_PORT = 8081, 12321
START_SECONDS = 90.0

# plugins/jobtypes must exist, else global properties never reach jobs; plugins/viewer and
# plugins/triggers must not exist while they are empty, else no page renders.
_FOLDERS = (
    *("conf", "lib", "sql", "web", "projects", "executions", "logs", "temp", "h2"),
    "plugins/jobtypes",
)


@dataclass(frozen=True)
class Settings:
    """What a server was asked to be.

    Attributes
    ----------
    host
        The name in its URL.
    address
        The only address it listens on.
    port, executor_port
        TCP ports of the web pages and of the executor.
    user
        The administrator's name.
    """

    host: str
    address: str
    port: int
    executor_port: int
    user: str

    @property
    def url(self) -> str:
        """Where the client finds it."""
        return f"http://{self.host}:{self.port}"

    @property
    def executor_address(self) -> str:
        """Where the executor listens: it serves whoever asks, so never beyond this machine."""
        loopback = ipaddress.ip_address(self.address).is_loopback
        return self.address if loopback else "127.0.0.1"

    @property
    def browser_url(self) -> str:
        """Where a browser on this machine finds it, whatever the host name resolves to."""
        if self.address in _addresses(self.host):
            return self.url
        shown = "localhost" if self.address == "127.0.0.1" else self.address
        return f"http://{shown}:{self.port}"


@dataclass(frozen=True)
class Status:
    """One server as ``setup status`` shows it; `state` is running, unresponsive, or down."""

    server: str
    state: str
    pid: int | None
    port: int | None
    version: str
    url: str | None


class Server:
    """The single server of one installation.

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
        self.pid_file = self.home / "azkaban.pid"
        self.password_file = self.home / "admin.password"
        self.log = self.home / "logs" / "azkaban.log"
        self.output = self.home / "logs" / "azkaban.out"

    @property
    def installed(self) -> bool:
        """Tell whether it was set up before."""
        return self._settings_file.is_file()

    @property
    def settings(self) -> Settings:
        """What it was asked to be."""
        try:
            return Settings(**json.loads(self._settings_file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise SetupError(
                f"{self._settings_file} cannot be read ({error}); remove it and run setup up: "
                "projects and history are kept"
            ) from error

    @property
    def _settings_file(self) -> Path:
        return self.home / "settings.json"

    @property
    def password(self) -> str:
        """The administrator's password."""
        return self.password_file.read_text().strip()

    def up(self, java: Java, *, port: int | None = None, listen: str | None = None) -> Settings:
        """Install what is missing, start the server unless it runs, and wait until a login works.

        Parameters
        ----------
        java
            Runs it.
        port
            TCP port of the web pages; None keeps the earlier one, or takes a free one.
        listen
            Address to listen on instead of this machine's loopback.

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
        running = Process.read(self.pid_file) if self.installed else None
        if running:
            return self._reuse(running, port, listen)
        settings = self._choose(port, listen)
        self._install(java)
        self._configure(settings)
        self._start(java, settings)
        return settings

    def stop(self) -> bool:
        """Stop the server and the jobs that it runs; False when it was not running."""
        process = Process.read(self.pid_file) if self.installed else None
        if not process:
            self.pid_file.unlink(missing_ok=True)
            return False
        with step("stopping Azkaban") as shown:
            jobs = process.children()
            process.stop()
            for job in jobs:  # the server leaves the programs of its jobs behind
                job.stop(patience=5.0)
            self.pid_file.unlink(missing_ok=True)
            shown.done(f"stopped, {len(jobs)} running job processes ended" if jobs else "stopped")
        return True

    def status(self) -> Status:
        """Look at the server: its process, and whether its page answers."""
        if not self.installed:
            return Status("azkaban", "not installed", None, None, VERSION, None)
        settings = self.settings
        process = Process.read(self.pid_file)
        state = "down"
        if process:
            state = "running" if self._answers(settings) else "unresponsive"
        pid = process.pid if process else None
        return Status("azkaban", state, pid, settings.port, VERSION, settings.browser_url)

    def _reuse(self, process: Process, port: int | None, listen: str | None) -> Settings:
        settings = self.settings
        for option, asked, given in (
            ("--port", port, settings.port),
            ("--listen", listen, settings.address),
        ):
            if asked is not None and asked != given:
                raise UsageError(
                    f"{option} {asked}: the server runs already with {given} "
                    f"(pid {process.pid}); run setup stop first"
                )
        with step("Azkaban") as shown:
            self._wait(process, settings, shown.update)
            shown.done(f"already running, {settings.browser_url} (pid {process.pid})")
        return settings

    def _choose(self, port: int | None, listen: str | None) -> Settings:
        """Settle host, address and ports; a port that is taken is an error only if it was named."""
        old = self.settings if self.installed else None
        host, address = _host_and_address(listen) if listen or not old else (old.host, old.address)
        wanted = port or (old.port if old else None)
        if wanted and port_taken(address, wanted):
            raise SetupError(
                f"port {wanted} on {address} is taken by another program; "
                "name another with --port, or stop that program"
            )
        web = wanted or free_port(address, WEB_PORT)
        executor = free_port(address, old.executor_port if old else EXECUTOR_PORT, web)
        return Settings(host, address, web, executor, old.user if old else getpass.getuser())

    def _install(self, java: Java) -> None:
        self.home.mkdir(exist_ok=True, mode=0o700)
        for folder in _FOLDERS:
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        with step(f"Azkaban {VERSION}") as shown:
            cache = self.layout.cache
            jars = maven.fetch(maven.pinned("azkaban"), cache, shown.update)
            lib = self.home / "lib"
            wanted = {jar.name for jar in jars}
            for old in lib.glob("*.jar"):
                if old.name not in wanted:
                    old.unlink()
            for jar in jars:
                shutil.copyfile(jar, lib / jar.name)
            compiler = maven.fetch(maven.pinned("compiler"), cache, shown.update)[0]
            shown.update("compiling the bind agent")
            _compile_agent(java, compiler, lib)
            sql = CHECKOUT / "setup" / "sql"
            shutil.copytree(sql, self.home / "sql", dirs_exist_ok=True)
            web.install(self.layout, shown.update)
            shown.done(f"{len(jars)} jars, each with its pinned SHA-256")

    def _configure(self, settings: Settings) -> None:
        conf = self.home / "conf"
        if not self.password_file.is_file():
            write_private(self.password_file, secrets.token_urlsafe(18) + "\n")
        self._configure_users(conf, settings)
        write_private(conf / "azkaban.properties", _properties(self._server_properties(settings)))
        write_private(conf / "global.properties", _properties(self._job_properties()))
        write_private(conf / "log4j.properties", _properties(self._log_properties()))
        write_private(self._settings_file, json.dumps(asdict(settings), indent=2) + "\n")
        # What `azk` reads; the password itself stays in its own file.
        lines = {
            "url": settings.url,
            "address": settings.address,
            "username": settings.user,
            "password_file": str(self.password_file),
        }
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
        write_private(self.layout.client_config, text)

    def _configure_users(self, conf: Path, settings: Settings) -> None:
        """Write the users once; later the file is the user's to edit."""
        path = conf / "azkaban-users.xml"
        if not path.exists():
            user, password = quoteattr(settings.user), quoteattr(self.password)
            write_private(
                path,
                "<azkaban-users>\n"
                f'  <user username={user} password={password} roles="admin"/>\n'
                '  <role name="admin" permissions="ADMIN"/>\n'
                "</azkaban-users>\n",
            )

    def _server_properties(self, settings: Settings) -> dict[str, object]:
        home = self.home
        return {
            "azkaban.name": "Azkaban",
            "azkaban.label": "azkaban-jobflow",
            "azkaban.color": "#1b86c9",
            "azkaban.default.servlet.path": "/index",
            "default.timezone.id": _timezone(),
            "web.resource.dir": home / "web",
            "viewer.plugin.dir": home / "plugins/viewer",
            "trigger.plugin.dir": home / "plugins/triggers",
            "alerter.plugin.dir": home / "plugins/alerter",
            "user.manager.class": "azkaban.user.XmlUserManager",
            "user.manager.xml.file": home / "conf/azkaban-users.xml",
            "executor.global.properties": home / "conf/global.properties",
            "azkaban.jobtype.plugin.dir": home / "plugins/jobtypes",
            "azkaban.project.dir": home / "projects",
            "azkaban.execution.dir": home / "executions",
            "azkaban.temp.dir": home / "temp",
            "project.temp.dir": home / "temp",
            "database.type": "h2",
            "h2.path": home / "h2/azkaban",
            "h2.create.tables": "true",
            "database.sql.scripts.dir": home / "sql",
            "database.check.version": "true",
            "database.auto.update.tables": "true",
            "jetty.use.ssl": "false",
            "jetty.port": settings.port,
            "jetty.hostname": settings.host,
            "jetty.maxThreads": 25,
            "executor.host": settings.executor_address,
            "executor.port": settings.executor_port,
            "executor.maxThreads": 50,
            "executor.flow.threads": 30,
        }

    def _job_properties(self) -> dict[str, object]:
        """Global properties of every job."""
        return {
            "python": self.python,
            "output.dir": self.layout.runs,
            "env.OPENBLAS_NUM_THREADS": 1,  # jobs run side by side; threads would fight
            "env.PYTHONDONTWRITEBYTECODE": 1,
            "env.MPLCONFIGDIR": self.layout.cache / "matplotlib",
        }

    def _log_properties(self) -> dict[str, object]:
        return {
            "log4j.rootLogger": "INFO, file",
            "log4j.appender.file": "org.apache.log4j.RollingFileAppender",
            "log4j.appender.file.File": self.log,
            "log4j.appender.file.MaxFileSize": "10MB",
            "log4j.appender.file.MaxBackupIndex": 5,
            "log4j.appender.file.layout": "org.apache.log4j.PatternLayout",
            "log4j.appender.file.layout.ConversionPattern": "%d{ISO8601} %p [%c{1}] %m%n",
        }

    def _start(self, java: Java, settings: Settings) -> None:
        home = self.home
        with step("starting Azkaban") as shown:
            ends = (
                f"{settings.port}={settings.address},"
                f"{settings.executor_port}={settings.executor_address}"
            )
            command = [
                str(java.program),
                f"-Xmx{HEAP}",
                f"-javaagent:{home / 'lib/bind-agent.jar'}={ends}",
                f"-Djava.io.tmpdir={home / 'temp'}",
                "-Dfile.encoding=UTF-8",
                f"-Dlog4j.configuration={(home / 'conf/log4j.properties').as_uri()}",
                "-cp",
                str(home / "lib" / "*"),
                "azkaban.webapp.AzkabanSingleServer",
                "-conf",
                str(home / "conf"),
            ]
            self.output.unlink(missing_ok=True)
            process = Process.start(command, folder=home, log=self.output, environ=environment({}))
            process.write(self.pid_file)
            try:
                self._wait(process, settings, shown.update)
                self._check_addresses(process, settings)
            except BaseException:
                process.stop(patience=5.0)
                self.pid_file.unlink(missing_ok=True)
                raise
            shown.done(f"{settings.browser_url} (pid {process.pid})")

    def _wait(self, process: Process, settings: Settings, update: Callable[[str], None]) -> None:
        """Wait until a login works: a port that is open is not yet a server."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._login(settings):
                return
            what = ""
            if not process.alive():
                what = f"Azkaban (pid {process.pid}) ended while it started"
            elif time.monotonic() > deadline:
                what = f"Azkaban (pid {process.pid}) accepts no login after {START_SECONDS:.0f} s"
            if what:
                raise ServerError(
                    f"{what}; the end of {self.log}:\n{tail(self.log)}\n{tail(self.output, 10)}"
                )
            update("waiting for a login to work")
            time.sleep(0.1)

    def _check_addresses(self, process: Process, settings: Settings) -> None:
        """Make sure that nobody else's machine can reach what was not opened to it."""
        wanted = {
            (settings.address, settings.port),
            (settings.executor_address, settings.executor_port),
        }
        # Java listens on [::] for 0.0.0.0
        found = {("0.0.0.0" if a == "::" else a, port) for a, port in process.listening()}  # noqa: S104 (a comparison)
        if found != wanted:
            raise ServerError(
                f"the server listens on {sorted(found)} instead of {sorted(wanted)}; it was stopped"
            )

    def _login(self, settings: Settings) -> bool:
        form = {"action": "login", "username": settings.user, "password": self.password}
        return b'"session.id"' in self._request(settings, urllib.parse.urlencode(form).encode())

    def _answers(self, settings: Settings) -> bool:
        return bool(self._request(settings, None))

    def _request(self, settings: Settings, data: bytes | None) -> bytes:
        """Ask the server itself, past any proxy; empty when it does not answer."""
        shown = f"[{settings.address}]" if ":" in settings.address else settings.address
        url = f"http://{shown}:{settings.port}/"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, data, timeout=10) as response:
                return bytes(response.read())
        except (OSError, urllib.error.URLError, ValueError):
            return b""


def _compile_agent(java: Java, compiler: Path, lib: Path) -> None:
    """Compile BindAgent.java and pack it as a Java agent."""
    source = CHECKOUT / "setup" / "BindAgent.java"
    classes = lib / "classes"
    asm = next(lib.glob("asm-*.jar"))
    command = [str(java.program), "-jar", str(compiler), "-source", "1.8", "-target", "1.8"]
    command += ["-nowarn", "-cp", str(asm), "-d", str(classes), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SetupError(f"BindAgent.java does not compile: {result.stderr.strip()[-600:]}")
    with zipfile.ZipFile(lib / "bind-agent.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nPremain-Class: BindAgent\n\n")
        for path in sorted(classes.iterdir()):
            jar.write(path, path.name)
    shutil.rmtree(classes)


def _host_and_address(listen: str | None) -> tuple[str, str]:
    """Choose the name in the URL and the one address behind it.

    Without `listen`: this machine's name, on its loopback address where it resolves to one (some
    systems use 127.0.1.1), else on 127.0.0.1, to which clients then pin the name.
    """
    host = socket.gethostname()
    if listen is None:
        loopback = [a for a in _addresses(host) if ipaddress.ip_address(a).is_loopback]
        return host, next((a for a in loopback if ":" not in a), "127.0.0.1")
    try:
        address = str(ipaddress.ip_address(listen))
    except ValueError:
        raise UsageError(
            f"--listen {listen}: expected an IP address of this machine, or 0.0.0.0 for all"
        ) from None
    return (host if ipaddress.ip_address(address).is_loopback else socket.getfqdn()), address


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def _timezone() -> str:
    """Name this machine's time zone as Java knows it."""
    if os.environ.get("TZ", "").replace("/", "").replace("_", "").isalpha():
        return os.environ["TZ"]
    parts = Path("/etc/localtime").resolve().as_posix().partition("/zoneinfo/")
    return parts[2] or "UTC"


def _properties(values: dict[str, object]) -> str:
    """Write Java properties."""
    import javaproperties  # noqa: PLC0415 (in the environment only)

    text = {key: str(value) for key, value in values.items()}
    return str(javaproperties.dumps(text, timestamp=None))
