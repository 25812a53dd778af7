"""Real MySQL servers: one is initialised per session, each test that needs its own gets a copy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client.files import write_private
from setup.layout import CHECKOUT, Layout
from setup.life.process import free_port
from setup.mysql import Server, config
from setup.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from setup.life.process import Process


class LiveMySQL(Server):
    """A server that tests can ask, kill and look into."""

    def __init__(self, prefix: Path) -> None:
        cache = os.environ.get("AZK_CACHE") or Path("~/.azkaban-jobflow/cache").expanduser()
        self.layout = Layout(prefix, Path(cache))
        self.layout.create(need=0)
        super().__init__(self.layout)

    def copy(self, prefix: Path) -> LiveMySQL:
        """Copy a server that is down to another prefix, with a port of its own."""
        other = LiveMySQL(prefix)
        other.home.mkdir(mode=0o700)
        skip = shutil.ignore_patterns("auto.cnf")
        shutil.copytree(self.files.data, other.files.data, ignore=skip)
        for folder in ("", "tmp", "exchange"):
            (other.files.files / folder).mkdir(mode=0o700)
        shutil.copy(self.files.password, other.files.password)
        write_private(
            other.files.root_options, config.client_options(other.files, self.root_password())
        )
        type(self.settings)(free_port("127.0.0.1", 0), self.settings.program).write(
            other.settings_file
        )
        return other

    def ask(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement as root."""
        with self.connect() as connection:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.with_rows else []

    def as_azkaban(self, statement: str) -> list[Any]:
        """Run one statement by Azkaban's account."""
        import mysql.connector

        link = self.connection
        connection = mysql.connector.connect(
            host=link.host,
            port=link.port,
            user=link.user,
            password=link.password_file.read_text().strip(),
            database=link.database,
            collation="utf8mb4_bin",
            use_pure=True,
            autocommit=True,
        )
        try:
            return rows(connection.cursor(), statement)
        finally:
            connection.close()

    def running(self) -> Process:
        """Return the process, which must run."""
        process = self.process()
        assert process is not None
        return process

    def kill(self) -> None:
        """End it as a power cut would."""
        if process := self.process():
            os.kill(process.pid, signal.SIGKILL)
            while process.alive():
                time.sleep(0.01)

    def script(
        self, name: str, *arguments: str, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the scripts beside the server, with an empty environment."""
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        command = [str(self.home / name), *arguments]
        return subprocess.run(
            command, env=environ, input=text, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> LiveMySQL:
    """An initialised server that is never started."""
    server = LiveMySQL(tmp_path_factory.mktemp("mysql") / "prefix")
    server.init()
    return server


@pytest.fixture(scope="session")
def shared(template: LiveMySQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMySQL]:
    """A running server whose data no test changes."""
    server = template.copy(tmp_path_factory.mktemp("mysql") / "shared")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def copy(template: LiveMySQL, tmp_path: Path) -> Iterator[Callable[[str | Path], LiveMySQL]]:
    """Make servers of the test's own, under its folder or at a whole path."""
    made: list[LiveMySQL] = []

    def make(name: str | Path = "prefix") -> LiveMySQL:
        made.append(template.copy(tmp_path / name))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def server(copy: Callable[[], LiveMySQL]) -> LiveMySQL:
    """A server of the test's own, not started."""
    return copy()


@pytest.fixture
def setup() -> Callable[..., subprocess.Popen[str]]:
    """Start a process that calls a method of `Server`, as the command line does."""

    def start(
        prefix: Path, call: str, *, before: Sequence[str] = (), **environ: str
    ) -> subprocess.Popen[str]:
        code = (
            "import sys; from pathlib import Path; from setup.layout import Layout\n"
            "from setup.mysql import Server; from setup.mysql.program import ServerSource\n"
            "from setup.errors import SetupError\n"
            "try:\n"
            "    layout = Layout.of(sys.argv[1]); layout.create(0); server = Server(layout)\n"
            f"    server.{call}\n"
            "except SetupError as error: sys.exit(f'setup: {error}')\n"
        )
        command = [*before, sys.executable, "-c", code, str(prefix)]
        cache = os.environ.get("AZK_CACHE") or str(Path("~/.azkaban-jobflow/cache").expanduser())
        return subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, "AZK_CACHE": cache, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start
