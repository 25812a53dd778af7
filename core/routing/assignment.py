"""Loops through all places at the least cost: the assignment problem, and a bound of one tour.

Where distances have directions, tours of a stacker crane for instance, it is often nearly the tour
itself; where they have none, it pairs near neighbours, and is worth little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray

__all__ = ["MOST_ASSIGNED", "assign"]

MOST_ASSIGNED = 3000
"""Places for which the assignment takes seconds at most, and 0.1 GB."""


def assign(costs: FloatArray) -> tuple[NDArray[np.intp], tuple[FloatArray, FloatArray]]:
    """Choose the place after each at the least total, never itself.

    Parameters
    ----------
    costs
        From each place (row) to each (column), two or more; infinite where there is no way.

    Returns
    -------
    tuple
        The place after each, and prices of the rows and of the columns: no cost is less than the
        sum of its two prices, and those chosen equal it.

    Examples
    --------
    >>> onward, (rows, columns) = assign(np.array([[0.0, 4, 1], [2, 0, 6], [7, 3, 0]]))
    >>> onward.tolist(), float(rows.sum() + columns.sum())
    ([2, 0, 1], 6.0)
    """
    # Few problems need it, and it takes a quarter of a second to import.
    from scipy.optimize import linear_sum_assignment

    costs = costs.copy()
    np.fill_diagonal(costs, np.inf)
    onward = linear_sum_assignment(costs)[1].astype(np.intp)
    chosen = costs[np.arange(len(costs)), onward]
    # Prices of rows are shortest ways: none may exceed another's by more than the difference that
    # taking over the other's place would make.
    ways = costs[:, onward] - chosen
    rows = np.zeros(len(costs))
    for _ in range(len(costs)):
        lower = np.minimum(rows, (ways + rows).min(axis=1))
        if (lower >= rows).all():
            break
        rows = lower
    # Rounding in those sums must not put a price above what a way leaves for it.
    columns = (costs - rows[:, None]).min(axis=0)
    return onward, (rows, columns)
