"""The no-U-turn sampler: Hamiltonian Monte Carlo that finds the length of each trajectory itself.

A trajectory doubles, forwards or backwards in time at random, until it or a part of it turns back.
The draw is one of its points, with the weight of its energy; later halves are favoured.

All chains double together, and those that have turned drop out. A half of ``2 ** depth`` points is
made one by one; which of its parts end at a point, and so are looked at for a turn there, follows
from the point's number alone, so that only ``depth`` momenta are remembered.

References
----------
Hoffman, Gelman (2014), JMLR 15; Betancourt (2017), A conceptual introduction to Hamiltonian Monte
Carlo, arXiv:1701.02434 (weights and turns by the sum of momenta); Phan, Pradhan, Jankowiak (2019),
Composable effects, arXiv:1912.11554 (without recursion).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from core.checks import count
from core.mcmc.hamiltonian import DIVERGED, Hamiltonian, Point, kinetic
from core.mcmc.kernels import Info, State, where
from core.mcmc.tempering import take

__all__ = ["NUTS"]

Floats = NDArray[np.float64]
_DEEPEST = 20  # a million steps for one draw


@dataclass(eq=False)
class _Half:
    """A half of trajectories that grows, for the chains `rows` in which it has not yet turned."""

    rows: NDArray[np.int64]
    step: Floats  # signed, (n, 1)
    start: Floats  # log-density less kinetic energy where the draw began
    point: Point  # the last one
    total: Floats  # sum of momenta
    weight: Floats  # log of the sum of weights
    chosen: tuple[Floats, Floats, Floats]  # what becomes a state

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop chains."""
        for field in fields(self):
            setattr(self, field.name, take(getattr(self, field.name), which))


@dataclass(eq=False)
class _Tally:
    """What the trajectories met, by chain."""

    acceptance: Floats
    points: NDArray[np.int64]
    diverged: NDArray[np.bool_]


