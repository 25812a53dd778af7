"""The gated recurrent unit (Cho et al. 2014), in torch's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.nn.protocols import EVAL, Array, Context, Gradients
from core.nn.recurrent import CACHE_BYTES, Recurrent, spaced

__all__ = ["GRU", "Cache"]


@dataclass(frozen=True)
class Cache:
    """What a pass leaves for the way back."""

    projected: Any
    h: Array  # (steps + 1, batch, hidden), from the initial state on
    gates: Array  # (steps, batch, 3 * hidden): r, z, n
    hn: Array  # (steps, batch, hidden): what the reset gate multiplies
    keep: Array | None

    @property
    def state(self) -> Array:
        """After the last step."""
        last: Array = self.h[-1]
        return last


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

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Cache]:
        """Run over ``x`` ``(steps, batch, n_in)``; the state is ``(batch, hidden)``."""
        z, projected = self._inputs(x, ctx)
        n = self.hidden
        keep = None if ctx.mask is None else ctx.mask[..., None].astype(bool)
        steps, batch = z.shape[:2]
        h = np.empty((steps + 1, batch, n), dtype=z.dtype)
        hn = np.empty((steps, batch, n), dtype=z.dtype)
        h[0] = self._initial(ctx.state, z)
        cache = Cache(projected, h, z, hn, keep)
        self._function("gru_forward", gru_forward)(cache, self.params["U"], self.params["b_h"])
        return h[1:], cache

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """Back through time; what is no chain is computed for many steps at once."""
        n = self.hidden
        dz, by_u = self._function("gru_backward", gru_backward)(dy, cache, self.params["U"])
        flat = by_u.reshape(-1, 3 * n)
        own = {"U": cache.h[:-1].reshape(-1, n).T @ flat, "b_h": flat[:, 2 * n :].sum(axis=0)}
        return self._project_back(dz, cache.projected, own)


def gru_forward(cache: Cache, u: Array, b_h: Array) -> None:
    """Fill a cache whose gates are the inputs' sums."""
    z, h, hn, keep = cache.gates, cache.h, cache.hn, cache.keep
    steps, batch, n = hn.shape
    u, own = spaced(u), np.empty((batch, 3 * n), dtype=z.dtype)
    for t in range(steps):
        gates, before, after = z[t], h[t], h[t + 1]
        np.matmul(before, u, out=own)
        rz = gates[:, : 2 * n]
        rz += own[:, : 2 * n]
        rz *= 0.5  # sigmoid(a) = (1 + tanh(a / 2)) / 2
        np.tanh(rz, out=rz)
        rz += 1
        rz *= 0.5
        np.add(own[:, 2 * n :], b_h, out=hn[t])
        new = gates[:, 2 * n :]
        new += gates[:, :n] * hn[t]
        np.tanh(new, out=new)
        np.subtract(before, new, out=after)
        after *= gates[:, n : 2 * n]
        after += new
        if keep is not None:
            np.copyto(after, before, where=~keep[t])


def gru_backward(dy: Array, cache: Cache, u: Array) -> tuple[Array, Array]:
    """Gradients by the inputs' sums and by ``h U``."""
    h, n = cache.h, cache.hn.shape[-1]
    r = cache.gates[..., :n]
    u_t = spaced(u.T)
    dgates = np.empty_like(cache.gates)
    by_r, by_z, by_n = (dgates[..., i * n : (i + 1) * n] for i in range(3))
    by_u = np.empty_like(dgates)  # gradient by h U: the third part is reset
    dh = np.zeros_like(h[0])
    back = np.empty_like(dh)
    block = max(1, CACHE_BYTES // dgates[0].nbytes)
    for stop in range(len(dgates), 0, -block):
        start = max(0, stop - block)
        carry = _factors(cache, dgates, slice(start, stop))
        for t in range(stop - 1, start - 1, -1):
            dh += dy[t]
            by_n[t] *= dh
            by_z[t] *= dh
            by_r[t] *= by_n[t]
            by_u[t, :, : 2 * n] = dgates[t, :, : 2 * n]
            np.multiply(by_n[t], r[t], out=by_u[t, :, 2 * n :])
            np.matmul(by_u[t], u_t, out=back)
            dh *= carry[t - start]
            dh += back
    return dgates, by_u


def _factors(cache: Cache, dgates: Array, steps: slice) -> Array:
    """Fill the derivatives but for what comes back through time; return the factor of ``dh``."""
    gates, out, h, hn = cache.gates[steps], dgates[steps], cache.h[steps], cache.hn[steps]
    n = hn.shape[-1]
    z, new = gates[..., n : 2 * n], gates[..., 2 * n :]
    by_n = out[..., 2 * n :]
    np.multiply(new, new, out=by_n)
    minus = h - new
    # of both sigmoids, then of the tanh
    both = out[..., : 2 * n]
    np.subtract(1, gates[..., : 2 * n], out=both)
    both *= gates[..., : 2 * n]
    out[..., :n] *= hn
    out[..., n : 2 * n] *= minus
    np.subtract(1, by_n, out=by_n)
    by_n *= 1 - z
    if cache.keep is None:
        return z
    keep = cache.keep[steps]
    out *= keep
    kept: Array = np.where(keep, z, 1)
    return kept
