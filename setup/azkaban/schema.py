"""Azkaban's tables in MySQL: made for a distribution, and brought from one version to the next.

Which version the tables are of stands in Azkaban's table ``properties``, so that it travels with
every backup.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from setup.azkaban.distribution import numbers
from setup.azkaban.program import STOCK_VERSION
from setup.console import step
from setup.errors import ServerError, UsageError
from setup.mysql.config import DATABASE
from setup.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from setup.azkaban.program import Program
    from setup.azkaban.settings import Settings
    from setup.mysql import Server as MySQL

__all__ = ["prepare", "recorded", "require_executors", "require_path", "update"]

_NAME, _TYPE = "azkaban-jobflow.tables", 99  # a type that Azkaban does not use
_UPGRADE = re.compile(r"upgrade\.([\d.]+)\.to\.([\d.]+)\.sql")


class _Step(NamedTuple):
    """One upgrade script of Azkaban."""

    first: tuple[int, ...]
    last: tuple[int, ...]
    path: Path


def require_executors(program: Program, settings: Settings) -> None:
    """Refuse several executors to an Azkaban that knows one.

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
    """Make the tables where there are none of this version, and forget executors that are gone.

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
                f"UPDATE executors SET active = 0 WHERE (host, port) NOT IN ({marks})",  # noqa: S608 (marks alone)
                values,
            )


def recorded(cursor: Any) -> str:
    """Tell which version the tables are of."""
    found = rows(
        cursor, "SELECT value FROM properties WHERE name = %s AND type = %s", (_NAME, _TYPE)
    )
    return str(found[0][0]) if found else STOCK_VERSION


def _tables_of(program: Program) -> str:
    """All 2.x have the tables that `setup mysql init` makes."""
    return program.version if program.several_executors else STOCK_VERSION


def _make(cursor: Any, present: str, program: Program, sql: Path) -> None:
    tables = [name for (name,) in rows(cursor, "SHOW TABLES")]
    for table in tables:
        if table != "properties" and rows(cursor, f"SELECT 1 FROM `{table}` LIMIT 1"):  # noqa: S608 (a name from SHOW TABLES)
            raise UsageError(
                f"the database holds rows of Azkaban {present}, which {program.version} cannot "
                "read as they are; setup azkaban upgrade brings them along where Azkaban can, "
                "another prefix (--prefix) begins anew"
            )
    with step(f"tables of Azkaban {program.version}") as shown:
        for table in tables:
            cursor.execute(f"DROP TABLE `{table}`")
        statements = [text for path in _definitions(sql) for text in _statements(path)]
        for statement in statements:
            _run(cursor, statement)
        _record(cursor, program.version)
        shown.done(f"{len(rows(cursor, 'SHOW TABLES'))} tables")


def _definitions(sql: Path) -> list[Path]:
    """Find the one file that makes all tables, else one for each."""
    whole = sorted(sql.glob("create-all-sql-*.sql"))
    parts = sorted(sql.glob("create.*.sql"))
    return whole[:1] or parts


def _statements(path: Path) -> Iterator[str]:
    text = re.sub(r"(?m)--[^\n]*$", "", path.read_text(encoding="utf-8"))
    yield from (part.strip() for part in re.split(r";\s*(?:\n|$)", text) if part.strip())


def _run(cursor: Any, statement: str) -> None:
    import mysql.connector  # noqa: PLC0415 (in the environment only)

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


def require_path(old: Program, new: Program, sql: Path, database: str) -> list[Path]:
    """Find the scripts with which Azkaban brings tables from one version to another.

    Parameters
    ----------
    old, new
        The programs.
    sql
        The folder of the new one's table definitions.
    database
        ``h2`` or ``mysql``.

    Returns
    -------
    list
        In the order in which they are run.

    Raises
    ------
    UsageError
        When Azkaban has no way from one to the other.
    """
    if new.numbers < old.numbers:
        raise UsageError(
            f"Azkaban {old.version} is installed: {new.version} is older and may not understand "
            "its tables. setup azkaban rollback goes back to what was before an upgrade"
        )
    if new.several_executors and not old.several_executors:
        raise UsageError(
            f"Azkaban has no scripts that bring the tables of {old.version} to {new.version}: its "
            "distributions begin at 3.20. Nothing was changed. Install it beside this one "
            "(--prefix) and upload the projects there"
        )
    found = (
        _Step(numbers(match[1]), numbers(match[2]), path)
        for path in sql.glob("upgrade.*.sql")
        if (match := _UPGRADE.fullmatch(path.name))
    )
    steps = sorted(step for step in found if old.numbers < step.last <= new.numbers)
    if steps and database == "h2":
        raise UsageError(
            f"from {old.version} to {new.version} the tables change, and Azkaban's scripts for "
            "that are for MySQL alone: an installation on H2 cannot be upgraded. Nothing was "
            "changed"
        )
    return [found.path for found in steps]


def update(mysql: MySQL, scripts: Sequence[Path], version: str) -> None:
    """Run upgrade scripts and record the version.

    Raises
    ------
    ServerError
        When MySQL refuses a statement.
    """
    with mysql.connect(DATABASE) as connection:
        cursor = connection.cursor()
        if recorded(cursor) == STOCK_VERSION:  # 2.x to 2.x
            return
        for path in scripts:
            for statement in _statements(path):
                _run(cursor, statement)
        _record(cursor, version)
