"""Read what VRPLIB files ask of stops and vehicles: demands, times, prizes, kinds of vehicles."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from core.routing.fleet import Vehicle
from core.routing.reading import FormatError

if TYPE_CHECKING:
    from core.routing.tsplib_file import File

__all__ = ["SECTIONS", "TYPES", "depots_outside", "work"]

_OF_VEHICLES = {
    "CAPACITY_SECTION": "capacity",
    "VEHICLES_MAX_DISTANCE_SECTION": "max_distance",
    "VEHICLES_MAX_DURATION_SECTION": "max_time",
    "VEHICLES_FIXED_COST_SECTION": "fixed_cost",
    "VEHICLES_UNIT_DISTANCE_COST_SECTION": "distance_cost",
    "VEHICLES_DEPOT_SECTION": "depot",
}
"""Sections with a line for each vehicle, and what `Vehicle` calls that."""

_OF_STOPS = {
    "DEMAND_SECTION": "demands",
    "LINEHAUL_SECTION": "demands",
    "BACKHAUL_SECTION": "pickups",
    "PRIZE_SECTION": "prizes",
}

SECTIONS = {
    *_OF_STOPS, *_OF_VEHICLES, "SERVICE_TIME_SECTION", "TIME_WINDOW_SECTION",
    "PICKUP_AND_DELIVERY_SECTION",
}  # fmt: skip
"""Sections that are read here."""

_TIMED = {
    "SERVICE_TIME_SECTION", "TIME_WINDOW_SECTION", "PICKUP_AND_DELIVERY_SECTION",
    "VEHICLES_MAX_DURATION_SECTION",
}  # fmt: skip

TYPES = {
    "CVRP", "ACVRP", "DCVRP", "VRP", "MTSP", "OVRP", "VRPTW", "CVRPTW", "MDVRP", "MDVRPTW", "HVRP",
    "HFVRP", "VRPB", "VRPMPD", "VRPMPDTW", "VRPSPD", "VRPSPDTW", "PDPTW", "PDP", "CPTP", "PCVRP",
    "PCVRPTW", "PRIZE-COLLECTING VRP",
}  # fmt: skip
"""Values of TYPE; that of backhauls is VRPB, whose deliveries come first."""


def depots_outside(file: File, ids: list[str]) -> tuple[list[int], list[int]]:
    """Return the order of the nodes, the first depot at the front, and the other depots."""
    depots: list[str] = []
    for line, words in file.body.get("DEPOT_SECTION", []):
        nodes = words[: words.index("-1")] if "-1" in words else words
        depots += nodes
        if strange := [node for node in nodes if node not in ids]:
            raise file.wrong(line, f"DEPOT_SECTION: {strange[0]!r} is no node")
        if len(set(depots)) < len(depots):
            raise file.wrong(line, f"DEPOT_SECTION: {nodes[0]!r} is there twice")
        if len(depots) > 1 and "VEHICLES_DEPOT_SECTION" not in file.body:
            raise file.wrong(
                line,
                f"depots {', '.join(depots)}: expected one depot, or VEHICLES_DEPOT_SECTION with "
                "that of each vehicle",
            )
    places = [ids.index(name) for name in depots] or [0]
    others = [i for i in range(len(ids)) if i not in places]
    return [places[0], *others, *places[1:]], places


def work(file: File, ids: list[str], order: list[int]) -> dict[str, Any]:
    """Read the demands, dispatchers and bounds of a file, in the order of the places."""
    fields = _amounts(file, ids, order)
    if "TIME_WINDOW_SECTION" in file.body:
        windows = file.rows("TIME_WINDOW_SECTION", ids, 2)
        fields["windows"] = [windows[i] for i in order]
    capacity = file.amount("CAPACITY")
    if capacity is not None:
        if not fields.keys() & {"demands", "pickups"} and _PAIRS not in file.body:
            line = file.head["CAPACITY"][0]
            raise file.wrong(line, "CAPACITY: expected a DEMAND_SECTION with it")
        fields["capacity"] = capacity
    kind = file.word("TYPE").split()[:1]
    if kind == ["OVRP"]:
        fields["open_routes"] = True
    if kind == ["VRPB"]:
        fields["backhauls"] = True
    fields |= _routes_work(file, ids, order)
    if _PAIRS in file.body:
        fields |= _pairs(file, ids, order)
    return fields | _fleet(file, ids)


_PAIRS = "PICKUP_AND_DELIVERY_SECTION"


def _amounts(file: File, ids: list[str], order: list[int]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for section, name in _OF_STOPS.items():
        if section not in file.body:
            continue
        if name in fields:
            raise FormatError(f"{file.source}: {section} beside DEMAND_SECTION: expected one")
        values = file.by_node(section, ids)
        fields[name] = [values[i] for i in order]
    if "prizes" in fields:
        # As the format has it, a stop without a prize must be visited.
        fields["prizes"] = [prize or math.nan for prize in fields["prizes"]]
    return fields


def _routes_work(file: File, ids: list[str], order: list[int]) -> dict[str, Any]:
    """Read how far and how long a dispatcher may drive; a unit of distance takes a minute."""
    fields: dict[str, Any] = {}
    most, service = file.amount("DISTANCE"), file.amount("SERVICE_TIME")
    if "SERVICE_TIME_SECTION" in file.body:
        if service is not None:
            line = file.head["SERVICE_TIME"][0]
            raise file.wrong(line, "SERVICE_TIME beside SERVICE_TIME_SECTION: expected one of them")
        served = file.by_node("SERVICE_TIME_SECTION", ids)
        fields.update(service=[served[i] for i in order], max_time=most)
    elif service:
        depots = len(ids) - len(_stops(file, ids))
        at = [0.0, *[service] * (len(ids) - depots), *[0.0] * (depots - 1)]
        fields.update(service=at, max_time=most)
    elif most is not None:
        fields["max_distance"] = most
    if service or file.body.keys() & _TIMED:
        fields["speed"] = 60.0
    return fields


def _stops(file: File, ids: list[str]) -> list[int]:
    _, depots = depots_outside(file, ids)
    return [i for i in range(len(ids)) if i not in depots]


def _pairs(file: File, ids: list[str], order: list[int]) -> dict[str, Any]:
    """Read the requests of LKH-3's format: node, demand, window, service, pickup and delivery."""
    rows = file.rows(_PAIRS, ids, 6, least=-math.inf)
    at = {name: place for place, name in enumerate(ids[i] for i in order)}
    known = dict(zip(ids, rows, strict=True))
    fields: dict[str, Any] = {"demands": [], "windows": [], "service": [], "origins": []}
    for i in order:
        demand, early, late, service, pickup, _ = rows[i]
        name = f"{pickup:g}"
        if demand < 0 and (name not in at or known[name][0] != -demand):
            raise FormatError(
                f"{file.source}: {_PAIRS}: node {ids[i]} has demand {demand:g}: expected a node "
                f"of demand {-demand:g} where it is picked up, not {name}"
            )
        fields["demands"].append(max(0.0, -demand))
        fields["origins"].append(at[name] if demand < 0 else 0)
        fields["windows"].append((early, late))
        fields["service"].append(service)
    return fields


