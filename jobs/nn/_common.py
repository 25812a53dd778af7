"""Hold the data set of the jobs on tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs._files import load_record, save_record

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

__all__ = ["Dataset"]


@dataclass(frozen=True)
class Dataset:
    """Examples split into two parts and standardised by the training part.

    Attributes
    ----------
    name
        The name of the data set.
    x_train, x_test
        ``(examples, features)``, float64: ``(raw - mean) / scale``.
    y_train, y_test
        Class numbers.
    mean, scale
        ``(features,)``, of the raw training part; a constant feature has the scale 1.
    features, classes
        Their names.
    """

    name: str
    x_train: npt.NDArray[np.float64]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.float64]
    y_test: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    features: tuple[str, ...]
    classes: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        save_record(self, path)

    @classmethod
    def load(cls, path: Path) -> Dataset:
        """Read a file that `save` wrote; anything else is an `InputError`."""
        return load_record(cls, path, f"data set {path}", "jobs.nn.load")
