"""The steps of `core.decipher.walk` compiled by numba: only what a swap touches is scored again.

The same random numbers give the same chains as the numpy code, but for the rounding of sums. One
loop serves the three scores. Each keeps parts, from which the density follows (the log-probability
of four letters, or of a word after another), and a function `_change` that finds the parts which a
swap changes and returns by how much the density does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from core._compile import compiled
from core.decipher.score import WordScore
from core.decipher.spaceless import LetterScore

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.decipher.model import LanguageModel
    from core.decipher.score import Keys
    from core.decipher.spaceless import WordSum
    from core.decipher.walk import Block, KeyWalk, Randoms, Swaps
    from core.mcmc.tempering import TemperedState

__all__ = ["Program"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Prints = NDArray[np.uint64]

_TINY, _BIG = 1e-200, 1e200


class _Moves(NamedTuple):
    """Swaps, and a last one that moves nothing and touches everything.

    Swap ``s`` touches ``place[start[s]:start[s + 1]]``; the fingerprints there change by ``amount``
    times the step of the first letter's code.
    """

    first: Ints
    second: Ints
    start: Ints
    place: Ints
    amount: Prints


class _Letters(NamedTuple):
    log: Floats
    weight: Floats


class _Pairs(NamedTuple):
    names: Prints  # the vocabulary by fingerprint, as in `score.Vocabulary`
    ids: NDArray[np.int32]
    shift: np.uint64
    chance: Floats  # of each word after an unknown one
    unknown: float
    spelling: Floats
    letters: Ints  # of each distinct word of the text
    first: Ints  # the pairs of the text
    second: Ints
    weight: Floats
    begin: Ints  # the bigrams of each first word, and how often each was seen
    follower: Ints
    times: Ints
    types: Floats
    total: Floats


class _Runs(NamedTuple):
    trie: NDArray[np.int32]
    word: Ints  # at each node of the trie, -1 for none
    chance: Floats
    unknown: float
    spelling: Floats
    codes: Ints
    longest: int


class Program:
    """The compiled steps for one text and its swaps.

    Parameters
    ----------
    score
        Scores the text.
    swaps
        What is proposed.
    """

    def __init__(self, score: WordScore | LetterScore | WordSum, swaps: Swaps) -> None:
        self._score = score
        places = np.arange(swaps.change.shape[1])
        touched = [*map(np.flatnonzero, swaps.change), places]
        amounts = [row[at] for row, at in zip(swaps.change, touched, strict=False)]
        self._moves = _Moves(
            swaps.first,
            swaps.second,
            np.cumsum([0, *map(len, touched)]),
            np.concatenate(touched),
            np.concatenate([*amounts, np.zeros(len(places), dtype=np.uint64)]),
        )
        self._data = _tables(score)

    def run(
        self, walk: KeyWalk, state: TemperedState[Keys], randoms: Randoms, block: Block
    ) -> None:
        """Move the state, in place, and note each step in the block."""
        _walk(self._data, self._moves, walk.beta, walk.exchange_every, state, randoms, block)
        if isinstance(self._data, _Runs):  # those go without fingerprints
            state.position.prints[:] = self._score.keys(state.position.key).prints


def _tables(score: WordScore | LetterScore | WordSum) -> _Letters | _Pairs | _Runs:
    if isinstance(score, LetterScore):
        return _Letters(score.log, score.weight)
    model, spelling = score.model, np.exp(score.model.log_spelling)
    if isinstance(score, WordScore):
        types, total = model.backoff
        return _Pairs(
            names=score.words.names,
            ids=score.words.ids,
            shift=score.words.shift,
            chance=np.exp(model.continuation.known),
            unknown=float(np.exp(model.continuation.unknown)),
            spelling=spelling,
            letters=score.letters,
            first=score.first,
            second=score.second,
            weight=score.weight,
            begin=np.searchsorted(model.first, np.arange(len(model.words) + 1)),
            follower=model.second,
            times=model.pair_counts,
            types=types,
            total=total,
        )
    trie, word = _trie(model)
    return _Runs(
        trie=trie,
        word=word,
        chance=np.exp(model.unigram.known),
        unknown=float(np.exp(model.unigram.unknown)),
        spelling=spelling,
        codes=score.cipher.codes,
        longest=score.longest,
    )


def _trie(model: LanguageModel) -> tuple[NDArray[np.int32], Ints]:
    """Words as paths from node 0: ``trie[node, letter]`` is the next node, 0 for none."""
    codes = model.codes
    node, found = np.zeros(len(codes), dtype=np.int64), []
    size = 1
    for column in codes.T:
        live = np.flatnonzero(column)
        edges, to = np.unique(np.stack([node[live], column[live]]), axis=1, return_inverse=True)
        new = np.arange(size, size + edges.shape[1])
        found.append(np.column_stack([*edges, new]))
        node[live] = new[to.ravel()]
        size += len(new)
    trie = np.zeros((size, len(model.alphabet) + 1), dtype=np.int32)
    source, letter, target = np.concatenate(found).T
    trie[source, letter] = target
    words = np.full(size, -1)
    words[node] = np.arange(len(codes))
    return trie, words


@compiled()
def _walk(  # noqa: C901, PLR0917 (one loop, compiled; its functions take no keywords)
    data: Any,
    moves: _Moves,
    beta: Floats,
    every: int,
    state: TemperedState[Keys],
    randoms: Randoms,
    block: Block,
) -> None:
    key, prints = state.position
    density = state.log_density
    columns, turns = len(block.accepted), 0
    # Between steps both hold the parts as they are; a swap writes what it finds into `new`.
    parts, new = np.zeros(prints.shape), np.zeros(prints.shape)
    for r in range(len(density)):
        chain = (np.uint64(0), key[r], prints[r], parts[r], new[r], 0.0)
        density[r] = _change(data, moves, len(moves.first), chain)
        parts[r] = new[r]
    start, n_steps = 0, len(randoms.swap)
    while start < n_steps:  # chain by chain up to the next exchange: a chain stays in the cache
        stop = min(start + every - (state.steps + start) % every, n_steps)
        if len(beta) == 1:
            stop = n_steps
        for r in range(len(density)):
            for i in range(start, stop):
                s = randoms.swap[i, r]
                a, b = moves.first[s], moves.second[s]
                step = np.uint64(key[r, b] - key[r, a])
                key[r, a], key[r, b] = key[r, b], key[r, a]
                chain = (step, key[r], prints[r], parts[r], new[r], density[r])
                delta = _change(data, moves, s, chain)
                if beta[r // columns] * delta > randoms.threshold[i, r]:
                    density[r] += delta
                    for q in range(moves.start[s], moves.start[s + 1]):
                        p = moves.place[q]
                        prints[r, p] += step * moves.amount[q]
                        parts[r, p] = new[r, p]
                    if r < columns:
                        block.accepted[r] += 1
                else:
                    key[r, a], key[r, b] = key[r, b], key[r, a]
                    for q in range(moves.start[s], moves.start[s + 1]):
                        p = moves.place[q]
                        new[r, p] = parts[r, p]
                if r < columns:
                    block.key[i, r] = key[r]
                    block.log_density[i, r] = density[r]
        turn, rest = divmod(state.steps + stop, every)
        if rest == 0 and len(beta) > 1:
            _exchange(beta, turn % 2, randoms.exchange[turns], state, (parts, new))
            turns += 1
            block.key[stop - 1] = key[:columns]
            block.log_density[stop - 1] = density[:columns]
        start = stop


@compiled()
def _exchange(
    beta: Floats,
    odd: int,
    threshold: Floats,
    state: TemperedState[Keys],
    parts: tuple[Floats, Floats],
) -> None:
    """Do what `core.mcmc.tempering.exchange` says."""
    density, columns = state.log_density, threshold.shape[1]
    for t in range(odd, len(beta) - 1, 2):
        for c in range(columns):
            low, high = t * columns + c, (t + 1) * columns + c
            if threshold[t, c] < (beta[t] - beta[t + 1]) * (density[high] - density[low]):
                density[low], density[high] = density[high], density[low]
                _swap_rows(state.position.key, low, high)
                _swap_rows(state.position.prints, low, high)
                _swap_rows(parts[0], low, high)
                _swap_rows(parts[1], low, high)


@compiled()
def _swap_rows(array: Any, i: int, j: int) -> None:
    for k in range(array.shape[1]):
        array[i, k], array[j, k] = array[j, k], array[i, k]


def _change(data: Any, moves: Any, s: Any, chain: Any) -> Any:
    """Find the new parts of a chain whose key has made swap `s`; see the module."""
    raise NotImplementedError  # compiled code calls what `_choose` gives


# Inlined, as every call would count references to each array of the bundles.
@overload(_change, jit_options={"forceinline": True})
def _choose(data: Any, moves: Any, s: Any, chain: Any) -> Callable[..., Any]:
    del moves, s, chain
    functions = {_Letters: _change_letters, _Pairs: _change_pairs, _Runs: _change_runs}
    chosen: Callable[..., Any] = functions[data.instance_class]
    return chosen


def _change_letters(data: Any, moves: Any, s: Any, chain: Any) -> Any:
    step, _key, prints, parts, new, _density = chain
    delta = 0.0
    for q in range(moves.start[s], moves.start[s + 1]):
        p = moves.place[q]
        new[p] = data.log[np.int64(prints[p] + step * moves.amount[q])]
        delta += data.weight[p] * (new[p] - parts[p])
    return delta


def _change_pairs(data: Any, moves: Any, s: Any, chain: Any) -> Any:
    """Keep for each word its index plus 1, or minus its probability if it is not known."""
    step, key, prints, parts, new, _density = chain
    n, delta = len(data.first), 0.0
    for q in range(moves.start[s + 1] - 1, moves.start[s] - 1, -1):  # words come after the pairs
        p = moves.place[q]
        if p >= n:
            new[p] = _look_up(data, prints[p] + step * moves.amount[q], key, data.letters[p - n])
        else:
            new[p] = _log_pair(data, new[n + data.first[p]], new[n + data.second[p]])
            delta += data.weight[p] * (new[p] - parts[p])
    return delta


@compiled(forceinline=True)
def _look_up(data: _Pairs, name: np.uint64, key: Ints, letters: Ints) -> Any:
    at = np.int64(name >> data.shift)
    while data.ids[at] >= 0:
        if data.names[at] == name:
            return data.ids[at] + 1.0
        at = (at + 1) & (len(data.ids) - 1)
    chance, a, b = data.unknown, 0, 0
    for letter in letters:
        c = key[letter]
        chance *= data.spelling[a, b, c]
        a, b = b, c
        if letter == 0:
            break
    return -chance


@compiled(forceinline=True)
def _log_pair(data: _Pairs, before: float, word: float) -> Any:
    """Log P(w | v), as `model` defines it."""
    chance = -word if word < 0 else data.chance[np.int64(word) - 1]
    if before < 0:
        return np.log(chance)
    v = np.int64(before) - 1
    mixed = data.types[v] * chance
    if word > 0:
        w = np.int64(word) - 1
        low, high = data.begin[v], data.begin[v + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if data.follower[middle] < w:
                low = middle + 1
            else:
                high = middle
        if low < end and data.follower[low] == w:
            mixed += data.times[low]
    return np.log(mixed / data.total[v])


def _change_runs(data: Any, moves: Any, s: Any, chain: Any) -> Any:  # noqa: ARG001 (see _choose)
    """Sum over all ways to part the text into words, each start of a word in turn."""
    _step, key, _prints, _parts, _new, density = chain
    n = len(data.codes)
    forward = np.zeros(n + 1)
    forward[0], log_factor = 1.0, 0.0
    for i in range(n):
        last = min(i + data.longest, n)
        if forward[i] < _TINY:
            forward[i : last + 1] *= _BIG
            log_factor -= np.log(_BIG)
        run, a, b, node = data.unknown, 0, 0, 0
        for j in range(i, last):
            c = key[data.codes[j]]
            run *= data.spelling[a, b, c]
            a, b = b, c
            chance = run * data.spelling[a, b, 0]
            if node >= 0:
                node = data.trie[node, c]
                if node == 0:
                    node = -1
                elif data.word[node] >= 0:
                    chance = data.chance[data.word[node]]
            forward[j + 1] += forward[i] * chance
    return np.log(forward[n]) + log_factor - density
