"""Plots on axes that the caller makes; no plotting library is imported here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.routing.problem import Problem
    from core.routing.result import Step

__all__ = ["plot_load", "plot_progress", "plot_routes"]

_DASHES = ("-", "--", ":", "-.")
_NAMED_STOPS = 40  # names are drawn up to here; beyond they hide the routes


def plot_routes(
    problem: Problem,
    routes: Sequence[Sequence[int]],
    *,
    ax: Any,
    colours: Sequence[str],
    kinds: Sequence[int] = (),
) -> None:
    """Draw a map: one colour per dispatcher, depots as squares, stops left out as crosses.

    Parameters
    ----------
    problem
        With coordinates.
    routes
        Stop indices per dispatcher; dashes tell routes apart where colours repeat.
    ax
        Matplotlib axes.
    colours
        Used in turn.
    kinds
        Of `Problem.vehicles`, one per route.
    """
    x, y = problem.points[:, 0], problem.points[:, 1]
    few = problem.n_stops <= _NAMED_STOPS
    driving = kinds or [0] * len(routes)
    for number, (route, kind) in enumerate(zip(routes, driving, strict=True)):
        path = problem.path(route, kind)
        who = f" ({problem.vehicles[kind].name})" if problem.fleet else ""
        ax.plot(
            x[path],
            y[path],
            color=colours[number % len(colours)],
            linestyle=_DASHES[number // len(colours) % len(_DASHES)],
            linewidth=1.6 if problem.n_stops <= 500 else 0.8,
            marker="o" if problem.n_stops <= 500 else None,
            markersize=4 if few else 2,
            label=f"{number + 1}{who}: {len(route)} stops" if len(routes) <= 12 else None,
        )
    left = problem.left_out(routes)
    if left:
        ax.plot(x[left], y[left], "x", markersize=6, color="#808080", label="left out")
    elif not routes:
        ax.plot(x[1:], y[1:], "o", markersize=4, color=colours[0], label="stops, not served")
    depots = problem.depot_places
    what = "depot" if len(depots) == 1 else "depots"
    ax.plot(x[depots], y[depots], "s", markersize=9, color=colours[-1], label=what, zorder=5)
    if few:
        for name, a, b in zip(problem.ids[1:], x[1:], y[1:], strict=True):
            ax.annotate(name, (a, b), xytext=(3, 3), textcoords="offset points", fontsize=7)
    if problem.metric == "great_circle":
        ax.set_xlabel("longitude (degrees)")
        ax.set_ylabel("latitude (degrees)")
        middle = math.radians(float(y.mean()))
        ax.set_aspect(1 / max(0.1, math.cos(middle)), adjustable="datalim")
    else:
        ax.set_xlabel("x (unit of the input)")
        ax.set_ylabel("y (unit of the input)")
        ax.set_aspect("equal", adjustable="datalim")
    ax.legend(title="dispatcher", loc="center left", bbox_to_anchor=(1.0, 0.5))


def plot_load(
    problem: Problem,
    works: Sequence[Mapping[str, float]],
    *,
    axes: Sequence[Any],
    colours: Sequence[str],
) -> None:
    """Draw what each dispatcher does as bars, one axis for each kind of work.

    Parameters
    ----------
    problem
        Its bounds are drawn beside the bars.
    works
        Per dispatcher, as `core.routing.formats.work_of` gives it.
    axes
        As many Matplotlib axes as there are kinds of work; those left over are hidden.
    colours
        Used in turn.
    """
    numbers = [str(number) for number in range(1, len(works) + 1)]
    paint = [colours[number % len(colours)] for number in range(len(works))]
    bounds = {
        "stops": (problem.min_stops, problem.max_stops),
        "distance": (problem.min_distance, problem.max_distance),
        "minutes": (problem.min_time, problem.max_time),
        "load": (None, problem.capacity),
    }
    labels = {
        "distance": f"distance ({problem.distance_unit})",
        "minutes": "time (min)",
        "waiting": "waiting (min)",
    }
    for ax, what in zip(axes, works[0], strict=False):
        ax.bar(numbers, [work[what] for work in works], color=paint)
        ax.set_ylabel(labels.get(what, what))
        for bound, name in zip(bounds.get(what, (None, None)), ("minimum", "maximum"), strict=True):
            if bound is not None:
                _draw_bound(ax, bound, name)
        ax.set_xlabel("dispatcher")
        if len(numbers) > 20:
            ax.set_xticks([])
    for ax in axes[len(works[0]) :]:
        ax.set_visible(False)


def _draw_bound(ax: Any, bound: float, name: str) -> None:
    ax.axhline(bound, color="#808080", linestyle="--", linewidth=1)
    ax.annotate(
        name,
        (1, bound),
        xycoords=("axes fraction", "data"),
        xytext=(2, -2),
        textcoords="offset points",
        fontsize=7,
    )


def plot_progress(
    trace: Sequence[Step], *, ax: Any, colours: Sequence[str], what: str = "cost"
) -> None:
    """Draw best cost and lower bound over time; `what` says what the cost is."""
    for name, colour in (("cost", colours[0]), ("lower_bound", colours[1])):
        known = [(step.seconds, getattr(step, name)) for step in trace]
        known = [(seconds, value) for seconds, value in known if value is not None]
        if known:
            seconds, values = zip(*known, strict=True)
            label = name.replace("_", " ")
            ax.step(seconds, values, where="post", color=colour, marker=".", label=label)
    ax.set_xlabel("time (s)")
    ax.set_ylabel(what)
    ax.legend()
