"""Compare HMC and NUTS with a random walk and with blackjax's NUTS, in one run on one machine.

    pip install numpy scipy arviz-stats blackjax
    python benchmarks/mcmc/gradient.py --out benchmarks/mcmc/figures.json
    python benchmarks/page.py mcmc docs/reference/mcmc-figures.md

Effective samples per CPU second of this process, tuning included; the effective size is the least
over the dimensions and over bulk and tail. Medians over the seeds; blackjax with many chains, where
all wait for the longest trajectory, takes minutes, so it has one seed. About five minutes in all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.mcmc import HMC, NUTS, adapt, sample, warm_up
from core.mcmc.diagnostics import summarise

if TYPE_CHECKING:
    from collections.abc import Callable

CHAINS = 64
SCALES = np.logspace(-1, 1, 100)


class Target(NamedTuple):
    """A target with its gradient, and without for the random walk, which should not pay for it."""

    n_dim: int
    aim: float  # acceptance probability: more where trajectories diverge at the usual 0.8
    n_draws: int  # of each of the chains: more where they take long to converge
    both: Callable[[Any], Any]
    density: Callable[[Any], Any]


def gaussian_density(x: Any) -> Any:
    return -0.5 * ((x / SCALES) ** 2).sum(1)


def gaussian(x: Any) -> Any:
    return gaussian_density(x), -x / SCALES**2


def banana_density(x: Any) -> Any:
    return -(x[:, 0] ** 2) / 8 - 0.5 * (x[:, 1] - 0.5 * x[:, 0] ** 2) ** 2


def banana(x: Any) -> Any:
    a, b = x[:, 0], x[:, 1]
    away = b - 0.5 * a * a
    return -a * a / 8 - 0.5 * away**2, np.stack([-a / 4 + away * a, -away], axis=1)


def regression() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    table = rng.standard_normal((500, 25))
    chance = 1 / (1 + np.exp(-table @ (0.5 * rng.standard_normal(25))))
    return table, (rng.random(500) < chance).astype(float)


TABLE, ANSWER = regression()


def logistic_density(x: Any) -> Any:
    eta = x @ TABLE.T
    fit = eta @ ANSWER - (np.maximum(eta, 0) + np.log1p(np.exp(-np.abs(eta)))).sum(1)
    return fit - 0.5 * (x**2).sum(1)


def logistic(x: Any) -> Any:
    eta = x @ TABLE.T
    small = np.exp(-np.abs(eta))
    fit = eta @ ANSWER - (np.maximum(eta, 0) + np.log1p(small)).sum(1)
    chance = np.where(eta >= 0, 1, small) / (1 + small)
    return fit - 0.5 * (x**2).sum(1), (ANSWER - chance) @ TABLE - x


def in_jax(name: str) -> Callable[[Any], Any]:
    import jax.numpy as jnp

    table, answer, scales = jnp.array(TABLE), jnp.array(ANSWER), jnp.array(SCALES)

    def logistic(x: Any) -> Any:
        eta = table @ x
        return (answer * eta - jnp.logaddexp(0, eta)).sum() - 0.5 * (x**2).sum()

    return {
        "gaussian": lambda x: -0.5 * ((x / scales) ** 2).sum(),
        "logistic": logistic,
        "banana": lambda x: -(x[0] ** 2) / 8 - 0.5 * (x[1] - 0.5 * x[0] ** 2) ** 2,
    }[name]


TARGETS = {
    "gaussian": Target(100, 0.8, 500, gaussian, gaussian_density),
    "logistic": Target(25, 0.8, 500, logistic, logistic_density),
    "banana": Target(2, 0.95, 2000, banana, banana_density),
}


def ours(target: Target, seed: int, way: str) -> Any:
    rng = np.random.default_rng(seed)
    start = 0.3 * rng.standard_normal((CHAINS, target.n_dim))
    if way == "random walk":
        kernel, state = adapt(target.density, start, rng, n_steps=3000)
        # In many dimensions neighbouring draws say the same; more would only take memory.
        thin = 1 if target.n_dim < 10 else 8
        return sample(kernel, state, rng, n_draws=12_000 // thin, thin=thin).draws
    both = target.both
    kind = {"HMC": HMC(both, 0.1, n_leapfrog=8)}.get(way, NUTS(both, 0.1))
    mass: Any = "dense" if "dense" in way else "diagonal"
    tuned, state = warm_up(kind, start, rng, n_steps=300, mass=mass, target=target.aim)
    return sample(tuned, state, rng, n_draws=target.n_draws).draws


def blackjax_runner(name: str, chains: int, n_draws: int) -> Any:
    import blackjax
    import jax

    log_density, target = in_jax(name), TARGETS[name]
    warm = blackjax.window_adaptation(blackjax.nuts, log_density, target_acceptance_rate=target.aim)

    def chain(key: Any) -> Any:
        begin, tune, draw = jax.random.split(key, 3)
        start = 0.3 * jax.random.normal(begin, (target.n_dim,))
        (state, parameters), _ = warm.run(tune, start, 1000)
        step = blackjax.nuts(log_density, **parameters).step

        def one(state: Any, key: Any) -> Any:
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(one, state, jax.random.split(draw, n_draws))[1]

    run = jax.jit(jax.vmap(chain))
    return lambda seed: np.asarray(run(jax.random.split(jax.random.key(seed), chains)))


def measure(call: Any, *args: Any) -> dict[str, float]:
    start = time.process_time()
    draws = call(*args)
    seconds = time.process_time() - start
    found = summarise(np.asarray(draws, dtype=float))
    ess = min(found.ess_bulk.min(), found.ess_tail.min())
    return {"rate": float(ess / seconds), "r_hat": float(found.r_hat.max()), "seconds": seconds}


def middle(name: str, rows: list[dict[str, float]]) -> dict[str, float]:
    found = {key: float(f"{median(row[key] for row in rows):.4g}") for key in rows[0]}
    print(name, found, flush=True)
    return found


def bench(name: str, seeds: range) -> dict[str, Any]:
    target = TARGETS[name]
    found = {
        way: middle(f"{name}, {way}", [measure(ours, target, seed, way) for seed in seeds])
        for way in ("random walk", "HMC", "NUTS", "NUTS, dense mass")
    }
    # As many draws as of ours.
    for chains, some in ((4, seeds), (CHAINS, seeds[:1])):
        run = blackjax_runner(name, chains, CHAINS * target.n_draws // chains)
        label = f"blackjax NUTS, {chains} chains"
        first = measure(run, 99)
        again = [measure(run, seed) for seed in some]
        found[label] = middle(f"{name}, {label}", again) | {"compiling": first["rate"]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--only", choices=TARGETS, help="measure this target alone, keep the others"
    )
    args = parser.parse_args()
    kept = json.loads(args.out.read_text(encoding="utf-8"))["targets"] if args.only else {}
    import blackjax
    import jax

    jax.config.update("jax_enable_x64", True)
    found = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blackjax": blackjax.__version__,
        "seeds": args.seeds,
        "chains": CHAINS,
        "targets": {
            name: bench(name, range(args.seeds)) if args.only in (None, name) else kept[name]
            for name in TARGETS
        },
        "load": round(os.getloadavg()[0], 1),
    }
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
