"""Score and divide texts without spaces sharply: by word pairs, over all divisions into words.

Let ``f(j, w)`` be the probability that the text up to letter ``j`` ends with the word ``w``. As an
unseen pair backs off, most of the sum over the words before is the same for all words after them::

    f(j, w) = P_c(w) B(i) + sum over v of f(i, v) c(v, w) / (c(v) + T(v))       i = j - letters of w
    B(i)    = sum over v of f(i, v) T(v) / (c(v) + T(v))

This takes too long for chains, and decides between the readings that they find. With the largest
in place of sums it divides a text into its words (Viterbi).
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

__all__ = ["PairSum", "words_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LETTERS = 12_000  # of all keys that a climb looks at in each step
_TOGETHER = 1 << 22  # numbers of word pairs held at a time
_BLOCK = 1024  # letters whose pairs of words are looked up at a time
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
        longest, (n_keys, n) = self.longest, letters.shape
        found, before, chance, back = self._words(letters)
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

    def segment(self, key: Ints) -> list[int]:
        """Return the word lengths of the most probable division under a key, shape (A + 1,)."""
        found, before, chance, back = self._words(key[self.cipher.codes][None])
        longest, n = self.longest, found.shape[1]
        # As in a sum; `came` has the length of the word before, less one.
        begun = np.full((longest + n, longest), -np.inf)
        came = np.zeros((n, longest), dtype=np.int8)
        lengths = np.arange(longest)
        for i in range(n):
            if i % _BLOCK == 0:
                block = slice(i, i + _BLOCK)
                share = self._shares(before[:, block], found[:, block])[0]
            ended = begun[longest + i - 1 - lengths, lengths] if i else np.zeros(1)
            after = back[0, i, : len(ended), None] * chance[0, i] + share[i % _BLOCK, : len(ended)]
            options = ended[:, None] + _log(after if i else chance[0, :1])
            came[i] = options.argmax(0)
            begun[longest + i] = options.max(0)
        words, j = [], n
        last = int(begun[longest + n - 1 - lengths, lengths].argmax())
        while j:
            words.append(last + 1)
            j -= last + 1
            last = int(came[j, last])
        return words[::-1]

    def _words(self, letters: Ints) -> tuple[Ints, Ints, Floats, Floats]:
        """Look up what each word is worth that begins or ends at a letter.

        Parameters
        ----------
        letters
            Of some texts, shape (n_texts, n_letters).

        Returns
        -------
        found, before
            The word of each length that begins at each letter, and that ends before it; -1 for an
            unknown one.
        chance
            The probability of each word that begins, after one with which it was never seen.
        back
            The share of such words after each word that ends.
        """
        model, longest, n = self.model, self.longest, letters.shape[1]
        found, log = find_words(model, self.words, letters, longest)
        log += model.continuation.unknown
        chance = np.exp(np.where(found >= 0, model.continuation.known[found], log))
        chance[:, beyond(n, longest)] = 0.0
        before = np.full((len(letters), n + 1, longest), -1)
        for length in range(1, longest + 1):
            before[:, length:, length - 1] = found[:, : n + 1 - length, length - 1]
        types, total = model.backoff
        back = np.where(before >= 0, types[before] / np.maximum(total[before], 1), 1.0)
        return found, before, chance, back

    def _shares(self, before: Ints, after: Ints) -> Floats:
        """Return what pairs that were seen add, shape (n_keys, n_letters, longest, longest)."""
        both = (before[:, : after.shape[1], :, None] >= 0) & (after[:, :, None, :] >= 0)
        share = np.zeros(both.shape)
        key, place, first, second = np.nonzero(both)
        v, w = before[key, place, first], after[key, place, second]
        _, total = self.model.backoff
        share[key, place, first, second] = self.words.count(v, w) / total[v]
        return share


def words_of(cipher: CipherText, model: LanguageModel, key: Ints, *, spaces: bool) -> str:
    """Return the deciphered words in lower case with a space between."""
    plain = key[cipher.codes]
    letters = "".join(model.alphabet.letters[code - 1] for code in plain.tolist())
    if spaces and not cipher.symbols:
        return " ".join(model.alphabet.words(cipher.decode(key)))
    if spaces:
        ends = [*cipher.starts[1:].tolist(), len(letters)]
        return " ".join(letters[a:b] for a, b in zip(cipher.starts.tolist(), ends, strict=True))
    lengths = PairSum(model, cipher).segment(key)
    ends = np.cumsum(lengths).tolist()
    return " ".join(letters[e - n : e] for n, e in zip(lengths, ends, strict=True))


def _log(chance: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        found: Floats = np.log(chance)
    return found
