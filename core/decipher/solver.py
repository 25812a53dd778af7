"""Decipher a substitution cipher: sample keys from their posterior, keep the best.

With a flat prior over keys, the posterior of a key is the probability that the language model
gives to the text it deciphers. ``metropolis`` is the method of the notes: chains that swap two
letters of the key at a time. ``tempering`` runs the same swaps at several temperatures, and stops
as soon as independent columns of chains agree on the best key.

If the spaces are known, the words are scored. If they are not, or the text is long, a first search
scores the running letters, which is quick, until two columns read most letters alike. A second
search starts from what they found, and scores the words or sums over all divisions of the text into
words. Without spaces, pairs of words decide between the readings that both searches met, and
between their neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from core.checks import count
from core.decipher.keys import (
    ENOUGH,
    CipherError,
    check,
    complete,
    known_letters,
    random_keys,
)
from core.decipher.moves import Block, Swaps
from core.decipher.pairsum import PairSum, words_of
from core.decipher.polish import polish
from core.decipher.score import WordScore
from core.decipher.spaceless import LetterScore, WordSum
from core.decipher.sureness import Usual, evenness, usual_score
from core.decipher.walk import KeyWalk
from core.mcmc.tempering import TemperedState, check_ladder, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from core.decipher.model import LanguageModel
    from core.decipher.moves import Score
    from core.decipher.score import Keys
    from core.decipher.text import CipherText

__all__ = [
    "Settings",
    "Solution",
    "decipher",
    "doubts",
    "log_probability",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Hotter copies would undo what the first search found.
_GENTLE = 2.5

# Letters from which the running letters find most of the key, four times as fast as the words.
_LONG = 150

# Share of the text's letters that two columns of the first search read alike if both have found it.
_ALIKE = 0.9

# Letters from which the key of any text is found: more only take longer.
_ENOUGH_LETTERS = 5000

# Letters of a text without spaces up to which pairs of words decide between readings: longer texts
# are read right without, and the sum takes longer than the search.
_PAIRED = 150

# Searches from new keys, as long as chains do not agree or their reading scores so many nats a
# letter less than usual: of 60 letters, wrong readings do by 1.2 and more, hardly any right one
# by 1.
_ROUNDS, _POOR = 3, 1.0

# Where pairs of words decide, a first search may take so many times `max_steps`, since running
# letters cost little, and the second, which need not find the best key, the so-manieth part.
_PATIENT, _QUICK = 5, 4

# Different keys, the best first, from which the end of a search climbs.
_CLIMBS = 3


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to search.

    Attributes
    ----------
    method
        ``tempering``, or ``metropolis`` for plain chains.
    spaces
        Whether the text's spaces separate its words. If not, all characters but letters are
        ignored.
    n_chains
        Independent chains (columns of chains when tempering).
    max_steps
        Maximum number of steps of every chain; a step proposes a swap. A first search may take
        half as many. Without spaces, in texts of up to 150 letters, it may take five times as many,
        and the second a quarter.
    temperatures
        Temperatures of tempering: rising, from 1.
    exchange_every
        Steps between exchanges of neighbouring temperatures.
    check_every
        Steps between checks whether the chains agree.
    agree
        Chains that must share the best key to stop early; more than `n_chains` never stops early.
    n_draws
        Steps after that, from which the confidence of each letter is estimated.
    top
        Most probable readings to keep.
    min_letters
        Texts with fewer letters are refused (unless letters are known beforehand).
    compiled
        Run the chains with numba, on the same random numbers. The first run compiles for some
        seconds.
    """

    method: Literal["tempering", "metropolis"] = "tempering"
    spaces: bool = True
    n_chains: int = 8
    max_steps: int = 8000
    temperatures: tuple[float, ...] = (1.0, 1.5, 2.2, 3.2, 4.7, 7.0)
    exchange_every: int = 2
    check_every: int = 50
    agree: int = 3
    n_draws: int = 200
    top: int = 5
    min_letters: int = ENOUGH
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.method not in ("tempering", "metropolis"):
            raise ValueError(f"method = {self.method!r}: expected tempering or metropolis")
        counts = (
            "n_chains",
            "max_steps",
            "exchange_every",
            "check_every",
            "agree",
            "n_draws",
            "top",
        )
        for name in (*counts, "min_letters"):
            count(name, getattr(self, name))
        check_ladder(self.temperatures, self.exchange_every)


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """What was found.

    Attributes
    ----------
    key
        ``key[c]`` is the code of the plain letter for cipher letter ``c``; shape (A + 1,). Letters
        that do not occur in the text get what is left over, in order.
    plaintext
        The text deciphered, case and all other characters kept.
    log_probability
        Natural log of the language model's probability of `plaintext`.
    posterior
        Share of draws in which cipher letter ``c`` stood for letter ``p``; shape (A + 1, A + 1).
        In short texts without spaces each reading met has the share of its probability instead.
    trace
        Log-probability of each cold chain after each step; shape (n_chains, n_steps). That of the
        first search, if there is one, comes first.
    acceptance_rate
        Share of proposals taken by each cold chain; shape (n_chains,).
    agreed
        Chains that found the best key; in short texts without spaces, where pairs of words decide,
        chains that read nine letters of ten so.
    proposals
        Keys tried in all, at all temperatures.
    readings
        The most probable plaintexts found, with their log-probabilities, best first.
    words
        The deciphered words in lower case with a space between; found, if spaces were not known.
    spaces
        Whether they were.
    usual
        Score per letter of texts in the language, to compare with `score`.
    warnings
        Reasons why the reading may be wrong; empty if there are none.
    """

    key: Ints
    plaintext: str
    log_probability: float
    posterior: Floats
    trace: Floats
    acceptance_rate: Floats
    agreed: int
    proposals: int
    readings: tuple[tuple[float, str], ...]
    words: str
    spaces: bool
    usual: Usual
    warnings: tuple[str, ...]
    cipher: CipherText = field(repr=False)

    @property
    def score(self) -> float:
        """Log-probability per letter."""
        return self.log_probability / self.cipher.n_letters

    @property
    def confidence(self) -> Floats:
        """Posterior probability of the letter chosen for each cipher letter, shape (A + 1,)."""
        chosen: Floats = self.posterior[np.arange(len(self.key)), self.key]
        return chosen


