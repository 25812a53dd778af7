"""Sessions between calls of ``azk``: one file for each server, readable by the user alone."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from azkaban_client import _home
from azkaban_client.config import written_by_others
from azkaban_client.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Saved", "forget", "recall", "remember"]

log = logging.getLogger("azkaban_client")
_ID = re.compile(r"[!-~]+")  # what a header can hold


@dataclass(frozen=True)
class Saved:
    """A session as it is kept.

    Attributes
    ----------
    address
        The IP address that the session was made with: up to 3.32 it is tied to the connection.
    """

    url: str
    username: str | None
    session_id: str
    address: str | None


def _file(url: str) -> Path:
    return _home.state("sessions") / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.json"


def recall(url: str) -> Saved | None:
    """Return the session kept for a server, or None; a damaged file counts as none.

    So does one that another account could have written: it says where a login goes.
    """
    path = _file(url)
    if path.is_file() and (reason := written_by_others(path)):
        log.warning("the session in %s is not used: %s", path, reason)
        return None
    try:
        saved = Saved(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    whole = isinstance(saved.session_id, str) and _ID.fullmatch(saved.session_id)
    return saved if whole and saved.url == url else None


def remember(saved: Saved) -> None:
    """Keep a session; two processes may do so at once, each file is whole."""
    target = _file(saved.url)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(target, json.dumps(asdict(saved)))


def forget(url: str) -> bool:
    """Drop the session kept for a server; tell whether there was one."""
    try:
        _file(url).unlink()
    except FileNotFoundError:
        return False
    return True
