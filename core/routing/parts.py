"""Parts of a plan that can be improved independently: neighbouring routes, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.problem import Problem

__all__ = ["group_routes", "subproblem"]


def group_routes(problem: Problem, routes: Sequence[Sequence[int]], parts: int) -> list[list[int]]:
    """Group routes into at most `parts` sectors around the depot with about as many stops each.

    Parameters
    ----------
    problem
        With coordinates.
    routes
        Stop indices per dispatcher.
    parts
        Number of groups, 1 or more; there are fewer where there are fewer routes.

    Returns
    -------
    list
        Numbers of routes per group, from 0.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], dispatchers=4)
    >>> group_routes(problem, [[1], [3], [2], [4]], 2)
    [[3, 0], [2, 1]]
    """
    centres = np.array([problem.points[list(route)].mean(axis=0) for route in routes])
    offset = centres - problem.points[0]
    order = np.argsort(np.arctan2(offset[:, 1], offset[:, 0]), kind="stable")
    sizes = np.array([len(routes[number]) for number in order])
    middle = np.cumsum(sizes) - sizes / 2
    group = np.minimum(parts - 1, (middle * parts / sizes.sum()).astype(int))
    return [order[group == part].tolist() for part in np.unique(group)]


def subproblem(
    problem: Problem, routes: Sequence[Sequence[int]]
) -> tuple[Problem, list[list[int]]]:
    """Make the problem of some routes alone, and the routes in its numbering.

    Stop i of the subproblem has the same id as in the whole.

    Parameters
    ----------
    problem
        The whole; its bounds hold for each route.
    routes
        One or more of its routes.
    """
    places = np.array([0, *(stop for route in routes for stop in route)])
    index = {int(place): i for i, place in enumerate(places)}
    part = problem.replace(
        points=None if problem.points is None else problem.points[places],
        matrix=None if problem.matrix is None else problem.matrix[np.ix_(places, places)],
        ids=tuple(problem.ids[place] for place in places),
        dispatchers=len(routes),
    )
    return part, [[index[stop] for stop in route] for route in routes]
