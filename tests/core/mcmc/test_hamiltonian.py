"""HMC and NUTS: the textbook's recursion gives the same draws, known moments, calibration, mutants.

A wrong gradient leaves the draws right and only makes them few, so gradients are compared with
differences, and trajectories with the energy that they must keep.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.mcmc import (
    HMC,
    NUTS,
    Cycle,
    Metropolis,
    Mixture,
    TargetError,
    central_differences,
    check_gradient,
    gaussian,
    hamiltonian,
    kernels,
    nuts,
    sample,
    warm_up,
)
from core.mcmc.diagnostics import summarise
from core.mcmc.examples import Decay, bivariate_normal
from core.mcmc.long_runs import checkpoint, merge, moments, resume, sample_streams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COV = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 25.0]])
INVERSE = np.linalg.inv(COV)


def normal(x: Floats) -> Any:
    return -0.5 * ((x @ INVERSE) * x).sum(1), -x @ INVERSE


def skewed(x: Floats) -> Any:
    """Log of an exponential variable, and a normal one whose spread depends on it."""
    a, b = x[:, 0], x[:, 1]
    gradient = np.stack([1 - np.exp(a) + 0.5 * (b**2 * np.exp(-a) - 1), -b * np.exp(-a)], axis=1)
    return a - np.exp(a) - 0.5 * (b**2 * np.exp(-a) + a), gradient


def step_size(kind: Any, size: float, **more: Any) -> Any:
    return kind(normal, size, COV, **more)


# --- the recursion of the papers, for one chain, from the same random numbers ------------------


class Textbook:
    """NUTS as Hoffman and Gelman wrote it, a call for each half, with Betancourt's weights."""

    def __init__(self, step: float, covariance: Floats, rng: np.random.Generator) -> None:
        self.step, self.rng = step, rng
        self.covariance, self.root = covariance, np.linalg.cholesky(covariance)

    def leapfrog(self, x: Floats, p: Floats, sign: int) -> tuple[Floats, Floats]:
        p = p + 0.5 * sign * self.step * normal(x[None])[1][0]
        x = x + sign * self.step * self.covariance @ p
        return x, p + 0.5 * sign * self.step * normal(x[None])[1][0]

    def log_weight(self, x: Floats, p: Floats) -> float:
        return float(normal(x[None])[0][0] - 0.5 * p @ self.covariance @ p)

    def turned(self, points: list[Any]) -> bool:
        """Look for a turn in points in the order in which they were made."""
        momenta = [p for _, p, _ in points]
        rho = sum(momenta) - 0.5 * (momenta[0] + momenta[-1])
        return any(rho @ self.covariance @ p <= 0 for p in (momenta[0], momenta[-1]))

    def half(self, x: Floats, p: Floats, sign: int, depth: int) -> tuple[list[Any], bool]:
        """Return the points and whether to stop."""
        if depth == 0:
            x, p = self.leapfrog(x, p, sign)
            points = [(x, p, self.log_weight(x, p))]
            self.seen(points[0])
            return points, False
        points, stop = self.half(x, p, sign, depth - 1)
        if stop:
            return points, True
        more, stop = self.half(*points[-1][:2], sign, depth - 1)
        points = points + more
        return points, stop or self.turned(points)

    def seen(self, point: Any) -> None:
        """Keep a point with the share of its weight among those of this half so far."""
        self.weight = np.logaddexp(self.weight, point[2] - self.first)
        if -self.rng.standard_exponential() < point[2] - self.first - self.weight:
            self.chosen = point[0]

    def draw(self, x: Floats) -> Floats:
        z = self.rng.standard_normal((1, len(x)))[0]
        p = np.linalg.solve(self.root.T, z)
        self.first = self.log_weight(x, p)
        line, total, current = [(x, p, 0.0)], 0.0, x
        for depth in range(10):
            forward = self.rng.random() < 0.5
            self.weight = -np.inf
            end = line[-1] if forward else line[0]
            points, stop = self.half(end[0], end[1], 1 if forward else -1, depth)
            if stop:
                break
            line = line + points if forward else points[::-1] + line
            if -self.rng.standard_exponential() < self.weight - total:
                current = self.chosen
            total = np.logaddexp(total, self.weight)
            if self.turned(line):
                break
        return current


