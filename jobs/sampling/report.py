"""Pool the chains of several jobs, check their convergence, and write the report.

    python -m jobs.sampling.report --draws A/draws.npz,B/draws.npz

Writes report.html (estimates with their Monte Carlo errors, R-hat, effective sample size; trace,
rank, running mean, autocorrelation and pair plots) and draws.npz with all chains. Chains that have
not converged give a warning with the numbers, in the log and on the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from azkaban_client.job import COLOURS, InputError, Outputs, Page, Run, figure, job, param
from core.mcmc.diagnostics import HEADER, Summary, autocorrelation, summarise
from jobs.sampling._common import Data, Draws

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["Params", "main"]

_SHOWN = 4  # dimensions that are plotted


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to pool, and what counts as converged."""

    draws: tuple[Path, ...] = param(doc="The draws.npz of several jobs.sampling.draw.")
    data: Path | None = param(None, doc="The data.npz, for the true values of simulated data.")
    max_r_hat: float = param(1.01, doc="R-hat up to which chains agree.", gt=1)
    min_ess: float = param(400, doc="Effective draws that are enough.", gt=0)


@job
def main(params: Params, run: Run) -> Outputs:
    """Pool, diagnose, plot."""
    parts = [Draws.load(path, "sampling.report.draws") for path in params.draws]
    if len({(part.names, part.draws.shape[1]) for part in parts}) > 1:
        raise InputError(
            f"{run.prefix}.draws: the files differ in their dimensions or in the number of draws; "
            "pool chains of the same problem and length"
        )
    pooled = Draws(
        np.concatenate([part.draws for part in parts]),
        np.concatenate([part.log_density for part in parts]),
        np.concatenate([part.acceptance_rate for part in parts]),
        parts[0].names,
    )
    pooled.save(run.dir / "draws.npz")
    truth = np.zeros(0)
    if params.data:
        truth = Data.load(params.data, "sampling.report.data").truth
    summary = summarise(pooled.draws, pooled.names)
    warnings = summary.warnings(max_r_hat=params.max_r_hat, min_ess=params.min_ess)
    for warning in warnings:
        run.log(f"WARNING: {warning}")
    report = run.report(_page(pooled, summary, truth, warnings))
    return {
        "report": report,
        "draws": run.dir / "draws.npz",
        "max_r_hat": round(float(np.max(summary.r_hat)), 4),
        "min_ess": _fewest(summary),
        "converged": str(not warnings).lower(),
    }


def _fewest(summary: Summary) -> float:
    """Return the smallest effective number of draws; NaN if any is unknown."""
    fewest = float(min(summary.ess_bulk.min(), summary.ess_tail.min()))
    return round(fewest) if np.isfinite(fewest) else fewest


def _page(
    pooled: Draws,
    summary: Summary,
    truth: np.ndarray[tuple[int], np.dtype[np.float64]],
    warnings: list[str],
) -> Page:
    n_chains, n_draws, n_dim = pooled.draws.shape
    page = Page("Posterior", f"{n_chains} chains, {n_draws:,} draws each")
    page.facts(
        "Convergence",
        [
            ("largest R-hat", f"{np.max(summary.r_hat):.3f}"),
            (
                "fewest effective draws",
                f"{_fewest(summary):,.0f}",
            ),
            ("acceptance rate", f"{pooled.acceptance_rate.mean():.1%}"),
            ("converged", "no" if warnings else "yes"),
        ],
    )
    if warnings:
        page.code("Warnings", "\n".join(warnings))
    rows = summary.rows()
    if truth.size == n_dim:
        rows = [[*row, round(float(value), 4)] for row, value in zip(rows, truth, strict=True)]
    page.table("Estimates", [*HEADER, *(["truth"] if truth.size == n_dim else [])], rows)
    chain, draw = np.unravel_index(pooled.log_density.argmax(), pooled.log_density.shape)
    if np.ptp(pooled.log_density):
        best = pooled.draws[chain, draw]
        page.table(
            "Best set (highest density drawn)",
            list(pooled.names),
            [[float(f"{value:.5g}") for value in best]],
        )
    shown = min(n_dim, _SHOWN)
    page.plot("Trace", _trace(pooled, shown), "Each chain after burn-in")
    page.plot("Rank", _rank(pooled, shown), "Ranks of each chain's draws among all: flat if alike")
    page.plot("Running mean", _running(pooled, shown), "Mean of each chain's draws so far")
    page.plot("Autocorrelation", _lags(pooled, shown), "Mean over chains")
    if np.isfinite(pooled.draws).all(axis=2).any():
        about = "Draws of all chains, at most 2,000: the more, the stronger"
        page.plot("Pairs", _pairs(pooled, shown), about)
    return page


