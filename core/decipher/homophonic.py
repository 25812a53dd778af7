"""Decipher a homophonic substitution: letters have several symbols each, as in Zodiac's of 1969.

A key gives each symbol a letter. Its density is the probability that the letters run as they do,
times that of the symbols if every letter takes its own with the shares that they have::

    log P(letters) - sum over letters of n log n        n: times that the letter occurs

up to a constant. The second term is the number of letters times their entropy; without it, a key
that reads nothing but a few frequent letters would be the best.

The search is Gibbs sampling: one symbol after the other gets a letter drawn from all of them, given
the rest of the key. The chains start at random and hot, and cool until they are at their target, as
in simulated annealing; the search ends when several of them read the same.

References
----------
Dhavare, Low and Stamp (2013), Efficient cryptanalysis of homophonic substitution ciphers.
Ravi and Knight (2011), Bayesian inference for Zodiac and other homophonic ciphers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.checks import count
from core.decipher.keys import CipherError, check
from core.decipher.pairsum import words_of
from core.decipher.solver import Settings, Solution, doubts
from core.decipher.spaceless import WordSum
from core.decipher.sureness import usual_score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["decipher_homophonic", "log_density", "share_out"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Sweeps over all symbols of the first round of chains; each further round takes twice as many.
_SWEEPS = 300

# Temperature at which chains start: all letters are still open there.
_HOT = 8.0

# Share of the letters that two chains read alike if both have found the text.
_ALIKE = 0.9

# Letters that are enough to find the key; of longer texts, the rest only settles rare symbols.
_ENOUGH_LETTERS = 2000

# Letters that a symbol must stand for on average: with fewer, nearly any text can be read.
_LEAST = 1.5

# Sweeps in which every key has become the best of its neighbours.
_SETTLING = 100

# Chains that draw the posterior.
_DRAWING = 8

# Changes of one symbol that are judged by words, of those that score best by letters.
_JUDGED = 60


def decipher_homophonic(
    cipher: CipherText,
    model: LanguageModel,
    rng: np.random.Generator,
    *,
    settings: Settings | None = None,
    known: Mapping[str, str] | None = None,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Solution:
    """Find which letter each symbol stands for; spaces do not matter.

    Parameters
    ----------
    cipher
        The text, from ``model.alphabet.read_homophonic``.
    model, rng, progress
        As for `core.decipher.solver.decipher`.
    settings
        Of them count `n_chains`, `max_steps` (sweeps over all symbols), `agree`, `n_draws`, `top`
        and `min_letters`.
    known
        Letters of symbols that are known beforehand.

    Returns
    -------
    Solution
        Its key has one entry per symbol, after the first; `agreed` counts the chains that read nine
        letters of ten alike.

    Raises
    ------
    CipherError
        A text that is too short, for itself or for its number of symbols; or `known` is no part of
        a key.

    Examples
    --------
    >>> from core.decipher import english
    >>> model, rng = english(), np.random.default_rng(1)
    >>> text = (
    ...     "We hold these truths to be self-evident, that all men are created equal, that they "
    ...     "are endowed by their Creator with certain unalienable Rights, that among these are "
    ...     "Life, Liberty and the pursuit of Happiness."
    ... )
    >>> ends = np.concatenate([[0], share_out(model, 30).cumsum()])
    >>> letters = model.alphabet.encode(text).codes
    >>> numbers = rng.integers(ends[letters - 1], ends[letters])
    >>> cipher = model.alphabet.read_homophonic(" ".join(map(str, numbers)))
    >>> decipher_homophonic(cipher, model, rng).words[:46]
    'we hold these truths to be self evident that a'
    """
    settings = settings or Settings()
    check(cipher, model, 1 if known else settings.min_letters)
    n_symbols, fixed = _enough(cipher), _known(cipher, known or {})
    part = _Target(cipher.codes[:_ENOUGH_LETTERS], model, n_symbols, fixed)
    found = _search(part, rng, settings, progress)
    longer = cipher.n_letters > _ENOUGH_LETTERS
    whole = _Target(cipher.codes, model, n_symbols, fixed) if longer else part
    score = WordSum(model, cipher)
    first = np.sort(np.unique(-found.best.round(6), return_index=True)[1])
    ranked = first[np.argsort(-found.best[first], kind="stable")][: settings.top]
    keys = [whole.settled(found.key[i]) for i in ranked]
    values = [whole.by_words(score, key) for key in keys]
    at = int(np.argmax(values))
    if not longer:  # in long texts the letters have told all, and words take long
        keys[at], values[at] = whole.climbed(score, keys[at], values[at])
    posterior = part.posterior(keys[at], rng, settings.n_draws)
    key = _codes(keys[at])
    best = float(score(score.keys(key[None]))[0])
    usual = usual_score(model, cipher.n_letters, spaces=False)
    readings = {cipher.decode(_codes(keys[i])): values[i] for i in np.argsort(values)}
    return Solution(
        key=key,
        plaintext=cipher.decode(key),
        log_probability=best,
        posterior=posterior,
        trace=found.trace,
        acceptance_rate=found.changed,
        agreed=found.agreed,
        proposals=found.proposals,
        readings=tuple((value, text) for text, value in reversed(readings.items())),
        words=words_of(cipher, model, key, spaces=False),
        spaces=False,
        usual=usual,
        warnings=tuple(doubts(best / cipher.n_letters, usual, found.agreed, settings)),
        cipher=cipher,
    )


def log_density(model: LanguageModel, plain: CipherText) -> float:
    """Score a plaintext, such as the true one, as the chains do: `Solution.trace` has the same."""
    target = _Target(plain.codes, model, len(model.alphabet), {})
    return float(target.log_density(np.arange(len(model.alphabet))[None])[0])


def share_out(model: LanguageModel, n_symbols: int) -> Ints:
    """Return how many symbols each letter of the alphabet gets, at least one and by its share.

    Raises
    ------
    ValueError
        Fewer symbols than letters.

    Examples
    --------
    >>> from core.decipher import english
    >>> symbols = share_out(english(), 54)
    >>> int(symbols.sum()), symbols.tolist()[:5]  # of a, b, c, d, e
    (54, [3, 1, 2, 2, 6])
    """
    share = model.letter_share[1:]
    count("n_symbols", n_symbols, len(share))
    symbols = np.ones(len(share), dtype=np.int64)
    for _ in range(n_symbols - len(share)):
        symbols[np.argmax(share / symbols)] += 1
    return symbols


class _Target:
    """The density of keys for one text; keys, shape (n_chains, n_symbols), count from 0.

    A symbol occurs in some runs of four letters. The place of a run in the table of their
    log-probabilities is linear in the key, so those of all letters in a symbol's place follow from
    one another.
    """

    def __init__(
        self, codes: Ints, model: LanguageModel, n_symbols: int, fixed: Mapping[int, int]
    ) -> None:
        self.codes = codes - 1
        self.n, self.size, self.n_symbols = len(self.codes), len(model.alphabet), n_symbols
        self.fixed = fixed
        self.log = model.log_letters.ravel().astype(np.float32)
        self.share = np.log(np.maximum(model.letter_share[1:], 1e-6)).astype(np.float32)
        times = np.arange(self.n + 1.0)
        self.channel = (times * np.log(np.maximum(times, 1))).astype(np.float32)
        self.times = np.bincount(self.codes, minlength=n_symbols)
        self.first = np.bincount(self.codes[:3], minlength=n_symbols)
        self.powers = self.size ** np.arange(3, -1, -1)
        self.runs, self.slopes = [], []
        windows = sliding_window_view(self.codes, 4) if self.n > 3 else np.zeros((0, 4), np.int64)
        for symbol in range(n_symbols):
            here = windows == symbol
            at = np.flatnonzero(here.any(axis=1))
            self.runs.append(at)
            self.slopes.append(here[at] @ self.powers)
        self.free = [
            s for s in range(n_symbols) if self.times[s] and s not in fixed
        ]  # what the text does not have stays as it is

    def start(self, rng: np.random.Generator, n_chains: int) -> Ints:
        """Draw keys, with the symbols that are known."""
        key = rng.integers(self.size, size=(n_chains, self.n_symbols))
        for symbol, letter in self.fixed.items():
            key[:, symbol] = letter
        return key

    def log_density(self, key: Ints) -> Floats:
        """Return the log-density of keys, shape (n_chains,)."""
        return _State(self, key).log_density()

    def settled(self, key: Ints) -> Ints:
        """Improve a key, shape (n_symbols,), by changes of one symbol, until none is of use."""
        chains = _State(self, key[None].copy())
        chains.settle()
        settled: Ints = chains.key[0]
        return settled

    def by_words(self, score: WordSum, key: Ints) -> float:
        """Return the log-density of a key with words in place of running letters."""
        by_letter = np.bincount(key, weights=self.times, minlength=self.size).astype(np.int64)
        code = _codes(key)
        return float(score(score.keys(code[None]))[0]) - float(self.channel[by_letter].sum())

    def climbed(self, score: WordSum, key: Ints, value: float) -> tuple[Ints, float]:
        """Change one symbol at a time while that makes the words likelier."""
        while True:
            gains = _State(self, key[None].copy()).gains(self.free)
            options = np.argsort(-gains, axis=None, kind="stable")[:_JUDGED]
            tried = []
            for row, letter in zip(*np.unravel_index(options, gains.shape), strict=True):
                changed = key.copy()
                changed[self.free[row]] = letter
                tried.append((self.by_words(score, changed), changed))
            best = max(tried, key=lambda one: one[0], default=(value, key))
            if best[0] <= value + 1e-6:
                return key, value
            value, key = best

    def posterior(self, key: Ints, rng: np.random.Generator, n_draws: int) -> Floats:
        """Draw keys, starting from one; return the share of each letter for each symbol."""
        share = np.zeros((self.n_symbols + 1, self.size + 1))
        chains = _State(self, np.repeat(key[None], _DRAWING, axis=0))
        rows = np.arange(1, self.n_symbols + 1)
        for _ in range(-(-n_draws // _DRAWING)):
            chains.sweep(self.free, 1.0, rng)
            for drawn in chains.key:
                share[rows, drawn + 1] += 1
        share[0, 0] = 1
        share /= share.sum(axis=1, keepdims=True)
        return share


class _State:
    """Chains: their keys, the places of their runs in the table, and how often letters occur."""

    def __init__(self, target: _Target, key: Ints) -> None:
        self.target, self.key = target, key
        self.rows, self.letters = np.arange(len(key)), np.arange(target.size)
        plain = key[:, target.codes]
        if target.n > 3:
            self.place = sliding_window_view(plain, 4, axis=1) @ target.powers
        else:
            self.place = np.zeros((len(key), 0), dtype=np.int64)
        self.counts = np.stack([np.bincount(one, minlength=target.size) for one in plain])

    def log_density(self) -> Floats:
        """Return the log-density of each chain's key."""
        t = self.target
        found: Floats = t.share[self.key[:, t.codes[:3]]].sum(axis=1, dtype=float)
        found += t.log[self.place].sum(axis=1, dtype=float)
        found -= t.channel[self.counts].sum(axis=1, dtype=float)
        return found

    def sweep(
        self,
        symbols: Iterable[int],
        temperature: float | None,
        rng: np.random.Generator | None = None,
    ) -> int:
        """Give symbols new letters; return how many changed.

        Without a temperature, each gets the best letter instead of a draw.
        """
        changed = 0
        for symbol in symbols:
            scores, base = self._scores(symbol)
            if temperature is not None and rng is not None:
                # The largest of scores with Gumbel noise is a draw.
                scores = scores / temperature + rng.gumbel(size=scores.shape)
            new = scores.argmax(axis=1)
            old = self.key[:, symbol]
            changed += int((new != old).sum())
            self._put(symbol, new, base)
        return changed

    def settle(self) -> None:
        """Give each symbol the best letter in turn, until none changes."""
        for _ in range(_SETTLING):
            if not self.sweep(self.target.free, None):
                break

    def gains(self, symbols: list[int]) -> Floats:
        """Return what each letter in the place of each symbol gains the first chain's key."""
        found = np.full((len(symbols), len(self.letters)), -np.inf)
        for row, symbol in enumerate(symbols):
            old = self.key[:, symbol].copy()
            scores, base = self._scores(symbol)
            found[row] = scores[0] - scores[0, old[0]]
            found[row, old[0]] = -np.inf
            self._put(symbol, old, base)
        return found

    def _scores(self, symbol: int) -> tuple[Floats, Ints]:
        """Take a symbol out; return each letter's score in its place, and the runs without it."""
        t, old = self.target, self.key[:, symbol]
        runs, slopes, times = t.runs[symbol], t.slopes[symbol], t.times[symbol]
        base = self.place[:, runs] - old[:, None] * slopes
        self.counts[self.rows, old] -= times
        places = base[:, None, :] + self.letters[:, None] * slopes
        scores = t.log[places].sum(axis=-1)
        scores -= t.channel[self.counts + times] - t.channel[self.counts]
        if t.first[symbol]:
            scores += t.first[symbol] * t.share
        return scores, base

    def _put(self, symbol: int, letters: Ints, base: Ints) -> None:
        t = self.target
        self.key[:, symbol] = letters
        self.counts[self.rows, letters] += t.times[symbol]
        self.place[:, t.runs[symbol]] = base + letters[:, None] * t.slopes[symbol]


