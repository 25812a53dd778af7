"""Long runs: summaries in constant memory, checkpoints with exact resume, several processes."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from core.checks import count
from core.damaged import DAMAGED
from core.mcmc.driver import Result, sample
from core.mcmc.hamiltonian import HMC
from core.mcmc.kernels import State
from core.mcmc.nuts import NUTS
from core.mcmc.random_walk import RandomWalk, adapt
from core.mcmc.tuning import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from core.mcmc.examples import Problem
    from core.mcmc.kernels import Kernel

__all__ = [
    "Moments",
    "checkpoint",
    "merge",
    "moments",
    "resume",
    "sample_processes",
    "sample_streams",
]

P = TypeVar("P")
S = TypeVar("S")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Running mean and variance of each chain, updated block by block.

    Attributes
    ----------
    n
        Draws seen of each chain.
    mean
        Shape (n_chains, n_dim).
    squares
        Sum of squared distances from `mean`, shape (n_chains, n_dim).
    """

    n: int
    mean: Floats
    squares: Floats

    def update(self, draws: NDArray[Any]) -> Moments:
        """Add draws, shape (n_chains, n_more, n_dim) (Chan, Golub, LeVeque 1983)."""
        more, total = draws.shape[1], self.n + draws.shape[1]
        mean = draws.mean(1)
        squares = ((draws - mean[:, None]) ** 2).sum(1)
        step = mean - self.mean
        return Moments(
            total,
            self.mean + step * (more / total),
            self.squares + squares + step**2 * (self.n * more / total),
        )

    @property
    def r_hat(self) -> Floats:
        """Gelman and Rubin's R-hat of the whole chains, shape (n_dim,); 2 chains or more."""
        within = (self.squares / (self.n - 1)).mean(0)
        between = self.mean.var(0, ddof=1)
        ratio: Floats = np.sqrt(((self.n - 1) / self.n * within + between) / within)
        return ratio

    @property
    def mcse(self) -> Floats:
        """Standard error of the mean over all chains, from how the chains differ; (n_dim,)."""
        error: Floats = self.mean.std(0, ddof=1) / np.sqrt(len(self.mean))
        return error


def moments(
    kernel: Kernel[P],
    state: State[P],
    rng: np.random.Generator,
    *,
    n_draws: int,
    thin: int = 1,
    block: int = 1000,
) -> tuple[Moments, State[P]]:
    """Compute moments without keeping draws: memory does not depend on `n_draws`.

    Parameters
    ----------
    kernel, state, rng, n_draws, thin
        As for `core.mcmc.sample`; burn in first.
    block
        Draws held at a time.

    Examples
    --------
    >>> from core.mcmc import RandomWalk
    >>> kernel, rng = RandomWalk(lambda x: -0.5 * (x**2).sum(1), 2.4), np.random.default_rng(0)
    >>> found, state = moments(kernel, kernel.init(np.zeros((64, 1))), rng, n_draws=5000)
    >>> bool(abs(found.mean.mean()) < 4 * found.mcse[0])
    True
    """
    count("n_draws", n_draws)
    count("block", block)
    run: Callable[..., Result] = sample
    result = run(kernel, state, rng, n_draws=min(block, n_draws), thin=thin)
    shape = (len(result.draws), *result.draws.shape[2:])
    found = Moments(0, np.zeros(shape), np.zeros(shape)).update(result.draws)
    while found.n < n_draws:
        n = min(block, n_draws - found.n)
        result = run(kernel, result.state, rng, n_draws=n, thin=thin)
        found = found.update(result.draws)
    return found, result.state


def checkpoint(state: Any, rng: np.random.Generator) -> bytes:
    """Pack a kernel's state and the generator, so that `resume` continues with the same draws.

    A run with a checkpoint every k draws gives the same draws as an uninterrupted one in blocks of
    k.
    """
    arrays = {f"a{i}": leaf for i, leaf in enumerate(_leaves(state))}
    buffer = io.BytesIO()
    generator = json.dumps(rng.bit_generator.state, default=lambda a: a.tolist())
    np.savez(buffer, allow_pickle=False, generator=np.array(generator), **arrays)
    return buffer.getvalue()


