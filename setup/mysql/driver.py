"""The Python driver of MySQL, a layer of the environment that only those who use MySQL get."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from setup.python import layers

if TYPE_CHECKING:
    from setup.layout import Layout

__all__ = ["load"]


def load(layout: Layout) -> Any:
    """Import ``mysql.connector``, installed first where it is missing.

    Raises
    ------
    DownloadError
        When it cannot be had.
    """
    if importlib.util.find_spec("mysql") is None:
        layers.ensure(layout, "mysql")
    import mysql.connector

    return mysql.connector
