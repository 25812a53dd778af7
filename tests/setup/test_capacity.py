"""How much a server does at once."""

from __future__ import annotations

import pytest

from setup.azkaban import capacity
from setup.azkaban.settings import MOST_EXECUTORS, Settings
from setup.mysql.config import MOST_CONNECTIONS


def settings(executors: int = 1, heap: str = "", profile: str = "server") -> Settings:
    return Settings(
        host="h",
        address="127.0.0.1",
        port=1,
        executor_port=2,
        user="u",
        profile=profile,
        more_executors=tuple(range(3, 2 + executors)),
        heap=heap,
    )


@pytest.mark.parametrize("executors", [1, 2, 5, MOST_EXECUTORS])
def test_all_pools_together_leave_connections_for_others(executors: int) -> None:
    able = capacity.of(settings(executors), processors=64)
    assert able.connections >= 16
    assert (3 + 2 * executors) * able.connections <= 0.6 * MOST_CONNECTIONS


def test_more_processors_and_memory_do_more_at_once() -> None:
    small, two, large = (
        capacity.of(settings(heap=heap), processors=cores)
        for heap, cores in (("40m", 1), ("1g", 2), ("8g", 16))
    )
    assert (two.requests, two.flows, two.connections) == (128, 30, 120)
    assert small.requests < two.requests < large.requests <= 256
    assert small.flows <= two.flows < large.flows <= 100
    assert small.requests >= 10
    assert capacity.of(settings(profile="solo", heap="1g"), processors=2).requests == 128