def _fleet(file: File, ids: list[str]) -> dict[str, Any]:
    """Read how many vehicles there are, and how they differ."""
    known = [key for key in ("VEHICLES", "SALESMEN") if key in file.head]
    if len(known) > 1:
        raise file.wrong(file.head["SALESMEN"][0], "SALESMEN beside VEHICLES: expected one")
    count = file.count(known[0]) if known else None
    sections = [section for section in _OF_VEHICLES if section in file.body]
    if not sections:
        return {} if count is None else {"dispatchers": count, "crew": "at_most"}
    numbers = [words[0] for _, words in file.body[sections[0]]]
    if count is not None and len(numbers) != count:
        raise FormatError(
            f"{file.source}: {sections[0]} has {len(numbers)} vehicles: expected {count}, "
            f"as {known[0]} has"
        )
    values = {section: file.by_node(section, numbers) for section in sections}
    single: list[Vehicle] = []
    for at, number in enumerate(numbers):
        fields: dict[str, Any] = {_OF_VEHICLES[s]: values[s][at] for s in sections}
        if "depot" in fields:
            fields["depot"] = f"{fields['depot']:g}"
            if fields["depot"] not in ids:
                raise FormatError(
                    f"{file.source}: VEHICLES_DEPOT_SECTION: vehicle {number}: "
                    f"{fields['depot']} is no node"
                )
        try:
            single.append(Vehicle(**fields))
        except ValueError as error:
            raise FormatError(f"{file.source}: vehicle {number}: {error}") from None
    kinds = Counter(single)
    return {"fleet": [dataclasses.replace(v, count=n) for v, n in kinds.items()]}
