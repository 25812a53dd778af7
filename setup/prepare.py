"""What each start of set-up does first, whatever began it."""

import os

from azkaban_client.descriptors import open_closed

__all__ = ["prepare"]


def prepare() -> None:
    """Open the standard descriptors that are closed; let us alone change what is made."""
    open_closed()
    os.umask((os.umask(0o077) | 0o022) & 0o077)
