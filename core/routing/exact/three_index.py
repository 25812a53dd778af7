"""Arc models, one binary per arc and dispatcher: the notes' formulation, and it put right.

The notes' model (`subtours="allowed"`) asks that every stop is entered and left once, that each
dispatcher leaves the depot and comes back once, and that a dispatcher who enters a stop leaves it.
Nothing ties a stop to the depot, so closed loops that no dispatcher ever reaches satisfy all of it
and are cheaper. `subtours="mtz"` adds the missing constraint: positions ``u_i`` that grow along
every arc between stops (Miller, Tucker and Zemlin, 1960), in the form lifted by Desrochers and
Laporte (1991)::

    u_i - u_j + U x_ij + (U - 2) x_ji <= U - 1        for stops i != j, 1 <= u_i <= U

where U is the most stops of a dispatcher. One more constraint of the notes is wrong: at most one of
the arcs i -> j and j -> i may be used "so that one way is taken by one dispatcher", which for the
depot forbids a dispatcher with a single stop. The corrected model asks it of stops only.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import numpy as np
import pulp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.routing.problem import Problem

__all__ = ["Arc", "build", "start_values", "trace_arcs"]

Arc = tuple[int, int, int]
"""Dispatcher, from, to."""


def build(
    problem: Problem, *, subtours: Literal["allowed", "mtz"] = "mtz"
) -> tuple[pulp.LpProblem, dict[Arc, pulp.LpVariable]]:
    """Write the model.

    Parameters
    ----------
    problem
        Any distances, symmetric or not.
    subtours
        ``allowed`` is the notes' model as published, ``mtz`` the corrected one.

    Returns
    -------
    model, x
        ``x[k, i, j]`` is 1 where dispatcher k drives from i to j.

    Examples
    --------
    >>> from core.routing import Problem
    >>> model, x = build(Problem(points=[[0, 0], [1, 0], [0, 1]], dispatchers=2))
    >>> len(x)  # 2 dispatchers, 3 * 2 arcs
    12
    """
    distance = problem.distances().tolist()
    places, crew = range(problem.n_stops + 1), range(problem.dispatchers)
    stops = places[1:]
    model = pulp.LpProblem("Logistics", pulp.LpMinimize)
    x = {
        (k, i, j): model.add_variable(f"x_{k}_{i}_{j}", 0, 1, cat=pulp.LpBinary)
        for k in crew
        for i in places
        for j in places
        if i != j
    }
    driven = [
        pulp.lpSum(distance[i][j] * var for (own, i, j), var in x.items() if own == k) for k in crew
    ]
    if problem.objective == "makespan":
        longest = model.add_variable("longest", 0)
        model += longest
        for k in crew:
            model += driven[k] <= longest, f"longest_{k}"
    else:
        model += pulp.lpSum(driven)

    first = 0 if subtours == "allowed" else 1
    for i in places[first:]:
        for j in places[i + 1 :]:
            model += pulp.lpSum(x[k, i, j] + x[k, j, i] for k in crew) <= 1, f"one_way_{i}_{j}"
    for i in stops:
        model += pulp.lpSum(x[k, i, j] for k in crew for j in places if j != i) == 1, f"leave_{i}"
        model += pulp.lpSum(x[k, j, i] for k in crew for j in places if j != i) == 1, f"enter_{i}"
    for k in crew:
        _add_route(model, problem, x, k, driven[k] if subtours == "mtz" else None)
    if subtours == "mtz":
        _order_stops(model, x, problem)
    return model, x


def _add_route(
    model: pulp.LpProblem,
    problem: Problem,
    x: dict[Arc, pulp.LpVariable],
    k: int,
    driven: pulp.LpAffineExpression | None,
) -> None:
    """Let dispatcher k drive one route; given what that adds up to, within its bounds too."""
    places = range(problem.n_stops + 1)
    stops = places[1:]
    used = pulp.lpSum(x[k, 0, j] for j in stops)
    home = pulp.lpSum(x[k, j, 0] for j in stops)
    if problem.crew == "fixed":
        model += used == 1, f"out_{k}"
        model += home == 1, f"home_{k}"
    else:
        model += used <= 1, f"out_{k}"
        model += home == used, f"home_{k}"
    for i in stops:
        entered = pulp.lpSum(x[k, j, i] for j in places if j != i)
        left = pulp.lpSum(x[k, i, j] for j in places if j != i)
        model += entered == left, f"through_{k}_{i}"
    if driven is not None:
        for name, work, least, most in _work(problem, x, k, driven):
            if least:
                model += work >= least * used, f"least_{name}_{k}"
            if most is not None:
                model += work <= most * used, f"most_{name}_{k}"


def _work(
    problem: Problem, x: dict[Arc, pulp.LpVariable], k: int, driven: pulp.LpAffineExpression
) -> Iterator[tuple[str, pulp.LpAffineExpression, float | None, float | None]]:
    """List what dispatcher k does, with its bounds: stops, distance, time, load."""
    arcs = {(i, j): var for (own, i, j), var in x.items() if own == k}
    entered = {arc: var for arc, var in arcs.items() if arc[1] != 0}
    yield "stops", pulp.lpSum(entered.values()), problem.min_stops, problem.most_stops
    if problem.min_distance is not None or problem.max_distance is not None:
        yield "distance", driven, problem.min_distance, problem.max_distance
    if problem.timed:
        served = np.zeros(problem.n_stops + 1) if problem.service is None else problem.service
        minutes = {(i, j): float(problem.driving_time(i, j)) + float(served[j]) for i, j in arcs}
        spent = pulp.lpSum(minutes[arc] * var for arc, var in arcs.items())
        yield "time", spent, problem.min_time, problem.max_time
    if problem.capacity is not None:
        load = pulp.lpSum(float(problem.demands[j]) * var for (_, j), var in entered.items())
        yield "load", load, None, problem.capacity


def _order_stops(model: pulp.LpProblem, x: dict[Arc, pulp.LpVariable], problem: Problem) -> None:
    most, crew, stops = (
        problem.most_stops,
        range(problem.dispatchers),
        range(1, problem.n_stops + 1),
    )
    u = {i: model.add_variable(f"u_{i}", 1, most) for i in stops}
    for i in stops:
        for j in stops:
            if i == j:
                continue
            onward = pulp.lpSum(x[k, i, j] for k in crew)
            back = pulp.lpSum(x[k, j, i] for k in crew)
            if most == 1:
                model += onward == 0, f"order_{i}_{j}"
            else:
                model += (
                    u[i] - u[j] + most * onward + (most - 2) * back <= most - 1,
                    f"order_{i}_{j}",
                )


def start_values(
    x: dict[Arc, pulp.LpVariable], routes: tuple[tuple[int, ...], ...], longest: float
) -> dict[str, float]:
    """Return the values of the variables for known routes, to start the solver from."""
    values = {"longest": longest}
    for k, route in enumerate(routes):
        path = [0, *route, 0]
        for i, j in itertools.pairwise(path):
            values[x[k, i, j].name] = 1.0
        for position, stop in enumerate(route, 1):
            values[f"u_{stop}"] = float(position)
    return values


def trace_arcs(arcs: list[Arc]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Follow the chosen arcs; return routes (per dispatcher, depot left out) and closed loops.

    Examples
    --------
    >>> trace_arcs([(0, 0, 1), (0, 1, 0), (0, 2, 3), (0, 3, 4), (0, 4, 2)])
    ([(1,)], [(2, 3, 4)])
    """
    routes, loops = [], []
    for k in sorted({k for k, _, _ in arcs}):
        onward = {i: j for crew, i, j in arcs if crew == k}
        routes.append(_follow(onward, 0)[1:])
        while onward:
            loops.append(_follow(onward, min(onward)))
    return routes, loops


def _follow(onward: dict[int, int], start: int) -> tuple[int, ...]:
    """Walk from `start` until the walk closes, using up the arcs."""
    path, place = [start], onward.pop(start)
    while place != start:
        path.append(place)
        place = onward.pop(place)
    return tuple(path)
