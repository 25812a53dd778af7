"""Wait for what must come true, as tests do instead of sleeping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["eventually"]


def eventually(
    what: Callable[[], Any],
    about: str | Callable[[], object] = "it did not happen",
    seconds: float = 60,
) -> Any:
    """Wait until something is true, and return it; `about` says what is missing else."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            missing = about() if callable(about) else about
            raise AssertionError(f"not within {seconds:.0f} s: {missing}")
        time.sleep(0.1)
    return found
