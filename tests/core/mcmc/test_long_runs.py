"""Summaries, diagnostics, checkpoints, processes, cycles and mixtures."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from core.mcmc import (
    Cycle,
    Metropolis,
    MetropolisHastings,
    Mixture,
    ParallelTempering,
    RandomWalk,
    diagnostics,
    gaussian,
    sample,
)
from core.mcmc.examples import Problem
from core.mcmc.long_runs import (
    Moments,
    checkpoint,
    merge,
    moments,
    resume,
    sample_processes,
    sample_streams,
)


def uneven_step(rng: np.random.Generator, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x + rng.standard_normal(x.shape), np.zeros(len(x))


def normal(x: np.ndarray) -> np.ndarray:
    return -0.5 * (x**2).sum(1)


def test_moments_in_blocks_are_the_moments() -> None:
    draws = np.random.default_rng(0).normal(5, 2, (4, 997, 3))
    found = Moments(0, np.zeros((4, 3)), np.zeros((4, 3)))
    for part in np.split(draws, [1, 3, 500], axis=1):
        found = found.update(part)
    assert found.n == 997
    assert np.allclose(found.mean, draws.mean(1))
    assert np.allclose(found.squares / 996, draws.var(1, ddof=1))
    between = draws.mean(1).var(0, ddof=1)
    within = draws.var(1, ddof=1).mean(0)
    assert np.allclose(found.r_hat, np.sqrt((996 / 997 * within + between) / within))


def test_streaming_sees_the_draws_of_sample() -> None:
    kernel = RandomWalk(normal, 2.0)
    state = kernel.init(np.zeros((5, 2)))
    found, _ = moments(kernel, state, np.random.default_rng(1), n_draws=1200, block=512)
    draws = sample(kernel, state, np.random.default_rng(1), n_draws=1200).draws
    assert np.allclose(found.mean, draws.mean(1))
    assert (np.abs(found.mean.mean(0)) < 4 * found.mcse + 0.05).all()


KERNELS: dict[str, Any] = {
    "metropolis": Metropolis(normal, gaussian(1.0)),
    "random walk": RandomWalk(normal, 1.0),
    "tempering": ParallelTempering(normal, gaussian(1.0), np.array([1.0, 3.0])),
}


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937])
def test_a_resumed_run_is_the_uninterrupted_one(name: str, bits: Any) -> None:
    kernel, start = KERNELS[name], np.zeros((4, 2))
    rng = np.random.Generator(bits(3))
    state, whole = kernel.init(start), []
    for _ in range(3):
        result = sample(kernel, state, rng, n_draws=40)
        state = result.state
        whole.append(result.draws)
    rng = np.random.Generator(bits(3))
    result = sample(kernel, kernel.init(start), rng, n_draws=40)
    saved = checkpoint(result.state, rng)
    del rng, result
    state, rng = resume(saved, kernel.init(start + 1))
    for part in whole[1:]:
        result = sample(kernel, state, rng, n_draws=40)
        state = result.state
        assert np.array_equal(result.draws, part)


def test_bad_checkpoints_are_refused() -> None:
    kernel = KERNELS["metropolis"]
    state = kernel.init(np.zeros((4, 2)))
    data = checkpoint(state, np.random.default_rng(0))
    for bad in (b"", b"nonsense", data[: len(data) // 2]):
        with pytest.raises(ValueError, match="not a checkpoint"):
            resume(bad, state)
    with pytest.raises(ValueError, match=r"but the kernel's are \[\(5, 2\)"):
        resume(data, kernel.init(np.zeros((5, 2))))


def test_processes_share_the_chains() -> None:
    kernel = RandomWalk(normal, 2.4)
    start = np.arange(6.0).reshape(6, 1) / 10
    shared = sample_processes(
        kernel, start, np.random.default_rng(2), n_processes=2, n_draws=300, burn_in=50
    )
    assert shared.draws.shape == (6, 300, 1)
    for part, stream in zip(
        np.split(np.arange(6), 2), np.random.default_rng(2).spawn(2), strict=True
    ):
        alone = sample(kernel, start[part], stream, n_draws=300, burn_in=50)
        assert np.array_equal(shared.draws[part], alone.draws)
        assert np.array_equal(shared.state.position[part], alone.state.position)


def test_summary_has_the_numbers_of_known_series() -> None:
    rng = np.random.default_rng(4)
    white = rng.standard_normal((4, 4000, 1))
    slow = np.zeros((4, 4000, 1))
    noise = rng.standard_normal((4, 4000))
    for i in range(1, 4000):  # AR(1), phi = 0.9: effective share (1 - phi) / (1 + phi)
        slow[:, i, 0] = 0.9 * slow[:, i - 1, 0] + noise[:, i]
    summary = diagnostics.summarise(np.concatenate([white, slow], axis=2), ["white", "slow"])
    assert 14_000 < summary.ess_bulk[0] < 18_500
    assert 0.7 < summary.ess_bulk[1] / (16_000 * 0.1 / 1.9) < 1.4
    assert summary.mcse[0] == pytest.approx(1 / np.sqrt(16_000), rel=0.15)
    assert (summary.r_hat < 1.02).all()
    assert np.allclose(summary.sd, [1, 1 / np.sqrt(0.19)], rtol=0.1)
    assert summary.warnings() == []
    assert summary.rows()[0][0] == "white"
    correlation = diagnostics.autocorrelation(slow, 5)[:, 0].mean(0)
    assert np.allclose(correlation, 0.9 ** np.arange(6), atol=0.05)


def test_chains_that_disagree_or_are_too_short_are_reported_with_the_numbers() -> None:
    rng = np.random.default_rng(5)
    apart = rng.standard_normal((4, 1000, 1)) + np.arange(4)[:, None, None]
    short = rng.standard_normal((4, 50, 1))
    assert "x[0] has not converged: R-hat" in diagnostics.summarise(apart).warnings()[0]
    (message,) = diagnostics.summarise(short).warnings(max_r_hat=1.2)
    assert "effective draws, expected at least 400" in message
    with pytest.raises(ValueError, match=r"shape \(4, 3, 1\)"):
        diagnostics.summarise(short[:, :3])
    with pytest.raises(ValueError, match="2 names for 1 dimensions"):
        diagnostics.summarise(short, ["a", "b"])


def test_export_for_arviz() -> None:
    result = sample(KERNELS["metropolis"], np.zeros((4, 2)), np.random.default_rng(0), n_draws=10)
    groups = diagnostics.to_dict(result, ["a", "b"])
    assert groups["posterior"]["b"].shape == (4, 10)
    assert np.array_equal(groups["sample_stats"]["lp"], result.log_density)


def gamma(x: np.ndarray) -> np.ndarray:
    return np.where(x[:, 0] > 0, 2 * np.log(np.abs(x[:, 0])) - x[:, 0], -np.inf)


def multiply(rng: np.random.Generator, x: np.ndarray) -> Any:
    y = x * np.exp(0.7 * rng.standard_normal(x.shape))
    return y, np.log(y / x).sum(1)


@pytest.mark.parametrize("combine", [Cycle, lambda kernels: Mixture(kernels, [3, 1])])
def test_cycles_and_mixtures_of_kernels_keep_the_target(combine: Any) -> None:
    kernel = combine([Metropolis(gamma, gaussian(1.0)), MetropolisHastings(gamma, multiply)])
    rng = np.random.default_rng(6)
    draws = sample(kernel, np.ones((64, 1)), rng, burn_in=100, n_draws=500).draws
    means = np.concatenate([draws, draws**2], axis=2).mean(1)  # Gamma(3, 1): 3 and 12
    assert (np.abs(means.mean(0) - [3, 12]) < 4 * means.std(0, ddof=1) / 8).all()


def test_bad_combinations_are_named() -> None:
    with pytest.raises(ValueError, match="kernels is empty"):
        Cycle([])
    with pytest.raises(ValueError, match="1 kernels and 2 weights"):
        Mixture([KERNELS["metropolis"]], [1, 2])
    with pytest.raises(ValueError, match="not all 0"):
        Mixture([KERNELS["metropolis"]], [0])


def in_reverse(function: Any, items: Any) -> list[Any]:
    """Run as on other machines: everything is pickled, and the last comes first."""
    found = []
    for data in reversed([pickle.dumps((function, item)) for item in items]):
        work, item = pickle.loads(data)
        found.append(work(item))
    return found[::-1]


def start_at_random(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal((n, 2))


@pytest.mark.parametrize(
    "kernel", [RandomWalk(normal, 2.0), MetropolisHastings(normal, uneven_step)]
)
def test_streams_draw_the_same_wherever_they_run(kernel: Any) -> None:
    problem = Problem(("x", "y"), kernel, start_at_random)
    counts: dict[str, Any] = {"n_chains": 2, "burn_in": 100, "n_draws": 150, "thin": 2}
    rng = np.random.default_rng
    here = merge(sample_streams(problem, rng(1), streams=range(4), **counts))
    there = sample_streams(problem, rng(1), streams=range(4), share=in_reverse, **counts)
    assert (merge(there).draws == here.draws).all()
    assert (merge(there).acceptance_rate == here.acceptance_rate).all()
    one, other = (diagnostics.summarise(r.draws) for r in (here, merge(there)))
    for name in ("r_hat", "ess_bulk", "ess_tail", "mcse", "mean"):
        assert (getattr(one, name) == getattr(other, name)).all()
    (third,) = sample_streams(problem, rng(1), streams=[2], **counts)
    assert (third.draws == here.draws[4:6]).all()
    assert len({chain.tobytes() for chain in here.draws}) == 8