@dataclass(frozen=True)
class NUTS(Hamiltonian):
    """The no-U-turn sampler; `core.mcmc.warm_up` finds its step size and mass.

    `Info.accepted` says whether a chain moved, and `Info.log_ratio` is the log of the mean
    acceptance probability along its trajectory, which the step size is tuned by.

    Parameters
    ----------
    density_and_gradient, step_size, inverse_mass_matrix
        As for `core.mcmc.HMC`.
    max_depth
        Trajectories double at most so often, to ``2 ** max_depth`` points.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from core.mcmc import sample, warm_up
    >>> kernel = NUTS(lambda x: (-0.5 * (x**2).sum(1), -x), 0.1)
    >>> rng = np.random.default_rng(0)
    >>> kernel, state = warm_up(kernel, rng.standard_normal((4, 100)), rng, n_steps=200)
    >>> sample(kernel, state, rng, n_draws=100).draws.shape
    (4, 100, 100)
    """

    max_depth: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        count("max_depth", self.max_depth)
        if self.max_depth > _DEEPEST:
            raise ValueError(f"max_depth = {self.max_depth}: must be an integer <= {_DEEPEST}")

    def step(self, rng: np.random.Generator, state: State[Floats]) -> tuple[State[Floats], Info]:
        """Grow a trajectory around each chain and draw one of its points."""
        # Where a trajectory diverges numbers overflow; it ends there.
        with np.errstate(all="ignore"):
            return self._step(rng, state)

    def _step(self, rng: np.random.Generator, state: State[Floats]) -> tuple[State[Floats], Info]:
        n, z = len(state.position), rng.standard_normal(state.position.shape)
        first = self.begin(state, z)
        drawn = [part.copy() for part in _state_of(first)]
        start: Floats = first.log_density - kinetic(z)
        # The two ends of each trajectory: [0] the earliest point, [1] the latest.
        ends = Point(*(np.stack([part, part]) for part in first))
        total, weight = z.copy(), np.zeros(n)
        tally = _Tally(np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool))
        moved, live = np.zeros(n, dtype=bool), np.arange(n)
        for depth in range(self.max_depth):
            side = (rng.random(len(live)) < 0.5).astype(np.int64)
            step: Floats = np.where(side[:, None] == 1, self.step_size, -self.step_size)
            half = self._grow(rng, _begin(live, step, start, side, ends), depth, tally)
            side = side[np.isin(live, half.rows, assume_unique=True)]
            live = half.rows
            if not live.size:
                break
            for end, new in zip(ends, half.point, strict=True):
                end[side, live] = new
            better = -rng.standard_exponential(len(live)) < half.weight - weight[live]
            for part, new in zip(drawn, take(half.chosen, better), strict=True):
                part[live[better]] = new
            moved[live[better]] = True
            weight[live] = np.logaddexp(weight[live], half.weight)
            total[live] += half.total
            live = live[~_turns(ends.z[0, live], ends.z[1, live], total[live])]
            if not live.size:
                break
        log_ratio = np.log(tally.acceptance / tally.points)
        return State(*drawn), Info(moved, log_ratio, tally.diverged)

    def _grow(self, rng: np.random.Generator, half: _Half, depth: int, tally: _Tally) -> _Half:
        """Add ``2 ** depth`` points, and drop the chains in which a part turns or diverges."""
        # Momenta, and sums of them up to there, where parts began that have not ended yet.
        begun: list[tuple[Floats, Floats]] = []
        for number in range(2**depth):
            half.point = point = self.leapfrog(half.point, half.step)
            gain = point.log_density - kinetic(point.z) - half.start
            sound = gain > DIVERGED  # NaN compares false
            tally.acceptance[half.rows] += np.where(sound, np.exp(np.minimum(gain, 0.0)), 0.0)
            tally.points[half.rows] += 1
            tally.diverged[half.rows] |= ~sound
            half.weight = np.logaddexp(half.weight, gain)
            better = -rng.standard_exponential(len(gain)) < gain - half.weight
            half.chosen = where(better, _state_of(point), half.chosen)
            half.total = half.total + point.z
            if number % 2 == 0:
                begun.append((point.z, half.total))
            else:
                # Point 5 ends the part 4 5, point 7 the parts 6 7, 4 5 6 7 and 0 ... 7.
                ended = (number ^ (number + 1)).bit_length() - 1
                for momentum, before in begun[-ended:]:
                    part = half.total - before + momentum
                    sound = sound & ~_turns(momentum, point.z, part)
                # The longest of them goes on as the beginning of a longer part.
                del begun[len(begun) - ended + 1 :]
            if not sound.all():
                half.keep(sound)
                begun = [(momentum[sound], before[sound]) for momentum, before in begun]
                if not half.rows.size:
                    break
        return half


def _begin(
    live: NDArray[np.int64],
    step: Floats,
    start: Floats,
    side: NDArray[np.int64],
    ends: Point,
) -> _Half:
    """Begin a half at the ends `side` of the trajectories of the chains `live`."""
    point = Point(*(end[side, live] for end in ends))
    return _Half(
        rows=live,
        step=step,
        start=start[live],
        point=point,
        total=np.zeros_like(point.z),
        weight=np.full(len(live), -np.inf),
        chosen=_state_of(point),
    )


def _state_of(point: Point) -> tuple[Floats, Floats, Floats]:
    return point.x, point.log_density, point.gradient


def _turns(first: Floats, last: Floats, total: Floats) -> NDArray[np.bool_]:
    """Tell whether going on from either end would bring the ends closer together."""
    # The ends count half: the sum stands for the distance between them, by the trapezoidal rule.
    distance = total - 0.5 * (first + last)
    left, right = np.einsum("ij,ij->i", distance, first), np.einsum("ij,ij->i", distance, last)
    turned: NDArray[np.bool_] = ~((left > 0) & (right > 0))
    return turned
