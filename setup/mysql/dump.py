"""Backup: a logical dump as plain SQL in a gzip file, by mysqldump or over the connector.

The server's own ``mysqldump`` is used if it has one (an official archive, an installed server),
unless there is a FLOAT column, of which it would write only six digits. Accounts are always added.

A statement ends where a line ends with its delimiter, so that the file can be read back without an
SQL parser and by any MySQL client. Binary values are written in hexadecimal, texts in UTF-8
(utf8mb4).
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import tempfile
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from azkaban_client.files import whole
from setup.called import called
from setup.errors import ServerError, SetupError, UsageError
from setup.messages import step
from setup.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from setup.mysql.server import Server

__all__ = ["SYSTEM", "accounts", "backup", "quoted", "statements", "verify"]

HEADER = b"-- azkaban-jobflow MySQL dump 1\n"
# Restore every value exactly: no time zone, no special zero, no order of tables.
SESSION = (
    b"SET NAMES utf8mb4;\n"
    b"SET time_zone = '+00:00', foreign_key_checks = 0, unique_checks = 0, "
    b"sql_mode = 'NO_AUTO_VALUE_ON_ZERO';\n"
)
BATCH_BYTES = 1 << 20
SYSTEM = ("mysql", "sys", "information_schema", "performance_schema")
OWN_ACCOUNTS = ("root", "mysql.sys", "mysql.session")

_NUMBERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "year"}
_BINARY = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"}
_GEOMETRY = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"}
_GEOMETRY |= {"multipolygon", "geometrycollection"}

_END = re.compile(rb"-- end: (\d+ tables(?:, \d+ rows)?)\n")


class _Column(NamedTuple):
    """A column that is dumped."""

    name: str
    kind: str

    @property
    def expression(self) -> str:
        # FLOAT is shown with six digits; as DOUBLE it keeps all of them.
        return f"{quoted(self.name)}{' + 0e0' if self.kind == 'float' else ''}"

    @property
    def literal(self) -> Callable[[bytes], bytes]:
        """Write a value as an SQL literal."""
        if self.kind in _NUMBERS or self.kind == "float":
            return bytes
        if self.kind in _BINARY or self.kind in _GEOMETRY:
            return _hexadecimal
        return _text


def backup(server: Server, path: Path | None = None) -> Path:
    """Write all databases and accounts to a file, as they are at one moment, while others write.

    Parameters
    ----------
    server
        Must run.
    path
        File to write, with mode 0600; None makes one in ``backups`` beside the server.

    Returns
    -------
    Path
        The file; it appears under this name only when it is complete.

    Raises
    ------
    SetupError
        When there is something that a dump of tables would lose (views, routines, triggers,
        events, tables that cannot be read at one moment), or the file cannot be written.
    """
    server.require_running()
    if path is None:
        folder = server.home / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.sql.gz"
    elif not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    with step("backup") as shown:
        start = time.monotonic()
        with (
            server.connect() as connection,
            whole(path, mode=0o600) as raw,
            gzip.GzipFile("", "wb", 1, raw) as file,
        ):
            what, size = _write(server, connection, file.write, shown.update)
        rate = size / 1e6 / max(time.monotonic() - start, 1e-9)
        shown.done(f"{path}: {what} ({rate:.0f} MB/s)")
    return path


def _write(
    server: Server, connection: Any, write: Callable[[bytes], object], update: Callable[[str], None]
) -> tuple[str, int]:
    """Write the dump; return a description of its content, and its size in bytes."""
    cursor = connection.cursor()
    cursor.execute("SET time_zone = '+00:00', transaction_isolation = 'REPEATABLE-READ'")
    databases = [name for (name,) in rows(cursor, "SHOW DATABASES") if name not in SYSTEM]
    program = _choose(server, cursor, databases)
    write(HEADER)
    version = rows(cursor, "SELECT VERSION()")[0][0]
    write(f"-- MySQL {version}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
    if program:
        update(f"{program}")
        size = _by_program(server, program, databases, write)
        listing = "SELECT table_schema FROM information_schema.tables"
        end = f"{sum(name in databases for (name,) in rows(cursor, listing))} tables"
    else:
        end, size = _by_connection(connection, databases, write, update)
    for statement in accounts(cursor):
        write(f"{statement};\n".encode())
    write(f"-- end: {end}\n".encode())
    return end, size


def _choose(server: Server, cursor: Any, databases: list[str]) -> Path | None:
    """Choose the server's own mysqldump if it has one, unless that would lose something.

    Raises
    ------
    SetupError
        When there is something that would be lost either way.
    """
    program = server.settings.program.mysqld.with_name("mysqldump")
    here = os.access(program, os.X_OK)
    stored = {
        "view": "table_schema, table_name FROM information_schema.views",
        "routine": "routine_schema, routine_name FROM information_schema.routines",
        "trigger": "trigger_schema, trigger_name FROM information_schema.triggers",
        "event": "event_schema, event_name FROM information_schema.events",
    }
    engines = "table_schema, table_name FROM information_schema.tables WHERE engine <> 'InnoDB'"
    floats = "table_schema, table_name FROM information_schema.columns WHERE data_type = 'float'"
    if found := _first(cursor, databases, engines):
        raise SetupError(
            f"{found} is a table that is not InnoDB, which cannot be read at one moment while the "
            f"server runs; change it: ALTER TABLE {found} ENGINE=InnoDB"
        )
    rounded = _first(cursor, databases, floats)  # mysqldump writes six digits of a FLOAT
    for kind, source in stored.items():
        if (found := _first(cursor, databases, source)) and (rounded or not here):
            also = f"{rounded} has a FLOAT column, which mysqldump would round"
            raise SetupError(
                f"{found} is a {kind}, which a dump of tables would lose, and "
                f"{also if here else f'there is no {program}'}; use mysqldump --single-transaction "
                "--routines --triggers --events yourself, with --defaults-file=root.cnf"
            )
    return program if here and not rounded else None


def _first(cursor: Any, databases: list[str], source: str) -> str:
    found = rows(cursor, f"SELECT {source}")
    return next((f"{database}.{name}" for database, name in found if database in databases), "")


def _by_program(
    server: Server, program: Path, databases: list[str], write: Callable[[bytes], object]
) -> int:
    command = [str(program), f"--defaults-file={server.files.root_options}", "--hex-blob"]
    command += ["--single-transaction", "--routines", "--triggers", "--events"]
    command += ["--default-character-set=utf8mb4", "--max-allowed-packet=1G"]
    size = 0
    with (
        tempfile.TemporaryFile(dir=server.files.files / "tmp") as errors,
        subprocess.Popen(
            [*command, "--databases", *databases],
            cwd=server.files.files,  # a long path of the socket is relative to it
            env=server.settings.program.environ,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        assert process.stdout is not None
        while piece := process.stdout.read(1 << 20):
            size += len(piece)
            write(piece)
        if process.wait():
            errors.seek(0)
            raise ServerError(f"{program}: {errors.read().decode(errors='replace').strip()}")
    return size


def _by_connection(
    connection: Any,
    databases: list[str],
    write: Callable[[bytes], object],
    update: Callable[[str], None],
) -> tuple[str, int]:
    cursor = connection.cursor()
    write(SESSION)
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    tables = count = size = 0
    for database in databases:
        create = rows(cursor, f"SHOW CREATE DATABASE {quoted(database)}")[0][1]
        create = create.replace("CREATE DATABASE", "CREATE DATABASE IF NOT EXISTS", 1)
        write(f"{create};\nUSE {quoted(database)};\n".encode())
        cursor.execute(f"USE {quoted(database)}")
        for table, _kind in rows(cursor, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"):
            update(f"{database}.{table}")
            statement = rows(cursor, f"SHOW CREATE TABLE {quoted(table)}")[0][1]
            write((" ".join(statement.split("\n")) + ";\n").encode())
            for number, line in _inserts(connection, database, table):
                count += number
                size += len(line)
                write(line)
                update(f"{database}.{table}: {count} rows")
            tables += 1
    cursor.execute("ROLLBACK")
    return f"{tables} tables, {count} rows", size


def _inserts(connection: Any, database: str, table: str) -> Iterator[tuple[int, bytes]]:
    """Read a table and write INSERT statements of about a megabyte, each with its row count."""
    cursor = connection.cursor()
    columns = [
        _Column(name, kind)
        for name, kind, extra in rows(
            cursor,
            "SELECT column_name, data_type, extra FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            (database, table),
        )
        if "GENERATED" not in extra.upper()
    ]
    names = ", ".join(quoted(column.name) for column in columns)
    start = f"INSERT INTO {quoted(table)} ({names}) VALUES ".encode()
    literals = [column.literal for column in columns]
    reader = connection.cursor(raw=True)
    wanted = ", ".join(column.expression for column in columns)
    reader.execute(f"SELECT {wanted} FROM {quoted(table)}")
    values: list[bytes] = []
    size = 0
    for row in reader:  # one at a time: a row may be large
        cells = [
            b"NULL" if value is None else literal(bytes(value))
            for literal, value in zip(literals, row, strict=True)
        ]
        values.append(b"(" + b",".join(cells) + b")")
        size += len(values[-1])
        if size > BATCH_BYTES:
            yield len(values), start + b",".join(values) + b";\n"
            values, size = [], 0
    reader.close()
    if values:
        yield len(values), start + b",".join(values) + b";\n"


def accounts(cursor: Any) -> Iterator[str]:
    """Yield the statements that create a server's accounts if they do not exist."""
    for user, host in rows(cursor, "SELECT user, host FROM mysql.user ORDER BY user, host"):
        if user in OWN_ACCOUNTS:
            continue
        account = f"'{_escaped(user)}'@'{_escaped(host)}'"
        shown = f"'{user}'@'{host}'"  # MySQL forgets to escape quotes
        create = rows(cursor, f"SHOW CREATE USER {account}")[0][0].replace(shown, account, 1)
        yield create.replace("CREATE USER", "CREATE USER IF NOT EXISTS", 1)
        for (grant,) in rows(cursor, f"SHOW GRANTS FOR {account}"):
            yield grant.replace(shown, account, 1)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(
            f"{path} is damaged or no backup ({error}); nothing was changed"
        ) from error


