"""Worked examples: a bivariate normal by three methods, and three models with data.

Each model comes with its prior and its likelihood as functions, so that simulation-based tests can
check the sampler: ``simulate`` draws parameters from the prior and data given them, and the
`Problem` samples the parameters given the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.mcmc.hamiltonian import HMC
from core.mcmc.kernels import Gibbs, Kernel, Metropolis, MetropolisHastings
from core.mcmc.nuts import NUTS
from core.mcmc.proposals import gaussian
from core.mcmc.random_walk import RandomWalk

if TYPE_CHECKING:
    from collections.abc import Callable

    Rng = np.random.Generator

__all__ = [
    "ChangePoint",
    "Decay",
    "Groups",
    "Problem",
    "bivariate_normal",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Something to sample.

    Attributes
    ----------
    names
        Names of the dimensions.
    kernel
        Keeps the target. A `RandomWalk` wants to be adapted first, `HMC` and `NUTS` to warm up.
    start
        ``(rng, n_chains) -> (n_chains, n_dim)``, spread wider than the target.
    """

    names: tuple[str, ...]
    kernel: Kernel[Floats]
    start: Callable[[Rng, int], Floats]


def bivariate_normal(
    method: Literal["metropolis", "metropolis-hastings", "gibbs", "hmc", "nuts"],
    *,
    rho: float = 0.9,
    size: float = 1.0,
) -> Problem:
    """Pose the problem of two standard normals with correlation `rho`, by a method of the notes.

    Metropolis takes symmetric normal steps of standard deviation `size`. Metropolis-Hastings drifts
    along the gradient before the same step (Langevin), which is not symmetric: its density enters
    the ratio. Gibbs draws each variable given the other. HMC and NUTS follow the gradient for many
    steps of `size` times the width of the ridge.

    Raises
    ------
    ValueError
        If `rho` is not between -1 and 1, or the method is another one.

    Examples
    --------
    >>> from core.mcmc import sample
    >>> problem, rng = bivariate_normal("gibbs", rho=0.5), np.random.default_rng(0)
    >>> result = sample(problem.kernel, problem.start(rng, 4), rng, n_draws=1000)
    >>> bool(abs(np.corrcoef(result.draws.reshape(-1, 2).T)[0, 1] - 0.5) < 0.1)
    True
    """
    if not -1 < rho < 1:
        raise ValueError(f"rho = {rho}: expected a correlation between -1 and 1")
    inverse = np.linalg.inv(np.array([[1.0, rho], [rho, 1.0]]))
    gap, width = np.sqrt(1 - rho**2), float(np.sqrt(1 - abs(rho)))

    def log_density(x: Floats) -> Floats:
        density: Floats = -0.5 * ((x @ inverse) * x).sum(1)
        return density

    def with_gradient(x: Floats) -> tuple[Floats, Floats]:
        return log_density(x), -x @ inverse

    def langevin(rng: Rng, x: Floats) -> tuple[Floats, Floats]:
        def drift(z: Floats) -> Floats:
            ahead: Floats = z - 0.5 * size**2 * (z @ inverse)
            return ahead

        y = drift(x) + size * rng.standard_normal(x.shape)
        there = ((y - drift(x)) ** 2).sum(1)
        back = ((x - drift(y)) ** 2).sum(1)
        return y, (there - back) / (2 * size**2)

    def given(other: int) -> Callable[[Rng, Floats], Floats]:
        def draw(rng: Rng, x: Floats) -> Floats:
            y = x.copy()
            y[:, 1 - other] = rho * x[:, other] + gap * rng.standard_normal(len(x))
            return y

        return draw

    kernels: dict[str, Kernel[Floats]] = {
        "metropolis": Metropolis(log_density, gaussian(size)),
        "metropolis-hastings": MetropolisHastings(log_density, langevin),
        "gibbs": Gibbs([given(1), given(0)], log_density=log_density),
        "hmc": HMC(with_gradient, size * width),
        "nuts": NUTS(with_gradient, size * width),
    }
    if method not in kernels:
        raise ValueError(f"method = {method!r}: expected one of {', '.join(kernels)}")
    return Problem(("x", "y"), kernels[method], lambda rng, n: 3 * rng.standard_normal((n, 2)))


