"""One closed tour: greedy start, then 2-opt and Or-opt over near neighbours.

The tour is an array with the position of each place beside it. A place whose surroundings have not
changed since it was last looked at is skipped (don't-look bits; Bentley, 1992), which is kept here
as a queue of the places that are worth a look.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.routing._jit import kernel, native
from core.routing.geometry import geometry, leg, neighbours

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from core.routing.geometry import Geometry
    from core.routing.problem import Problem

__all__ = [
    "NEAR",
    "Kicks",
    "greedy_tour",
    "improve_tour",
    "kick_tour",
    "repeat_kicks",
    "tour_length",
]

NEAR = 10  # neighbours looked at per place (Johnson and McGeoch, 1997, use 20 in quadrants)

# A move must gain more than rounding can feign, or two moves could undo each other for ever: so
# much of the longest distance.
_GAIN = 1e-10
# On the globe distances come from unit vectors, whose rounding is about a micrometre.
_GAIN_ON_GLOBE = 1e-9

_ROOM = 1000  # reversals that can be taken back after a kick
_MOVE = 5  # places that a move names
_CHUNK_SECONDS = 0.1


class Tour(NamedTuple):
    """A closed tour, and what a search of better ones works with.

    Attributes
    ----------
    order, position
        The place at each index, and the index of each place.
    near, degree
        Neighbours, flat, `degree` per place, nearest first.
    geo
        Argument of `leg`.
    queue, queued
        Circular queue (as long as the tour) of places to look at, and whether a place is in it.
    journal
        Reversals as pairs of indices, for `_undo`. When it is full the search ends early; one
        without room notes nothing and ends nothing.
    move
        The move that was found: see `_find_move`.
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
    move: Any
    gain: float

    @classmethod
    def of(cls, problem: Problem, tour: NDArray[np.intp], room: int) -> Tour:
        """Prepare a tour: number its places from 0, with room to note so many reversals."""
        n = len(tour)
        near = neighbours(problem, NEAR, tour)
        order, position, queue = (native(np.arange(n, dtype=np.intp)) for _ in range(3))
        return cls(
            order,
            position,
            native(near.ravel()),
            near.shape[1],
            geometry(problem, tour),
            queue,
            native(np.zeros(n, dtype=np.bool_)),
            native(np.zeros(2 * room, dtype=np.intp)),
            native(np.zeros(_MOVE, dtype=np.intp)),
            _least_gain(problem, tour),
        )


def _least_gain(problem: Problem, tour: NDArray[np.intp]) -> float:
    """Return what tells a gain from rounding, whatever the unit of the distances."""
    if problem.matrix is not None:
        return _GAIN * float(problem.matrix.max())
    gain = _GAIN * float(problem.between(tour[0], tour).max())
    return max(gain, _GAIN_ON_GLOBE) if problem.metric == "great_circle" else gain


def tour_length(problem: Problem, tour: NDArray[np.intp]) -> float:
    """Return the length of a closed tour of places."""
    return float(problem.between(tour, np.roll(tour, -1)).sum())


