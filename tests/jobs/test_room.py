"""Windows of texts are compared with the memory of executors, before they are trained on."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from azkaban_client.job import InputError
from jobs.spark import _shards
from jobs.spark._room import check_room, window_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

WHAT = "spark.train.window = 500000: windows of 500,000 texts"
YARN = {"spark.master": "yarn", "spark.executor.memory": "512m"}


def refused(needed: int, tasks: int = 2, **settings: str) -> str:
    """Say what is wrong with so many MB in each task; empty if nothing is."""
    names = {f"spark.executor.{name}": value for name, value in settings.items()}
    fix, texts = "set it to {} or less", 500_000
    try:
        check_room({**YARN, **names}, tasks, needed << 20, WHAT, fix=fix, texts=texts)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("needed", "tasks", "settings"),
    [
        (124, 2, {}),
        (2172, 1, {"memoryOverhead": "2432m"}),
        (2172, 1, {"memoryOverhead": "384m", "pyspark.memory": "2g"}),
        (636, 1, {"memory": "1024"}),
        (12, 2, {"cores": "2"}),
        (124, 1, {"cores": "2"}),
        (12, 8, {"cores": "2"}),
    ],
)
def test_what_an_executor_has_room_for(needed: int, tasks: int, settings: dict[str, str]) -> None:
    assert refused(needed, tasks, **settings) == ""
    assert refused(needed + 1, tasks, **settings).startswith(f"{WHAT} take {needed + 1:,} MB")


def test_what_is_advised_works() -> None:
    said = refused(1000, cores="2")
    assert "room for 12 MB in each of its 2 tasks" in said
    assert "set it to 6000 or less, or add --conf spark.executor.memoryOverhead=2368m" in said
    assert refused(1000, cores="2", memoryOverhead="2368m") == ""
    assert "or less" not in refused(1000, memoryOverhead="10m"), "no window is small enough"


def test_other_clusters_limit_no_python() -> None:
    check_room({"spark.master": "spark://h:1"}, 2, 1 << 40, WHAT, fix="", texts=1)


@pytest.mark.parametrize(("window", "steps", "tasks"), [(40_000, 30, 2), (30_000, 60, 1)])
def test_windows_take_no_more_than_was_expected(window: int, steps: int, tasks: int) -> None:
    def texts() -> Iterator[tuple[int, int, bytes]]:
        ids = np.arange(steps, dtype="<i4").tobytes()
        for place in range(0, 2 * window, tasks):
            yield place, 1, ids[:]

    expected = window_bytes(window, steps, tasks)
    tracemalloc.start()
    try:
        stream = _shards._Stream(texts(), steps, window, 2 * window)
        first, _ = stream.window(0)
        second, _ = stream.window(1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert first.values.shape == second.values.shape == (steps, window // tasks)
    assert expected / 2 < peak < expected
