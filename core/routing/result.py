"""The result of a solver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["INTERRUPTED", "NoRoutesError", "Result", "Status", "Step"]

INTERRUPTED = "interrupted"
"""The reason of a result whose search was ended by Ctrl-C."""


class Status(StrEnum):
    """What is known about the routes of a result."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"


class NoRoutesError(Exception):
    """Neither routes that meet all bounds nor a proof that there are none were found.

    Parameters
    ----------
    when
        Why the search ended.
    broken
        The bounds that the last routes break, in the words of `core.routing.validate.check`.
    """

    def __init__(self, when: str, broken: list[str] | None = None) -> None:
        tried = f"; the last routes tried: {broken[0]}" if broken else ""
        super().__init__(
            f"no routes that meet all bounds were found ({when}){tried}: "
            "allow more time or wider bounds"
        )
        self.when = when
        self.broken = tuple(broken or ())


@dataclass(frozen=True)
class Step:
    """Best cost and lower bound known after `seconds`."""

    seconds: float
    cost: float | None
    lower_bound: float | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """Routes and what is known about them.

    Attributes
    ----------
    status
        ``optimal`` (proved), ``feasible``, or ``infeasible`` (no routes; `reason` says why).
    cost
        Total distance of the routes, in the problem's unit; None without routes. With a fleet or
        prizes, that of the vehicles and of the stops left out; with a balance, its price, too.
    lower_bound
        No solution costs less than this; None when no bound was computed.
    routes
        One tuple of stop indices (1 to N, the depot left out) per dispatcher, in driving order.
    seconds
        Wall time spent.
    method
        What found the routes.
    kinds
        For each route the index of the `Problem.vehicles` that drives it; empty without a fleet.
    reason
        Why the problem is infeasible, or why the search stopped before a proof.
    trace
        Cost and bound over time.
    without_balance
        With a balance, the routes that were best without its price, to compare with.

    Examples
    --------
    >>> result = Result(status=Status.FEASIBLE, cost=10.0, lower_bound=9.5, routes=((1, 2),))
    >>> round(result.gap, 3)
    0.05
    >>> print(result.summary())
    feasible: cost 10, lower bound 9.5, gap 5.00%, 1 route, 0.0 s
    """

    status: Status
    cost: float | None = None
    lower_bound: float | None = None
    routes: tuple[tuple[int, ...], ...] = ()
    seconds: float = 0.0
    method: str = ""
    kinds: tuple[int, ...] = ()
    reason: str = ""
    trace: tuple[Step, ...] = ()
    without_balance: tuple[tuple[int, ...], ...] = ()

    @property
    def gap(self) -> float | None:
        """``(cost - lower_bound) / cost``: 0 when proved optimal, None when not known."""
        if self.cost is None or self.lower_bound is None:
            return None
        if self.cost <= 0:
            return 0.0
        return max(0.0, (self.cost - self.lower_bound) / self.cost)

    def summary(self) -> str:
        """Summarise the result in one line for a log."""
        if self.cost is None:
            return f"{self.status}: {self.reason}, {self.seconds:.1f} s"
        parts = [f"cost {self.cost:,.7g}"]
        if self.lower_bound is not None and self.gap is not None:
            parts.append(f"lower bound {self.lower_bound:,.7g}, gap {self.gap:.2%}")
        parts.append(f"{len(self.routes)} route{'s' * (len(self.routes) != 1)}")
        parts.append(f"{self.seconds:.1f} s")
        tail = f" ({self.reason})" if self.reason else ""
        return f"{self.status}: {', '.join(parts)}{tail}"
