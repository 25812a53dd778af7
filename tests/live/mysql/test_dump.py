"""Backup and restore: every value back as it was, all or nothing, while others write."""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mysql.connector
import pytest

from setup.debian import Apt
from setup.errors import ServerError, SetupError, UsageError
from setup.layout import CHECKOUT
from setup.mysql import Server, dump
from setup.mysql.program import ServerSource
from setup.mysql.restore import restore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TABLE = """
CREATE TABLE every.`odd ``name` (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    tiny TINYINT, big BIGINT UNSIGNED, price DECIMAL(20,6), single FLOAT, pair DOUBLE,
    bits BIT(12), born DATE, noon TIME(6), at DATETIME(6), stamp TIMESTAMP(6) NULL, y YEAR,
    words VARCHAR(200), old CHAR(20) CHARACTER SET latin1, story LONGTEXT CHARACTER SET utf8mb4,
    fixed BINARY(16), raw LONGBLOB, kind ENUM('a','b''c'), flags SET('x','y'),
    document JSON, place POINT, twice BIGINT AS (tiny * 2) STORED,
    `select` INT COMMENT 'two\\nlines; and a `quote`'
) COMMENT 'it''s; odd'
"""

ROWS = [
    (
        -128, 2**64 - 1, "-12345678901234.567891", 0.1, 0.1, 0b101010101010, "2026-02-28",
        "-838:59:58.123456", "9999-12-31 23:59:59.999999", "2038-01-19 03:14:07.999999", 2155,
        "tab\t nl\n cr\r nul\0 sub\x1a quote' back\\ percent% ;\n-- no comment", "Müßig £",
        "プロジェクト 😀 e\u0301", bytes(range(16)), bytes(range(256)) * 20, "b'c", "x,y",
        '{"k": ["ü", 1.5, null]}', 7,
    ),
    (127, 0, "0.000001", 3.4028234e38, 5e-324, 0, "1000-01-01", "00:00:00.000001",
     "1000-01-01 00:00:00", None, 1901, "", "", "", b"", b"", "a", "", "null", -1),
    (0, 1, "0", -1.17549435e-38, 1.7976931348623157e308, 1, "2026-11-22", "12:00:00",
     "2026-03-29 02:30:00", "1970-01-01 00:00:01", 0, "NULL", "0x00", "\\N", b"\0", b"\xff\xfe",
     None, "y", "[]", 0),
    (None,) * 20,
]  # fmt: skip

COLUMNS = (
    "tiny, big, price, single, pair, bits, born, noon, at, stamp, y, words, old, story, "
    "fixed, raw, kind, flags, document, `select`"
)


@pytest.fixture(scope="module")
def filled(template: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with a second database that has every type, and a second account."""
    server = template.copy(tmp_path_factory.mktemp("dump") / "filled")
    try:
        server.start()
        server.ask("CREATE DATABASE every CHARACTER SET latin1")
        server.ask(TABLE)
        marks = ", ".join(["%s"] * 20)
        for row in ROWS:
            values = f"({COLUMNS}, place) VALUES ({marks}, POINT(1, -2.5))"
            server.ask("INSERT INTO every.`odd ``name` " + values, *row)
        server.ask("CREATE TABLE every.empty (i INT)")
        server.ask("CREATE USER 'o''brien'@'127.0.0.1' IDENTIFIED BY 'word'")
        server.ask("GRANT SELECT ON every.* TO 'o''brien'@'127.0.0.1'")
        server.ask("INSERT INTO azkaban.projects VALUES (7,'n',1,1,1,1,'u','d',1,0x00ff)")
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def saved(filled: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    return dump.backup(filled, tmp_path_factory.mktemp("saved") / "b.sql.gz")


def contents(server: Any) -> dict[str, Any]:
    """Everything that a restore must bring back."""
    databases = [name for (name,) in server.ask("SHOW DATABASES") if name not in dump.SYSTEM]
    found: dict[str, Any] = {}
    for database in databases:
        found[database] = server.ask(f"SHOW CREATE DATABASE {database}")
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        for (table,) in server.ask(tables, database):
            name = f"{database}.{dump.quoted(table)}"
            found[name] = (
                server.ask(f"SHOW CREATE TABLE {name}")[0][1],
                server.ask(f"SELECT * FROM {name} ORDER BY 1"),
            )
    if "every" in found:  # shown with six digits, kept with more
        found["floats"] = server.ask("SELECT single + 0e0 FROM every.`odd ``name` ORDER BY id")
    return found


def test_every_value_comes_back(filled: Any, saved: Path, server: Any) -> None:
    """In place of what was there, with accounts; but the server's own password stays."""
    server.start()
    server.ask("INSERT INTO azkaban.projects VALUES (9,'x',1,1,1,1,'u','d',1,NULL)")
    server.ask("CREATE TABLE azkaban.extra (i INT)")
    server.ask("ALTER USER 'azkaban'@'127.0.0.1' IDENTIFIED BY 'another'")
    server.files.password.write_text("another\n")
    restore(server, saved, replace=True)
    expected = contents(filled)
    assert expected["every.`odd ``name`"][1][0][12].startswith("tab\t nl\n cr\r nul\0")
    assert contents(server) == expected
    assert server.as_azkaban("SELECT id FROM projects") == [(7,)]
    account = "'o''brien'@'127.0.0.1'"
    assert server.ask(f"SHOW GRANTS FOR {account}") == filled.ask(f"SHOW GRANTS FOR {account}")
    mysql.connector.connect(
        host="127.0.0.1", port=server.connection.port, user="o'brien", password="word",
        use_pure=True, collation="utf8mb4_bin",
    ).close()  # fmt: skip


def test_file_is_private_and_any_client_reads_it(saved: Path, server: Any) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    lines = gzip.decompress(saved.read_bytes()).decode().splitlines()
    statements = [line for line in lines if not line.startswith("--")]
    assert all(line.endswith(";") for line in statements)
    assert lines[-1] == "-- end: 17 tables, 20 rows"


def test_default_place(filled: Any) -> None:
    path = dump.backup(filled)
    assert path.parent == filled.home / "backups"
    assert list(path.parent.glob(".*")) == []


def test_restore_does_not_lose_rows_unasked(filled: Any, saved: Path) -> None:
    before = contents(filled)
    with pytest.raises(UsageError, match=r"azkaban\.projects has rows.*--replace"):
        restore(filled, saved)
    assert contents(filled) == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "plain", "other", "unfinished", "missing"])
