"""Load MySQL's Python driver, a layer of the environment that is installed only with MySQL."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from setup.python import layers

if TYPE_CHECKING:
    from setup.layout import Layout

__all__ = ["load"]


def load(layout: Layout) -> Any:
    """Import ``mysql.connector``, and install it first if it is missing.

    Raises
    ------
    DownloadError
        When it cannot be downloaded.
    """
    if importlib.util.find_spec("mysql") is None:
        layers.ensure(layout, "mysql")
    import mysql.connector

    return mysql.connector
