"""Starts of any type, targets with faults, draws that are odd: right, or said as what it is."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from core.mcmc import (
    NUTS,
    Cycle,
    Gibbs,
    Metropolis,
    MetropolisHastings,
    Mixture,
    ParallelTempering,
    RandomWalk,
    TargetError,
    adapt,
    gaussian,
    integers,
    sample,
    swap,
    warm_up,
)
from core.mcmc.diagnostics import autocorrelation, summarise
from core.mcmc.long_runs import moments, sample_streams


def normal(x: Any) -> Any:
    return -0.5 * (np.asarray(x, dtype=float) ** 2).sum(1)


def step_of_hastings(rng: np.random.Generator, x: Any) -> Any:
    return x + rng.standard_normal(x.shape), np.zeros(len(x))


def into_a_copy(rng: np.random.Generator, x: Any) -> Any:
    """Draw into a copy, as the examples do: of integers, numpy would cut the draws."""
    y = x.copy()
    y[:, 0] = x[:, 0] + rng.standard_normal(len(x))
    return y


def conditional(rng: np.random.Generator, x: Any) -> Any:
    y = x.copy()
    y[:, 0] = rng.standard_normal(len(x))
    return y


SEEING = Gibbs([conditional], log_density=normal)
REAL: dict[str, Any] = {
    "Metropolis": Metropolis(normal, gaussian(1.0)),
    "Metropolis into a copy": Metropolis(normal, into_a_copy),
    "Hastings": MetropolisHastings(normal, step_of_hastings),
    "Gibbs": Gibbs([conditional]),
    "Cycle": Cycle([Metropolis(normal, integers(1)), Metropolis(normal, into_a_copy)]),
    "Cycle with Gibbs": Cycle([Metropolis(normal, integers(1)), SEEING]),
    "Mixture": Mixture([Metropolis(normal, integers(1)), SEEING], [0.9, 0.1]),
    "Tempering": ParallelTempering(normal, into_a_copy, np.array([1.0, 2.0])),
    "RandomWalk": RandomWalk(normal, 1.0),
    "few chains": RandomWalk(normal, 1.0),
}
WALK = RandomWalk(normal, 1.0)
STARTS = ["int64", "int8", "uint8", "bool", "float32", "float16"]


@pytest.mark.parametrize("dtype", STARTS)
@pytest.mark.parametrize("name", REAL)
def test_a_start_of_any_type_draws_what_floats_draw(name: str, dtype: str) -> None:
    kernel, chains = REAL[name], 2 if name == "few chains" else 8
    counts = {"n_draws": 300, "burn_in": 5}
    right = sample(kernel, np.zeros((chains, 1)), np.random.default_rng(1), **counts)  # type: ignore[arg-type]
    found = sample(kernel, np.zeros((chains, 1), dtype=dtype), np.random.default_rng(1), **counts)  # type: ignore[arg-type]
    assert found.draws.dtype == np.float64
    assert found.draws.tolist() == right.draws.tolist()
    assert (found.draws % 1 != 0).any()


@pytest.mark.parametrize("dtype", STARTS)
def test_adapting_takes_a_start_of_any_type(dtype: str) -> None:
    found = [
        adapt(normal, np.zeros((8, 2), dtype=kind), np.random.default_rng(0), n_steps=200)[1]
        for kind in (dtype, "float64")
    ]
    assert found[0].position.tolist() == found[1].position.tolist()


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool"])
def test_integer_targets_stay_integers(dtype: str) -> None:
    def poisson(x: Any) -> Any:
        inside = np.where(x[:, 0] >= 0, x[:, 0], 0)
        factorials = np.array([math.lgamma(n + 1) for n in inside.tolist()])
        return np.where(x[:, 0] >= 0, inside * math.log(150.0) - factorials, -np.inf)

    kernel = Metropolis(poisson, integers(20))
    start = np.ones((8, 1), dtype=dtype)
    result = sample(kernel, start, np.random.default_rng(0), n_draws=4000, burn_in=300)
    assert result.draws.dtype == np.int64
    # int8 ends at 127, below the mean
    assert result.draws.mean() == pytest.approx(150, abs=2)
    assert result.draws.std() == pytest.approx(math.sqrt(150), rel=0.1)


def test_permutations_keep_their_type() -> None:
    start = np.tile([True, False, False], (4, 1))
    result = sample(
        Metropolis(lambda x: np.zeros(len(x)), swap()), start, np.random.default_rng(0), n_draws=50
    )
    assert result.draws.dtype == bool
    assert (result.draws.sum(2) == 1).all()


def test_what_is_recorded_may_change_its_type() -> None:
    kernel = Metropolis(normal, gaussian(1.0))
    calls = []

    def record(x: Any) -> Any:
        calls.append(1)
        return np.zeros((4, 1), dtype=int) if len(calls) < 3 else x

    draws = sample(
        kernel, np.zeros((4, 1)), np.random.default_rng(0), n_draws=9, record=record
    ).draws
    assert draws.dtype == np.float64
    assert (draws[:, 3:] % 1 != 0).any()


def test_gibbs_beside_metropolis_leaves_its_density() -> None:
    """Without it, Metropolis would compare with a density of 0, and draw from another target."""

    def keep(rng: np.random.Generator, x: Any) -> Any:  # the second is drawn given the first
        return np.column_stack([x[:, 0], 0.8 * x[:, 0] + 0.6 * rng.standard_normal(len(x))])

    def pair(x: Any) -> Any:
        return -0.5 * (x[:, 0] ** 2 - 1.6 * x[:, 0] * x[:, 1] + x[:, 1] ** 2) / 0.36

    kernel = Cycle([Gibbs([keep], log_density=pair), Metropolis(pair, gaussian(0.7))])
    rng = np.random.default_rng(3)
    draws = sample(kernel, np.zeros((64, 2)), rng, n_draws=400, burn_in=50).draws
    means = (draws**2).mean(1)
    assert (np.abs(means.mean(0) - 1) < 4 * means.std(0, ddof=1) / 8).all()
    assert Cycle([REAL["Gibbs"], Gibbs([conditional])]).kernels  # Gibbs alone compares nothing


# --- targets with faults ---------------------------------------------------------------------


class Faulty:
    """A normal target that goes wrong after so many calls."""

    def __init__(self, fault: str, after: int = 3) -> None:
        self.fault, self.left = fault, after

    def __call__(self, x: Any) -> Any:
        self.left -= 1
        right = normal(x)
        if self.left >= 0:
            return right
        return {
            "column": right[:, None],
            "scalar": right.sum(),
            "row": right[None],
            "short": right[:-1],
            "inf": np.full(len(x), np.inf),
        }[self.fault]


def kernels(target: Any) -> dict[str, Any]:
    return {
        "Metropolis": Metropolis(target, gaussian(1.0)),
        "Hastings": MetropolisHastings(target, step_of_hastings),
        "Tempering": ParallelTempering(target, gaussian(1.0), np.array([1.0, 2.0])),
        "RandomWalk": RandomWalk(target, 1.0),
        "few": RandomWalk(target, 1.0),
        "Cycle": Cycle([Metropolis(target, gaussian(1.0))]),
        "Gibbs": Gibbs([conditional], log_density=target),
    }


FAULTS = [
    (name, fault)
    for name in kernels(normal)
    for fault in ("column", "scalar", "row", "short", "inf")
    if (name, fault) != ("Gibbs", "inf")  # it only records the density
]


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_a_target_that_goes_wrong_is_named(name: str, fault: str) -> None:
    start = np.zeros((2 if name == "few" else 6, 2))
    with pytest.raises(TargetError, match=r"log_density returned (shape|inf)"):
        sample(kernels(Faulty(fault))[name], start, np.random.default_rng(0), n_draws=40)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Metropolis(normal, lambda _rng, x: x[:, :1]), "the proposal has shape"),
        (
            MetropolisHastings(normal, lambda _rng, x: (x, np.zeros((len(x), 1)))),
            "log_hastings has shape",
        ),
        (Gibbs([lambda _rng, x: x[:1]]), "conditional 0 returned shape"),
    ],
)
def test_a_proposal_of_another_shape_is_named(kernel: Any, message: str) -> None:
    start = np.zeros((6, 1)) if "proposal has" in message else np.zeros((6, 2))
    if message == "the proposal has shape" and kernel.propose(
        np.random.default_rng(0), start
    ).shape == (6, 1):
        start = np.zeros((6, 2))
    with pytest.raises(TargetError, match=message):
        sample(kernel, start, np.random.default_rng(0), n_draws=4)


BAD_COUNTS = [-1, 1.5, math.nan, True, "3", None]


@pytest.mark.parametrize("name", ["n_draws", "burn_in", "thin"])
@pytest.mark.parametrize("value", BAD_COUNTS)
def test_counts_that_are_none_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        sample(
            REAL["Metropolis"],
            np.zeros((4, 1)),
            np.random.default_rng(0),
            **{"n_draws": 1, name: value},
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda: gaussian(math.nan),
        lambda: gaussian([[1.0, math.nan], [math.nan, 1.0]]),
        lambda: gaussian([[1.0, 0.9], [0.1, 1.0]]),
        lambda: gaussian([[1.0, 0.0]]),
        lambda: gaussian(0.0),
        lambda: integers(0),
        lambda: integers(1.5),  # type: ignore[arg-type]
        lambda: swap()(np.random.default_rng(0), np.zeros((3, 1))),
        lambda: ParallelTempering(normal, gaussian(1.0), np.array([1.0, math.nan])),
        lambda: ParallelTempering(normal, gaussian(1.0), np.array([1.0, math.inf])),
        lambda: ParallelTempering(normal, gaussian(1.0), np.array([1.0]), exchange_every=0),
        lambda: Mixture([REAL["Gibbs"]], [math.nan]),
        lambda: Mixture([REAL["Gibbs"]], [math.inf]),
        lambda: Mixture([REAL["Gibbs"]], [-1.0]),
        lambda: Cycle([]),
        lambda: Cycle([REAL["Gibbs"], REAL["Metropolis"]]),
        lambda: Cycle([REAL["Gibbs"], Cycle([WALK])]),
        lambda: Mixture([Cycle([REAL["Gibbs"]]), REAL["Metropolis"]], [1.0, 1.0]),
        lambda: Gibbs([]),
        lambda: adapt(normal, np.zeros((4, 1)), np.random.default_rng(0), n_steps=60.5),  # type: ignore[arg-type]
        lambda: adapt(normal, np.zeros((4, 1)), np.random.default_rng(0), target=math.nan),
        lambda: moments(
            WALK, WALK.init(np.zeros((4, 1))), np.random.default_rng(0), n_draws=5, block=0
        ),
        lambda: sample_streams(
            None,  # type: ignore[arg-type]
            np.random.default_rng(0), streams=[-1], n_chains=1, burn_in=50, n_draws=1,
        ),
    ],
)  # fmt: skip
def test_arguments_that_are_nonsense_are_refused(call: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        call()


# --- draws that are odd ----------------------------------------------------------------------


def odd() -> np.ndarray:
    draws = np.random.default_rng(0).standard_normal((4, 200, 6))
    draws[..., 1] = 0.1
    draws[..., 2] = np.arange(4)[:, None]
    draws[1, 7, 3] = math.nan
    draws[2, :, 4] = 5.0
    draws[0, 0, 5] = math.inf
    return draws


def test_odd_draws_are_said_as_what_they_are() -> None:
    summary = summarise(odd(), list("abcdef"))
    where = "nothing can be said of it; look for what the target or the proposal gives there"
    assert summary.warnings(min_ess=100) == [
        "b is 0.1 in every draw: it is fixed, or never moved, and nothing shows which",
        "c: 4 of 4 chains never moved: draw longer, or propose smaller steps",
        f"d: 1 draws are not finite numbers: {where}",
        "e: 1 of 4 chains never moved: draw longer, or propose smaller steps",
        f"f: 1 draws are not finite numbers: {where}",
    ]
    assert (summary.mean[1], summary.sd[1]) == (0.1, 0.0)
    alone = summarise(odd()[..., :1])
    assert summary.ess_bulk[0] == alone.ess_bulk[0]
    assert len(summary.rows()) == 6
    json.dumps(summary.rows())


@pytest.mark.parametrize("dtype", [bool, int, "float32"])
def test_draws_of_any_type_are_summarised(dtype: Any) -> None:
    draws = np.random.default_rng(0).integers(0, 2, (4, 500, 1)).astype(dtype)
    assert summarise(draws).warnings() == []
    assert autocorrelation(draws, 3).shape == (4, 1, 4)


def in_place(rng: np.random.Generator, x: Any) -> Any:
    x += rng.standard_normal(x.shape)
    return x


def doubling(x: Any) -> Any:
    x *= 2.0
    return normal(x)


@pytest.mark.parametrize(
    ("kernel", "what"),
    [
        (Metropolis(normal, in_place), "a proposal"),
        (MetropolisHastings(normal, lambda rng, x: (in_place(rng, x), 0.0)), "a proposal"),
        (Gibbs([in_place]), "a proposal"),
        (ParallelTempering(normal, in_place, np.array([1.0, 2.0])), "a proposal"),
        (Metropolis(doubling, gaussian(1.0)), "log_density"),
        (RandomWalk(doubling, 1.0), "log_density"),
        (NUTS(lambda x: (doubling(x), -x), 0.1), "density_and_gradient"),
    ],
)
@pytest.mark.parametrize("dtype", [int, float])
def test_functions_that_write_into_their_argument_are_named(
    kernel: Any, what: str, dtype: Any
) -> None:
    """In place, a proposal would be taken whatever the target says of it."""
    start = np.ones((2, 2), dtype)
    with pytest.raises(TargetError, match=f"{what} writes into the position"):
        sample(kernel, start, np.random.default_rng(0), n_draws=5)
    assert (start == 1).all()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.zeros((0, 2)), "start of shape \\(0, 2\\)"),
        (np.zeros(2), "start of shape \\(2,\\)"),
        ([["a"]], "start of type <U1: expected numbers"),
        (np.zeros((2, 1), complex), "start of type complex128"),
        (np.array([[None]]), "start of type object"),
    ],
)
@pytest.mark.parametrize(
    "kernel",
    [
        Metropolis(normal, gaussian(1.0)),
        RandomWalk(normal, 1.0),
        NUTS(lambda x: (normal(x), -x), 1.0),
    ],
    ids=["Metropolis", "RandomWalk", "NUTS"],
)
def test_starts_that_are_none_are_refused(kernel: Any, start: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample(kernel, start, np.random.default_rng(0), n_draws=5)


def test_a_start_may_be_a_list() -> None:
    lists, arrays = (
        sample(Metropolis(normal, gaussian(1.0)), start, np.random.default_rng(0), n_draws=5)
        for start in ([[0.0], [1.0]], np.array([[0.0], [1.0]]))
    )
    assert (lists.draws == arrays.draws).all()


def test_random_numbers_come_from_a_generator() -> None:
    kernel, start, seed = NUTS(lambda x: (normal(x), -x), 1.0), np.zeros((2, 1)), 0
    for call in (
        lambda: sample(kernel, start, seed, n_draws=5),  # type: ignore[arg-type]
        lambda: warm_up(kernel, start, seed),  # type: ignore[arg-type]
        lambda: adapt(normal, start, seed),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=r"rng = 0: expected a numpy.random.Generator"):
            call()
    with pytest.raises(TypeError, match="kernel of type RandomWalk: expected HMC or NUTS"):
        warm_up(RandomWalk(normal, 1.0), start, np.random.default_rng(0))  # type: ignore[type-var]


@pytest.mark.parametrize("size", [[1.0, 2.0, 3.0], np.eye(3)])
@pytest.mark.parametrize(
    "kind", [lambda size: Metropolis(normal, gaussian(size)), lambda size: RandomWalk(normal, size)]
)
def test_a_perturbation_for_other_dimensions_is_named(kind: Any, size: Any) -> None:
    with pytest.raises(ValueError, match="perturbation size for 3 dimensions: the position has 2"):
        sample(kind(size), np.zeros((2, 2)), np.random.default_rng(0), n_draws=5)


@pytest.mark.parametrize("power", [-1040, -900, 900, 1020])
def test_a_summary_does_not_depend_on_the_unit(power: int) -> None:
    draws = np.random.default_rng(0).standard_normal((4, 500, 2)) + 3.0
    one, other = summarise(draws), summarise(np.ldexp(draws, power))
    for name in ("mean", "sd", "q05", "q95", "mcse"):
        expected = np.ldexp(getattr(one, name), power)
        np.testing.assert_allclose(getattr(other, name), expected, rtol=1e-6)
    for name in ("ess_bulk", "ess_tail", "r_hat"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-5)
    lags = autocorrelation(np.ldexp(draws, power), 5)
    np.testing.assert_allclose(lags, autocorrelation(draws, 5), atol=1e-5)


def test_a_single_chain_is_said_to_prove_nothing() -> None:
    draws = np.random.default_rng(0).standard_normal((1, 4000, 1))
    assert [line.split(":")[1].strip() for line in summarise(draws).warnings()] == [
        "nothing shows whether it has converged, since a single chain has none to agree with"
    ]


def test_what_is_recorded_has_a_row_for_each_chain() -> None:
    with pytest.raises(ValueError, match=r"record returned shape \(\): expected \(2, n_dim\)"):
        sample(
            Metropolis(normal, gaussian(1.0)),
            np.zeros((2, 1)),
            np.random.default_rng(0),
            n_draws=5,
            record=lambda _: np.array(3.0),
        )
