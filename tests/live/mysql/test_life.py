"""A MySQL of one's own: made, started, asked, stopped; what it allows and what not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import tarfile
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mysql.connector
import pytest

from setup import cli, debian
from setup.errors import DownloadError, ServerError, SetupError, UsageError
from setup.layout import CHECKOUT
from setup.mysql import Connection, connections, program
from setup.mysql.program import ServerSource
from setup.python import layers
from tests.stranger import GREETING, Stranger, disguised

if TYPE_CHECKING:
    from collections.abc import Callable


def test_ensure_says_how_azkaban_connects(shared: Any) -> None:
    link = shared.ensure()
    assert isinstance(link, Connection)
    assert (link.host, link.database, link.user) == ("127.0.0.1", "azkaban", "azkaban")
    tables = {name for (name,) in shared.as_azkaban("SHOW TABLES")}
    versions = shared.as_azkaban("SELECT name FROM properties WHERE type = 1 AND value = '2.5'")
    assert {name for (name,) in versions} == {f"{table}.version" for table in tables}
    assert {"projects", "execution_flows", "schedules", "triggers"} <= tables


def test_second_ensure_keeps_the_server(shared: Any) -> None:
    first = shared.running()
    shared.ensure()
    assert shared.running() == first


def test_status(shared: Any, template: Any) -> None:
    up, down = shared.status(), template.status()
    assert (up.state, up.pid, up.version) == ("running", shared.running().pid, "5.7.29")
    assert up.url == f"mysql://127.0.0.1:{shared.connection.port}/azkaban"
    assert (down.state, down.pid) == ("down", None)


def test_libraries_of_an_earlier_server_are_used_without_debian(
    template: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "available", lambda: False)
    mysqld, libraries = template.settings.program.mysqld, tmp_path / "lib"
    missing = program._missing(mysqld, libraries)  # none where the system has them
    program._provide(missing, mysqld, libraries, template.layout.cache, print)
    assert program.probe(mysqld, libraries) == "5.7.29"


def test_stop_and_start_keep_the_data(server: Any) -> None:
    server.start()
    server.as_azkaban("INSERT INTO projects VALUES (7,'n',1,1,1,1,'u','d',1,NULL)")
    assert server.stop()
    assert not server.stop()
    assert "Shutdown complete" in server.files.log.read_text()
    server.start()
    assert server.as_azkaban("SELECT id FROM projects") == [(7,)]


def test_scripts_work_alone(server: Any) -> None:
    server.start()
    assert server.script("stop").returncode == 0
    down = server.script("status")
    assert (down.returncode, down.stdout.split()[6:8]) == (1, ["mysql", "down"])
    assert server.script("use", "-e", "SELECT 1").returncode == 2
    first, second = server.script("start"), server.script("start")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "already running" in second.stderr
    up = server.script("status")
    pid, port = server.running().pid, server.connection.port
    assert up.returncode == 0
    assert up.stdout.split()[6:10] == ["mysql", "running", str(pid), str(port)]
    told = server.script("use", "-e", "SELECT 1 AS one")
    assert told.stdout == "one\n1\n"
    wrong = server.script("use", "-e", "SELECT nothing")
    assert (wrong.returncode, "Unknown column" in wrong.stderr) == (1, True)
    assert server.status().state == "running"


_PROCEDURE = """\
USE azkaban; DROP PROCEDURE IF EXISTS two;
DELIMITER //
CREATE PROCEDURE two() BEGIN SELECT 1 AS x; SELECT 2 AS y; END//
DELIMITER ;
CALL two(); DROP PROCEDURE two; SELECT 3 AS z"""


@pytest.mark.parametrize(
    ("statements", "shown"),
    [
        ("USE azkaban; SELECT DATABASE() AS d", "d\nazkaban\n"),
        ("SELECT 'a;b' AS x; SELECT 2 AS y;\n", "x\na;b\ny\n2\n"),
        ("use azkaban\nSELECT DATABASE() AS d -- ;\n", "d\nazkaban\n"),
        ("SELECT 1 AS x\\G", "*** 1 ***\nx: 1\n"),
        (
            _PROCEDURE,
            "x\n1\ny\n2\nz\n3\n",
        ),
    ],
)
def test_prompt_runs_every_statement(shared: Any, statements: str, shown: str) -> None:
    for told in (shared.script("use", "-e", statements), shared.script("use", text=statements)):
        assert told.returncode == 0, told.stderr
        assert re.sub(r"\*{5,} (\d+)\. row \*{5,}", r"*** \1 ***", told.stdout) == shown


def test_prompt_stops_where_a_statement_fails(shared: Any) -> None:
    """What comes behind may rely on it; the code says that not all was done."""
    told = shared.script("use", "azkaban", "-e", "SELECT 1 AS a; SELECT nothing; SELECT 2 AS b")
    assert (told.returncode, told.stdout) == (1, "a\n1\n")
    assert "Unknown column" in told.stderr
    assert shared.script("use", "--no-such-option", "-e", "SELECT 1").returncode == 2


def test_nothing_is_written_elsewhere(server: Any) -> None:
    """Every file that the server has open for writing lies under its prefix."""
    server.start()
    opened = []
    for link in Path(f"/proc/{server.running().pid}/fd").iterdir():
        try:
            target = link.readlink()
            info = Path(f"/proc/{server.running().pid}/fdinfo/{link.name}").read_text()
        except FileNotFoundError:
            continue  # closed meanwhile
        flags = int(info.split()[3], 8)
        if flags & os.O_ACCMODE and target.is_absolute() and not target.is_relative_to("/dev"):
            opened.append(Path(str(target).removesuffix(" (deleted)")))
    assert len(opened) > 5
    assert [path for path in opened if not path.is_relative_to(server.home)] == []


# Hardening


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bind_address", "127.0.0.1"),
        ("local_infile", "OFF"),
        ("have_symlink", "DISABLED"),
        ("skip_name_resolve", "ON"),
        ("log_error_verbosity", "3"),
        ("tls_version", "TLSv1.2"),
        ("innodb_flush_log_at_trx_commit", "1"),
        ("default_password_lifetime", "0"),
        ("old_passwords", "0"),
        ("automatic_sp_privileges", "ON"),
        ("log_bin", "OFF"),
    ],
)
def test_variable(shared: Any, name: str, value: str) -> None:
    assert shared.ask("SHOW GLOBAL VARIABLES LIKE %s", name) == [(name, value)]


def test_modes_refuse_what_does_not_fit(shared: Any) -> None:
    modes = set(shared.ask("SELECT @@GLOBAL.sql_mode")[0][0].split(","))
    assert {"STRICT_ALL_TABLES", "NO_AUTO_CREATE_USER"} <= modes


def test_files_reach_only_the_exchange_folder(shared: Any) -> None:
    place = shared.ask("SELECT @@secure_file_priv")[0][0]
    assert Path(place) == shared.files.files / "exchange"
    with pytest.raises(mysql.connector.Error, match="secure-file-priv"):
        shared.ask(f"SELECT 1 INTO OUTFILE '{shared.home}/stolen'")


def test_accounts(shared: Any) -> None:
    """No anonymous account, no empty password, no wildcard host, no test database."""
    accounts = shared.ask(
        "SELECT user, host, account_locked, authentication_string = '' FROM mysql.user"
    )
    assert sorted(accounts) == [
        ("azkaban", "127.0.0.1", "N", 0),
        ("mysql.session", "localhost", "Y", 0),
        ("mysql.sys", "localhost", "Y", 0),
        ("root", "localhost", "N", 0),
    ]
    databases = {name for (name,) in shared.ask("SHOW DATABASES")}
    system = {"information_schema", "mysql", "performance_schema", "sys"}
    assert databases == {"azkaban", *system}


def test_azkaban_may_change_rows_and_nothing_else(shared: Any) -> None:
    grants = [grant for (grant,) in shared.ask("SHOW GRANTS FOR 'azkaban'@'127.0.0.1'")]
    assert grants == [
        "GRANT USAGE ON *.* TO 'azkaban'@'127.0.0.1'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON `azkaban`.* TO 'azkaban'@'127.0.0.1'",
    ]
    for statement in (
        "CREATE TABLE t (i INT)",
        "DROP TABLE projects",
        "SELECT * FROM mysql.user",
        "SHUTDOWN",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SET GLOBAL max_connections = 1",
    ):
        with pytest.raises(mysql.connector.Error, match="denied"):
            shared.as_azkaban(statement)


def test_nothing_is_loaded_from_outside(shared: Any) -> None:
    """No plugin from a file (memcached among them), no function of a library."""
    plugins = "SELECT plugin_name FROM information_schema.plugins WHERE plugin_library IS NOT NULL"
    assert shared.ask(plugins) == []
    assert shared.ask("SELECT * FROM mysql.func") == []


def test_client_keeps_no_history(shared: Any, tmp_path: Path) -> None:
    client = tmp_path / "mysql"
    client.write_text('#!/bin/sh\n[ "$1" = --version ] || echo "history: $MYSQL_HISTFILE"\n')
    client.chmod(0o700)
    told = subprocess.run(
        [str(shared.home / "use"), "-e", "SELECT 1"], check=False, capture_output=True, text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert told.stdout == "history: /dev/null\n"


def test_root_enters_by_the_socket_alone(shared: Any) -> None:
    with pytest.raises(mysql.connector.Error, match="Access denied"):
        mysql.connector.connect(
            host="127.0.0.1",
            port=shared.connection.port,
            user="root",
            password=shared.root_password(),
            use_pure=True,
        )


def test_listens_on_loopback_alone(shared: Any) -> None:
    assert shared.running().listening() == {("127.0.0.1", shared.connection.port)}


def test_idle_connections_of_others_lock_nobody_out(shared: Any) -> None:
    """As many as had the server say that there are too many, and nearly twice that."""
    place = ("127.0.0.1", shared.connection.port)
    idle = [socket.create_connection(place, timeout=60) for _ in range(400)]
    try:
        for link in idle:
            assert link.recv(1), "the server greets each"
        assert shared.as_azkaban("SELECT 1") == [(1,)]
        assert shared.ask("SELECT 1") == [(1,)]
        while idle[0].recv(1024):  # until it is cut off
            pass
    finally:
        for link in idle:
            link.close()


def test_nothing_is_said_to_another_account_on_the_port(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(port: int) -> None:
        options = {"user": "azkaban", "password": "s3cret"}
        connections.ask(shared.layout, "SELECT 1", host="127.0.0.1", port=port, **options)

    with Stranger(os.geteuid(), greeting=GREETING) as own, pytest.raises(ServerError):
        ask(own.port)
    assert b"azkaban" in own.heard()[1]
    disguised(monkeypatch)
    with Stranger(greeting=GREETING) as stranger:
        with pytest.raises(ServerError, match=f"port {stranger.port} belongs to the account"):
            ask(stranger.port)
        assert stranger.heard() == (1, b"")


def test_network_connections_are_encrypted(shared: Any) -> None:
    assert shared.as_azkaban("SHOW STATUS LIKE 'Ssl_version'") == [("Ssl_version", "TLSv1.2")]


def test_files_are_private(shared: Any) -> None:
    for path in (shared.files.root_options, shared.files.password, shared.files.options):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(shared.home.stat().st_mode) == 0o700
    public = {"ca.pem", "client-cert.pem", "server-cert.pem", "public_key.pem"}
    for path in shared.files.data.rglob("*"):
        if path.name not in public:
            assert path.stat().st_mode & 0o077 == 0, path


def test_passwords_are_in_no_log_and_no_argument(template: Any, shared: Any) -> None:
    secrets = [shared.root_password(), shared.files.password.read_text().strip()]
    arguments = Path(f"/proc/{shared.running().pid}/cmdline").read_text()
    logs = [*template.files.files.glob("*.log"), *shared.files.files.glob("*.log")]
    assert len(logs) == 2
    for text in (arguments, *(log.read_text() for log in logs)):
        assert not any(secret in text for secret in secrets)
    assert not (template.files.files / "init.sql").exists()


def test_tables_are_transactional_and_tell_case_apart(server: Any) -> None:
    server.start()
    engines = "SELECT DISTINCT engine, table_collation FROM information_schema.tables "
    assert server.ask(engines + "WHERE table_schema = 'azkaban'") == [("InnoDB", "utf8mb4_bin")]
    values = "(project_id, modified_time, name, permissions, isGroup) VALUES ('1', 0, %s, 0, 0)"
    for name in ("load", "Load"):
        server.ask("INSERT INTO azkaban.project_permissions " + values, name)
    assert len(server.as_azkaban("SELECT * FROM project_permissions")) == 2


# Logs


def test_rotation(server: Any) -> None:
    server.start()
    for _ in range(7):
        server.rotate()
    logs = sorted(path.name for path in server.files.files.glob("mysqld.log*"))
    assert logs == ["mysqld.log", *(f"mysqld.log.{n}" for n in range(1, 6))]
    with pytest.raises(mysql.connector.Error):
        server.as_azkaban("DROP TABLE projects")
    server.stop()
    assert "Shutdown complete" in server.files.log.read_text()


def test_long_log_is_rotated_at_start(server: Any) -> None:
    server.files.log.write_bytes(b"x" * (11 << 20))
    server.start()
    assert server.files.log.stat().st_size < 1 << 20
    assert Path(f"{server.files.log}.1").stat().st_size == 11 << 20


# Sources


@pytest.fixture
def tarball(template: Any, tmp_path: Path) -> tuple[Path, str]:
    """An archive laid out like the official ones."""
    program = template.settings.program
    top = "mysql-5.7.29-linux-glibc2.12-x86_64"
    path = tmp_path / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(program.mysqld, f"{top}/bin/mysqld")
        tar.add(program.messages, f"{top}/share")
        tar.add(__file__, f"{top}/mysql-test/big")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_tarball(server: Any, tarball: tuple[Path, str], template: Any) -> None:
    path, digest = tarball
    shutil.copytree(template.home / "lib", server.home / "lib", symlinks=True)
    with pytest.raises(DownloadError, match="not 00ff"):
        server.init(ServerSource("tarball", str(path), "00ff"))
    assert server.settings.program == template.settings.program
    server.init(ServerSource("tarball", str(path), digest))
    program = server.settings.program
    assert program.mysqld == server.home / "program" / "bin" / "mysqld"
    assert not (server.home / "program" / "mysql-test").exists()
    server.start()
    assert server.status().state == "running"


class Files(SimpleHTTPRequestHandler):
    """Serves the archive of the test that started it."""

    def do_GET(self) -> None:
        self.directory = self.server.folder  # type: ignore[attr-defined]
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def test_tarball_by_url(server: Any, tarball: tuple[Path, str], template: Any) -> None:
    path, digest = tarball
    cache = server.layout.prefix / "cache"
    server.layout = replace(server.layout, cache=cache)
    shutil.copytree(template.home / "lib", server.home / "lib", symlinks=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as web:
        web.folder = path.parent  # type: ignore[attr-defined]
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}/{path.name}"
        before = server.settings
        with pytest.raises(DownloadError, match="not 00ff"):
            server.init(ServerSource("tarball", url, "00ff"))
        with pytest.raises(DownloadError, match="404"):
            server.init(ServerSource("tarball", url + ".x", digest))
        assert server.settings == before
        assert [p for p in cache.rglob("*") if p.is_file()] == []
        server.init(ServerSource("tarball", url, digest))
        web.shutdown()
    assert server.settings.program.mysqld == server.home / "program" / "bin" / "mysqld"
    server.start()
    assert server.status().state == "running"


def test_url_needs_a_hash(server: Any) -> None:
    with pytest.raises(UsageError, match="--sha256"):
        server.init(ServerSource("tarball", "https://127.0.0.1/mysql.tar.gz"))


def test_damaged_tarball(server: Any, tarball: tuple[Path, str]) -> None:
    path, _ = tarball
    path.write_bytes(path.read_bytes()[:100_000])
    before = server.settings
    with pytest.raises(UsageError, match="cannot be unpacked"):
        server.init(ServerSource("tarball", str(path)))
    assert server.settings == before
    assert not (server.home / "program.new").exists()


def test_basedir(server: Any, template: Any, tmp_path: Path) -> None:
    base = template.settings.program.mysqld.parent
    shutil.copytree(template.home / "lib", server.home / "lib", symlinks=True)
    server.init(ServerSource("basedir", str(base)))
    assert server.settings.program.mysqld == base / "mysqld"
    with pytest.raises(UsageError, match="no mysqld in it"):
        server.init(ServerSource("basedir", str(tmp_path)))


def test_program_that_is_no_mysql(server: Any, template: Any, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copytree(template.settings.program.messages, tmp_path / "share")
    shutil.copy("/bin/true", tmp_path / "bin" / "mysqld")
    with pytest.raises(UsageError, match=r"no MySQL, and a MySQL 5\.7 is needed"):
        server.init(ServerSource("basedir", str(tmp_path)))


# Command line


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run `setup mysql` in this process, which has the environment's packages already."""
    monkeypatch.setattr(layers, "enter", lambda *_, **__: None)

    def call(server: Any, *arguments: str) -> int:
        return cli.main(["mysql", *arguments, "--prefix", str(server.layout.prefix)])

    return call


