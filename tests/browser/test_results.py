"""What jobs recorded: the results of a run, the trends of a flow, and the pages of azk report."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from setup.layout import CHECKOUT
from tests.browser.console import WINDOWS, barriers, job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.browser.console import Console

numbers = itertools.count(1)
ATTACK = '"><script>window.hacked=1</script><img src=x onerror=window.hacked=1>'

# A job of this checkout, which leaves run.json and report.html; the second is made to fail.
FILES = {
    "data.job": job("${python} -m jobs.sampling.load", **{"sampling.load.problem": "${problem}"}),
    "deals.job": job(
        "${python} -m jobs.sampling.load", needs="data", **{"sampling.load.problem": "most"}
    ),
    "deals.properties": "problem=decay\nproject.name=deals\n",
}


@pytest.fixture
def ran(browse: Callable[[str], Console], tmp_path: Path) -> tuple[Console, str, list[int]]:
    """A flow that ran twice; each time its last job failed."""
    console = browse("admin")
    name = f"results{next(numbers)}"
    files = dict(FILES)
    for folder in ("jobs", "core"):
        for path in (CHECKOUT / folder).rglob("*"):
            if path.suffix in {".py", ".html", ".csv"}:
                files[str(path.relative_to(CHECKOUT))] = path.read_text(encoding="utf-8")
    console.make_project(name, files, tmp_path)
    runs = []
    for data in ("decay", "changepoint"):
        console.open(f"flow/{name}/deals")
        console.button("Run").click()
        console.in_dialog().get_by_label("problem", exact=True).fill(data)
        console.confirm()
        runs.append(console.execution())
        console.wait_for_status("Failed")
    return console, name, runs


def test_results_and_trends_are_shown_with_links_to_the_reports(
    ran: tuple[Console, str, list[int]], axe: str
) -> None:
    console, name, (first, second) = ran
    page = console.open(f"execution/{second}/results")
    data = page.get_by_role("row").filter(has=page.get_by_role("link", name="data", exact=True))
    expect(data).to_contain_text("values112")
    failed = page.get_by_role("row").filter(has=page.get_by_role("link", name="deals", exact=True))
    expect(failed).to_contain_text(
        "sampling.load.problem = 'most'"
    )  # why it failed, without its log
    expect(failed.get_by_role("link", name="Report")).to_be_visible()
    data.get_by_role("link", name="Report").click()
    beside = page.frame_locator("iframe.report").get_by_role("heading", name="Environment")
    expect(beside).to_be_visible()
    page.get_by_role("link", name="Open alone").click()
    expect(page.get_by_role("heading", name="Environment")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("values.*112"))).to_be_visible()
    assert barriers(page, axe) == []

    console.open(f"flow/{name}/deals/executions")
    chart = page.get_by_role("img", name=re.compile("^values of data by run"))
    expect(chart).to_be_visible()
    expect(chart.locator("text", has_text="run")).to_have_count(1)
    expect(chart.locator("circle")).to_have_count(2)
    chart.locator("circle").first.click()
    page.wait_for_url(f"**#/execution/{first}")


def test_what_a_job_recorded_is_text(browse: Callable[[str], Console], tmp_path: Path) -> None:
    console = browse("admin")
    name = f"record{next(numbers)}"
    console.make_project(name, {"only.job": "type=noop\n"}, tmp_path)
    for at in (1, 2):
        console.open(f"flow/{name}/only")
        console.button("Run").click()
        console.confirm()
        number = console.execution()
        console.wait_for_status("Succeeded")
        folder = console.server.layout.runs / "any" / str(number) / "only"
        folder.mkdir(parents=True)
        record: dict[str, Any] = {
            "status": ATTACK,
            "error": ATTACK,
            "metrics": {ATTACK: at, "odd": ATTACK, "deep": {"a": [ATTACK]}},
        }
        (folder / "run.json").write_text(json.dumps(record))
        worse = folder.with_name("worse")
        worse.mkdir()
        (worse / "run.json").write_text("[" * 200_000)
    page = console.open(f"execution/{number}/results")
    expect(page.locator("main")).to_contain_text(ATTACK)
    console.open(f"flow/{name}/only/executions")
    expect(page.locator(".chart")).to_contain_text(ATTACK)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0


@pytest.fixture
def report(azkaban: Any, tmp_path: Path) -> Iterator[str]:
    """The address of `azk report serve` over runs with hostile names."""
    runs = tmp_path / "runs"
    name = ATTACK.replace("/", "")
    for number in range(3, 6):
        folder = runs / name / str(number) / name
        folder.mkdir(parents=True)
        record = {
            "flow": ATTACK,
            "status": "failed" if number < 5 else "succeeded",
            "error": ATTACK,
            "started": f"2026-11-0{number}T08:00:00+00:00",
            "ended": f"2026-11-0{number}T08:00:0{number}+00:00",
            "seconds": number,
            "metrics": {ATTACK: number, "accuracy": number / 7},
        }
        (folder / "run.json").write_text(json.dumps(record))
        (folder / "report.html").write_text(f"<!doctype html><h1>R{number}</h1>")
    program = "import sys; from azkaban_client.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "report", "serve", "--runs", str(runs)]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.terminate()


def test_the_pages_of_azk_report(report: str, chromium: Any, window: str, axe: str) -> None:
    context = chromium.new_context(**WINDOWS[window], bypass_csp=True)  # for axe's own script
    context.set_default_timeout(10_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url))
    page.goto(report)
    expect(page.get_by_role("heading", name="Flows")).to_be_visible()
    trend = page.get_by_role("img", name=f"{ATTACK} in 3 runs")  # of its last job's first metric
    expect(trend).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    assert barriers(page, axe) == []
    page.get_by_role("region", name="Flows").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Metrics by execution")).to_be_visible()
    expect(page.locator("figure svg")).to_have_count(2)
    assert barriers(page, axe) == []
    page.get_by_role("link", name="#5").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("#5")
    assert barriers(page, axe) == []
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    page.get_by_role("link", name=re.compile("^Report of")).click()
    expect(page.get_by_role("heading", name="R5")).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert [said for said in wrong if not said.startswith((report, "data:"))] == []
    context.close()
