"""What the sampling jobs share: problems with data from files, and draws on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast
from zipfile import BadZipFile

import numpy as np

from core.mcmc.examples import ChangePoint, Decay, Groups, bivariate_normal
from jobs._runtime import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from core.mcmc.examples import Problem

__all__ = ["COLUMNS", "Draws", "load_arrays", "load_problem", "make_problem", "save_arrays"]

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
    """Build what is sampled from the arrays of `jobs.sample_data`."""
    name = str(data["problem"])
    if name == "decay":
        return Decay(data["t"], data["y"]).problem()
    if name == "groups":
        return Groups(data["group"].astype(np.int64), data["y"]).problem()
    if name == "changepoint":
        return ChangePoint(data["y"].astype(np.int64)).problem()
    return bivariate_normal(cast("Literal['gibbs']", method), rho=rho)


def load_problem(path: Path, method: str, rho: float) -> Problem:
    """Build what is sampled from the file of `jobs.sample_data`."""
    name = str(load_arrays(path, "chains.data", ("problem",))["problem"])
    data = load_arrays(path, "chains.data", ("problem", *COLUMNS.get(name, ())))
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
