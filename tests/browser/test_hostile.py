"""A project whose every text is an attack: it is shown, and nothing of it runs."""

from __future__ import annotations

import json
from datetime import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.console import client_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.console import Console

SCRIPT = "<script>window.hacked=1</script>"
IMAGE = "<img src=x onerror=window.hacked=1>"
BREAK = '"><svg onload=window.hacked=1>'
ATTACK = f"{BREAK}{IMAGE}{SCRIPT}"
JOB = "<img src=x onerror=window.hacked=1>"  # a file name: no slash
# A file name has at most 255 bytes, and a name in Azkaban's tables 128 letters.
FLOW = f"flow-{'W' * 60}-{'שלום' * 10}"
WIDE = "W" * 250
RECORD = {"status": "succeeded", "seconds": 1, "metrics": {WIDE: 1.5, IMAGE: 2}}
ABOUT = ATTACK + "W" * 120
REPORT = f"""<!doctype html><title>R</title><h1>Report</h1><p id=out>-</p><p id=net>-</p><script>
let cookie; try {{ cookie = document.cookie || "none" }} catch (e) {{ cookie = "refused" }}
document.getElementById("out").textContent = "script ran, cookie " + cookie;
const told = (words) => () => {{ document.getElementById("net").textContent = words }};
fetch("/index?ajax=fetchallprojects").then(told("asked"), told("no requests"));
</script>{SCRIPT}"""


@pytest.fixture
def hostile(
    browse: Callable[[str], Console], tmp_path: Path, window: str, made: dict[str, int]
) -> tuple[Console, str, int]:
    """The administrator's window, the project, and a run of it; made, and failed, once a window."""
    console = browse("admin")
    name = f"hostile-{window}"
    if name in made:
        return console, name, made[name]
    files = {
        f"{JOB}.job": "type=command\ncommand=python3 attack.py ${output.dir} ${azkaban.flow.execid}"
        f"\nlabel={ATTACK}\n{SCRIPT}={IMAGE}\n",
        f"{FLOW}.job": f"type=command\ncommand=python3 end.py ${{bad}}\ndependencies={JOB}\n",
        "end.py": f"import sys; print({WIDE!r}); sys.exit(sys.argv[1] == 'yes')\n",
        "shared.properties": f"greeting={ATTACK}\n{BREAK}=1\n{WIDE}={WIDE}\nbad=no\n",
        f"{WIDE}.txt": WIDE,
        "attack.py": "import os, sys\n"
        f"print({ATTACK!r}, {WIDE!r}); print('ERROR', {IMAGE!r}, {WIDE!r})\n"
        f"folder = f'{{sys.argv[1]}}/hostile/{{sys.argv[2]}}/{FLOW}'\n"
        "os.makedirs(folder)\n"
        f"open(folder + '/report.html', 'w').write({REPORT!r})\n"
        f"open(folder + '/run.json', 'w').write({json.dumps(RECORD)!r})\n",
    }
    console.make_project(name, files, tmp_path)
    page = console.open(f"project/{name}")
    console.button("Describe").click()
    console.in_dialog().get_by_label("Description").fill(ABOUT)
    console.confirm()
    expect(page.locator("main p.description")).to_have_text(ABOUT)
    console.open(f"flow/{name}/{quote(FLOW)}")
    console.button("Run").click()
    expect(console.in_dialog()).to_contain_text("Empty means the default")
    console.in_dialog().get_by_role("button", name="Other parameter").click()
    console.in_dialog().get_by_label("Name of the parameter").fill(f"{IMAGE}")
    console.in_dialog().get_by_label("Value of the parameter").fill(ATTACK + WIDE)
    console.confirm()
    number = console.execution()
    with client_of(console.server) as client:
        bad = client.execute(name, FLOW, properties={"bad": "yes"}, concurrency="concurrent")
        console.wait_for_status("Succeeded")
        client.wait(bad)
    made[f"{name} failed"] = bad
    made[name] = number
    return console, name, number


# Texts that stand a letter or two to a line, as where a long name leaves no place beside it.
SQUEEZED = """() => {
    const squeezed = (element) => {
        const text = document.createRange(); // a cell is as high as its row
        text.selectNodeContents(element);
        const { width, height } = text.getBoundingClientRect();
        return width > 0 && height > 300 && height > 12 * width;
    };
    const texts = 'main :is(a, code, dd, dt, h1, h2, h3, li, p, td, th)';
    return [...document.querySelectorAll(texts)].filter(squeezed).map((it) => it.outerHTML);
}"""


def _unharmed(page: Page, where: str) -> None:
    """Nothing of the project ran; nothing of it is wider than the window, or leaves no place."""
    assert page.evaluate("window.hacked") is None, where
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{where} is {wide} pixels wider than the window"
    assert page.evaluate(SQUEEZED) == [], where


