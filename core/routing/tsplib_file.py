"""Split a TSPLIB file into keys and sections, and read the numbers of its lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.routing.reading import FormatError, number

__all__ = ["REMARKS", "File", "split"]

REMARKS = {"NAME", "COMMENT", "DISPLAY_DATA_TYPE"}
"""Keys that routes do not depend on."""

_HEADING = re.compile(r"([A-Z][A-Z0-9_]*_SECTION)\s*:?", re.ASCII)


@dataclass
class File:
    """What a file says: keys with their values, sections with their lines, each with its number."""

    source: str
    head: dict[str, tuple[int, str]] = field(default_factory=dict)
    body: dict[str, list[tuple[int, list[str]]]] = field(default_factory=dict)

    def wrong(self, line: int, what: str) -> FormatError:
        """Return the error for a line."""
        return FormatError(f"{self.source}, line {line}: {what}")

    def word(self, key: str) -> str:
        """Return a value that is a word, empty where the key is missing."""
        return self.head.get(key, (0, ""))[1]

    def amount(self, key: str) -> float | None:
        """Return a value that is a number >= 0."""
        if key not in self.head:
            return None
        line, text = self.head[key]
        return self.numbers([text], line, key)[0]

    def count(self, key: str) -> int | None:
        """Return a value that is an integer >= 1."""
        if key not in self.head:
            return None
        line, text = self.head[key]
        if not re.fullmatch(r"0*[1-9]\d{0,8}", text, re.ASCII):
            raise self.wrong(line, f"{key} = {text!r}: expected an integer >= 1")
        return int(text)

    def numbers(self, words: list[str], line: int, what: str, least: float = 0.0) -> list[float]:
        """Turn words into numbers that are not below `least`."""
        try:
            values = [number(word) for word in words]
        except ValueError:
            raise self.wrong(line, f"{' '.join(words)[:80]!r}: expected numbers") from None
        for value in values:
            if value < least:
                raise self.wrong(line, f"{what} = {value:g}: expected a number >= {least:g}")
        return values

    def by_node(self, section: str, ids: list[str]) -> list[float]:
        """Return the numbers of a section that has one for each node (or vehicle)."""
        return [row[0] for row in self.rows(section, ids, 1)]

    def rows(
        self, section: str, ids: list[str], width: int, least: float = 0.0
    ) -> list[list[float]]:
        """Return so many numbers of each node (or vehicle), in the order of `ids`."""
        known, found = set(ids), dict[str, list[float]]()
        for line, words in self.body[section]:
            if len(words) != 1 + width or words[0] not in known:
                amount = "a number" if width == 1 else f"{width} numbers"
                raise self.wrong(
                    line, f"{section}: {' '.join(words)!r}: expected a node and {amount}"
                )
            if words[0] in found:
                raise self.wrong(line, f"{section}: node {words[0]} is there twice")
            what = f"{section}: node {words[0]}"
            found[words[0]] = self.numbers(words[1:], line, what, least)
        if missing := [name for name in ids if name not in found]:
            raise FormatError(
                f"{self.source}: {section} has {len(found)} nodes: expected {len(ids)}; "
                f"node {missing[0]} is missing"
            )
        return [found[name] for name in ids]


def split(text: str, source: str) -> File:
    """Split a file into keys and sections."""
    file, section = File(source), None
    for line, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if stripped == "EOF":
            break
        if not stripped or stripped.startswith("#"):
            continue
        if found := _HEADING.fullmatch(stripped):
            if found.group(1) in file.body:
                raise file.wrong(line, f"a second {found.group(1)}")
            section = file.body.setdefault(found.group(1), [])
        elif section is not None and not stripped[0].isalpha():
            section.append((line, stripped.split()))
        else:
            key, colon, value = stripped.partition(":")
            key = key.strip()
            if not colon:
                raise file.wrong(line, f"{stripped[:80]!r}: expected KEY : VALUE or a section")
            if key in file.head and key not in REMARKS:
                raise file.wrong(line, f"a second {key}")
            file.head[key], section = (line, value.strip()), None
    return file
