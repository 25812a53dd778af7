"""Recognise and open Caesar's, affine and Vigenère's ciphers, and tell them from others.

These have so few keys that all of them, or all letters of a key one by one, can be tried. What
tells them apart is the evidence of each: the log-probability of the reading under the language's
running letters, less the logarithm of the number of keys (``26``, ``312``, ``26 ** period``),
against that of letters that come independently, with shares that are unknown. A longer key always
fits better; only a real one fits so much better that it pays for its length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.checks import count
from core.decipher.keys import check

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["KINDS", "LONGEST", "SURE", "Reading", "readings", "recognise"]

Kind = Literal["plain", "caesar", "affine", "vigenere"]
KINDS: tuple[Kind, ...] = ("caesar", "affine", "vigenere")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Nats of evidence from which a reading is believed: by chance, one text in a thousand has as much.
SURE = 7.0

LONGEST = 100  # of key words: longer ones take minutes to look for

_PER_COLUMN = 30  # letters under each letter of a key that are enough to find it
_LIKELY = 3  # periods that are searched more thoroughly


@dataclass(frozen=True)
class Reading:
    """A text opened with the best key of a kind.

    Attributes
    ----------
    cipher
        ``plain`` (it was not enciphered), ``caesar``, ``affine`` or ``vigenere``.
    key
        What was added to each letter (Caesar, ``"3"``), the factor and what was added (affine,
        ``"5,8"``), or the key word (Vigenère).
    plaintext
        The text; case and all other characters kept.
    evidence
        Nats in favour of the reading; above `SURE` it can be believed.
    """

    cipher: Kind
    key: str
    plaintext: str
    evidence: float


def recognise(cipher: CipherText, model: LanguageModel, *, max_period: int = 20) -> Reading | None:
    """Return the reading that the evidence is for, or None if it is for none of these ciphers.

    Parameters
    ----------
    cipher
        The text, from ``model.alphabet.read``.
    model
        The language that the plaintext is in.
    max_period
        Letters of the longest key word to look for.

    Raises
    ------
    ValueError
        If `max_period` is not from 1 to 100.
    CipherError
        If the text has no letters, or foreign ones.

    Examples
    --------
    >>> from core.decipher import ENGLISH, english
    >>> found = recognise(ENGLISH.read("Wkh vwdwh ri wkh Xqlrq lv vwurqj."), english())
    >>> found.cipher, found.key, found.plaintext
    ('caesar', '3', 'The state of the Union is strong.')
    """
    found = readings(cipher, model, max_period=max_period)
    return found[0] if found and found[0].evidence >= SURE else None


def readings(
    cipher: CipherText, model: LanguageModel, *, max_period: int = 20
) -> tuple[Reading, ...]:
    """Return the best reading of each kind, those with most evidence first.

    There are none of texts in symbols, which have no order to add up in. Parameters and errors are
    those of `recognise`.
    """
    count("max_period", max_period)
    if max_period > LONGEST:
        raise ValueError(f"max_period = {max_period}: must be an integer <= {LONGEST}")
    check(cipher, model, 1)
    if cipher.symbols:
        return ()
    search = _Search(cipher, model, max_period)
    shift = search.shift()
    found = [shift, search.affine(), search.vigenere()]
    return tuple(sorted(found, key=lambda one: -one.evidence))


class _Search:
    """A text's letters, from 0, and the score of readings of them."""

    def __init__(self, cipher: CipherText, model: LanguageModel, max_period: int) -> None:
        self.cipher, self.size = cipher, len(model.alphabet)
        self.max_period = max(min(max_period, cipher.n_letters), 1)
        self.letters = model.alphabet.letters
        self.share = np.log(np.maximum(model.letter_share[1:], 1e-6))
        self.log = model.log_letters.ravel()
        self.all = cipher.codes - 1
        self.codes = self.all[: max(_PER_COLUMN * self.max_period, 600)]
        self.nothing = _of_shares(np.bincount(self.codes, minlength=self.size).tolist())

    def score(self, plain: Ints) -> Floats:
        """Return the log-probability of readings, shape (n_readings, n_letters)."""
        found: Floats = self.share[plain[:, :3]].sum(axis=1)
        if plain.shape[1] > 3:
            n = self.size
            grams = sliding_window_view(plain, 4, axis=1) @ np.array([n**3, n**2, n, 1])
            found = found + self.log[grams].sum(axis=1)
        return found

    def evidence(self, score: float, keys: float) -> float:
        """Weigh a score against nothing, for one of so many keys (given as a logarithm)."""
        return float(score) - keys - self.nothing

    def shift(self) -> Reading:
        """Try every shift."""
        score = self.score((self.codes - np.arange(self.size)[:, None]) % self.size)
        key = int(score.argmax())
        return Reading(
            "caesar" if key else "plain",
            str(key),
            self.cipher.write((self.all - key) % self.size + 1),
            self.evidence(score[key], math.log(self.size)),
        )

    def affine(self) -> Reading:
        """Try every factor that can be undone, with every shift."""
        n = self.size
        factors = [a for a in range(1, n) if math.gcd(a, n) == 1]
        undo = np.array([pow(a, -1, n) for a in factors])
        shifts = np.arange(n)
        tables = undo[:, None, None] * (np.arange(n) - shifts[:, None]) % n
        score = self.score(tables.reshape(-1, n)[:, self.codes])
        best = int(score.argmax())
        a, b = factors[best // n], best % n
        plain = self.cipher.write(tables[best // n, b][self.all] + 1)
        return Reading(
            "affine", f"{a},{b}", plain, self.evidence(score[best], math.log(len(score)))
        )

    def vigenere(self) -> Reading:
        """Try every period: key letters by the shares of letters, then by what follows what."""
        tried = []
        for period in range(1, self.max_period + 1):
            key = self._climb(self._by_shares(period), 1)
            tried.append((self._weight(key), key))
        tried.sort(key=lambda one: -one[0])
        deeper = [self._climb(key, 2) for _, key in tried[:_LIKELY]]
        weight, key = max(
            [(self._weight(key), key) for key in deeper] + tried[:1], key=lambda one: one[0]
        )
        places = np.arange(len(self.all)) % len(key)
        plain = self.cipher.write((self.all - key[places]) % self.size + 1)
        word = "".join(self.letters[letter] for letter in key.tolist())
        return Reading("vigenere", word, plain, weight)

    def _weight(self, key: Ints) -> float:
        return self.evidence(self.score(self._opened(key[None]))[0], len(key) * math.log(self.size))

    def _opened(self, keys: Ints) -> Ints:
        """Return the letters under keys, shape (n_keys, n_letters)."""
        places = np.arange(len(self.codes)) % keys.shape[1]
        opened: Ints = (self.codes - keys[:, places]) % self.size
        return opened

    def _by_shares(self, period: int) -> Ints:
        """Return for each letter of a key the shift that gives the likeliest letters."""
        shifts = np.arange(self.size)[:, None]
        key = [
            int(self.share[(self.codes[i::period] - shifts) % self.size].sum(axis=1).argmax())
            for i in range(period)
        ]
        return np.array(key, dtype=np.int64)

    def _climb(self, key: Ints, together: int) -> Ints:
        """Change so many neighbouring letters of a key at once while that is of use."""
        together = min(together, len(key))
        grids = np.meshgrid(*[np.arange(self.size)] * together, indexing="ij")
        options = np.stack([grid.ravel() for grid in grids], axis=1)
        best, unchanged, place = -math.inf, 0, 0
        while unchanged < len(key):
            keys = np.tile(key, (len(options), 1))
            keys[:, (place + np.arange(together)) % len(key)] = options
            score = self.score(self._opened(keys))
            better = int(score.argmax())
            unchanged = 0 if score[better] > best + 1e-9 else unchanged + 1
            best, key = float(score[better]), keys[better]
            place = (place + 1) % len(key)
        return key


def _of_shares(counts: list[int]) -> float:
    """Return the log-probability of letters that come independently, with any shares alike likely.

    The shares have a Dirichlet prior of a half for each letter, as Krichevsky and Trofimov's.
    """
    half, n, size = 0.5, sum(counts), len(counts)
    whole = math.lgamma(half * size) - math.lgamma(n + half * size)
    return whole + sum(math.lgamma(k + half) - math.lgamma(half) for k in counts)
