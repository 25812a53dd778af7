"""Parallel tempering: exact exchanges, the right distribution where a plain chain gets stuck."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from core.mcmc import Metropolis, ParallelTempering, gaussian, sample


class Exponential:
    """Stands in for a Generator: every exponential draw is the one given."""

    def __init__(self, value: float) -> None:
        self.value = value

    def standard_exponential(self, shape: Any) -> np.ndarray:
        return np.full(shape, self.value)


def test_exchanges_keep_the_joint_target_exactly() -> None:
    log_pi = np.log([0.6, 0.1, 0.3])
    temperatures = np.array([1.0, 3.0])
    kernel = ParallelTempering(
        lambda x: log_pi[x[:, 0]], lambda _rng, x: x, temperatures, exchange_every=1
    )
    states = list(product(range(3), repeat=2))
    joint = np.array([np.exp(log_pi[a] + log_pi[b] / 3) for a, b in states])
    joint /= joint.sum()
    matrix = np.zeros((9, 9))
    for i, (a, b) in enumerate(states):
        state = kernel.init(np.array([[a], [b]]))._replace(steps=1)  # the next turn is even
        low, high = 0.0, 60.0
        for _ in range(80):
            middle = (low + high) / 2
            moved, _ = kernel.step(Exponential(middle), state)  # type: ignore[arg-type]
            assert np.array_equal(moved.log_density, log_pi[moved.position[:, 0]])
            exchanged = a != b and moved.position[:, 0].tolist() == [b, a]
            low, high = (low, middle) if exchanged else (middle, high)
        p = np.exp(-high) if a != b else 0.0
        matrix[i, states.index((b, a))] += p
        matrix[i, i] += 1 - p
    assert np.abs(joint @ matrix - joint).max() < 1e-12
    assert matrix[states.index((1, 0)), states.index((0, 1))] == pytest.approx(1)


def two_modes(x: np.ndarray) -> np.ndarray:
    """Mixture: a quarter N(-10, 1), the rest N(10, 1)."""
    low, high = -0.5 * (x[:, 0] + 10) ** 2, -0.5 * (x[:, 0] - 10) ** 2
    return np.logaddexp(low + np.log(0.25), high + np.log(0.75))


def test_tempering_crosses_between_modes() -> None:
    temperatures = np.geomspace(1, 60, 8)
    rng, columns = np.random.default_rng(1), 32

    def propose(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        scale = np.repeat(2.4 * np.sqrt(temperatures), columns)[:, None]
        return x + scale * rng.standard_normal(x.shape)

    start = np.full((8 * columns, 1), -10.0)
    kernel = ParallelTempering(two_modes, propose, temperatures)
    draws = sample(kernel, start, rng, burn_in=500, n_draws=4000).draws[:columns, :, 0]
    share = (draws > 0).mean(1)
    mcse = share.std(ddof=1) / np.sqrt(columns)
    assert abs(share.mean() - 0.75) < 4 * mcse
    assert mcse < 0.03
    plain = sample(
        Metropolis(two_modes, gaussian(2.4)), start[:columns], rng, burn_in=500, n_draws=1000
    )
    assert (plain.draws > 0).mean() == 0  # what tempering is for


def test_bad_ladders_are_named() -> None:
    for bad in ([], [1.0, 1.0], [2.0, 1.0], [0.0, 1.0]):
        with pytest.raises(ValueError, match="rising positive"):
            ParallelTempering(two_modes, gaussian(1.0), np.array(bad))
    with pytest.raises(ValueError, match="exchange_every = 0"):
        ParallelTempering(two_modes, gaussian(1.0), np.array([1.0]), exchange_every=0)
    kernel = ParallelTempering(two_modes, gaussian(1.0), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="3 chains: expected a multiple of the 2 temperatures"):
        kernel.init(np.zeros((3, 1)))
