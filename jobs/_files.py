"""What the neural-network jobs share: data sets and models as files."""

from __future__ import annotations

import io
import json
import signal
import zipfile
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from azkaban_client.job import InputError, write_bytes
from core.nn.serial import ModelError, load, save

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from _typeshed import DataclassInstance

    from core.nn import Layer

__all__ = [
    "Dataset",
    "Interrupts",
    "load_arrays",
    "load_model",
    "read_text",
    "save_arrays",
    "save_model",
]

R = TypeVar("R")


@dataclass(frozen=True)
class Dataset:
    """Examples split in two, standardised by the training part.

    Attributes
    ----------
    name
        Of the data set.
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
        names = {"name": self.name, "features": self.features, "classes": self.classes}
        save_arrays(self, path, names)

    @classmethod
    def load(cls, path: Path) -> Dataset:
        """Read a file that `save` wrote; anything else is an `InputError`."""
        return load_arrays(cls, path, "data set", "jobs.nn.load")


def save_arrays(record: DataclassInstance, path: Path, names: Mapping[str, Any]) -> None:
    """Write a record of arrays and names as an ``.npz`` file."""
    arrays = {
        field.name: getattr(record, field.name)
        for field in fields(record)
        if field.name not in names
    }
    stream = io.BytesIO()
    told = np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)
    np.savez_compressed(stream, names=told, **arrays)
    write_bytes(path, stream.getvalue())


def load_arrays(kind: Callable[..., R], path: Path, what: str, writer: str) -> R:
    """Read a record that `save_arrays` wrote; anything else is an `InputError`.

    Parameters
    ----------
    kind
        The record's class.
    path
        The file.
    what, writer
        What it holds and which job makes such files, for messages.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        names = json.loads(arrays.pop("names").tobytes())
        told = {key: tuple(v) if isinstance(v, list) else v for key, v in names.items()}
        return kind(**told, **arrays)
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror or 'cannot be read'}") from None
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{what} {path}: not a file that {writer} wrote") from None


def save_model(
    path: Path,
    network: Layer,
    *,
    builder: str,
    settings: Mapping[str, Any],
    meta: Mapping[str, Any],
) -> None:
    """Write a model file (see `core.nn.serial`) whole or not at all."""
    stream = io.BytesIO()
    save(stream, network, builder=builder, settings=settings, meta=meta)
    write_bytes(path, stream.getvalue())


def load_model(path: Path) -> tuple[Layer, dict[str, Any]]:
    """Read a model file; anything else is an `InputError`."""
    try:
        with path.open("rb") as stream:
            return load(stream)
    except OSError as error:
        raise InputError(f"model {path}: {error.strerror}") from None
    except ModelError as error:
        raise InputError(f"model {path}: {error}") from None


def read_text(path: Path, key: str) -> str:
    """Read a text in UTF-8; `key` is the parameter that named it."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{key} = {path}: byte {error.start} is not UTF-8") from None
    except OSError as error:
        raise InputError(f"{key} = {path}: {error.strerror}") from None


class Interrupts:
    """Holds SIGINT and SIGTERM back while the block runs, and lets them go at its end.

    Work that must not be cut in half looks at `pending` between its steps, saves what there is and
    leaves the block; the signal then takes its usual course.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._usual: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._usual[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, _frame: object) -> None:
        self.pending = number

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)
        if self.pending is not None:
            signal.raise_signal(self.pending)
