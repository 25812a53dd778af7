"""Find or install the Java runtime of the servers, and compile our few classes."""

from setup.java.runtime import (
    LANGUAGE,
    MINIMUM,
    OPTIONS,
    Java,
    candidates,
    ensure,
    find,
    keep,
    keep_choice,
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
    "keep_choice",
    "kept",
    "probe",
    "require",
]
