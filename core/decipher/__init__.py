"""Decipherment of substitution ciphers with MCMC."""

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
