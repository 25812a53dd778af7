"""Make or read the data of a sampling problem.

    python -m jobs.sampling.load --problem decay
    python -m jobs.sampling.load --problem changepoint --csv counts.csv

normal: a bivariate normal distribution, no data. decay: y = a exp(-b t) + c with noise (columns t,
y). groups: values of several groups (columns group, y; group is a number from 0). changepoint:
counts whose rate changes once (column y). Without a file the data are simulated from the seed.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.mcmc.examples import Decay, Groups
from jobs.sampling._common import COLUMNS, Data

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """Which problem, and its data."""

    problem: str = param("decay", doc="What is sampled.", choices=tuple(COLUMNS))
    csv: Path | None = param(None, doc="Data with a header; empty: simulated.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Read or simulate, and store."""
    if params.csv is None:
        data, truth = _simulate(params.problem, run.rng)
    else:
        data, truth = _read(params.csv, params.problem), np.zeros(0)
    size = len(next(iter(data.values()))) if data else 0
    run.log(
        f"{params.problem}: {size} values" + (f", truth {np.round(truth, 3)}" * bool(truth.size))
    )
    Data(params.problem, truth, **data).save(run.dir / "data.npz")
    return {"data": run.dir / "data.npz", "values": size}


def _simulate(
    problem: str, rng: np.random.Generator
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    if problem == "decay":
        t = np.linspace(0, 5, 40)
        truth = np.array([3.0, 0.2, 1.0, np.log(0.25)])
        y = Decay.curve(truth[None], t)[0] + 0.25 * rng.standard_normal(len(t))
        return {"t": t, "y": y}, truth
    if problem == "groups":
        group = np.repeat(np.arange(6), [4, 9, 3, 12, 6, 2])
        truth = np.concatenate([[5.0, 4.0, 1.0], 5 + 2 * rng.standard_normal(6)])
        return {"group": group, "y": Groups.data(rng, truth[None], group)[0]}, truth
    if problem == "changepoint":
        y = np.concatenate([rng.poisson(3.1, 41), rng.poisson(0.9, 71)])
        return {"y": y}, np.array([41.0, 3.1, 0.9])
    return {}, np.zeros(2)


def _read(path: Path, problem: str) -> dict[str, NDArray[Any]]:
    where = f"sampling.load.csv = {str(path)!r}"
    columns = COLUMNS[problem]
    if not columns:
        raise InputError(f"{where}: the problem {problem} has no data; leave it empty")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except UnicodeDecodeError:
        raise InputError(f"{where}: not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}") from None
    if len(rows) < 3:
        raise InputError(f"{where}: {len(rows)} rows of data, expected 3 or more")
    data = {column: _column(rows, column, problem, where) for column in columns}
    if problem == "groups":
        missing = np.setdiff1d(np.arange(data["group"].max()), data["group"])
        if missing.size:
            raise InputError(f"{where}: group {missing[0]:g} has no rows; number them without gaps")
    return data


def _column(
    rows: list[dict[str, str]], column: str, problem: str, where: str
) -> NDArray[np.float64]:
    whole = column == "group" or problem == "changepoint"
    values = []
    for line, row in enumerate(rows, 2):
        text = row.get(column)
        try:
            value = float(text or "")
        except ValueError:
            value = np.nan
        if not np.isfinite(value) or (whole and (value < 0 or value % 1)):
            kind = "a whole number >= 0" if whole else "a number"
            raise InputError(f"{where}, line {line}, column {column}: {text!r} is not {kind}")
        values.append(value)
    return np.array(values)


if __name__ == "__main__":
    main.start()
