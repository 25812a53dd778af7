"""The figures of set-up, of load and of schedulers stand on their pages as they were measured."""

from __future__ import annotations

import json

import pytest

from benchmarks.page import page, within
from setup.layout import CHECKOUT


@pytest.mark.parametrize("kind", ["setup", "load"])
def test_figures_on_the_page_are_those_that_were_measured(kind: str) -> None:
    shown = (CHECKOUT / f"docs/reference/{kind}-figures.md").read_text()
    assert shown == page(kind), (
        f"run: python benchmarks/page.py {kind} > docs/reference/{kind}-figures.md"
    )


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("schedulers", "docs/reference/schedulers.md"),
        ("jobs", "docs/explanation/architecture.md"),
        ("routing", "docs/explanation/routing.md"),
        ("mcmc", "docs/reference/mcmc-figures.md"),
        ("nn", "docs/reference/nn-figures.md"),
    ],
)
def test_figures_within_a_page_are_those_that_were_measured(kind: str, page: str) -> None:
    shown = (CHECKOUT / page).read_text()
    assert shown == within(shown, kind), f"run: python benchmarks/page.py {kind} {page}"


def test_every_scheduler_was_measured() -> None:
    measured = json.loads((CHECKOUT / "benchmarks/schedulers/figures.json").read_text())
    assert {*measured["schedulers"]} == {"azkaban", "luigi", "prefect", "dagster", "airflow"}


def test_the_first_demo_takes_at_most_sixty_percent_of_the_time_before() -> None:
    ways = json.loads((CHECKOUT / "benchmarks/setup/figures.json").read_text())["ways"]
    for case in ("demo, empty cache", "demo, full cache"):
        assert ways["uv"][case]["seconds"] <= 0.6 * ways["before"][case]["seconds"]
    assert ways["uv"]["up, sizes"]["prefix"] < 80


def test_nothing_failed_under_load_and_nothing_was_lost() -> None:
    measured = json.loads((CHECKOUT / "benchmarks/load/figures.json").read_text())
    for ways in measured["servers"].values():
        for phase, least in (("uploads", 400), ("executions", 200), ("followers", 100)):
            now = ways["now"][phase]
            assert now["acknowledged"] == now["asked"] >= least
            assert now.get("lost", 0) == 0
        assert ways["now"]["followers"]["probe"]["failed"] == 0
