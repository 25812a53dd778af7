"""Create Azkaban's tables in MySQL, and convert them from one version to the next.

The tables' version is recorded in Azkaban's table ``properties``, so that it is part of every
backup.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from setup.azkaban import align
from setup.azkaban.distribution import numbers
from setup.azkaban.program import STOCK_VERSION
from setup.called import called
from setup.errors import ServerError, UsageError
from setup.messages import step
from setup.mysql.config import CHARACTERS, DATABASE
from setup.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.azkaban.program import Program
    from setup.azkaban.settings import Settings
    from setup.mysql import Server as MySQL

__all__ = ["align_to", "prepare", "recorded", "require_executors", "require_way", "update"]

_NAME, _TYPE = "azkaban-jobflow.tables", 99  # a type that Azkaban does not use
_SCRATCH = f"{DATABASE}_new"
_UPGRADE = re.compile(r"upgrade\.[\d.]+\.to\.([\d.]+)\.sql")
_CHANGES_ROWS = re.compile("(INSERT|UPDATE|DELETE|REPLACE|TRUNCATE) ", re.IGNORECASE)


def require_executors(program: Program, settings: Settings) -> None:
    """Refuse several executors for an Azkaban that supports only one.

    Raises
    ------
    UsageError
        With what to do.
    """
    count = len(settings.more_executors) + 1
    if count > 1 and not program.several_executors:
        raise UsageError(
            f"--executors {count}: Azkaban {program.version} has one executor; releases from 3.0 "
            "on have several (--distribution)"
        )


def prepare(mysql: MySQL, program: Program, sql: Path, settings: Settings) -> None:
    """Create this version's tables if there are none, and forget executors that no longer exist.

    Parameters
    ----------
    mysql
        A running server.
    program
        Whose tables.
    sql
        The folder of its table definitions.
    settings
        Which executors there are.

    Raises
    ------
    UsageError
        When there are rows in tables of another version.
    """
    with mysql.connect(DATABASE) as connection:
        cursor = connection.cursor()
        present = recorded(cursor)
        if present != _tables_of(program):
            _make(cursor, present, program, sql)
        if program.several_executors:
            ends = [(settings.executor_address, settings.executor_port)]
            ends += [(settings.executor_address, port) for port in settings.more_executors]
            marks = ", ".join(["(%s, %s)"] * len(ends))
            values = tuple(value for end in ends for value in end)
            cursor.execute(
                f"UPDATE executors SET active = 0 WHERE (host, port) NOT IN ({marks})",
                values,
            )


def recorded(cursor: Any) -> str:
    """Tell which version the tables are of."""
    found = rows(
        cursor, "SELECT value FROM properties WHERE name = %s AND type = %s", (_NAME, _TYPE)
    )
    return str(found[0][0]) if found else STOCK_VERSION


def _tables_of(program: Program) -> str:
    """Return the version of a program's tables: all 2.x have those of `setup mysql init`."""
    return program.version if program.several_executors else STOCK_VERSION


def _make(cursor: Any, present: str, program: Program, sql: Path) -> None:
    tables = [name for (name,) in rows(cursor, "SHOW TABLES")]
    for table in tables:
        if table != "properties" and rows(cursor, f"SELECT 1 FROM `{table}` LIMIT 1"):
            raise UsageError(
                f"the database holds rows of Azkaban {present}, which {program.version} cannot "
                f"read as they are; {called()} azkaban upgrade converts them where Azkaban "
                "can; another prefix (--prefix) starts empty"
            )
    with step(f"tables of Azkaban {program.version}") as shown:
        _run(cursor, "SET foreign_key_checks = 0")  # tables in any order
        for table in tables:
            cursor.execute(f"DROP TABLE `{table}`")
        for statement in _all_statements(sql):
            _run(cursor, statement)
        _record(cursor, program.version)
        shown.done(f"{len(rows(cursor, 'SHOW TABLES'))} tables")


def _all_statements(sql: Path) -> list[str]:
    """Read the one file that makes all tables, else one for each."""
    whole = sorted(sql.glob("create-all-sql-*.sql"))
    parts = sorted(sql.glob("create.*.sql"))
    return [text for path in whole[:1] or parts for text in _statements(path)]


def _statements(path: Path) -> Iterator[str]:
    text = re.sub(r"(?m)--[^\n]*$", "", path.read_text(encoding="utf-8"))
    yield from (part.strip() for part in re.split(r";\s*(?:\n|$)", text) if part.strip())


