"""The common parts of recurrent layers: inputs, states, masks, both directions.

A recurrent layer is a projection of all inputs at once, ``z = x W + b`` for every step, and then a
loop that only multiplies the state. Sequences are time-major, ``(steps, batch, features)``. Where a
mask ``(steps, batch)`` is false, state and output do not change, so the output of the last step is
that of each sequence's own last step.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.checks import count
from core.nn import steps
from core.nn.dense import Dense
from core.nn.embedding import EmbeddedDense, Embedding
from core.nn.initial import Initial, glorot_uniform, orthogonal
from core.nn.parameters import Nested
from core.nn.protocols import EVAL, Array, Context, Gradients, Layer, ShapeError
from core.nn.sequential import parameter_gradients

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

__all__ = ["Bidirectional", "Recurrent", "RecurrentParams", "final_state"]


class RecurrentParams(Nested):
    """The layer's own parameters, then its projection's as ``project.<name>``."""

    def __init__(self, own: dict[str, Array], project: Layer) -> None:
        super().__init__({"project": project})
        self._own = own

    def _owner(self, key: str) -> tuple[MutableMapping[str, Array], str]:
        return (self._own, key) if key in self._own else super()._owner(key)

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from super().__iter__()

    def __len__(self) -> int:
        return len(self._own) + super().__len__()


class Recurrent:
    """Base of `RNN`, `GRU` and `LSTM`: parameters, shapes, and the projection of the inputs.

    Parameters
    ----------
    n_in
        Features of the input.
    hidden
        Units of the state, which is the output.
    rng
        Draws the initial weights: the recurrent ones orthogonal per gate, the others by `weights`.
    project
        The layer that gives ``z``, ``(steps, batch, gates * hidden)``; a `Dense` of `n_in` by
        default. With a `core.nn.embedding.EmbeddedDense` the inputs are symbols ``(steps, batch)``.
    weights, dtype
        As for `Dense`.
    compiled
        Run the steps of `GRU` and `LSTM` with numba.

    Raises
    ------
    ValueError
        If `hidden` is below 1, or with `compiled` where there is no numba.
    """

    gates = 1

    def __init__(
        self,
        n_in: int,
        hidden: int,
        *,
        rng: np.random.Generator,
        project: Layer | None = None,
        weights: Initial = glorot_uniform,
        dtype: npt.DTypeLike = np.float64,
        compiled: bool = False,
    ) -> None:
        count("n_in", n_in)
        count("hidden", hidden)
        if compiled and importlib.util.find_spec("numba") is None:
            raise ValueError(
                "compiled = True needs the package numba: install it, or leave compiled out"
            )
        self.compiled = compiled
        self.n_in = n_in
        self.hidden = hidden
        width = self.gates * hidden
        self.project = project or Dense(n_in, width, rng=rng, weights=weights, dtype=dtype)
        blocks = [orthogonal(rng, (hidden, hidden)) for _ in range(self.gates)]
        own = {"U": np.concatenate(blocks, axis=1).astype(dtype)}
        self.params: MutableMapping[str, Array] = RecurrentParams(
            {**own, **self._more(dtype)}, self.project
        )

    def _more(self, dtype: npt.DTypeLike) -> dict[str, Array]:
        """Make the further parameters of a kind of layer."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_in}, {self.hidden})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Map ``(steps, batch, n_in)``, or symbols ``(steps, batch)``, to ``(..., hidden)``."""
        try:
            projected = self.project.output_shape(shape)
        except ShapeError as error:
            raise ShapeError(f"{self}: {error}") from None
        if len(projected) != 3 or projected[-1] != self.gates * self.hidden:
            raise ShapeError(
                f"{self}: expected (steps, batch, {self.n_in}), got {shape}"
                f" (projected to {projected})"
            )
        return (*projected[:2], self.hidden)

    def _inputs(self, x: Array, ctx: Context) -> tuple[Array, Any]:
        """Project the inputs; the result may be written over."""
        self.output_shape(x.shape)
        z, cache = self.project.forward(x, ctx)
        if not (
            isinstance(self.project, Dense | Embedding | EmbeddedDense) and z.flags.c_contiguous
        ):
            z = z.copy()  # another layer's cache may hold it
        if ctx.mask is not None and ctx.mask.shape != z.shape[:2]:
            raise ShapeError(f"{self}: mask is {ctx.mask.shape}, expected {z.shape[:2]}")
        return z, cache

    @property
    def _steps(self) -> Any:
        """The module that has the loops over the steps."""
        if not self.compiled:
            return steps
        from core.nn import compiled

        return compiled

    def _initial(self, state: Array | None, z: Array) -> Array:
        batch = z.shape[1]
        if state is None:
            return np.zeros((batch, self.hidden), dtype=z.dtype)
        if state.shape != (batch, self.hidden):
            raise ShapeError(f"{self}: state is {state.shape}, expected {(batch, self.hidden)}")
        return state

    def _through_time(self, dy: Array, cache: Any) -> tuple[Array, Gradients]:
        """Return the gradients by the projected inputs and by the layer's own parameters."""
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any) -> tuple[Array, Gradients]:
        """Propagate the gradient back through time, then through the projection."""
        dz, own = self._through_time(dy, cache)
        dx, grads = self.project.backward(dz, cache.projected)
        return dx, own | {f"project.{name}": grad for name, grad in grads.items()}

    def parameter_gradients(self, dy: Array, cache: Any) -> Gradients:
        """Return the parameters' gradients alone: nobody needs that of a first layer's input."""
        dz, own = self._through_time(dy, cache)
        grads = parameter_gradients(self.project, dz, cache.projected)
        return own | {f"project.{name}": grad for name, grad in grads.items()}