def statements(path: Path) -> Iterator[tuple[int, bytes]]:
    """Read the statements of a backup, each with the number of its last line."""
    delimiter, parts = b";", list[bytes]()
    for number, line in enumerate(_lines(path), 1):
        if not parts and line.startswith(b"DELIMITER "):
            delimiter = line.split()[1]
        elif parts or (line.strip() and not line.startswith(b"--")):
            parts.append(line)
            if line.rstrip().endswith(delimiter):
                yield number, b"".join(parts).rstrip().removesuffix(delimiter)
                parts = []


def verify(path: Path) -> tuple[list[str], str]:
    """Read a backup to its end; return its databases and a description of its content."""
    databases: list[str] = []
    line = b""
    for number, line in enumerate(_lines(path)):
        if number == 0 and line != HEADER:
            raise UsageError(f"{path} is no backup made by {called()} mysql backup; for other "
                             f"SQL files there is {called()} mysql use")  # fmt: skip
        if line.startswith(b"USE "):
            databases.append(_unquoted(line))
    end = _END.fullmatch(line)
    if not end:
        raise UsageError(f"{path} ends before its end: it is not complete; nothing was changed")
    return list(dict.fromkeys(databases)), end[1].decode()


def _hexadecimal(value: bytes) -> bytes:
    return b"0x" + value.hex().encode() if value else b"''"


def _text(value: bytes) -> bytes:
    value = value.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\n", b"\\n")
    value = value.replace(b"\r", b"\\r").replace(b"\0", b"\\0").replace(b"\x1a", b"\\Z")
    return b"'" + value + b"'"


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return "`" + name.replace("`", "``") + "`"


def _unquoted(text: bytes) -> str:
    return text.decode().removeprefix("USE ").strip().rstrip(";")[1:-1].replace("``", "`")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
