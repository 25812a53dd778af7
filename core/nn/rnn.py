"""The plain recurrent layer: ``h_t = tanh(x_t W + b + h_{t-1} U)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.nn.protocols import EVAL, Array, Context, Gradients
from core.nn.recurrent import Recurrent
from core.nn.steps import spaced

__all__ = ["RNN"]


@dataclass(frozen=True)
class _Cache:
    projected: Any
    h: Array  # (steps + 1, batch, hidden), from the initial state on
    keep: Array | None  # (steps, batch, 1)

    @property
    def state(self) -> Array:
        last: Array = self.h[-1]
        return last


class RNN(Recurrent):
    """Elman's network, as ``torch.nn.RNN`` (whose two biases add up to this one).

    Its gradient shrinks or grows by a factor at each step; see `core.nn.lstm.LSTM` for long memory.

    Examples
    --------
    >>> layer = RNN(3, 4, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.zeros((7, 2, 3)))
    >>> y.shape, cache.state.shape
    ((7, 2, 4), (2, 4))
    """

    gates = 1

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, _Cache]:
        """Run over ``x`` ``(steps, batch, n_in)``; the state is ``(batch, hidden)``."""
        z, projected = self._inputs(x, ctx)
        u = spaced(self.params["U"])
        keep = None if ctx.mask is None else ctx.mask[..., None].astype(bool)
        h = np.empty((len(z) + 1, *z.shape[1:]), dtype=z.dtype)
        h[0] = self._initial(ctx.state, z)
        for t in range(len(z)):
            np.matmul(h[t], u, out=h[t + 1])
            h[t + 1] += z[t]
            np.tanh(h[t + 1], out=h[t + 1])
            if keep is not None:
                np.copyto(h[t + 1], h[t], where=~keep[t])
        return h[1:], _Cache(projected, h, keep)

    def _through_time(self, dy: Array, cache: _Cache) -> tuple[Array, Gradients]:
        """Propagate the gradient back through time.

        ``dz_t = dh_t (1 - h_t^2)``, ``dh_{t-1} = dz_t U^T + dy_{t-1}``.
        """
        h, keep = cache.h, cache.keep
        u_t = spaced(self.params["U"].T)
        dz = 1 - h[1:] * h[1:]
        if keep is not None:
            dz *= keep
        dh = np.zeros_like(h[0])
        for t in range(len(dz) - 1, -1, -1):
            dh += dy[t]
            dz[t] *= dh
            if keep is None:
                np.matmul(dz[t], u_t, out=dh)
            else:
                dh *= ~keep[t]
                dh += dz[t] @ u_t
        own = {"U": _flat(h[:-1]).T @ _flat(dz)}
        return dz, own


def _flat(a: Array) -> Array:
    return a.reshape(-1, a.shape[-1])
