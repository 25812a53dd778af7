"""Score texts without spaces: by running letters, and summed over all divisions into words.

`LetterScore` is quick: the probability of each letter after the three before it. `WordSum` is
sharp: the probability that words drawn one after another spell the text, whatever the places of
the spaces, by the forward recursion

    f(j) = sum over lengths l of f(j - l) P(letters j - l ... j make a word)

The search uses the first, and the second decides; in short texts, `core.decipher.pairsum`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.decipher.score import Keys, Vocabulary, key_prints
from core.decipher.text import HomophonicText

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["LONGEST", "LetterScore", "WordSum", "beyond", "find_words"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Prints = NDArray[np.uint64]

LONGEST = 16  # letters of a word; longer ones are read as two
_TOGETHER = 32  # places summed up to at once


class LetterScore:
    """Log-probability of the running letters after the third: the log-density of a search.

    Parameters
    ----------
    model
        The language model.
    cipher
        The text; its spaces do not matter.
    """

    def __init__(self, model: LanguageModel, cipher: CipherText) -> None:
        n = len(model.alphabet)
        n_codes = len(cipher.symbols) if isinstance(cipher, HomophonicText) else n
        n_grams = max(len(cipher.codes) - 3, 0)
        grams = np.stack([cipher.codes[i : i + n_grams] for i in range(4)])
        grams, counts = np.unique(grams, axis=1, return_counts=True)
        self.weight = counts.astype(float)
        self.log = model.log_letters.ravel()
        # The place of four letters in the table is linear in the key: it is their fingerprint.
        self.slopes: Prints = np.zeros((n_codes + 1, len(counts)), dtype=np.uint64)
        for power, letters in zip((n**3, n**2, n, 1), grams, strict=True):
            self.slopes[letters, np.arange(len(counts))] += np.uint64(power)
        self._first = np.uint64(n**3 + n**2 + n + 1)  # codes count from 1, the table from 0
        self.cipher = cipher

    def keys(self, key: Ints) -> Keys:
        """Make the position of chains from their keys, shape (n_chains, A + 1)."""
        made = key_prints(key, self.slopes)
        return made._replace(prints=made.prints - self._first)

    def __call__(self, keys: Keys) -> Floats:
        """Return the log-probability of the text under each key, shape (n_chains,)."""
        total: Floats = self.log[keys.prints.view(np.int64)] @ self.weight
        return total


class WordSum:
    """Log-probability of the text, summed over all divisions into words.

    Parameters
    ----------
    model
        The language model; of its words only the unigrams are used.
    cipher
        The text; its spaces do not matter.

    Attributes
    ----------
    letters
        The quick score.
    slopes
        Those of the quick score; everything else is computed anew for each sum.
    """

    trust = 0.5  # the quick score may be wrong, and should not exclude the right key
    top = 30  # keys that a climb should sum in each step, of those that score best by letters

    def __init__(self, model: LanguageModel, cipher: CipherText) -> None:
        self.model = model
        self.cipher = cipher
        self.letters = LetterScore(model, cipher)
        self.slopes = self.letters.slopes
        self.longest = min(LONGEST, cipher.n_letters)
        self.words = Vocabulary(model, self.longest)

    def keys(self, key: Ints) -> Keys:
        """Make the position of chains from their keys, shape (n_chains, A + 1)."""
        return self.letters.keys(key)

    def screen(self, keys: Keys) -> Floats:
        """Estimate quickly which keys are not worth the sum; see `core.decipher.walk`."""
        return self.trust * self.letters(keys)

    def __call__(self, keys: Keys) -> Floats:
        """Return the log-probability of the text under each key, shape (n_chains,)."""
        return np.array([self._sum(key) for key in keys.key])

    def _sum(self, key: Ints) -> float:
        log = self._log_words(key)
        # Column i holds what f(i) adds to f(i), f(i + 1), ... with the sign of the left-hand side:
        # the recursion is a triangular system of equations with a band of coefficients.
        n, longest = log.shape
        band = np.zeros((longest + 1, longest - 1 + n + 1))
        band[0] = 1.0
        band[1:, longest - 1 : -1] = -np.exp(log.T)
        return _log_last(band)

    def _log_words(self, key: Ints) -> Floats:
        """Return log P(w) of the run of each length from each place, shape (n_letters, longest).

        That of a run which would go beyond the end is minus infinity.
        """
        model, letters = self.model, key[self.cipher.codes]
        found, log = find_words(model, self.words, letters[None], self.longest)
        known, log = found[0], log[0] + model.unigram.unknown
        log = np.where(known >= 0, model.unigram.known[known], log)
        log[beyond(len(letters), self.longest)] = -np.inf
        result: Floats = log
        return result


def find_words(
    model: LanguageModel, words: Vocabulary, letters: Ints, longest: int
) -> tuple[Ints, Floats]:
    """Look up the words that begin at each letter of some texts, by length.

    Parameters
    ----------
    model, words
        The language model, and its vocabulary.
    letters
        Of each text, shape (n_texts, n_letters).
    longest
        Letters of the longest word.

    Returns
    -------
    known, log_spelling
        The index of each word in the vocabulary, -1 for an unknown one, and the log-probability of
        its spelling; each of shape (n_texts, n_letters, longest). What goes `beyond` the end of the
        text means nothing.
    """
    n_texts, n = letters.shape
    padded = np.pad(letters, ((0, 0), (0, longest))).ravel()  # texts do not touch each other
    runs = sliding_window_view(np.pad(padded, (0, longest - 1)), longest)
    names = (runs.astype(np.uint64) * words.weights[:longest]).cumsum(1)
    known = words.find(names.ravel())
    shape = (n_texts, n + longest, longest)
    log = _log_spelled(model.log_spelling, runs)
    return known.reshape(shape)[:, :n], log.reshape(shape)[:, :n]


def beyond(n: int, longest: int) -> NDArray[np.bool_]:
    """Tell which words would go beyond the end of a text of `n` letters, shape (n, longest)."""
    return np.add.outer(np.arange(n), np.arange(1, longest + 1)) > n


def _log_spelled(spelling: Floats, runs: Ints) -> Floats:
    """Return the log-probability of the spelling of the beginnings of runs, shape of `runs`.

    Parameters
    ----------
    spelling
        As in the model.
    runs
        The letters from each place on, (n, longest).
    """
    log, ends = np.empty(runs.shape), np.empty(runs.shape)
    a = b = c = np.zeros(len(runs), dtype=np.int64)
    for i, d in enumerate(np.ascontiguousarray(runs.T)):
        log[:, i], ends[:, i] = spelling[a, b, c, d], spelling[b, c, d, 0]
        a, b, c = b, c, d
    spelled: Floats = log.cumsum(1) + ends
    return spelled


def _log_last(band: Floats) -> float:
    """Return the log of the last of the positive numbers that solve a triangular system.

    Parameters
    ----------
    band
        Its lower band as LAPACK stores it, shape (width + 1, n): ``band[d, i]`` is the coefficient
        of number ``i`` in equation ``i + d``. The first `width` numbers are 0, ..., 0, 1.
    """
    from scipy.linalg.lapack import dtbtrs

    width, n = band.shape[0] - 1, band.shape[1]
    before = np.add.outer(np.arange(width + 1), np.arange(width)) < width
    before[0] = False
    known, log_factor = np.zeros(width), 0.0
    known[-1] = 1.0
    for start in range(width, n, _TOGETHER):  # so few that no number is too small for a float
        stop = min(start + _TOGETHER, n)
        part = band[:, start - width : stop].copy(order="F")
        part[:, :width][before] = 0.0  # what is known needs no equation
        right = np.zeros(stop - start + width)
        right[:width] = known
        solved, _ = dtbtrs(part, right, uplo="L", diag="U")
        known = solved.ravel()[-width:]
        top = known.max()
        log_factor += np.log(top)
        known /= top
    return float(np.log(known[-1]) + log_factor)
