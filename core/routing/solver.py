"""Solve by any method with one call."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.routing._jit import COMPILED
from core.routing.ascent import ascent_bound
from core.routing.bounds import balanced_bound, contradiction, keeps_to, needs_times
from core.routing.choices import METHODS
from core.routing.directed import kick_directed
from core.routing.directed_bound import directed_bound
from core.routing.divide import divide, improve_long, routes_are_long
from core.routing.exact import refusal, relaxed_bound, solve_exact
from core.routing.heuristic import improve
from core.routing.plain import never_driven, plain_problem
from core.routing.problem import Problem
from core.routing.result import INTERRUPTED, NoRoutesError, Result, Status
from core.routing.start import cut_tour
from core.routing.tour import Kicks, kick_tour
from core.routing.validate import check
from core.routing.windows import improve_windows, windows_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from core.routing.choices import Method, Model, Solver

    _Kick = Callable[[Problem, NDArray[np.intp], Kicks], NDArray[np.intp]]

__all__ = ["bounded", "compile_search", "lower_bound", "solve"]

# Up to here `auto` asks for a proof.
_EXACT_STOPS = 60
# Steps of `heuristic` before `exact`, per stop and at most, and the share of the time that they may
# take.
_STEPS_PER_STOP, _MOST_STEPS = (1000, 50_000) if COMPILED else (100, 2000)
_START_SHARE = 0.2

# `heuristic` spends this share of its time on a lower bound: from the relaxation of the edge model
# up to so many stops, by Held and Karp's ascent beyond.
_BOUND_SHARE = 0.15
_TOUR_SHARE = 0.15  # where routes are long: for a short tour before it is cut
_RELAXED_SHARE = 0.05  # the same of a problem without some of its constraints: it is far below
_RELAXED_STOPS = 200

_FEWEST_IN_TOUR = 7  # stops of a tour that kicks may improve

_LEAST_BOUND = 0.5  # seconds for the bound of `divide`, or as long as it took itself

# With a balance, this share goes to the routes without its price: a start, and what it is compared
# with.
_UNBALANCED_SHARE = 0.3

# `auto` gives the search this share of the time to find any routes, and PyVRP the rest.
_PATIENCE = 0.5

_DEAR = 10.0  # times the longest way: a way that is never driven, in a bound

_PROOF = 1e-7  # relative: costs closer than this are the same


@functools.cache
def compile_search() -> None:
    """Compile the search, once: that takes many seconds where no earlier run has kept it."""
    if COMPILED:
        tiny = Problem(points=[[0, 0], [1, 0], [1, 1], [0, 1]], dispatchers=2)
        improve(tiny, start=cut_tour(tiny), time_limit=None, steps=1, seed=0)


def _compile(problem: Problem, method: Method) -> None:
    """Compile what a method runs."""
    if method == "heuristic" and problem.beyond:
        _compile_windows()
    elif method != "pyvrp":
        compile_search()
        if method == "heuristic" and _is_a_tour(problem):
            _compile_kicks(_kick_of(problem))


@functools.cache
def _compile_windows() -> None:
    if COMPILED:
        improve_windows(Problem(points=[[0, 0], [1, 0], [1, 1]], prizes=[math.nan] * 3), steps=1)


@functools.cache
def _compile_kicks(kick: _Kick) -> None:
    if COMPILED:
        ring = np.column_stack([np.arange(9.0), np.zeros(9)])
        kick(Problem(points=ring), np.arange(9), Kicks(kicks=1))


def solve(
    problem: Problem,
    *,
    method: Method = "auto",
    time_limit: float | None = 60.0,
    steps: int | None = None,
    seed: int = 0,
    model: Model = "auto",
    solver: Solver = "cbc",
) -> Result:
    """Plan the routes of all dispatchers.

    Parameters
    ----------
    problem
        What to solve.
    method
        ``exact``: proved optimal, by integer programming, from known good routes. ``divide``: one
        tour, cut and improved. ``heuristic``: improved until the time is up. ``pyvrp``: the same by
        PyVRP, where it is installed. ``auto``: ``exact`` up to 60 stops, else ``heuristic``; but
        where any of `core.routing.problem.BEYOND` is set, ``pyvrp``, or ``heuristic`` if it is
        compiled and keeps to what is set (`core.routing.windows`). Where ``heuristic`` finds no
        routes in half of the time, ``pyvrp`` has the rest.
    time_limit
        Seconds of wall time, more than 0; None for no limit. Compiling, which numba does at the
        first search on a machine, does not count. ``divide`` does a fixed amount of work
        and takes no notice of it. A search ends sooner when its cost meets the lower bound.
    steps, seed
        Options of ``heuristic``: with a number of steps the routes depend on the seed alone, not on
        the machine's speed.
    model, solver
        Options of ``exact``: see `core.routing.exact`.

    Returns
    -------
    Result
        Its routes have been checked by `core.routing.validate.check`.

    Raises
    ------
    ValueError
        An argument is out of range, or the method cannot hold the problem; the message says why.
    NoRoutesError
        The limit was too small for any routes that meet all bounds.

    Examples
    --------
    >>> from core.routing import Problem
    >>> square = [[0, 0], [1, 0], [1, 1], [0, 1], [-1, 0], [-1, -1], [0, -1]]
    >>> result = solve(Problem(points=square, dispatchers=2, min_stops=3), method="exact")
    >>> result.status.value, round(result.cost, 6), len(result.routes)
    ('optimal', 8.0, 2)
    """
    _check_options(problem, method, time_limit, model)
    if reason := contradiction(problem):
        return Result(status=Status.INFEASIBLE, method=method, reason=reason)
    automatic, method = method == "auto", _chosen(problem, method)
    if method in ("heuristic", "pyvrp") and time_limit is None and steps is None:
        raise ValueError(f"time_limit and steps are both None: {method!r} needs one of them")
    _compile(problem, method)  # before the clock runs: the limit is for the search
    begin = time.monotonic()
    asked, problem = problem, problem.closed()
    if method == "exact":
        result = _exact(problem, time_limit, seed, model, solver)
    elif method == "divide":
        result = _divide(problem)
    elif method == "pyvrp":
        result = _by_pyvrp(problem, time_limit, steps, seed)
    elif automatic:
        result = _search_or_pyvrp(problem, time_limit, steps, seed)
    else:
        result = _search(problem, time_limit, steps, seed)
    if result.cost is not None:
        wrong = check(asked, result.routes, result.cost, result.kinds)
        if wrong:
            raise RuntimeError(f"{result.method} gave invalid routes: {'; '.join(wrong)}")
    return dataclasses.replace(result, seconds=time.monotonic() - begin)


def _check_options(
    problem: Problem, method: Method, time_limit: float | None, model: Model
) -> None:
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: expected one of {', '.join(METHODS)}")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit = {time_limit!r}: expected seconds > 0")
    if reason := needs_times(problem):
        raise ValueError(reason)
    if problem.open_routes and model == "two-index":
        raise ValueError(
            "model = 'two-index': open_routes has no ways back, and this model needs them as long "
            "as the ways there; use three-index"
        )


def _chosen(problem: Problem, method: Method) -> Method:
    """Return the method, or that which suits the problem; refuse one that cannot solve it."""
    unable = windows_refusal(problem) if problem.beyond else ""
    if method == "auto" and problem.beyond:
        return "heuristic" if not unable and (COMPILED or not _has_pyvrp()) else "pyvrp"
    if method == "auto":
        small = problem.n_stops <= _EXACT_STOPS and problem.balance is None
        return "exact" if small else "heuristic"
    if method == "heuristic" and unable:
        raise ValueError(
            f"method = 'heuristic': the stops have {' and '.join(problem.beyond)}, and the search "
            f"for these knows no {unable}: use method pyvrp or auto"
        )
    if method not in ("heuristic", "pyvrp"):
        keeps_to(problem, method)
    return method


def _divide(problem: Problem) -> Result:
    if problem.balance is not None:
        return _balanced(problem, _divide(_unbalanced(problem)), divide(problem))
    result = divide(problem)
    return bounded(result, lower_bound(problem, result, max(_LEAST_BOUND, result.seconds)))


def _unbalanced(problem: Problem) -> Problem:
    return problem.replace(balance=None, balance_price=None)


def _balanced(problem: Problem, plain: Result, result: Result) -> Result:
    """Add to a result with a balance the best routes without it, and what their bound says."""
    bound = None if plain.lower_bound is None else balanced_bound(problem, plain.lower_bound)
    return dataclasses.replace(bounded(result, bound), without_balance=plain.routes)


def _search_balanced(
    problem: Problem, time_limit: float | None, steps: int | None, seed: int
) -> Result:
    """Search without the price of unequal work first, and from there with it."""
    begin = time.monotonic()
    plain = _search(
        _unbalanced(problem),
        None if time_limit is None else time_limit * _UNBALANCED_SHARE,
        None if steps is None else max(1, int(steps * _UNBALANCED_SHARE)),
        seed,
    )
    if plain.cost is None:
        return plain
    result = improve(
        problem,
        start=plain,
        time_limit=None if time_limit is None else time_limit - (time.monotonic() - begin),
        steps=steps,
        seed=seed,
    )
    return _balanced(problem, plain, result)


def _exact(
    problem: Problem, time_limit: float | None, seed: int, model: Model, solver: Solver
) -> Result:
    begin = time.monotonic()
    known = None
    try:
        # A fixed number of steps, so that the proof starts from the same routes every time.
        part = None if time_limit is None else time_limit * _START_SHARE
        steps = min(_STEPS_PER_STOP * problem.n_stops, _MOST_STEPS)
        known = improve(problem, start=cut_tour(problem), time_limit=part, steps=steps, seed=seed)
    except NoRoutesError:
        pass  # the model finds routes, or proves that there are none
    if known is not None and known.reason:
        return known
    left = None if time_limit is None else time_limit - (time.monotonic() - begin)
    return solve_exact(problem, model=model, solver=solver, time_limit=left, known=known)


def _by_pyvrp(problem: Problem, time_limit: float | None, steps: int | None, seed: int) -> Result:
    from core.routing._pyvrp import require_pyvrp, solve_pyvrp

    require_pyvrp(problem)
    return _after_bound(problem, "pyvrp", partial(solve_pyvrp, seed=seed), time_limit, steps)


def _after_bound(
    problem: Problem,
    method: Method,
    search: Callable[..., Result],
    time_limit: float | None,
    steps: int | None,
) -> Result:
    """Search after some of the time on a lower bound, where there is one."""
    begin = time.monotonic()
    bound = _bound_without(problem, time_limit)
    if reason := _too_long(problem, bound):
        return Result(status=Status.INFEASIBLE, method=method, reason=reason)
    if time_limit is not None:
        time_limit -= time.monotonic() - begin
    found = search(problem, time_limit=time_limit, steps=steps, enough=_enough(bound, steps))
    return bounded(found, bound)


def _bound_without(problem: Problem, time_limit: float | None) -> float | None:
    """Return a lower bound without the constraints that our bounds do not know, if it holds.

    What is known of windows is which ways nobody takes.
    """
    plain = plain_problem(problem) if problem.beyond else problem
    if plain is None or time_limit is None:
        return None
    seconds = time_limit * (_RELAXED_SHARE if problem.beyond else _BOUND_SHARE)
    start = cut_tour(plain)
    bound = lower_bound(plain, start, seconds)
    if not problem.beyond or not (lost := never_driven(problem)).any():
        return bound
    ways = plain.distances()
    dear = plain.replace(matrix=np.where(lost, _DEAR * float(ways.max()), ways))
    found = directed_bound(dear, start.cost or 0.0, time_limit=seconds)
    return max((value for value in (bound, found) if value is not None), default=None)


def _has_pyvrp(problem: Problem | None = None) -> bool:
    """Tell whether PyVRP is installed, and supports a problem."""
    from core.routing._pyvrp import INSTALLED, pyvrp_refusal

    return INSTALLED and (problem is None or not pyvrp_refusal(problem))


def _search_or_pyvrp(
    problem: Problem, time_limit: float | None, steps: int | None, seed: int
) -> Result:
    """Search; where no routes are found in half of the time, PyVRP has the rest, if it can."""
    if time_limit is None or steps is not None or not _has_pyvrp(problem):
        return _search(problem, time_limit, steps, seed)
    begin = time.monotonic()
    try:
        return _search(problem, time_limit, steps, seed, patience=_PATIENCE)
    except NoRoutesError as error:
        left = time_limit - (time.monotonic() - begin)
        if error.when == INTERRUPTED or left <= 0:
            raise
    return _by_pyvrp(problem, left, None, seed)


def _search(
    problem: Problem,
    time_limit: float | None,
    steps: int | None,
    seed: int,
    patience: float = 1.0,
) -> Result:
    """Spend some of the time on a lower bound, the rest on the routes.

    After a share of the time, `patience`, the search gives up if it has found no routes.
    """
    if problem.beyond:
        search = partial(improve_windows, seed=seed, patience=patience)
        return _after_bound(problem, "heuristic", search, time_limit, steps)
    if problem.balance is not None:
        return _search_balanced(problem, time_limit, steps, seed)
    begin = time.monotonic()
    long = steps is None and not _is_a_tour(problem) and routes_are_long(problem)
    kicks = time_limit * _TOUR_SHARE if long and time_limit is not None else 0.0
    start = cut_tour(problem, kicks=kicks, seed=seed)
    bound = None
    if time_limit is not None:
        bound = lower_bound(problem, start, time_limit * _BOUND_SHARE)
        time_limit -= time.monotonic() - begin
    enough = _enough(bound, steps)
    if reason := _too_long(problem, bound):
        return Result(status=Status.INFEASIBLE, method="heuristic", reason=reason)
    if _is_a_tour(problem) and not check(problem, start.routes):
        limits = Kicks(time_limit, steps, seed, enough)
        kick, places = _kick_of(problem), np.array((0, *start.routes[0]))
        result = _one_tour(problem, kick(problem, places, limits))
    elif long and time_limit is not None:
        result = improve_long(problem, start=start, time_limit=time_limit, seed=seed)
    else:
        if patience < 1.0 and time_limit is not None and check(problem, start.routes):
            # Any routes at first: whether there are some decides how to go on.
            start = improve(
                problem, start=start, time_limit=patience * time_limit, seed=seed, enough=math.inf
            )
            time_limit -= start.seconds
        result = improve(
            problem, start=start, time_limit=time_limit, steps=steps, seed=seed, enough=enough
        )
    return bounded(result, bound)


def _is_a_tour(problem: Problem) -> bool:
    """Tell whether routes are one tour, of which nothing is asked but to be short."""
    return (
        problem.dispatchers == 1
        and problem.n_stops >= _FEWEST_IN_TOUR
        and not problem.min_distance
        and not problem.min_time
        and (problem.max_time is None or problem.times is None)
    )


def _kick_of(problem: Problem) -> _Kick:
    """Return the search for one tour."""
    return kick_tour if problem.symmetric else kick_directed


def _enough(bound: float | None, steps: int | None) -> float:
    """Return the cost at which to stop, because a bound proves that none is lower.

    With a number of steps, routes must not depend on how good a bound the machine had time for.
    """
    return -math.inf if bound is None or steps is not None else bound * (1 + _PROOF)


def _too_long(problem: Problem, bound: float | None) -> str:
    """Say that all dispatchers may not drive as far as the routes need; empty if they may."""
    if bound is None or problem.max_distance is None or problem.objective != "distance":
        return ""
    if problem.fleet:  # the bound is one of costs
        return ""
    crew, most = problem.dispatchers, problem.max_distance
    if bound <= crew * most * (1 + _PROOF):
        return ""
    return (
        f"dispatchers * max_distance = {crew} * {most:g} = {crew * most:g} "
        f"< {bound:g}, which all routes together need at least"
    )


def lower_bound(problem: Problem, start: Result, seconds: float) -> float | None:
    """Compute a lower bound within about so many seconds."""
    begin = time.monotonic()
    total = sum(problem.length(route) for route in start.routes)
    relaxed = not refusal(problem) and problem.n_stops <= _RELAXED_STOPS
    directed, makespan = not problem.symmetric, problem.objective == "makespan"
    bound = ascent_bound(problem, total, time_limit=seconds / 3 if relaxed or directed else seconds)
    if directed:
        left = seconds - (time.monotonic() - begin)
        found = directed_bound(problem, total, time_limit=left) or 0.0
        bound = max(bound, found / problem.dispatchers if makespan else found)
    if relaxed and total > bound * (1 + _PROOF):
        left = seconds - (time.monotonic() - begin)
        bound = max(bound, relaxed_bound(problem, left) or 0.0)
    return balanced_bound(problem, _whole(problem, bound))


def _whole(problem: Problem, bound: float) -> float:
    """Round a bound up where all distances are whole numbers, and so every cost is one."""
    if problem.matrix is None or (problem.matrix != np.rint(problem.matrix)).any():
        return bound
    return float(math.ceil(bound * (1 - _PROOF) - _PROOF))


def bounded(result: Result, bound: float | None) -> Result:
    """Add a lower bound, and the proof where cost and bound meet."""
    if bound is None or result.cost is None:
        return result
    bound = min(bound, result.cost)  # above it by rounding alone
    met = result.cost - bound <= _PROOF * result.cost
    return dataclasses.replace(
        result,
        lower_bound=bound,
        status=Status.OPTIMAL if met else result.status,
        trace=tuple(dataclasses.replace(step, lower_bound=bound) for step in result.trace),
    )


def _one_tour(problem: Problem, tour: NDArray[np.intp]) -> Result:
    """Make a result of a tour, which is the only dispatcher's route."""
    route = tuple(np.roll(tour, -int(np.nonzero(tour == 0)[0][0]))[1:].tolist())
    cost = problem.cost((route,))
    return Result(status=Status.FEASIBLE, routes=(route,), cost=cost, method="heuristic")
