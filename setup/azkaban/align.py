"""Convert tables, with their rows, to the definitions of another version.

Azkaban's own ``upgrade.X.to.Y.sql`` cannot be relied on: those of 4.0.0 leave out a column and
six tables that it has, add another column twice, name a release before the one that they are
for, or contain a placeholder for the database's name. So both states are read from MySQL itself,
the tables as they are and as the new version makes them in an empty database, and compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from setup.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Table", "changes", "difference", "read"]

_LINE = re.compile(r"  (?:(?P<kind>[A-Z ]*[A-Z]) )?(?:`(?P<name>[^`]+)` ?)?(?P<rest>.*?),?")
_PRIMARY = "PRIMARY KEY"


@dataclass(frozen=True)
class Table:
    """A table as ``SHOW CREATE TABLE`` writes it.

    Attributes
    ----------
    text
        The whole statement.
    columns
        The definition of each, by name, in their order.
    keys
        Kind (``PRIMARY KEY``, ``KEY``, ``UNIQUE KEY``, ``CONSTRAINT``) and definition, by name.
    """

    text: str
    columns: dict[str, str]
    keys: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, text: str) -> Table:
        r"""Read what ``SHOW CREATE TABLE`` says.

        Examples
        --------
        >>> table = Table.of(
        ...     "CREATE TABLE `t` (\n  `id` int(11) NOT NULL,\n  `a` text,\n"
        ...     "  PRIMARY KEY (`id`),\n  KEY `by_a` (`a`(9))\n) ENGINE=InnoDB"
        ... )
        >>> table.columns["id"], table.keys["by_a"]
        ('`id` int(11) NOT NULL', ('KEY', 'KEY `by_a` (`a`(9))'))
        """
        columns, keys = {}, {}
        for line in text.splitlines()[1:-1]:
            found = _LINE.fullmatch(line)
            if found is None:
                raise ServerError(f"MySQL describes a table by an unknown kind of line: {line}")
            definition = line.strip().removesuffix(",")
            if kind := found["kind"]:
                keys[found["name"] or _PRIMARY] = (kind, definition)
            else:
                columns[found["name"]] = definition
        return cls(text, columns, keys)


def read(cursor: Any, database: str) -> dict[str, Table]:
    """Read the tables of a database, by name."""
    cursor.execute(f"SHOW TABLES FROM `{database}`")
    tables = {}
    for (name,) in cursor.fetchall():
        cursor.execute(f"SHOW CREATE TABLE `{database}`.`{name}`")
        tables[name] = Table.of(cursor.fetchall()[0][1])
    return tables


def difference(present: dict[str, Table], wanted: dict[str, Table]) -> Iterator[str]:
    """Yield the statements that convert tables to other definitions.

    What the new version no longer has stays: a table, a column, a key that rejects no row.

    Parameters
    ----------
    present, wanted
        What `read` found, on one server.

    Raises
    ------
    ServerError
        When a column that the new version lacks must have a value, which it would never get.
    """
    for name, table in wanted.items():
        if name not in present:
            yield table.text
        elif parts := list(changes(name, present[name], table)):
            yield f"ALTER TABLE `{name}` {', '.join(parts)}"


def changes(name: str, present: Table, wanted: Table) -> Iterator[str]:
    """Yield the parts of one ``ALTER TABLE``."""
    for key, (kind, text) in present.keys.items():
        own = kind == "KEY" and key not in wanted.keys  # perhaps the user's; it rejects no row
        if not own and wanted.keys.get(key) != (kind, text):
            yield _drop(key, kind)
    yield from _columns(name, present, wanted)
    for key, found in wanted.keys.items():
        if present.keys.get(key) != found:
            yield f"ADD {found[1]}"


def _columns(name: str, present: Table, wanted: Table) -> Iterator[str]:
    for column, text in wanted.columns.items():
        if column not in present.columns:
            yield f"ADD COLUMN {text}"
        elif present.columns[column] != text:
            yield f"MODIFY COLUMN {text}"
    for column in present.columns.keys() - wanted.columns.keys():
        text = present.columns[column]
        if "NOT NULL" in text and not re.search(" DEFAULT | AUTO_INCREMENT", text):
            raise ServerError(
                f"table {name}: the new version has no column {column}, which must have a value"
            )


def _drop(key: str, kind: str) -> str:
    if kind == _PRIMARY:
        return f"DROP {_PRIMARY}"
    return f"DROP FOREIGN KEY `{key}`" if kind == "CONSTRAINT" else f"DROP INDEX `{key}`"
