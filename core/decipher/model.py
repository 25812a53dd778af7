"""A language model of words and letters, counted from text, in one small file.

The probability of a word after another is interpolated from three orders with the weights of Witten
and Bell, so that nothing needs tuning and an unknown word is judged by its spelling::

    P(w | v) = (c(v, w) + T(v) P_c(w)) / (c(v) + T(v))     word bigram, backed off to
    P_c(w)   = (n(w) + T P_spell(w)) / (B + T)             word unigram, backed off to
    P_spell(w) = product of P(letter | three letters before)   word boundaries included

``c`` counts, ``T`` is the number of distinct words and ``T(v)`` of those seen after ``v``; ``n(w)``
is the number of distinct words seen before ``w`` and ``B`` their sum (Kneser and Ney: a word that
follows few others is unlikely where the bigram is new). Bigrams seen once are not stored: their
share goes to the back-off. A word by itself has the frequency ``P(w)``, with ``c(w)`` and the
number of words read ``N`` in place of ``n(w)`` and ``B``.

A new word resembles the rare ones, and those are most of the vocabulary: its spelling follows from
the words that are known, each counted once, with Kneser and Ney's smoothing. For texts without
spaces there are the running letters, up to the fourth, with the weights of Witten and Bell.

References
----------
Witten and Bell (1991), The zero-frequency problem, IEEE Trans. Inf. Theory 37(4).
Kneser and Ney (1995), Improved backing-off for m-gram language modeling, ICASSP.
Chen and Goodman (1999), An empirical study of smoothing techniques for language modeling.
"""

from __future__ import annotations

import json
import lzma
import struct
from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.damaged import DAMAGED
from core.decipher.text import Alphabet

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LanguageModel", "ModelFileError", "build", "english"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MAGIC = b"WBLM"
_VERSION = 2  # the first one held letter trigrams, too, which the words themselves tell
_LARGEST = 1 << 28  # bytes of a model that is unpacked: a small file may claim any number
_HEAD = struct.Struct("<4sHI")  # magic, version, length of the packed body


class WordLogs(NamedTuple):
    """Log-probabilities of words by themselves.

    Attributes
    ----------
    known
        Log-probabilities of the vocabulary, shape (V,).
    unknown
        To add to the log-probability of the spelling of any other word.
    """

    known: Floats
    unknown: float