def check_textbook() -> None:
    kernel = NUTS(normal, 0.4, COV / 3)
    state = kernel.init(np.array([[0.5, -0.5, 3.0]]))
    rng, book = np.random.default_rng(1), Textbook(0.4, COV / 3, np.random.default_rng(1))
    want = state.position[0]
    for _ in range(60):
        state, _ = kernel.step(rng, state)
        want = book.draw(want)
        assert np.allclose(state.position[0], want, atol=1e-9)


def test_nuts_is_the_recursion_of_the_papers() -> None:
    check_textbook()


# --- moments -----------------------------------------------------------------------------------


def within(draws: Floats, expected: Any) -> None:
    """Compare means with `expected`, within 4 Monte Carlo standard errors between chains."""
    means = draws.mean(1)
    mcse = means.std(0, ddof=1) / np.sqrt(len(means))
    assert (np.abs(means.mean(0) - expected) < 4 * mcse).all(), (means.mean(0), expected, mcse)


def check_moments(kernel: Any, target: str = "normal") -> None:
    """Start from draws of the target itself: a kernel that keeps it stays there."""
    rng = np.random.default_rng(3)
    z = rng.standard_normal((100, 3 if target == "normal" else 2))
    if target == "normal":
        x = sample(kernel, z @ np.linalg.cholesky(COV).T, rng, burn_in=10, n_draws=80).draws
        found, want = np.concatenate([x, x**2, x[..., :1] * x[..., 1:]], 2), [*[0] * 3, 1, 1, 25]
        within(found, [*want, 0.9, 0])
        return
    a = np.log(rng.standard_exponential(100))
    start = np.column_stack([a, z[:, 0] * np.exp(a / 2)])
    draws = sample(kernel, start, rng, burn_in=10, n_draws=150).draws
    # Shares, since a mutant may go so far off that moments say nothing.
    a, z = draws[..., 0], draws[..., 1] * np.exp(-np.clip(draws[..., 0], -99, 99) / 2)
    shares = [a < np.log(np.log(4 / (4 - k))) for k in (1, 2, 3)]
    shares += [z < 0, np.abs(z) < 0.67449, z * (a - np.log(np.log(2))) < 0]
    within(np.stack(shares, axis=2).astype(float), [0.25, 0.5, 0.75, 0.5, 0.5, 0.5])


MASSES = {"one": 1.0, "diagonal": [1.0, 0.5, 20.0], "dense": 1.3 * COV}


@pytest.mark.parametrize("mass", MASSES)
@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_moments_with_each_kind_of_mass(kind: Any, mass: str) -> None:
    check_moments(kind(normal, 0.4 if mass == "one" else 0.5, MASSES[mass]))


@pytest.mark.parametrize("kernel", [HMC(skewed, 0.5, n_leapfrog=5), NUTS(skewed, 0.5)])
def test_moments_where_steps_are_often_refused(kernel: Any) -> None:
    check_moments(kernel, "skewed")


def test_moments_by_differences() -> None:
    check_moments(HMC(central_differences(lambda x: skewed(x)[0]), 0.5, n_leapfrog=5), "skewed")


def ranks(kind: Any, broken: float = 1.0) -> Floats:
    """Simulation-based calibration: ranks of true parameters among the draws given their data.

    ``m ~ N(0, 1)``, ``s ~ N(0, 1/4)``, six values ``y ~ N(m, exp(s))``; chains start at the truth,
    which is a draw like any other, and forget it.
    """
    rng, found = np.random.default_rng(4), []
    for _ in range(40):
        truth = rng.standard_normal(2) * [1, 0.5]
        y = truth[0] + np.exp(truth[1]) * rng.standard_normal(6) * broken

        def given(x: Floats, y: Floats = y) -> Any:
            m, s = x[:, :1], x[:, 1:]
            z = (y - m) * np.exp(-s)
            density = -0.5 * (m[:, 0] ** 2 + 4 * s[:, 0] ** 2 + (z**2).sum(1)) - 6 * s[:, 0]
            by_m = -m + (z * np.exp(-s)).sum(1, keepdims=True)
            return density, np.concatenate([by_m, -4 * s + (z**2).sum(1, keepdims=True) - 6], 1)

        kernel = kind(given, 0.25)
        start = np.tile(truth, (16, 1))
        draws = sample(kernel, start, rng, n_draws=5, burn_in=5).draws
        found.append((draws.reshape(-1, 2) < truth).mean(0))
    return np.array(found)


