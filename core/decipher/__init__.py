"""Decipherment of substitutions, also homophonic ones, with MCMC; Caesar, affine, Vigenère."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazily

if TYPE_CHECKING:
    from core.decipher.classical import Reading, recognise
    from core.decipher.homophonic import decipher_homophonic
    from core.decipher.keys import CipherError, check
    from core.decipher.model import LanguageModel, ModelFileError, build, english
    from core.decipher.solver import Settings, Solution, decipher, log_probability
    from core.decipher.text import (
        ENGLISH,
        Alphabet,
        CipherText,
        HomophonicText,
        looks_homophonic,
    )

__all__ = [
    "ENGLISH",
    "Alphabet",
    "CipherError",
    "CipherText",
    "HomophonicText",
    "LanguageModel",
    "ModelFileError",
    "Reading",
    "Settings",
    "Solution",
    "build",
    "check",
    "decipher",
    "decipher_homophonic",
    "english",
    "log_probability",
    "looks_homophonic",
    "recognise",
]

__getattr__ = lazily(
    __name__,
    {
        "classical": ("Reading", "recognise"),
        "homophonic": ("decipher_homophonic",),
        "model": ("LanguageModel", "ModelFileError", "build", "english"),
        "keys": ("CipherError", "check"),
        "solver": ("Settings", "Solution", "decipher", "log_probability"),
        "text": ("ENGLISH", "Alphabet", "CipherText", "HomophonicText", "looks_homophonic"),
    },
)
