"""Has it converged, and how precise is it? R-hat, effective sample size, Monte Carlo error.

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
from arviz_stats.base.array import BaseArray
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.mcmc.driver import Result

__all__ = ["Summary", "autocorrelation", "summarise", "to_dict"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Summary:
    """Estimates with what is known of their error; every array has shape (n_dim,).

    Attributes
    ----------
    names
        Of the dimensions.
    mean, sd
        Of the draws of all chains.
    q05, q95
        Quantiles.
    mcse
        Monte Carlo standard error of `mean`.
    ess_bulk, ess_tail
        Effective number of independent draws, for the mean and for the 5% and 95% quantiles.
    r_hat
        Near 1 when the chains agree; NaN with fewer than 4 draws.
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

    def warnings(self, *, max_r_hat: float = 1.01, min_ess: float = 400.0) -> list[str]:
        """Say in words, with the numbers, what has not converged; empty if all has."""
        found = []
        for i, name in enumerate(self.names):
            ess = min(self.ess_bulk[i], self.ess_tail[i])
            if not self.r_hat[i] <= max_r_hat:
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

    def rows(self) -> list[list[object]]:
        """Return the summary as rows of a table, one for each dimension."""
        columns = (self.mean, self.sd, self.q05, self.q95, self.mcse)
        return [
            [
                name,
                *(float(f"{column[i]:.4g}") for column in columns),
                round(float(self.ess_bulk[i])),
                round(float(self.ess_tail[i])),
                round(float(self.r_hat[i]), 4),
            ]
            for i, name in enumerate(self.names)
        ]


_STATS: Any = BaseArray()  # the package carries no types

HEADER = ["", "mean", "sd", "5%", "95%", "MCSE", "ESS bulk", "ESS tail", "R-hat"]


def summarise(draws: NDArray[Any], names: Sequence[str] | None = None) -> Summary:
    """Summarise draws of several chains.

    Parameters
    ----------
    draws
        Shape (n_chains, n_draws, n_dim), at least 4 draws.
    names
        Of the dimensions; ``x[0]``, ``x[1]``, ... by default.

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
    values = np.asarray(draws, dtype=float)
    axes = {"chain_axis": 0, "draw_axis": 1}
    low, high = np.quantile(values, [0.05, 0.95], axis=(0, 1))
    return Summary(
        names=names,
        mean=values.mean((0, 1)),
        sd=values.std((0, 1), ddof=1),
        q05=low,
        q95=high,
        mcse=_STATS.mcse(values, method="mean", **axes),
        ess_bulk=_STATS.ess(values, method="bulk", **axes),
        ess_tail=_STATS.ess(values, method="tail", prob=(0.05, 0.95), **axes),
        r_hat=_STATS.rhat(values, **axes),
    )


def autocorrelation(draws: NDArray[Any], max_lag: int) -> Floats:
    """Autocorrelation of each chain, shape (n_chains, n_dim, max_lag + 1), by FFT."""
    n = draws.shape[1]
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
