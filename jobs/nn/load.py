"""Load a data set, split it by class and standardise it.

    python -m jobs.nn.load --name iris

Writes data.npz: training and held-out examples, standardised with the training part's mean and
standard deviation. The split keeps each class's share and depends only on the seed. Your own CSV
file needs a header and one example per line, with numbers in all columns but the last, which holds
the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.nn.scaling import mean_and_scale
from jobs._files import read_rows
from jobs.nn._common import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """Which data to load, and how much to hold out."""

    name: str = param("iris", doc="A data set that comes along.", choices=("iris", "digits"))
    csv: Path | None = param(None, doc="A CSV file to take in its place.")
    held_out: float = param(
        0.3, doc="Share of each class that is kept for the test, 0 to 1.", gt=0, lt=1
    )


@dataclass(frozen=True)
class _Table:
    name: str
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.int64]
    features: tuple[str, ...]
    classes: tuple[str, ...]


@job
def main(params: Params, run: Run) -> Outputs:
    """Split and standardise."""
    table = _read_csv(params.csv) if params.csv else _bundled(params.name)
    train, test = split(table.y, params.held_out, run.rng, table.classes)
    try:
        mean_and_scale(table.x)  # the held-out part must be just as sound
        mean, scale = mean_and_scale(table.x[train])
    except ValueError as error:
        raise InputError(f"{params.csv}: {error}") from None
    x = (table.x - mean) / scale
    data = Dataset(
        name=table.name,
        x_train=x[train],
        y_train=table.y[train],
        x_test=x[test],
        y_test=table.y[test],
        mean=mean,
        scale=scale,
        features=table.features,
        classes=table.classes,
    )
    path = run.dir / "data.npz"
    data.save(path)
    run.log(
        f"{table.name}: {len(train)} examples to train, {len(test)} held out, "
        f"{len(table.features)} features, {len(table.classes)} classes"
    )
    return {"data": path, "train": len(train), "test": len(test)}


def split(
    y: npt.NDArray[np.int64],
    held_out: float,
    rng: np.random.Generator,
    classes: Sequence[str],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split example numbers at random, each class in the same proportion.

    Raises
    ------
    InputError
        A class has too few examples for both parts.

    Examples
    --------
    >>> y = np.repeat([0, 1], [10, 20])
    >>> train, test = split(y, 0.3, np.random.default_rng(0), ["a", "b"])
    >>> np.bincount(y[train]), np.bincount(y[test])
    (array([ 7, 14]), array([3, 6]))
    """
    is_test = pick_test(y, held_out, rng, classes)
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def pick_test(
    y: npt.NDArray[Any], held_out: float, rng: np.random.Generator, classes: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Tell which examples `split` holds out; of a billion this is a gigabyte, their numbers 8.

    Raises
    ------
    InputError
        A class has too few examples for both parts.
    """
    is_test = np.zeros(y.size, dtype=bool)
    for number, name in enumerate(classes):
        rows = rng.permutation(np.flatnonzero(y == number))
        count = round(held_out * len(rows))
        if not 0 < count < len(rows):
            raise InputError(
                f"class {name!r} has {len(rows)} examples: held_out = {held_out} leaves one part "
                "of the split without any"
            )
        is_test[rows[:count]] = True
    return is_test


def _bundled(name: str) -> _Table:
    from sklearn import datasets

    bunch = datasets.load_iris() if name == "iris" else datasets.load_digits()
    return _Table(
        name=name,
        x=np.asarray(bunch.data, dtype=np.float64),
        y=np.asarray(bunch.target, dtype=np.int64),
        features=tuple(map(str, bunch.feature_names)),
        classes=tuple(map(str, bunch.target_names)),
    )


def _read_csv(path: Path) -> _Table:
    header, *rows = read_rows(path, "nn.load.csv", "numbers and a class")
    if len(header) < 2:
        raise InputError(f"nn.load.csv = {path}: expected a header and rows of numbers and a class")
    x = np.empty((len(rows), len(header) - 1))
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: {len(row)} columns, expected {len(header)}")
        for column, text in enumerate(row[:-1]):
            x[number - 2, column] = _number(text, path, number, header[column])
    names = [row[-1].strip() for row in rows]
    classes = tuple(sorted(set(names)))
    if len(classes) < 2:
        raise InputError(f"{path}: one class only ({classes[0]!r}), expected two or more")
    y = np.searchsorted(np.array(classes), np.array(names))
    return _Table(path.stem, x, y.astype(np.int64), tuple(header[:-1]), classes)


def _number(text: str, path: Path, row: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"{path}, row {row}, column {column!r}: {text!r} is not a finite number")
    return value


if __name__ == "__main__":
    main.start()
