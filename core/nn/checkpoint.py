"""Interrupt a training and resume it later with identical bits.

A checkpoint holds the parameters, the states of the optimiser and the generator, the history, the
number of updates, how far an epoch has got, and anything else that the caller needs, such as the
position in a text. It is an ``.npz`` archive with a JSON header, like a model file: no pickle.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from core.damaged import DAMAGED
from core.nn.serial import ModelError
from core.nn.trainer import Position

if TYPE_CHECKING:
    from core.nn.protocols import Array
    from core.nn.trainer import Trainer

__all__ = ["FORMAT", "load_checkpoint", "save_checkpoint"]

FORMAT = "azkaban-jobflow nn checkpoint 2"
_READ = ("azkaban-jobflow nn checkpoint 1", FORMAT)  # the first knows no position in an epoch


def save_checkpoint(stream: IO[bytes], trainer: Trainer, extra: Any = None) -> None:
    """Write the state of a training.

    Parameters
    ----------
    stream
        Binary and writable.
    trainer
        Between two updates, also those of an epoch.
    extra
        JSON values, arrays, and lists, tuples and dictionaries of them.

    Examples
    --------
    >>> import io
    >>> from core.nn import SGD, CrossEntropy, Dense, Trainer
    >>> x, y = np.eye(4), np.arange(4) % 2
    >>> def start():
    ...     rng = np.random.default_rng(0)
    ...     return Trainer(Dense(4, 2, rng=rng), CrossEntropy(), SGD(learning_rate=1.0), rng=rng)
    >>> whole = start()
    >>> _ = whole.fit(x, y, epochs=5, batch_size=3)
    >>> first, second, stream = start(), start(), io.BytesIO()
    >>> _ = first.fit(x, y, epochs=2, batch_size=3)
    >>> save_checkpoint(stream, first)
    >>> _ = stream.seek(0)
    >>> load_checkpoint(stream, second)
    >>> _ = second.fit(x, y, epochs=3, batch_size=3)
    >>> bool((second.parameters.values == whole.parameters.values).all())
    True
    """
    arrays: dict[str, Array] = {"theta": trainer.parameters.values}
    for name, array in trainer.optimiser_state.items():
        arrays[f"optimiser/{name}"] = array
    header = {
        "format": FORMAT,
        "training": _describe(trainer),
        "updates": trainer.updates,
        "history": trainer.history.columns,
        "rng": trainer.rng.bit_generator.state,
        "position": trainer.position and asdict(trainer.position),
        "extra": _pack(extra, arrays),
    }
    text = json.dumps(header)
    np.savez(stream, header=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]


def load_checkpoint(stream: IO[bytes], trainer: Trainer) -> Any:
    """Restore a trainer, made like the saved one, from a checkpoint; return ``extra``.

    Raises
    ------
    ModelError
        Not a checkpoint, or one that is damaged or of another network or optimiser; the trainer is
        then unchanged.
    """
    try:
        with np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        known = header["format"] in _READ
        training, updates, columns = header["training"], header["updates"], header["history"]
        state = {name: arrays[f"optimiser/{name}"] for name in trainer.optimiser_state}
        theta, rng = arrays["theta"], header["rng"]
        extra = _unpack(header["extra"], arrays)
        kept = {name: list(map(float, column)) for name, column in columns.items()}
        generator, made = rng["bit_generator"], int(updates)
        position = header.get("position") and _position(header["position"])
        ours = {key: (value, training[key]) for key, value in _describe(trainer).items()}
    except DAMAGED:
        raise ModelError("not a checkpoint, or a damaged one: start the training anew") from None
    if not known:
        raise ModelError(f"checkpoint format {header['format']!r}: this version reads {FORMAT!r}")
    for key, (value, found) in ours.items():
        if found != value:
            raise ModelError(f"checkpoint of another training: {key} is {found}, not {value}")
    if generator != trainer.rng.bit_generator.state["bit_generator"]:
        raise ModelError(f"checkpoint of another training: generator {generator}")
    try:
        for state_of in [rng, *([position.rng] if position else [])]:
            type(trainer.rng.bit_generator)().state = state_of
        _fit(theta, trainer.parameters.values)
        for name, array in state.items():
            _fit(array, trainer.optimiser_state[name])
    except DAMAGED:
        raise ModelError("not a checkpoint, or a damaged one: start the training anew") from None
    # From here on nothing can fail: the trainer has either its old state or the checkpoint's.
    trainer.parameters.values[...] = theta
    for name, array in state.items():
        trainer.optimiser_state[name][...] = array
    trainer.rng.bit_generator.state = rng
    trainer.updates = made
    trainer.position = position
    trainer.history.columns.clear()
    trainer.history.columns.update(kept)
    return extra


def _position(stored: dict[str, Any]) -> Position:
    """Read how far an epoch had got."""
    counts = {name: int(stored[name]) for name in ("size", "examples", "batches")}
    sums = {name: float(stored[name]) for name in ("loss", "score", "norms")}
    if not 0 < counts["batches"] <= counts["examples"] <= counts["size"]:
        raise ValueError("no position in an epoch")
    return Position(rng=stored["rng"], **counts, **sums)  # type: ignore[arg-type]


def _fit(stored: Array, ours: Array) -> None:
    """Raise ValueError unless an array can take the place of another."""
    if stored.shape != ours.shape or stored.dtype.kind != ours.dtype.kind:
        raise ValueError("another array")


def _describe(trainer: Trainer) -> dict[str, Any]:
    """Describe what must agree for a training to resume exactly."""
    return {
        "parameters": {name: list(shape) for name, shape in trainer.parameters.shapes.items()},
        "dtype": str(trainer.parameters.values.dtype),
        "optimiser": repr(trainer.optimiser),
        "loss": repr(trainer.loss),
        "clip": trainer.clip,
    }


def _pack(value: Any, arrays: dict[str, Array]) -> Any:
    """Store arrays separately under numbers; mark tuples and arrays for `_unpack`."""
    if isinstance(value, np.ndarray):
        key = f"extra/{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, dict):
        return {"dict": {name: _pack(part, arrays) for name, part in value.items()}}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_pack(part, arrays) for part in value]}
    return value


def _unpack(value: Any, arrays: dict[str, Array]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, body),) = value.items()
    if kind == "array":
        return arrays[body]
    if kind == "dict":
        return {name: _unpack(part, arrays) for name, part in body.items()}
    parts = [_unpack(part, arrays) for part in body]
    return tuple(parts) if kind == "tuple" else parts
