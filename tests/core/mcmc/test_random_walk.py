"""The fast random walk is the plain one; adapting ends with burn-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.mcmc import RandomWalk, adapt, sample

COV = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 100.0]])
INVERSE = np.linalg.inv(COV)


def normal(x: np.ndarray) -> np.ndarray:
    return -0.5 * ((x @ INVERSE) * x).sum(1)


def plain(kernel: RandomWalk, seed: int, start: np.ndarray, n: int) -> Any:
    """Metropolis as in the textbook, from the same random numbers."""
    rng = np.random.default_rng(seed)
    noise = kernel._noise(rng, (n, *start.shape))
    threshold = -rng.standard_exponential((n, len(start)))
    x, positions, accepted = start.copy(), [], 0
    for i in range(n):
        for c in range(len(x)):
            y = x[c] + noise[i, c]
            if normal(y[None])[0] - normal(x[c][None])[0] > threshold[i, c]:
                x[c] = y
                accepted += 1
        positions.append(x.copy())
    return np.array(positions), accepted


@pytest.mark.parametrize("n_chains", [1, 3, 8])
@pytest.mark.parametrize("size", [1.0, [0.5, 0.5, 9.0], 1.5 * COV])
def test_blocks_and_look_ahead_change_nothing(n_chains: int, size: Any) -> None:
    kernel = RandomWalk(normal, size)
    start = np.random.default_rng(0).standard_normal((n_chains, 3))
    want, taken = plain(kernel, 1, start, 200)
    positions, densities, accepted = kernel.run(np.random.default_rng(1), kernel.init(start), 200)
    assert np.allclose(positions, want, atol=1e-12)
    assert accepted.sum() == taken
    assert np.allclose(densities, [normal(x) for x in want])


def test_blocks_are_thinned_and_counted() -> None:
    kernel, rng = RandomWalk(normal, 1.0), np.random.default_rng(2)
    result = sample(kernel, np.zeros((5, 3)), rng, burn_in=700, n_draws=400, thin=3)
    assert result.draws.shape == (5, 400, 3)
    assert np.allclose(result.log_density, [normal(chain) for chain in result.draws])
    assert np.array_equal(result.draws[:, -1], result.state.position)
    assert ((result.acceptance_rate > 0.2) & (result.acceptance_rate < 0.9)).all()


@pytest.mark.parametrize("n_chains", [2, 64])
def test_moments(n_chains: int) -> None:
    kernel, state = adapt(normal, np.zeros((n_chains, 3)), np.random.default_rng(3), n_steps=4000)
    rng = np.random.default_rng(4)
    draws = sample(kernel, state, rng, n_draws=64_000 // n_chains).draws
    parts = draws.reshape(64, -1, 3)  # pieces of 1,000 are nearly independent
    means = np.concatenate([parts, parts**2], axis=2).mean(1)
    mcse = means.std(0, ddof=1) / 8
    assert (np.abs(means.mean(0) - [0, 0, 0, 1, 1, 100]) < 4 * mcse).all()


def test_adapting_finds_shape_and_scale_and_stops() -> None:
    kernel, state = adapt(normal, np.zeros((8, 3)), np.random.default_rng(5), n_steps=3000)
    shape = np.asarray(kernel.size)
    assert np.linalg.cond(shape @ INVERSE) < 2.5
    result = sample(kernel, state, np.random.default_rng(6), n_draws=2000)
    assert abs(result.acceptance_rate.mean() - 0.25) < 0.07
    assert np.array_equal(np.asarray(kernel.size), shape)
    bad = RandomWalk(normal, 1.0)
    slow = sample(bad, np.zeros((8, 3)), np.random.default_rng(6), burn_in=500, n_draws=2000)

    def lag(draws: np.ndarray) -> float:
        x = draws[..., 2] - draws[..., 2].mean()
        return float((x[:, 20:] * x[:, :-20]).mean() / (x * x).mean())

    assert lag(result.draws) < 0.5 < lag(slow.draws)


def test_adapting_from_far_off_and_with_the_wrong_size() -> None:
    for size in (1e-3, 1e3):
        start = np.full((8, 3), 50.0)
        kernel, state = adapt(normal, start, np.random.default_rng(7), n_steps=5000, size=size)
        result = sample(kernel, state, np.random.default_rng(8), n_draws=1000)
        assert 0.1 < result.acceptance_rate.mean() < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_adapting_one_chain_in_ten_dimensions(seed: int) -> None:
    cov = np.full((10, 10), 0.9) + 0.1 * np.eye(10)
    inverse = np.linalg.inv(cov)
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((1, 10))
    kernel, state = adapt(
        lambda x: -0.5 * ((x @ inverse) * x).sum(1), start, rng, n_steps=6000, size=10.0
    )
    assert np.linalg.cond(np.asarray(kernel.size) @ inverse) < 40
    assert 0.1 < sample(kernel, state, rng, n_draws=1000).acceptance_rate[0] < 0.5


def test_bad_arguments_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n_steps = 10"):
        adapt(normal, np.zeros((2, 3)), rng, n_steps=10)
    with pytest.raises(ValueError, match=r"target = 1\.0"):
        adapt(normal, np.zeros((2, 3)), rng, target=1.0)
    with pytest.raises(ValueError, match="positive"):
        RandomWalk(normal, -1.0).init(np.zeros((1, 3))) and RandomWalk(normal, -1.0).step(
            rng, RandomWalk(normal, 1.0).init(np.zeros((1, 3)))
        )