def final_state(cache: Any) -> Any:
    """Return the state after the last step, from the cache of a recurrent layer or a `Sequential`.

    Pass it as ``Context(state=...)`` to continue where a window ended. Layers without state have
    None.

    Examples
    --------
    >>> from core.nn import RNN, Dense, Sequential
    >>> rng = np.random.default_rng(0)
    >>> net = Sequential([RNN(2, 3, rng=rng), Dense(3, 1, rng=rng)])
    >>> x = rng.normal(size=(6, 1, 2))
    >>> whole, _ = net.forward(x)
    >>> first, cache = net.forward(x[:4])
    >>> second, _ = net.forward(x[4:], Context(state=final_state(cache)))
    >>> bool(np.allclose(whole, np.concatenate([first, second])))
    True
    """
    if isinstance(cache, list):
        return tuple(final_state(part) for part in cache)
    return getattr(cache, "state", None)


class Bidirectional:
    """Two layers over the same sequence, one from each end, with concatenated outputs.

    Parameters
    ----------
    ahead, back
        Recurrent layers with the same inputs.

    Examples
    --------
    >>> from core.nn import GRU
    >>> rng = np.random.default_rng(0)
    >>> layer = Bidirectional(GRU(2, 3, rng=rng), GRU(2, 4, rng=rng))
    >>> layer.output_shape((9, 5, 2))
    (9, 5, 7)
    """

    def __init__(self, ahead: Layer, back: Layer) -> None:
        self.ahead = ahead
        self.back = back
        self.params: MutableMapping[str, Array] = Nested({"ahead": ahead, "back": back})

    def __repr__(self) -> str:
        return f"Bidirectional({self.ahead}, {self.back})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Map ``(steps, batch, n_in)`` to ``(steps, batch, both outputs)``."""
        ahead, back = self.ahead.output_shape(shape), self.back.output_shape(shape)
        return (*ahead[:-1], ahead[-1] + back[-1])

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, tuple[Any, Any, int]]:
        """Run both layers; a state cannot be carried, as the second needs the sequence's end."""
        if ctx.state is not None:
            raise ValueError(f"{self}: reads whole sequences, so it takes no state")
        mask = None if ctx.mask is None else ctx.mask[::-1]
        turned = Context(training=ctx.training, rng=ctx.rng, mask=mask)
        first, cache_ahead = self.ahead.forward(x, ctx)
        second, cache_back = self.back.forward(x[::-1], turned)
        y = np.concatenate([first, second[::-1]], axis=-1)
        return y, (cache_ahead, cache_back, first.shape[-1])

    def backward(self, dy: Array, cache: tuple[Any, Any, int]) -> tuple[Array, Gradients]:
        """Run both layers backwards, each in its own direction."""
        cache_ahead, cache_back, width = cache
        dx, grads = self.ahead.backward(dy[..., :width], cache_ahead)
        dx_back, grads_back = self.back.backward(dy[::-1, :, width:], cache_back)
        return dx + dx_back[::-1], self._named(grads, grads_back)

    def parameter_gradients(self, dy: Array, cache: tuple[Any, Any, int]) -> Gradients:
        """Return the parameters' gradients alone."""
        cache_ahead, cache_back, width = cache
        return self._named(
            parameter_gradients(self.ahead, dy[..., :width], cache_ahead),
            parameter_gradients(self.back, dy[::-1, :, width:], cache_back),
        )

    @staticmethod
    def _named(ahead: Gradients, back: Gradients) -> Gradients:
        return {f"ahead.{name}": grad for name, grad in ahead.items()} | {
            f"back.{name}": grad for name, grad in back.items()
        }
