"""The chains of a search: swaps of two letters of a key at rising temperatures, many steps at once.

This is `core.mcmc.ParallelTempering` with `swap_letters` for a proposal, made fast for keys: the
random numbers of a block of steps are drawn at once, and only what moved is copied. For a single
chain, the next proposals are evaluated together, up to the first accepted one (Brockwell 2006, JCGS
15). If a score has a quicker one as a screen, a proposal must first pass that. The acceptance ratio
accounts for this, so that the target is still that of the score (delayed acceptance: Christen and
Fox 2005, JCGS 14). With `compiled`, numba runs the same steps on the same random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.decipher.moves import Block, Ladder, Randoms, Swaps
from core.decipher.score import Keys
from core.mcmc.kernels import first_state
from core.mcmc.tempering import TemperedState, check_ladder, exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.decipher.compiled import CompiledSteps
    from core.decipher.moves import Score

__all__ = ["KeyWalk"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FEW = 4  # fewer chains than this are run one by one, looking ahead
_AHEAD = 64  # proposals evaluated together at most


@dataclass(frozen=True, eq=False)
class KeyWalk:
    """Metropolis on keys, at several temperatures.

    Parameters
    ----------
    score
        Log-probability of the text under keys.
    swaps
        The proposals, all equally likely.
    temperatures
        Rising from 1; one alone for plain chains.
    exchange_every
        Steps between exchanges of neighbouring temperatures.
    compiled
        Run the steps with numba.

    Raises
    ------
    ValueError
        If the temperatures are not positive and rising, or `exchange_every` is below 1; at the
        first step, if `compiled` and there is no numba.

    Examples
    --------
    >>> from core.decipher import ENGLISH, english
    >>> from core.decipher.score import WordScore
    >>> score = WordScore(english(), ENGLISH.encode("Uif tubuf pg uif Vojpo jt tuspoh"))
    >>> walk = KeyWalk(score, Swaps.of(score), (1.0, 2.0))
    >>> state = walk.init(np.tile(np.arange(27), (6, 1)))
    >>> state, block = walk.run(np.random.default_rng(0), state, 100)
    >>> block.key.shape  # steps, cold chains, letters
    (100, 3, 27)
    """

    score: Score
    swaps: Swaps
    temperatures: tuple[float, ...] = (1.0,)
    exchange_every: int = 2
    compiled: bool = False

    def __post_init__(self) -> None:
        check_ladder(self.temperatures, self.exchange_every)

    def init(self, key: Ints) -> TemperedState[Keys]:
        """Make the first state of keys, shape (n_temperatures * n_columns, A + 1)."""
        state = first_state(self.score, self.score.keys(key))
        return TemperedState(state.position, state.log_density, 0)

    def run(
        self, rng: np.random.Generator, state: TemperedState[Keys], n_steps: int
    ) -> tuple[TemperedState[Keys], Block]:
        """Take many steps; the state that is given is not changed."""
        n_chains = len(state.log_density)
        levels = len(self.temperatures)
        columns = n_chains // levels
        shape = (n_steps, n_chains)
        randoms = Randoms(
            rng.integers(len(self.swaps.first), size=shape),
            -rng.standard_exponential(shape),
            -rng.standard_exponential(shape if self._screen else (0, 0)),
            -rng.standard_exponential((n_steps // self.exchange_every + 1, levels - 1, columns)),
        )
        keys = Keys(state.position.key.copy(), state.position.prints.copy())
        density = state.log_density.copy()
        block = Block(
            np.empty((n_steps, columns, keys.key.shape[1]), dtype=np.int16),
            np.empty((n_steps, columns)),
            np.zeros(columns, dtype=np.int64),
        )
        if self.compiled:
            moved = TemperedState(keys, density, state.steps)
            self._compiled.run(Ladder(self.beta, self.exchange_every), moved, randoms, block)
        elif levels == 1 and columns < _FEW and not self._screen:
            for c in range(columns):
                self._ahead(c, keys, density, randoms, block)
        else:
            self._together(keys, density, state.steps, randoms, block)
        return TemperedState(keys, density, state.steps + n_steps), block

    @cached_property
    def _compiled(self) -> CompiledSteps:
        try:
            from core.decipher.compiled import CompiledSteps
        except ModuleNotFoundError as error:
            raise ValueError(
                f"compiled = True needs the package {error.name}: install it, or leave compiled out"
            ) from None
        return CompiledSteps(self.score, self.swaps)

    @property
    def _screen(self) -> Callable[[Keys], Floats] | None:
        return getattr(self.score, "screen", None)

    @cached_property
    def beta(self) -> Floats:
        """Inverse temperatures, shape (n_temperatures,)."""
        return 1.0 / np.asarray(self.temperatures)

    def _propose(self, keys: Keys, swap: Ints) -> Keys:
        """Carry out a swap on each of some keys."""
        rows = np.arange(len(keys.key))
        a, b = self.swaps.first[swap], self.swaps.second[swap]
        at_a, at_b = keys.key[rows, a], keys.key[rows, b]
        key = keys.key.copy()
        key[rows, a], key[rows, b] = at_b, at_a
        prints = self.swaps.change.take(swap, axis=0)
        prints *= (at_b - at_a).view(np.uint64)[:, None]  # modulo 2**64, as all fingerprints
        prints += keys.prints
        return Keys(key, prints)

    def _together(
        self, keys: Keys, density: Floats, steps: int, randoms: Randoms, block: Block
    ) -> None:
        """Move all chains step by step."""
        columns = len(block.accepted)
        beta, every, turns = np.repeat(self.beta, columns), self.exchange_every, 0
        screen = self._screen
        quick = screen(keys) if screen else np.zeros(0)
        for i, (swap, threshold) in enumerate(zip(randoms.swap, randoms.threshold, strict=True)):
            proposal = self._propose(keys, swap)
            if screen:
                new_quick = screen(proposal)
                rows = np.flatnonzero(beta * (new_quick - quick) > threshold)
                proposal = Keys(proposal.key[rows], proposal.prints[rows])
                new, gain = self.score(proposal), (new_quick - quick)[rows]
                taken = beta[rows] * (new - density[rows] - gain) > randoms.second[i, rows]
                rows, chosen = rows[taken], np.flatnonzero(taken)
                quick[rows] = new_quick[rows]
            else:
                new = self.score(proposal)
                rows = chosen = np.flatnonzero(beta * (new - density) > threshold)
            for old, moved in zip(keys, proposal, strict=True):
                old[rows] = moved[chosen]
            density[rows] = new[chosen]
            block.accepted[rows[rows < columns]] += 1
            turn, rest = divmod(steps + i + 1, every)
            if rest == 0 and len(self.beta) > 1:
                levels = density.reshape(len(self.beta), columns)
                order = exchange(self.beta, levels, randoms.exchange[turns], turn % 2)
                turns += 1
                rows = np.flatnonzero(order != np.arange(len(order)))
                for array in (*keys, density, *([quick] if screen else [])):
                    array[rows] = array[order[rows]]
            block.key[i], block.log_density[i] = keys.key[:columns], density[:columns]

    def _ahead(
        self, chain: int, keys: Keys, density: Floats, randoms: Randoms, block: Block
    ) -> None:
        """Move one chain: evaluate the next proposals at once, up to the first accepted one."""
        swap, threshold = randoms.swap[:, chain], randoms.threshold[:, chain]
        i, ahead = 0, 4
        while i < len(swap):
            some = slice(i, i + ahead)
            n = len(swap[some])
            here = Keys(*(np.broadcast_to(a[chain], (n, a.shape[1])) for a in keys))
            proposals = self._propose(here, swap[some])
            new = self.score(proposals)
            taken = new - density[chain] > threshold[some]
            j = int(taken.argmax())
            stay = j if taken[j] else n
            block.key[i : i + stay, chain] = keys.key[chain]
            block.log_density[i : i + stay, chain] = density[chain]
            i += stay
            if taken[j]:
                keys.key[chain], keys.prints[chain] = proposals.key[j], proposals.prints[j]
                density[chain] = new[j]
                block.key[i, chain], block.log_density[i, chain] = proposals.key[j], new[j]
                block.accepted[chain] += 1
                i += 1
            ahead = min(max(2 * stay, 4), _AHEAD)
