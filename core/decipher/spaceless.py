"""Score texts whose spaces are unknown: by running letters, and summed over all ways to part them.

`LetterScore` is quick: the probability of each letter after the three before it. `WordSum` is
sharp: the probability that words drawn one after another spell the text, whatever the places of
the spaces, by the forward recursion

    f(j) = sum over lengths l of f(j - l) P(letters j - l ... j make a word)

The search runs on the first and is settled by the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.decipher.score import Keys, Vocabulary, key_prints

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["LetterScore", "WordSum"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Prints = NDArray[np.uint64]

_LONGEST = 16  # letters of a word; longer ones are read as two


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
        grams = np.stack([cipher.codes[i : len(cipher.codes) - 3 + i] for i in range(4)])
        grams, counts = np.unique(grams, axis=1, return_counts=True)
        self.weight = counts.astype(float)
        self.log = model.log_letters.ravel()
        # The place of four letters in the table is linear in the key: it is their fingerprint.
        self.slopes: Prints = np.zeros((n + 1, len(counts)), dtype=np.uint64)
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
    """Log-probability of the text, summed over all ways to part it into words.

    Parameters
    ----------
    model
        The language model; of its words only the unigrams are used.
    cipher
        The text; its spaces do not matter.

    Attributes
    ----------
    slopes
        Change of each run of letters' fingerprint per unit of each letter's code.
    """

    def __init__(self, model: LanguageModel, cipher: CipherText) -> None:
        self.model = model
        self.cipher = cipher
        codes = cipher.codes
        self._n = n = len(codes)
        self.longest = longest = min(_LONGEST, n)
        self.words = Vocabulary(model, longest + 1)
        slopes = np.zeros((len(model.alphabet) + 1, n, longest), dtype=np.uint64)
        for length in range(1, longest + 1):  # the run of `length` letters that ends at each place
            for place in range(length):
                at = np.arange(length - 1, n)
                letter = codes[at - length + 1 + place]
                slopes[letter, at, length - 1] += self.words.weights[place]
        slopes[0] = 0
        self.slopes: Prints = slopes.reshape(len(slopes), -1)

    def keys(self, key: Ints) -> Keys:
        """Make the position of chains from their keys, shape (n_chains, A + 1)."""
        return key_prints(key, self.slopes)

    def __call__(self, keys: Keys) -> Floats:
        """Return the log-probability of the text under each key, shape (n_chains,)."""
        chances = np.exp(self._log_words(keys))
        n_chains, n, longest = chances.shape
        # f(j - 1) ... f(j - longest), divided by a common factor to stay in range.
        window = np.zeros((n_chains, longest))
        window[:, 0] = 1.0
        log_factor = np.zeros(n_chains)
        ends = np.ascontiguousarray(chances.transpose(1, 0, 2))
        forward = np.ones(n_chains)
        for j in range(n):
            forward = np.einsum("rl,rl->r", window, ends[j])
            window[:, 1:] = window[:, :-1]
            window[:, 0] = forward
            if j % 8 == 7:
                top = window.max(1)
                log_factor += np.log(top)
                window /= top[:, None]
                forward = forward / top
        return np.log(forward) + log_factor

    def segment(self, key: Ints) -> list[int]:
        """Lengths of the words in the most probable parting under one key, shape (A + 1,)."""
        log = self._log_words(self.keys(key[None]))[0]
        best, length = np.full(self._n + 1, -np.inf), np.zeros(self._n + 1, dtype=int)
        best[0] = 0.0
        for j in range(1, self._n + 1):
            reach = min(j, self.longest)
            options = best[j - reach : j][::-1] + log[j - 1, :reach]
            length[j] = int(options.argmax()) + 1
            best[j] = options.max()
        words, j = [], self._n
        while j:
            words.append(int(length[j]))
            j -= words[-1]
        return words[::-1]

    def _log_words(self, keys: Keys) -> Floats:
        """Log P(w) of the run of each length that ends at each place; (n_chains, n, longest)."""
        model, n, longest = self.model, self._n, self.longest
        shape = (len(keys.key), n, longest)
        known = self.words.find(keys.prints.ravel()).reshape(shape)
        letter = keys.key[:, self.cipher.codes]
        spelling = model.log_spelling
        # Letters inside a word, summed from the left; then how it starts, and how it ends.
        inner = np.zeros((len(letter), n + 1))
        np.cumsum(spelling[letter[:, :-2], letter[:, 1:-1], letter[:, 2:]], 1, out=inner[:, 3:])
        start = spelling[0, 0, letter]
        start[:, :-1] += spelling[0, letter[:, :-1], letter[:, 1:]] - inner[:, 2 : n + 1]
        end = inner[:, 1:].copy()
        end[:, 1:] += spelling[letter[:, :-1], letter[:, 1:], 0]
        log = np.full(shape, -np.inf)
        log[:, :, 0] = spelling[0, 0, letter] + spelling[0, letter, 0]
        for length in range(2, longest + 1):
            log[:, length - 1 :, length - 1] = start[:, : n - length + 1] + end[:, length - 1 :]
        log += model.unigram.unknown
        return np.where(known >= 0, model.unigram.known[known], log)
