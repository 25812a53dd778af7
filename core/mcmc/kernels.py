"""Transition kernels: pure functions of a random generator and a state, for many chains at once.

Every kernel has ``init(position) -> State`` and ``step(rng, state) -> (State, Info)``. All chains
move together: a position is an array of shape (n_chains, n_dim), or a tuple of arrays with chains
along the first axis when the target keeps more than the position (partial sums for incremental
scores, say), and one call of the log-density serves all chains. Kernels keep nothing between calls.

References
----------
Metropolis, Rosenbluth, Rosenbluth, Teller, Teller (1953), J. Chem. Phys. 21; Hastings (1970),
Biometrika 57; Geman and Geman (1984), IEEE PAMI 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Gibbs",
    "Info",
    "Kernel",
    "Metropolis",
    "MetropolisHastings",
    "State",
    "TargetError",
]

Floats = NDArray[np.float64]
P = TypeVar("P")  # a position: an array, or a NamedTuple of arrays
LogDensity = Callable[[P], Floats]
# As texts, since numpy loads its random numbers when they are first named.
Move = Callable[["np.random.Generator", Any], Any]
Conditional = Callable[["np.random.Generator", NDArray[Any]], NDArray[Any]]


class TargetError(ValueError):
    """A target or a proposal that returned an unusable value; the message says which."""


class State(NamedTuple, Generic[P]):
    """Where the chains are.

    Attributes
    ----------
    position
        Shape (n_chains, n_dim), or a NamedTuple of arrays with n_chains first.
    log_density
        Log of the target at `position`, up to a constant; shape (n_chains,).
    gradient
        That of `log_density`, shape (n_chains, n_dim), so that `HMC` and `NUTS` need not evaluate
        the target there again. None of other kernels.
    """

    position: P
    log_density: Floats
    gradient: Floats | None = None


class Info(NamedTuple):
    """What a step did.

    Attributes
    ----------
    accepted
        Whether each chain took the proposal; shape (n_chains,).
    log_ratio
        Log of the acceptance ratio before it is cut at 1; shape (n_chains,).
    diverged
        Whether each chain's trajectory left the target, where the steps are too long for it; shape
        (n_chains,). None of kernels that follow none.
    """

    accepted: NDArray[np.bool_]
    log_ratio: Floats
    diverged: NDArray[np.bool_] | None = None


class Kernel(Protocol[P]):
    """The interface of kernels, which the driver runs."""

    def init(self, position: P) -> State[P]:
        """Make the first state."""
        ...

    def step(self, rng: np.random.Generator, state: State[P]) -> tuple[State[P], Info]:
        """Move every chain once."""
        ...


@dataclass(frozen=True)
class MetropolisHastings(Generic[P]):
    """Metropolis-Hastings: any proposal, with the density of moving there and back.

    A move from x to y is accepted with probability ``min(1, pi(y) q(x | y) / (pi(x) q(y | x)))``.

    Parameters
    ----------
    log_density
        ``log pi`` up to a constant: position -> shape (n_chains,). ``-inf`` outside the support.
    propose
        ``(rng, position) -> (position, log_hastings)`` with
        ``log_hastings = log q(x | y) - log q(y | x)``, shape (n_chains,).

    Examples
    --------
    A log-normal walk on the positive numbers, target Exponential(1):

    >>> def propose(rng, x):
    ...     y = x * np.exp(0.8 * rng.standard_normal(x.shape))
    ...     return y, np.log(y / x).sum(1)
    >>> kernel = MetropolisHastings(lambda x: -x[:, 0], propose)
    >>> state = kernel.init(np.ones((4, 1)))
    >>> state, info = kernel.step(np.random.default_rng(0), state)
    >>> state.position.shape, info.accepted.shape
    ((4, 1), (4,))
    """

    log_density: LogDensity[P]
    propose: Callable[[np.random.Generator, P], tuple[P, Floats]]

    @property
    def moves(self) -> list[Move]:
        """What changes a position."""
        return [lambda rng, x: self.propose(rng, x)[0]]

    def init(self, position: P) -> State[P]:
        """Evaluate the target at the first position.

        Integers become floats if the proposal adds fractions to them, and stay integers otherwise.

        Raises
        ------
        ValueError
            If a chain starts where the density is zero or not a number.
        """
        return first_state(self.log_density, typed(position, self.moves))

    def step(self, rng: np.random.Generator, state: State[P]) -> tuple[State[P], Info]:
        """Propose, accept or stay."""
        position, log_hastings = self.propose(rng, state.position)
        return accept(rng, state, position, self.log_density(position), log_hastings)


@dataclass(frozen=True)
class Metropolis(Generic[P]):
    """Metropolis: a symmetric proposal, ``q(y | x) = q(x | y)``.

    Parameters
    ----------
    log_density
        ``log pi`` up to a constant: position -> shape (n_chains,).
    propose
        ``(rng, position) -> position``, symmetric; see `core.mcmc.proposals`.

    Examples
    --------
    >>> from core.mcmc.proposals import gaussian
    >>> kernel = Metropolis(lambda x: -0.5 * (x**2).sum(1), gaussian(1.0))
    >>> state, info = kernel.step(np.random.default_rng(0), kernel.init(np.zeros((3, 2))))
    >>> state.log_density.shape
    (3,)
    """

    log_density: LogDensity[P]
    propose: Callable[[np.random.Generator, P], P]

    @property
    def moves(self) -> list[Move]:
        """What changes a position."""
        return [self.propose]

    def init(self, position: P) -> State[P]:
        """Evaluate the target at the first position; see `MetropolisHastings.init`."""
        return first_state(self.log_density, typed(position, self.moves))

    def step(self, rng: np.random.Generator, state: State[P]) -> tuple[State[P], Info]:
        """Propose, accept or stay."""
        position = self.propose(rng, state.position)
        return accept(rng, state, position, self.log_density(position), 0.0)


@dataclass(frozen=True)
class Gibbs:
    """Gibbs: draw each block of coordinates from its full conditional; always accepted.

    Parameters
    ----------
    conditionals
        One function per block: ``(rng, position) -> position`` with that block drawn given the
        others. It must not write into its argument.
    scan
        ``systematic`` draws all blocks in order in one step; ``random`` draws as many blocks, each
        chosen at random (the same one for all chains). The random scan is reversible, the
        systematic one is not.
    log_density
        Only recorded: the chain does not need it, but other kernels of a `Cycle` or `Mixture` do.
        Zero when not given.

    Examples
    --------
    A bivariate normal with correlation 0.9:

    >>> def given(other, this):
    ...     def draw(rng, x):
    ...         y = x.copy()
    ...         y[:, this] = 0.9 * x[:, other] + np.sqrt(1 - 0.81) * rng.standard_normal(len(x))
    ...         return y
    ...     return draw
    >>> kernel = Gibbs([given(1, 0), given(0, 1)])
    >>> state, info = kernel.step(np.random.default_rng(0), kernel.init(np.zeros((4, 2))))
    >>> bool(info.accepted.all())
    True
    """

    conditionals: Sequence[Conditional]
    scan: Literal["systematic", "random"] = "systematic"
    log_density: Callable[[NDArray[Any]], Floats] | None = None

    def __post_init__(self) -> None:
        if not self.conditionals:
            raise ValueError("conditionals is empty: Gibbs needs one function per block")
        if self.scan not in ("systematic", "random"):
            raise ValueError(f"scan = {self.scan!r}: expected systematic or random")

    @property
    def moves(self) -> list[Move]:
        """What changes a position."""
        return list(self.conditionals)

    def init(self, position: NDArray[Any]) -> State[NDArray[Any]]:
        """Make the first state; see `MetropolisHastings.init` for integers."""
        position = typed(position, self.moves)
        return State(position, self._density(position))

    def step(
        self, rng: np.random.Generator, state: State[NDArray[Any]]
    ) -> tuple[State[NDArray[Any]], Info]:
        """Draw every block once (systematic), or as many blocks at random."""
        position, n = state.position, len(self.conditionals)
        order = range(n) if self.scan == "systematic" else rng.integers(n, size=n).tolist()
        for block in order:
            drawn = self.conditionals[block](rng, position)
            if np.shape(drawn) != position.shape:
                raise TargetError(
                    f"conditional {block} returned shape {np.shape(drawn)}: "
                    f"expected that of the position, {position.shape}"
                )
            position = drawn
        chains = len(position)
        info = Info(np.ones(chains, dtype=bool), np.zeros(chains))
        return State(position, self._density(position)), info

    def _density(self, position: NDArray[Any]) -> Floats:
        if self.log_density is None:
            return np.zeros(len(position))
        return densities_of(self.log_density(position), len(position))


def densities_of(values: Any, n_points: int) -> Floats:
    """Return densities if there is one per point; raise TargetError otherwise."""
    # Looked at in every step: an array has its shape at hand.
    shape = values.shape if isinstance(values, np.ndarray) else np.shape(values)
    if shape != (n_points,):
        raise TargetError(
            f"log_density returned shape {shape}: expected one value per point, ({n_points},)"
        )
    return cast("Floats", values)


def never_infinite(densities: Floats) -> None:
    """Raise TargetError for an infinite density, because no chain would ever leave such a place."""
    # Checked in every step: one pass, and a second one only if something is wrong.
    if not np.maximum.reduce(densities, axis=None) < np.inf and (densities == np.inf).any():
        where = tuple(int(i) for i in np.argwhere(densities == np.inf)[0])
        raise TargetError(
            f"log_density returned inf (for chain {where[-1]}): a chain would never move again; "
            "a density must be finite where it is not 0"
        )


_TRIES = 4  # proposals to look at: a single one may move nothing


def check_generator(rng: object) -> None:
    """Raise TypeError unless random numbers come from numpy's generator.

    Examples
    --------
    >>> check_generator(0)
    Traceback (most recent call last):
        ...
    TypeError: rng = 0: expected a numpy.random.Generator, such as np.random.default_rng(0)
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng = {rng!r}: expected a numpy.random.Generator, such as np.random.default_rng(0)"
        )


