"""A process whose clock is wrong: libfaketime moves what it sees, but for monotonic clocks."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def moved(offset: str) -> dict[str, str]:
    """Give the variables with which a process sees another time."""
    spec = importlib.util.find_spec("libfaketime")
    assert spec is not None
    assert spec.origin is not None
    library = Path(spec.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    assert library.is_file()
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # By itself it moves the end of waits that go by a monotonic clock, as all of Java's do:
        # each returns at once, and every loop that waits takes a core.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