class ModelFileError(ValueError):
    """A language model file that cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """Counts of a training text.

    Attributes
    ----------
    alphabet
        The letters that words are made of.
    words
        The vocabulary, sorted, ``V`` words.
    counts
        Times each word was seen, shape (V,).
    contexts
        Number of distinct words that each word was seen after, shape (V,).
    first, second, pair_counts
        Word bigrams seen at least twice, as vocabulary indices sorted by (first, second), and
        times seen; each of shape (n_bigrams,).
    quadgrams
        Four letters running, spaces left out; shape (A, A, A, A) for A letters, index 0 is the
        first one.
    source
        Where the training text comes from and its licence.
    """

    alphabet: Alphabet
    words: tuple[str, ...]
    counts: Ints
    contexts: Ints
    first: Ints
    second: Ints
    pair_counts: Ints
    quadgrams: Ints
    source: str

    @cached_property
    def index(self) -> dict[str, int]:
        """Vocabulary index of each word."""
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def letter_share(self) -> Floats:
        """Share of each letter in running text, shape (A + 1,); index 0 is 0."""
        longest = self.codes.shape[1]
        counts = np.bincount(
            self.codes.ravel(),
            weights=np.repeat(self.counts, longest).astype(float),
            minlength=len(self.alphabet) + 1,
        )
        counts[0] = 0.0
        share: Floats = counts / counts.sum()
        return share

    @cached_property
    def log_spelling(self) -> Floats:
        """Log of P(letter | three letters before), shape (A + 1, A + 1, A + 1, A + 1).

        Index 0 is the word boundary; after a word's end it stays there with probability 1, so
        that padding with 0 costs nothing.
        """
        size, width = len(self.alphabet) + 1, self.codes.shape[1]
        padded = np.pad(self.codes, ((0, 0), (3, 0)))
        runs = np.zeros_like(self.codes)
        for i in range(4):
            runs = runs * size + padded[:, i : i + width]
        inside = np.ones(runs.shape, dtype=bool)
        inside[:, 1:] = self.codes[:, :-1] > 0
        counts = np.bincount(runs[inside], minlength=size**4).reshape([size] * 4)
        log: Floats = np.log(_kneser_ney(counts))
        log[:, 1:, 0, 0] = 0.0
        log[:, 0, 0, 0] = 0.0
        return log

    @cached_property
    def log_letters(self) -> Floats:
        """Log of P(letter | three letters before) without spaces, shape (A, A, A, A)."""
        log: Floats = np.log(_witten_bell(self.quadgrams))
        return log

    @cached_property
    def unigram(self) -> WordLogs:
        """Log of P(w), by how often each word was seen."""
        return self._word_logs(self.counts)

    @cached_property
    def continuation(self) -> WordLogs:
        """Log of P_c(w), by how many different words each word was seen after."""
        return self._word_logs(self.contexts)

    def _word_logs(self, counts: Ints) -> WordLogs:
        spelling = np.zeros(len(self.words))
        padded = np.pad(self.codes, ((0, 0), (3, 0))).T
        for run in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
            spelling += self.log_spelling[run]
        n, t = int(counts.sum()), len(self.words)
        known = np.log((counts + t * np.exp(spelling)) / (n + t))
        return WordLogs(known, float(np.log(t / (n + t))))

    @cached_property
    def codes(self) -> Ints:
        """Letter codes of the vocabulary, padded with 0 (at least one), shape (V, longest + 1)."""
        width = max(map(len, self.words)) + 1
        joined = "".join(word.ljust(width, "\0") for word in self.words)
        table = {ord(letter): i for i, letter in enumerate(self.alphabet.letters, 1)}
        flat = joined.translate({k: chr(v) for k, v in table.items()})
        return np.array([ord(c) for c in flat], dtype=np.int64).reshape(-1, width)

    @cached_property
    def trie(self) -> tuple[NDArray[np.int32], Ints]:
        """Words as paths from node 0 through a table, and the word that ends at each node.

        ``trie[node, letter]`` is the next node, 0 for none; shape (n_nodes, A + 1). The word is
        its vocabulary index, -1 for none; shape (n_nodes,).
        """
        width = len(self.alphabet) + 1
        node, found, size = np.zeros(len(self.words), dtype=np.int64), [], 1
        for column in self.codes.T:
            live = np.flatnonzero(column)
            edges, to = np.unique(node[live] * width + column[live], return_inverse=True)
            node[live] = size + to
            found.append(edges)
            size += len(edges)
        trie = np.zeros((size, width), dtype=np.int32)
        trie.ravel()[np.concatenate(found)] = np.arange(1, size)
        words = np.full(size, -1)
        words[node] = np.arange(len(self.words))
        return trie, words

    def log_pairs(self, first: Ints, second: Ints) -> Floats:
        """Return log P(w | v) of pairs of vocabulary indices, shape (n,)."""
        types, total = self.backoff
        pairs, wanted = self.first * len(self.words) + self.second, first * len(self.words) + second
        at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
        seen = np.where(pairs[at] == wanted, self.pair_counts[at], 0)
        log: Floats = np.log(
            (types[first] * np.exp(self.continuation.known[second]) + seen) / total[first]
        )
        return log

    @cached_property
    def backoff(self) -> tuple[Floats, Floats]:
        """What P(w | v) needs of v: ``T(v)`` with the dropped counts added, and ``c(v) + T(v)``.

        Each of shape (V,).
        """
        n_words = len(self.words)
        kept = np.bincount(self.first, weights=self.pair_counts, minlength=n_words)
        types = np.bincount(self.first, minlength=n_words)
        # A dropped bigram was seen once: one count and one type each. The last word of the text
        # has a count without a follower.
        dropped = np.maximum(self.counts - kept, 0.0)
        return types + 2 * dropped, self.counts + types + dropped

    def log_spell(self, word: str) -> float:
        """Return the log of P_spell(word)."""
        codes = [0, 0, 0, *(self.alphabet.code[c] for c in word), 0]
        runs = zip(codes, codes[1:], codes[2:], codes[3:], strict=False)
        return float(sum(self.log_spelling[run] for run in runs))

    def log_word(self, word: str) -> float:
        """Return the log of P(word), known or not.

        Examples
        --------
        >>> model = build("the cat sat on the mat the cat ran", Alphabet("acehmnorst"))
        >>> model.log_word("the") > model.log_word("mat") > model.log_word("tam")
        True
        """
        return self._log_word(self.unigram, word)

    def _log_word(self, logs: WordLogs, word: str) -> float:
        known = self.index.get(word)
        if known is not None:
            return float(logs.known[known])
        return logs.unknown + self.log_spell(word)

    def log_pair(self, before: str, word: str) -> float:
        """Return the log of P(word | before); an empty or unknown `before` tells nothing."""
        v, w = self.index.get(before), self.index.get(word)
        backed = self._log_word(self.continuation, word)
        if v is None:
            return backed
        types, total = (float(column[v]) for column in self.backoff)
        count = self._pairs.get((v, w), 0) if w is not None else 0
        return float(np.log((count + types * np.exp(backed)) / total))

    @cached_property
    def _pairs(self) -> dict[tuple[int, int], int]:
        keys = zip(self.first.tolist(), self.second.tolist(), strict=True)
        return dict(zip(keys, self.pair_counts.tolist(), strict=True))

    def log_text(self, words: Iterable[str]) -> float:
        """Return the log-probability of a sequence of words: the oracle of the fast scorers."""
        total, before = 0.0, ""
        for word in words:
            total += self.log_pair(before, word)
            before = word
        return total

    def to_bytes(self) -> bytes:
        """Pack the counts; the same model gives the same bytes."""
        head = {
            "letters": self.alphabet.letters,
            "source": self.source,
            "words": len(self.words),
            "pairs": len(self.first),
            "quadgrams": int(np.count_nonzero(self.quadgrams)),
        }
        followers = np.bincount(self.first, minlength=len(self.words))
        steps = np.diff(self.second, prepend=0)
        new = np.diff(self.first, prepend=-1) != 0
        steps[new] = self.second[new]  # differences within one first word, absolute at its start
        body = b"\n".join(
            [json.dumps(head, ensure_ascii=False).encode(), "\n".join(self.words).encode(), b""]
        )
        cells = np.flatnonzero(self.quadgrams)
        arrays = (
            *(self.counts, self.contexts, followers, steps, self.pair_counts - 2),
            *(np.diff(cells, prepend=-1), self.quadgrams.ravel()[cells]),
        )
        body = struct.pack("<I", len(body)) + body + b"".join(map(_pack, arrays))
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 3, "pb": 0}]
        packed = lzma.compress(body, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters)
        return _HEAD.pack(_MAGIC, _VERSION, len(packed)) + packed

    @classmethod
    def from_bytes(cls, data: bytes) -> LanguageModel:
        """Unpack what `to_bytes` made.

        Raises
        ------
        ModelFileError
            If the data are no model, of another version, truncated or damaged.
        """
        if len(data) < _HEAD.size or data[:4] != _MAGIC:
            raise ModelFileError(
                "not a language model file (it does not start with WBLM): build one with "
                "python -m jobs.decipher.model"
            )
        _, version, length = _HEAD.unpack_from(data)
        if version not in (1, _VERSION):
            raise ModelFileError(
                f"language model of format version {version}, but this program reads version "
                f"{_VERSION}: build it again with python -m jobs.decipher.model"
            )
        packed = data[_HEAD.size :]
        if len(packed) != length:
            raise ModelFileError(
                f"language model is truncated: {len(packed)} of {length} bytes; "
                "copy or build it again"
            )
        try:
            reader = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            body = reader.decompress(packed, _LARGEST)
            if not reader.eof:
                raise EOFError("it is cut short, or larger than any model")
            return cls._unpack(body, version)
        except DAMAGED as error:
            raise ModelFileError(
                f"language model is damaged ({error}): copy or build it again"
            ) from None

    @classmethod
    def _unpack(cls, body: bytes, version: int) -> LanguageModel:
        length = struct.unpack_from("<I", body)[0]
        head_line, *words = body[4 : 4 + length].decode().split("\n")[:-1]
        head = json.loads(head_line)
        alphabet = Alphabet(head["letters"])
        at = 4 + length
        n_words, n_pairs = head["words"], head["pairs"]
        arrays = []
        n_cells = head["quadgrams"]
        unused = [(len(alphabet) + 1) ** 3] if version == 1 else []
        for n in (n_words, n_words, n_words, n_pairs, n_pairs, *unused, n_cells, n_cells):
            array, at = _unpack(body, at, n)
            arrays.append(array)
        counts, contexts, followers, steps, pair_counts, *_, gaps, runs = arrays
        first = np.repeat(np.arange(n_words), followers)
        if len(words) != n_words or len(first) != n_pairs:
            raise ValueError("its tables do not fit together")
        # Undo the differences: a running sum that starts afresh at each first word.
        total = np.cumsum(steps)
        begins = np.concatenate([[0], np.cumsum(followers)[:-1]])[followers > 0]
        base = np.repeat(total[begins] - steps[begins], followers[followers > 0])
        second = total - base
        quadgrams = np.zeros([len(alphabet)] * 4, dtype=np.int64)
        quadgrams.ravel()[np.cumsum(gaps) - 1] = runs
        return cls(
            alphabet=alphabet,
            words=tuple(words),
            counts=counts,
            contexts=contexts,
            first=first,
            second=second,
            pair_counts=pair_counts + 2,
            quadgrams=quadgrams,
            source=head["source"],
        )


def build(text: str, alphabet: Alphabet, source: str = "") -> LanguageModel:
    """Count the words, word bigrams and running letters of a training text.

    Parameters
    ----------
    text
        Plain text; more than 100,000 words is better.
    alphabet
        The letters that words are made of.
    source
        Where the text comes from and its licence; kept in the model.

    Raises
    ------
    ValueError
        If the text has no word.
    """
    words = alphabet.words(text)
    if not words:
        raise ValueError(
            f"the training text has no word in the alphabet {alphabet.letters!r}: "
            "give a text, or its alphabet"
        )
    unigrams, bigrams = Counter(words), Counter(pairwise(words))
    contexts = Counter(w for _, w in bigrams)
    vocabulary = tuple(sorted(unigrams))
    index = {word: i for i, word in enumerate(vocabulary)}
    pairs = sorted((index[v], index[w], n) for (v, w), n in bigrams.items() if n > 1)
    first, second, pair_counts = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
    counts = np.array([unigrams[word] for word in vocabulary], dtype=np.int64)
    n = len(alphabet)
    letters = np.array([alphabet.code[c] - 1 for c in "".join(words)], dtype=np.int64)
    runs = np.zeros(max(len(letters) - 3, 0), dtype=np.int64)
    for i in range(4):
        runs = runs * n + letters[i : i + len(runs)]
    return LanguageModel(
        alphabet=alphabet,
        words=vocabulary,
        counts=counts,
        contexts=np.array([contexts[word] for word in vocabulary], dtype=np.int64),
        first=first,
        second=second,
        pair_counts=pair_counts,
        quadgrams=np.bincount(runs, minlength=n**4).reshape(n, n, n, n),
        source=source,
    )


@cache
def english() -> LanguageModel:
    """Return the shipped English model; `docs/explanation/mcmc.md` tells its training texts."""
    data = files("core.decipher").joinpath("data/english.lm").read_bytes()
    return LanguageModel.from_bytes(data)


def _witten_bell(counts: Ints) -> Floats:
    """Return P(last | before) from n-gram counts, each order backed off to the next shorter one."""
    shorter = counts.sum(0)
    if shorter.ndim == 1:
        lower = (shorter + 1) / (shorter.sum() + shorter.size)
    else:
        lower = _witten_bell(shorter)
    types = (counts > 0).sum(-1, keepdims=True)
    total = counts.sum(-1, keepdims=True)
    # A context never seen has no types: what is left is the shorter one.
    smoothed: Floats = np.where(
        total > 0, (counts + types * lower) / np.maximum(total + types, 1), lower
    )
    return smoothed


def _kneser_ney(counts: Ints) -> Floats:
    """Return P(last | before) from n-gram counts by Kneser and Ney's interpolation.

    A shorter n-gram counts as often as there are different letters before it.
    """
    shorter = (counts > 0).sum(0)
    lower = _kneser_ney(shorter) if shorter.ndim else np.full(counts.size, 1 / counts.size)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    discount = once / (once + 2 * twice) if once and twice else 0.5
    types = (counts > 0).sum(-1, keepdims=True)
    total = counts.sum(-1, keepdims=True)
    kept = np.maximum(counts - discount, 0.0) + discount * types * lower
    smoothed: Floats = np.where(total > 0, kept / np.maximum(total, 1), lower)
    return smoothed


def _pack(numbers: Ints) -> bytes:
    """Store low bytes, then the numbers that need more: small counts dominate and compress well."""
    low = np.minimum(numbers, 255).astype(np.uint8)
    rest = numbers[numbers >= 255].astype("<u4")
    return struct.pack("<I", len(rest)) + low.tobytes() + rest.tobytes()


def _unpack(body: bytes, at: int, n: int) -> tuple[Ints, int]:
    n_rest = struct.unpack_from("<I", body, at)[0]
    numbers = np.frombuffer(body, np.uint8, n, at + 4).astype(np.int64)
    rest = np.frombuffer(body, "<u4", n_rest, at + 4 + n)
    numbers[numbers == 255] = rest
    return numbers, at + 4 + n + 4 * n_rest
