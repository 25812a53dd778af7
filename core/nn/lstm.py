"""Long short-term memory (Hochreiter, Schmidhuber 1997; forget gate Gers et al. 2000).

`core.nn.cells` has the same formulas one gate and one step at a time, to be read; here the four
gates are one product, and all that does not run through time is computed for all steps at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.nn.protocols import EVAL, Array, Context, Gradients, ShapeError
from core.nn.recurrent import CACHE_BYTES, Recurrent, spaced

__all__ = ["LSTM", "Cache", "chrono_bias"]


@dataclass(frozen=True)
class Cache:
    """What a pass leaves for the way back."""

    projected: Any
    h: Array  # (steps + 1, batch, hidden), from the initial state on
    c: Array  # the same of the cell
    tanh_c: Array  # (steps, batch, hidden)
    gates: Array  # (steps, batch, 4 * hidden): i, f, g, o
    keep: Array | None  # (steps, batch, 1)

    @property
    def state(self) -> tuple[Array, Array]:
        """``(h, c)`` after the last step."""
        return self.h[-1], self.c[-1]


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

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Cache]:
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
        cache = Cache(projected, h, c, tanh_c, z, keep)
        self._function("lstm_forward", lstm_forward)(cache, self.params["U"])
        return h[1:], cache

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """Back through time.

        With ``dh`` and ``dc`` the gradients that arrive at a step::

            dc += dh * o * (1 - tanh(c)^2)
            dz_i = dc * g * i (1 - i)        dz_f = dc * c_before * f (1 - f)
            dz_g = dc * i * (1 - g^2)        dz_o = dh * tanh(c) * o (1 - o)
            dh <- dz U^T                     dc <- dc * f

        All factors but ``dh`` and ``dc`` are known beforehand, for as many steps at a time as stay
        in the processor's cache.
        """
        n, h = self.hidden, cache.h
        dz = self._function("lstm_backward", lstm_backward)(dy, cache, self.params["U"])
        own = {"U": h[:-1].reshape(-1, n).T @ dz.reshape(-1, 4 * n)}
        return self._project_back(dz, cache.projected, own)


def lstm_forward(cache: Cache, u: Array) -> None:
    """Fill a cache whose gates are the inputs' sums."""
    z, h, c, tanh_c, keep = cache.gates, cache.h, cache.c, cache.tanh_c, cache.keep
    steps, batch, n = tanh_c.shape
    # sigmoid(a) = (1 + tanh(a / 2)) / 2: one tanh over all four gates
    scale = np.full(4 * n, 0.5, dtype=z.dtype)
    scale[2 * n : 3 * n] = 1
    shift = 1 - scale
    u = spaced(u * scale)
    own = np.empty((batch, 4 * n), dtype=z.dtype)
    new = np.empty((batch, n), dtype=z.dtype)
    for t in range(steps):
        gates = z[t]
        np.matmul(h[t], u, out=own)
        gates *= scale
        gates += own
        np.tanh(gates, out=gates)
        gates *= scale
        gates += shift
        np.multiply(gates[:, n : 2 * n], c[t], out=c[t + 1])
        np.multiply(gates[:, :n], gates[:, 2 * n : 3 * n], out=new)
        c[t + 1] += new
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(gates[:, 3 * n :], tanh_c[t], out=h[t + 1])
        if keep is not None:
            np.copyto(c[t + 1], c[t], where=~keep[t])
            np.copyto(h[t + 1], h[t], where=~keep[t])


def lstm_backward(dy: Array, cache: Cache, u: Array) -> Array:
    """Gradient by the inputs' sums."""
    h, keep = cache.h, cache.keep
    steps, batch, n = cache.tanh_c.shape
    u_t = spaced(u.T)
    dz = np.empty_like(cache.gates)
    by_ifg = dz.reshape(steps, batch, 4, n)[:, :, :3]
    by_o = dz[..., 3 * n :]
    dh = np.zeros_like(h[0])
    dc = np.zeros_like(dh)
    work = np.empty_like(dh)
    block = max(1, CACHE_BYTES // dz[0].nbytes)
    for stop in range(steps, 0, -block):
        start = max(0, stop - block)
        into_c, f = _factors(cache, dz, slice(start, stop))
        for t in range(stop - 1, start - 1, -1):
            dh += dy[t]
            np.multiply(dh, into_c[t - start], out=work)
            dc += work
            by_ifg[t] *= dc[:, None, :]
            by_o[t] *= dh
            dc *= f[t - start]
            if keep is None:
                np.matmul(dz[t], u_t, out=dh)
            else:
                dh *= ~keep[t]
                dh += dz[t] @ u_t
    return dz


def _factors(cache: Cache, dz: Array, steps: slice) -> tuple[Array, Array]:
    """Fill ``dz`` but for ``dh`` and ``dc``; return what ``dh`` and ``dc`` have into ``dc``."""
    gates, out, tanh_c = cache.gates[steps], dz[steps], cache.tanh_c[steps]
    n = tanh_c.shape[-1]
    i, f, g, o = (gates[..., k * n : (k + 1) * n] for k in range(4))
    by_i, by_f, by_g, by_o = (out[..., k * n : (k + 1) * n] for k in range(4))
    np.subtract(1, gates, out=out)
    out *= gates
    by_i *= g
    by_f *= cache.c[steps]
    np.multiply(g, g, out=by_g)
    np.subtract(1, by_g, out=by_g)
    by_g *= i
    by_o *= tanh_c
    into_c = tanh_c * tanh_c
    np.subtract(1, into_c, out=into_c)
    into_c *= o
    if cache.keep is not None:
        keep = cache.keep[steps]
        out *= keep
        into_c *= keep
        f = np.where(keep, f, 1)
    return into_c, f


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
