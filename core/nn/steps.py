"""The loops of `GRU` and `LSTM` over the steps of a sequence, in numpy.

Work that does not depend on the previous step is done for as many steps at a time as fit in the
processor's cache; the loops do only the recurrence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from core.nn.protocols import Array

__all__ = [
    "GRUCache",
    "LSTMCache",
    "gru_backward",
    "gru_forward",
    "lstm_backward",
    "lstm_forward",
    "spaced",
]

# Gap between two rows of a matrix that each step multiplies by. Without it, rows whose length is a
# power of two compete for the same places in the cache, and the product takes up to half as much
# time again.
_GAP = 16

# Amount of work at a time where steps are independent: about half of an L2 cache.
_CACHE_BYTES = 1 << 18


@dataclass(frozen=True)
class GRUCache:
    """What a pass of a `core.nn.gru.GRU` leaves for the way back."""

    projected: Any
    h: Array  # (steps + 1, batch, hidden), from the initial state on
    gates: Array  # (steps, batch, 3 * hidden): r, z, n
    hn: Array  # (steps, batch, hidden): what the reset gate multiplies
    keep: Array | None

    @property
    def state(self) -> Array:
        """The state after the last step."""
        last: Array = self.h[-1]
        return last


@dataclass(frozen=True)
class LSTMCache:
    """What a pass of a `core.nn.lstm.LSTM` leaves for the way back."""

    projected: Any
    h: Array  # (steps + 1, batch, hidden), from the initial state on
    c: Array  # the same of the cell
    tanh_c: Array  # (steps, batch, hidden)
    gates: Array  # (steps, batch, 4 * hidden): i, f, g, o
    keep: Array | None  # (steps, batch, 1)

    @property
    def state(self) -> tuple[Array, Array]:
        """The state ``(h, c)`` after the last step."""
        return self.h[-1], self.c[-1]


def spaced(a: Array) -> Array:
    """Copy a matrix into the layout that products read fastest: row by row, with gaps."""
    rows, columns = a.shape
    copy: Array = np.empty((rows, columns + _GAP), dtype=a.dtype)[:, :columns]
    copy[...] = a
    return copy


def gru_forward(cache: GRUCache, u: Array, b_h: Array) -> None:
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


def gru_backward(dy: Array, cache: GRUCache, u: Array) -> tuple[Array, Array]:
    """Return the gradients with respect to the inputs' sums and to ``h U``."""
    h, n = cache.h, cache.hn.shape[-1]
    r = cache.gates[..., :n]
    u_t = spaced(u.T)
    dgates = np.empty_like(cache.gates)
    by_r, by_z, by_n = (dgates[..., i * n : (i + 1) * n] for i in range(3))
    by_u = np.empty_like(dgates)  # gradient by h U: the third part is reset
    dh = np.zeros_like(h[0])
    back = np.empty_like(dh)
    block = max(1, _CACHE_BYTES // dgates[0].nbytes)
    for stop in range(len(dgates), 0, -block):
        start = max(0, stop - block)
        carry = _gru_factors(cache, dgates, slice(start, stop))
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


def _gru_factors(cache: GRUCache, dgates: Array, steps: slice) -> Array:
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


def lstm_forward(cache: LSTMCache, u: Array) -> None:
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


def lstm_backward(dy: Array, cache: LSTMCache, u: Array) -> Array:
    """Return the gradient with respect to the inputs' sums."""
    h, keep = cache.h, cache.keep
    steps, batch, n = cache.tanh_c.shape
    u_t = spaced(u.T)
    dz = np.empty_like(cache.gates)
    by_ifg = dz.reshape(steps, batch, 4, n)[:, :, :3]
    by_o = dz[..., 3 * n :]
    dh = np.zeros_like(h[0])
    dc = np.zeros_like(dh)
    work = np.empty_like(dh)
    block = max(1, _CACHE_BYTES // dz[0].nbytes)
    for stop in range(steps, 0, -block):
        start = max(0, stop - block)
        into_c, f = _lstm_factors(cache, dz, slice(start, stop))
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


def _lstm_factors(cache: LSTMCache, dz: Array, steps: slice) -> tuple[Array, Array]:
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
