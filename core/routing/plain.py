"""Turn a problem into one whose lower bounds we know, and in which no routes cost more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import Problem

__all__ = ["never_driven", "plain_problem"]

_ROUNDING = 1e-6  # relative: what the checker lets a sum exceed a bound by


def plain_problem(problem: Problem) -> Problem | None:
    """Return the problem without windows, pickups and vehicles that differ; None if there is none.

    A fleet's routes cost at least those of its cheapest vehicle, with the largest capacity; half of
    its fixed cost is on each way out of the depot and back. With prizes or several depots, or a
    fleet whose distance costs nothing, there is no such problem.

    Examples
    --------
    >>> from core.routing import Problem
    >>> fleet = [{"fixed_cost": 8}, {"distance_cost": 2, "fixed_cost": 6}]
    >>> plain_problem(Problem(points=[[0, 0], [3, 4]], fleet=fleet)).cost([[1]])  # 5 + 5 + 6
    16.0
    """
    if problem.prizes is not None or problem.depots > 1:
        return None
    if not problem.fleet:
        return problem.relaxed()
    kinds = range(len(problem.fleet))
    price = min(vehicle.distance_cost for vehicle in problem.fleet)
    if not price:
        return None
    costs = problem.closed().distances() * price
    half = min(vehicle.fixed_cost for vehicle in problem.fleet) / 2
    costs[0, 1:] += half
    costs[1:, 0] += half
    capacities = [problem.limit("capacity", kind) for kind in kinds]
    largest = None if None in capacities else max(c for c in capacities if c is not None)
    return problem.replace(
        matrix=costs, fleet=(), dispatchers=min(problem.dispatchers, problem.n_stops),
        crew=problem.crew, capacity=largest, max_distance=None, max_time=None, open_routes=False,
    ).relaxed()  # fmt: skip


def never_driven(problem: Problem) -> NDArray[np.bool_]:
    """Tell for each way whether no route takes it: too late for a window, or too much on board.

    Examples
    --------
    >>> from core.routing import Problem
    >>> windows = [(0, 99), (0, 9), (50, 60)]
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], speed=60, windows=windows)
    >>> never_driven(problem).tolist()
    [[False, False, False], [False, False, False], [False, True, False]]
    """
    n = problem.n_places
    every = np.arange(n)
    lost = np.zeros((n, n), dtype=np.bool_)
    if problem.scheduled:
        windows = np.array([problem.window(place) for place in every.tolist()])
        service = np.zeros(n) if problem.service is None else problem.service
        reached = windows[:, :1] + service[:, None] + problem.driving_time(every[:, None], every)
        lost |= reached > windows[:, 1] * (1 + _ROUNDING)
    limits = [problem.limit("capacity", kind) for kind in range(len(problem.vehicles))]
    known = [limit for limit in limits if limit is not None]
    if problem.demands is not None and problem.origins is None and len(known) == len(limits):
        together = problem.demands[:, None] + problem.demands
        lost |= together > max(known) * (1 + _ROUNDING)
    lost[problem.depot_places] = lost[:, problem.depot_places] = False
    np.fill_diagonal(lost, val=False)
    return lost
