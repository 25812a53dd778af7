"""Read problems and their data, and store draws, for the sampling jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from azkaban_client.job import InputError, param
from core.mcmc.examples import ChangePoint, Decay, Groups, bivariate_normal
from core.mcmc.long_runs import merge, sample_streams
from jobs._files import load_record, save_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from azkaban_client.job import Outputs, Run
    from core.mcmc.examples import Problem

__all__ = [
    "COLUMNS",
    "Chains",
    "Data",
    "Draws",
    "draw",
]

# The columns of each problem's data; the bivariate normal has none.
COLUMNS = {
    "normal": (),
    "decay": ("t", "y"),
    "groups": ("group", "y"),
    "changepoint": ("y",),
}
_GRADIENT = ("hmc", "nuts")  # methods that need one


@dataclass(frozen=True, eq=False)
class Data:
    """What is sampled, and its data: those columns that the problem has.

    Attributes
    ----------
    problem
        A key of `COLUMNS`.
    truth
        The true values behind simulated data; empty for other data.
    """

    problem: str
    truth: NDArray[np.float64]
    t: NDArray[Any] | None = None
    y: NDArray[Any] | None = None
    group: NDArray[Any] | None = None

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        save_record(self, path)

    @classmethod
    def load(cls, path: Path, key: str) -> Data:
        """Read what `save` wrote; `key` is the property that named it."""
        return load_record(cls, path, f"{key} = {path}", "jobs.sampling.load")

    def posed(self, method: str, rho: float, key: str) -> Problem:
        """Build what is sampled; a bivariate normal by `method`, with the correlation `rho`.

        `key` is the property that named the method.
        """
        if self.problem == "decay":
            way = cast("Literal['nuts']", method if method in _GRADIENT else "random walk")
            return Decay(_column(self.t), _column(self.y)).problem(way)
        if method in _GRADIENT and self.problem != "normal":
            raise InputError(
                f"{key} = {method!r}: the problem {self.problem} is sampled by Gibbs and has no "
                "gradient; normal and decay have one"
            )
        if self.problem == "groups":
            return Groups(_column(self.group).astype(np.int64), _column(self.y)).problem()
        if self.problem == "changepoint":
            return ChangePoint(_column(self.y).astype(np.int64)).problem()
        return bivariate_normal(cast("Literal['gibbs']", method), rho=rho)


def _column(values: NDArray[Any] | None) -> NDArray[Any]:
    """Return a column that the problem has."""
    if values is None:
        raise InputError("the data lack a column of their problem: make them again")
    return values


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of one job's chains."""

    draws: NDArray[np.float64]
    log_density: NDArray[np.float64]
    acceptance_rate: NDArray[np.float64]
    names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        save_record(self, path)

    @classmethod
    def load(cls, path: Path, key: str) -> Draws:
        """Read what `save` wrote; `key` is the property that named it."""
        return load_record(cls, path, f"{key} = {path}", "jobs.sampling.draw")


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Parameters of every job that draws: what, how long, and how many chains of a stream."""

    data: Path = param(doc="The data.npz of jobs.sampling.load.")
    method: str = param(
        "gibbs",
        doc="How the bivariate normal is sampled. Each other problem has its own method, and decay "
        "can also be sampled by hmc or nuts.",
        choices=("metropolis", "metropolis-hastings", "gibbs", "hmc", "nuts"),
    )
    rho: float = param(0.9, doc="Correlation of the bivariate normal.", gt=-1, lt=1)
    n: int = param(2, doc="Number of chains, of each stream where there are several.", ge=1)
    burn_in: int = param(1000, doc="Steps thrown away first.", ge=50)
    draws: int = param(1000, doc="Draws kept of each chain.", ge=4)
    thin: int = param(2, doc="Sampling interval: steps per draw kept.", ge=1)


def draw(
    params: Chains, run: Run, streams: Sequence[int], share: Callable[..., Iterable[Any]] = map
) -> Outputs:
    """Draw streams of chains and pool them in draws.npz.

    Parameters
    ----------
    params, run
        Those of the job that draws; its seed and a stream's number make the stream's draws.
    streams
        Which.
    share
        As for `core.mcmc.long_runs.sample_streams`.
    """
    data = Data.load(params.data, f"{run.prefix}.data")
    problem = data.posed(params.method, params.rho, f"{run.prefix}.method")
    results = sample_streams(
        problem,
        run.rng,
        streams=streams,
        n_chains=params.n,
        burn_in=params.burn_in,
        n_draws=params.draws,
        thin=params.thin,
        share=share,
    )
    pooled = merge(results)
    drawn = Draws(pooled.draws, pooled.log_density, pooled.acceptance_rate, problem.names)
    drawn.save(run.dir / "draws.npz")
    rate = float(pooled.acceptance_rate.mean())
    run.log(f"{len(pooled.draws)} chains, {params.draws} draws each, acceptance rate {rate:.2f}")
    outputs: dict[str, object] = {"draws": run.dir / "draws.npz", "acceptance_rate": round(rate, 4)}
    if pooled.divergences is not None:
        n = int(pooled.divergences.sum())
        if n:
            run.log(
                f"WARNING: {n} trajectories diverged: the draws may miss a narrow part of the "
                "target; change its parameters, or burn in longer"
            )
        outputs["divergences"] = n
    return outputs
