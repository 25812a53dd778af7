"""A small SQL prompt; a copy of this file serves the script `use` beside a server.

    python prompt.py OPTION_FILE            statements from the terminal, each ended by ';'
    python prompt.py OPTION_FILE -e SQL     one statement; columns separated by tabs

It reads what the `mysql` client reads: user, password, socket of an option file.
"""

from __future__ import annotations

import sys
from configparser import RawConfigParser
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["main", "table"]


def main(arguments: Sequence[str]) -> int:
    """Run the prompt; exit code 0, or 1 when the server cannot be reached or refuses."""
    import mysql.connector  # noqa: PLC0415 (in the environment only)

    parser = RawConfigParser()
    parser.read(arguments[0], encoding="utf-8")
    options = {key: value.strip('"') for key, value in parser["client"].items()}
    try:
        connection = mysql.connector.connect(
            user=options["user"],
            password=options["password"],
            unix_socket=options["socket"],
            charset="utf8mb4",
            collation="utf8mb4_bin",
            use_pure=True,
            autocommit=True,
            connection_timeout=10,
        )
    except mysql.connector.Error as error:
        print(f"cannot connect: {error}", file=sys.stderr)
        return 1
    cursor = connection.cursor()
    code = 0
    try:
        statements = [arguments[2]] if arguments[1:2] == ["-e"] else _typed()
        for statement in statements:
            try:
                cursor.execute(statement)
                _show(cursor)
            except mysql.connector.Error as error:
                print(f"error: {error}", file=sys.stderr)
                code = 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
    with suppress(mysql.connector.Error):
        connection.close()
    return code


def _typed() -> Iterable[str]:
    """Read statements from standard input, with a prompt on a terminal."""
    terminal = sys.stdin.isatty()
    if terminal:
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415 (gives input() its line editing)
    lines: list[str] = []
    while True:
        try:
            line = input("    -> " if lines else "mysql> ") if terminal else input()
        except EOFError:
            break
        if not lines and line.strip().lower().rstrip(";") in ("exit", "quit"):
            return
        if lines or line.strip():
            lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _show(cursor: Any) -> None:
    if not cursor.with_rows:
        print(f"{cursor.rowcount} rows affected", file=sys.stderr)
        return
    header = [column[0] for column in cursor.description]
    print(table(header, cursor.fetchall(), aligned=sys.stdout.isatty()))


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