def test_damaged_backup_changes_nothing(
    shared: Any, saved: Path, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "b.sql.gz"
    data = saved.read_bytes()
    text = gzip.decompress(data)
    if damage == "cut":
        path.write_bytes(data[:-200])
    elif damage == "flipped":
        path.write_bytes(data[:500] + bytes([data[500] ^ 255]) + data[501:])
    elif damage == "plain":
        path.write_bytes(text)
    elif damage == "other":
        path.write_bytes(gzip.compress(b"SELECT 1;\n"))
    elif damage == "unfinished":
        path.write_bytes(gzip.compress(text[: text.index(b"-- end")]))
    before = contents(shared)
    with pytest.raises(UsageError, match=str(path)):
        restore(shared, path)
    assert contents(shared) == before


def test_statement_that_fails_changes_nothing(filled: Any, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.sql.gz"
    text = gzip.decompress(saved.read_bytes())
    path.write_bytes(gzip.compress(text.replace(b"CREATE TABLE `triggers`", b"CREATE TABEL `t`")))
    before = contents(filled)
    with pytest.raises(ServerError, match=r"line \d+ .*nothing was changed"):
        restore(filled, path, replace=True)
    assert contents(filled) == before


RESTORE = """
import os, signal, sys
from pathlib import Path
from setup.layout import Layout
from setup.mysql import Server, dump, restore

server, backup, point = Server(Layout.of(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
rename, statements = Path.rename, dump.statements

def strike(victim):
    os.kill(victim, signal.SIGKILL)

def renamed(self, target):
    rename(self, target)
    if target == {"between": server.files.old_data, "in place": server.files.data}.get(point):
        strike(os.getpid())

def some(path):
    for number, (line, statement) in enumerate(statements(path)):
        if number == 20 and point == "loading":
            strike(os.getpid())
        if number == 20 and point == "second server":
            strike(Server(server.layout, server.files.restore).process().pid)
        yield line, statement

Path.rename, dump.statements = renamed, some
restore.restore(server, backup, replace=True)
"""


@pytest.mark.parametrize(
    "point",
    [
        *(pytest.param(one, marks=pytest.mark.long) for one in ("loading", "second server")),
        "between",
        pytest.param("in place", marks=pytest.mark.long),
    ],
)
def test_killed_restore(server: Any, filled: Any, saved: Path, tmp_path: Path, point: str) -> None:
    """Whenever it is killed, the old data is there, or the new; and nothing is left behind."""
    server.start()
    server.ask("INSERT INTO azkaban.projects VALUES (9,'old',1,1,1,1,'u','d',1,NULL)")
    before = contents(server)
    command = [sys.executable, "-c", RESTORE, str(server.layout.prefix), str(saved), point]
    killed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    second = Server(server.layout, server.files.restore)
    if point == "second server":
        assert "ServerError" in killed.stderr, killed.stderr
        assert "nothing was changed" in killed.stderr
    else:
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert bool(second.process()) is (point == "loading")
    assert bool(server.process()) is (point in ("loading", "second server"))
    if server.process():
        assert contents(server) == before
        server.stop()
    told = server.script("start") if point == "between" else server.start()
    assert told is None or told.returncode == 0, told.stderr
    assert contents(server) == (contents(filled) if point == "in place" else before)
    server.start()
    assert second.process() is None
    assert not server.files.restore.exists()
    assert not server.files.old_data.exists()


def test_second_restore_waits_for_nobody(server: Any, saved: Path) -> None:
    server.start()
    with server.restore_lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another restore works"):
            restore(server, saved)


def test_new_data_that_does_not_start_gives_way(server: Any, tmp_path: Path) -> None:
    """Tables that Azkaban cannot use are not put in place of those that it can."""
    server.start()
    before = contents(server)
    server.stop()
    broken = tmp_path / "broken"
    shutil.copytree(server.files.data, broken)
    (broken / "ibdata1").write_bytes(b"no tablespace" * 1000)
    with pytest.raises(ServerError, match="ended while it started"):
        server.exchange(broken)
    assert contents(server) == before


def test_backup_is_of_one_moment(server: Any, copy: Callable[[str], Any], tmp_path: Path) -> None:
    """Money moves between two tables all the while; in the backup none is lost or made.

    Between the two lies a value of 6 MB, which comes back as it was.
    """
    server.start()
    server.ask("CREATE TABLE azkaban.aa (v INT) ENGINE=InnoDB")
    server.ask("CREATE TABLE azkaban.zz (v INT) ENGINE=InnoDB")
    server.ask("INSERT INTO azkaban.aa VALUES (1000)")
    server.ask("INSERT INTO azkaban.zz VALUES (0)")
    value = os.urandom(6 << 20)  # so that the backup takes a while between the two
    server.ask("INSERT INTO azkaban.project_files VALUES (1,1,1,1,%s)", value)
    stop = threading.Event()
    moves = 0

    def move() -> None:
        nonlocal moves
        with server.connect("azkaban", autocommit=False) as connection:
            cursor = connection.cursor()
            while not stop.is_set():
                cursor.execute("UPDATE aa SET v = v - 1")
                cursor.execute("UPDATE zz SET v = v + 1")
                connection.commit()
                moves += 1

    thread = threading.Thread(target=move)
    thread.start()
    try:
        while moves < 3:
            time.sleep(0.01)
        before = moves
        path = dump.backup(server, tmp_path / "b.sql.gz")
        assert moves > before
    finally:
        stop.set()
        thread.join()
    other = copy("other")
    other.start()
    restore(other, path)
    (left,), (right,) = other.ask("SELECT v FROM azkaban.aa UNION ALL SELECT v FROM azkaban.zz")
    assert left + right == 1000
    assert before <= right <= moves
    assert other.ask("SELECT file FROM azkaban.project_files") == [(value,)]


@pytest.mark.long
def test_restore_into_a_newer_server(template: Any, server: Any, tmp_path: Path) -> None:
    """From 5.7.22, the server of Maven Central (which has no TLS), to 5.7.29."""
    older = type(template)(tmp_path / "older")
    older.home.mkdir()
    (older.home / "lib").symlink_to(template.settings.program.libraries)
    older.init(ServerSource("maven"))
    older.start()
    try:
        assert older.status().version == "5.7.22"
        assert not older.settings.program.tls
        older.ask("INSERT INTO azkaban.projects VALUES (7,'ü',1,1,1,1,'u','d',1,0xff)")
        path = dump.backup(older)
    finally:
        older.kill()
    server.start()
    restore(server, path)
    assert server.as_azkaban("SELECT id, name, settings_blob FROM projects") == [(7, "ü", b"\xff")]


@pytest.fixture(scope="module")
def mysqldump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that Debian's client has under that name."""
    folder = tmp_path_factory.mktemp("client")
    apt = Apt(folder / "apt")
    assert apt.download("mariadb-client")
    assert apt.download("mariadb-client-core")
    apt.unpack(folder / "root")
    program = folder / "root/usr/bin/mariadb-dump"
    assert program.is_file()
    return program


def with_client(server: Any, mysqldump: Path, folder: Path) -> None:
    """Give a server a program folder with a mysqldump in it, as official archives have."""
    program = server.settings.program
    (folder / "bin").mkdir(parents=True)
    shutil.copy(program.mysqld, folder / "bin" / "mysqld")
    (folder / "bin" / "mysqldump").symlink_to(mysqldump)
    (folder / "share").symlink_to(program.messages)
    chosen = replace(program, mysqld=folder / "bin" / "mysqld", messages=folder / "share")
    type(server.settings)(server.connection.port, chosen).write(server.settings_file)


@pytest.mark.long
def test_mysqldump_is_used_where_there_is_one(
    server: Any, copy: Callable[[str], Any], mysqldump: Path, tmp_path: Path
) -> None:
    """Views, routines, triggers and events come back by it, with values and accounts."""
    with_client(server, mysqldump, tmp_path / "program")
    server.start()
    name = "it's;\n-- x"
    row = "INSERT INTO azkaban.projects VALUES (7,%s,1,1,1,1,'😀','d',1,0x00ff0a)"
    server.ask(row, name)
    server.ask("CREATE VIEW azkaban.v AS SELECT id FROM azkaban.projects")
    server.ask("CREATE PROCEDURE azkaban.p() BEGIN SELECT 1; SELECT 2; END")
    server.ask("CREATE EVENT azkaban.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM azkaban.projects")
    server.ask("CREATE TRIGGER azkaban.t BEFORE INSERT ON azkaban.projects FOR EACH ROW "
               "BEGIN SET @a = 1; SET @b = 2; END")  # fmt: skip
    server.ask("CREATE USER 'other'@'127.0.0.1' IDENTIFIED BY 'word'")
    path = dump.backup(server, tmp_path / "b.sql.gz")
    assert b"Dump completed" in gzip.decompress(path.read_bytes())
    other = copy("other")
    other.start()
    restore(other, path)
    found = other.ask("SELECT name, last_modified_by, settings_blob FROM azkaban.projects")
    assert found == [(name, "😀", b"\x00\xff\n")]
    assert other.ask("SELECT * FROM azkaban.v") == [(7,)]
    names = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'azkaban'"
    assert other.ask(names) == [("p",)]
    assert [row[0] for row in other.ask("SHOW TRIGGERS FROM azkaban")] == ["t"]
    assert [row[1] for row in other.ask("SHOW EVENTS FROM azkaban")] == ["e"]
    assert other.ask("SELECT COUNT(*) FROM mysql.user WHERE user = 'other'") == [(1,)]
    # It rounds FLOAT: beside such a column it is not used, and views are refused.
    server.ask("CREATE TABLE azkaban.f (x FLOAT)")
    with pytest.raises(SetupError, match=r"azkaban\.f has a FLOAT column"):
        dump.backup(server, path)
    for kind, name in (("VIEW", "v"), ("PROCEDURE", "p"), ("EVENT", "e"), ("TRIGGER", "t")):
        server.ask(f"DROP {kind} azkaban.{name}")
    dump.backup(server, path)
    assert b"Dump completed" not in gzip.decompress(path.read_bytes())


def test_mysqldump_that_fails(server: Any, tmp_path: Path) -> None:
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho some lines; echo it broke >&2; exit 2\n")
    failing.chmod(0o700)
    with_client(server, failing, tmp_path / "program")
    server.start()
    with pytest.raises(ServerError, match="mysqldump: it broke"):
        dump.backup(server, tmp_path / "b.sql.gz")
    assert not list(tmp_path.glob("*b.sql*"))


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("CREATE VIEW azkaban.v AS SELECT 1", "view"),
        ("CREATE TRIGGER azkaban.v BEFORE INSERT ON azkaban.projects FOR EACH ROW SET @a = 1",
         "trigger"),
        ("CREATE TABLE azkaban.v (i INT) ENGINE=MyISAM", "table that is not InnoDB"),
        ("CREATE PROCEDURE azkaban.v() SELECT 1", "routine"),
        ("CREATE EVENT azkaban.v ON SCHEDULE EVERY 1 DAY DO SELECT 1", "event"),
    ],
)  # fmt: skip
def test_what_would_be_lost_is_refused(
    filled: Any, tmp_path: Path, statement: str, kind: str
) -> None:
    filled.ask(statement)
    try:
        with pytest.raises(SetupError, match=f"azkaban.v is a {kind}"):
            dump.backup(filled, tmp_path / "b.sql.gz")
        assert list(tmp_path.iterdir()) == []
    finally:
        filled.ask(f"DROP {statement.split()[1]} azkaban.v")


def test_backup_needs_a_server_and_a_folder(template: Any, filled: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run python3 -m setup mysql start"):
        dump.backup(template)
    with pytest.raises(UsageError, match="there is no folder"):
        dump.backup(filled, tmp_path / "none" / "b.sql.gz")