def are_uniform(found: Floats) -> bool:
    """Compare ranks with a uniform distribution by chi-square, at 4 standard deviations."""
    counts = np.stack([np.histogram(column, 5, (0, 1))[0] for column in found.T])
    expected = len(found) / 5
    return bool((((counts - expected) ** 2 / expected).sum(1) < 4 + 4 * np.sqrt(8)).all())


@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_simulation_based_calibration(kind: Any) -> None:
    assert are_uniform(ranks(kind))


def test_calibration_catches_noise_of_another_size() -> None:
    assert not are_uniform(ranks(HMC, 2.0))


def geweke(kind: Any, broken: str = "") -> Floats:
    """Geweke's joint test: ``m ~ N(0, 1)``, ``y | m ~ N(m, 1)``; redraw data, move m by a step."""
    rng, n = np.random.default_rng(2), 4000
    m = rng.standard_normal((n, 1))
    for _ in range(8):
        y = m + rng.standard_normal((n, 1))

        def given(x: Floats, y: Floats = y) -> Any:
            slope = (y - x) if broken != "prior" else (y - x) + x
            density = -0.5 * (x**2 * (broken != "prior") + (y - x) ** 2)
            return density.sum(1), slope - x

        # All chains at once, each with its own data: no chain may drop out of a call.
        kernel = kind(given, 0.7, n_leapfrog=3)
        m = kernel.step(rng, kernel.init(m))[0].position
    z = m[:, 0]
    return np.array([z.mean() * np.sqrt(n), ((z**2).mean() - 1) / np.sqrt(2 / n)])


def test_geweke_joint_distribution() -> None:
    assert np.abs(geweke(HMC)).max() < 4
    assert np.abs(geweke(HMC, "prior")).max() > 5


# --- what must hold of each step, and mutants ----------------------------------------------------


def check_energy() -> None:
    """The error of a trajectory falls with the square of the step; reversed, it leads back."""
    errors = []
    for size in (0.2, 0.1):
        rng = np.random.default_rng(5)
        kernel = NUTS(skewed, size)
        x, z = rng.standard_normal((50, 2)), rng.standard_normal((50, 2))
        step = np.full((50, 1), size)
        first = there = kernel.begin(kernels.State(x, np.zeros(50)), z)
        for _ in range(round(1 / size)):
            there = kernel.leapfrog(there, step)
        kinetic = hamiltonian.kinetic
        lost = there.log_density - kinetic(there.z) - first.log_density + kinetic(z)
        errors.append(np.abs(lost).mean())
        back = there._replace(z=-there.z)
        for _ in range(round(1 / size)):
            back = kernel.leapfrog(back, step)
        assert np.allclose(back.x, x)
        assert np.allclose(back.z, -z)
    assert 3 < errors[0] / errors[1] < 5


def test_trajectories_keep_their_energy_and_lead_back() -> None:
    check_energy()


def no_kinetic_energy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hamiltonian, "kinetic", lambda z: np.zeros(len(z)))
    patch.setattr(nuts, "kinetic", lambda z: np.zeros(len(z)))


def energy_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    for module in (hamiltonian, nuts):
        patch.setattr(module, "kinetic", lambda z: -0.5 * (z**2).sum(1))


def energy_twice(patch: pytest.MonkeyPatch) -> None:
    for module in (hamiltonian, nuts):
        patch.setattr(module, "kinetic", lambda z: (z**2).sum(1))


def a_wider_leap(patch: pytest.MonkeyPatch) -> None:
    true = hamiltonian.Hamiltonian.ahead
    patch.setattr(hamiltonian.Hamiltonian, "ahead", lambda self, z: 1.3 * true(self, z))


def force_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    true = hamiltonian.Hamiltonian.evaluate
    patch.setattr(
        hamiltonian.Hamiltonian, "evaluate", lambda self, x: (true(self, x)[0], -true(self, x)[1])
    )


def turns_unseen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(nuts, "_turns", lambda first, *_: np.zeros(len(first), dtype=bool))