def start_of(position: Any) -> NDArray[Any]:
    """Return where chains start as an array; raise ValueError unless it is one row of numbers each.

    Examples
    --------
    >>> start_of([[0.5, 1.0]]).shape
    (1, 2)
    """
    start = np.asarray(position)
    if start.dtype.kind not in "biuf":
        raise ValueError(f"start of type {start.dtype}: expected numbers")
    if start.ndim != 2 or not len(start):
        raise ValueError(
            f"start of shape {start.shape}: expected (n_chains, n_dim), one chain or more"
        )
    return start


def left_alone(name: str, call: Callable[[Any], Any], position: Any) -> Any:
    """Return what a user's function gives; raise TargetError if it writes into its argument.

    Chains would go on from places that nobody proposed, with the densities of others.
    """
    before = position.copy() if isinstance(position, np.ndarray) else None
    found = call(position)
    if before is not None and not np.array_equal(before, position, equal_nan=True):
        raise TargetError(
            f"{name} writes into the position that it is given: expected a new array, "
            "x = x + 1 rather than x += 1"
        )
    return found


def typed(position: P, moves: Sequence[Move]) -> P:
    """Return a start in the type that the moves need: floats if they produce fractions.

    Otherwise numpy would silently truncate fractions when a move writes into a copy of integers.
    Integers that stay integers become 64 bits wide, like all floats, because narrower ones would
    silently overflow.
    """
    if not isinstance(position, np.ndarray | list):
        return position
    start = _typed(start_of(position), moves)
    for move in moves:
        left_alone("a proposal", partial(move, np.random.default_rng(0)), start)
    return cast("P", start)