def decipher(
    cipher: CipherText,
    model: LanguageModel,
    rng: np.random.Generator,
    *,
    settings: Settings | None = None,
    known: Mapping[str, str] | None = None,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Solution:
    """Find the key of a text.

    Parameters
    ----------
    cipher
        The text, from ``model.alphabet.encode``.
    model
        The language that the plaintext is in.
    rng
        Source of every random number.
    settings
        How to search.
    known
        Plain letters of cipher letters that are known beforehand.
    progress
        Wraps the range of the steps after which it looks whether chains agree, to show how far it
        is.

    Raises
    ------
    CipherError
        See `check`; or if `known` is no part of a key.

    Examples
    --------
    >>> from core.decipher.model import english
    >>> model, rng = english(), np.random.default_rng(0)
    >>> text = "Vjg uvcvg qh vjg Wpkqp ku uvtqpi, cpf yg ujcnn fq yjcv ku tkijv."
    >>> solution = decipher(model.alphabet.encode(text), model, rng)
    >>> solution.plaintext
    'The state of the Union is strong, and we shall do what is right.'
    """
    settings = settings or Settings()
    check(cipher, model, 1 if known else settings.min_letters)
    # The beginning of a long text is enough for the search.
    part = cipher.part(_ENOUGH_LETTERS)
    fixed = known_letters(part, known or {})
    runs: list[_Run] = []
    usual = usual_score(model, cipher.n_letters, spaces=settings.spaces)
    pairs = not settings.spaces and part.n_letters <= _PAIRED
    for _ in range(_ROUNDS if pairs and settings.method == "tempering" else 1):
        runs += _searches(part, model, rng, settings=settings, fixed=fixed, progress=progress)
        last = runs[-1]
        if pairs:
            last = _paired(runs, PairSum(model, part), np.array(list(fixed), dtype=np.int64))
        if last.agreed > 1 and last.best.max() >= (usual.mean - _POOR) * part.n_letters:
            break
    key, best = last.best_key[last.best.argmax()], float(last.best.max())
    readings = _readings(last, part, settings.top)
    if part is not cipher:
        score = _last_score(cipher, model, spaces=settings.spaces)
        key, best = polish(score, key, np.array(list(fixed), dtype=np.int64))
        readings = ((best, cipher.decode(key)),)
    key = complete(key, cipher)
    return Solution(
        key=key,
        plaintext=cipher.decode(key),
        log_probability=best,
        posterior=last.posterior,
        trace=np.concatenate([run.trace for run in runs], axis=1),
        acceptance_rate=last.acceptance_rate,
        agreed=last.agreed,
        proposals=sum(run.proposals for run in runs),
        readings=readings,
        words=words_of(cipher, model, key, spaces=settings.spaces),
        spaces=settings.spaces,
        usual=usual,
        warnings=_warnings(cipher, model, best, usual, last.agreed, settings),
        cipher=cipher,
    )


def _searches(
    cipher: CipherText,
    model: LanguageModel,
    rng: np.random.Generator,
    *,
    settings: Settings,
    fixed: Mapping[int, int],
    progress: Callable[[range], Iterable[int]],
) -> list[_Run]:
    """Search with one score after the other, each starting from the previous result."""
    given = np.array(list(fixed), dtype=np.int64)
    ladder = settings.temperatures if settings.method == "tempering" else (1.0,)
    keys = random_keys(rng, settings.n_chains * len(ladder), len(model.alphabet), fixed)
    scores, runs = _scores(cipher, model, settings), []
    for score in scores:
        swaps = Swaps.of(score, given)
        if not len(swaps.first):
            raise CipherError("every letter is known: nothing is left to decipher")
        run = _search(
            KeyWalk(score, swaps, ladder, settings.exchange_every, compiled=settings.compiled),
            keys,
            rng,
            settings=settings,
            fixed=given if score is scores[-1] else None,
            progress=progress,
        )
        runs.append(run)
        ladder = tuple(t for t in ladder if t <= _GENTLE)
        alike = _alike(run.best, run.best_key, cipher)
        found = run.best_key[alike] if len(alike) > 1 else run.best_key
        keys = np.resize(found, (settings.n_chains * len(ladder), found.shape[1]))
    return runs


def _scores(cipher: CipherText, model: LanguageModel, settings: Settings) -> list[Score]:
    """Return the scores of the searches, of which the last one decides."""
    if not settings.spaces:
        return [LetterScore(model, cipher), WordSum(model, cipher)]
    if cipher.n_letters >= _LONG and settings.method == "tempering":
        return [LetterScore(model, cipher), WordScore(model, cipher)]
    return [WordScore(model, cipher)]


def _last_score(
    cipher: CipherText, model: LanguageModel, *, spaces: bool
) -> WordScore | WordSum | PairSum:
    """Return what decides between readings."""
    if spaces:
        return WordScore(model, cipher)
    return (PairSum if cipher.n_letters <= _PAIRED else WordSum)(model, cipher)


def _most_steps(settings: Settings, n_letters: int, *, scout: bool) -> int:
    """Return how many steps a search takes at most."""
    steps = settings.max_steps
    if settings.spaces or n_letters > _PAIRED:
        return (steps + 1) // 2 if scout else steps
    return steps * _PATIENT if scout else -(-steps // _QUICK)


def _warnings(
    cipher: CipherText,
    model: LanguageModel,
    best: float,
    usual: Usual,
    agreed: int,
    settings: Settings,
) -> tuple[str, ...]:
    """List the reasons to doubt a reading."""
    found = []
    if what := evenness(cipher, model):
        found.append(
            f"it may not be a simple substitution cipher: {what} (python -m jobs.decipher.identify "
            "opens Vigenère's)"
        )
    return (*found, *doubts(best / cipher.n_letters, usual, agreed, settings))


def doubts(score: float, usual: Usual, agreed: int, settings: Settings) -> list[str]:
    """List the reasons to doubt a reading, of its score per letter and of the chains."""
    found = []
    if score < usual.least:
        found.append(
            f"the reading scores {score:.2f} nats a letter, where texts of this language have "
            f"{usual.mean:.2f} and hardly any less than {usual.least:.2f}: it is hardly right; the "
            "text may be in another language, written backwards, or no simple substitution"
        )
    if agreed < min(settings.agree, settings.n_chains):
        found.append(
            f"only {agreed} of {settings.n_chains} chains found this reading: there may be a "
            "better one; search longer (max_steps) or with other random numbers (seed)"
        )
    return found


@dataclass(frozen=True)
class _Run:
    """One search: for each column the best key and its density, the rest as in `Solution`."""

    best: Floats
    best_key: Ints
    posterior: Floats
    trace: Floats
    acceptance_rate: Floats
    proposals: int
    draws: Block
    agreed: int


def _search(
    walk: KeyWalk,
    keys: Ints,
    rng: np.random.Generator,
    *,
    settings: Settings,
    fixed: Ints | None,
    progress: Callable[[range], Iterable[int]],
) -> _Run:
    """Run chains until enough columns agree on the best key, climb from there, then draw.

    A scout, which another search follows, has no `fixed` letters; it needs less agreement, and
    neither climbs nor draws.
    """
    columns, scout = settings.n_chains, fixed is None
    state = walk.init(keys)
    seen = _Seen(np.full(columns, -np.inf), keys[:columns].copy())
    max_steps = _most_steps(settings, walk.score.cipher.n_letters, scout=scout)
    for start in progress(range(0, max_steps, settings.check_every)):
        state = seen.run(walk, rng, state, min(settings.check_every, max_steps - start))
        alike = _alike(seen.best, seen.best_key, walk.score.cipher)
        if scout and len(alike) >= min(settings.agree, 2):
            break
        # Agreement of columns that begin alike means nothing before each has tried about every
        # swap.
        tried = start + settings.check_every >= len(walk.swaps.first)
        if not scout and tried and _agreed(seen.best) >= settings.agree:
            break
    found = seen.best.copy()
    if fixed is not None:
        # In long texts no key comes near the right one, so chains that agree have found it.
        score = walk.score
        unsure = score.cipher.n_letters < _LONG or _agreed(seen.best) < settings.agree
        if (
            unsure
            and not isinstance(score, LetterScore)
            and _climb(score, seen.best, seen.best_key, fixed)
        ):
            keys = state.position.key.copy()
            keys[:columns] = seen.best_key
            state = walk.init(keys)
        found = seen.best.copy()  # by each on its own: the draws all begin at the best key
        state = _gather(rng, state, seen.best)
        seen.run(walk, rng, state, settings.n_draws)
    return seen.summed_up(found, len(keys))


@dataclass
class _Seen:
    """What chains have met: for each column the best key and its density, and every block."""

    best: Floats
    best_key: Ints
    blocks: list[Block] = field(default_factory=list)

    def run(
        self, walk: KeyWalk, rng: np.random.Generator, state: TemperedState[Keys], n_steps: int
    ) -> TemperedState[Keys]:
        """Advance the chains, and record where they were."""
        state, block = walk.run(rng, state, n_steps)
        self.blocks.append(block)
        at, chains = block.log_density.argmax(0), np.arange(len(self.best))
        better = block.log_density[at, chains] > self.best
        self.best[better] = block.log_density[at, chains][better]
        self.best_key[better] = block.key[at, chains][better]
        return state

    def summed_up(self, found: Floats, n_keys: int) -> _Run:
        """Return the search; `found` is what each column found on its own."""
        draws = self.blocks[-1]
        size = self.best_key.shape[1]
        cells = (np.arange(size) * size + draws.key).ravel()
        posterior = np.bincount(cells, minlength=size**2).reshape(size, size) * size / len(cells)
        trace = np.concatenate([block.log_density for block in self.blocks])
        return _Run(
            best=self.best,
            best_key=self.best_key,
            posterior=posterior,
            trace=trace.T,
            acceptance_rate=np.sum([block.accepted for block in self.blocks], axis=0) / len(trace),
            proposals=len(trace) * n_keys,
            draws=draws,
            agreed=max(int((found > self.best.max() - 1e-6).sum()), 1),
        )


def _climb(score: WordScore | WordSum, best: Floats, best_key: Ints, fixed: Ints) -> bool:
    """Climb from the few best keys of all columns; tell whether one of them could be improved."""
    _, first, group = np.unique(
        best_key[:, np.unique(score.cipher.codes)], axis=0, return_index=True, return_inverse=True
    )
    climbed = False
    for number in np.argsort(-best[first], kind="stable")[:_CLIMBS].tolist():
        own = np.flatnonzero(group.ravel() == number)
        key, value = polish(score, best_key[own[0]], fixed)
        if value > best[own].max() + 1e-6:
            best[own], best_key[own], climbed = value, key, True
    return climbed


def _paired(runs: list[_Run], score: PairSum, fixed: Ints) -> _Run:
    """Judge what the searches met by pairs of words, and climb from the best of it."""
    last, present = runs[-1], np.unique(score.cipher.codes)
    size = last.best_key.shape[1]
    drawn = last.draws.key.reshape(-1, size)
    order = np.argsort(-last.draws.log_density.ravel(), kind="stable")
    keys = np.concatenate([*(run.best_key for run in runs), drawn[order].astype(np.int64)])
    _, first = np.unique(keys[:, present], axis=0, return_index=True)
    keys = keys[np.sort(first)[: score.top]]
    best = score(score.keys(keys))
    read = score.cipher.codes
    tops: list[Ints] = []
    for key in keys[np.argsort(-best, kind="stable")]:
        if all((key[read] == top[read]).mean() < _ALIKE for top in tops) and len(tops) < _CLIMBS:
            tops.append(key)
    climbed = [polish(score, key, fixed) for key in tops]
    keys = np.concatenate([keys, [key for key, _ in climbed]])
    best = np.concatenate([best, [value for _, value in climbed]])
    _, first = np.unique(keys[:, present], axis=0, return_index=True)
    keys, best = keys[first], best[first]
    share = np.exp(best - best.max())
    posterior = np.zeros((size, size))
    for code in range(size):
        np.add.at(posterior[code], keys[:, code], share / share.sum())
    none = last.draws._replace(key=last.draws.key[:0], log_density=last.draws.log_density[:0])
    text = keys[best.argmax()][read]
    agreed = max(int(((run.best_key[:, read] == text).mean(1) >= _ALIKE).sum()) for run in runs)
    return replace(
        last, best=best, best_key=keys, posterior=posterior, draws=none, agreed=max(agreed, 1)
    )


def _readings(run: _Run, cipher: CipherText, top: int) -> tuple[tuple[float, str], ...]:
    """Return the distinct plaintexts of the best keys and the draws, most probable first."""
    density = np.concatenate([run.best, run.draws.log_density.ravel()])
    keys = np.concatenate([run.best_key, run.draws.key.reshape(-1, run.best_key.shape[1])])
    _, first = np.unique(keys[:, np.unique(cipher.codes)], axis=0, return_index=True)
    order = first[np.argsort(-density[first], kind="stable")][:top]
    return tuple((float(density[i]), cipher.decode(keys[i])) for i in order)


def _gather(
    rng: np.random.Generator, state: TemperedState[Keys], best: Floats
) -> TemperedState[Keys]:
    """Let columns that did not find the best key continue from those that did."""
    found = np.flatnonzero(best > best.max() - 1e-6)
    columns = np.where(np.isin(np.arange(len(best)), found), np.arange(len(best)), -1)
    lost = columns < 0
    columns[lost] = rng.choice(found, lost.sum())
    rows = (np.arange(0, len(state.log_density), len(best))[:, None] + columns).ravel()
    return state._replace(position=take(state.position, rows), log_density=state.log_density[rows])


def log_probability(model: LanguageModel, plain: CipherText, *, spaces: bool = True) -> float:
    """Score a plaintext, such as the true text, as `decipher` does.

    Parameters
    ----------
    model
        The language model.
    plain
        The plaintext.
    spaces
        As in `Settings`.
    """
    score = _last_score(plain, model, spaces=spaces)
    return float(score(score.keys(np.arange(len(model.alphabet) + 1)[None]))[0])


def _agreed(best: Floats) -> int:
    """Count the chains that found the best key: equal densities mean equal plaintexts."""
    return int((best > best.max() - 1e-6).sum())


def _alike(best: Floats, best_key: Ints, cipher: CipherText) -> Ints:
    """Find the columns that read most letters of the text as the best one does."""
    text = best_key[:, cipher.codes]
    return np.flatnonzero((text == text[best.argmax()]).mean(1) >= _ALIKE)
