"""A small file system of one's own, mounted without root, in a user namespace that ends with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.setup.corporate import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["mounted"]


def mounted(folder: Path, options: str) -> tuple[str, ...]:
    """Begin a command line that runs with a file system of its own mounted on `folder`."""
    script = f'mount -t tmpfs -o mode=0700,{options} t "$0" && exec "$@"'
    return (*NAMESPACE, "sh", "-c", script, str(folder))
