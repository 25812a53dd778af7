"""Property files with their line numbers, as Java reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import javaproperties

__all__ = ["REFERENCE", "Entry", "PropertyFile", "references", "values"]

REFERENCE = re.compile(r"\$\{([a-zA-Z_.0-9]+)\}")  # azkaban.utils.PropsUtils
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

    @classmethod
    def parse(cls, name: str, data: bytes) -> PropertyFile:
        r"""Read a file as Java does: Latin-1, with ``\uXXXX`` for the rest.

        Raises
        ------
        ValueError
            A ``\u`` without four hexadecimal digits.
        """
        entries: dict[str, Entry] = {}
        repeated: list[tuple[str, int]] = []
        line = 1
        for element in javaproperties.parse(data.decode("iso-8859-1")):
            if isinstance(element, javaproperties.KeyValue):
                if element.key in entries:
                    repeated.append((element.key, line))
                entries[element.key] = Entry(element.value, line)
            line += len(re.findall(r"\r\n|\r|\n", element.source))
        lines = data.splitlines()
        foreign = tuple(number for number, text in enumerate(lines, 1) if not text.isascii())
        return cls(name, entries, tuple(repeated), foreign)

    def get(self, key: str) -> str | None:
        """Give a value, or None."""
        entry = self.entries.get(key)
        return None if entry is None else entry.value


def references(value: str) -> list[str]:
    """List the names in all ``${name}``, also those that Azkaban leaves as they are."""
    return _ANY_REFERENCE.findall(value)


def values(file: PropertyFile) -> dict[str, str]:
    """Give the values of a file without their lines."""
    return {key: entry.value for key, entry in file.entries.items()}