def _grid(pooled: Draws, shown: int, label: str) -> tuple[Figure, list[object]]:
    fig = figure(7.0, 1.5 * shown + 0.6)
    axes = list(fig.subplots(shown, 1, sharex=True, squeeze=False)[:, 0])
    for axis, name in zip(axes, pooled.names, strict=False):
        axis.set_ylabel(name)
    axes[-1].set_xlabel(label)
    return fig, axes


def _trace(pooled: Draws, shown: int) -> Figure:
    fig, axes = _grid(pooled, shown, "draw")
    step = max(pooled.draws.shape[1] // 500, 1)
    for i, axis in enumerate(axes):
        for c, chain in enumerate(pooled.draws[:, ::step, i]):
            at = np.arange(len(chain)) * step
            axis.plot(at, chain, lw=0.6, color=COLOURS[c % len(COLOURS)])  # type: ignore[attr-defined]
    return fig


def _rank(pooled: Draws, shown: int) -> Figure:
    fig, axes = _grid(pooled, shown, "rank among the draws of all chains")
    for i, axis in enumerate(axes):
        values = pooled.draws[..., i]
        shuffled = np.random.default_rng(0).permutation(values.size)  # ties in no one's favour
        ranks = np.empty(values.size, dtype=int)
        ranks[shuffled[values.ravel()[shuffled].argsort(kind="stable")]] = np.arange(values.size)
        edges = np.linspace(0, values.size, 21)
        for c, chain in enumerate(ranks.reshape(values.shape)):
            counts, _ = np.histogram(chain, edges)
            axis.stairs(counts, edges, color=COLOURS[c % len(COLOURS)])  # type: ignore[attr-defined]
    return fig


def _running(pooled: Draws, shown: int) -> Figure:
    fig, axes = _grid(pooled, shown, "draw")
    n = pooled.draws.shape[1]
    at = np.unique(np.geomspace(1, n, 200).astype(int)) - 1
    for i, axis in enumerate(axes):
        means = pooled.draws[..., i].cumsum(1) / np.arange(1, n + 1)
        for c, chain in enumerate(means):
            axis.plot(at + 1, chain[at], lw=1, color=COLOURS[c % len(COLOURS)])  # type: ignore[attr-defined]
    return fig


def _lags(pooled: Draws, shown: int) -> Figure:
    fig = figure()
    axis = fig.subplots()
    lags = autocorrelation(pooled.draws, min(60, pooled.draws.shape[1] - 1)).mean(0)
    for i in range(shown):
        axis.plot(lags[i], color=COLOURS[i % len(COLOURS)], label=pooled.names[i])
    axis.set_xlabel("lag (draws)")
    axis.set_ylabel("autocorrelation")
    axis.legend()
    return fig


def _shades() -> Colormap:
    """Make shades of one colour, the stronger the more: readable on light and dark."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    return LinearSegmentedColormap.from_list(
        "shades", [to_rgba(COLOURS[0], alpha) for alpha in (0.2, 1.0)]
    )


def _pairs(pooled: Draws, shown: int) -> Figure:
    points = pooled.draws.reshape(-1, pooled.draws.shape[2])
    points = points[np.isfinite(points).all(axis=1)]
    points = points[:: max(len(points) // 2000, 1), :shown]
    shades = _shades()
    fig = figure(7.0, 7.0 if shown > 1 else 3.6)
    axes = fig.subplots(shown, shown, squeeze=False)
    for i in range(shown):
        for j in range(shown):
            axis = axes[i][j]
            if i == j:
                axis.hist(points[:, i], 30, color=COLOURS[0])
            elif j < i:
                axis.hexbin(points[:, j], points[:, i], gridsize=24, mincnt=1, cmap=shades)
            else:
                axis.set_visible(False)
            if i == shown - 1:
                axis.set_xlabel(pooled.names[j])
            if j == 0:
                axis.set_ylabel(pooled.names[i] if i else "draws")
    return fig


if __name__ == "__main__":
    main.start()
