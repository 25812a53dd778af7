"""Make the pictures of README and docs from the server of this installation.

python3 -m setup demo                     # more than once: trends want several runs
"$(python3 -m setup env)" -m tests.browser.screenshots docs/images
"""

from __future__ import annotations

import getpass
import sys
import threading
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, Page, expect, sync_playwright

from azkaban_client.reports import records
from azkaban_client.reports.server import ReportServer
from setup.azkaban import Server
from setup.layout import Layout
from tests.browser.console import WINDOWS, Console, client_of, launch
from tests.pictures import shrink

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = FLOW = "nn"
WANTED = {
    *("run-light", "execution-light", "execution-phone-dark", "timeline-dark", "log-dark"),
    *("results-light", "trends-dark", "home-light", "grid-dark", "why-light"),
    *("compare-light", "schedules-dark", "search-light"),
}


def main(folder: Path) -> None:
    """Run the flow in each window size and take the pictures that are wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(Layout.of())
    with sync_playwright() as playwright:
        browser = launch(playwright, server)
        for window in WINDOWS:
            console = Console(browser, server, window).login("admin")
            expect(console.button("Log out")).to_be_visible()
            take(console, folder, window)
            console.close()
        reports(browser, server.layout.runs, folder)
        browser.close()


# Pictures are of nobody in particular.
RENAMED = """([name]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(name, 'me');
}"""


def save(page: Page, picture: Path) -> None:
    """Take a picture of what a window shows, with `me` for the account's name."""
    page.evaluate(RENAMED, [getpass.getuser()])
    page.screenshot(path=picture)
    shrink(picture)


def reports(browser: Browser, runs: Path, folder: Path) -> None:
    """Take pictures of what `azk report` shows of the flow, and of a report."""
    with ReportServer(runs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(viewport={"width": 1100, "height": 760}, color_scheme="light")
        page.goto(f"{server.url}flow/{PROJECT}/{FLOW}")
        save(page, folder / "report-trends.png")
        run = records.runs(runs, project="routing")[0]
        page.set_viewport_size({"width": 760, "height": 1240})
        page.goto(f"{server.url}file/{run.project}/{run.execution}/routing/report.html")
        save(page, folder / "report.png")
        page.close()
        server.shutdown()


def take(console: Console, folder: Path, window: str) -> None:
    """Take the pictures of one window size."""
    page = console.page

    def picture(name: str) -> None:
        for scheme in ("light", "dark"):
            size = "" if window == "desktop" else f"-{window}"
            if (full := f"{name}{size}-{scheme}") in WANTED:
                page.emulate_media(color_scheme=scheme)
                page.wait_for_timeout(400)
                save(page, folder / f"{full}.png")

    number = a_run(console, picture)
    if window == "phone":
        return
    failed = a_failure(console, picture)
    console.open(f"compare/{number}/{failed}")
    picture("compare")
    with client_of(console.server) as client:
        client.schedule_daily(PROJECT, FLOW, time(6))
        console.open()
        page.wait_for_timeout(2000)
        picture("home")
        console.open("schedules")
        page.get_by_role("link", name="Coming week").click()
        page.wait_for_timeout(1000)
        picture("schedules")
        client.unschedule(PROJECT, FLOW)
    console.open()
    page.keyboard.press("/")
    console.in_dialog().get_by_label("Search").fill("classic")
    page.wait_for_timeout(1000)
    picture("search")
    page.keyboard.press("Escape")
    console.open(f"job/{number}/{FLOW}")
    expect(page.locator(".log-state")).to_have_text("Complete", timeout=20_000)
    page.get_by_label("Search the log").fill("info")
    page.wait_for_timeout(300)
    picture("log")


def a_run(console: Console, picture: Callable[[str], None]) -> int:
    """Run the flow to its end, and return the number of the run."""
    page = console.page
    console.open(f"flow/{PROJECT}/{FLOW}")
    console.button("Run").click()
    expect(console.in_dialog().locator(".parameter").first).to_be_visible()
    page.wait_for_timeout(500)
    picture("run")
    for name, number in (("epochs", "200"), ("classic.epochs", "2000")):  # so that both are seen
        console.in_dialog().get_by_label(name, exact=True).fill(number)
    console.confirm()
    execution = console.execution()
    expect(page.locator(".node.is-run")).to_have_count(2, timeout=60_000)
    picture("execution")
    console.wait_for_status("Succeeded", seconds=300)
    console.open(f"execution/{execution}/timeline")
    picture("timeline")
    console.open(f"execution/{execution}/results")
    page.wait_for_timeout(300)
    picture("results")
    console.open(f"flow/{PROJECT}/{FLOW}/executions")
    page.wait_for_timeout(300)
    picture("trends")
    console.open(f"flow/{PROJECT}/{FLOW}/grid")
    page.wait_for_timeout(1000)
    picture("grid")
    return execution


def a_failure(console: Console, picture: Callable[[str], None]) -> int:
    """Run the flow on a file that is not there, and return the number of the run."""
    console.open(f"flow/{PROJECT}/{FLOW}")
    console.button("Run").click()
    console.in_dialog().get_by_label("csv", exact=True).fill("/no/such/file.csv")
    console.confirm()
    console.wait_for_status("Failed", seconds=300)
    console.page.wait_for_timeout(6000)  # until the server has its log
    picture("why")
    return console.execution()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
