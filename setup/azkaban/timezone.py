"""Find the name of the time zone of schedules and logs: this machine's, or the one asked for.

Azkaban does not start with a name that its own list (Joda-Time's) lacks, so names are checked
before they are saved: at once against the zones that this Python knows, and against that list as
soon as it is there.
"""

from __future__ import annotations

import difflib
import os
import struct
import zipfile
import zoneinfo
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["known_to", "of_machine", "require", "resolve"]

# Of zones that are the same, the name that most people would look for.
_COMMON = (
    *("UTC", "Europe/London", "Europe/Berlin", "Europe/Athens", "Europe/Istanbul", "Europe/Moscow"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("America/Sao_Paulo", "Africa/Johannesburg", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo"),
    *("Asia/Singapore", "Australia/Sydney"),
)
_NO_ZONES = {"Factory", "localtime"}  # files beside the zones


def resolve(text: str) -> str:
    """Find the name of a time zone that was written in one of the ways of ``TZ``.

    Parameters
    ----------
    text
        Such as ``Europe/Berlin``, ``:Europe/Berlin`` or ``/usr/share/zoneinfo/Europe/Berlin``.

    Raises
    ------
    ValueError
        When it is none, with names that may be meant.

    Examples
    --------
    >>> resolve(":America/New_York")
    'America/New_York'
    """
    name = _inside(text.removeprefix(":"))
    if name.startswith("/") and Path(name).is_file():
        name = _named_by(Path(name))
    known = zoneinfo.available_timezones() - _NO_ZONES
    if known and name not in known:
        meant = ", ".join(_meant(name, known))
        raise ValueError(
            f"{text!r}: no such time zone; expected a name such as "
            f"{meant or 'Europe/Berlin or UTC'}"
        )
    return name


def of_machine(environ: Mapping[str, str] = os.environ, etc: Path = Path("/etc")) -> str:
    """Name this machine's time zone: ``TZ``, else what ``/etc/localtime`` is.

    Raises
    ------
    UsageError
        When it has no name.
    """
    if text := environ.get("TZ"):
        try:
            return resolve(text)
        except ValueError as error:
            raise UsageError(f"TZ={error}, in TZ or with --timezone") from None
    file = etc / "localtime"
    if not file.is_file():
        return "UTC"
    name = _inside(str(file.resolve()))
    return _named_by(file) if name.startswith("/") else name


def require(name: str, jars: Iterable[Path]) -> None:
    """Refuse a time zone that Azkaban does not know.

    Parameters
    ----------
    name
        The zone.
    jars
        The server's.

    Raises
    ------
    UsageError
        With the way out.
    """
    known = known_to(jars)
    if known and name not in known:
        meant = ", ".join(_meant(name, known)) or "Europe/Berlin or UTC"
        raise UsageError(
            f"time zone {name!r}: this Azkaban does not know it; choose one of the same hours with "
            f"--timezone, such as {meant}"
        )


def known_to(jars: Iterable[Path]) -> frozenset[str]:
    """Read the zones that a server knows out of its Joda-Time; empty when it has none."""
    for jar in jars:
        if not jar.name.startswith("joda-time"):
            continue
        with zipfile.ZipFile(jar) as archive:
            stream = BytesIO(archive.read("org/joda/time/tz/data/ZoneInfoMap"))
        texts = [stream.read(_short(stream)).decode() for _ in range(_short(stream))]
        pairs = [(_short(stream), _short(stream)) for _ in range(_short(stream))]
        return frozenset(texts[name] for name, _ in pairs)
    return frozenset()


def _short(stream: BytesIO) -> int:
    number: int = struct.unpack(">H", stream.read(2))[0]
    return number


def _inside(path: str) -> str:
    """Cut the folder of zones from a path; other paths are returned unchanged."""
    name = path.rpartition("/zoneinfo/")[2]
    return name.removeprefix("posix/").removeprefix("right/")


def _named_by(file: Path) -> str:
    """Find the zone of which a file is a copy, maybe an older one.

    Raises
    ------
    UsageError
        When no zone is like it.
    """
    try:
        with file.open("rb") as stream:
            zone = zoneinfo.ZoneInfo.from_file(stream)
    except (OSError, ValueError):
        zone = None
    alike = [name for name, other in _zones() if zone and _same(zone, other)]
    if not alike:
        raise UsageError(
            f"{file} is not a copy of a time zone known here: name yours with --timezone "
            "or in TZ, such as Europe/Berlin"
        )
    content = file.read_bytes()
    return min(alike, key=lambda name: (not _is_copy(name, content), name not in _COMMON, name))


def _is_copy(name: str, content: bytes) -> bool:
    paths = [Path(folder, name) for folder in zoneinfo.TZPATH]
    return any(path.is_file() and path.read_bytes() == content for path in paths)


def _same(one: zoneinfo.ZoneInfo, other: zoneinfo.ZoneInfo) -> bool:
    """Tell whether two zones have the same hours, by the same abbreviations, for two years."""
    start = datetime.now(UTC).replace(tzinfo=None)
    moments = (start + timedelta(weeks=week) for week in range(105))
    return all(
        one.utcoffset(at) == other.utcoffset(at) and one.tzname(at) == other.tzname(at)
        for at in moments
    )


def _zones() -> Iterator[tuple[str, zoneinfo.ZoneInfo]]:
    for name in sorted(zoneinfo.available_timezones() - _NO_ZONES):
        yield name, zoneinfo.ZoneInfo(name)


def _meant(text: str, known: Iterable[str]) -> list[str]:
    """List up to five names that may be meant: of that abbreviation, or written like it."""
    known = set(known)
    year = datetime.now(UTC).year
    half_years = [datetime(year, month, 1) for month in (1, 7)]  # noqa: DTZ001 (the zone's own)
    common = [name for name in _COMMON if name in known and text]
    found = [
        name
        for name in common
        if text.upper() in {zoneinfo.ZoneInfo(name).tzname(at) for at in half_years}
    ]
    lower = {name.lower(): name for name in sorted(known)}
    lower |= {name.lower().rpartition("/")[2]: name for name in sorted(known)}
    close = difflib.get_close_matches(text.lower(), lower, n=3, cutoff=0.75)
    return list(dict.fromkeys([*found, *(lower[name] for name in close)]))[:5]
