"""What the sampling jobs share: problems with data from files, and draws on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from zipfile import BadZipFile

import numpy as np

from azkaban_client.job import InputError, param
from core.mcmc.examples import ChangePoint, Decay, Groups, bivariate_normal
from core.mcmc.long_runs import merge, sample_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from azkaban_client.job import Outputs, Run
    from core.mcmc.examples import Problem

__all__ = [
    "COLUMNS",
    "Chains",
    "Draws",
    "draw",
    "load_arrays",
    "load_problem",
    "make_problem",
    "save_arrays",
]

# The columns of each problem's data; the bivariate normal has none.
COLUMNS = {
    "normal": (),
    "decay": ("t", "y"),
    "groups": ("group", "y"),
    "changepoint": ("y",),
}


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an .npz file whole or not at all."""
    part = path.with_name(f".{path.stem}.part.npz")
    np.savez_compressed(part, **arrays)
    part.replace(path)


def load_arrays(path: Path, key: str, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read `names` from the .npz file that the property `key` names."""
    try:
        with np.load(path.expanduser(), allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except KeyError as error:
        raise InputError(f"{key} = {str(path)!r}: {error.args[0]}") from None
    except (OSError, ValueError, EOFError, TypeError, BadZipFile) as error:
        raise InputError(f"{key} = {str(path)!r}: not the output of a job ({error})") from None


def make_problem(data: dict[str, NDArray[Any]], method: str, rho: float) -> Problem:
    """Build what is sampled from the arrays of `jobs.sampling.load`."""
    name = str(data["problem"])
    if name == "decay":
        return Decay(data["t"], data["y"]).problem()
    if name == "groups":
        return Groups(data["group"].astype(np.int64), data["y"]).problem()
    if name == "changepoint":
        return ChangePoint(data["y"].astype(np.int64)).problem()
    return bivariate_normal(cast("Literal['gibbs']", method), rho=rho)


def load_problem(path: Path, method: str, rho: float) -> Problem:
    """Build what is sampled from the file of `jobs.sampling.load`."""
    name = str(load_arrays(path, "sampling.draw.data", ("problem",))["problem"])
    data = load_arrays(path, "sampling.draw.data", ("problem", *COLUMNS.get(name, ())))
    return make_problem(data, method, rho)


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of one job's chains."""

    draws: NDArray[np.float64]
    log_density: NDArray[np.float64]
    acceptance_rate: NDArray[np.float64]
    names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        save_arrays(path, **vars(self))

    @classmethod
    def load(cls, path: Path, key: str) -> Draws:
        """Read what `save` wrote."""
        stored = load_arrays(path, key, ("draws", "log_density", "acceptance_rate", "names"))
        return cls(
            stored["draws"],
            stored["log_density"],
            stored["acceptance_rate"],
            tuple(str(name) for name in stored["names"]),
        )


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Parameters of every job that draws: what, how long, and how many chains of a stream."""

    data: Path = param(doc="The data.npz of jobs.sampling.load.")
    method: str = param(
        "gibbs",
        doc="How the bivariate normal is sampled; each other problem has its own method.",
        choices=("metropolis", "metropolis-hastings", "gibbs"),
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
    params, job
        Of the job that draws; its seed and a stream's number make the stream's draws.
    streams
        Which.
    share
        As for `core.mcmc.long_runs.sample_streams`.
    """
    problem = load_problem(params.data, params.method, params.rho)
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
    return {"draws": run.dir / "draws.npz", "acceptance_rate": round(rate, 4)}
