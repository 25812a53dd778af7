r"""A small SQL prompt, for machines without MySQL's own client.

    python prompt.py OPTION_FILE [DATABASE]             statements from standard input
    python prompt.py OPTION_FILE [DATABASE] -e SQL      these; columns separated by tabs

It reads what the `mysql` client reads: user, password, socket of an option file; statements that
end with ``;``, ``\g``, ``\G`` or what DELIMITER says; USE, exit and quit on a line of their own.
Without a terminal it stops at the first statement that fails, as that client does.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from configparser import RawConfigParser
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Statement", "Statements", "main", "split", "table"]

# What ends each thing inside which a delimiter is only text; a quote in `'` and `"` can be escaped.
_ENDS = {
    "'": re.compile(r"[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL),
    '"': re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL),
    "`": re.compile(r"[^`]*`"),
    "/*": re.compile(r".*?\*/", re.DOTALL),
}
_COMMAND = re.compile(
    r"\s*(?:(use|\\u)\s+(?:`[^`]*`|[^\s;`]+)|(delimiter|\\d)\b.*|exit|quit|\\q)\s*;?\s*",
    re.IGNORECASE,
)


class Statement(NamedTuple):
    r"""One statement, and whether its rows are shown one column a line (``\G``)."""

    text: str
    vertical: bool = False


class Statements:
    r"""Split lines into statements as the `mysql` client does.

    Examples
    --------
    >>> found = Statements()
    >>> [statement.text for statement in found.feed("SELECT ';'; SELECT 2 -- ;\n")]
    ["SELECT ';'"]
    >>> found.rest().text
    'SELECT 2 -- ;'
    """

    def __init__(self) -> None:
        self.ended = False
        self._delimiter = ";"
        self._parts: list[str] = []  # of the statement: one of a dump may have a million
        self._inside = ""  # the key of `_ENDS` that is open
        self._words = False  # something that is no comment

    @property
    def pending(self) -> bool:
        """Tell whether a statement has begun."""
        return self._words or bool(self._inside)

    def feed(self, line: str) -> Iterator[Statement]:
        """Take one more line, including its end, and return the statements that end in it.

        Raises
        ------
        ValueError
            For DELIMITER without a delimiter.
        """
        if not self.pending and (command := _COMMAND.fullmatch(line)):
            yield from self._command(line.strip(), command)
            return
        place = 0
        while place < len(line):
            if self._inside:
                place = self._close(line, place)
                continue
            found = self._next().search(line, place)
            if found is None:
                self._add(line[place:], words=True)
                return
            self._add(line[place : found.start()], words=True)
            place = found.end()
            if found[0] in (self._delimiter, "\\g", "\\G"):
                if statement := self._take(vertical=found[0] == "\\G"):
                    yield statement
            elif found[0] in _ENDS:
                self._inside = found[0]
                said = line[place : place + 1] in ("!", "+")  # a comment that the server reads
                self._words |= found[0] != "/*" or said
                self._add(found[0])
            else:  # a comment to the end of the line
                self._add(found[0])

    def rest(self) -> Statement | None:
        """Return what follows the last delimiter."""
        return self._take()

    def _next(self) -> re.Pattern[str]:
        """Find what matters outside of strings and comments, whichever comes first."""
        delimiter = re.escape(self._delimiter)
        return re.compile(rf"{delimiter}|\\g|\\G|['\"`]|/\*|\#[^\n]*|--(?=\s|$)[^\n]*")

    def _close(self, line: str, place: int) -> int:
        found = _ENDS[self._inside].match(line, place)
        end = found.end() if found else len(line)
        self._add(line[place:end])
        if found:
            self._inside = ""
        return end

    def _add(self, text: str, *, words: bool = False) -> None:
        self._parts.append(text)
        self._words |= words and bool(text.strip())

    def _take(self, *, vertical: bool = False) -> Statement | None:
        text, words = "".join(self._parts).strip(), self._words
        self._parts, self._words = [], False
        return Statement(text, vertical) if words else None

    def _command(self, line: str, command: re.Match[str]) -> Iterator[Statement]:
        if command[1]:
            yield Statement("USE " + line[len(command[1]) :].strip().rstrip(";").strip())
        elif command[2]:
            words = line.split()
            if len(words) < 2:
                raise ValueError("DELIMITER needs a delimiter behind it, such as //")
            self._delimiter = words[1]
        else:
            self.ended = True


def split(lines: Iterable[str]) -> Iterator[Statement]:
    r"""Split lines into statements; the last one needs no delimiter."""
    found = Statements()
    for line in lines:
        yield from found.feed(line)
        if found.ended:
            return
    if last := found.rest():
        yield last


def main(arguments: Sequence[str]) -> int:
    """Run the prompt; exit code 0, or 1 when the server cannot be reached or refuses."""
    options = _parser().parse_args(arguments)
    import mysql.connector

    given = options.statement is not None
    text = "\n".join(options.statement or ())
    statements = split(text.splitlines(keepends=True)) if given else _typed()
    try:
        with _connected(options.file, options.database) as connection:
            cursor = connection.cursor()
            return _run(cursor, statements, go_on=not given and sys.stdin.isatty())
    except mysql.connector.Error as error:
        print(f"cannot connect: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 0
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="use", allow_abbrev=False)
    parser.add_argument("file", help=argparse.SUPPRESS)
    parser.add_argument("database", nargs="?", metavar="DATABASE", help="which to use")
    parser.add_argument(
        "-e", "--execute", dest="statement", action="append", metavar="SQL", help="run this"
    )
    return parser


def _connected(file: str, database: str | None) -> Any:
    import mysql.connector

    parser = RawConfigParser()
    parser.read(file, encoding="utf-8")
    options = {key: value.strip('"') for key, value in parser["client"].items()}
    return mysql.connector.connect(
        user=options["user"],
        password=options["password"],
        unix_socket=options["socket"],
        database=database,
        charset="utf8mb4",
        collation="utf8mb4_bin",
        use_pure=True,
        autocommit=True,
        connection_timeout=10,
    )


def _run(cursor: Any, statements: Iterable[Statement], *, go_on: bool) -> int:
    import mysql.connector

    code = 0
    try:
        for statement in statements:
            try:
                cursor.execute(statement.text)
                _show(cursor, vertical=statement.vertical)
                while cursor.nextset():  # of a procedure
                    _show(cursor, vertical=statement.vertical)
            except mysql.connector.Error as error:
                print(f"error: {error}", file=sys.stderr)
                code = 1
                if not go_on:
                    break
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    return code


def _typed() -> Iterator[Statement]:
    """Read statements from standard input, with a prompt on a terminal."""
    if not sys.stdin.isatty():
        yield from split(sys.stdin)
        return
    with suppress(ImportError):
        import readline  # noqa: F401 (gives input() its line editing)
    found = Statements()
    while not found.ended:
        try:
            line = input("    -> " if found.pending else "mysql> ")
        except EOFError:
            break
        try:
            yield from found.feed(line + "\n")
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
    if last := found.rest():
        yield last


def _show(cursor: Any, *, vertical: bool) -> None:
    if not cursor.with_rows:
        print(f"{cursor.rowcount} rows affected", file=sys.stderr)
        return
    header = [column[0] for column in cursor.description]
    found = cursor.fetchall()
    if not vertical:
        print(table(header, found, aligned=sys.stdout.isatty()))
        return
    for number, row in enumerate(found, 1):
        print(f"*** {number} ***")
        for name, value in zip(header, row, strict=True):
            print(f"{name}: {_text(value)}")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, aligned: bool) -> str:
    """Lay out rows: in columns for people, with tabs for programs.

    Examples
    --------
    >>> print(table(["id", "name"], [(1, "a"), (20, None)], aligned=True))
    id  name
    1   a
    20  NULL
    """
    cells = [[str(name) for name in header], *([_text(v) for v in row] for row in rows)]
    if not aligned:
        return "\n".join("\t".join(row) for row in cells)
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _text(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes | bytearray):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return "0x" + bytes(value).hex()
    return str(value).replace("\t", "\\t").replace("\n", "\\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
