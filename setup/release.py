"""Which release of this program a prefix was last set up by: kept in the prefix, and checked.

A release knows the prefixes of all earlier ones, and brings them to its own state. Of a later one
it knows nothing, and could take its settings or its database for damaged: it refuses them.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup.errors import SetupError
from setup.layout import CHECKOUT
from setup.life.mark import Mark

if TYPE_CHECKING:
    from setup.layout import Layout

__all__ = [
    "Release",
    "current",
    "made_by",
    "mixed",
    "record",
    "refuse_newer",
]

# Raised when an earlier release can no longer work with what a prefix holds.
FORMAT = 1


@dataclass(frozen=True)
class Release:
    """What set up a prefix.

    Attributes
    ----------
    version
        Version of this program, such as ``0.1.0``.
    format
        Format of what a prefix holds; 0 before this was recorded.
    checkout
        The folder from which it ran; empty where that is unknown.
    """

    version: str
    format: int
    checkout: str

    @property
    def order(self) -> tuple[int, ...]:
        """Key that compares releases; that of a later one is greater."""
        return (self.format, *(int(number) for number in re.findall(r"\d+", self.version)[:3]))


def current() -> Release:
    """Describe the running program."""
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    return Release(tomllib.loads(text)["project"]["version"], FORMAT, str(CHECKOUT))


def made_by(layout: Layout) -> Release:
    """Return the release that set up a prefix last; the first release recorded nothing.

    Raises
    ------
    SetupError
        When the record cannot be read.
    """
    try:
        text = layout.marker.read_text(encoding="utf-8")
        return Release(**json.loads(text)) if text.strip() else Release("0.1.0", 0, "")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):  # no record of ours
        return Release("0.0", 0, "")
    except (OSError, ValueError, TypeError) as error:
        raise SetupError(f"{layout.marker} cannot be read ({error})") from error


def refuse_newer(layout: Layout, ours: Release | None = None) -> None:
    """Refuse a prefix that a later release has set up.

    Parameters
    ----------
    layout
        The prefix.
    ours
        The release that may be earlier; the program that runs unless it is given.

    Raises
    ------
    SetupError
        With what to do.
    """
    made, ours = made_by(layout), ours or current()
    if made.order > ours.order:
        place = f" in {made.checkout}" if made.checkout else ""
        raise SetupError(
            f"{layout.prefix} was set up by release {made.version}{place}, which is later than "
            f"this one ({ours.version}, in {ours.checkout}) and whose settings it may not "
            "understand; nothing was changed. Go on with that one, or use another prefix "
            "(--prefix, AZK_HOME)"
        )


def record(layout: Layout) -> None:
    """Record that the running program has set up a prefix."""
    write_private(layout.marker, json.dumps(asdict(current())) + "\n")


def mixed(layout: Layout) -> Mark:
    """Return the mark of a prefix in which two releases are mixed."""
    return Mark(layout.prefix / "update.running", "an update", "update", "update --back")
