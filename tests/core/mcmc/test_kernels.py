"""Exact transition matrices on small spaces, known moments, and mutants that must be caught."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np
import pytest

from core.mcmc import (
    Gibbs,
    Metropolis,
    MetropolisHastings,
    gaussian,
    integers,
    kernels,
    sample,
    swap,
)

PI = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
# An asymmetric proposal on five states: row x holds q(. | x).
Q = np.array(
    [
        [0.1, 0.5, 0.2, 0.1, 0.1],
        [0.3, 0.2, 0.1, 0.2, 0.2],
        [0.25, 0.25, 0.1, 0.3, 0.1],
        [0.05, 0.6, 0.15, 0.1, 0.1],
        [0.4, 0.1, 0.1, 0.2, 0.2],
    ]
)


class Script:
    """Stands in for a Generator: hands out the numbers it was given."""

    def __init__(self, *values: Any) -> None:
        self.values = list(values)

    def _next(self, *_args: Any, **_kwargs: Any) -> Any:
        return np.asarray(self.values.pop(0))

    integers = random = standard_exponential = _next


def transition_matrix(kernel: Any, weight: np.ndarray) -> np.ndarray:
    """Add up what a Metropolis kernel does: all (state, proposed state) pairs, one a chain.

    The acceptance probability is found from the kernel's decisions alone: by bisection on the
    exponential draw, the least that is accepted.
    """
    n = len(weight)
    x = np.indices((n, n))[0].ravel()
    state = kernel.init(x[:, None])
    low, high = np.zeros(n * n), np.full(n * n, 60.0)  # refused at low, accepted at high
    for _ in range(80):
        middle = (low + high) / 2
        accepted = kernel.step(Script(middle), state)[1].accepted
        low, high = np.where(accepted, low, middle), np.where(accepted, middle, high)
    matrix = weight * np.exp(-high).reshape(n, n)
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, 1 - matrix.sum(1))
    return matrix


def hastings_kernel() -> Any:
    n = len(PI)
    x, y = (grid.ravel() for grid in np.indices((n, n)))
    log_hastings = np.log(Q[y, x]) - np.log(Q[x, y])
    return MetropolisHastings(
        lambda s: np.log(PI[s[:, 0]]), lambda _rng, _s: (y[:, None], log_hastings)
    )


def metropolis_kernel() -> Any:
    y = np.indices((len(PI), len(PI)))[1].ravel()
    return Metropolis(lambda s: np.log(PI[s[:, 0]]), lambda _rng, _s: y[:, None])


def check_reversible(matrix: np.ndarray, pi: np.ndarray) -> None:
    assert np.abs(matrix.sum(1) - 1).max() < 1e-12
    assert np.abs(pi @ matrix - pi).max() < 1e-12
    flow = pi[:, None] * matrix
    assert np.abs(flow - flow.T).max() < 1e-12


def check_hastings() -> None:
    check_reversible(transition_matrix(hastings_kernel(), Q), PI)


def test_metropolis_hastings_keeps_its_target_exactly() -> None:
    check_hastings()


def test_metropolis_keeps_its_target_exactly() -> None:
    symmetric = np.full((5, 5), 0.2)
    check_reversible(transition_matrix(metropolis_kernel(), symmetric), PI)


def test_metropolis_with_an_asymmetric_proposal_misses_its_target() -> None:
    matrix = transition_matrix(metropolis_kernel(), Q)
    assert np.abs(PI @ matrix - PI).max() > 0.01


def drop_hastings(monkeypatch: pytest.MonkeyPatch) -> None:
    true = kernels.accept
    monkeypatch.setattr(kernels, "accept", lambda *args: true(*args[:4], 0.0))


def invert_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    true = kernels.accept
    monkeypatch.setattr(
        kernels, "accept", lambda rng, state, x, density, h: true(rng, state, x, density, -h)
    )


def always_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    true = kernels.accept
    monkeypatch.setattr(
        kernels, "accept", lambda rng, state, x, density, h: true(rng, state, x, density, h + 1e3)
    )


@pytest.mark.parametrize("mutate", [drop_hastings, invert_ratio, always_accept])
def test_mutants_are_caught(monkeypatch: pytest.MonkeyPatch, mutate: Any) -> None:
    check_hastings()
    check_exponential_moments()
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check_hastings()
    with pytest.raises(AssertionError):
        check_exponential_moments()


# Two variables of 2 and 3 values; every conditional probability is a multiple of 1/24.
JOINT = np.array([[1, 2, 3], [3, 2, 3]]) / 14


def choose(table: np.ndarray, u: np.ndarray) -> np.ndarray:
    return (table.cumsum(1) / table.sum(1, keepdims=True) <= u[:, None]).sum(1)


def blocks() -> list[Any]:
    def first(rng: Any, s: np.ndarray) -> np.ndarray:
        return np.stack([choose(JOINT.T[s[:, 1]], rng.random(len(s))), s[:, 1]], axis=1)

    def second(rng: Any, s: np.ndarray) -> np.ndarray:
        return np.stack([s[:, 0], choose(JOINT[s[:, 0]], rng.random(len(s)))], axis=1)

    return [first, second]


def gibbs_matrix(scan: Any) -> np.ndarray:
    states = np.array(list(product(range(2), range(3))))
    cells = (np.arange(120) + 0.5) / 120  # conditionals are multiples of 1/4, 1/2, 1/5, 1/8, 1/6
    u, v = (grid.ravel() for grid in np.meshgrid(cells, cells))
    orders = [[0, 1]] if scan == "systematic" else [list(o) for o in product(range(2), repeat=2)]
    matrix = np.zeros((6, 6))
    for order in orders:
        for i, s in enumerate(states):
            start = np.tile(s, (len(u), 1))
            kernel = Gibbs(blocks(), scan=scan)
            script = [] if scan == "systematic" else [order]
            state, info = kernel.step(Script(*script, u, v), kernel.init(start))
            assert info.accepted.all()
            index = state.position[:, 0] * 3 + state.position[:, 1]
            matrix[i] += np.bincount(index, minlength=6) / len(u) / len(orders)
    return matrix


def test_gibbs_systematic_scan_keeps_its_target_exactly() -> None:
    matrix, pi = gibbs_matrix("systematic"), JOINT.ravel()
    assert np.abs(pi @ matrix - pi).max() < 1e-12


def test_gibbs_random_scan_is_reversible() -> None:
    check_reversible(gibbs_matrix("random"), JOINT.ravel())


def test_swap_is_symmetric_and_uniform() -> None:
    states = np.array(list(permutations(range(4))))
    index = {tuple(s): i for i, s in enumerate(states.tolist())}
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(1, 4)))
    q = np.zeros((24, 24))
    for row, s in enumerate(states):
        moved = swap()(Script(i, j), np.tile(s, (len(i), 1)))
        for new in moved.tolist():
            q[row, index[tuple(new)]] += 1 / len(i)
    assert np.abs(q - q.T).max() < 1e-12
    assert np.isclose(np.unique(q), [0, 1 / 6]).all()


def test_integers_move_one_coordinate_by_at_most_the_size() -> None:
    rng = np.random.default_rng(1)
    steps = integers(3)(rng, np.zeros((40_000, 2), dtype=int))
    assert ((steps != 0).sum(1) == 1).all()
    values, counts = np.unique(steps.sum(1), return_counts=True)
    assert values.tolist() == [-3, -2, -1, 1, 2, 3]
    assert (np.abs(counts - 40_000 / 6) < 5 * np.sqrt(40_000 / 6)).all()


def test_gaussian_noise_has_the_covariance_asked_for() -> None:
    rng, want = np.random.default_rng(2), np.array([[2.0, -1.2], [-1.2, 1.0]])
    for size, expected in ((0.5, np.eye(2) / 4), ([1.0, 3.0], np.diag([1.0, 9.0])), (want, want)):
        noise = gaussian(size)(rng, np.zeros((200_000, 2)))
        assert np.abs(np.cov(noise.T) - expected).max() < 0.1


def within(draws: np.ndarray, expected: Any) -> None:
    """Compare means with `expected`, within 4 Monte Carlo standard errors between chains."""
    means = draws.mean(1)
    mcse = means.std(0, ddof=1) / np.sqrt(len(means))
    assert (np.abs(means.mean(0) - expected) < 4 * mcse).all(), (means.mean(0), expected, mcse)


def check_exponential_moments() -> None:
    def propose(rng: np.random.Generator, x: np.ndarray) -> Any:
        y = x * np.exp(rng.standard_normal(x.shape))
        return y, np.log(y / x).sum(1)

    kernel = MetropolisHastings(lambda x: -x[:, 0], propose)
    rng = np.random.default_rng(3)
    draws = sample(kernel, np.ones((64, 1)), rng, burn_in=100, n_draws=600).draws
    within(np.concatenate([draws, draws**2], axis=2), [1.0, 2.0])


def test_metropolis_hastings_moments() -> None:
    check_exponential_moments()


COV = np.array([[1.0, 0.9], [0.9, 1.0]])


def normal(x: np.ndarray) -> np.ndarray:
    return -0.5 * np.einsum("ni,ij,nj->n", x, np.linalg.inv(COV), x)


@pytest.mark.parametrize("size", [1.0, [0.8, 1.2], 2.8 * COV])
def test_metropolis_moments_for_each_kind_of_perturbation(size: Any) -> None:
    result = sample(
        Metropolis(normal, gaussian(size)),
        np.zeros((64, 2)),
        np.random.default_rng(4),
        burn_in=200,
        n_draws=1000,
    )
    x, y = result.draws[..., 0], result.draws[..., 1]
    within(np.stack([x, y, x * x, y * y, x * y], axis=2), [0, 0, 1, 1, 0.9])


def test_integer_walk_moments_of_a_poisson() -> None:
    log_factorial = np.concatenate([[0], np.log(np.arange(1, 200)).cumsum()])

    def poisson(x: np.ndarray) -> np.ndarray:
        k = x[:, 0]
        inside = np.where(k >= 0, k, 0)
        return np.where(k >= 0, k * np.log(4.0) - log_factorial[inside], -np.inf)

    kernel = Metropolis(poisson, integers(3))
    rng = np.random.default_rng(5)
    draws = sample(kernel, np.full((64, 1), 4), rng, burn_in=100, n_draws=1000).draws
    within(np.concatenate([draws, draws**2], axis=2).astype(float), [4, 20])


def test_permutation_moments_of_a_mallows_model() -> None:
    def energy(s: np.ndarray) -> np.ndarray:
        return -0.5 * np.abs(s - np.arange(4)).sum(1)

    states = np.array(list(permutations(range(4))))
    weight = np.exp(energy(states))
    kernel = Metropolis(energy, swap())
    rng = np.random.default_rng(6)
    draws = sample(kernel, np.tile(np.arange(4), (64, 1)), rng, burn_in=50, n_draws=600).draws
    within(draws.astype(float), weight @ states / weight.sum())


def test_thinning_keeps_every_kth_step_of_the_same_chain() -> None:
    kernel = Metropolis(normal, gaussian(1.0))
    every = sample(kernel, np.zeros((3, 2)), np.random.default_rng(7), n_draws=60)
    third = sample(kernel, np.zeros((3, 2)), np.random.default_rng(7), n_draws=20, thin=3)
    assert np.array_equal(every.draws[:, 2::3], third.draws)
    assert np.array_equal(every.acceptance_rate, third.acceptance_rate)
    burnt = sample(kernel, np.zeros((3, 2)), np.random.default_rng(7), n_draws=40, burn_in=20)
    assert np.array_equal(every.draws[:, 20:], burnt.draws)


def test_going_on_from_a_state_is_the_same_chain() -> None:
    kernel = Metropolis(normal, gaussian(1.0))
    whole = sample(kernel, np.zeros((3, 2)), np.random.default_rng(8), n_draws=30)
    rng = np.random.default_rng(8)
    begin = sample(kernel, np.zeros((3, 2)), rng, n_draws=10)
    end = sample(kernel, begin.state, rng, n_draws=20)
    assert np.array_equal(whole.draws, np.concatenate([begin.draws, end.draws], axis=1))


class WithSums(NamedTuple):
    x: Any
    sums: Any


def test_rows_of_a_position_with_parts_stay_together() -> None:
    def propose(rng: np.random.Generator, p: WithSums) -> WithSums:
        x = p.x + rng.standard_normal(p.x.shape)
        return WithSums(x, x.sum(1))

    kernel: Metropolis[Any] = Metropolis(lambda p: normal(p.x), propose)
    start = WithSums(np.zeros((5, 2)), np.zeros(5))
    result = sample(
        kernel,
        kernel.init(start),
        np.random.default_rng(9),
        n_draws=50,
        record=lambda p: np.column_stack([p.x, p.sums]),
    )
    assert np.allclose(result.draws[..., :2].sum(2), result.draws[..., 2])
    assert 0 < result.acceptance_rate.mean() < 1


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("n_draws = 0", {"n_draws": 0}),
        ("burn_in = -1", {"n_draws": 1, "burn_in": -1}),
        ("thin = 0", {"n_draws": 1, "thin": 0}),
    ],
)
def test_bad_counts_are_named(message: str, call: dict[str, int]) -> None:
    kernel = Metropolis(normal, gaussian(1.0))
    with pytest.raises(ValueError, match=message):
        sample(kernel, np.zeros((1, 2)), np.random.default_rng(0), **call)


def test_bad_starts_sizes_and_densities_are_named() -> None:
    with pytest.raises(ValueError, match="chain 1 starts where log_density is -inf"):
        Metropolis(lambda x: np.where(x[:, 0] > 0, 0, -np.inf), gaussian(1.0)).init(
            np.array([[1.0], [0.0]])
        )
    with pytest.raises(ValueError, match=r"shape \(2, 1\)"):
        Metropolis(lambda x: x, gaussian(1.0)).init(np.ones((2, 1)))
    kernel = Metropolis(normal, gaussian(1.0))
    with pytest.raises(ValueError, match=r"start of shape \(2,\): expected \(n_chains, n_dim\)"):
        sample(kernel, np.zeros(2), np.random.default_rng(0), n_draws=1)
    for size in (0.0, -1.0, [1.0, np.nan], [[1.0, 2.0], [2.0, 1.0]]):
        with pytest.raises(ValueError, match="positive"):
            gaussian(size)
    with pytest.raises(ValueError, match="size = 0"):
        integers(0)
    with pytest.raises(ValueError, match="conditionals is empty"):
        Gibbs([])
    with pytest.raises(ValueError, match="scan = 'both'"):
        Gibbs(blocks(), scan="both")  # type: ignore[arg-type]


def test_a_density_that_is_not_a_number_is_never_entered() -> None:
    def density(x: np.ndarray) -> np.ndarray:
        return np.where(x[:, 0] > 1, np.nan, -(x[:, 0] ** 2))

    kernel = Metropolis(density, gaussian(2.0))
    draws = sample(kernel, np.zeros((8, 1)), np.random.default_rng(1), n_draws=200).draws
    assert draws.max() <= 1