def turns_at_either_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(nuts, "_turns", lambda first, _last, total: (first * total).sum(1) <= 0)


ENERGY = [no_kinetic_energy, energy_with_the_wrong_sign, energy_twice]


@pytest.mark.parametrize("mutate", ENERGY)
@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_moments_catch_a_wrong_energy(
    monkeypatch: pytest.MonkeyPatch, kind: Any, mutate: Any
) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        check_moments(kind(skewed, 0.5), "skewed")


@pytest.mark.parametrize("mutate", [*ENERGY, a_wider_leap, force_with_the_wrong_sign])
def test_energy_catches_wrong_steps(monkeypatch: pytest.MonkeyPatch, mutate: Any) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        check_energy()


@pytest.mark.parametrize("mutate", [turns_unseen, turns_at_either_end, a_wider_leap, *ENERGY])
def test_the_recursion_catches_wrong_trajectories(
    monkeypatch: pytest.MonkeyPatch, mutate: Any
) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check_textbook()


# --- gradients -----------------------------------------------------------------------------------


def test_gradients_are_those_of_the_densities() -> None:
    rng = np.random.default_rng(6)
    t = np.linspace(0, 5, 30)
    truth, y = Decay.simulate(rng, t)
    x = truth + 0.3 * rng.standard_normal((5, 4))
    check_gradient(Decay(t, y).density_and_gradient, x)
    check_gradient(skewed, rng.standard_normal((5, 2)))
    for method in ("hmc", "nuts"):
        kernel: Any = bivariate_normal(method, rho=-0.5).kernel
        check_gradient(kernel.density_and_gradient, rng.standard_normal((5, 2)))
    wrong = Decay(t, y).density_and_gradient(x)[1] * [1, 1, -1, 1]
    with pytest.raises(TargetError, match="gradient of dimension 2 at point 0 is "):
        check_gradient(lambda p: (Decay(t, y).log_density(p), wrong), x)


def test_differences_follow_the_scale_of_each_dimension() -> None:
    sd = np.array([1e-6, 1.0, 1e6])
    both = central_differences(lambda x: -0.5 * ((x / sd) ** 2).sum(1), step=1e-5 * sd)
    x = 0.5 * sd * np.ones((2, 3))
    density, gradient = both(x)
    assert np.allclose(density, -0.375)
    assert np.allclose(gradient * sd, -0.5, rtol=1e-4)


# --- the gradient where a step begins ------------------------------------------------------------


def unequal(x: Floats) -> Any:
    """A target whose numbers do not depend on which chains are evaluated together."""
    sd = np.array([0.1, 1.0, 10.0])
    return -0.5 * ((x / sd) ** 2).sum(1), -x / sd**2


@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_no_point_is_evaluated_twice(kind: Any) -> None:
    seen: list[bytes] = []

    def target(x: Floats) -> Any:
        seen.extend(row.tobytes() for row in x)
        return unequal(x)

    start, rng = np.random.default_rng(0).standard_normal((4, 3)), np.random.default_rng(1)
    sample(kind(target, 0.15), start, rng, n_draws=20)
    assert len(set(seen)) == len(seen) > 4 * 20
    seen.clear()
    warm_up(kind(target, 0.15), start, rng, n_steps=60)
    assert len(set(seen)) == len(seen) > 4 * 60


