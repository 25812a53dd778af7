"""What each start of set-up does first, whatever began it."""

import os

from azkaban_client.descriptors import open_closed

__all__ = ["prepare"]


def prepare() -> None:
    """Open standard descriptors that are closed, and keep new files from other accounts."""
    open_closed()
    os.umask((os.umask(0o077) | 0o022) & 0o077)
