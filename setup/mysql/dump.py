"""Backup and restore: a logical dump over the connector, as plain SQL in a gzip file.

One statement stands on one line, so that the file can be read back without an SQL parser and by
any MySQL client. Binary values are written in hexadecimal, texts in UTF-8 (utf8mb4).
"""

from __future__ import annotations

import gzip
import os
import re
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from setup.console import step
from setup.errors import ServerError, SetupError, UsageError
from setup.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from setup.mysql.server import Server

__all__ = ["backup", "restore"]

HEADER = b"-- azkaban-jobflow MySQL dump 1\n"
# Every value back as it was: no time zone, no meaning of zero, no order of tables.
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

_END = re.compile(rb"-- end: (\d+) tables, (\d+) rows\n")


class _Column(NamedTuple):
    """A column that is dumped."""

    name: str
    kind: str

    @property
    def expression(self) -> str:
        # FLOAT is shown with six digits; as DOUBLE it comes out whole.
        return f"{_name(self.name)}{' + 0e0' if self.kind == 'float' else ''}"

    @property
    def literal(self) -> Callable[[bytes], bytes]:
        """How a value is written in SQL."""
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
    partial = path.with_name(f".{path.name}.part")
    with step("backup") as shown:
        start = time.monotonic()
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with (
                server.connect() as connection,
                os.fdopen(handle, "wb") as raw,
                gzip.GzipFile("", "wb", 1, raw) as file,
            ):
                tables, count, size = _write(connection, file.write, shown.update)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        rate = size / 1e6 / max(time.monotonic() - start, 1e-9)
        shown.done(f"{path}: {tables} tables, {count} rows ({rate:.0f} MB/s)")
    return path


def restore(server: Server, path: Path, *, replace: bool = False) -> None:
    """Bring back what a backup holds: all of it, or nothing is changed.

    Everything is read into new databases first; then one statement puts the tables in the place
    of the old ones. Accounts that exist keep their passwords.

    Parameters
    ----------
    server
        Must run; its MySQL may be newer than that of the backup.
    path
        What `backup` wrote.
    replace
        Replace databases that hold rows.

    Raises
    ------
    UsageError
        When the file is no complete backup, or rows would be lost and `replace` is not set.
    """
    server.require_running()
    with step("restore") as shown:
        shown.update("checking the file")
        databases, counted = _verify(path)
        with server.connect() as connection:
            cursor = connection.cursor()
            for database in databases:
                if not replace and (table := _used(cursor, database)):
                    raise UsageError(
                        f"the table {database}.{table} has rows, which would be lost; nothing was "
                        "changed. Add --replace if they may go (make a backup first)"
                    )
            staged = {database: f"{database}__restore" for database in databases}
            try:
                _load(cursor, path, staged, counted[1], shown.update)
                _swap(cursor, staged)
            finally:
                for name in staged.values():
                    cursor.execute(f"DROP DATABASE IF EXISTS {_name(name)}")
        shown.done(f"{counted[0]} tables, {counted[1]} rows in {', '.join(databases)}")