@dataclass(frozen=True, eq=False)
class Decay:
    """A known equation with unknown parameters: ``y = a exp(-b t) + c``, measured with noise.

    Prior: ``a, c ~ N(0, 5)``, ``log b ~ N(0, 1)``, ``log sigma ~ N(-1, 1)``; the position holds
    ``a, log b, c, log sigma``.

    Parameters
    ----------
    t
        Where it was measured, shape (n,).
    y
        What was measured, shape (n,).
    """

    t: Floats
    y: Floats
    names = ("a", "log b", "c", "log sigma")

    @staticmethod
    def simulate(rng: Rng, t: Floats) -> tuple[Floats, Floats]:
        """Draw parameters from the prior, and data given them: shapes (4,) and (n,)."""
        x = rng.standard_normal(4) * [5, 1, 5, 1] + [0, 0, 0, -1]
        return x, Decay.curve(x[None], t)[0] + np.exp(x[3]) * rng.standard_normal(len(t))

    @staticmethod
    def curve(x: Floats, t: Floats) -> Floats:
        """Evaluate the equation for positions (n_chains, 4) at times (n,)."""
        y: Floats = x[:, :1] * np.exp(-np.exp(np.minimum(x[:, 1:2], 20)) * t) + x[:, 2:3]
        return y

    def log_density(self, x: Floats) -> Floats:
        """Return the log of the posterior, up to a constant."""
        prior = -0.5 * (((x - [0, 0, 0, -1]) / [5, 1, 5, 1]) ** 2).sum(1)
        sigma = np.exp(np.clip(x[:, 3], -300, 300))
        residual = (self.y - self.curve(x, self.t)) / sigma[:, None]
        fit: Floats = prior - 0.5 * (residual**2).sum(1) - len(self.t) * x[:, 3]
        return fit

    def density_and_gradient(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the log of the posterior and its gradient, (n_chains, 4)."""
        a, c = x[:, :1], x[:, 2:3]
        rate = np.exp(np.minimum(x[:, 1:2], 20))
        fall = np.exp(-rate * self.t)
        sigma = np.exp(np.clip(x[:, 3:], -300, 300))
        residual = (self.y - (a * fall + c)) / sigma
        pull = residual / sigma
        by_rate = np.where(x[:, 1] < 20, (pull * -a * fall * rate * self.t).sum(1), 0.0)
        spread = (residual**2).sum(1) - len(self.t)
        fit = np.stack([(pull * fall).sum(1), by_rate, pull.sum(1), spread], axis=1)
        return self.log_density(x), fit - (x - [0, 0, 0, -1]) / np.square([5, 1, 5, 1])

    def problem(self, method: Literal["random walk", "hmc", "nuts"] = "random walk") -> Problem:
        """Pose the problem; each method is tuned during burn-in."""

        def start(rng: Rng, n: int) -> Floats:
            spread = float(np.ptp(self.y)) or 1.0
            rate = np.log(3 / (float(np.ptp(self.t)) or 1.0))
            centre = np.array([self.y[0] - self.y[-1], rate, self.y[-1], np.log(spread / 4)])
            noise: Floats = rng.standard_normal((n, 4)) * [spread / 4, 0.5, spread / 4, 0.5]
            return centre + noise

        kernels: dict[str, Kernel[Floats]] = {
            "random walk": RandomWalk(self.log_density, 0.1),
            "hmc": HMC(self.density_and_gradient, 0.1),
            "nuts": NUTS(self.density_and_gradient, 0.1),
        }
        if method not in kernels:
            raise ValueError(f"method = {method!r}: expected one of {', '.join(kernels)}")
        return Problem(self.names, kernels[method], start)


@dataclass(frozen=True, eq=False)
class Groups:
    """A hierarchical model by Gibbs: groups with means of their own, drawn around a common one.

    ``y ~ N(theta[group], sigma2)``, ``theta ~ N(mu, tau2)``; prior ``mu ~ N(0, 100)`` (variance),
    ``sigma2, tau2 ~ InvGamma(3, 2)``: every full conditional is known. The position holds ``mu,
    tau2, sigma2, theta[0], theta[1], ...``.

    Parameters
    ----------
    group
        Index of each value's group, 0 up, shape (n,).
    y
        Values, shape (n,).
    """

    group: NDArray[np.int64]
    y: Floats

    @staticmethod
    def simulate(rng: Rng, group: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Draw parameters from the prior, and data given them."""
        mu = 10 * rng.standard_normal()
        tau2, sigma2 = 2 / rng.gamma(3, size=2)
        theta = mu + np.sqrt(tau2) * rng.standard_normal(int(group.max()) + 1)
        x = np.concatenate([[mu, tau2, sigma2], theta])
        return x, Groups.data(rng, x[None], group)[0]

    @staticmethod
    def data(rng: Rng, x: Floats, group: NDArray[np.int64]) -> Floats:
        """Draw data given positions (n_chains, n_dim): shape (n_chains, n)."""
        noise = rng.standard_normal((len(x), len(group)))
        drawn: Floats = x[:, 3 + group] + np.sqrt(x[:, 2:3]) * noise
        return drawn

    def conditionals(self) -> list[Callable[[Rng, Floats], Floats]]:
        """Return the draws of mu, tau2, sigma2 and all theta at once, each given the rest."""
        counts = np.bincount(self.group)
        # `y` may be one data set, or one for each chain (for tests of the sampler).
        y = np.atleast_2d(self.y)
        sums = np.stack([np.bincount(self.group, row, len(counts)) for row in y])
        n_groups = len(counts)

        def mu(rng: Rng, x: Floats) -> Floats:
            z = x.copy()
            precision = n_groups / x[:, 1] + 1 / 100
            mean = x[:, 3:].sum(1) / x[:, 1] / precision
            z[:, 0] = mean + rng.standard_normal(len(x)) / np.sqrt(precision)
            return z

        def tau2(rng: Rng, x: Floats) -> Floats:
            z = x.copy()
            rate = 2 + 0.5 * ((x[:, 3:] - x[:, :1]) ** 2).sum(1)
            z[:, 1] = rate / rng.gamma(3 + n_groups / 2, size=len(x))
            return z

        def sigma2(rng: Rng, x: Floats) -> Floats:
            z = x.copy()
            rate = 2 + 0.5 * ((y - x[:, 3 + self.group]) ** 2).sum(1)
            z[:, 2] = rate / rng.gamma(3 + y.shape[1] / 2, size=len(x))
            return z

        def theta(rng: Rng, x: Floats) -> Floats:
            z = x.copy()
            precision = counts / x[:, 2:3] + 1 / x[:, 1:2]
            mean = (sums / x[:, 2:3] + x[:, :1] / x[:, 1:2]) / precision
            z[:, 3:] = mean + rng.standard_normal(mean.shape) / np.sqrt(precision)
            return z

        return [mu, tau2, sigma2, theta]

    def problem(self) -> Problem:
        """Pose the problem: sample by Gibbs."""
        n_groups = int(self.group.max()) + 1

        def start(rng: Rng, n: int) -> Floats:
            x = np.abs(rng.standard_normal((n, 3 + n_groups))) + 0.1
            x[:, [0, *range(3, 3 + n_groups)]] = self.y.mean() + 5 * rng.standard_normal((n, 1))
            return x

        names = ("mu", "tau2", "sigma2", *(f"theta[{i}]" for i in range(n_groups)))
        return Problem(names, Gibbs(self.conditionals()), start)


@dataclass(frozen=True, eq=False)
class ChangePoint:
    """Counts whose rate changes once: when, and from what to what? By Gibbs.

    ``y[i] ~ Poisson(before)`` for ``i < k``, ``Poisson(after)`` from ``k`` on; prior ``before,
    after ~ Gamma(2, rate 0.5)``, ``k`` uniform on 1 ... n - 1. The position holds ``k, before,
    after``.

    Parameters
    ----------
    y
        Counts, shape (n,), n >= 2.
    """

    y: NDArray[np.int64]
    names = ("k", "before", "after")

    @staticmethod
    def simulate(rng: Rng, n: int) -> tuple[Floats, NDArray[np.int64]]:
        """Draw parameters from the prior, and data given them."""
        before, after = rng.gamma(2, 1 / 0.5, size=2)
        k = int(rng.integers(1, n))
        y = np.concatenate([rng.poisson(before, k), rng.poisson(after, n - k)])
        return np.array([float(k), before, after]), y

    def conditionals(self) -> list[Callable[[Rng, Floats], Floats]]:
        """Return the draws of k, before and after, each given the rest."""
        y = np.atleast_2d(self.y)
        n = y.shape[1]
        total = np.concatenate([np.zeros((len(y), 1)), y.cumsum(1)], axis=1)
        places = np.arange(1, n)

        def k(rng: Rng, x: Floats) -> Floats:
            z = x.copy()
            log = total[:, 1:n] * np.log(x[:, 1:2] / x[:, 2:3]) - places * (x[:, 1:2] - x[:, 2:3])
            # The largest of log-weights plus Gumbel noise is a draw from the weights.
            z[:, 0] = places[(log + rng.gumbel(size=log.shape)).argmax(1)]
            return z

        def rate(*, before: bool) -> Callable[[Rng, Floats], Floats]:
            def draw(rng: Rng, x: Floats) -> Floats:
                z, split = x.copy(), x[:, 0].astype(np.int64)
                head = total[np.arange(len(x)) % len(y), split]
                count = head if before else total[:, -1] - head
                length = split if before else n - split
                z[:, 1 if before else 2] = rng.gamma(2 + count) / (0.5 + length)
                return z

            return draw

        return [k, rate(before=True), rate(before=False)]

    def problem(self) -> Problem:
        """Pose the problem: sample by Gibbs."""

        def start(rng: Rng, n: int) -> Floats:
            split = rng.integers(1, len(self.y), n)
            rates: Any = (self.y.mean() + 0.1) * rng.gamma(1.0, size=(n, 2)) + 1e-3
            return np.column_stack([split, rates]).astype(float)

        return Problem(self.names, Gibbs(self.conditionals()), start)