@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_a_kept_gradient_changes_no_draw(kind: Any) -> None:
    def draws(*, keep: bool) -> Floats:
        rng, found = np.random.default_rng(2), []
        kernel = kind(unequal, 0.15)
        state = kernel.init(np.ones((5, 3)))
        for step in range(40):
            if step == 20:  # what is kept must not depend on the step size or on the mass
                kernel = replace(kernel, step_size=0.7, inverse_mass_matrix=[0.01, 1.0, 100.0])
            state, _ = kernel.step(rng, state if keep else state._replace(gradient=None))
            assert np.array_equal(state.gradient, unequal(state.position)[1])
            assert np.array_equal(state.log_density, unequal(state.position)[0])
            found.append(state.position)
        return np.stack(found)

    kept = draws(keep=True)
    assert np.array_equal(kept, draws(keep=False))
    assert (kept[1:] != kept[:-1]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_a_target_may_fill_the_same_arrays_each_time(kind: Any) -> None:
    density, gradient = np.empty(5), np.empty((5, 3))

    def target(x: Floats) -> Any:
        density[: len(x)], gradient[: len(x)] = unequal(x)
        return density[: len(x)], gradient[: len(x)]

    found, want = (
        sample(kind(one, 0.15), np.ones((5, 3)), np.random.default_rng(3), n_draws=20).draws
        for one in (target, unequal)
    )
    assert np.array_equal(found, want)


# --- warming up ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_chains", [1, 32])
@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_warming_up_finds_scales_and_step_size(kind: Any, n_chains: int) -> None:
    sd = np.array([0.1, 1.0, 10.0])

    def target(x: Floats) -> Any:
        return -0.5 * ((x / sd) ** 2).sum(1), -x / sd**2

    rng = np.random.default_rng(7)
    start = sd * rng.standard_normal((n_chains, 3))
    kernel, state = warm_up(kind(target, 1.0), start, rng, n_steps=300 if n_chains == 1 else 80)
    assert np.allclose(np.log(np.sqrt(kernel.inverse_mass_matrix) / sd), 0, atol=0.5)
    assert 0.3 < kernel.step_size < 2
    before = replace(kernel)
    result = sample(kernel, state, rng, n_draws=512 // n_chains)
    assert kernel.step_size == before.step_size
    assert kernel.inverse_mass_matrix is before.inverse_mass_matrix
    assert np.allclose(np.log(result.draws.std((0, 1)) / sd), 0, atol=0.3)


def test_warming_up_finds_a_covariance_of_one_dimension() -> None:
    rng = np.random.default_rng(8)
    kernel, _ = warm_up(
        HMC(lambda x: (-0.005 * (x**2).sum(1), -0.01 * x), 1.0),
        rng.standard_normal((32, 1)), rng, n_steps=60, mass="dense",
    )  # fmt: skip
    assert np.shape(kernel.inverse_mass_matrix) == (1, 1)
    assert 50 < np.asarray(kernel.inverse_mass_matrix).item() < 200


def test_warming_up_finds_correlations() -> None:
    rng = np.random.default_rng(8)
    kernel, _ = warm_up(
        NUTS(normal, 1e-3), rng.standard_normal((32, 3)), rng, n_steps=200, mass="dense"
    )
    assert np.linalg.cond(np.asarray(kernel.inverse_mass_matrix) @ INVERSE) < 2


def test_warming_up_aims_at_the_acceptance_asked_for() -> None:
    rng = np.random.default_rng(9)
    sizes = []
    for target in (0.6, 0.95):
        kernel, state = warm_up(
            HMC(skewed, 1.0, n_leapfrog=5), np.zeros((64, 2)), rng,
            n_steps=250, mass="fixed", target=target,
        )  # fmt: skip
        rate = sample(kernel, state, rng, n_draws=100).acceptance_rate.mean()
        assert abs(rate - target) < 0.08
        sizes.append(kernel.step_size)
    assert sizes[0] > 1.3 * sizes[1]


def test_a_hundred_dimensions_of_unequal_scale_converge() -> None:
    sd, rng = np.logspace(-0.5, 0.5, 100), np.random.default_rng(10)
    kernel = NUTS(lambda x: (-0.5 * ((x / sd) ** 2).sum(1), -x / sd**2), 0.1)
    kernel, state = warm_up(kernel, rng.standard_normal((16, 100)), rng, n_steps=60)
    result = sample(kernel, state, rng, n_draws=50)
    summary = summarise(result.draws)
    assert summary.r_hat.max() < 1.1
    assert summary.ess_bulk.min() > 300
    assert np.abs(summary.sd / sd - 1).max() < 0.25


# --- as the other kernels: going on, checkpoints, cycles, streams ---------------------------------


WALK: Any = Metropolis(lambda x: normal(x)[0], gaussian(1.0))


@pytest.mark.parametrize(
    "kernel",
    [
        HMC(normal, 0.3),
        NUTS(normal, 0.3),
        Cycle([WALK, HMC(normal, 0.3)]),
        Cycle([NUTS(normal, 0.3), WALK]),
        Mixture([HMC(normal, 0.3), WALK, NUTS(normal, 0.3)], [1, 1, 1]),
    ],
)
def test_draws_go_on_from_a_state_and_a_checkpoint(kernel: Any) -> None:
    start = np.ones((3, 3))
    whole = sample(kernel, start, np.random.default_rng(11), n_draws=30)
    rng = np.random.default_rng(11)
    first = sample(kernel, start, rng, n_draws=10)
    state, again = resume(checkpoint(first.state, rng), kernel.init(start))
    rest = sample(kernel, state, again, n_draws=20)
    assert np.array_equal(whole.draws, np.concatenate([first.draws, rest.draws], axis=1))
    assert np.allclose(whole.log_density, [normal(chain)[0] for chain in whole.draws])
    found, _ = moments(kernel, kernel.init(start), np.random.default_rng(11), n_draws=30, block=7)
    assert np.allclose(found.mean, whole.draws.mean(1))


@pytest.mark.parametrize("kernel", [HMC(normal, 0.3), NUTS(normal, 0.3, COV)])
def test_kernels_travel_to_other_processes(kernel: Any) -> None:
    assert pickle.dumps(pickle.loads(pickle.dumps(kernel))) == pickle.dumps(kernel)


def test_pooled_chains_keep_their_divergences() -> None:
    start, rng = np.ones((2, 3)), np.random.default_rng(0)
    far, near = (sample(HMC(normal, size), start, rng, n_draws=20) for size in (3.0, 0.1))
    pooled = merge([far, near]).divergences
    assert pooled is not None
    assert pooled.tolist() == [20, 20, 0, 0]
    walk = sample(Metropolis(lambda x: normal(x)[0], gaussian(1.0)), start, rng, n_draws=20)
    assert merge([far, walk]).divergences is None


def test_in_a_cycle_with_a_walk_from_integers() -> None:
    kernel = Cycle(
        [Metropolis(lambda x: normal(x)[0], gaussian(0.5)), NUTS(normal, 0.5, COV)]
    )  # fmt: skip
    rng = np.random.default_rng(12)
    draws = sample(kernel, np.zeros((64, 3), dtype=int), rng, burn_in=20, n_draws=60).draws
    within(np.concatenate([draws, draws**2], axis=2), [0, 0, 0, 1, 1, 25])


@pytest.mark.parametrize("method", ["hmc", "nuts"])
def test_streams_are_warmed_up(method: Any) -> None:
    problem = bivariate_normal(method, rho=0.9)
    (result,) = sample_streams(
        problem, np.random.default_rng(13), streams=[2], n_chains=8, burn_in=100, n_draws=200
    )
    assert summarise(result.draws).r_hat.max() < 1.05
    assert result.divergences is not None


# --- faults --------------------------------------------------------------------------------------


def test_divergences_are_counted_and_never_drawn() -> None:
    result = sample(
        HMC(normal, 3.0, jitter=0.0), np.ones((4, 3)), np.random.default_rng(0), n_draws=9
    )
    assert result.divergences is not None
    assert result.divergences.tolist() == [9, 9, 9, 9]
    assert (result.draws == 1).all()
    good = sample(NUTS(normal, 0.3), np.ones((4, 3)), np.random.default_rng(0), n_draws=9)
    assert good.divergences is not None
    assert good.divergences.tolist() == [0, 0, 0, 0]
    walk = Metropolis(lambda x: normal(x)[0], gaussian(1.0))
    assert sample(walk, np.ones((4, 3)), np.random.default_rng(0), n_draws=9).divergences is None


@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_places_of_no_density_are_never_entered(kind: Any) -> None:
    def half(x: Floats) -> Any:
        inside = x[:, 0] > 0
        with np.errstate(invalid="ignore"):
            return np.where(
                inside, -x[:, 0], np.where(x[:, 0] > -1, -np.inf, np.nan)
            ), -np.ones_like(x)

    draws = sample(
        kind(half, 0.4), np.ones((100, 1)), np.random.default_rng(1), burn_in=30, n_draws=80
    )
    assert draws.draws.min() > 0
    within(np.concatenate([draws.draws, draws.draws**2], axis=2), [1, 2])


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("step_size = 0", {"step_size": 0}),
        ("step_size = nan", {"step_size": np.nan}),
        ("step_size = '1'", {"step_size": "1"}),
        ("inverse_mass_matrix", {"inverse_mass_matrix": -1.0}),
        ("inverse_mass_matrix", {"inverse_mass_matrix": [1.0, np.inf]}),
        ("(?s)inverse_mass_matrix .* is not positive", {"inverse_mass_matrix": [[1.0, 2], [2, 1]]}),
        (
            "(?s)inverse_mass_matrix .* is not symmetric",
            {"inverse_mass_matrix": [[1.0, 2], [0, 1]]},
        ),
        ("n_leapfrog = 0", {"n_leapfrog": 0}),
        ("jitter = 1", {"jitter": 1}),
        ("max_depth = 1.5", {"max_depth": 1.5}),
        ("max_depth = 99", {"max_depth": 99}),
    ],
)
def test_bad_arguments_are_named(message: str, more: dict[str, Any]) -> None:
    kind: Any = NUTS if "max_depth" in more else HMC
    with pytest.raises(ValueError, match=message):
        kind(**{"density_and_gradient": normal, "step_size": 0.1, **more})


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("n_steps = 10", {"n_steps": 10}),
        ("mass = 'round'", {"mass": "round"}),
        (r"target = 1\.0", {"target": 1.0}),
        ("target = nan", {"target": np.nan}),
    ],
)
def test_bad_arguments_of_warming_up_are_named(message: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=message):
        warm_up(NUTS(normal, 1.0), np.zeros((2, 3)), np.random.default_rng(0), **more)


