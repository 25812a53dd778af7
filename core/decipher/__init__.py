"""Decipherment of substitution ciphers with MCMC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazily

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel, ModelFileError, build, english
    from core.decipher.solver import (
        CipherError,
        Settings,
        Solution,
        check,
        decipher,
        log_probability,
    )
    from core.decipher.text import ENGLISH, Alphabet, CipherText

__all__ = [
    "ENGLISH",
    "Alphabet",
    "CipherError",
    "CipherText",
    "LanguageModel",
    "ModelFileError",
    "Settings",
    "Solution",
    "build",
    "check",
    "decipher",
    "english",
    "log_probability",
]

__getattr__ = lazily(
    __name__,
    {
        "model": ("LanguageModel", "ModelFileError", "build", "english"),
        "solver": ("CipherError", "Settings", "Solution", "check", "decipher", "log_probability"),
        "text": ("ENGLISH", "Alphabet", "CipherText"),
    },
)
