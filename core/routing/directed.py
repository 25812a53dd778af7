"""One closed tour where the two directions of a way differ: exchanges that reverse nothing.

Two neighbouring stretches change places (the segment insertion of Kanellakis and Papadimitriou,
1980), which replaces three arcs and leaves the direction of all others. Where such moves end, a
double bridge replaces four arcs at once, which no single move undoes. The search starts from the
better of two tours: the one that is given, and the cheapest set of loops through all places (the
assignment problem), patched into one (Karp, 1979).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.routing._jit import kernel, native
from core.routing.assignment import MOST_ASSIGNED, assign
from core.routing.geometry import geometry, leg
from core.routing.tour import Kicks, repeat_kicks, tour_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.geometry import Geometry
    from core.routing.problem import FloatArray, Problem

__all__ = ["kick_directed", "patched"]

_NEAR = 12  # places to go on to, nearest by what the assignment's prices leave of the distance
_GAIN = 1e-10  # what a move must gain, relative to the longest distance: more than rounding feigns
_ROOM = 1000  # exchanges that can be taken back after a kick
_LONGEST = 50  # places in a stretch that a kick moves: its cost does not grow with the tour


class _Tour(NamedTuple):
    """A tour with a direction, and what a search of better ones works with.

    Attributes
    ----------
    order, position
        The place at each index, and the index of each place.
    near, degree
        Where to go on to from each place, flat, `degree` per place, nearest first.
    geo
        Argument of `leg`.
    queue, queued
        Circular queue of places to look at, and whether a place is in it.
    journal
        Exchanges as three indices each, for `_undo`. When it is full the search ends early.
    stretch
        Room for the places that are moved.
    move
        The three indices of the exchange that was found.
    gain
        What a move must gain, in the unit of the distances.
    """

    order: Any
    position: Any
    near: Any
    degree: int
    geo: Geometry
    queue: Any
    queued: Any
    journal: Any
    stretch: Any
    move: Any
    gain: float


def kick_directed(problem: Problem, tour: NDArray[np.intp], limits: Kicks) -> NDArray[np.intp]:
    """Improve a tour by exchanges of neighbouring stretches, and by local kicks.

    Parameters
    ----------
    problem
        Any distances.
    tour
        All places in closed order.
    limits
        When to end, and the seed.

    Examples
    --------
    >>> from core.routing import Problem
    >>> ways = np.full((8, 8), 9)
    >>> ways[np.arange(8), (np.arange(8) + 3) % 8] = 1
    >>> problem = Problem(matrix=ways)
    >>> found = kick_directed(problem, np.arange(8), Kicks(kicks=10))
    >>> tour_length(problem, found)
    8.0
    """
    matrix = problem.distances()
    n = len(tour)
    reaching = np.zeros(n)
    if n <= MOST_ASSIGNED:
        loops, (_, reaching) = assign(matrix)
        start = patched(matrix, loops)
        tour = min(tour, start, key=lambda one: tour_length(problem, one))
    degree = min(_NEAR, n - 1)
    near = np.empty((n, degree), dtype=np.intp)
    for number, place in enumerate(tour):
        left = matrix[place, tour] - reaching[tour]  # its own price changes nothing in the order
        left[number] = np.inf
        near[number] = np.argsort(left, kind="stable")[:degree]
    order, position, queue = (native(np.arange(n, dtype=np.intp)) for _ in range(3))
    found = _Tour(
        order,
        position,
        native(near.ravel()),
        degree,
        geometry(problem, tour),
        queue,
        native(np.ones(n, dtype=np.bool_)),
        native(np.zeros(3 * _ROOM, dtype=np.intp)),
        native(np.zeros(n, dtype=np.intp)),
        native(np.zeros(3, dtype=np.intp)),
        _GAIN * float(matrix.max()),
    )
    _local_search(found, n, 0, 2**62)
    return repeat_kicks(problem, tour, found, _kick, limits)


def patched(matrix: FloatArray, onward: NDArray[np.intp]) -> NDArray[np.intp]:
    """Join loops into one tour: always the two largest, where it costs least.

    Parameters
    ----------
    matrix
        Distances.
    onward
        The place after each; every place is on one loop.

    Examples
    --------
    >>> ways = np.array([[9, 1, 5, 5], [1, 9, 5, 2], [2, 5, 9, 1], [5, 5, 1, 9]])
    >>> patched(ways, np.array([1, 0, 3, 2])).tolist()
    [2, 0, 1, 3]
    """
    loops = sorted(_loops(onward), key=len)
    whole = loops.pop()
    while loops:
        other = loops.pop()
        after, beyond = np.roll(whole, -1), np.roll(other, -1)
        added = (
            matrix[np.ix_(whole, beyond)] + matrix[np.ix_(other, after)].T
            - matrix[whole, after][:, None] - matrix[other, beyond][None, :]
        )  # fmt: skip
        i, j = np.unravel_index(int(np.argmin(added)), added.shape)
        whole = np.concatenate((whole[: i + 1], np.roll(other, -int(j) - 1), whole[i + 1 :]))
    return whole


def _loops(onward: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    found, seen = [], np.zeros(len(onward), dtype=np.bool_)
    for first in range(len(onward)):
        loop, place = [], first
        while not seen[place]:
            seen[place] = True
            loop.append(place)
            place = int(onward[place])
        if loop:
            found.append(np.array(loop, dtype=np.intp))
    return found


@kernel
def _swap(tour: _Tour, i: int, middle: int, k: int) -> None:
    """Swap the stretches at indices i .. middle and middle + 1 .. k, which may pass the end."""
    order, position, stretch = tour.order, tour.position, tour.stretch
    n = len(order)
    first, second = (middle - i) % n + 1, (k - middle) % n
    if first <= second:
        for step in range(first):
            stretch[step] = order[(i + step) % n]
        for step in range(second):
            place = order[(i + first + step) % n]
            order[(i + step) % n] = place
            position[place] = (i + step) % n
        start, count = i + second, first
    else:
        for step in range(second):
            stretch[step] = order[(middle + 1 + step) % n]
        for step in range(first - 1, -1, -1):
            place = order[(i + step) % n]
            order[(i + second + step) % n] = place
            position[place] = (i + second + step) % n
        start, count = i, second
    for step in range(count):
        place = stretch[step]
        order[(start + step) % n] = place
        position[place] = (start + step) % n


@kernel
def _exchange(tour: _Tour, i: int, middle: int, k: int, noted: int) -> int:
    """Swap two stretches as `_swap` does, by moving as few places as possible, and note it."""
    n, journal = len(tour.order), tour.journal
    first, second = (middle - i) % n + 1, (k - middle) % n
    third = n - first - second
    # Round the circle, it is the same whichever two of the three stretches change places.
    if first > second and first > third:
        i, middle, k = (middle + 1) % n, k, (i - 1) % n
    elif second > third:
        i, middle, k = (k + 1) % n, (i - 1) % n, middle
    _swap(tour, i, middle, k)
    if 3 * noted < len(journal):
        journal[3 * noted], journal[3 * noted + 1], journal[3 * noted + 2] = i, middle, k
    return noted + 1


@kernel
def _undo(tour: _Tour, noted: int) -> None:
    """Take back the last `noted` exchanges of the journal."""
    n, journal = len(tour.order), tour.journal
    for entry in range(3 * noted - 3, -3, -3):
        i, middle, k = journal[entry], journal[entry + 1], journal[entry + 2]
        _swap(tour, i, (i + k - middle - 1) % n, k)


@kernel
def _find_move(tour: _Tour, base: int) -> float:
    """Find an exchange that leaves `base` for a nearer place; return its gain, or 0.

    With "base b .. c d .. e f", the stretches "b .. c" and "d .. e" change places.
    """
    order, position, near, degree, geo = (
        tour.order, tour.position, tour.near, tour.degree, tour.geo
    )  # fmt: skip
    n = len(order)
    start = position[base] + 1
    b = order[start % n]
    old = leg(geo, base, b)
    for t in range(base * degree, base * degree + degree):
        d = near[t]
        at = (position[d] - start) % n
        one = old - leg(geo, base, d)
        if one <= tour.gain or at == 0:
            continue
        c = order[position[d] - 1]
        one += leg(geo, c, d)
        for s in range(c * degree, c * degree + degree):
            f = near[s]
            two = one - leg(geo, c, f)
            end = (position[f] - start) % n
            if two <= tour.gain or end <= at:
                continue
            e = order[position[f] - 1]
            gain = two + leg(geo, e, f) - leg(geo, e, b)
            if gain > tour.gain:
                tour.move[0] = start % n
                tour.move[1] = (start + at - 1) % n
                tour.move[2] = (start + end - 1) % n
                return float(gain)
    return 0.0


@kernel
def _local_search(tour: _Tour, waiting: int, noted: int, most: int) -> tuple[float, int]:
    """Improve a tour in place by up to `most` exchanges; return the gain, and how many are noted.

    `waiting` places are in the queue, which is empty afterwards.
    """
    order, queue, queued, move = tour.order, tour.queue, tour.queued, tour.move
    n = len(order)
    head, total = 0, 0.0
    while waiting > 0:
        base = queue[head]
        head = (head + 1) % n
        waiting -= 1
        queued[base] = False
        while noted < most:
            gain = _find_move(tour, base)
            if gain == 0.0:
                break
            total += gain
            # What lies beside the new arcs is worth another look.
            ends = (
                order[move[1]], order[move[2]], order[(move[2] + 1) % n], order[move[0]],
                order[(move[1] + 1) % n]
            )  # fmt: skip
            noted = _exchange(tour, move[0], move[1], move[2], noted)
            for place in ends:
                if place != base and not queued[place]:
                    queue[(head + waiting) % n] = place
                    queued[place] = True
                    waiting += 1
    return total, noted


@kernel
def _kick(tour: _Tour, kicks: int, rng: Any) -> float:
    """Put three neighbouring stretches into reverse order, repair, and keep what is no longer.

    The stretches keep their directions: a double bridge, whose four arcs lie close together.
    """
    order, geo, n = tour.order, tour.geo, len(tour.order)
    longest, most = min(_LONGEST, (n - 1) // 3), len(tour.journal) // 3
    total = 0.0
    for _ in range(kicks):
        start = int(rng.random() * n)
        one = (start + 1 + int(rng.random() * longest)) % n
        two = (one + 1 + int(rng.random() * longest)) % n
        three = (two + 1 + int(rng.random() * longest)) % n
        a, b = order[start], order[(start + 1) % n]
        c, d = order[one], order[(one + 1) % n]
        e, f = order[two], order[(two + 1) % n]
        g, h = order[three], order[(three + 1) % n]
        # a b .. c d .. e f .. g h  ->  a f .. g d .. e b .. c h
        worse = (
            leg(geo, a, f) + leg(geo, g, d) + leg(geo, e, b) + leg(geo, c, h)
            - leg(geo, a, b) - leg(geo, c, d) - leg(geo, e, f) - leg(geo, g, h)
        )  # fmt: skip
        noted = _exchange(tour, (start + 1) % n, one, two, 0)
        first, last = tour.position[d], tour.position[c]
        noted = _exchange(tour, first, last, (last + (three - two) % n) % n, noted)
        waiting = 0
        for place in (a, b, c, d, e, f, g, h):
            if not tour.queued[place]:
                tour.queue[waiting] = place
                tour.queued[place] = True
                waiting += 1
        gain, noted = _local_search(tour, waiting, noted, most)
        if gain < worse - tour.gain:
            _undo(tour, noted)
        else:
            total += gain - worse
    return total
