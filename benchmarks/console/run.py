"""How long the console's pages take to be drawn: generated flows, long lists, a first visit.

    python3 -m setup test --browser -- --co -q    # once: Playwright comes into the environment
    "$(python3 -m setup env)" -m benchmarks.console.run [--before REVISION] [--json FILE]

A server with MySQL in a folder of its own, flows of 10 to 2,000 jobs, a run of each, and a history
of 10,000 runs. The console of a commit is put beside this one on the same server, and measured in
turn with it. `benchmarks/page.py` writes docs/reference/web-figures.md from the file.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from azkaban_client import Bundle, Client
from setup import java
from setup.azkaban import Server, Wanted, recovery
from setup.layout import Layout
from setup.mysql import Server as MySQL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
JOBS = (10, 100, 1000, 2000)
LAYERS = {10: 4, 100: 10, 1000: 25, 2000: 40}
RUNS = 10_000
PROJECTS = 10_000
PARAMETERS = 2000
SOME = 100  # projects of a visit
PROJECT = "generated"
SIZE = {"width": 1280, "height": 800}
WIDE = "wide"  # a project with so many parameters
COLUMNS = """project_id, version, flow_id, status, submit_user, submit_time, update_time,
    start_time, end_time, enc_type, flow_data"""
COPY = f"""INSERT INTO execution_flows ({COLUMNS}) SELECT {COLUMNS} FROM execution_flows
    WHERE exec_id = %s"""  # noqa: S608 (constants)
MAKE = """INSERT INTO projects (name, active, modified_time, create_time, last_modified_by,
    description, enc_type) VALUES (%s, 1, %s, %s, %s, %s, 1)"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

# In the page: what held it up, and how many frames it showed.
WATCH = """
window.longest = [];
new PerformanceObserver((list) => {
    window.longest.push(...list.getEntries().map((one) => one.duration));
}).observe({ type: 'longtask', buffered: true });
"""
FRAME = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"

# Go to a page of the console, or press a button; wait until so many elements are there and painted.
DRAWN = f"""async ([hash, selector, least, press]) => {{
    window.longest.length = 0;
    const start = performance.now();
    if (press) document.querySelector(press).click();
    else if (hash !== null) location.hash = hash;
    while (document.querySelectorAll(selector).length < least) {{
        await new Promise((resolve) => requestAnimationFrame(resolve));
        if (performance.now() - start < 120000) continue;
        throw new Error(`few ${{selector}}: ${{document.body.innerText}}`);
    }}
    await {FRAME};
    const drawn = performance.now() - start;
    await new Promise((resolve) => setTimeout(resolve, 700)); // tasks that come afterwards
    return {{ drawn: Math.round(drawn), longest: Math.round(Math.max(0, ...window.longest)) }};
}}"""

FRAMES = """async () => {
    const frame = document.querySelector('.graph-frame');
    const box = frame.getBoundingClientRect();
    const target = frame.querySelector('svg') ?? frame;
    const at = { bubbles: true, cancelable: true, clientX: box.x + 300, clientY: box.y + 200 };
    window.longest.length = 0;
    let frames = 0;
    const start = performance.now();
    while (performance.now() - start < 3000) {
        const turn = Math.sin(frames / 9);
        const wheel = { ...at, ctrlKey: true, deltaY: 14 * Math.sign(turn) };
        target.dispatchEvent(new WheelEvent('wheel', wheel));
        await new Promise((resolve) => requestAnimationFrame(resolve));
        frames += 1;
    }
    const seconds = (performance.now() - start) / 1000;
    const longest = Math.round(Math.max(0, ...window.longest));
    return { frames: Math.round(frames / seconds), longest };
}"""


@dataclass(frozen=True)
class Way:
    """One console on the server."""

    name: str
    path: str  # of its folder below js/
    all_jobs: bool  # whether it folds, and so can show all jobs


def generated(jobs: int) -> dict[str, str]:
    """Make the files of a flow in layers, each job with two needs in the layer before."""
    chance = random.Random(jobs)  # noqa: S311 (a flow, no secret)
    layers = LAYERS[jobs]
    wide = jobs // layers
    name = f"j{jobs}-{{:04}}".format
    files = {}
    for at in range(wide * layers - 1):
        before = at // wide - 1
        needs = {name(before * wide + chance.randrange(wide)) for _ in range(2 * (before >= 0))}
        files[f"{name(at)}.job"] = f"type=noop\ndependencies={','.join(sorted(needs))}\n"
    needed = {one for text in files.values() for one in text.split("=")[-1].strip().split(",")}
    last = sorted({one.removesuffix(".job") for one in files} - needed)
    files[f"flow{jobs}.job"] = f"type=noop\ndependencies={','.join(last)}\n"
    return files


