"""Check what comes before a search for keys, make the first ones, and finish those found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["ENOUGH", "CipherError", "check", "complete", "known_letters", "random_keys"]

Ints = NDArray[np.int64]

# About the unicity distance of English: with fewer letters several readings make sense.
ENOUGH = 28


class CipherError(ValueError):
    """A text that cannot be deciphered; the message says why and what to do."""


def check(cipher: CipherText, model: LanguageModel, min_letters: int = ENOUGH) -> None:
    """Refuse a text that no key can decipher.

    Raises
    ------
    CipherError
        If the text has no letters, foreign letters, or too few letters.
    """
    foreign = sorted({c for c in cipher.text if c.isalpha() and c not in cipher.alphabet.code})
    n_foreign = sum(c in foreign for c in cipher.text)
    n, letters = cipher.n_letters, model.alphabet.letters
    if n_foreign > n and not cipher.symbols:
        raise CipherError(
            f"{n_foreign} of the text's {n + n_foreign} letters ({', '.join(foreign[:8])}) are not "
            f"in the language model's alphabet {letters!r}: build a model of that language with "
            "python -m jobs.decipher.model"
        )
    if n == 0:
        raise CipherError("the text is empty: expected letters of the alphabet " + repr(letters))
    if n < min_letters:
        raise CipherError(
            f"the text has {n} letters: at least {min_letters} are needed, with fewer several "
            "readings make sense (lower min_letters to try all the same)"
        )


def known_letters(cipher: CipherText, known: Mapping[str, str]) -> dict[int, int]:
    """Return the plain code of each cipher code that is known, or raise CipherError."""
    code, plain = cipher.code, cipher.alphabet.code
    for cipher_letter, letter in known.items():
        for c, codes, where in ((cipher_letter, code, cipher.symbols), (letter, plain, "")):
            if c not in codes:
                raise CipherError(
                    f"known letter {c!r} is not in the alphabet "
                    f"{where or cipher.alphabet.letters!r}"
                )
    fixed = {code[c]: plain[p] for c, p in known.items()}
    if len(set(fixed.values())) < len(known):
        raise CipherError(
            f"known letters {dict(known)!r}: a letter occurs twice, but a key is one to one"
        )
    return fixed


def random_keys(
    rng: np.random.Generator, n_keys: int, n_letters: int, fixed: Mapping[int, int]
) -> Ints:
    """Draw keys, shape (n_keys, n_letters + 1), that leave known letters as they are."""
    keys = np.zeros((n_keys, n_letters + 1), dtype=np.int64)
    for c, p in fixed.items():
        keys[:, c] = p
    open_cipher = [c for c in range(1, n_letters + 1) if c not in fixed]
    open_plain = [p for p in range(1, n_letters + 1) if p not in set(fixed.values())]
    rows = np.tile(np.array(open_plain, dtype=np.int64), (n_keys, 1))
    keys[:, open_cipher] = rng.permuted(rows, axis=1)
    return keys


def complete(key: Ints, cipher: CipherText) -> Ints:
    """Give the cipher letters that do not occur the plain letters left over, in order."""
    absent = np.setdiff1d(np.arange(1, len(key)), cipher.codes)
    done = key.copy()
    done[absent] = np.sort(key[absent])
    return done
