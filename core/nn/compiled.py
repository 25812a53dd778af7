"""The steps of `LSTM` and `GRU` compiled by numba: one pass over memory instead of ten.

A row of a step (its sums, gates and new state, or all its derivatives) is processed while it is in
the processor's first cache; numpy's BLAS still computes the products with ``U``. The arguments are
those of the functions with the same names in `core.nn.steps`. A step of `RNN` is a single pass
already, so it would gain nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core._compile import compiled
from core.nn.steps import spaced

if TYPE_CHECKING:
    from core.nn.protocols import Array
    from core.nn.steps import GRUCache, LSTMCache

    Arrays = tuple[Array, ...]

__all__ = [
    "gru_backward",
    "gru_forward",
    "lstm_backward",
    "lstm_forward",
    "tanh",
]

# A product and the following sum may be rounded once. A division by zero gives infinity as in
# numpy, because a check would prevent vectorised loops.
_kernel = compiled(nogil=True, forceinline=True, error_model="numpy", fastmath={"contract"})


@_kernel
def tanh(x: Any, real: Any) -> Any:
    """Compute the hyperbolic tangent by vectorisable arithmetic, within 8 units in the last place.

    Lambert's continued fraction to seven terms at ``x / 8``, as a fraction ``n / d``; then three
    times ``tanh 2y = 2 n d / (n^2 + d^2)``. From 20 on it is that of 20, which is 1; NaN stays NaN.

    Parameters
    ----------
    x
        A number.
    real
        Its type.

    Examples
    --------
    >>> tanh(-1.0, np.float64)
    -0.7615941559557649
    """
    y = x
    if abs(x) > real(20):  # false for NaN
        y = real(20) if x > real(0) else real(-20)
    y *= real(0.125)
    s = y * y
    n = ((real(1 / 135135) * s + real(378 / 135135)) * s + real(17325 / 135135)) * s + real(1)
    d = ((real(28 / 135135) * s + real(3150 / 135135)) * s + real(62370 / 135135)) * s + real(1)
    n *= y
    for _ in range(3):
        n, d = real(2) * n * d, n * n + d * d
    return n / d


@_kernel
def _gate(z: Array, own: Array, scale: Array) -> None:
    """Add, then tanh where `scale` is 1 and a sigmoid, ``(1 + tanh(a / 2)) / 2``, where 1/2."""
    real = z.dtype.type
    for j in range(len(scale)):
        z[j] = scale[j] * tanh(scale[j] * (z[j] + own[j]), real) + (real(1) - scale[j])


def lstm_forward(cache: LSTMCache, u: Array) -> None:
    """Fill a cache whose gates are the inputs' sums."""
    steps, batch, n = cache.tanh_c.shape
    u, keep, own = spaced(u), _kept(cache), np.empty((batch, 4 * n), dtype=u.dtype)
    arrays = (cache.gates, cache.h, cache.c, cache.tanh_c)
    scale = np.full(4 * n, 0.5, dtype=u.dtype)
    scale[2 * n : 3 * n] = 1
    for t in range(steps):
        np.matmul(cache.h[t], u, out=own)
        _lstm_forward(t, own, scale, arrays, keep)


@_kernel
def _lstm_forward(t: int, own: Array, scale: Array, arrays: Arrays, keep: Array) -> None:
    z, h, c, tanh_c = arrays
    _, batch, n = tanh_c.shape
    real = z.dtype.type
    for b in range(batch):
        gates = z[t, b]
        _gate(gates, own[b], scale)
        i, f, g, o = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n :]
        old, new, squashed, out = c[t, b], c[t + 1, b], tanh_c[t, b], h[t + 1, b]
        for j in range(n):
            new[j] = f[j] * old[j] + i[j] * g[j]
        for j in range(n):
            squashed[j] = tanh(new[j], real)
        for j in range(n):
            out[j] = o[j] * squashed[j]
        if not keep[t, b]:
            new[:] = old
            out[:] = h[t, b]


def lstm_backward(dy: Array, cache: LSTMCache, u: Array) -> Array:
    """Return the gradient with respect to the inputs' sums."""
    dy, keep, u_t = np.ascontiguousarray(dy), _kept(cache), spaced(u.T)
    dz = np.empty_like(cache.gates)
    back, past, dc = np.zeros((3, *dy.shape[1:]), dtype=dz.dtype)
    arrays = (cache.gates, cache.c, cache.tanh_c)
    for t in range(len(dz) - 1, -1, -1):
        _lstm_backward(t, dy, arrays, keep, (back, past, dc, dz))
        np.matmul(dz[t], u_t, out=back)
    return dz