@dataclass(frozen=True)
class _Found:
    """What the chains found: each one's best key and its density, the rest as in `Solution`."""

    key: Ints
    best: Floats
    trace: Floats
    changed: Floats
    agreed: int
    proposals: int


def _search(
    target: _Target,
    rng: np.random.Generator,
    settings: Settings,
    progress: Callable[[range], Iterable[int]],
) -> _Found:
    """Cool chains from random keys, in rounds of more and more sweeps, until enough read alike."""
    keys, traces, changed, done, sweeps = [], [], 0, 0, min(_SWEEPS, settings.max_steps)
    best: list[Floats] = []
    while True:
        chains = _State(target, target.start(rng, settings.n_chains))
        trace = np.empty((settings.n_chains, sweeps))
        for i, temperature in zip(
            progress(range(sweeps)), np.geomspace(_HOT, 1.0, sweeps), strict=True
        ):
            changed += chains.sweep(rng.permutation(target.free).tolist(), temperature, rng)
            trace[:, i] = chains.log_density()
        chains.settle()
        keys.append(chains.key)
        best.append(chains.log_density())
        traces.append(trace)
        done += sweeps
        agreed = _agreed(target, np.stack(keys), np.stack(best))
        if agreed >= settings.agree or done + 2 * sweeps > settings.max_steps:
            break
        sweeps *= 2
    updates = done * len(target.free) * settings.n_chains
    return _Found(
        key=np.concatenate(keys),
        best=np.concatenate(best),
        trace=np.concatenate(traces, axis=1),
        changed=np.full(settings.n_chains, changed / max(updates, 1)),
        agreed=agreed,
        proposals=updates * target.size,
    )


