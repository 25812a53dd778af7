"""Java options that tell the agent the names of the server, and the user's own limits."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from setup.azkaban.accept import own_properties

if TYPE_CHECKING:
    from setup.azkaban.settings import Settings
    from setup.layout import Layout

__all__ = ["options"]

# What conf/local.properties may hold for the agent: see docs/reference/security.md
_KEYS = tuple(f"portguard.{name}" for name in ("names", "origins", "upload", "unpacked", "entries"))


def options(layout: Layout, settings: Settings) -> tuple[str, ...]:
    """Return the options of Java that set the names and limits."""
    own = own_properties(layout.azkaban / "conf" / "local.properties")
    values = {key: own[key] for key in _KEYS if own.get(key)}
    names = [settings.host, *_canonical(settings.host), values.get("portguard.names", "")]
    values["portguard.names"] = ",".join(filter(None, names))
    return tuple(f"-D{key}={value.strip()}" for key, value in values.items())


def _canonical(host: str) -> list[str]:
    """Return the whole name of a host, where its resolver knows one."""
    try:
        return [socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)[0][3]]
    except OSError:
        return []
