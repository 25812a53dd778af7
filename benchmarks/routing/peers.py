"""The same problems for OR-Tools and VROOM, which are installed for benchmarks only.

Each runs in a process of its own: OR-Tools carries another HiGHS than ours, and one process cannot
hold both. PyVRP is a method of the library (`core.routing._pyvrp`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from core.routing import Problem

__all__ = ["PEERS", "ask"]

Routes = list[list[int]]
PEERS = ("OR-Tools", "VROOM")


class Task(NamedTuple):
    """What a peer is told, in whole units of length."""

    matrix: list[list[int]]
    crew: int
    least: int
    most: int
    seconds: float


def ask(peer: str, problem: Problem, seconds: float) -> Routes | None:
    """Have a peer solve a problem; None if it finds nothing.

    Raises
    ------
    subprocess.CalledProcessError
        It is not installed, or broke.
    """
    scale = 1000 if np.abs(problem.points).max() < 1e4 else 1
    matrix = np.rint(problem.distances() * scale).astype(int).tolist()
    task = Task(matrix, problem.dispatchers, problem.min_stops, problem.most_stops, seconds)
    done = subprocess.run(
        [sys.executable, __file__, peer],
        input=json.dumps(task._asdict()), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: Routes | None = json.loads(done.stdout)
    return found


def ortools(task: Task) -> Routes | None:
    """Guided local search; the minimum is a soft bound with a high price."""
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    n, crew = len(task.matrix) - 1, task.crew
    manager = pywrapcp.RoutingIndexManager(n + 1, crew, 0)
    routing = pywrapcp.RoutingModel(manager)
    transit = routing.RegisterTransitMatrix(task.matrix)
    routing.SetArcCostEvaluatorOfAllVehicles(transit)
    count = routing.RegisterUnaryTransitVector([0] + [1] * n)
    routing.AddDimension(count, 0, task.most, True, "stops")
    stops = routing.GetDimensionOrDie("stops")
    for vehicle in range(crew):
        routing.SetVehicleUsedWhenEmpty(True, vehicle)
        stops.SetCumulVarSoftLowerBound(routing.End(vehicle), task.least, 10_000_000)
    options = pywrapcp.DefaultRoutingSearchParameters()
    options.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
    options.local_search_metaheuristic = (
        routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    )
    options.time_limit.FromMilliseconds(int(task.seconds * 1000))
    found = routing.SolveWithParameters(options)
    if not found:
        return None
    routes = []
    for vehicle in range(crew):
        route, index = [], found.Value(routing.NextVar(routing.Start(vehicle)))
        while not routing.IsEnd(index):
            route.append(manager.IndexToNode(index))
            index = found.Value(routing.NextVar(index))
        routes.append(route)
    return routes


def vroom(task: Task) -> Routes | None:
    """VROOM stops by itself; it has a largest number of stops, but no least one."""
    import vroom

    n = len(task.matrix) - 1
    data = vroom.Input()
    data.set_durations_matrix(profile="car", matrix_input=np.array(task.matrix, dtype=np.uint32))
    data.add_vehicle(
        [vroom.Vehicle(k, start=0, end=0, max_tasks=task.most) for k in range(task.crew)]
    )
    data.add_job([vroom.Job(i, location=i) for i in range(1, n + 1)])
    found = data.solve(exploration_level=5, nb_threads=1)
    steps = found.routes[found.routes["type"] == "job"]
    routes = [part["id"].astype(int).tolist() for _, part in steps.groupby("vehicle_id")]
    return routes if sum(map(len, routes)) == n else None


if __name__ == "__main__":
    task = Task(**json.load(sys.stdin))
    solvers: dict[str, Any] = dict(zip(PEERS, (ortools, vroom), strict=True))
    json.dump(solvers[sys.argv[1]](task), sys.stdout)
