"""Adopt another Azkaban's database from a plain mysqldump, whole or not at all."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

from setup.azkaban import align, program, schema
from setup.called import called
from setup.errors import ServerError, UsageError
from setup.messages import step
from setup.mysql import Server as MySQL
from setup.mysql import driver, prompt, restore
from setup.mysql.config import CHARACTERS, DATABASE
from setup.mysql.connections import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from setup.azkaban.server import Server

__all__ = ["adopt"]

_NEEDED = ("projects", "project_versions", "project_files", "project_flows", "execution_flows")
_LATER = "executors"  # a table that 3.0 brought
_COMMENTS = re.compile(r"^(?:\s+|--(?=\s)[^\n]*\n|#[^\n]*\n|/\*(?!!).*?\*/)+", re.DOTALL)
_USE = re.compile(r"USE\s+`?([^`;]+)`?", re.IGNORECASE)
# What a dump says of the server that it comes from.
_ELSEWHERE = re.compile(
    r"(?:CREATE DATABASE|DROP DATABASE|SET @@GLOBAL\.|SET @@SESSION\.SQL_LOG_BIN|"
    r"SET @MYSQLDUMP_TEMP_LOG_BIN|/\*!\d+ DROP DATABASE)",
    re.IGNORECASE,
)
_COLLATION_OF_8 = "utf8mb4_0900_ai_ci"
_END = "-- Dump completed"
_GZIP = b"\x1f\x8b"


def adopt(server: Server, path: Path, database: str = "", *, replace: bool = False) -> None:
    """Put the database of another Azkaban in place of the one that a server has.

    Parameters
    ----------
    server
        On MySQL, of the version that the dump is of; it must not run.
    path
        What ``mysqldump`` wrote, plain or compressed by gzip.
    database
        Which of several databases in the file; empty where there is one.
    replace
        Whether rows that are already here may be deleted.

    Raises
    ------
    UsageError
        When the file is no complete dump of an Azkaban of this version; nothing is changed.
    ServerError
        When MySQL refuses a statement; nothing is changed.
    """
    if not server.installed or server.settings.database != "mysql":
        raise UsageError(
            f"there is no Azkaban on MySQL here: run {called()} azkaban install --mysql first, "
            "with --distribution where it is 3.x or 4.x"
        )
    if server.running():
        raise UsageError(f"the server runs: run {called()} azkaban stop first")
    with step("reading the dump"):
        database = _checked(path, database)
    mysql = MySQL(server.layout)
    mysql.ensure()
    with step("adopting the database") as shown:
        found: list[str] = []

        def load(cursor: Any, update: Callable[[str], None]) -> None:
            _load(server, cursor, path, database, update)
            _fit(server, cursor, path)
            for table, name in (("projects", "projects"), ("execution_flows", "executions")):
                count = rows(cursor, f"SELECT COUNT(*) FROM `{table}`")[0][0]
                found.append(f"{count} {name}")

        restore.exchanged(mysql, load, shown.update, replace=replace)
        shown.done(", ".join(found))


def _lines(path: Path) -> Iterator[str]:
    """Read a dump, plain or compressed; bytes that are not UTF-8 (projects' files) are kept."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
        opener = gzip.open if packed else open
        with opener(path, "rt", encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            yield from lines
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _statements(path: Path) -> Iterator[tuple[int, str]]:
    """Read the statements, without the comments before them, and the lines on which they end."""
    found = prompt.Statements()
    number = 0
    for number, line in enumerate(_lines(path), 1):
        for statement in found.feed(line):
            yield number, _COMMENTS.sub("", statement.text, count=1)
    if last := found.rest():
        yield number, _COMMENTS.sub("", last.text, count=1)


def _checked(path: Path, database: str) -> str:
    """Check that a file is a complete dump, and return which of its databases is meant."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    names, tables, last = [], 0, ""
    for _, text in _statements(path):
        last = text
        if found := _USE.fullmatch(text):
            names.append(found[1])
        tables += text.upper().startswith("CREATE TABLE")
    if not tables:
        raise UsageError(f"{path}: it creates no table, so it is no dump of mysqldump")
    lines = deque(filter(str.strip, _lines(path)), maxlen=1)
    if not lines or not lines[0].startswith(_END):
        raise UsageError(
            f"{path}: its last line is not {_END!r}, so it is cut off after {last[:40]!r}; make it "
            "again, with its comments"
        )
    if database and database not in names:
        raise UsageError(f"{path}: there is no database {database} in it: {', '.join(names)}")
    if len(set(names)) > 1 and not database:
        raise UsageError(
            f"{path} holds the databases {', '.join(names)}: name Azkaban's with --database"
        )
    return database


def _load(
    server: Server, cursor: Any, path: Path, database: str, update: Callable[[str], None]
) -> None:
    """Run the statements of one database of a dump."""
    error = driver.load(server.layout).Error
    cursor.execute(f"DROP DATABASE `{DATABASE}`")
    cursor.execute(f"CREATE DATABASE `{DATABASE}` {CHARACTERS}")
    cursor.execute(f"USE `{DATABASE}`")
    wanted = True
    for number, text in _statements(path):
        if found := _USE.fullmatch(text):
            wanted = not database or found[1] == database
            continue
        if not wanted or _ELSEWHERE.match(text):
            continue
        update(f"line {number}")
        ours = text
        if text.upper().startswith("CREATE TABLE"):
            ours = text.replace(_COLLATION_OF_8, "utf8mb4_unicode_520_ci")
        try:
            cursor.execute(ours.encode("utf-8", "surrogateescape"))
            if cursor.with_rows:
                cursor.fetchall()
        except error as failure:
            raise ServerError(
                f"{path}, line {number} ({text[:60]}...): {failure}; nothing was changed"
            ) from failure


def _fit(server: Server, cursor: Any, path: Path) -> None:
    """Convert the tables to the program's definitions; refuse those of another series."""
    present = align.read(cursor, DATABASE)
    missing = [name for name in _NEEDED if name not in present]
    if missing:
        raise UsageError(f"{path} is not of an Azkaban: it has no table {', '.join(missing)}")
    own = server.program
    if (_LATER in present) is not own.several_executors:
        of = "3.0 or later" if _LATER in present else "2.x"
        with_files = " --distribution FILE" if _LATER in present else ""
        raise UsageError(
            f"{path} is of an Azkaban {of}, and {own.version} is installed here: install that one "
            f"in another prefix, with {called()} azkaban install --mysql{with_files} --prefix DIR, "
            "and adopt it there"
        )
    for name in present:
        cursor.execute(f"ALTER TABLE `{name}` ENGINE=InnoDB")
    schema.align_to(cursor, program.folder(server.layout) / "sql", own.version)