def _typed(position: NDArray[Any], moves: Sequence[Move]) -> NDArray[Any]:
    real = position.astype(float)
    if position.dtype.kind == "f":
        return real
    for move in moves:
        rng = np.random.default_rng(0)
        try:
            found = [np.asarray(move(rng, real.copy())) for _ in range(_TRIES)]
        except (TypeError, IndexError):  # it takes integers alone, as indices say
            continue
        if any(one.dtype.kind == "f" and (one != np.rint(one)).any() for one in found):
            return real
    if position.dtype.kind == "b" and _keep_booleans(position, moves):
        return position
    return position.astype(np.int64)


def _keep_booleans(position: NDArray[np.bool_], moves: Sequence[Move]) -> bool:
    """Tell whether booleans stay booleans, as they do if entries only change places."""
    try:
        return all(
            np.asarray(move(np.random.default_rng(0), position.copy())).dtype == bool
            for move in moves
        )
    except TypeError:
        return False


def where(accepted: NDArray[np.bool_], new: P, old: P) -> P:
    """Take `new` for the chains that accepted, `old` for the others."""
    if isinstance(new, tuple):
        parts = [where(accepted, a, b) for a, b in zip(new, cast("Any", old), strict=True)]
        return cast("P", type(new)(*parts) if hasattr(new, "_fields") else tuple(parts))
    array = cast("NDArray[Any]", new)
    before = cast("NDArray[Any]", old)
    if array.shape != before.shape:
        raise TargetError(
            f"the proposal has shape {array.shape}: expected that of the position, {before.shape}"
        )
    mask = accepted.reshape(accepted.shape + (1,) * (array.ndim - 1))
    return cast("P", np.where(mask, array, before))


def first_state(log_density: LogDensity[P], position: P) -> State[P]:
    """Evaluate the target where the chains start; raise ValueError if it is not finite."""
    chains = position[0] if isinstance(position, tuple) else position
    found = left_alone("log_density", log_density, position)
    density = densities_of(np.asarray(found, dtype=float), len(cast("Any", chains)))
    bad = np.flatnonzero(~np.isfinite(density))
    if bad.size:
        raise ValueError(
            f"chain {bad[0]} starts where log_density is {density[bad[0]]}: "
            "start inside the support"
        )
    return State(position, density)


def accept(
    rng: np.random.Generator,
    state: State[P],
    position: P,
    log_density: Floats,
    log_hastings: Floats | float,
) -> tuple[State[P], Info]:
    """Take the proposal with the probability of Metropolis and Hastings, or stay."""
    densities_of(log_density, len(state.log_density))
    log_ratio = log_density - state.log_density + log_hastings
    if log_ratio.shape != state.log_density.shape:
        raise TargetError(
            f"the proposal's log_hastings has shape {np.shape(log_hastings)}: "
            f"expected one value per chain, {state.log_density.shape}"
        )
    never_infinite(log_density)
    # An exponential draw is -log of a uniform one. NaN compares false, so it is rejected.
    accepted = -rng.standard_exponential(len(log_ratio)) < log_ratio
    moved = where(accepted, position, state.position)
    return State(moved, np.where(accepted, log_density, state.log_density)), Info(
        accepted, log_ratio
    )
