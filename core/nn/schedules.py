"""Schedules of the learning rate: functions from an update's number (from 0) to its factor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from core.checks import amount, count

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cosine", "falling", "steps", "warm_up"]


def falling(updates: int) -> Callable[[int], float]:
    """Return a schedule that falls linearly from 1 to 0 over `updates`.

    Examples
    --------
    >>> schedule = falling(10)
    >>> schedule(0), schedule(5), schedule(10), schedule(99)
    (1.0, 0.5, 0.0, 0.0)
    """
    count("updates", updates)
    return lambda update: max(0.0, 1 - update / updates)


def cosine(updates: int) -> Callable[[int], float]:
    """Return a schedule that falls from 1 to 0 along half a cosine over `updates`.

    The method is that of Loshchilov and Hutter (2017).

    Examples
    --------
    >>> schedule = cosine(10)
    >>> schedule(0), round(schedule(5), 9), schedule(10)
    (1.0, 0.5, 0.0)
    """
    count("updates", updates)
    return lambda update: (1 + math.cos(math.pi * min(update / updates, 1.0))) / 2


def steps(every: int, factor: float) -> Callable[[int], float]:
    """Return a schedule that is multiplied by `factor` after every `every` updates.

    Examples
    --------
    >>> schedule = steps(100, 0.5)
    >>> schedule(99), schedule(100), schedule(250)
    (1.0, 0.5, 0.25)
    """
    count("every", every)
    amount("factor", factor)
    return lambda update: float(factor ** (update // every))


def warm_up(updates: int, then: Callable[[int], float]) -> Callable[[int], float]:
    """Return a schedule that rises linearly over `updates`, then follows `then` from its start.

    Examples
    --------
    >>> schedule = warm_up(4, falling(10))
    >>> schedule(0), schedule(3), schedule(4), schedule(9)
    (0.25, 1.0, 1.0, 0.5)
    """
    count("updates", updates)
    return lambda update: (update + 1) / updates if update < updates else then(update - updates)
