"""Make, start, ask, stop and delete a MySQL server."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client import owners
from azkaban_client.files import alone, open_private, rotate, write_private
from setup import trust
from setup.called import called
from setup.errors import ServerError, SetupError, UsageError
from setup.life import orphans
from setup.life.probe import halted
from setup.life.process import Process, free_port, living, port_taken, refuse_root, tail
from setup.life.status import Status
from setup.messages import step, wait_for_lock
from setup.mysql import checks, config, own, waiting
from setup.mysql.config import ADDRESS, DATABASE, USER, Files
from setup.mysql.connections import ask, connect, rows
from setup.mysql.program import ServerSource, check_executable, install, probe
from setup.mysql.settings import Connection, Settings
from setup.shell import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from setup.layout import Layout

__all__ = ["Connection", "Server", "rows"]

PORT = 3306
INIT_BYTES = 500 << 20  # program, empty tables, redo log, and room to start with
START_BYTES = 100 << 20
STOP_SECONDS = 120.0  # it first writes all changed pages to the disk
LOG_BYTES, LOG_COUNT = 10 << 20, 5

_SCRIPTS = {
    "start": "Start this MySQL server and wait until it answers a query.",
    "stop": "Stop this MySQL server.",
    "status": "Show this MySQL server; exit 1 when it does not answer.",
    "use": "SQL as root: use [-e STATEMENT].",
}


class Server:
    """The MySQL server of one installation, in ``<prefix>/mysql``.

    Parameters
    ----------
    layout
        Where it lives.
    home
        Its folder; ``<prefix>/mysql`` by default.

    Examples
    --------
    >>> from setup.layout import Layout
    >>> server = Server(Layout.of("/srv/azk"))  # server.ensure() makes and starts it
    >>> server.installed, server.status().state
    (False, 'not installed')
    """

    def __init__(self, layout: Layout, home: Path | None = None) -> None:
        self.layout = layout
        self.home = home or layout.prefix / "mysql"
        self.files = Files(self.home)

    # What it is

    @property
    def installed(self) -> bool:
        """Tell whether it was initialised."""
        return self.settings_file.is_file() and self.files.marker.is_file()

    @property
    def settings(self) -> Settings:
        """What was chosen at init."""
        try:
            return Settings.read(self.settings_file)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SetupError(
                f"{self.settings_file} cannot be read ({error}); remove it and run {called()} "
                "mysql init: the data is kept"
            ) from error

    @property
    def connection(self) -> Connection:
        """How Azkaban reaches it."""
        return Connection(ADDRESS, self.settings.port, DATABASE, USER, self.files.password)

    @property
    def settings_file(self) -> Path:
        """Where that is kept."""
        return self.home / "settings.json"

    @property
    def _argument(self) -> str:
        return f"--defaults-file={self.files.options}"

    def process(self) -> Process | None:
        """Find the running server, however it was started, by the one argument that only it has."""
        argument = [os.fsencode(self._argument)]
        found = (process for process in living() if process.command[1:] == argument)
        # One that was started before its folder was deleted serves other data.
        return next((one for one in found if one.works_in(self.files.data, self.home)), None)

    # Its life

    def ensure(self) -> Connection:
        """Bring the server up, made first where needed, and wait until it answers a query."""
        new = not self.installed
        self.init()
        if new and port_taken(ADDRESS, self.settings.port):  # since it was chosen, a while ago
            replace(self.settings, port=free_port(ADDRESS, 0)).write(self.settings_file)
        self.start()
        return self.connection

    def init(self, source: ServerSource | None = None, port: int | None = None) -> None:
        """Install the program and make the data folder; what is there already is kept.

        Parameters
        ----------
        source
            Where the program comes from; None takes what is installed, else the registry's.
        port
            TCP port on the loopback; None keeps the earlier one, or takes a free one.

        Raises
        ------
        UsageError
            When the source is no MySQL 5.7, or a running server would have to change.
        SetupError
            When the machine or the folder does not allow it; the message says what to change.
        ServerError
            When mysqld fails while it makes the data folder.
        """
        refuse_root()
        with self._locked() as lock:
            self.undo_restore()
            if self.installed and (running := self.process()):
                if source is not None or port not in (None, self.settings.port):
                    raise UsageError(
                        f"MySQL runs (pid {running.pid}, port {self.settings.port}) and cannot be "
                        f"changed meanwhile; run {called()} mysql stop first"
                    )
                return
            complete = checks.has_data(self.files)
            if not complete:
                checks.check_space(self.home, INIT_BYTES)
            self._choose(source, port)
            if not complete:
                self._make_data(lock)

    def start(self) -> None:
        """Start the server unless it runs, and wait until Azkaban's account gets an answer.

        Raises
        ------
        UsageError
            When it was never initialised.
        SetupError
            When something stands in its way: port, file modes, versions, disk.
        ServerError
            When it does not come up; with the end of its log and what that means.
        """
        refuse_root()
        with self._locked():
            self.undo_restore()
            self._start()

    def _start(self) -> None:
        self._require_installed()
        orphans.end(self.layout.prefix)
        with step("starting MySQL") as shown:
            settings = self.settings
            process = self.process()
            begin = _size(self.files.log)
            if process:
                self._wait(process, shown.update, begin)
                shown.done(f"already running, port {settings.port} (pid {process.pid})")
                return
            self._check(settings)
            process = self._launch(settings)
            try:
                self._wait(process, shown.update, begin)
            except BaseException as error:
                locked = isinstance(error, waiting.LockedError)
                process.stop(patience=0.0 if locked else STOP_SECONDS)
                raise
            shutil.rmtree(self.files.old_data, ignore_errors=True)  # the restored data works
            shown.done(f"{settings.program.version}, port {settings.port} (pid {process.pid})")

    def stop(self) -> bool:
        """Stop the server by the SHUTDOWN statement; False when it was not running.

        Raises
        ------
        ServerError
            When it still runs after two minutes; it is left to finish.
        """
        with self._locked():
            return self._stop()

    def _stop(self) -> bool:
        process = self.process()
        if not process:
            return False
        with step("stopping MySQL") as shown:
            try:
                with self.connect() as connection:
                    connection.cursor().execute("SHUTDOWN")
            except Exception:  # noqa: BLE001 (whatever it says, SIGTERM is the same request)
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while process.alive():
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"mysqld (pid {process.pid}) still runs {STOP_SECONDS:.0f} s after it "
                        f"was asked to stop; the end of {self.files.log}:\n"
                        f"{tail(self.files.log)}"
                    )
                time.sleep(0.02)
            shown.done("stopped")
        return True

    def status(self) -> Status:
        """Look at the server: its process, and whether a query is answered."""
        if not self.installed:
            return Status("mysql", "not installed", None, None, "", None)
        settings = self.settings
        process = self.process()
        state, reason = "down", ""
        if process:
            reason = halted(process.pid) or self._trouble()
            state = "unresponsive" if reason else "running"
        url = f"mysql://{ADDRESS}:{settings.port}/{DATABASE}"
        pid = process.pid if process else None
        return Status("mysql", state, pid, settings.port, settings.program.version, url, reason)

    def wipe(self) -> None:
        """Stop the server and delete its folder, data and backups included."""
        if self.home.exists():
            self.stop()
            shutil.rmtree(self.home)

    # Its data, exchanged (see setup.mysql.restore)

    def exchange(self, data: Path) -> None:
        """Run on another data folder from now on; on the old one again if it does not come up.

        Raises
        ------
        ServerError
            When it does not come up on the new data.
        """
        files = self.files
        with self._locked():
            self._stop()
            files.data.rename(files.old_data)
            data.rename(files.data)
            try:
                self._start()
            except BaseException:
                self._stop()
                files.data.rename(data)
                files.old_data.rename(files.data)
                self._start()
                raise

    def undo_restore(self) -> None:
        """Go back to the old data when a restore was killed before the new was in its place."""
        if self.files.old_data.is_dir() and not self.files.data.is_dir():
            self.files.old_data.rename(self.files.data)
        with alone(self.restore_lock) as free:
            if free:  # else it lives
                self.clear_restore()

    def clear_restore(self) -> None:
        """End and delete the second server of a restore that was killed."""
        if self.files.restore.is_dir():
            if process := Server(self.layout, self.files.restore).process():
                process.stop(patience=0.0)
            shutil.rmtree(self.files.restore)

    @property
    def restore_lock(self) -> Path:
        """The file on which a restore holds a lock while it lives."""
        return self.home / ".restore.lock"

    def rotate(self) -> None:
        """Begin a new error log and keep the last five."""
        with self._locked():
            rotate(self.files.log, LOG_COUNT)
            if self.process():
                with self.connect() as connection:
                    connection.cursor().execute("FLUSH ERROR LOGS")

    # Access

    @contextmanager
    def connect(self, database: str | None = None, **options: Any) -> Iterator[Any]:
        """Connect as root, over the socket.

        Parameters
        ----------
        database
            Which to use.
        options
            More arguments of ``mysql.connector.connect``.

        Raises
        ------
        ServerError
            When it does not answer.
        """
        # A path through an open folder fits into a socket's 107 bytes however long the prefix is.
        try:
            folder = os.open(self.files.files, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            raise ServerError(f"{self.files.files}: {error.strerror}") from error
        try:
            place = f"/proc/self/fd/{folder}/{self.files.socket.name}"
            arguments = {"unix_socket": place, "user": "root", "database": database}
            connection = connect(self.layout, password=self.root_password(), **arguments, **options)
        finally:
            os.close(folder)
        try:
            yield connection
        finally:
            with suppress(Exception):  # after SHUTDOWN the connection is gone
                connection.close()

    def root_password(self) -> str:
        """Read root's password."""
        for line in self.files.root_options.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "password":
                return value.strip()
        raise SetupError(f"{self.files.root_options}: there is no password in it")

    def _trouble(self) -> str:
        """Ask what Azkaban would ask, by its own account and way; empty when that works."""
        try:
            ask(
                self.layout,
                "SELECT COUNT(*) FROM properties",
                host=ADDRESS,
                port=self.settings.port,
                user=USER,
                password=self.files.password.read_text(encoding="utf-8").strip(),
                database=DATABASE,
            )
        except (ServerError, OSError) as error:
            return " ".join(str(error).split())
        return ""

    # How

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Let one command at a time change the server."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        with open_private(self.home / ".lock", "a") as stream:
            wait_for_lock(stream, f"another command works on {self.home}")
            yield stream.fileno()

    def _require_installed(self) -> None:
        if not self.installed:
            raise UsageError(f"{self.home}: there is no MySQL server; run {called()} mysql start")

    def require_running(self) -> None:
        """Refuse to go on with a server that is not there or not up."""
        self._require_installed()
        if not self.process():
            raise UsageError(f"MySQL is not running; run {called()} mysql start")

    def _choose(self, source: ServerSource | None, port: int | None) -> None:
        """Settle program and port, and write what depends on them."""
        files = self.files
        old = self.settings if self.settings_file.is_file() else None
        program = old.program if old else None
        if source is not None or program is None or not program.mysqld.is_file():
            with step("MySQL program") as shown:
                program = install(
                    source or ServerSource(),
                    self.home,
                    self.layout.cache,
                    shown.update,
                    # A program that cannot read the data does not replace the one that can.
                    accept=lambda version: checks.check_version(self.files, version),
                )
                shown.done(f"{program.version}, {program.mysqld}")
        wanted = port or (old.port if old else None)
        if port and port_taken(ADDRESS, port):
            raise SetupError(_taken(port))
        settings = Settings(wanted or free_port(ADDRESS, PORT), program)
        for folder in (files.files, files.files / "tmp", files.files / "exchange"):
            folder.mkdir(mode=0o700, exist_ok=True)
        settings.write(self.settings_file)

    def _make_data(self, lock: int) -> None:
        """Make the data folder beside its place and move it there when it is complete.

        mysqld inherits the lock: if this process is killed, the next one waits for it to end
        and then starts over.
        """
        files, program = self.files, self.settings.program
        temporary = self.home / "mysql_data.new"
        script = files.files / "init.sql"
        for leftover in (temporary, *self.home.glob("mysql_data.new*")):
            shutil.rmtree(leftover, ignore_errors=True)
        with step("MySQL data") as shown:
            shown.update("mysqld --initialize-insecure")
            root_password, password = self._passwords()
            write_private(script, config.initial_sql(root_password, password))
            log = files.files / "init.log"
            log.unlink(missing_ok=True)
            own.check(files, program, self.settings.port)
            command = [
                str(program.mysqld),
                self._argument,
                "--initialize-insecure",
                f"--init-file={script}",
                f"--datadir={temporary}",
                f"--log-error={log}",
            ]
            try:
                self._run(command, lock, log)
                _write_marker(Files.marker_in(temporary), program.version)
                if files.data.exists():  # empty, else it had been refused
                    files.data.rmdir()
                temporary.rename(files.data)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            finally:
                script.unlink(missing_ok=True)
            shown.done(f"{files.data} (root: {files.root_options}, Azkaban: {files.password})")

    def _passwords(self) -> tuple[str, str]:
        """Write the passwords of root and Azkaban, or read them where they are chosen already."""
        files = self.files
        if not files.root_options.is_file():
            write_private(
                files.root_options, config.client_options(files, secrets.token_urlsafe(24))
            )
        if not files.password.is_file():
            write_private(files.password, secrets.token_urlsafe(24) + "\n")
        return self.root_password(), files.password.read_text(encoding="utf-8").strip()

    def _run(self, command: Sequence[str], lock: int, log: Path) -> None:
        try:
            child = subprocess.Popen(
                command,
                cwd=self.home,
                env=self.settings.program.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=(lock,),
                umask=0o077,
            )
        except OSError as error:
            raise SetupError(f"{command[0]} does not run here: {error.strerror}") from error
        printed, trouble = waiting.ended(child, log)
        errors = [line for line in tail(log, 200).splitlines() if "[ERROR]" in line]
        if child.returncode or errors:
            what = f"MySQL could not make its data folder{trouble}"
            raise waiting.failed(what, log, printed)

    def check(self) -> None:
        """Look at what would stop a server that is installed and does not run.

        Raises
        ------
        SetupError
            With what to change.
        """
        if self.installed and not self.process():
            self._check(self.settings)

    def _check(self, settings: Settings) -> None:
        """Look at everything that is known to stop a server, before it is started."""
        files = self.files
        program = settings.program
        check_executable(program.mysqld.parent)
        trust.require(program.mysqld, "MySQL", f"name another with {called()} mysql init")
        version = probe(program.mysqld, program.libraries)
        if not version:
            raise SetupError(
                f"{program.mysqld} does not run any more: a shared library is gone, or the file "
                f"is damaged. Run {called()} mysql init --source registry"
            )
        checks.check_version(files, version)
        checks.check_modes(files)
        for path in (files.own_options, files.root_options, files.password):
            checks.check_private(path)
        checks.check_space(files.data, START_BYTES)
        own.check(files, program, settings.port)
        if port_taken(ADDRESS, settings.port):
            raise SetupError(_taken(settings.port))

    def _launch(self, settings: Settings) -> Process:
        files = self.files
        program = settings.program
        version = probe(program.mysqld, program.libraries)
        if version != program.version:  # an installed server was upgraded
            program = replace(program, version=version)
            replace(settings, program=program).write(self.settings_file)
        if files.home == self.layout.prefix / "mysql":  # else it is the second server of a restore
            scripts.write(self.layout, files.home, _SCRIPTS)
        if files.log.is_file() and files.log.stat().st_size > LOG_BYTES:
            rotate(files.log, LOG_COUNT)
        # Left by a server that was killed; mysqld refuses to start if the pid in it is in use.
        for path in (files.socket, Path(f"{files.socket}.lock"), files.pid_file):
            path.unlink(missing_ok=True)
        files.output.unlink(missing_ok=True)
        process = Process.start(
            [str(program.mysqld), self._argument],
            folder=self.home,
            log=files.output,
            environ=program.environ,
        )
        _write_marker(files.marker, program.version)
        return process

    def _wait(self, process: Process, update: Callable[[str], None], begin: int) -> None:
        try:
            waiting.until(process, self.files, self._trouble, update, begin)
        except ServerError as error:
            if "Access denied" not in str(error):
                raise
            raise ServerError(
                f"MySQL runs, but not with the password in {self.files.password}: {error}\n"
                f"Run {self.home / 'start'}, then set the password that is in the file: "
                f"{self.home / 'use'} -e \"ALTER USER '{USER}'@'{ADDRESS}' IDENTIFIED BY ...\""
            ) from error


def _size(log: Path) -> int:
    return log.stat().st_size if log.is_file() else 0


def _write_marker(path: Path, version: str) -> None:
    write_private(path, json.dumps({"version": version}) + "\n")


def _taken(port: int) -> str:
    return (
        f"port {port} on {ADDRESS} is taken by {owners.taken_by(ADDRESS, port)}; name another with "
        f"{called()} mysql init --port N, or stop that program"
    )
