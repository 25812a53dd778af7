"""The gated recurrent unit (Cho et al. 2014), in torch's form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.nn.protocols import EVAL, Array, Context, Gradients
from core.nn.recurrent import Recurrent
from core.nn.steps import GRUCache

__all__ = ["GRU"]


class GRU(Recurrent):
    """Reset and update gates, as ``torch.nn.GRU``, in the order r, z, n.

    ::

        r = sigmoid(x W_r + b_r + h U_r)
        z = sigmoid(x W_z + b_z + h U_z)
        n = tanh(x W_n + b_n + r * (h U_n + b_h))
        h' = (1 - z) * n + z * h

    The hidden bias ``b_h`` stays inside the reset product.

    Examples
    --------
    >>> layer = GRU(3, 4, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.zeros((7, 2, 3)))
    >>> y.shape, cache.state.shape
    ((7, 2, 4), (2, 4))
    """

    gates = 3

    def _more(self, dtype: npt.DTypeLike) -> dict[str, Array]:
        return {"b_h": np.zeros(self.hidden, dtype=dtype)}

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, GRUCache]:
        """Run over ``x`` ``(steps, batch, n_in)``; the state is ``(batch, hidden)``."""
        z, projected = self._inputs(x, ctx)
        n = self.hidden
        keep = None if ctx.mask is None else ctx.mask[..., None].astype(bool)
        steps, batch = z.shape[:2]
        h = np.empty((steps + 1, batch, n), dtype=z.dtype)
        hn = np.empty((steps, batch, n), dtype=z.dtype)
        h[0] = self._initial(ctx.state, z)
        cache = GRUCache(projected, h, z, hn, keep)
        self._steps.gru_forward(cache, self.params["U"], self.params["b_h"])
        return h[1:], cache

    def _through_time(self, dy: Array, cache: GRUCache) -> tuple[Array, Gradients]:
        """Propagate back through time; only the recurrence is computed step by step."""
        n = self.hidden
        dz, by_u = self._steps.gru_backward(dy, cache, self.params["U"])
        flat = by_u.reshape(-1, 3 * n)
        own = {"U": cache.h[:-1].reshape(-1, n).T @ flat, "b_h": flat[:, 2 * n :].sum(axis=0)}
        return dz, own
