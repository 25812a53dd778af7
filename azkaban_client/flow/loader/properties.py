"""Property files with their line numbers, as Java reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import javaproperties

__all__ = ["REFERENCE", "Entry", "PropertyFile", "references", "values"]

REFERENCE = re.compile(r"\$\{([a-zA-Z_.0-9]+)\}")  # azkaban.utils.PropsUtils
_MARKS = (
    (b"\xef\xbb\xbf", "UTF-8"),
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_ANY_REFERENCE = re.compile(r"\$\{([^}]*)\}")


class Entry(NamedTuple):
    """A value and where it stands."""

    value: str
    line: int


@dataclass(frozen=True)
class PropertyFile:
    """A ``.job`` or ``.properties`` file."""

    name: str
    entries: dict[str, Entry] = field(default_factory=dict)
    repeated: tuple[tuple[str, int], ...] = ()
    foreign: tuple[int, ...] = ()
    mark: str | None = None  # the encoding that its first bytes name

    @classmethod
    def parse(cls, name: str, data: bytes) -> PropertyFile:
        r"""Read a file as Java does: Latin-1, with ``\uXXXX`` for the rest.

        Raises
        ------
        ValueError
            A ``\u`` without four hexadecimal digits, or bytes that are not such a text.
        """
        mark = next((name for sign, name in _MARKS if data.startswith(sign)), None)
        if mark != "UTF-8" and b"\0" in data:
            kind = f"{mark} text" if mark else "not text: it holds zero bytes"
            raise ValueError(f"it is {kind}: save it as UTF-8 without a byte-order mark")
        entries: dict[str, Entry] = {}
        repeated: list[tuple[str, int]] = []
        foreign: list[int] = []
        line = 1
        for element in javaproperties.parse(data.decode("iso-8859-1")):
            if isinstance(element, javaproperties.KeyValue):
                if element.key in entries:
                    repeated.append((element.key, line))
                entries[element.key] = Entry(element.value, line)
                rows = element.source.encode("iso-8859-1").splitlines()
                if mark and line == 1:
                    rows[0] = rows[0].removeprefix(_MARKS[0][0])
                # Comments may be in any language: only people read them.
                foreign += [line + n for n, text in enumerate(rows) if not text.isascii()]
            line += len(re.findall(r"\r\n|\r|\n", element.source))
        return cls(name, entries, tuple(repeated), tuple(foreign), mark)

    def get(self, key: str) -> str | None:
        """Return a value, or None."""
        entry = self.entries.get(key)
        return None if entry is None else entry.value


def references(value: str) -> list[str]:
    """List the names in all ``${name}``, including those that Azkaban leaves as they are."""
    return _ANY_REFERENCE.findall(value)


def values(file: PropertyFile) -> dict[str, str]:
    """Return the values of a file without their lines."""
    return {key: entry.value for key, entry in file.entries.items()}
