"""Hold all parameters of a network in one vector, for optimisers and model files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence

import numpy as np

from core.nn.protocols import Array, Layer

__all__ = ["Nested", "ParameterVector"]


class Nested(MutableMapping[str, Array]):
    """Parameters of a layer made of layers, named ``<part>.<name>``; the parts own them."""

    def __init__(self, parts: Mapping[str, Layer]) -> None:
        self._parts = dict(parts)

    def _owner(self, key: str) -> tuple[MutableMapping[str, Array], str]:
        part, _, name = key.partition(".")
        return self._parts[part].params, name

    def __getitem__(self, key: str) -> Array:
        owner, name = self._owner(key)
        return owner[name]

    def __setitem__(self, key: str, value: Array) -> None:
        owner, name = self._owner(key)
        owner[name] = value

    def __delitem__(self, key: str) -> None:
        raise TypeError(f"{key!r}: parameters cannot be removed")

    def __iter__(self) -> Iterator[str]:
        return (f"{part}.{name}" for part, layer in self._parts.items() for name in layer.params)

    def __len__(self) -> int:
        return sum(len(layer.params) for layer in self._parts.values())


class ParameterVector:
    """A layer's parameters moved into one vector, and a gradient vector beside it.

    The layer's arrays become views, so changing `values` changes the layer. Two instances for the
    same layer share the vector.

    Attributes
    ----------
    values, grad
        ``(n,)``, of the parameters' dtype.
    shapes
        Shape of each parameter by name, in the vector's order.

    Examples
    --------
    >>> from core.nn import Dense
    >>> layer = Dense(2, 1, rng=np.random.default_rng(0))
    >>> vector = ParameterVector(layer)
    >>> vector.values[:] = [1, 2, 3]
    >>> layer.params["W"].ravel(), layer.params["b"]
    (array([1., 2.]), array([3.]))
    """

    def __init__(self, layer: Layer) -> None:
        params = dict(layer.params)
        dtypes = {array.dtype for array in params.values()}
        if len(dtypes) > 1:
            raise ValueError(f"parameters are of different dtypes: {sorted(map(str, dtypes))}")
        self.shapes = {name: array.shape for name, array in params.items()}
        self.values = _shared(list(params.values()))
        self.grad = np.zeros_like(self.values)
        for name, view in self._views(self.values).items():
            layer.params[name] = view
        self._grads = self._views(self.grad)

    def _views(self, vector: Array) -> dict[str, Array]:
        views, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            views[name] = vector[start:stop].reshape(shape)
            start = stop
        return views

    def set_grad(self, grads: Mapping[str, Array]) -> Array:
        """Copy gradients by name into `grad` and return it."""
        for name, view in self._grads.items():
            view[...] = grads[name]
        return self.grad


def _shared(arrays: Sequence[Array]) -> Array:
    """Return the vector that `arrays` already lie in end to end, or a new one."""
    base = arrays[0].base if arrays else None
    if base is not None and base.ndim == 1:
        start = base.ctypes.data
        for array in arrays:
            if array.base is not base or array.ctypes.data != start:
                break
            start += array.nbytes
        else:
            if start == base.ctypes.data + base.nbytes:
                return base
    if not arrays:
        return np.zeros(0)
    return np.concatenate([array.ravel() for array in arrays])
