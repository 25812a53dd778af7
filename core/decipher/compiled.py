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
from core.decipher.spaceless import LetterScore, WordSum

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.decipher.model import LanguageModel
    from core.decipher.score import Keys
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
    times the step of the first letter's code. ``change`` has the same for every place, 0 where
    there is none.
    """

    first: Ints
    second: Ints
    start: Ints
    place: Ints
    amount: Prints
    change: Prints


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


class _Work(NamedTuple):
    """What a step reads and writes: all that the kernels need is made before they run.

    Attributes
    ----------
    parts
        Of each chain, as they are; shape (n_chains, n_places).
    new
        What a swap makes of them, where it has been found out; shape (n_places,).
    mark
        The swap that found it out; shape (n_places,).
    """

    parts: Floats
    new: Floats
    mark: Ints


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
        change = np.ones((len(swaps.change) + 1, swaps.change.shape[1]), dtype=np.uint64)
        change[:-1] = swaps.change
        if isinstance(score, WordSum):
            change = change[:, :0]
        touched = [np.flatnonzero(row) for row in change]
        self._moves = _Moves(
            swaps.first,
            swaps.second,
            np.cumsum([0, *map(len, touched)]),
            np.concatenate(touched),
            np.concatenate([row[at] for row, at in zip(change, touched, strict=True)]),
            change,
        )
        self._data = _tables(score)

    def run(
        self, walk: KeyWalk, state: TemperedState[Keys], randoms: Randoms, block: Block
    ) -> None:
        """Move the state, in place, and note each step in the block."""
        n_chains, n_places = state.position.prints.shape
        if isinstance(self._data, _Runs):  # the sums over the text so far are all that it needs
            n_places = len(self._data.codes) + 1
        work = _Work(
            np.zeros((n_chains, n_places)), np.zeros(n_places), np.zeros(n_places, dtype=np.int64)
        )
        _walk(self._data, self._moves, walk.beta, walk.exchange_every, state, randoms, block, work)
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


# The kernels allocate nothing, so they need no counting of references to arrays (numba's run time,
# "nrt"), which took most of the time of a short step.
@compiled(_nrt=False)
def _walk(  # noqa: PLR0917 (one loop, compiled; its functions take no keywords)
    data: Any,
    moves: _Moves,
    beta: Floats,
    every: int,
    state: TemperedState[Keys],
    randoms: Randoms,
    block: Block,
    work: _Work,
) -> None:
    density, columns, turns = state.log_density, len(block.accepted), 0
    everything = len(moves.first)
    for r in range(len(density)):
        density[r] = 0.0
        _move(data, moves, everything, state, r, work, -np.inf, -1 - r)
    start, n_steps = 0, len(randoms.swap)
    while start < n_steps:  # chain by chain up to the next exchange: a chain stays in the cache
        stop = min(start + every - (state.steps + start) % every, n_steps)
        if len(beta) == 1:
            stop = n_steps
        for r in range(len(density)):
            warm = 1.0 / beta[r // columns]
            for i in range(start, stop):
                least = warm * randoms.threshold[i, r]
                swap = randoms.swap[i, r]
                taken = _move(data, moves, swap, state, r, work, least, 1 + i * len(density) + r)
                if r < columns:
                    block.accepted[r] += taken
                    _note(block, i, r, state)
        turn, rest = divmod(state.steps + stop, every)
        if rest == 0 and len(beta) > 1:
            _exchange(beta, turn % 2, randoms.exchange[turns], state, work.parts)
            turns += 1
            for r in range(columns):
                _note(block, stop - 1, r, state)
        start = stop


@compiled(_nrt=False, forceinline=True)
def _note(block: Block, i: int, r: int, state: TemperedState[Keys]) -> None:
    block.log_density[i, r] = state.log_density[r]
    for k in range(block.key.shape[2]):
        block.key[i, r, k] = state.position.key[r, k]


@compiled(_nrt=False, forceinline=True)
def _move(  # noqa: PLR0917 (as `_walk`)
    data: Any,
    moves: _Moves,
    swap: int,
    state: TemperedState[Keys],
    r: int,
    work: _Work,
    least: float,
    mark: int,
) -> Any:
    """Make a swap if that raises the density of a chain by more than `least`; tell whether."""
    key, prints = state.position.key, state.position.prints
    step = np.uint64(0)
    a = b = 0
    if swap < len(moves.first):
        a, b = moves.first[swap], moves.second[swap]
        step = np.uint64(key[r, b] - key[r, a])
        key[r, a], key[r, b] = key[r, b], key[r, a]
    change = _change(
        data, moves, swap, (key, prints, r, step, work, least, mark, state.log_density[r])
    )
    if not change > least:
        key[r, a], key[r, b] = key[r, b], key[r, a]
        return False
    state.log_density[r] += change
    for q in range(moves.start[swap], moves.start[swap + 1]):
        p = moves.place[q]
        prints[r, p] += step * moves.amount[q]
        work.parts[r, p] = work.new[p]
    return True


@compiled(_nrt=False)
def _exchange(
    beta: Floats, odd: int, threshold: Floats, state: TemperedState[Keys], parts: Floats
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
                _swap_rows(parts, low, high)


@compiled(_nrt=False)
def _swap_rows(array: Any, i: int, j: int) -> None:
    for k in range(array.shape[1]):
        array[i, k], array[j, k] = array[j, k], array[i, k]


def _change(data: Any, moves: Any, swap: Any, chain: Any) -> Any:
    """Find by how much a swap that was made changes the density of a chain; see the module."""
    raise NotImplementedError  # compiled code calls what `_choose` gives


@overload(_change, jit_options={"forceinline": True, "_nrt": False})
def _choose(data: Any, moves: Any, swap: Any, chain: Any) -> Callable[..., Any]:
    del moves, swap, chain
    functions = {_Letters: _change_letters, _Pairs: _change_pairs, _Runs: _change_runs}
    chosen: Callable[..., Any] = functions[data.instance_class]
    return chosen


def _change_letters(data: Any, moves: Any, swap: Any, chain: Any) -> Any:
    _key, prints, r, step, work, least, _mark, _density = chain
    begin, end = moves.start[swap], moves.start[swap + 1]
    change = 0.0
    for q in range(begin, end):
        change -= work.parts[r, moves.place[q]]
    for q in range(begin, end):
        p = moves.place[q]
        part = data.weight[p] * data.log[np.int64(prints[r, p] + step * moves.amount[q])]
        work.new[p] = part
        change += part
        if change <= least:  # no log-probability is above 0
            break
    return change


def _change_pairs(data: Any, moves: Any, swap: Any, chain: Any) -> Any:
    """Keep for each word its index plus 1, or minus its probability if it is not known."""
    begin, n = moves.start[swap], len(data.first)
    _key, _prints, r, _step, work, least, _mark, _density = chain
    end, change = begin, 0.0
    while end < moves.start[swap + 1] and moves.place[end] < n:  # words come after the pairs
        change -= work.parts[r, moves.place[end]]
        end += 1
    for q in range(begin, end):
        p = moves.place[q]
        before = _word(data, moves, swap, chain, n + data.first[p])
        word = _word(data, moves, swap, chain, n + data.second[p])
        work.new[p] = data.weight[p] * _log_pair(data, before, word)
        change += work.new[p]
        if change <= least:
            break
    return change


@compiled(_nrt=False, forceinline=True)
def _word(data: _Pairs, moves: _Moves, swap: int, chain: Any, place: int) -> Any:
    """Look a word up where the swap changes it, once."""
    key, prints, r, step, work, _least, mark, _density = chain
    amount = moves.change[swap, place]
    if amount == 0:
        return work.parts[r, place]
    if work.mark[place] != mark:
        work.mark[place] = mark
        letters = data.letters[place - len(data.first)]
        work.new[place] = _look_up(data, prints[r, place] + step * amount, key[r], letters)
    return work.new[place]


@compiled(_nrt=False, forceinline=True)
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


@compiled(_nrt=False, forceinline=True)
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


def _change_runs(data: Any, moves: Any, swap: Any, chain: Any) -> Any:  # noqa: ARG001 (see _choose)
    """Sum over all ways to part the text into words, each start of a word in turn."""
    key, _prints, r, _step, work, _least, _mark, density = chain
    n, forward = len(data.codes), work.new
    forward[:] = 0.0
    forward[0], log_factor = 1.0, 0.0
    for i in range(n):
        last = min(i + data.longest, n)
        if forward[i] < _TINY:
            for j in range(i, last + 1):
                forward[j] *= _BIG
            log_factor -= np.log(_BIG)
        run, a, b, node = data.unknown, 0, 0, 0
        for j in range(i, last):
            c = key[r, data.codes[j]]
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