def fill(server: Server, folder: Path) -> dict[int, int]:
    """Upload the flows and run each."""
    settings = server.settings
    archive = folder / "generated.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for jobs in JOBS:
            for name, text in generated(jobs).items():
                packed.writestr(name, text)
    executions = {}
    auth = (settings.user, server.password)
    with Client(settings.url, auth=auth, address=settings.address) as client:
        client.create_project(PROJECT, "Generated flows")
        client.upload(PROJECT, archive)
        client.create_project(WIDE, "A flow with many parameters")
        with Bundle(wide()).temporary() as path:
            client.upload(WIDE, path)
        for jobs in JOBS:
            flow = f"flow{jobs}"
            executions[jobs] = client.execute(PROJECT, flow)
            client.wait(executions[jobs])
    return executions


def some(server: Server) -> None:
    """Make a hundred projects of three flows, of which one has run."""
    settings = server.settings
    auth = (settings.user, server.password)
    files = {f"{flow}.job": b"type=noop\n" for flow in "abc"}
    with (
        Client(settings.url, auth=auth, address=settings.address) as client,
        Bundle(files).temporary() as path,
    ):
        started = []
        for number in range(2, SOME):
            name = f"some{number:02}"
            client.create_project(name, f"The project number {number}")
            client.upload(name, path)
            started.append(client.execute(name, "a"))
        for execution in started:
            client.wait(execution)


def crowd(server: Server, execution: int) -> None:
    """Make a long history, of copies of one run, and many projects."""
    with recovery.asking(MySQL(server.layout)) as cursor:
        for _ in range(RUNS):
            cursor.execute(COPY, (execution,))
        now = 1000 * int(time.time())
        for number in range(PROJECTS - SOME):
            words = f"The project number {number}: a & b"
            made = now - 1000 * number
            user = server.settings.user
            cursor.execute(MAKE, (f"project{number:04}", made, made, user, words))
        cursor.execute("COMMIT")


def wide() -> dict[str, bytes]:
    """Make the files of a flow with many parameters."""
    lines = "".join(f"part{number:04}.size={number}\n" for number in range(PARAMETERS))
    return {"wide.properties": lines.encode(), "wide.job": b"type=noop\n"}


def visits(browser: Browser, server: Server, way: Way) -> dict[str, Any]:
    """Count what a first visit and a second one ask for."""
    context, page = logged_in(browser, server, way)
    cookies = context.cookies()
    context.close()
    context = browser.new_context(viewport=SIZE)
    context.add_cookies(cookies)
    found = {}
    for visit in ("first", "second"):
        page = context.new_page()
        page.add_init_script(WATCH)
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        sizes: list[float] = []
        session.on(
            "Network.loadingFinished",
            lambda event, all_=sizes: all_.append(event["encodedDataLength"]),
        )
        page.goto(f"{server.settings.url}/js/{way.path}/index.html")
        page.locator("main#main h1").wait_for()
        page.wait_for_load_state("networkidle")
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        found[visit] = {
            "requests": len(sizes),
            "kilobytes": round(sum(sizes) / 1000, 1),
            "paint": round(page.evaluate(paint)),
        }
        page.close()
    context.close()
    return found


def few_and_some(
    browser: Browser, server: Server, ways: list[Way], rounds: dict[str, list[Any]]
) -> None:
    """Measure visits with two projects, then with a hundred."""
    for projects in (2, SOME):
        if projects == SOME:
            some(server)
        for number in range(len(rounds[ways[0].name])):
            for way in ways:
                found = visits(browser, server, way)
                rounds[way.name][number]["visits"][str(projects)] = found


def graphs(page: Page, way: Way, executions: dict[int, int]) -> dict[str, Any]:
    """Draw the graph of each flow, zoom in it, and list the jobs of its run."""
    found: dict[str, Any] = {}
    for jobs in JOBS:
        folds = way.all_jobs and jobs > 100
        count = len(generated(jobs))
        told = page.evaluate(
            DRAWN, [f"#/flow/{PROJECT}/flow{jobs}", ".node", 1 if folds else count]
        )
        found[f"graph of {jobs}"] = told | {"frames": page.evaluate(FRAMES)}
        if folds:
            page.get_by_role("button", name="Show all").click()
            told = page.evaluate(DRAWN, [None, ".node", count])
            found[f"graph of {jobs}, unfolded"] = told | {"frames": page.evaluate(FRAMES)}
        for tab, selector in (("", ".node"), ("/jobs", ".list tbody tr")):
            hash_ = f"#/execution/{executions[jobs]}{tab}"
            found[f"run of {jobs}{tab}"] = page.evaluate(DRAWN, [hash_, selector, 1])
        page.evaluate(DRAWN, ["#/running", "h1", 1])
    return found


def lists(page: Page) -> dict[str, Any]:
    """Look at the lists."""
    rows = ".list tbody tr"
    found = {}
    for name, hash_, selector in (
        (f"projects ({PROJECTS:,})", "#/", "main .cards .card"),
        (f"history ({RUNS:,} runs)", "#/history", rows),
        (f"runs of a flow ({RUNS:,})", f"#/flow/{PROJECT}/flow10/executions", rows),
    ):
        found[name] = page.evaluate(DRAWN, [hash_, selector, 10])
        page.evaluate(DRAWN, ["#/running", "h1", 1])
    return found | searches(page)


