"""The worked examples, checked by simulation: Geweke's joint test, calibration, known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.mcmc import Gibbs, adapt, sample
from core.mcmc.examples import ChangePoint, Decay, Groups, bivariate_normal

GROUP = np.repeat(np.arange(4), [3, 1, 5, 2])


@pytest.mark.parametrize("method", ["metropolis", "metropolis-hastings", "gibbs"])
@pytest.mark.parametrize("rho", [0.9, -0.5])
def test_three_methods_one_bivariate_normal(method: Any, rho: float) -> None:
    problem = bivariate_normal(method, rho=rho, size=0.7)
    rng = np.random.default_rng(1)
    start = problem.start(rng, 64)
    draws = sample(problem.kernel, start, rng, burn_in=200, n_draws=1000).draws
    x, y = draws[..., 0], draws[..., 1]
    means = np.stack([x, y, x * x, y * y, x * y], axis=2).mean(1)
    mcse = means.std(0, ddof=1) / 8
    assert (np.abs(means.mean(0) - [0, 0, 1, 1, rho]) < 4 * mcse).all()


def test_bad_examples_are_named() -> None:
    with pytest.raises(ValueError, match=r"rho = 1\.0"):
        bivariate_normal("gibbs", rho=1.0)
    with pytest.raises(ValueError, match="method = 'luck'"):
        bivariate_normal("luck")  # type: ignore[arg-type]


def geweke_groups(broken: str = "") -> np.ndarray:
    """Geweke (2004): parameters from the prior, against a chain that redraws data and parameters.

    Both draw from the joint distribution of parameters and data. Returns z-scores of the
    difference of moments; many chains at once make the errors easy.
    """
    rng, n = np.random.default_rng(2), 2000
    simulated = np.array([Groups.simulate(rng, GROUP)[0] for _ in range(n)])
    x = simulated.copy()
    for _ in range(40):  # each chain starts from the joint distribution and must stay in it
        data = Groups.data(rng, x, GROUP)
        for name, draw in zip(
            ("mu", "tau2", "sigma2", "theta"), Groups(GROUP, data).conditionals(), strict=True
        ):
            x = draw(rng, x)
            if broken == "tau2" and name == "tau2":  # the shape of one gamma one too large
                x[:, 1] *= (3 + 2 - 1) / (3 + 2)
            if broken == "theta" and name == "theta":  # drawn too wide
                x[:, 3:] += 0.5 * rng.standard_normal((n, 4)) * np.sqrt(x[:, 1:2])
    fresh = np.array([Groups.simulate(rng, GROUP)[0] for _ in range(n)])
    scores = []
    for f in (lambda v: v, lambda v: np.log1p(v**2)):  # moments that exist
        parts = [np.column_stack([s[:, :1], np.log(s[:, 1:3]), s[:, 3:]]) for s in (x, fresh)]
        a, b = (f(part) for part in parts)
        scores.append((a.mean(0) - b.mean(0)) / np.sqrt((a.var(0) + b.var(0)) / n))
    return np.concatenate(scores)


def test_geweke_joint_distribution_of_the_hierarchical_gibbs() -> None:
    assert np.abs(geweke_groups()).max() < 4


@pytest.mark.parametrize("broken", ["tau2", "theta"])
def test_geweke_catches_a_wrong_conditional(broken: str) -> None:
    assert np.abs(geweke_groups(broken)).max() > 5


def ranks_are_uniform(ranks: np.ndarray, n_bins: int) -> bool:
    """Chi-square of ranks (n_trials, n_dim) in 0 ... 1, at 4 standard deviations."""
    counts = np.stack(
        [
            np.bincount((r * n_bins).astype(int).clip(0, n_bins - 1), minlength=n_bins)
            for r in ranks.T
        ]
    )
    expected = len(ranks) / n_bins
    chi2 = ((counts - expected) ** 2 / expected).sum(1)
    return bool((chi2 < (n_bins - 1) + 4 * np.sqrt(2 * (n_bins - 1))).all())


def change_point_ranks(*, broken: bool = False) -> np.ndarray:
    """Simulation-based calibration (Talts et al. 2018), 1,000 data sets as 1,000 chains at once."""
    rng, n_trials, n = np.random.default_rng(3), 1000, 30
    pairs = [ChangePoint.simulate(rng, n) for _ in range(n_trials)]
    truth = np.array([x for x, _ in pairs])
    model = ChangePoint(np.array([y for _, y in pairs]))
    start = np.column_stack([rng.integers(1, n, n_trials), rng.gamma(2, 2, (n_trials, 2))])
    blocks = model.conditionals()
    if broken:
        blocks[1] = lambda rng, x: np.column_stack(
            [x[:, 0], model.conditionals()[1](rng, x)[:, 1] * 1.15, x[:, 2]]
        )
    result = sample(Gibbs(blocks), start.astype(float), rng, burn_in=100, n_draws=60, thin=8)
    below = (result.draws < truth[:, None]).sum(1) + rng.random(truth.shape) * (
        (result.draws == truth[:, None]).sum(1) + 1
    )
    return below / 61


def test_change_point_is_calibrated() -> None:
    assert ranks_are_uniform(change_point_ranks(), 10)


def test_calibration_catches_a_wrong_conditional() -> None:
    assert not ranks_are_uniform(change_point_ranks(broken=True), 10)


def test_decay_is_calibrated() -> None:
    rng, t = np.random.default_rng(4), np.linspace(0, 4, 12)
    ranks = []
    for _ in range(40):
        truth, y = Decay.simulate(rng, t)
        model = Decay(t, y)
        start = truth + 0.3 * rng.standard_normal((16, 4))
        kernel, state = adapt(model.log_density, start, rng, n_steps=1000, size=0.1)
        result = sample(kernel, state, rng, n_draws=25, thin=20)
        ranks.append((result.draws.reshape(-1, 4) < truth).mean(0))
    assert ranks_are_uniform(np.array(ranks), 5)


def test_a_known_equation_is_found_again() -> None:
    rng, t = np.random.default_rng(5), np.linspace(0, 5, 60)
    truth = np.array([4.0, 0.0, 1.0, np.log(0.2)])
    y = Decay.curve(truth[None], t)[0] + 0.2 * rng.standard_normal(60)
    problem = Decay(t, y).problem()
    kernel, state = adapt(
        Decay(t, y).log_density, problem.start(rng, 8), rng, n_steps=4000, size=0.1
    )
    result = sample(kernel, state, rng, n_draws=2000)
    mean, sd = result.draws.mean((0, 1)), result.draws.std((0, 1))
    assert (np.abs(mean - truth) < 4 * sd).all()
    assert (sd < [0.3, 0.2, 0.2, 0.2]).all()
    chain, draw = np.unravel_index(result.log_density.argmax(), result.log_density.shape)
    best = result.draws[chain, draw]
    fit = ((y - Decay.curve(best[None], t)[0]) ** 2).sum()
    assert fit <= ((y - Decay.curve(truth[None], t)[0]) ** 2).sum()


def test_hierarchical_means_are_pulled_together() -> None:
    y = np.array([9.0, 11, 10, 14, 6, 7, 5, 6, 6, 11, 13])
    problem = Groups(GROUP, y).problem()
    rng = np.random.default_rng(6)
    draws = sample(problem.kernel, problem.start(rng, 16), rng, burn_in=200, n_draws=1000).draws
    theta = draws[..., 3:].mean((0, 1))
    raw = np.array([y[g == GROUP].mean() for g in range(4)])
    mu = draws[..., 0].mean()
    assert (np.abs(theta - mu) < np.abs(raw - mu)).all()
    assert problem.names[3:] == ("theta[0]", "theta[1]", "theta[2]", "theta[3]")


def test_change_point_is_where_the_rate_changes() -> None:
    rng = np.random.default_rng(7)
    y = np.concatenate([rng.poisson(2, 40), rng.poisson(9, 30)])
    problem = ChangePoint(y).problem()
    draws = sample(problem.kernel, problem.start(rng, 8), rng, burn_in=100, n_draws=500).draws
    k = draws[..., 0].ravel()
    assert (np.abs(k - 40) <= 3).mean() > 0.9
    assert abs(draws[..., 1].mean() - y[:40].mean()) < 0.3
    # The posterior of k by summing rates out: an exact answer to compare with.
    n, places = len(y), np.arange(1, len(y))
    head = y.cumsum()[:-1]
    tail = y.sum() - head
    lgamma = np.vectorize(__import__("math").lgamma)
    log = lgamma(2 + head) - (2 + head) * np.log(0.5 + places)
    log += lgamma(2 + tail) - (2 + tail) * np.log(0.5 + n - places)
    exact = np.exp(log - log.max())
    exact /= exact.sum()
    share = np.stack([(draws[..., 0] == p).mean(1) for p in places], axis=1)
    mcse = share.std(0, ddof=1) / np.sqrt(8)
    assert (np.abs(share.mean(0) - exact) < 5 * mcse + 0.005).all()
