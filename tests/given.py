"""What whoever calls the tests may name."""

from __future__ import annotations

import os


def archives(variable: str = "AZK_DISTRIBUTION") -> list[str]:
    """Return the archives of an Azkaban 3.x or 4.x; without any, tests run the stock 2.5.0."""
    return [path for path in os.environ.get(variable, "").split(":") if path]
