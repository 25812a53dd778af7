"""One step of each recurrent layer, written to be read; the tests hold the fast layers to these.

``x`` is ``(batch, n_in)``, states are ``(batch, hidden)``; ``W``, ``U`` and ``b`` hold the gates
side by side. Each backward takes the gradients by the new state and returns those by the old
state and by ``z = x W + b``, from which ``dx = dz W^T``, ``dW = x^T dz``, ``db = sum dz`` follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.nn.activations import sigmoid

if TYPE_CHECKING:
    from core.nn.protocols import Array

__all__ = [
    "LSTMStep",
    "gru_backward",
    "gru_forward",
    "lstm_backward",
    "lstm_forward",
    "rnn_backward",
    "rnn_forward",
]


def rnn_forward(z: Array, h: Array, u: Array) -> Array:
    """``h' = tanh(z + h U)``.

    Examples
    --------
    >>> rnn_forward(np.zeros((1, 2)), np.zeros((1, 2)), np.eye(2))
    array([[0., 0.]])
    """
    new: Array = np.tanh(z + h @ u)
    return new


def rnn_backward(dh: Array, h_new: Array, u: Array) -> tuple[Array, Array]:
    """Return ``dz`` and the gradient by the old state."""
    dz = dh * (1 - h_new**2)
    return dz, dz @ u.T


@dataclass(frozen=True)
class LSTMStep:
    """The gates and states of one step."""

    i: Array
    f: Array
    g: Array
    o: Array
    c_old: Array
    c: Array
    h: Array


def lstm_forward(z: Array, h: Array, c: Array, u: Array) -> LSTMStep:
    """One step of `core.nn.lstm.LSTM`.

    Examples
    --------
    >>> step = lstm_forward(np.zeros((1, 4)), np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 4)))
    >>> float(step.c[0, 0])  # half of the old cell is kept, nothing is added
    0.5
    """
    z_i, z_f, z_g, z_o = np.split(z + h @ u, 4, axis=1)
    i = sigmoid(z_i)  # how much is written
    f = sigmoid(z_f)  # how much is kept
    g = np.tanh(z_g)  # what is written
    o = sigmoid(z_o)  # how much is shown
    c_new = f * c + i * g
    return LSTMStep(i, f, g, o, c, c_new, o * np.tanh(c_new))


def lstm_backward(dh: Array, dc: Array, step: LSTMStep, u: Array) -> tuple[Array, Array, Array]:
    """Return ``dz`` and the gradients by the old ``h`` and ``c``."""
    tanh_c = np.tanh(step.c)
    do = dh * tanh_c
    dc = dc + dh * step.o * (1 - tanh_c**2)
    di = dc * step.g
    df = dc * step.c_old
    dg = dc * step.i
    dz = np.concatenate(
        [
            di * step.i * (1 - step.i),
            df * step.f * (1 - step.f),
            dg * (1 - step.g**2),
            do * step.o * (1 - step.o),
        ],
        axis=1,
    )
    return dz, dz @ u.T, dc * step.f


def gru_forward(z: Array, h: Array, u: Array, b_h: Array) -> tuple[Array, tuple[Array, ...]]:
    """One step of `core.nn.gru.GRU`: the new state, and (r, update, n, what r multiplies).

    Examples
    --------
    >>> gru_forward(np.zeros((1, 3)), np.ones((1, 1)), np.zeros((1, 3)), np.zeros(1))[0]
    array([[0.5]])
    """
    z_r, z_u, z_n = np.split(z, 3, axis=1)
    u_r, u_u, u_n = np.split(u, 3, axis=1)
    r = sigmoid(z_r + h @ u_r)
    update = sigmoid(z_u + h @ u_u)
    hn = h @ u_n + b_h
    n = np.tanh(z_n + r * hn)
    return (1 - update) * n + update * h, (r, update, n, hn)


def gru_backward(
    dh: Array, h: Array, gates: tuple[Array, ...], u: Array
) -> tuple[Array, Array, Array]:
    """Return ``dz``, the gradient by ``h U + [0, 0, b_h]`` and that by the old state."""
    r, update, n, hn = gates
    d_update = dh * (h - n) * update * (1 - update)
    d_n = dh * (1 - update) * (1 - n**2)
    d_r = d_n * hn * r * (1 - r)
    dz = np.concatenate([d_r, d_update, d_n], axis=1)
    d_hu = np.concatenate([d_r, d_update, d_n * r], axis=1)
    return dz, d_hu, dh * update + d_hu @ u.T
