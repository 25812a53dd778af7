"""Long short-term memory (Hochreiter, Schmidhuber 1997; forget gate Gers et al. 2000).

`tests/core/nn/cells.py` has the same formulas in a readable form, one gate and one step at a time.
Here one product computes the four gates, and everything but the recurrence is computed for all
steps at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.nn.protocols import EVAL, Array, Context, Gradients, ShapeError
from core.nn.recurrent import Recurrent
from core.nn.steps import LSTMCache

__all__ = ["LSTM", "chrono_bias"]


class LSTM(Recurrent):
    """A cell that is added to, as ``torch.nn.LSTM``, gates in the order i, f, g, o.

    ::

        i, f, o = sigmoid(x W + b + h U)   input, forget and output gate
        g = tanh(x W_g + b_g + h U_g)      candidate
        c' = f * c + i * g
        h' = o * tanh(c')

    The forget gate's bias starts at 1, so that a new network remembers.

    Examples
    --------
    >>> layer = LSTM(3, 4, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.zeros((7, 2, 3)))
    >>> h, c = cache.state
    >>> y.shape, bool((y[-1] == h).all())
    ((7, 2, 4), True)
    """

    gates = 4

    def __init__(self, n_in: int, hidden: int, **options: Any) -> None:
        super().__init__(n_in, hidden, **options)
        if "project.b" in self.params:
            self.params["project.b"][hidden : 2 * hidden] = 1

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, LSTMCache]:
        """Run over ``x`` ``(steps, batch, n_in)``; the state is ``(h, c)``, each as an output."""
        z, projected = self._inputs(x, ctx)
        steps, batch = z.shape[:2]
        n = self.hidden
        keep = None if ctx.mask is None else ctx.mask[..., None].astype(bool)
        if ctx.state is not None and (not isinstance(ctx.state, tuple) or len(ctx.state) != 2):
            raise ShapeError(f"{self}: the state is a pair (h, c)")
        first = ctx.state or (None, None)
        h = np.empty((steps + 1, batch, n), dtype=z.dtype)
        c = np.empty_like(h)
        tanh_c = np.empty((steps, batch, n), dtype=z.dtype)
        h[0], c[0] = self._initial(first[0], z), self._initial(first[1], z)
        cache = LSTMCache(projected, h, c, tanh_c, z, keep)
        self._steps.lstm_forward(cache, self.params["U"])
        return h[1:], cache

    def _through_time(self, dy: Array, cache: LSTMCache) -> tuple[Array, Gradients]:
        """Propagate the gradient back through time.

        With ``dh`` and ``dc`` the gradients that arrive at a step::

            dc += dh * o * (1 - tanh(c)^2)
            dz_i = dc * g * i (1 - i)        dz_f = dc * c_before * f (1 - f)
            dz_g = dc * i * (1 - g^2)        dz_o = dh * tanh(c) * o (1 - o)
            dh <- dz U^T                     dc <- dc * f

        All factors but ``dh`` and ``dc`` are computed beforehand, for as many steps at a time as
        fit in the processor's cache.
        """
        n, h = self.hidden, cache.h
        dz = self._steps.lstm_backward(dy, cache, self.params["U"])
        own = {"U": h[:-1].reshape(-1, n).T @ dz.reshape(-1, 4 * n)}
        return dz, own


def chrono_bias(layer: LSTM, steps: int, rng: np.random.Generator) -> None:
    """Set the biases for memories of up to `steps` steps (Tallec, Ollivier 2018).

    The forget gate's is ``log U[1, steps - 1]`` and the input gate's its negative.

    Examples
    --------
    >>> layer = LSTM(2, 3, rng=np.random.default_rng(0))
    >>> chrono_bias(layer, 100, np.random.default_rng(0))
    >>> b = layer.params["project.b"]
    >>> bool((b[3:6] > 0).all() and (b[:3] == -b[3:6]).all())
    True
    """
    n = layer.hidden
    bias = layer.params["project.b"]
    bias[n : 2 * n] = np.log(rng.uniform(1, max(steps - 1, 1) + 1e-9, n))
    bias[:n] = -bias[n : 2 * n]
