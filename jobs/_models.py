"""Read and write trained networks, and compare them in reports."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from azkaban_client.job import InputError, write_bytes
from core.nn.serial import ModelError, load, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from core.nn import Layer

__all__ = ["Trained", "confusion_counts", "load_model", "load_trained", "save_model"]


@dataclass(frozen=True)
class Trained:
    """A trained network, as a report reads it.

    Attributes
    ----------
    name
        What reports call it.
    network
        The network.
    meta
        What its training saved with it: scores, history, classes.
    """

    name: str
    network: Layer
    meta: dict[str, Any]


def save_model(
    path: Path,
    network: Layer,
    *,
    builder: str,
    settings: Mapping[str, Any],
    meta: Mapping[str, Any],
    onnx: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Write a model file (see `core.nn.serial`) atomically, and return the files as outputs.

    With `onnx`, the arguments of `core.nn.export.to_onnx`, an ONNX file is written beside it;
    without, none of an earlier model stays there.
    """
    stream = io.BytesIO()
    save(stream, network, builder=builder, settings=settings, meta=meta)
    write_bytes(path, stream.getvalue())
    other = path.with_suffix(".onnx")
    if onnx is None:
        other.unlink(missing_ok=True)
        return {"model": path}
    from core.nn.export import to_onnx

    about = {name: json.dumps(value) for name, value in onnx["about"].items()}
    write_bytes(other, to_onnx(network, **{**onnx, "about": about}))
    return {"model": path, "onnx": other}


def load_model(path: Path) -> tuple[Layer, dict[str, Any]]:
    """Read a model file; raise `InputError` for anything else."""
    try:
        with path.open("rb") as stream:
            return load(stream)
    except OSError as error:
        raise InputError(f"model {path}: {error.strerror}") from None
    except ModelError as error:
        raise InputError(f"model {path}: {error}") from None


def load_trained(
    paths: Sequence[Path], prefix: str, *, needs: set[str], same: Mapping[str, object]
) -> list[Trained]:
    """Read the models that a report compares.

    Parameters
    ----------
    paths
        Their files, from the property ``<prefix>.models``.
    prefix
        The prefix of the report's properties; the job ``train`` beside it writes such models.
    needs
        What a model must have in its `meta`, ``label`` included.
    same
        What it must have in common with the data of the report.

    Raises
    ------
    InputError
        One is of another kind or of other data, or two have the same name.
    """
    trained = []
    writer = f"jobs.{prefix.rpartition('.')[0]}.train"
    for path in paths:
        network, meta = load_model(path)
        if not needs <= meta.keys():
            raise InputError(f"model {path}: not one that {writer} wrote")
        if any(_plain(meta[name]) != _plain(value) for name, value in same.items()):
            raise InputError(f"model {path}: was trained on other data than {prefix}.data")
        trained.append(Trained(str(meta["label"]), network, meta))
    names = [model.name for model in trained]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{prefix}.models: two of them are called {twice[0]!r}")
    return trained


def confusion_counts(
    true: npt.NDArray[Any], picked: npt.NDArray[Any], n_classes: int
) -> npt.NDArray[np.int64]:
    """Count how often class ``i`` was taken for ``j``, shape ``(n_classes, n_classes)``.

    Examples
    --------
    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (true, picked), 1)
    return counts


def _plain(value: object) -> object:
    """Turn tuples into lists, as in model files."""
    return list(value) if isinstance(value, tuple) else value