@pytest.mark.parametrize(
    ("message", "target"),
    [
        ("log_density returned shape", lambda x: (x, -x)),
        ("a gradient of shape", lambda x: (normal(x)[0], -x[:, :1])),
        ("returned ndarray: expected a pair", lambda x: normal(x)[0]),
        ("log_density returned inf", lambda x: (np.where(x[:, 0] == 1, 0, np.inf), -x)),
        ("chain 0 starts where log_density is -inf", lambda x: (np.full(len(x), -np.inf), -x)),
        ("chain 0 starts where the gradient", lambda x: (normal(x)[0], np.nan * x)),
    ],
)
@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_bad_targets_are_named(kind: Any, message: str, target: Any) -> None:
    with pytest.raises(ValueError, match=message):
        sample(kind(target, 0.3), np.ones((2, 3)), np.random.default_rng(0), n_draws=5)


@pytest.mark.parametrize("kind", [HMC, NUTS])
def test_targets_may_return_lists_and_narrow_numbers(kind: Any) -> None:
    want = sample(kind(normal, 0.3), np.ones((2, 3)), np.random.default_rng(0), n_draws=9).draws
    for given in (
        lambda x: tuple(part.tolist() for part in normal(x)),
        lambda x: tuple(part.astype(np.float32) for part in normal(x)),
    ):
        found = sample(kind(given, 0.3), np.ones((2, 3)), np.random.default_rng(0), n_draws=9)
        assert np.allclose(found.draws, want, atol=1e-3)
        assert found.draws.dtype == np.float64


