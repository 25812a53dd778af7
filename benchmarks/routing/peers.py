"""The same problems for PyVRP and OR-Tools; both are installed for benchmarks only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.routing import Problem

Routes = list[list[int]]


def pyvrp(problem: Problem, seconds: float, seed: int) -> Routes | None:
    """PyVRP has no minimum of stops: K * U - N dummy stops at the depot make it exact."""
    from pyvrp import Model  # noqa: PLC0415
    from pyvrp.stop import MaxRuntime  # noqa: PLC0415

    n, crew, low, high = (
        problem.n_stops, problem.dispatchers, problem.min_stops, problem.most_stops
    )  # fmt: skip
    dummies = crew * high - n
    # Every vehicle takes exactly `high` places, dummies among them; a dummy weighs 1 of a second
    # capacity, high - low of which a vehicle has.
    points = np.vstack((problem.points, np.repeat(problem.points[:1], dummies, axis=0)))
    scale = 1000 if np.abs(points).max() < 1e4 else 1
    model = Model()
    places = [model.add_location(x, y) for x, y in points.tolist()]
    depot = model.add_depot(places[0])
    for i, place in enumerate(places[1:], 1):
        model.add_client(place, delivery=[1, int(i > n)])
    model.add_vehicle_type(crew, capacity=[high, high - low], start_depot=depot, end_depot=depot)
    gaps = points[:, None] - points[None, :]
    lengths = np.rint(np.hypot(gaps[..., 0], gaps[..., 1]) * scale).astype(int)
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            if i != j:
                model.add_edge(a, b, distance=int(lengths[i, j]))
    result = model.solve(stop=MaxRuntime(seconds), seed=seed, display=False)
    if not result.is_feasible():
        return None
    return [
        [visit.idx + 1 for visit in route if visit.is_client() and visit.idx < n]
        for route in result.best.routes()
    ]


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


PEERS = {"PyVRP": pyvrp, "OR-Tools": ortools}
