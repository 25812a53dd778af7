"""Cuts of the edge model, and the ones that an integer point breaks.

With E(S) the edges within a set S of stops, L the fewest stops of a dispatcher and r(S) the number
of routes that S needs at least (`routes_needed`):

- ``x(E(S)) <= |S| - r(S)``: no subtour, no route with too much work;
- ``x(E(S)) + x(0, S) <= |S|`` for |S| < L: no whole route fits within S (no route below L);
- ``x(P) <= |P| - 1`` for the edges P of a path that no route can hold, where a set says too little.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.routing.ascent import ascent_bound
from core.routing.bounds import SLACK
from core.routing.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.routing.problem import FloatArray

__all__ = ["Cut", "Edge", "Needs", "exceeds", "find_cuts"]

Edge = tuple[int, int]
"""A pair of places, the smaller first."""

_ASCENT = 40  # iterations for the shortest tour of a set


@dataclass(frozen=True)
class Cut:
    """``x(E(stops)) [+ x(0, stops)] <= limit``, or ``x(path) <= limit`` where there is a path."""

    stops: frozenset[int]
    limit: int
    with_depot: bool = False
    path: frozenset[Edge] = frozenset()

    def mask(self, tail: np.ndarray, head: np.ndarray, places: int) -> np.ndarray:
        """Tell which edges count, as booleans."""
        if self.path:
            codes = [i * places + j for i, j in self.path]
            return np.isin(tail * places + head, codes)
        inside = np.zeros(places, dtype=bool)
        inside[sorted(self.stops)] = True
        chosen = inside[tail] & inside[head]
        if self.with_depot:
            chosen |= (tail == 0) & inside[head]
        return np.asarray(chosen)


class Needs:
    """How many routes a set of stops needs at least: by its size, demands and service."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        # Each row: the share of a route that each stop takes of one bound.
        shares = [np.full(problem.n_stops + 1, 1.0 / problem.most_stops)]
        if problem.capacity is not None:
            shares.append(problem.demands / problem.capacity)
        if problem.max_time is not None and problem.service is not None:
            shares.append(problem.service / problem.max_time)
        self.shares: FloatArray = np.array(shares)

    def routes(self, taken: FloatArray) -> int:
        """Return how many routes stops need whose shares add up to `taken`."""
        return max(1, math.ceil(float(taken.max()) - SLACK))

    def of_set(self, stops: frozenset[int]) -> int:
        """Return how many routes a set needs."""
        return self.routes(self.shares[:, sorted(stops)].sum(axis=1))

    def of_tour(self, stops: frozenset[int]) -> int:
        """Count the way between the stops too: more work, and a better bound.

        Needs the triangle inequality: then several routes through a set are never shorter in total
        than its best tour.
        """
        problem, found = self._problem, self.of_set(stops)
        if problem.matrix is not None or len(stops) < 2:
            return found
        every = [0, *sorted(stops)]
        alone = Problem(points=problem.points[every], metric=problem.metric, min_stops=2)
        path = np.arange(1, len(every))
        tour = ascent_bound(alone, alone.length(path), iterations=_ASCENT)
        if problem.max_distance is not None:
            found = max(found, math.ceil(tour / problem.max_distance - SLACK))
        if problem.max_time is not None and problem.times is None:
            served = 0.0 if problem.service is None else float(problem.service[every].sum())
            found = max(found, math.ceil((tour * problem.pace + served) / problem.max_time - SLACK))
        return found


def find_cuts(problem: Problem, edges: dict[Edge, int]) -> list[Cut]:
    """List the cuts that an integer point breaks; none when it is a set of valid routes.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [5, 0], [6, 0], [5, 1]])
    >>> [(sorted(cut.stops), cut.limit) for cut in find_cuts(
    ...     problem, {(0, 1): 2, (2, 3): 1, (3, 4): 1, (2, 4): 1})]
    [([2, 3, 4], 2)]
    """
    needs = Needs(problem)
    cuts = []
    for stops in _parts(problem.n_stops, edges):
        size = len(stops)
        within = {edge: count for edge, count in edges.items() if edge[1] in stops}
        inside = sum(count for (i, _), count in within.items() if i in stops)
        limit = size - needs.of_set(stops)
        if inside > limit:
            cuts.append(Cut(stops, limit))
        elif size < problem.min_stops:
            cuts.append(Cut(stops, size, with_depot=True))
        elif problem.max_distance is not None or problem.max_time is not None:
            cuts += _too_long(problem, needs, stops, within)
    return cuts


def _too_long(
    problem: Problem, needs: Needs, stops: frozenset[int], edges: dict[Edge, int]
) -> list[Cut]:
    """Return cuts that exclude a route that is too long; none if it is not."""
    route = _follow(edges)
    if not exceeds(problem, route):
        return []
    needed = needs.of_tour(stops)
    if needed > 1:
        return [Cut(stops, len(stops) - needed)]
    if problem.matrix is None and problem.times is None:
        # The shortest stretches that are too long by themselves: whatever is driven before and
        # behind them, the route stays too long.
        size = next(
            size
            for size in range(2, len(route) + 1)
            if any(exceeds(problem, route[i : i + size]) for i in range(len(route) - size + 1))
        )
        stretches = [route[i : i + size] for i in range(len(route) - size + 1)]
        paths = [_edges(part) for part in stretches if exceeds(problem, part)]
    else:
        paths = [_edges([0, *route, 0])]
    return [Cut(frozenset(), len(path) - 1, path=path) for path in paths]


def exceeds(problem: Problem, route: list[int]) -> bool:
    """Tell whether a route is longer than one may be."""
    wide = 1 + SLACK
    too_far = (
        problem.max_distance is not None and problem.length(route) > problem.max_distance * wide
    )
    too_late = problem.max_time is not None and problem.duration(route) > problem.max_time * wide
    return too_far or too_late


def _edges(path: list[int]) -> frozenset[Edge]:
    return frozenset((min(pair), max(pair)) for pair in itertools.pairwise(path))


def _follow(edges: dict[Edge, int]) -> list[int]:
    """List the stops of the one route that the edges make, depot left out.

    SCIP also asks about points at which a stop has too few or too many edges. Those are refused by
    the constraints on degrees; here they are followed as far as they lead.
    """
    left = [edge for edge, count in edges.items() for _ in range(count)]
    route, place = [], 0
    while edge := next((edge for edge in left if place in edge), None):
        left.remove(edge)
        place = edge[0] + edge[1] - place
        route.append(place)
    return [stop for stop in route if stop]


def _parts(n_stops: int, edges: Iterable[Edge]) -> list[frozenset[int]]:
    """Find the connected parts of the graph on the stops alone."""
    parent = list(range(n_stops + 1))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in edges:
        if i != 0:
            parent[root(i)] = root(j)
    groups: dict[int, set[int]] = {}
    for stop in range(1, n_stops + 1):
        groups.setdefault(root(stop), set()).add(stop)
    return [frozenset(group) for group in groups.values()]
