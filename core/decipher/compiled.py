"""The steps of `core.decipher.walk` compiled by numba, which rescore only what a swap changes.

The same random numbers give the same chains as the numpy code, up to the rounding of sums. One loop
serves the three scores. Each stores the terms of the density (log-probabilities of four letters, or
of a word after another), and has a function `_change` that finds the terms that a swap changes and
returns the change of the density.
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

    from core.decipher.moves import Block, Ladder, Randoms, Score, Swaps
    from core.decipher.score import Keys
    from core.mcmc.tempering import TemperedState

__all__ = ["CompiledSteps"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Prints = NDArray[np.uint64]

_TINY, _BIG = 1e-200, 1e200

# The kernels allocate nothing, so they need no counting of references to arrays (numba's run time,
# "nrt"), which took most of the time of a short step.
_OPTIONS: Any = {"_nrt": False, "forceinline": True}


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
    screen: _Letters
    trie: NDArray[np.int32]
    word: Ints  # at each node of the trie, -1 for none
    chance: Floats
    unknown: float
    spelling: Floats
    codes: Ints
    longest: int


class _Proposal(NamedTuple):
    """A swap for one chain, and the gain that it needs.

    Attributes
    ----------
    swap, row
        Its number, and which chain's.
    least, second
        As in `_Trial`.
    mark
        Tells this proposal from all others.
    """

    swap: int
    row: int
    least: float
    second: float
    mark: int


class _Trial(NamedTuple):
    """A swap that one chain has made in its key, and may have to take back.

    Attributes
    ----------
    swap
        Its number.
    key, prints, row
        The keys, the fingerprints as they were before, and which chain's.
    step
        By how much the first letter's code rose.
    least, second
        The log-density must rise by more than `least`; behind a screen it is the screen's that
        must, and the log-density by more than `second` beyond that.
    density
        As it was before.
    mark
        Tells this trial from all others.
    """

    swap: int
    key: Ints
    prints: Prints
    row: int
    step: np.uint64
    least: float
    second: float
    density: float
    mark: int


class _Work(NamedTuple):
    """What a step reads and writes: all that the kernels need is made before they run.

    Attributes
    ----------
    parts
        Parts of each chain, as they are; shape (n_chains, n_places).
    new
        What a swap makes of them, where it has been found out; shape (n_places,).
    mark
        The swap that found it out; shape (n_places,).
    sums
        Probability of the text up to each letter, up to a factor; shape (n_letters + 1,).
    """

    parts: Floats
    new: Floats
    mark: Ints
    sums: Floats


class CompiledSteps:
    """The compiled steps for one text and its swaps.

    Parameters
    ----------
    score
        Scores the text.
    swaps
        What is proposed.
    """

    def __init__(self, score: Score, swaps: Swaps) -> None:
        self._score = score
        change = np.ones((len(swaps.change) + 1, swaps.change.shape[1]), dtype=np.uint64)
        change[:-1] = swaps.change
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
        self, ladder: Ladder, state: TemperedState[Keys], randoms: Randoms, block: Block
    ) -> None:
        """Move the state, in place, and note each step in the block."""
        n_chains, n_places = state.position.prints.shape
        work = _Work(
            np.zeros((n_chains, n_places)),
            np.zeros(n_places),
            np.zeros(n_places, dtype=np.int64),
            np.zeros(self._score.cipher.n_letters + 1),
        )
        _walk(self._data, self._moves, ladder, state, randoms, block, work)


def _tables(score: Score) -> _Letters | _Pairs | _Runs:
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
    trie, word = model.trie
    return _Runs(
        screen=_Letters(score.letters.log, score.trust * score.letters.weight),
        trie=trie,
        word=word,
        chance=np.exp(model.unigram.known),
        unknown=float(np.exp(model.unigram.unknown)),
        spelling=spelling,
        codes=score.cipher.codes,
        longest=score.longest,
    )


@compiled(_nrt=False)
def _walk(
    data: Any,
    moves: _Moves,
    ladder: Ladder,
    state: TemperedState[Keys],
    randoms: Randoms,
    block: Block,
    work: _Work,
) -> None:
    beta, every = ladder
    density, columns, turns = state.log_density, len(block.accepted), 0
    everything = len(moves.first)
    for r in range(len(density)):
        density[r] = 0.0
        _move(data, moves, state, _Proposal(everything, r, -np.inf, -np.inf, -1 - r), work)
    start, n_steps = 0, len(randoms.swap)
    while start < n_steps:  # chain by chain up to the next exchange: it stays in the cache
        stop = min(start + every - (state.steps + start) % every, n_steps)
        if len(beta) == 1:
            stop = n_steps
        for r in range(len(density)):
            warm = 1.0 / beta[r // columns]
            for i in range(start, stop):
                least, second = warm * randoms.threshold[i, r], 0.0
                if len(randoms.second):
                    second = warm * randoms.second[i, r]
                mark = 1 + i * len(density) + r
                proposal = _Proposal(randoms.swap[i, r], r, least, second, mark)
                taken = _move(data, moves, state, proposal, work)
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


@compiled(**_OPTIONS)
def _note(block: Block, i: int, r: int, state: TemperedState[Keys]) -> None:
    block.log_density[i, r] = state.log_density[r]
    for k in range(block.key.shape[2]):
        block.key[i, r, k] = state.position.key[r, k]


@compiled(**_OPTIONS)
def _move(
    data: Any, moves: _Moves, state: TemperedState[Keys], proposal: _Proposal, work: _Work
) -> Any:
    """Make a swap, and undo it if the bounds require that; tell whether it stays."""
    key, prints = state.position.key, state.position.prints
    swap, r, least, second, mark = proposal
    step, a, b = np.uint64(0), 0, 0
    if swap < len(moves.first):
        a, b = moves.first[swap], moves.second[swap]
        step = np.uint64(key[r, b] - key[r, a])
        key[r, a], key[r, b] = key[r, b], key[r, a]
    trial = _Trial(swap, key, prints, r, step, least, second, state.log_density[r], mark)
    change = _change(data, moves, trial, work)
    if change == -np.inf:
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
    """Exchange as `core.mcmc.tempering.exchange` decides."""
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


def _change(data: Any, moves: Any, trial: Any, work: Any) -> Any:
    """Compute how much a swap changes the log-density; minus infinity if it is rejected."""
    raise NotImplementedError  # compiled code calls what `_choose` gives


@overload(_change, jit_options=_OPTIONS)
def _choose(data: Any, moves: Any, trial: Any, work: Any) -> Callable[..., Any]:
    del moves, trial, work
    functions = {_Letters: _change_letters, _Pairs: _change_pairs, _Runs: _change_runs}
    chosen: Callable[..., Any] = functions[data.instance_class]
    return chosen


def _change_letters(data: Any, moves: Any, trial: Any, work: Any) -> Any:
    begin, end = moves.start[trial.swap], moves.start[trial.swap + 1]
    change = 0.0
    for q in range(begin, end):
        change -= work.parts[trial.row, moves.place[q]]
    for q in range(begin, end):
        p = moves.place[q]
        at = np.int64(trial.prints[trial.row, p] + trial.step * moves.amount[q])
        work.new[p] = data.weight[p] * data.log[at]
        change += work.new[p]
        if change <= trial.least:  # what is left cannot raise it: no probability is above 1
            return -np.inf
    return change if change > trial.least else -np.inf


def _change_pairs(data: Any, moves: Any, trial: Any, work: Any) -> Any:
    """Keep for each word its index plus 1, or minus its probability if it is not known."""
    begin, n = moves.start[trial.swap], len(data.first)
    end, change = begin, 0.0
    while end < moves.start[trial.swap + 1] and moves.place[end] < n:  # words come after the pairs
        change -= work.parts[trial.row, moves.place[end]]
        end += 1
    for q in range(begin, end):
        p = moves.place[q]
        before = _word(data, moves, trial, work, n + data.first[p])
        word = _word(data, moves, trial, work, n + data.second[p])
        work.new[p] = data.weight[p] * _log_pair(data, before, word)
        change += work.new[p]
        if change <= trial.least:
            return -np.inf
    return change if change > trial.least else -np.inf


@compiled(**_OPTIONS)
def _word(data: _Pairs, moves: _Moves, trial: _Trial, work: _Work, place: int) -> Any:
    """Look a word up where the swap changes it, once."""
    amount = moves.change[trial.swap, place]
    if amount == 0:
        return work.parts[trial.row, place]
    if work.mark[place] != trial.mark:
        work.mark[place] = trial.mark
        name = trial.prints[trial.row, place] + trial.step * amount
        letters = data.letters[place - len(data.first)]
        work.new[place] = _look_up(data, name, trial.key[trial.row], letters)
    return work.new[place]


@compiled(**_OPTIONS)
def _look_up(data: _Pairs, name: np.uint64, key: Ints, letters: Ints) -> Any:
    at = np.int64(name >> data.shift)
    while data.ids[at] >= 0:
        if data.names[at] == name:
            return data.ids[at] + 1.0
        at = (at + 1) & (len(data.ids) - 1)
    chance, a, b, c = data.unknown, 0, 0, 0
    for letter in letters:
        d = key[letter]
        chance *= data.spelling[a, b, c, d]
        a, b, c = b, c, d
        if letter == 0:
            break
    return -chance


@compiled(**_OPTIONS)
def _log_pair(data: _Pairs, before: float, word: float) -> Any:
    """Return log P(w | v), as `model` defines it."""
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


def _change_runs(data: Any, moves: Any, trial: Any, work: Any) -> Any:
    """Sum over all divisions of the text into words, one start of a word after another."""
    screen = _change(data.screen, moves, trial, work)
    if screen == -np.inf:
        return screen
    n, sums, key = len(data.codes), work.sums, trial.key[trial.row]
    sums[:] = 0.0
    sums[0], log_factor = 1.0, 0.0
    for i in range(n):
        last = min(i + data.longest, n)
        if sums[i] < _TINY:
            for j in range(i, last + 1):
                sums[j] *= _BIG
            log_factor -= np.log(_BIG)
        run, a, b, c, node = data.unknown, 0, 0, 0, 0
        for j in range(i, last):
            d = key[data.codes[j]]
            run *= data.spelling[a, b, c, d]
            a, b, c = b, c, d
            chance = run * data.spelling[a, b, c, 0]
            if node >= 0:
                node = data.trie[node, d]
                if node == 0:
                    node = -1
                elif data.word[node] >= 0:
                    chance = data.chance[data.word[node]]
            sums[j + 1] += sums[i] * chance
    change = np.log(sums[n]) + log_factor - trial.density
    return change if change - screen > trial.second else -np.inf
