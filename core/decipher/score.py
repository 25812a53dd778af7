"""Score many keys at once with the word model, in a few array operations.

The cipher's words stay the same whatever the key, so a word is known by a linear fingerprint of
its decoded letters modulo 2**64: ``sum(code[i] * B[i])`` with random weights ``B``. Swapping two
letters of the key then changes the fingerprint of every pair of neighbouring words by one
multiplication, and the log-probability of a pair is looked up by its fingerprint in a table of
those met before. Other pairs are computed from the model's counts and added to the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["Keys", "Vocabulary", "WordScore", "key_prints"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Prints = NDArray[np.uint64]

MEMO_BITS = 18  # log2 of the size of the table: 4 MB
_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd: tells the first word of a pair from the second


class Keys(NamedTuple):
    """Keys of several chains with the fingerprints that follow from them.

    Attributes
    ----------
    key
        ``key[r, c]`` is the code of the letter that stands for cipher letter ``c`` in chain ``r``;
        column 0 is 0. Shape (n_chains, A + 1).
    prints
        Fingerprint of each distinct pair of neighbouring words, then of each distinct word; shape
        (n_chains, n_pairs + n_words).
    """

    key: Ints
    prints: Prints


def key_prints(key: Ints, slopes: Prints) -> Keys:
    """Compute all fingerprints of keys, shape (n_chains, A + 1), from scratch."""
    prints = np.zeros((len(key), slopes.shape[1]), dtype=np.uint64)
    for letter in range(1, len(slopes)):
        prints += key[:, letter, None].astype(np.uint64) * slopes[letter]
    return Keys(key, prints)


class WordScore:
    """Log-probability of a text under keys: the log-density of `core.mcmc` kernels.

    Parameters
    ----------
    model
        The language model.
    cipher
        The text; it must have at least one letter.

    Attributes
    ----------
    slopes
        Change of each fingerprint per unit of each letter's code, shape (A + 1, n_prints).
    """

    def __init__(self, model: LanguageModel, cipher: CipherText) -> None:
        self.model = model
        self.cipher = cipher
        split = np.split(cipher.codes, cipher.starts[1:])
        width = max(map(len, split)) + 1
        rows = np.zeros((len(split) + 1, width), dtype=np.int64)
        for row, word in zip(rows[1:], split, strict=True):
            row[: len(word)] = word
        # Row 0 has no letters: what comes before the first word. It sorts first.
        self.letters, ids = np.unique(rows, axis=0, return_inverse=True)
        ids = ids.ravel()
        pairs, counts = np.unique(np.stack([ids[:-1], ids[1:]]), axis=1, return_counts=True)
        self.first, self.second = pairs
        self.weight = counts.astype(float)
        self.words = Vocabulary(model, width)
        slopes = np.zeros((len(model.alphabet) + 1, len(self.letters)), dtype=np.uint64)
        for letter in range(1, len(slopes)):
            slopes[letter] = ((self.letters == letter) * self.words.weights[:width]).sum(1)
        both = slopes[:, self.first] * _MIX + slopes[:, self.second]
        self.slopes: Prints = np.concatenate([both, slopes], axis=1)
        # A memo, not state: the same keys give the same numbers whatever it holds.
        self._names = np.zeros(1 << MEMO_BITS, np.uint64)
        self._values = np.zeros(1 << MEMO_BITS)

    def keys(self, key: Ints) -> Keys:
        """Make the position of chains from their keys, shape (n_chains, A + 1)."""
        return key_prints(key, self.slopes)

    def __call__(self, keys: Keys) -> Floats:
        """Return the log-probability of the text under each key, shape (n_chains,)."""
        prints = keys.prints[:, : len(self.first)]
        at = (prints >> np.uint64(64 - MEMO_BITS)).view(np.int64)
        found = self._values[at]
        chain, pair = np.nonzero(self._names[at] != prints)
        if len(chain):
            scores = self._compute(keys, chain, pair)
            found[chain, pair] = scores
            slot = at[chain, pair]
            self._values[slot] = scores  # of two pairs that want one slot the last has it,
            self._names[slot] = prints[chain, pair]  # value and name alike
        total: Floats = found @ self.weight
        return total

    def _compute(self, keys: Keys, chain: Ints, pair: Ints) -> Floats:
        """Return log P(w | v) of some pairs, from the model's counts."""
        model, n_pairs = self.model, len(self.first)
        second = self.second[pair]
        v = self.words.find(keys.prints[chain, n_pairs + self.first[pair]])
        w = self.words.find(keys.prints[chain, n_pairs + second])
        log_word = model.continuation.known[w]
        new = np.flatnonzero(w < 0)
        letters = keys.key[chain[new, None], self.letters[second[new]]]
        log_word[new] = model.continuation.unknown + self._spell(letters)
        types, total = model.backoff
        after = np.flatnonzero(v >= 0)
        before = v[after]
        mixed = types[before] * np.exp(log_word[after])
        both = np.flatnonzero(w[after] >= 0)
        mixed[both] += self.words.count(before[both], w[after[both]])
        log_word[after] = np.log(mixed / total[before])
        return log_word

    def _spell(self, codes: Ints) -> Floats:
        table = self.model.log_spelling
        size = table.shape[0]
        flat = table.ravel()
        total = np.zeros(len(codes))
        at = np.zeros(len(codes), dtype=np.int64)
        for column in np.ascontiguousarray(codes.T):
            at = (at % size**3) * size + column
            total += flat[at]
        return total


class Vocabulary:
    """Words by fingerprint, in an open-addressed table of 2**17 slots or more, a fifth full."""

    def __init__(self, model: LanguageModel, width: int) -> None:
        n_words = len(model.words)
        rng = np.random.default_rng(20)  # any weights do: they only spread the fingerprints
        longest = max(width, model.codes.shape[1])
        self.weights = rng.integers(0, 1 << 64, longest, dtype=np.uint64) | np.uint64(1)
        self.pairs = model.first * n_words + model.second
        self.counts = model.pair_counts
        self._n_words = n_words
        bits = max(17, int(n_words * 5).bit_length())
        self.shift = np.uint64(64 - bits)
        self._mask = (1 << bits) - 1
        self.names = np.zeros(1 << bits, dtype=np.uint64)
        self.ids = np.full(1 << bits, -1, dtype=np.int32)  # small, to stay in the cache
        prints = np.zeros(n_words, dtype=np.uint64)
        for column, weight in zip(model.codes.T.astype(np.uint64), self.weights, strict=False):
            prints += column * weight
        left = np.arange(n_words)
        at = (prints >> self.shift).view(np.int64)
        while len(left):  # all words at once: the last one to want a free slot has it
            free = self.ids[at] < 0
            self.ids[at[free]] = left[free]
            settled = self.ids[at] == left
            self.names[at[settled]] = prints[left[settled]]
            left, at = left[~settled], (at[~settled] + 1) & self._mask

    def find(self, prints: Prints) -> Ints:
        """Return the vocabulary indices of words, -1 for unknown ones; shape (n,)."""
        at = (prints >> self.shift).view(np.int64)
        ids = self.ids[at].astype(np.int64)
        other = np.flatnonzero((self.names[at] != prints) & (ids >= 0))
        while len(other):
            at[other] = (at[other] + 1) & self._mask
            ids[other] = self.ids[at[other]]
            other = other[(self.names[at[other]] != prints[other]) & (ids[other] >= 0)]
        return ids

    def count(self, v: Ints, w: Ints) -> Ints:
        """Look up how often pairs of known words were seen; shape (n,)."""
        pair = v * self._n_words + w
        at = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
        return np.where(self.pairs[at] == pair, self.counts[at], 0)
