"""Install, start, ask and stop an Azkaban server."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.files import write_private
from setup import environment
from setup.azkaban import config, jobs, program, recovery, schema, timezone
from setup.azkaban.accept import accept
from setup.azkaban.change import refuse_change
from setup.azkaban.launch import command
from setup.azkaban.settings import Settings, Wanted, choose
from setup.called import called
from setup.errors import ServerError, UsageError
from setup.java import keep, truststore
from setup.life import orphans, probe
from setup.life.mark import Mark
from setup.life.probe import START_SECONDS, Endpoint
from setup.life.process import Process, refuse_root, tail
from setup.life.status import Status
from setup.messages import say, step
from setup.mysql import Server as MySQL
from setup.shell import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from setup.azkaban.distribution import Distribution
    from setup.azkaban.program import Program
    from setup.azkaban.settings import Part
    from setup.java import Java
    from setup.layout import Layout

__all__ = ["Server"]

_SCRIPTS = {
    "start": "Start Azkaban and wait until a login works.",
    "stop": "Stop Azkaban and the programs of its jobs.",
    "status": "Show each part of Azkaban; exit 1 when one does not answer.",
    "use": "Say where Azkaban is; or, with a path, ask its API within a session.",
}

SUBMIT_SECONDS = 1.0  # between two steps of a submission or an upload lie milliseconds


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
        own = layout.python
        self.python = python or (own if own.exists() else Path(sys.executable))
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
    def program(self) -> Program:
        """What runs.

        Raises
        ------
        UsageError
            When nothing was installed yet.
        """
        found = program.Program.read(program.folder(self.layout))
        if found is None:
            raise UsageError(f"{self.home}: there is no Azkaban; run {called()} azkaban install")
        return found

    @property
    def version(self) -> str:
        """Which Azkaban it is; that of the stock program where nothing was installed yet."""
        found = program.Program.read(program.folder(self.layout))
        return found.version if found else program.STOCK_VERSION

    @property
    def mixed(self) -> Mark:
        """Mark of an upgrade or a rollback that moves things into place."""
        file, again, back = self.home / "upgrade.running", "azkaban upgrade", "azkaban rollback"
        return Mark(file, "an upgrade", f"{again} as before", back)

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
        found = {
            part.name: Process.read(self.pid_file(part.name), self.home)
            for part in self.settings.parts
        }
        return {name: process for name, process in found.items() if process}

    # Its life

    def install(self, java: Java, wanted: Wanted, sources: Sequence[str] = ()) -> Settings:
        """Install the program and the settings, and start nothing.

        Parameters
        ----------
        java
            Runs the compiler of our classes.
        wanted
            What the server is to be; by default what it was, or a single server on H2.
        sources
            Archives or folders of the user's own Azkaban; none for what is there, or the stock
            program.

        Raises
        ------
        UsageError
            When the options contradict each other, what is installed, or a running server.
        SetupError
            For root, or a port that is taken.
        DownloadError
            When a jar cannot be had, or is not the pinned one.
        """
        refuse_root()
        self.mixed.refuse()
        if running := self.running():
            if sources:
                pids = ", ".join(str(process.pid) for process in running.values())
                raise UsageError(
                    f"the server runs already (pid {pids}), its program cannot be replaced now; "
                    f"run {called()} stop first, or {called()} azkaban upgrade"
                )
            refuse_change(self.layout, java, wanted, self.settings, running)
            keep(self.layout, java)
            return self.settings
        return self._keep(java, wanted, *self._accepted(java, wanted, sources))

    def _accepted(
        self, java: Java, wanted: Wanted, sources: Sequence[str]
    ) -> tuple[Settings, Path | None]:
        """Check what is asked for; return the settings, and a program to be placed, if any."""
        old, parts = (self.settings, self.settings.parts) if self.installed else (None, ())
        running = self.running()
        ours = {port for part in parts if part.name in running for _, port in part.ends}
        settings = choose(wanted, old, ours)
        accept(self.layout, java, settings, wanted)
        new = self._make_program(java, settings, sources)
        home = new or program.folder(self.layout)
        try:
            found = program.Program.read(home) or self.program
            schema.require_executors(found, settings)
            timezone.require(settings.timezone, [home / jar for jar in found.jars])
        except BaseException:
            if new:
                shutil.rmtree(new)
            raise
        return settings, new

    def _keep(self, java: Java, wanted: Wanted, settings: Settings, new: Path | None) -> Settings:
        """Put what was accepted where the next start finds it."""
        self.layout.azkaban.mkdir(exist_ok=True, mode=0o700)
        if new:
            program.place(self.layout, new)
        if wanted.mail_password:
            write_private(config.mail_password_file(self.layout), f"{wanted.mail_password}\n")
        keep(self.layout, java)
        settings.write(self._settings_file)
        return settings

    def up(self, java: Java, wanted: Wanted | None = None, sources: Sequence[str] = ()) -> Settings:
        """Install what is missing, start what does not run, and wait until a login works.

        Parameters
        ----------
        java
            Runs it.
        wanted
            What the server is to be; by default what it was, or a single server on H2.
        sources
            Archives or folders of the user's own Azkaban; none for what is there, or the stock
            program.

        Raises
        ------
        UsageError
            When a running server would have to change.
        SetupError
            For root, or a port that is taken.
        ServerError
            When it does not start; with the tail of its log.
        """
        wanted = wanted or Wanted()
        orphans.end(self.layout.prefix)  # then their ports are free
        return self._come_up(java, self.install(java, wanted, sources), wanted)

    def restart(
        self, java: Java, wanted: Wanted | None = None, sources: Sequence[str] = ()
    ) -> Settings:
        """Stop it, and start it as it shall be; a value that is refused stops nothing.

        Parameters
        ----------
        java, wanted, sources
            As for `up`.

        Raises
        ------
        UsageError, SetupError
            When something asked for is refused; the server runs on as it was.
        ServerError
            When it does not start.
        """
        refuse_root()
        self.mixed.refuse()
        wanted = wanted or Wanted()
        orphans.end(self.layout.prefix)
        accepted = self._accepted(java, wanted, sources)
        self.stop()
        return self._come_up(java, self._keep(java, wanted, *accepted), wanted)

    def _come_up(self, java: Java, settings: Settings, wanted: Wanted) -> Settings:
        """Start the parts that do not run."""
        with self._recovered():
            running = self.running()
            if len(running) == len(settings.parts):
                return self._reuse(settings, running)
            tries = 1 if settings.settled or running else 3
            return self._start_parts(java, settings, wanted, tries)

    def _start_parts(self, java: Java, settings: Settings, wanted: Wanted, tries: int) -> Settings:
        while True:
            tries -= 1
            try:
                self._start_all(java, settings)
            except _PortLostError:  # between the choice of the port and its use
                if not tries:
                    raise
                say("trying again, on ports that are free now")
                self.stop()  # a part that runs already has the ports of the first choice
                settings = choose(wanted, settings)
                settings.write(self._settings_file)
            else:
                settings = replace(settings, settled=True)
                settings.write(self._settings_file)
                return settings

    def stop(self) -> bool:
        """Stop the server and the jobs that it runs; False when nothing of it was running."""
        running = self.running()
        if not running:
            return self.end_jobs()
        with step("stopping Azkaban") as shown:
            below = [job for process in running.values() for job in process.children()]
            for name, process in reversed(running.items()):
                process.stop()
                self.pid_file(name).unlink(missing_ok=True)
            ended = jobs.end(self.home, below)
            shown.done("; of its jobs ".join(["stopped", *ended]))
        return True

    def end_jobs(self) -> bool:
        """End the processes of jobs that outlived their server; False when there were none."""
        ended = jobs.end(self.home)
        for line in ended:
            say(f"processes of jobs outlived their server; {line}")
        return bool(ended)

    def statuses(self) -> list[Status]:
        """Look at each part: its process, and whether it answers."""
        if not self.installed:
            return [Status("azkaban", "not installed", None, None, self.version, None)]
        settings, running = self.settings, self.running()
        statuses = []
        for part in settings.parts:
            process = running.get(part.name)
            reason = ""
            if process and self._answers(settings, part, process):
                state = "running"
            else:
                state = "unresponsive" if process else "down"
                reason = self._reason(part.name, process)
            url = settings.browser_url if part.pages else None
            pid = process.pid if process else None
            port = part.ends[0][1]
            statuses.append(Status(part.name, state, pid, port, self.version, url, reason))
        return statuses

    def _answers(self, settings: Settings, part: Part, process: Process) -> bool:
        return not probe.halted(process.pid) and self.endpoint(settings, part).answers()

    def _reason(self, part: str, process: Process | None) -> str:
        """Say why a part died, or runs and does not answer; empty when nothing tells."""
        if process is None:  # one that was stopped has no pid file any more
            died = self.pid_file(part).exists()
            return probe.cause(self._output(part)) if died else ""
        words = probe.halted(process.pid) or probe.cause(self._output(part), ended=False)
        if words:
            return words
        database = self._database()
        if database and database.status().state != "running":
            return "its database does not answer"
        return f"no answer within {probe.ANSWER_SECONDS:g} s, or none that it should give"

    def endpoint(self, settings: Settings, part: Part) -> Endpoint:
        """Tell how one part is asked."""
        present = program.Program.read(program.folder(self.layout))
        return Endpoint(
            name=part.name,
            pages=part.pages,
            host=settings.host,
            ends=part.ends,
            user=settings.user,
            password_file=str(self.password_file),
            ca=str(self.layout.ca) if settings.tls and part.pages else None,
            activate=present is not None and present.several_executors,
        )

    def end_lost(self, before: set[int]) -> set[int]:
        """Find executions that no process knows, and end those that were found before, too.

        Parameters
        ----------
        before
            What an earlier call found, some seconds ago; the database must run. What only this
            call finds may still be under way.

        Returns
        -------
        set of int
            For the next call.
        """
        if not (database := self._stock_database()):
            return set()
        with recovery.asking(database) as cursor:
            found = recovery.lost(cursor)
            recovery.end(cursor, before & found)
        return found - before

    # After a crash

    @contextmanager
    def _recovered(self) -> Iterator[None]:
        """Start the database and repair what a crash left; the caller starts the parts inside.

        Other versions than the stock one have other tables: only programs of jobs are ended then.
        """
        if not self.running().keys() - {"web"}:
            self.end_jobs()
        if database := self._database():
            database.ensure()
        database = self._stock_database()
        if not database:
            yield
            return
        with recovery.asking(database) as cursor:
            if versions := recovery.half_uploaded(cursor):
                self._undo_uploads(cursor, versions)
            before = recovery.lost(cursor)
        yield
        if before:
            time.sleep(SUBMIT_SECONDS)
            self.end_lost(before)

    def _database(self) -> MySQL | None:
        """Find the database, unless it is the embedded one."""
        return MySQL(self.layout) if self.settings.database == "mysql" else None

    def _stock_database(self) -> MySQL | None:
        """Find the database with tables of the stock Azkaban, unless it is the embedded one."""
        return self._database() if self.program.stock else None

    def _undo_uploads(self, cursor: Any, versions: dict[int, int]) -> None:
        """Undo uploads that were interrupted, unless they are only under way."""
        time.sleep(SUBMIT_SECONDS)
        again = recovery.half_uploaded(cursor)
        versions = {project: v for project, v in versions.items() if again.get(project) == v}
        running = self.running()
        if not versions or "azkaban" in running:  # which would lose its executions by a restart
            return
        if web := running.get("web"):  # it keeps projects in memory
            web.stop()
            self.pid_file("web").unlink(missing_ok=True)
        recovery.take_back(cursor, versions)
        say(f"interrupted uploads to {len(versions)} projects were undone")

    # How it comes up

    def _make_program(self, java: Java, settings: Settings, sources: Sequence[str]) -> Path | None:
        """Make the program next to its place; None if the one in its place is to stay."""
        home = program.folder(self.layout)
        present = program.Program.read(home)
        with step("Azkaban") as shown:
            if sources:
                fits = self._fits(settings, present)
                new = program.make_from(self.layout, sources, java, shown.update, fits)
            elif present is None or (present.stock and not self._good(present)):
                new = program.make(self.layout, java, shown.update)
            elif changed := present.changed(home):
                raise ServerError(
                    f"{home}: {', '.join(changed)} are not what was installed; run {called()} "
                    "azkaban install with your --distribution again"
                )
            elif not present.current:
                new = program.refresh(self.layout, java, shown.update)
            else:
                shown.done(f"{present.version}, {len(present.jars)} jars, unchanged")
                return None
            if found := program.Program.read(new):
                kind = "pinned" if found.stock else "recorded"
                jars = f"{len(found.jars)} jars, each with its {kind} SHA-256"
                shown.done(f"{found.version}, {jars}")
        return new

    def _good(self, present: Program) -> bool:
        return present.current and not present.changed(program.folder(self.layout))

    def _fits(self, settings: Settings, present: Program | None) -> Callable[[Distribution], None]:
        def fits(found: Distribution) -> None:
            found.require(settings.profile, settings.database)
            if self.installed and present and found.version != present.version:
                raise UsageError(
                    f"Azkaban {present.version} is installed here with its projects and history; "
                    f"{called()} azkaban upgrade brings them to {found.version}"
                )

        return fits

    def _reuse(self, settings: Settings, running: dict[str, Process]) -> Settings:
        with step("Azkaban") as shown:
            for part in settings.parts:
                self._wait(running[part.name], settings, part, shown.update)
            pids = ", ".join(str(process.pid) for process in running.values())
            shown.done(f"already running, {settings.browser_url} (pid {pids})")
        return settings

    def _start_all(self, java: Java, settings: Settings) -> None:
        self._configure(java, settings)
        for part in settings.parts:
            if part.name not in self.running():
                self._start(java, settings, part)

    def _configure(self, java: Java, settings: Settings) -> None:
        mysql, keystore = None, None
        present = self.program
        if settings.database == "mysql":
            database = MySQL(self.layout)
            mysql = database.ensure()
            schema.prepare(database, present, program.folder(self.layout) / "sql", settings)
        if settings.tls:
            from setup.tls.certificates import Certificates

            keystore = Certificates(self.layout).ensure(settings.host, java)
        config.write(self.layout, settings, present, self.python, mysql=mysql, keystore=keystore)
        truststore.write(config.truststore(self.layout), java.program)
        scripts.write(self.layout, self.home, _SCRIPTS)

    def _command(self, java: Java, settings: Settings, part: Part) -> Sequence[str]:
        return command(self.layout, java, self.program, settings, part, python=self.python)

    def _start(self, java: Java, settings: Settings, part: Part) -> None:
        name = "Azkaban" if part.name == "azkaban" else f"Azkaban {part.name}"
        with step(f"starting {name}") as shown:
            output = self._output(part.name)
            output.unlink(missing_ok=True)
            process = Process.start(
                self._command(java, settings, part),
                folder=self.home,
                log=output,
                environ=environment.local(),
            )
            process.write(self.pid_file(part.name))
            try:
                self._wait(process, settings, part, shown.update)
                self._check_addresses(process, settings, part)
            except BaseException as error:
                if isinstance(error, _PortLostError):
                    shown.failure = "another program took its port meanwhile"
                process.stop(patience=5.0)
                self.pid_file(part.name).unlink(missing_ok=True)
                raise
            where = settings.browser_url if part.pages else "ready"
            shown.done(f"{where} (pid {process.pid})")

    def _check_addresses(self, process: Process, settings: Settings, part: Part) -> None:
        """Check that no other machine can reach what was not opened to it."""
        if strange := probe.strangers(self.endpoint(settings, part), process.pid):
            raise ServerError(f"Azkaban (pid {process.pid}) {_strange(strange)}")

    def _output(self, part: str) -> Path:
        return self.home / "logs" / f"{part}.out"

    def _wait(
        self, process: Process, settings: Settings, part: Part, update: Callable[[str], None]
    ) -> None:
        """Wait until a login works: a port that is open is not yet a server."""
        deadline = time.monotonic() + START_SECONDS
        endpoint, pid = self.endpoint(settings, part), process.pid
        log, output = self.log(part.name), self._output(part.name)
        watch = probe.Watch(pid, output, log)
        while not probe.ready(endpoint, pid):
            what = ""
            if not process.alive():
                what = f"ended while it started: {probe.cause(output)}".removesuffix(": ")
            elif strange := probe.strangers(endpoint, pid):
                what = _strange(strange)
            elif watch.look() and (trouble := watch.trouble() or endpoint.refusal()):
                what = f"does not come up: {trouble}"
            elif time.monotonic() > deadline:
                what = f"accepts no login after {START_SECONDS:.0f} s; {watch.stuck()}"
            if what:
                printed = "\n".join(probe.printed(output).splitlines()[-10:])
                lost = "Address already in use" in printed + tail(log, 5)
                kind = _PortLostError if lost else ServerError
                raise kind(f"Azkaban (pid {pid}) {what}; the end of {log}:\n{_end(log)}\n{printed}")
            update("waiting until it answers")
            time.sleep(0.1)


def _strange(ends: set[tuple[str, int]]) -> str:
    shown = ", ".join(f"{address}:{port}" for address, port in sorted(ends))
    return f"listens on {shown}, which nobody asked for; it was stopped"


def _end(log: Path) -> str:
    """Show the end of a log; Azkaban 4 writes all processes of the machine into it as it ends."""
    lines = tail(log, 400).splitlines()
    ending = [i for i, line in enumerate(lines) if line.endswith("logging top memory consumer")]
    kept = lines[: ending[-1]] if ending else lines
    return "\n".join(line[:400] for line in kept[-20:])
