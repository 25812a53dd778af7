"""Diagnose convergence and precision: R-hat, effective sample size, Monte Carlo error.

The estimators are those of ArviZ (rank-normalised split R-hat, bulk and tail ESS).

References
----------
Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021), Rank-normalization, folding, and localization,
Bayesian Analysis 16(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.mcmc.driver import Result

__all__ = ["Summary", "autocorrelation", "summarise", "to_dict"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Summary:
    """Estimates with their errors; every array has shape (n_dim,).

    Attributes
    ----------
    names
        Names of the dimensions.
    mean, sd
        Mean and standard deviation of the draws of all chains.
    q05, q95
        Quantiles.
    mcse
        Monte Carlo standard error of `mean`.
    ess_bulk, ess_tail
        Effective number of independent draws, for the mean and for the 5% and 95% quantiles.
    r_hat
        Near 1 when the chains agree. It, `mcse` and both sizes are NaN where draws are not finite
        or a chain never moved.
    not_finite
        How many draws are not finite numbers.
    frozen
        How many chains have the same value in all their draws.
    n_chains
        How many there are.
    """

    names: tuple[str, ...]
    mean: Floats
    sd: Floats
    q05: Floats
    q95: Floats
    mcse: Floats
    ess_bulk: Floats
    ess_tail: Floats
    r_hat: Floats
    not_finite: NDArray[np.int64]
    frozen: NDArray[np.int64]
    n_chains: int

    def warnings(self, *, max_r_hat: float = 1.01, min_ess: float = 400.0) -> list[str]:
        """Say in words, with numbers, what has not converged; empty if everything has."""
        found = []
        for i, name in enumerate(self.names):
            ess = min(self.ess_bulk[i], self.ess_tail[i])
            if self.not_finite[i]:
                found.append(
                    f"{name}: {self.not_finite[i]} draws are not finite numbers: nothing can be "
                    "said of it; look for what the target or the proposal gives there"
                )
            elif self.frozen[i]:
                found.append(self._of_frozen(i))
            elif self.n_chains == 1 and np.isnan(self.r_hat[i]):
                found.append(
                    f"{name}: nothing shows whether it has converged, since a single chain has "
                    "none to agree with: draw two or more, from different starts"
                )
            elif not self.r_hat[i] <= max_r_hat:
                found.append(
                    f"{name} has not converged: R-hat {self.r_hat[i]:.3f}, expected at most "
                    f"{max_r_hat:g}: the chains disagree; draw longer or start them better"
                )
            elif not ess >= min_ess:
                found.append(
                    f"{name}: {ess:.0f} effective draws, expected at least {min_ess:g}: draw "
                    f"{min_ess / max(ess, 1):.1f} times as long"
                )
        return found

    def _of_frozen(self, i: int) -> str:
        if self.frozen[i] == self.n_chains and not self.sd[i] > 0:
            return (
                f"{self.names[i]} is {self.mean[i]:g} in every draw: it is fixed, or never moved, "
                "and nothing shows which"
            )
        return (
            f"{self.names[i]}: {self.frozen[i]} of {self.n_chains} chains never moved: "
            "draw longer, or propose smaller steps"
        )

    def rows(self) -> list[list[object]]:
        """Return the summary as rows of a table, one for each dimension."""
        columns = (self.mean, self.sd, self.q05, self.q95, self.mcse)
        return [
            [
                name,
                *(float(f"{column[i]:.4g}") for column in columns),
                _rounded(self.ess_bulk[i]),
                _rounded(self.ess_tail[i]),
                round(float(self.r_hat[i]), 4),
            ]
            for i, name in enumerate(self.names)
        ]


def _rounded(value: float) -> float:
    """Return a whole number, or NaN as it is."""
    return round(float(value)) if np.isfinite(value) else float(value)


HEADER = ["", "mean", "sd", "5%", "95%", "MCSE", "ESS bulk", "ESS tail", "R-hat"]


def summarise(draws: NDArray[Any], names: Sequence[str] | None = None) -> Summary:
    """Summarise draws of several chains.

    Parameters
    ----------
    draws
        Shape (n_chains, n_draws, n_dim), at least 4 draws.
    names
        Names of the dimensions; ``x[0]``, ``x[1]``, ... by default.

    Raises
    ------
    ValueError
        If the shape is another one, or the number of names.

    Examples
    --------
    >>> draws = np.random.default_rng(0).standard_normal((4, 1000, 2))
    >>> summary = summarise(draws, ["a", "b"])
    >>> bool((summary.r_hat < 1.01).all()), summary.warnings()
    (True, [])
    """
    if draws.ndim != 3 or draws.shape[1] < 4:
        raise ValueError(
            f"draws of shape {draws.shape}: expected (n_chains, n_draws, n_dim), 4 draws or more"
        )
    n_dim = draws.shape[2]
    names = tuple(names) if names is not None else tuple(f"x[{i}]" for i in range(n_dim))
    if len(names) != n_dim:
        raise ValueError(f"{len(names)} names for {n_dim} dimensions")
    values, exponent = _scaled(np.asarray(draws, dtype=float))
    axes = {"chain_axis": 0, "draw_axis": 1}
    not_finite = (~np.isfinite(values)).sum((0, 1))
    frozen = (values == values[:, :1]).all(1).sum(0)
    sound = (not_finite == 0) & (frozen == 0)
    estimates = np.full((4, n_dim), np.nan)
    if sound.any():
        # It takes most of a second, which jobs that draw need not wait for.
        from arviz_stats.base.array import BaseArray

        stats: Any = BaseArray()  # the package carries no types
        some = np.ascontiguousarray(values[..., sound])
        estimates[:, sound] = (
            stats.mcse(some, method="mean", **axes),
            stats.ess(some, method="bulk", **axes),
            stats.ess(some, method="tail", prob=(0.05, 0.95), **axes),
            stats.rhat(some, **axes),
        )
    with np.errstate(invalid="ignore", over="ignore"):  # of draws that are not finite
        mean, sd = values.mean((0, 1)), values.std((0, 1), ddof=1)
        low, high = np.quantile(values, [0.05, 0.95], axis=(0, 1))
    # By rounding, the mean of equal draws is a little off.
    fixed = (values == values[:1, :1]).all((0, 1))
    mean[fixed], sd[fixed] = values[0, 0, fixed], 0.0
    mcse, ess_bulk, ess_tail, r_hat = estimates
    mean, sd, low, high, mcse = (np.ldexp(one, exponent) for one in (mean, sd, low, high, mcse))
    return Summary(
        names=names,
        mean=mean,
        sd=sd,
        q05=low,
        q95=high,
        mcse=mcse,
        ess_bulk=ess_bulk,
        ess_tail=ess_tail,
        r_hat=r_hat,
        not_finite=not_finite,
        frozen=frozen,
        n_chains=len(values),
    )


def _scaled(values: Floats) -> tuple[Floats, NDArray[np.intc]]:
    """Bring each dimension to at most 1, exactly, by a power of two: squares keep in range."""
    peak = np.abs(values).max((0, 1))
    exponent = np.frexp(np.where(np.isfinite(peak), peak, 0.0))[1]
    return np.ldexp(values, -exponent), exponent


def autocorrelation(draws: NDArray[Any], max_lag: int) -> Floats:
    """Return the autocorrelation of each chain, shape (n_chains, n_dim, max_lag + 1), by FFT."""
    n = draws.shape[1]
    draws = np.asarray(draws, dtype=float)
    draws = np.where(np.isfinite(draws), draws, np.nan)  # no distance from a mean
    draws = _scaled(draws)[0]
    centred = np.moveaxis(draws - draws.mean(1, keepdims=True), 1, 2)
    spectrum = np.abs(np.fft.rfft(centred, 2 * n, axis=2)) ** 2
    covariance = np.fft.irfft(spectrum, axis=2)[..., : max_lag + 1] / n
    variance = covariance[..., :1]
    correlation: Floats = np.divide(
        covariance, variance, out=np.zeros_like(covariance), where=variance > 0
    )
    return correlation


def to_dict(result: Result, names: Sequence[str]) -> dict[str, dict[str, NDArray[Any]]]:
    """Arrange draws as ``arviz.from_dict`` takes them: group -> name -> (n_chains, n_draws)."""
    posterior = {name: result.draws[..., i] for i, name in enumerate(names)}
    return {"posterior": posterior, "sample_stats": {"lp": result.log_density}}
