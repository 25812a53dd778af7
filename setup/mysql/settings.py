"""What was chosen when a server was made, and how Azkaban reaches it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from azkaban_client.files import write_private
from setup.mysql.program import Build

__all__ = ["Connection", "Settings"]


@dataclass(frozen=True)
class Connection:
    """How Azkaban reaches its database.

    Attributes
    ----------
    host, port
        An address of this machine's loopback, and the TCP port.
    database, user
        Their names.
    password_file
        0600; its only line is the password.
    """

    host: str
    port: int
    database: str
    user: str
    password_file: Path


@dataclass(frozen=True)
class Settings:
    """What was chosen at init, kept in ``settings.json``."""

    port: int
    program: Build

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read what `write` wrote; OSError, ValueError, TypeError or KeyError if it cannot be."""
        saved = json.loads(path.read_text(encoding="utf-8"))
        paths = {key: Path(saved["program"][key]) for key in ("mysqld", "messages", "libraries")}
        return cls(saved["port"], Build(**{**saved["program"], **paths}))

    def write(self, path: Path) -> None:
        """Keep the settings for the next start."""
        write_private(path, json.dumps(asdict(self), indent=2, default=str) + "\n")