def greedy_tour(problem: Problem, places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Build a closed tour from the shortest edges that keep it a set of paths.

    Typically 14 to 20% above the best tour of random points (Johnson and McGeoch, 1997).

    Parameters
    ----------
    problem
        Distances; a matrix is taken in the direction of the smaller index.
    places
        What to visit, indices into the problem.
    """
    n = len(places)
    if n <= 3:
        return places.copy()
    degree = np.zeros(n, dtype=np.intp)
    mates = np.full((n, 2), -1, dtype=np.intp)
    parent = np.arange(n, dtype=np.intp)
    loose = np.arange(n, dtype=np.intp)
    # Ever fewer ends of paths are left, so that near neighbours among them soon reach everywhere.
    while len(loose) > 2:
        near = neighbours(problem, min(8, len(loose) - 1), places[loose])
        start = np.repeat(loose, near.shape[1])
        end = loose[near.ravel()]
        once = (start < end) | ~np.isin(end, loose)
        start, end = start[once], end[once]
        lengths = problem.between(places[start], places[end])
        order = np.argsort(lengths, kind="stable")
        state = [native(part) for part in (degree, mates.ravel(), parent)]
        added = _join(native(start[order]), native(end[order]), *state)
        degree, flat, parent = (np.asarray(part, dtype=np.intp) for part in state)
        mates = flat.reshape(n, 2)
        loose = np.nonzero(degree < 2)[0]
        if added == 0:
            _join_all(problem, places, loose, degree, mates, parent)
            loose = np.nonzero(degree < 2)[0]
    if len(loose) == 2:
        a, b = loose
        mates[a, degree[a]], mates[b, degree[b]] = b, a
    order = native(np.zeros(n, dtype=np.intp))
    _walk(native(mates.ravel()), order)
    return places[np.asarray(order, dtype=np.intp)]


def _join_all(
    problem: Problem,
    places: NDArray[np.intp],
    loose: NDArray[np.intp],
    degree: NDArray[np.intp],
    mates: NDArray[np.intp],
    parent: NDArray[np.intp],
) -> None:
    """Join the first path to another, where all near neighbours of ends are on their own path."""
    roots = np.array([_root(parent, int(i)) for i in loose])
    own, others = loose[roots == roots[0]], loose[roots != roots[0]]
    lengths = problem.between(places[own][:, None], places[others][None, :])
    i, j = np.unravel_index(int(np.argmin(lengths)), lengths.shape)
    a, b = int(own[i]), int(others[j])
    mates[a, degree[a]], mates[b, degree[b]] = b, a
    degree[a] += 1
    degree[b] += 1
    parent[_root(parent, a)] = _root(parent, b)


@kernel
def _root(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _join(start: Any, end: Any, degree: Any, mates: Any, parent: Any) -> int:
    """Take edges in the given order wherever both ends are free and on different paths."""
    added = 0
    for edge in range(len(start)):
        a, b = start[edge], end[edge]
        if degree[a] == 2 or degree[b] == 2:
            continue
        root_a, root_b = _root(parent, a), _root(parent, b)
        if root_a == root_b:
            continue
        parent[root_a] = root_b
        mates[2 * a + degree[a]] = b
        mates[2 * b + degree[b]] = a
        degree[a] += 1
        degree[b] += 1
        added += 1
    return added


@kernel
def _walk(mates: Any, order: Any) -> None:
    previous, place = -1, 0
    for step in range(len(order)):
        order[step] = place
        onward = mates[2 * place]
        if onward == previous:
            onward = mates[2 * place + 1]
        previous, place = place, onward


def improve_tour(problem: Problem, tour: NDArray[np.intp]) -> NDArray[np.intp]:
    """Apply 2-opt and Or-opt moves until none of them shortens the tour.

    Parameters
    ----------
    problem
        Symmetric distances (reversing a stretch must not change its length).
    tour
        Places in closed order, the depot among them or not.
    """
    n = len(tour)
    if n < 4:
        return tour.copy()
    found = Tour.of(problem, tour, 0)
    for place in range(n):
        found.queued[place] = True
    _local_search(found, n, 0)
    return tour[np.asarray(found.order, dtype=np.intp)]


class Kicks(NamedTuple):
    """When to end a search by kicks, and the seed of its random numbers.

    Attributes
    ----------
    time_limit, kicks
        Seconds of wall time, or the number of kicks for the same tour every time.
    seed
        Seed of the random numbers.
    enough
        Length at which to stop: no tour is shorter.
    """

    time_limit: float | None = None
    kicks: int | None = None
    seed: int = 0
    enough: float = -math.inf


def kick_tour(problem: Problem, tour: NDArray[np.intp], limits: Kicks) -> NDArray[np.intp]:
    """Improve a tour by local kicks, each repaired by 2-opt and Or-opt (iterated local search).

    Parameters
    ----------
    problem
        Symmetric distances.
    tour
        Places in closed order, at least 8; best when it comes from `improve_tour`.
    limits
        When to end, and the seed.
    """
    return repeat_kicks(problem, tour, Tour.of(problem, tour, _ROOM), _kick, limits)


def repeat_kicks(
    problem: Problem,
    tour: NDArray[np.intp],
    found: Any,
    kick: Callable[[Any, int, Any], float],
    limits: Kicks,
) -> NDArray[np.intp]:
    """Call a kernel that kicks the tour `found`, which begins as `tour`, until the limits are met.

    An interrupt (KeyboardInterrupt) ends it early with the best tour so far.
    """
    time_limit, kicks, seed, enough = limits
    rng = np.random.default_rng(seed)
    begin, done, chunk = time.monotonic(), 0, 100
    saved = found.order.copy()
    while (kicks is None or done < kicks) and (
        time_limit is None or time.monotonic() - begin < time_limit
    ):
        now = chunk if kicks is None else min(chunk, kicks - done)
        start = time.monotonic()
        try:
            kick(found, now, rng)
        except KeyboardInterrupt:
            break
        saved = found.order.copy()
        done += now
        if tour_length(problem, tour[np.asarray(saved, dtype=np.intp)]) <= enough:
            break
        if time.monotonic() - start < _CHUNK_SECONDS:
            chunk *= 2
    return tour[np.asarray(saved, dtype=np.intp)]


@kernel
def _reverse(tour: Any, position: Any, i: int, j: int) -> None:
    """Reverse the stretch from index i forward to j; its complement if that is shorter."""
    n = len(tour)
    inside = j - i + 1 if j >= i else j - i + 1 + n
    if 2 * inside > n:
        i, j = (j + 1) % n, (i - 1) % n
        inside = n - inside
    for _ in range(inside // 2):
        a, b = tour[i], tour[j]
        tour[i] = b
        position[b] = i
        tour[j] = a
        position[a] = j
        i += 1
        if i == n:
            i = 0
        j -= 1
        if j < 0:
            j = n - 1


@kernel
def _undo(tour: Tour, noted: int) -> None:
    """Take back the last `noted` reversals of the journal."""
    for entry in range(noted - 1, -1, -1):
        _reverse(tour.order, tour.position, tour.journal[2 * entry], tour.journal[2 * entry + 1])


@kernel
def _exchange(tour: Tour, a: int, b: int, c: int, d: int, noted: int) -> int:
    """Replace edges a-b and c-d, met in this order in either direction, by a-c and b-d."""
    order, position, journal = tour.order, tour.position, tour.journal
    i, j = position[b], position[c]
    if i != (position[a] + 1) % len(order):
        i, j = position[a], position[d]
    _reverse(order, position, i, j)
    if len(journal) > 0:
        journal[2 * noted] = i
        journal[2 * noted + 1] = j
    return noted + 1


@kernel
def _beside(order: Any, position: Any, place: int, step: int) -> int:
    """Return the next place in direction `step` (1 or -1)."""
    at = position[place] + step
    if at == len(order):
        at = 0
    # Index -1 is the last place, in arrays as in lists.
    return int(order[at])


@kernel
def _find_move(tour: Tour, base: int, step: int) -> float:
    """Find a move that replaces the edge from `base` in direction `step`; return its gain, or 0.

    ``tour.move`` receives mate, other, far, and for Or-opt last and before (else -1), where
    ``before [last .. base] mate`` is the stretch in direction `step`: see `_apply`.
    """
    order, position, near, degree, geo, move = (
        tour.order, tour.position, tour.near, tour.degree, tour.geo, tour.move
    )  # fmt: skip
    least = tour.gain
    mate = _beside(order, position, base, step)
    old = leg(geo, base, mate)
    for t in range(base * degree, base * degree + degree):
        other = near[t]
        new = leg(geo, base, other)
        if new >= old - least:
            return 0.0
        beyond = _beside(order, position, other, step)
        gain = old + leg(geo, other, beyond) - new - leg(geo, mate, beyond)
        if gain > least:
            move[0], move[1], move[2], move[3], move[4] = mate, other, beyond, -1, -1
            return float(gain)
        last = base
        for _ in range(3):
            before = _beside(order, position, last, -step)
            if last == other or before == mate:
                break
            cut = old - new + leg(geo, before, last) - leg(geo, before, mate)
            if cut > least:
                for way in (step, -step):
                    far = _beside(order, position, other, way)
                    if far in (last, base):
                        continue
                    gain = cut + leg(geo, other, far) - leg(geo, last, far)
                    if gain > least:
                        move[0], move[1], move[2] = mate, other, far
                        move[3], move[4] = last, before
                        return float(gain)
            last = before
    return 0.0


@kernel
def _apply(tour: Tour, base: int, step: int, noted: int) -> int:
    """Carry out a move of `_find_move` as one to three reversals."""
    move = tour.move
    mate, other, far, last, before = move[0], move[1], move[2], move[3], move[4]
    if last < 0:
        return _exchange(tour, base, mate, other, far, noted)
    if far == _beside(tour.order, tour.position, other, step):
        # before [last .. base] mate .. other far  ->  before mate .. other [base .. last] far
        noted = _exchange(tour, before, last, other, far, noted)
        return _exchange(tour, before, other, mate, base, noted)
    # before [last .. base] mate .. far other  ->  before mate .. far [last .. base] other
    noted = _exchange(tour, before, last, far, other, noted)
    noted = _exchange(tour, before, far, mate, base, noted)
    return _exchange(tour, far, base, last, other, noted)


@kernel
def _local_search(tour: Tour, waiting: int, noted: int) -> tuple[float, int]:
    """Improve a tour in place; return the gain and the number of reversals noted.

    `waiting` places are in the queue, which is empty afterwards, and `noted` reversals in the
    journal.
    """
    queue, queued = tour.queue, tour.queued
    n, room = len(tour.order), len(tour.journal) // 2
    head, total = 0, 0.0
    while waiting > 0:
        base = queue[head]
        head += 1
        if head == n:
            head = 0
        waiting -= 1
        queued[base] = False
        while room == 0 or noted + 3 <= room:
            step = 1
            gain = _find_move(tour, base, step)
            if gain == 0.0:
                step = -1
                gain = _find_move(tour, base, step)
            if gain == 0.0:
                break
            noted = _apply(tour, base, step, noted)
            total += gain
            # What lies beside the new edges is worth another look.
            for place in tour.move:
                if place >= 0 and place != base and not queued[place]:
                    tail = head + waiting
                    if tail >= n:
                        tail -= n
                    queue[tail] = place
                    queued[place] = True
                    waiting += 1
    return total, noted


@kernel
def _kick(tour: Tour, kicks: int, rng: Any) -> float:
    """Swap neighbouring stretches at random places, repair around them, keep what is no longer.

    The swap is a double bridge whose four edges lie close together (segment lengths up to 50, after
    Johnson and McGeoch, 1997), so that a kick costs the same whatever the number of places.
    """
    order, geo = tour.order, tour.geo
    n = len(order)
    longest = min(50, (n - 2) // 3)
    total = 0.0
    for _ in range(kicks):
        start = int(rng.random() * n)
        one = 1 + int(rng.random() * longest)
        two = 1 + int(rng.random() * longest)
        a, b = (start + 1) % n, (start + one) % n
        c, d = (start + one + 1) % n, (start + one + two) % n
        ends = (
            order[start], order[a], order[b], order[c], order[d], order[(start + one + two + 1) % n]
        )  # fmt: skip
        before, first, last, onward, final, behind = ends
        worse = (
            leg(geo, before, onward) + leg(geo, final, first) + leg(geo, last, behind)
            - leg(geo, before, first) - leg(geo, last, onward) - leg(geo, final, behind)
        )  # fmt: skip
        # Reversing both stretches, and then the whole, swaps them: as edges, by exchanges.
        noted = _exchange(tour, before, first, last, onward, 0)
        noted = _exchange(tour, first, onward, final, behind, noted)
        noted = _exchange(tour, before, last, onward, behind, noted)
        waiting = 0
        for place in ends:
            if not tour.queued[place]:
                tour.queue[waiting] = place
                tour.queued[place] = True
                waiting += 1
        gain, noted = _local_search(tour, waiting, noted)
        if gain < worse - tour.gain:
            _undo(tour, noted)
        else:
            total += gain - worse
    return total
