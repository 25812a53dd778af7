"""Score texts without spaces sharply: word pairs, summed over all divisions into words.

Let ``f(j, w)`` be the probability that the text up to letter ``j`` ends with the word ``w``. As an
unseen pair backs off, most of the sum over the words before is the same for all words after them::

    f(j, w) = P_c(w) B(i) + sum over v of f(i, v) c(v, w) / (c(v) + T(v))       i = j - letters of w
    B(i)    = sum over v of f(i, v) T(v) / (c(v) + T(v))

This takes too long for chains, and decides between the readings that they find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.decipher.score import Vocabulary
from core.decipher.spaceless import LONGEST, LetterScore, beyond, find_words

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel
    from core.decipher.score import Keys
    from core.decipher.text import CipherText

__all__ = ["PairSum"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LETTERS = 12_000  # of all keys that a climb looks at in each step
_TOGETHER = 1 << 22  # numbers of word pairs held at a time
_RESCALE = 32  # letters after which no sum is too small for a float


class PairSum:
    """Log-probability of the text by pairs of words, summed over all divisions into words.

    Parameters
    ----------
    model
        The language model.
    cipher
        The text; its spaces do not matter.

    Attributes
    ----------
    letters, slopes
        The quick score, and its slopes.
    top
        Keys that a climb should sum in each step, of those that score best by letters.

    Examples
    --------
    >>> from core.decipher import ENGLISH, english
    >>> model, text = english(), ENGLISH.encode("thestateoftheunionisstrong")
    >>> score = PairSum(model, text)
    >>> summed = float(score(score.keys(np.arange(27)[None]))[0])
    >>> summed > model.log_text("the state of the union is strong".split())
    True
    """

    def __init__(self, model: LanguageModel, cipher: CipherText) -> None:
        self.model = model
        self.cipher = cipher
        self.letters = LetterScore(model, cipher)
        self.slopes = self.letters.slopes
        self.longest = min(LONGEST, cipher.n_letters)
        self.top = max(_LETTERS // max(cipher.n_letters, 1), 10)
        self.words = Vocabulary(model, self.longest)

    def keys(self, key: Ints) -> Keys:
        """Make keys with their fingerprints, shape (n_keys, A + 1)."""
        return self.letters.keys(key)

    def __call__(self, keys: Keys) -> Floats:
        """Return the log-probability of the text under each key, shape (n_keys,)."""
        step = max(1, _TOGETHER // (self.cipher.n_letters * self.longest**2))
        letters = keys.key[:, self.cipher.codes]
        parts = (letters[i : i + step] for i in range(0, len(letters), step))
        return np.concatenate([np.zeros(0), *map(self._sum, parts)])

    def _sum(self, letters: Ints) -> Floats:
        """Sum for texts given by their letters, shape (n_keys, n_letters)."""
        model, longest, (n_keys, n) = self.model, self.longest, letters.shape
        found, log = find_words(model, self.words, letters, longest)
        log += model.continuation.unknown
        chance = np.exp(np.where(found >= 0, model.continuation.known[found], log))
        chance[:, beyond(n, longest)] = 0.0
        before = np.full((n_keys, n + 1, longest), -1)  # the word of each length that ends there
        for length in range(1, longest + 1):
            before[:, length:, length - 1] = found[:, : n + 1 - length, length - 1]
        types, total = model.backoff
        back = np.where(before >= 0, types[before] / np.maximum(total[before], 1), 1.0)
        share = self._shares(before, found)
        # Row `longest + i` has the words that begin at letter i, by length.
        begun = np.zeros((n_keys, longest + n, longest))
        lengths, log_factor = np.arange(longest), np.zeros(n_keys)
        for i in range(n):
            ended = begun[:, longest + i - 1 - lengths, lengths]
            common = (ended * back[:, i]).sum(1) if i else np.ones(n_keys)
            begun[:, longest + i] = chance[:, i] * common[:, None]
            begun[:, longest + i] += np.einsum("kv,kvw->kw", ended, share[:, i])
            if i % _RESCALE == _RESCALE - 1:
                recent = begun[:, i + 1 : longest + i + 1]
                factor = recent.max((1, 2))
                recent /= factor[:, None, None]
                log_factor += np.log(factor)
        ended = begun[:, longest + n - 1 - lengths, lengths]
        total_sum: Floats = np.log(ended.sum(1)) + log_factor
        return total_sum

    def _shares(self, before: Ints, after: Ints) -> Floats:
        """Return what pairs that were seen add, shape (n_keys, n_letters, longest, longest)."""
        both = (before[:, : after.shape[1], :, None] >= 0) & (after[:, :, None, :] >= 0)
        share = np.zeros(both.shape)
        key, place, first, second = np.nonzero(both)
        v, w = before[key, place, first], after[key, place, second]
        _, total = self.model.backoff
        share[key, place, first, second] = self.words.count(v, w) / total[v]
        return share