def _write(
    connection: Any, write: Callable[[bytes], object], update: Callable[[str], None]
) -> tuple[int, int, int]:
    """Write the dump; return the numbers of tables, rows and bytes."""
    cursor = connection.cursor()
    cursor.execute("SET time_zone = '+00:00', transaction_isolation = 'REPEATABLE-READ'")
    databases = [name for (name,) in rows(cursor, "SHOW DATABASES") if name not in SYSTEM]
    databases = [name for name in databases if not name.endswith(("__restore", "__old"))]
    _refuse_lossy(cursor, databases)
    write(HEADER)
    version = rows(cursor, "SELECT VERSION()")[0][0]
    write(f"-- MySQL {version}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
    write(SESSION)
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    tables = count = size = 0
    for database in databases:
        create = rows(cursor, f"SHOW CREATE DATABASE {_name(database)}")[0][1]
        create = create.replace("CREATE DATABASE", "CREATE DATABASE IF NOT EXISTS", 1)
        write(f"{create};\nUSE {_name(database)};\n".encode())
        cursor.execute(f"USE {_name(database)}")
        for table, _kind in rows(cursor, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"):
            update(f"{database}.{table}")
            statement = rows(cursor, f"SHOW CREATE TABLE {_name(table)}")[0][1]
            write((" ".join(statement.split("\n")) + ";\n").encode())
            for number, line in _inserts(connection, database, table):
                count += number
                size += len(line)
                write(line)
                update(f"{database}.{table}: {count} rows")
            tables += 1
    for statement in _accounts(cursor):
        write(f"{statement};\n".encode())
    cursor.execute("ROLLBACK")
    write(f"-- end: {tables} tables, {count} rows\n".encode())
    return tables, count, size


def _refuse_lossy(cursor: Any, databases: list[str]) -> None:
    kinds = {
        "view": "table_schema, table_name FROM information_schema.views",
        "routine": "routine_schema, routine_name FROM information_schema.routines",
        "trigger": "trigger_schema, trigger_name FROM information_schema.triggers",
        "event": "event_schema, event_name FROM information_schema.events",
        "table that is not InnoDB": "table_schema, table_name FROM information_schema.tables "
        "WHERE engine <> 'InnoDB'",
    }
    for kind, source in kinds.items():
        for database, name in rows(cursor, f"SELECT {source}"):
            if database in databases:
                raise SetupError(
                    f"{database}.{name} is a {kind}, which this backup would lose; "
                    "use mysqldump --single-transaction --routines --triggers --events, with "
                    "--defaults-file=root.cnf"
                )


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
    names = ", ".join(_name(column.name) for column in columns)
    start = f"INSERT INTO {_name(table)} ({names}) VALUES ".encode()  # noqa: S608 (quoted names)
    literals = [column.literal for column in columns]
    reader = connection.cursor(raw=True)
    wanted = ", ".join(column.expression for column in columns)
    reader.execute(f"SELECT {wanted} FROM {_name(table)}")  # noqa: S608 (quoted names)
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


def _accounts(cursor: Any) -> Iterator[str]:
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


def _verify(path: Path) -> tuple[list[str], tuple[int, int]]:
    """Read a backup to its end; return its databases and the numbers of its tables and rows."""
    databases: list[str] = []
    line = b""
    for number, line in enumerate(_lines(path)):
        if number == 0 and line != HEADER:
            raise UsageError(f"{path} is no backup made by setup mysql backup; for other SQL files "
                             "there is setup mysql use")  # fmt: skip
        if line.startswith(b"USE "):
            databases.append(_unquoted(line))
    end = _END.fullmatch(line)
    if not end:
        raise UsageError(f"{path} ends before its end: it is not complete; nothing was changed")
    return databases, (int(end[1]), int(end[2]))


def _used(cursor: Any, database: str) -> str:
    """Name a table that has rows; the versions of Azkaban's tables, made at init, do not count."""
    statement = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
    for (table,) in rows(cursor, statement, (database,)):
        where = f"{_name(database)}.{_name(table)}"
        if table != "properties" and rows(cursor, f"SELECT 1 FROM {where} LIMIT 1"):  # noqa: S608 (quoted names)
            return str(table)
    return ""


def _load(
    cursor: Any, path: Path, staged: dict[str, str], total: int, update: Callable[[str], None]
) -> None:
    """Run a backup's statements, its databases replaced by staged ones."""
    done = 0
    for number, line in enumerate(_lines(path), 1):
        if line.startswith(b"--"):
            continue
        statement = line.rstrip(b";\n")
        if line.startswith(b"CREATE DATABASE"):
            quoted = re.search(rb"`((?:[^`]|``)+)`", line)
            name = _unquoted(quoted[0]) if quoted else ""
            new = _name(staged[name]).encode()
            cursor.execute(f"DROP DATABASE IF EXISTS {_name(staged[name])}")
            statement = statement.replace(_name(name).encode(), new, 1)
        elif line.startswith(b"USE "):
            statement = b"USE " + _name(staged[_unquoted(line)]).encode()
        elif line.startswith(b"INSERT"):
            done += 1
            update(f"statement {done} of about {total} rows")
        try:
            cursor.execute(statement)
        except _errors() as error:
            raise ServerError(
                f"{path}, line {number} ({line[:60].decode(errors='replace')}...): {error}; "
                "nothing was changed"
            ) from error


def _swap(cursor: Any, staged: dict[str, str]) -> None:
    """Put the staged tables in the place of the old ones, by one statement for all."""
    moves, olds = [], []
    listing = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
    for database, new in staged.items():
        old = f"{database}__old"
        olds.append(old)
        create = rows(cursor, f"SHOW CREATE DATABASE {_name(new)}")[0][1]
        options = create.partition("/*!40100 ")[2].removesuffix(" */")
        cursor.execute(f"DROP DATABASE IF EXISTS {_name(old)}")
        cursor.execute(f"CREATE DATABASE {_name(old)}")
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {_name(database)}")
        if options:
            cursor.execute(f"ALTER DATABASE {_name(database)} {options}")
        for source, target in ((database, old), (new, database)):
            moves += [
                f"{_name(source)}.{_name(table)} TO {_name(target)}.{_name(table)}"
                for (table,) in rows(cursor, listing, (source,))
            ]
    if moves:
        cursor.execute("RENAME TABLE " + ", ".join(moves))
    for old in olds:
        cursor.execute(f"DROP DATABASE {_name(old)}")


def _errors() -> type[Exception]:
    import mysql.connector  # noqa: PLC0415 (in the environment only)

    error: type[Exception] = mysql.connector.Error
    return error


def _hexadecimal(value: bytes) -> bytes:
    return b"0x" + value.hex().encode() if value else b"''"


def _text(value: bytes) -> bytes:
    value = value.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\n", b"\\n")
    value = value.replace(b"\r", b"\\r").replace(b"\0", b"\\0").replace(b"\x1a", b"\\Z")
    return b"'" + value + b"'"


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _unquoted(text: bytes) -> str:
    return text.decode().removeprefix("USE ").strip().rstrip(";")[1:-1].replace("``", "`")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
