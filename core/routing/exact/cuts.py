"""Cuts of the edge model, and the ones that an integer point breaks.

With E(S) the edges within a set S of stops and U, L the most and fewest stops of a dispatcher:

- ``x(E(S)) <= |S| - ceil(|S| / U)``: S needs that many routes (no subtour, no route above U);
- ``x(E(S)) + x(0, S) <= |S|`` for |S| < L: no whole route fits within S (no route below L).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.routing.problem import Problem

__all__ = ["Cut", "Edge", "find_cuts"]

Edge = tuple[int, int]
"""A pair of places, the smaller first."""


@dataclass(frozen=True)
class Cut:
    """``x(E(stops)) [+ x(0, stops)] <= limit``."""

    stops: frozenset[int]
    limit: int
    with_depot: bool = False


def find_cuts(problem: Problem, edges: dict[Edge, int]) -> list[Cut]:
    """List the cuts that an integer point breaks; none when it is a set of valid routes.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [5, 0], [6, 0], [5, 1]])
    >>> find_cuts(problem, {(0, 1): 2, (2, 3): 1, (3, 4): 1, (2, 4): 1})
    [Cut(stops=frozenset({2, 3, 4}), limit=2, with_depot=False)]
    """
    most, least = problem.most_stops, problem.min_stops
    cuts = []
    for stops in _parts(problem.n_stops, edges):
        size = len(stops)
        inside = sum(count for (i, j), count in edges.items() if i in stops and j in stops)
        limit = size - math.ceil(size / most)
        if inside > limit:
            cuts.append(Cut(stops, limit))
        elif size < least:
            cuts.append(Cut(stops, size, with_depot=True))
    return cuts


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