def _agreed(target: _Target, keys: Ints, best: Floats) -> int:
    """Count the chains that read, in one of the rounds, about what the best one does."""
    text = keys[:, :, target.codes]
    top = text[np.unravel_index(best.argmax(), best.shape)]
    alike = (text == top).mean(axis=-1) >= _ALIKE
    return int(alike.any(axis=0).sum())


def _codes(key: Ints) -> Ints:
    """Return a key that counts from 1, as `Solution` does."""
    return np.concatenate([[0], key + 1])


def _enough(cipher: CipherText) -> int:
    """Return the number of symbols; refuse a text that is too short for them."""
    n_symbols = len(cipher.symbols)
    if cipher.n_letters < _LEAST * n_symbols:
        raise CipherError(
            f"{n_symbols} symbols in {cipher.n_letters} letters: with fewer than {_LEAST} letters "
            "a symbol, nearly any text can be read"
        )
    return n_symbols


def _known(cipher: CipherText, known: Mapping[str, str]) -> dict[int, int]:
    code, plain = cipher.code, cipher.alphabet.code
    for symbol, letter in known.items():
        if symbol not in code:
            raise CipherError(f"known symbol {symbol!r} is not in the text")
        if letter not in plain:
            raise CipherError(
                f"known letter {letter!r} is not in the alphabet {cipher.alphabet.letters!r}"
            )
    return {code[symbol] - 1: plain[letter] - 1 for symbol, letter in known.items()}