def _run(cursor: Any, statement: str) -> None:
    import mysql.connector

    try:
        cursor.execute(statement)
    except mysql.connector.Error as error:
        raise ServerError(f"MySQL refused a statement of Azkaban: {error}\n{statement}") from error


def _record(cursor: Any, version: str) -> None:
    cursor.execute(
        "REPLACE INTO properties (name, type, modified_time, value) "
        "VALUES (%s, %s, UNIX_TIMESTAMP() * 1000, %s)",
        (_NAME, _TYPE, version),
    )


def require_way(old: Program, new: Program, old_sql: Path, new_sql: Path, database: str) -> None:
    """Refuse an upgrade whose tables cannot be converted.

    Parameters
    ----------
    old, new
        The programs.
    old_sql, new_sql
        The folders of their table definitions.
    database
        ``h2`` or ``mysql``.

    Raises
    ------
    UsageError
        With the reason; nothing was changed yet.
    """
    if new.numbers < old.numbers:
        raise UsageError(
            f"Azkaban {old.version} is installed: {new.version} is older and may not understand "
            f"its tables. {called()} azkaban rollback restores the state before an upgrade"
        )
    if not new.several_executors:
        return  # 2.x updates its tables itself
    if not old.several_executors:
        raise UsageError(
            f"the tables of Azkaban {old.version} cannot be brought to {new.version}: 3.0 "
            "has entirely different ones. Nothing was changed. Install it next to this one "
            "(--prefix) and upload the projects there"
        )
    if database == "h2" and sorted(_all_statements(old_sql)) != sorted(_all_statements(new_sql)):
        raise UsageError(
            f"from {old.version} to {new.version} the tables change, and on H2 they cannot be "
            "converted. Nothing was changed. Install it next to this one (--prefix, --mysql) "
            "and upload the projects there"
        )
    for path in sorted(new_sql.glob("upgrade.*.sql")):
        match = _UPGRADE.fullmatch(path.name)
        if match and numbers(match[1]) <= old.numbers:
            continue
        for statement in _statements(path):
            if _CHANGES_ROWS.match(statement):
                raise UsageError(
                    f"{path.name} of Azkaban {new.version} changes rows, not only tables, which "
                    f"set-up cannot do for you: {' '.join(statement.split())}. Nothing was changed"
                )


def update(mysql: MySQL, sql: Path, version: str) -> None:
    """Convert the tables of 3.x or 4.x to the definitions of a later version, and record it.

    Parameters
    ----------
    mysql
        A running server.
    sql
        The folder of the later version's table definitions.
    version
        The later version.

    Raises
    ------
    ServerError
        When MySQL refuses a statement.
    """
    with mysql.connect(DATABASE) as connection:
        cursor = connection.cursor()
        if recorded(cursor) == STOCK_VERSION:  # 2.x to 2.x
            return
        with step(f"tables of Azkaban {version}") as shown:
            changed, count = align_to(cursor, sql, version)
            shown.done(f"{changed} of {count} changed")


def align_to(cursor: Any, sql: Path, version: str) -> tuple[int, int]:
    """Convert the tables to the definitions of a version, and record it.

    Parameters
    ----------
    cursor
        Cursor of the database.
    sql
        The folder of that version's table definitions.
    version
        The version.

    Returns
    -------
    tuple of int
        How many statements it took, and how many tables the version has.

    Raises
    ------
    ServerError
        When MySQL refuses a statement.
    """
    _run(cursor, "SET foreign_key_checks = 0")  # tables in any order
    present = align.read(cursor, DATABASE)
    _run(cursor, f"DROP DATABASE IF EXISTS `{_SCRATCH}`")
    _run(cursor, f"CREATE DATABASE `{_SCRATCH}` {CHARACTERS}")
    _run(cursor, f"USE `{_SCRATCH}`")
    for statement in _all_statements(sql):
        _run(cursor, statement)
    wanted = align.read(cursor, _SCRATCH)
    _run(cursor, f"USE `{DATABASE}`")
    statements = list(align.difference(present, wanted))
    for statement in statements:
        _run(cursor, statement)
    for name in wanted.keys() - present.keys():  # what a new table begins with
        _run(cursor, f"INSERT INTO `{name}` SELECT * FROM `{_SCRATCH}`.`{name}`")
    _run(cursor, f"DROP DATABASE `{_SCRATCH}`")
    _record(cursor, version)
    return len(statements), len(wanted)