def test_a_cycle_counts_divergences() -> None:
    walk = Metropolis(lambda x: normal(x)[0], gaussian(1.0))
    kernel = Cycle([HMC(normal, 3.0), walk, HMC(normal, 0.1)])
    result = sample(kernel, np.ones((2, 3)), np.random.default_rng(0), n_draws=5)
    assert result.divergences is not None
    assert result.divergences.tolist() == [5, 5]


def test_other_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"start of shape \(3,\): expected \(n_chains, n_dim\)"):
        warm_up(NUTS(normal, 0.1), np.zeros(3), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"inverse_mass_matrix .*: the position has 2 dimensions"):
        NUTS(normal, 0.1, [1.0, 1.0, 1.0]).init(np.zeros((4, 2)))
    for step in (0.0, -1.0, np.nan, [[1.0]]):
        with pytest.raises(ValueError, match="step = "):
            central_differences(lambda x: normal(x)[0], step=step)
    with pytest.raises(ValueError, match="method = 'gibbs'"):
        Decay(np.arange(3.0), np.ones(3)).problem("gibbs")  # type: ignore[arg-type]
    with pytest.raises(TargetError, match="log_density returned shape"):
        central_differences(lambda x: x)(np.zeros((2, 3)))
    assert kernels.TargetError is TargetError