def searches(page: Page) -> dict[str, Any]:
    """Look for a project among all."""
    page.evaluate(DRAWN, ["#/running", "h1", 1])
    page.keyboard.press("/")
    page.get_by_text(f"of {PROJECTS:,} projects are known").wait_for()
    start = time.monotonic()
    page.keyboard.type("project 9")
    page.locator(".result").first.wait_for()
    drawn = round(1000 * (time.monotonic() - start))
    page.wait_for_timeout(700)
    longest = page.evaluate("Math.round(Math.max(0, ...window.longest))")
    page.keyboard.press("Escape")
    return {f"search ({PROJECTS:,} projects)": {"drawn": drawn, "longest": longest}}


def dialogs(page: Page) -> dict[str, Any]:
    """Open the dialog that runs a flow: one of many jobs, one of many parameters."""
    found = {}
    for name, hash_, selector, least in (
        (f"dialog of {JOBS[-1]} jobs", f"#/flow/{PROJECT}/flow{JOBS[-1]}", ".checks li", 1),
        (f"dialog of {PARAMETERS} parameters", f"#/flow/{WIDE}/wide", ".parameter", PARAMETERS),
    ):
        page.evaluate(DRAWN, [hash_, ".node", 1])
        found[name] = page.evaluate(DRAWN, [None, f"dialog {selector}", least, ".actions .primary"])
        page.keyboard.press("Escape")
        page.evaluate(DRAWN, ["#/running", "h1", 1])
    return found


def logged_in(browser: Browser, server: Server, way: Way) -> tuple[BrowserContext, Page]:
    """Open a console in a new session."""
    settings = server.settings
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(f"{settings.url}/js/{way.path}/index.html")
    page.get_by_label("User").fill(settings.user)
    page.get_by_label("Password").fill(server.password)
    page.get_by_role("button", name="Log in").click()
    page.locator("main#main h1").wait_for()
    return context, page


def pages(browser: Browser, server: Server, way: Way, executions: dict[int, int]) -> dict[str, Any]:
    """Measure the pages of one console, on a server with many projects and runs."""
    context, page = logged_in(browser, server, way)
    found = {"lists": lists(page), "graphs": graphs(page, way, executions)}
    found["lists"] |= dialogs(page)
    context.close()
    return found


def add_before(revision: str, web: Path) -> None:
    """Put the console of a commit beside this one."""
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "archive", revision, "console"]
    packed = subprocess.run(git, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        shutil.copytree(Path(folder) / "console", web / "js" / "before")


def middle(rounds: list[Any]) -> Any:
    """Take the medians of the figures of several rounds."""
    if isinstance(rounds[0], dict):
        return {key: middle([one[key] for one in rounds]) for key in rounds[0]}
    return statistics.median(rounds)


def load() -> float:
    """Tell how many programs want the cores."""
    return round(os.getloadavg()[0], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--before", metavar="REVISION", help="also the console of a commit")
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians are kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep the figures there")
    parser.add_argument(
        "--visits", action="store_true", help="the visits alone, beside the other figures of FILE"
    )
    options = parser.parse_args()
    if options.visits and (options.before or not options.json):
        parser.error("--visits: name FILE by --json, and no other console")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    ways = [Way("now", "console", all_jobs=True)]
    with (
        tempfile.TemporaryDirectory(dir=Path.home(), prefix="console-") as text,
        sync_playwright() as play,
    ):
        folder = Path(text)
        cache = os.environ.get("AZK_CACHE") or Path("~/.azkaban-jobflow/cache").expanduser()
        layout = Layout(folder / "prefix", Path(cache))
        layout.create(need=0)
        server = Server(layout)
        wanted = Wanted(tls=False, mysql=True)
        server.up(java.ensure(layout), wanted)
        try:
            executions = fill(server, folder)
            if options.before:
                add_before(options.before, layout.azkaban / "program" / "web")
                ways.append(Way("before", "before", all_jobs=False))
            browser = play.chromium.launch(
                executable_path=program,
                args=[
                    *FLAGS,
                    f"--host-resolver-rules=MAP {server.settings.host} {server.settings.address}",
                ],
            )
            rounds: dict[str, list[Any]] = {
                way.name: [{"visits": {}} for _ in range(options.rounds)] for way in ways
            }
            few_and_some(browser, server, ways, rounds)
            visited = load()
            if not options.visits:
                crowd(server, executions[10])
                server.stop()  # it knows the projects of its start
                server.up(java.ensure(layout), wanted)
                for number in range(options.rounds):
                    for way in ways:
                        rounds[way.name][number] |= pages(browser, server, way, executions)
            browser.close()
        finally:
            server.stop()
            MySQL(layout).stop()
    kept = {
        "before": options.before or "",
        "rounds": options.rounds,
        "cores": os.cpu_count(),
        "load": load(),
        "visited": visited,
        "consoles": {name: middle(found) for name, found in rounds.items()},
    }
    if options.visits:
        others = json.loads(options.json.read_text())
        kept |= {"load": others["load"]}
        kept["consoles"]["now"] = others["consoles"]["now"] | kept["consoles"]["now"]
    print(json.dumps(kept, indent=1))
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
