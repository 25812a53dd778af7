"""Score many keys at once with the word model, in a handful of array operations.

The cipher's words stay the same whatever the key, so a word is known by a linear fingerprint of
its decoded letters modulo 2**64: ``sum(code[i] * B[i])`` with random weights ``B``. Swapping two
letters of the key then changes the fingerprint of every pair of neighbouring words by one
multiplication, and the log-probability of a pair is looked up by its fingerprint in a table of
those met before. What is not there is computed from the model's counts, and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["Keys", "WordScore"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Prints = NDArray[np.uint64]

_SLOTS = 18  # log2 of the size of the table: 3 MB


class Keys(NamedTuple):
    """Keys of several chains with the fingerprints that follow from them.

    Attributes
    ----------
    key
        ``key[r, c]`` is the code of the letter that stands for cipher letter ``c`` in chain ``r``;
        column 0 is 0. Shape (n_chains, A + 1).
    prints
        Fingerprint of each distinct pair of neighbouring words, shape (n_chains, n_pairs).
    """

    key: Ints
    prints: Prints


@dataclass(frozen=True, eq=False)
class WordScore:
    """Log-probability of a text under keys: the log-density of `core.mcmc` kernels.

    Parameters
    ----------
    model
        The language model.
    cipher
        The text; it must have at least one letter.
    """

    model: LanguageModel
    cipher: CipherText
    words: Ints = field(init=False)  # distinct pairs: letters of both words, padded with 0
    weight: Floats = field(init=False)  # times each pair occurs
    slopes: Prints = field(init=False)  # change of each print per unit of each letter's code
    _memo: tuple[Prints, Floats] = field(init=False)
    _lookup: _Lookup = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.model.alphabet) + 1
        words = np.split(self.cipher.codes, self.cipher.starts[1:])
        width = max(self.model.codes.shape[1], max(map(len, words)) + 1)
        rows = np.zeros((len(words) + 1, width), dtype=np.int64)
        for row, word in zip(rows[1:], words, strict=True):
            row[: len(word)] = word
        # Row 0 is no word: what comes before the first one.
        both = np.concatenate([rows[:-1], rows[1:]], axis=1)
        pairs, counts = np.unique(both, axis=0, return_counts=True)
        lookup = _Lookup(self.model, width)
        weights = np.concatenate([lookup.weights * lookup.mix, lookup.weights])
        slopes = np.zeros((size, len(pairs)), dtype=np.uint64)
        for letter in range(1, size):
            slopes[letter] = ((pairs == letter) * weights).sum(1)
        slots = 1 << _SLOTS
        for name, value in (
            ("words", pairs.reshape(-1, 2, width)),
            ("weight", counts.astype(float)),
            ("slopes", slopes),
            ("_memo", (np.zeros(slots, np.uint64), np.zeros(slots))),
            ("_lookup", lookup),
        ):
            object.__setattr__(self, name, value)

    def keys(self, key: Ints) -> Keys:
        """Make the position of chains from their keys, shape (n_chains, A + 1)."""
        prints = np.zeros((len(key), self.slopes.shape[1]), dtype=np.uint64)
        for letter in range(1, len(self.slopes)):
            prints += key[:, letter, None].astype(np.uint64) * self.slopes[letter]
        return Keys(key, prints)

    def __call__(self, keys: Keys) -> Floats:
        """Return the log-probability of the text under each key, shape (n_chains,)."""
        names, values = self._memo
        at = (keys.prints >> np.uint64(64 - _SLOTS)).view(np.int64)
        found = values[at]
        known = names[at] == keys.prints
        if not known.all():
            chain, pair = np.nonzero(~known)
            scores = self._lookup.score(keys.key[chain[:, None, None], self.words[pair]])
            found[chain, pair] = scores
            slot = at[chain, pair]
            values[slot] = scores  # of two pairs that want one slot the last has it,
            names[slot] = keys.prints[chain, pair]  # value and name alike
        return found @ self.weight


class _Lookup:
    """Log P(w | v) from letter codes, for many pairs at once."""

    def __init__(self, model: LanguageModel, width: int) -> None:
        rng = np.random.default_rng(20)  # any weights do: they only spread the fingerprints
        self.weights = rng.integers(0, 1 << 64, width, dtype=np.uint64) | np.uint64(1)
        self.mix = rng.integers(0, 1 << 64, dtype=np.uint64) | np.uint64(1)
        self.model = model
        prints = self._prints(model.codes)
        self.order = np.argsort(prints)
        self.prints = prints[self.order]
        self.pairs = model.first * len(model.words) + model.second
        self.types, self.total = model.backoff

    def _prints(self, codes: Ints) -> Prints:
        columns = codes.astype(np.uint64).T
        total = np.zeros(len(codes), dtype=np.uint64)
        for column, weight in zip(columns, self.weights, strict=False):
            total += column * weight
        return total

    def _known(self, codes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        prints = self._prints(codes)
        at = np.minimum(np.searchsorted(self.prints, prints), len(self.prints) - 1)
        return self.order[at], self.prints[at] == prints

    def score(self, codes: Ints) -> Floats:
        """Log P(w | v) for codes (n, 2, width) of v and w; a v without letters is no word."""
        model = self.model
        v, v_known = self._known(codes[:, 0])
        w, w_known = self._known(codes[:, 1])
        log_word = model.log_words[w]
        new = np.flatnonzero(~w_known)
        log_word[new] = model.log_unknown + self._spell(codes[new, 1])
        pair = v * len(model.words) + w
        at = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
        seen = v_known & w_known & (self.pairs[at] == pair)
        count = np.where(seen, model.pair_counts[at], 0)
        mixed = np.log((count + self.types[v] * np.exp(log_word)) / self.total[v])
        return np.where(v_known, mixed, log_word)

    def _spell(self, codes: Ints) -> Floats:
        table = self.model.log_spelling
        total = np.zeros(len(codes))
        before = np.zeros(len(codes), dtype=np.int64)
        last = before
        for column in codes[:, : 1 + int((codes != 0).sum(1).max(initial=0))].T:
            total += table[before, last, column]
            before, last = last, column
        return total
