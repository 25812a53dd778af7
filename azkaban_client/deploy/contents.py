"""What is in a project's zip, by hashes; and what was in the one that was sent before.

The server keeps the name of each file that was uploaded, so the hash of the contents goes into that
name: whoever deploys from wherever sees whether anything has changed. Which files these were is
remembered by who sent them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from azkaban_client import _home
from azkaban_client.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from azkaban_client.flow.zip import Bundle

__all__ = ["Changes", "Sent", "changes", "digest_in", "files_of", "recall", "remember"]


@dataclass(frozen=True)
class Sent:
    """What was deployed last from this account.

    Attributes
    ----------
    files
        Hash of each file.
    """

    files: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """One hash of all names and hashes.

        Examples
        --------
        >>> Sent({"a.job": "12"}).digest
        '00873fe9131f2fad'
        """
        text = json.dumps(sorted(self.files.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Changes:
    """What differs from what the server has.

    Attributes
    ----------
    added, changed, removed
        Names of files.
    known
        Whether the files that the server has are known; otherwise only that they differ.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    known: bool = True


def files_of(bundle: Bundle) -> dict[str, str]:
    """Return the hash of each file, with whether it is executable."""
    found = {}
    for name in bundle.names:
        digest = hashlib.sha256(b"x" if bundle.is_executable(name) else b"-")
        for piece in bundle.pieces(name):
            digest.update(piece)
        found[name] = digest.hexdigest()[:32]
    return found


def changes(old: Sent | None, digest: str | None, new: Sent) -> Changes:
    """Compare the files with what the server has.

    Parameters
    ----------
    old
        What was sent last from here.
    digest
        Digest of what the server has, where that is known.
    new
        What would be sent.
    """
    if digest == new.digest:
        return Changes()
    if old is None or digest != old.digest:
        return Changes(added=tuple(new.files), known=False)
    return Changes(
        added=tuple(name for name in new.files if name not in old.files),
        changed=tuple(n for n, hashed in new.files.items() if old.files.get(n, hashed) != hashed),
        removed=tuple(name for name in old.files if name not in new.files),
    )


def digest_in(message: str | None) -> str | None:
    """Read the hash of the contents in what a project's log says of an upload.

    Examples
    --------
    >>> digest_in("Uploaded project files zip sales-00873fe9131f2fad.zip")
    '00873fe9131f2fad'
    """
    found = re.search(r"-([0-9a-f]{16})\.zip$", message or "")
    return found and found[1]


def _file(url: str, project: str) -> Path:
    name = hashlib.sha256(f"{url}\0{project}".encode()).hexdigest()[:24]
    return _home.state("deployed") / f"{name}.json"


def recall(url: str, project: str) -> Sent | None:
    """Return what was deployed last from this account, or None; a damaged file counts as none."""
    try:
        saved = json.loads(_file(url, project).read_text(encoding="utf-8"))
        return Sent(dict(saved["files"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def remember(url: str, project: str, sent: Sent) -> None:
    """Keep what was deployed."""
    target = _file(url, project)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(target, json.dumps(asdict(sent)))
