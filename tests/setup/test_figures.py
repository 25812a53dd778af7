"""The figures of set-up stand on their page as they were measured."""

from __future__ import annotations

import json

from benchmarks.setup import page
from setup.layout import CHECKOUT


def test_figures_on_the_page_are_those_that_were_measured() -> None:
    measured = json.loads((CHECKOUT / "benchmarks/setup/figures.json").read_text())
    shown = (CHECKOUT / "docs/setup-figures.md").read_text()
    assert shown == page.page(measured), (
        "run: python benchmarks/setup/page.py > docs/setup-figures.md"
    )


def test_the_first_demo_takes_at_most_sixty_percent_of_the_time_before() -> None:
    ways = json.loads((CHECKOUT / "benchmarks/setup/figures.json").read_text())["ways"]
    for case in ("demo, empty cache", "demo, full cache"):
        assert ways["uv"][case]["seconds"] <= 0.6 * ways["before"][case]["seconds"]
    assert ways["uv"]["up, sizes"]["prefix"] < 80
