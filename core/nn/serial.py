"""Write and read networks: an ``.npz`` archive with a JSON header, never pickle.

The header names a function that builds the network, and its settings; the arrays are the parameters
by name. Reading a file runs no code from it, and an unknown builder is refused.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from core.damaged import DAMAGED
from core.nn.models import BUILDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.nn.protocols import Array, Layer

__all__ = ["FORMAT", "ModelError", "load", "save"]

FORMAT = "azkaban-jobflow nn 1"


class ModelError(ValueError):
    """Not a model file, a damaged one, or one that this version cannot build."""


def save(
    stream: IO[bytes],
    network: Layer,
    *,
    builder: str,
    settings: Mapping[str, Any],
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write a network.

    Parameters
    ----------
    stream
        Binary and writable.
    network
        Its parameters are written.
    builder
        Name of the function that builds it, as in `core.nn.models.BUILDERS`.
    settings
        The function's keyword arguments but ``rng``; JSON values.
    meta
        Anything else worth keeping (class names, scales, history); JSON values.

    Examples
    --------
    >>> import io
    >>> from core.nn.models import mlp
    >>> settings = {"sizes": [4, 10, 3]}
    >>> net = mlp(**settings, rng=np.random.default_rng(0))
    >>> stream = io.BytesIO()
    >>> save(stream, net, builder="mlp", settings=settings, meta={"classes": ["a", "b", "c"]})
    >>> _ = stream.seek(0)
    >>> twin, meta = load(stream)
    >>> x = np.ones((1, 4))
    >>> bool((net.forward(x)[0] == twin.forward(x)[0]).all()), meta["classes"]
    (True, ['a', 'b', 'c'])
    """
    header = {
        "format": FORMAT,
        "builder": builder,
        "settings": dict(settings),
        "meta": dict(meta or {}),
    }
    arrays = {f"param/{name}": array for name, array in network.params.items()}
    text = json.dumps(header, allow_nan=False)
    np.savez(stream, header=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]


def load(
    stream: IO[bytes], builders: Mapping[str, Callable[..., Layer]] = BUILDERS
) -> tuple[Layer, dict[str, Any]]:
    """Read a network and its ``meta``.

    Raises
    ------
    ModelError
        The stream holds no model, a damaged one, or one that `builders` cannot build.
    """
    try:
        with np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        known, _ = header["format"] == FORMAT, dict(header["settings"])
        builder, settings, meta = header["builder"], header["settings"], header["meta"]
    except DAMAGED:
        raise ModelError("not a model file, or a damaged one: train the model again") from None
    if not known:
        raise ModelError(f"model format {header['format']!r}: this version reads {FORMAT!r}")
    if not isinstance(builder, str) or builder not in builders:
        raise ModelError(f"model builder {builder!r}: known are {', '.join(builders)}")
    try:
        network = builders[builder](**settings, rng=np.random.default_rng(0))
    except DAMAGED as error:
        raise ModelError(f"model settings {settings}: {error}") from None
    _restore(network, arrays)
    return network, meta


def _restore(network: Layer, arrays: Mapping[str, Array]) -> None:
    stored = {name.removeprefix("param/") for name in arrays}
    if stored != set(network.params):
        differing = ", ".join(sorted(stored ^ set(network.params)))
        raise ModelError(f"model parameters do not match its settings: {differing}")
    for name, array in network.params.items():
        value = arrays[f"param/{name}"]
        if value.shape != array.shape:
            raise ModelError(f"model parameter {name} is {value.shape}, expected {array.shape}")
        if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
            raise ModelError(f"model parameter {name} is not finite: train the model again")
        array[...] = value