def resume(data: bytes, like: S) -> tuple[S, np.random.Generator]:
    """Unpack what `checkpoint` made.

    Parameters
    ----------
    data
        The bytes.
    like
        A state of the same kernel and shape, say ``kernel.init(start)``.

    Raises
    ------
    ValueError
        If the data are damaged or belong to another kernel or shape.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            generator = json.loads(str(stored["generator"]))
            leaves = [stored[f"a{i}"] for i in range(len(stored.files) - 1)]
        bits = getattr(np.random, generator["bit_generator"])()
        bits.state = generator
    except DAMAGED as error:
        raise ValueError(f"not a checkpoint, or a damaged one ({error})") from None
    shapes = [np.shape(leaf) for leaf in _leaves(like)]
    if [leaf.shape for leaf in leaves] != shapes:
        raise ValueError(
            f"checkpoint of shapes {[leaf.shape for leaf in leaves]}, but the kernel's are {shapes}"
        )
    return cast("S", _rebuild(like, iter(leaves))), np.random.Generator(bits)


def sample_processes(
    kernel: Kernel[NDArray[Any]],
    position: NDArray[Any],
    rng: np.random.Generator,
    *,
    n_processes: int | None = None,
    **counts: Any,
) -> Result:
    """Distribute the chains over processes; see `core.mcmc.sample`.

    Parameters
    ----------
    kernel
        It must be picklable: its functions belong to a module.
    position
        Shape (n_chains, n_dim).
    rng
        Each process gets a generator spawned from it, so the draws depend on `n_processes`.
    n_processes
        As many as there are processors by default, at most one for each chain.
    **counts
        ``n_draws``, ``burn_in``, ``thin``.
    """
    if n_processes is not None:
        count("n_processes", n_processes)
    n = min(n_processes or os.cpu_count() or 1, len(position))
    starts = np.array_split(position, n)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
        run: Callable[..., Result] = sample
        jobs = [
            pool.submit(run, kernel, start, part, **counts)
            for start, part in zip(starts, rng.spawn(n), strict=True)
        ]
        results = [job.result() for job in jobs]
    return merge(results)


def sample_streams(
    problem: Problem,
    rng: np.random.Generator,
    *,
    streams: Sequence[int],
    n_chains: int,
    share: Callable[..., Iterable[Result]] = map,
    **counts: Any,
) -> list[Result]:
    """Draw several chains in each of several streams of random numbers, here or elsewhere.

    The draws of a stream depend only on the seed of `rng` and the stream's number, not on other
    streams or on where it runs. A random walk, HMC and NUTS are tuned only during burn-in.

    Parameters
    ----------
    problem
        What is sampled.
    rng
        The parent of the streams; it is not drawn from.
    streams
        Their numbers, from 0.
    n_chains
        Chains in each stream.
    share
        Runs the streams: a ``map`` that may distribute its calls over machines.
    **counts
        ``n_draws``, ``burn_in``, ``thin``, as for `core.mcmc.sample`.

    Examples
    --------
    >>> from core.mcmc.examples import bivariate_normal
    >>> problem, rng = bivariate_normal("gibbs"), np.random.default_rng(0)
    >>> counts = {"n_chains": 2, "burn_in": 50, "n_draws": 100}
    >>> both = sample_streams(problem, rng, streams=[0, 1], **counts)
    >>> again = sample_streams(problem, np.random.default_rng(0), streams=[1], **counts)
    >>> bool((again[0].draws == both[1].draws).all()), merge(both).draws.shape
    (True, (4, 100, 2))
    """
    for number in streams:
        count("streams", number, 0)
    children = rng.spawn(max(streams, default=-1) + 1)
    generators = [children[number] for number in streams]
    draw = partial(_draw_stream, problem, n_chains=n_chains, **counts)
    return list(share(draw, generators))


def _draw_stream(
    problem: Problem,
    rng: np.random.Generator,
    *,
    n_chains: int,
    burn_in: int = 0,
    **counts: Any,
) -> Result:
    start = problem.start(rng, n_chains)
    kernel = problem.kernel
    state: State[Floats] | None = None
    if isinstance(kernel, RandomWalk):
        kernel, state = adapt(kernel.log_density, start, rng, n_steps=burn_in, size=kernel.size)
        burn_in = 0
    elif isinstance(kernel, HMC | NUTS):
        kernel, state = warm_up(kernel, start, rng, n_steps=burn_in)
        burn_in = 0
    return sample(kernel, state or start, rng, burn_in=burn_in, **counts)


def merge(results: Sequence[Result]) -> Result:
    """Combine the chains of several results with equal numbers of draws."""
    counted = [r.divergences for r in results if r.divergences is not None]
    return Result(
        np.concatenate([r.draws for r in results]),
        np.concatenate([r.log_density for r in results]),
        np.concatenate([r.acceptance_rate for r in results]),
        State(
            np.concatenate([r.state.position for r in results]),
            np.concatenate([r.state.log_density for r in results]),
        ),
        np.concatenate(counted) if len(counted) == len(results) else None,
    )


def _leaves(state: Any) -> list[Any]:
    if state is None:
        return []
    if isinstance(state, tuple):
        return [leaf for part in state for leaf in _leaves(part)]
    return [np.asarray(state)]


def _rebuild(like: Any, leaves: Any) -> Any:
    if like is None:
        return None
    if isinstance(like, tuple):
        parts = [_rebuild(part, leaves) for part in like]
        return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)
    leaf = next(leaves)
    return leaf if isinstance(like, np.ndarray) else type(like)(leaf.item())
