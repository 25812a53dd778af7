"""Java: the runtime that servers use, and our few classes, compiled at set-up."""

from setup.java.runtime import (
    LANGUAGE,
    MINIMUM,
    OPTIONS,
    Java,
    candidates,
    ensure,
    find,
    keep,
    kept,
    probe,
    require,
)

__all__ = [
    "LANGUAGE",
    "MINIMUM",
    "OPTIONS",
    "Java",
    "candidates",
    "ensure",
    "find",
    "keep",
    "kept",
    "probe",
    "require",
]