def test_command_line(
    server: Any, run: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(server, "status", "--json") == 1
    assert json.loads(capfd.readouterr().out)[0]["state"] == "down"
    assert run(server, "use", "-e", "SELECT 1") == 2
    assert run(server, "start") == 0
    assert run(server, "status") == 0
    header, row = capfd.readouterr().out.splitlines()
    assert header.split() == ["server", "state", "pid", "port", "version", "url"]
    assert row.split()[:2] == ["mysql", "running"]
    assert run(server, "use", "-e", "SELECT 6 * 7 AS answer") == 0
    assert capfd.readouterr().out == "answer\n42\n"
    assert run(server, "init", "--port", "1025") == 2
    assert "stop first" in capfd.readouterr().err
    assert run(server, "rotate") == 0
    assert run(server, "stop") == 0
    assert run(server, "wipe") == 2  # asks, and there is nobody to answer
    assert server.home.exists()
    assert run(server, "wipe", "--yes") == 0
    assert not server.home.exists()
    assert run(server, "stop") == 0


def test_pages_name_tests_that_exist() -> None:
    """Each row of the tables in docs/reference/mysql.md names what checks it."""
    page = (CHECKOUT / "docs/reference/mysql.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    others = ("setup/test_mysql.py", "live/test_clock.py")
    texts += [(CHECKOUT / "tests" / other).read_text() for other in others]
    defined = set(re.findall(r"(?m)^def (test_\w+)", "\n".join(texts)))
    assert len(named) > 30
    assert named - defined == set()
    for table in ("## Hardening", "## What goes wrong"):
        section = page.partition(table)[2].partition("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
        assert rows
        assert [row for row in rows if "`test_" not in row] == []


def test_root_is_refused(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("AZK_ALLOW_ROOT", raising=False)
    with pytest.raises(SetupError, match="not started as root"):
        server.start()
