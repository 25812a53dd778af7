"""The same problems for OR-Tools and VROOM, which are installed for benchmarks only.

PyVRP is a method of the library (`core.routing._pyvrp`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.routing import Problem

Routes = list[list[int]]


def ortools(problem: Problem, seconds: float, _seed: int) -> Routes | None:
    """Guided local search; the minimum is a soft bound with a high price."""
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2  # noqa: PLC0415

    n, crew = problem.n_stops, problem.dispatchers
    scale = 1000 if np.abs(problem.points).max() < 1e4 else 1
    matrix = np.rint(problem.distances() * scale).astype(int).tolist()
    manager = pywrapcp.RoutingIndexManager(n + 1, crew, 0)
    routing = pywrapcp.RoutingModel(manager)
    transit = routing.RegisterTransitMatrix(matrix)
    routing.SetArcCostEvaluatorOfAllVehicles(transit)
    count = routing.RegisterUnaryTransitVector([0] + [1] * n)
    routing.AddDimension(count, 0, problem.most_stops, True, "stops")  # noqa: FBT003
    stops = routing.GetDimensionOrDie("stops")
    for vehicle in range(crew):
        routing.SetVehicleUsedWhenEmpty(True, vehicle)  # noqa: FBT003
        stops.SetCumulVarSoftLowerBound(routing.End(vehicle), problem.min_stops, 10_000_000)
    options = pywrapcp.DefaultRoutingSearchParameters()
    options.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
    options.local_search_metaheuristic = (
        routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    )
    options.time_limit.FromMilliseconds(int(seconds * 1000))
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


def vroom(problem: Problem, _seconds: float, _seed: int) -> Routes | None:
    """VROOM stops by itself; it has a largest number of stops, but no least one."""
    import vroom  # noqa: PLC0415

    n = problem.n_stops
    scale = 1000 if np.abs(problem.points).max() < 1e4 else 1
    data = vroom.Input()
    data.set_durations_matrix(
        profile="car", matrix_input=np.rint(problem.distances() * scale).astype(np.uint32)
    )
    data.add_vehicle(
        [
            vroom.Vehicle(k, start=0, end=0, max_tasks=problem.most_stops)
            for k in range(problem.dispatchers)
        ]
    )
    data.add_job([vroom.Job(i, location=i) for i in range(1, n + 1)])
    found = data.solve(exploration_level=5, nb_threads=1)
    steps = found.routes[found.routes["type"] == "job"]
    routes = [part["id"].astype(int).tolist() for _, part in steps.groupby("vehicle_id")]
    return routes if sum(map(len, routes)) == n else None


PEERS = {"OR-Tools": ortools, "VROOM": vroom}