# In the kernels backwards, `back` is the gradient by the state that comes through the products of
# the step after, and `past` what comes by them, be it through a gate or because of the mask.
@_kernel
def _lstm_backward(t: int, dy: Array, arrays: Arrays, keep: Array, into: Arrays) -> None:
    gates, c, tanh_c = arrays
    back, past, dc, dz = into
    _, batch, n = tanh_c.shape
    real = dz.dtype.type
    zero, one = real(0), real(1)
    for b in range(batch):
        gate, out = gates[t, b], dz[t, b]
        _collect(dy[t, b], back[b], past[b])
        if not keep[t, b]:
            out[:] = zero
            continue
        i, f, g, o = gate[:n], gate[n : 2 * n], gate[2 * n : 3 * n], gate[3 * n :]
        di, df, dg, do = out[:n], out[n : 2 * n], out[2 * n : 3 * n], out[3 * n :]
        old, s, dh, by_c = c[t, b], tanh_c[t, b], past[b], dc[b]
        for j in range(n):
            by_c[j] += dh[j] * o[j] * (one - s[j] * s[j])
            do[j] = dh[j] * s[j] * o[j] * (one - o[j])
            dh[j] = zero
        for j in range(n):
            di[j] = by_c[j] * g[j] * i[j] * (one - i[j])
            df[j] = by_c[j] * old[j] * f[j] * (one - f[j])
            dg[j] = by_c[j] * i[j] * (one - g[j] * g[j])
            by_c[j] *= f[j]


@_kernel
def _collect(dy: Array, back: Array, past: Array) -> None:
    """Add up what arrives at a state."""
    for j in range(len(dy)):
        past[j] += back[j] + dy[j]


def gru_forward(cache: GRUCache, u: Array, b_h: Array) -> None:
    """Fill a cache whose gates are the inputs' sums."""
    steps, batch, n = cache.hn.shape
    u, keep, own = spaced(u), _kept(cache), np.empty((batch, 3 * n), dtype=u.dtype)
    half = np.full(2 * n, 0.5, dtype=u.dtype)
    arrays = (cache.gates, cache.h, cache.hn)
    for t in range(steps):
        np.matmul(cache.h[t], u, out=own)
        _gru_forward(t, own, (half, b_h), arrays, keep)


@_kernel
def _gru_forward(t: int, own: Array, fixed: Arrays, arrays: Arrays, keep: Array) -> None:
    half, b_h = fixed
    gates, h, hn = arrays
    _, batch, n = hn.shape
    real = gates.dtype.type
    for b in range(batch):
        gate, add = gates[t, b], own[b, 2 * n :]
        _gate(gate, own[b], half)
        r, z, new = gate[:n], gate[n : 2 * n], gate[2 * n :]
        old, out, inner = h[t, b], h[t + 1, b], hn[t, b]
        for j in range(n):
            inner[j] = add[j] + b_h[j]
            new[j] += r[j] * inner[j]
        for j in range(n):
            new[j] = tanh(new[j], real)
        for j in range(n):
            out[j] = new[j] + z[j] * (old[j] - new[j])
        if not keep[t, b]:
            out[:] = old


def gru_backward(dy: Array, cache: GRUCache, u: Array) -> tuple[Array, Array]:
    """Return the gradients with respect to the inputs' sums and to ``h U``."""
    dy, keep, u_t = np.ascontiguousarray(dy), _kept(cache), spaced(u.T)
    dz, by_u = np.empty((2, *cache.gates.shape), dtype=u.dtype)
    back, past = np.zeros((2, *dy.shape[1:]), dtype=u.dtype)
    arrays = (cache.gates, cache.h, cache.hn)
    for t in range(len(dz) - 1, -1, -1):
        _gru_backward(t, dy, arrays, keep, (back, past, dz, by_u))
        np.matmul(by_u[t], u_t, out=back)
    return dz, by_u


@_kernel
def _gru_backward(t: int, dy: Array, arrays: Arrays, keep: Array, into: Arrays) -> None:
    gates, h, hn = arrays
    back, past, dz, by_u = into
    _, batch, n = hn.shape
    real = dz.dtype.type
    one = real(1)
    for b in range(batch):
        gate, out = gates[t, b], dz[t, b]
        _collect(dy[t, b], back[b], past[b])
        if not keep[t, b]:
            out[:] = real(0)
            by_u[t, b, :] = real(0)
            continue
        r, z, new = gate[:n], gate[n : 2 * n], gate[2 * n :]
        dr, du, dn, inner = out[:n], out[n : 2 * n], out[2 * n :], by_u[t, b, 2 * n :]
        old, dh, hidden = h[t, b], past[b], hn[t, b]
        for j in range(n):
            du[j] = dh[j] * (old[j] - new[j]) * z[j] * (one - z[j])
            dn[j] = dh[j] * (one - z[j]) * (one - new[j] * new[j])
            dh[j] *= z[j]
        for j in range(n):
            dr[j] = dn[j] * hidden[j] * r[j] * (one - r[j])
            inner[j] = dn[j] * r[j]
        by_u[t, b, : 2 * n] = out[: 2 * n]


def _kept(cache: LSTMCache | GRUCache) -> Array:
    """Return the mask ``(steps, batch)``, all true if there is none."""
    if cache.keep is None:
        return np.ones((len(cache.h) - 1, cache.h.shape[1]), dtype=bool)
    return np.ascontiguousarray(cache.keep[..., 0])
