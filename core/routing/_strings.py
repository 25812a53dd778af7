"""Kernels that both searches by ruin and recreate share (Christiaens and Vanden Berghe, 2020).

They work on routes as doubly linked lists: of the stops around a place (`before`, `after`), of each
route's `first` stop and `size`, and of the `route` of each stop; 0 stands for the depot at both
ends. `core.routing._routes.Routes` and `core.routing._windows.Plan` have these fields.
"""

from __future__ import annotations

import math
from typing import Any

from core.routing._jit import kernel

__all__ = ["BLINKS", "LONGEST", "SLACK", "among", "copy", "cut_string", "empty_route", "sort_hand"]

LONGEST = 10  # stops of a string that is taken out of a route
BLINKS = 1.0 / math.log(1.0 - 0.01)  # of the chance to overlook a position
SLACK = 1e-12  # relative: routes cheaper by less are no better, but for rounding
_KEEP_GOING = 0.01  # chance to keep one more stop within a split string
_SPLIT = 0.5  # chance to leave a gap within a string


@kernel
def cut_string(routes: Any, stop: int, longest: float, rng: Any) -> tuple[int, int, int, int]:
    """Choose a string of a stop's route to take out, with the stop in it or in its gap.

    Returns
    -------
    first
        Where the string begins.
    count
        Stops to take out.
    gap, kept
        Leave `kept` stops of the string where they are, from the `gap`-th on; -1 and 0 for none.
    """
    size = routes.size[routes.route[stop]]
    count = min(int(size), 1 + int(rng.random() * min(float(size), longest)))
    kept = 0
    if 1 < count < size and rng.random() < _SPLIT:
        kept = 1
        while count + kept < size and rng.random() < _KEEP_GOING:
            kept += 1
    first = _string_start(routes, stop, count + kept, rng)
    gap = 1 + int(rng.random() * (count - 1)) if kept > 0 else -1
    return first, count, gap, kept


@kernel
def _string_start(routes: Any, stop: int, count: int, rng: Any) -> int:
    """Choose a random string of `count` stops of a route that holds `stop`; return its first."""
    before, after = routes.before, routes.after
    ahead, place = 0, after[stop]
    while ahead < count - 1 and place != 0:
        ahead += 1
        place = after[place]
    behind, place = 0, before[stop]
    while behind < count - 1 and place != 0:
        behind += 1
        place = before[place]
    fewest = count - 1 - ahead
    back = fewest + int(rng.random() * (behind - fewest + 1))
    place = stop
    for _ in range(back):
        place = before[place]
    return int(place)


@kernel
def among(touched: Any, ruined: int, own: int) -> bool:
    """Tell whether a route is among the first `ruined` of those that a step has touched."""
    found = False
    for r in range(ruined):
        found = found or touched[r] == own
    return found


@kernel
def sort_hand(hand: Any, keys: Any, held: int) -> None:
    """Sort the first `held` stops of the hand by their keys."""
    for i in range(1, held):
        key, stop = keys[i], hand[i]
        j = i - 1
        while j >= 0 and keys[j] > key:
            keys[j + 1] = keys[j]
            hand[j + 1] = hand[j]
            j -= 1
        keys[j + 1] = key
        hand[j + 1] = stop


@kernel
def empty_route(routes: Any) -> int:
    """Return a route that has no stops, or -1."""
    for own in range(len(routes.size)):
        if routes.size[own] == 0:
            return own
    return -1


@kernel
def copy(routes: Any, best: Any) -> None:
    """Keep the order of the stops."""
    for place in range(len(routes.route)):
        best.after[place] = routes.after[place]
    for own in range(len(routes.first)):
        best.first[own] = routes.first[own]
