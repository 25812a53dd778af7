"""Decipherment of substitution ciphers with MCMC, and of Caesar's, affine and Vigenère's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazily

if TYPE_CHECKING:
    from core.decipher.classical import Reading, recognise
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
    "Reading",
    "Settings",
    "Solution",
    "build",
    "check",
    "decipher",
    "english",
    "log_probability",
    "recognise",
]

__getattr__ = lazily(
    __name__,
    {
        "classical": ("Reading", "recognise"),
        "model": ("LanguageModel", "ModelFileError", "build", "english"),
        "solver": ("CipherError", "Settings", "Solution", "check", "decipher", "log_probability"),
        "text": ("ENGLISH", "Alphabet", "CipherText"),
    },
)