def test_nothing_runs_in_any_page(hostile: tuple[Console, str, int], made: dict[str, int]) -> None:
    console, name, number = hostile
    page, failed = console.page, made[f"{name} failed"]
    job, flow = quote(JOB), f"flow/{name}/{quote(FLOW)}"
    shown = {
        "": ABOUT,
        f"project/{name}": ABOUT,
        f"project/{name}/permissions": name,
        f"project/{name}/events": "uploaded",
        flow: FLOW,
        f"{flow}/executions": f"#{number}",
        f"{flow}/grid": JOB,
        f"{flow}/calendar": "Days of logical.date",
        f"compare/{number}/{failed}": WIDE,
        f"project/{name}/source?file=shared.properties": WIDE,
        f"project/{name}/source?file={WIDE}.txt": WIDE,
        f"execution/{number}": "2 of 2 jobs done",
        f"execution/{failed}": f"{FLOW} failed after",
        f"execution/{number}/timeline": JOB[:8],  # shortened in its middle
        f"execution/{number}/jobs": JOB,
        f"execution/{number}/results": WIDE,
        f"execution/{number}/log": JOB,
        f"execution/{number}/parameters": ATTACK + WIDE,
        f"job/{number}/{job}": ATTACK,
        "history": FLOW,
        "schedules": FLOW,
        "running": "Nothing runs now",
        f"project/{quote(ATTACK)}": "There is no such project",
        f"job/{number}/{job}{job}": "has no job",
    }
    with client_of(console.server) as client:
        client.schedule_daily(name, FLOW, time(3, 30))
        try:
            for route, text in shown.items():
                page.goto("about:blank")
                console.open(route)
                expect(page.locator("main")).to_contain_text(text)
                if not route:
                    expect(page.locator(".part.failed")).to_contain_text(FLOW)
                    expect(page.locator(".part.next")).to_contain_text(FLOW)
                _unharmed(page, route)
                assert page.locator("main img, main script, main iframe").count() == 0, route
        finally:
            client.unschedule(name, FLOW)
    console.open(flow)
    page.locator(".node").first.click()
    expect(page.locator(".job-panel")).to_contain_text(ATTACK)
    _unharmed(page, "panel")
    console.open(f"job/{number}/{job}")
    page.get_by_label("Search the log").fill("<img")
    expect(page.locator("mark").first).to_have_text("<img")
    page.keyboard.press("Control+k")
    dialog = console.in_dialog()
    for words, found in ((f"{IMAGE} #{number}", ATTACK), (FLOW[-8:], FLOW)):
        dialog.get_by_label("Search").fill(words)
        expect(dialog.get_by_role("option").first).to_contain_text(found)
        assert dialog.evaluate("it => it.scrollWidth - it.clientWidth") <= 0
    _unharmed(page, "search")


@pytest.mark.parametrize("window", ["desktop"])
def test_nothing_runs_in_dialogs_and_schedules(hostile: tuple[Console, str, int]) -> None:
    console, name, number = hostile
    page, dialog = console.page, console.in_dialog()

    def unharmed(seen: str) -> None:
        expect(dialog).to_contain_text(seen)
        _unharmed(page, seen)
        assert dialog.locator("img, script, iframe").count() == 0
        page.keyboard.press("Escape")

    console.open(f"execution/{number}")
    console.button("Run again").click()
    dialog.locator("summary").first.click()
    expect(dialog.get_by_label("Name of the parameter")).to_have_value(IMAGE)
    unharmed(JOB)  # among the jobs
    console.open(f"flow/{name}/{quote(FLOW)}")
    console.button("Schedule").click()
    # 2.5 writes it unescaped into its page, so what is left of it is only what is no markup.
    expect(dialog.get_by_label("greeting", exact=True)).to_have_attribute("placeholder", '">')
    console.confirm()
    console.button("Time limits").click()
    dialog.get_by_role("button", name="Another limit").click()
    dialog.get_by_label("What").select_option(JOB)
    dialog.get_by_label("When a limit is passed").fill(f"{IMAGE}@example.com")
    console.confirm()
    expect(page.locator(".notice")).to_contain_text(f"{JOB} must finish")
    console.button("Time limits").click()
    unharmed(JOB)
    console.open(f"project/{name}")
    console.button("Describe").click()
    expect(dialog.get_by_label("Description")).to_have_value(ABOUT)
    unharmed("Describe")
    console.open("schedules")
    page.get_by_role("button", name=f"Unschedule {FLOW}").click()
    expect(page.locator("main")).to_contain_text("Nothing is scheduled")
    assert page.evaluate("window.hacked") is None


@pytest.mark.stock
@pytest.mark.parametrize("window", ["desktop"])
def test_azkabans_own_pages_run_nothing_on_the_way_to_the_console(
    hostile: tuple[Console, str, int],
) -> None:
    console, name, number = hostile
    page = console.page
    page.add_init_script(
        "Object.defineProperty(window, 'hacked', {set() { console.error('hacked') }})"
    )
    for path in (
        "",
        "index?all",
        f"manager?project={name}",
        f"manager?project={name}&flow={quote(FLOW)}",
        f"manager?project={name}&logs",
        f"executor?execid={number}",
        "history",
        "executor",
        "schedule",
    ):
        page.goto(f"{console.url}/{path}")
        page.wait_for_url("**/js/console/index.html#/**" if path else "**/js/console/index.html**")
        expect(page.locator("main#main h1")).to_be_visible()


@pytest.mark.parametrize("window", ["desktop"])
def test_a_report_runs_in_a_sandbox_without_the_session(hostile: tuple[Console, str, int]) -> None:
    console, _, number = hostile
    page = console.open(f"execution/{number}")
    page.get_by_role("link", name="Report").click()
    page.wait_for_url(f"**#/report/{number}/**")
    frame = page.frame_locator("iframe.report")
    expect(frame.get_by_role("heading", name="Report")).to_be_visible()
    expect(frame.locator("#out")).to_have_text("script ran, cookie refused")
    expect(frame.locator("#net")).to_have_text("no requests")
    page.get_by_role("link", name=f"Back to run #{number}").click()
    page.wait_for_url(f"**#/execution/{number}/results")
    # What the sandbox refuses, the browser reports.
    console.errors = [line for line in console.errors if "Content Security Policy" not in line]
