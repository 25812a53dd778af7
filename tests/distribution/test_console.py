"""The console beside a user's own Azkaban 3.x or 4.x, in a Chromium: what 2.5 does not have.

    python3 -m setup test --browser --distribution /path/to/archives \
        -- tests/distribution/test_console.py
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.console import Console, job, launch
from tests.distribution.conftest import Live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CRON = "0 30 5 ? * MON-FRI"
FILES = {
    "slow.job": job("sleep ${seconds}"),
    "last.job": job("echo ${greet}", needs="slow"),
    "shared.properties": "seconds=0\ngreet=hello\n",
}


@pytest.fixture(scope="module")
def solo(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    live = Live(tmp_path_factory.mktemp("solo") / "p", archive=sources)
    yield live
    live.stop()


@pytest.fixture
def console(solo: Live, tmp_path: Path) -> Iterator[Console]:
    """The administrator's window, on a project of the flow ``last``."""
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = launch(playwright, solo.server)
        console = Console(browser, solo.server, "desktop")
        console.login("admin")
        expect(console.button("Log out")).to_be_visible()
        console.make_project(tmp_path.name.replace("_", ""), FILES, tmp_path)
        console.page.get_by_role("link", name="last", exact=True).click()
        expect(console.page.locator(".node")).to_have_count(2)
        yield console
        browser.close()
    assert console.errors == []


def test_cron_is_scheduled_changed_and_unscheduled(console: Console) -> None:
    page, dialog = console.page, console.in_dialog()
    note = page.locator(".notice")
    console.button("Schedule").click()
    page.get_by_label("Unit of repetition").select_option("cron expression")
    page.get_by_label("Cron expression").fill("banana")
    dialog.locator("button[type=submit]").click()
    expect(dialog.get_by_role("alert")).to_contain_text("banana")
    page.get_by_label("Cron expression").fill(CRON)
    page.get_by_label("greet", exact=True).fill("hi <b>")
    console.confirm()
    expect(note).to_contain_text(re.compile(rf"by cron {re.escape(CRON)}, next at \S+ 05:30:00"))

    console.button("Time limits").click()
    dialog.get_by_role("button", name="Another limit").click()
    dialog.get_by_label("mail", exact=True).uncheck()
    dialog.get_by_label("kill", exact=True).check()
    console.confirm()
    expect(note).to_contain_text("the flow must finish within 1 h 00 m, else kill")

    console.button("Change schedule").click()
    expect(page.get_by_label("Cron expression")).to_have_value(CRON)
    expect(page.get_by_label("greet", exact=True)).to_have_value("hi <b>")
    page.get_by_label("Cron expression").fill(CRON.replace("30 5", "45 6"))
    console.confirm()
    expect(note).to_contain_text("06:45:00")
    expect(note).to_contain_text("the flow must finish within 1 h 00 m, else kill")

    console.open("schedules")
    row = page.locator("tbody tr")
    expect(row).to_contain_text(CRON.replace("30 5", "45 6"))
    row.get_by_role("button", name="Unschedule last").click()
    expect(page.locator("main")).to_contain_text("Nothing is scheduled")


def test_a_run_may_have_a_time_limit_from_4_0_on(solo: Live, console: Console) -> None:
    dialog = console.in_dialog()
    console.button("Run").click()
    dialog.get_by_label("seconds", exact=True).fill("600")
    offered = dialog.get_by_text("Time limits")
    if int((solo.server.statuses()[0].version or "").split(".")[0]) < 4:
        expect(offered).to_have_count(0)
        return
    offered.click()
    dialog.get_by_role("button", name="Another limit").click()
    dialog.get_by_label("Hours").fill("0")
    dialog.get_by_label("Minutes").fill("1")
    dialog.get_by_label("mail", exact=True).uncheck()
    dialog.get_by_label("kill", exact=True).check()
    console.confirm()
    console.wait_for_status("Running")
    console.wait_for_status("Killed", seconds=240)
