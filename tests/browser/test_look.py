"""How flows are doing: what needs attention, why a run failed, grid, calendar, search."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from azkaban_client.flow.zip import Bundle
from azkaban_client.history import LOGICAL_DATE, started_with
from tests.browser.console import barriers, client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page, Route

    from setup.azkaban import Server
    from tests.browser.console import Console, Looked


@pytest.fixture(scope="module", autouse=True)
def planned(azkaban: Server, looked: Looked) -> Iterator[None]:
    """The flow is scheduled for every day; other tests want a server without schedules."""
    with client_of(azkaban) as client:
        client.schedule_daily(looked.project, "shop", time(3, 30))
        yield
        client.unschedule(looked.project, "shop")


def test_a_failed_run_says_why_first(
    browse: Callable[[str], Console], looked: Looked, axe: str
) -> None:
    console = browse("admin")
    page = console.open(f"execution/{looked.bad}")
    why = page.get_by_role("region", name="Why it failed")
    expect(why.get_by_role("heading", level=2)).to_contain_text("shop-join failed after")
    expect(why).to_contain_text("exit code 1: the program ended with an error")
    last = why.get_by_role("region", name="Last lines of shop-join")
    expect(last).to_contain_text("join line 3\nERROR nothing left to do")
    assert not re.search("Process completed|Starting job|INFO", last.inner_text())
    facts = why.locator("dl")
    expect(facts).to_contain_text(re.compile("versionnow 2 .uploaded .* by .*, then 1"))
    expect(facts).to_contain_text("fail: now yes, then no")
    first, second = looked.days
    assert f"logical.date: now {second}, then {first}" in facts.inner_text()
    assert barriers(page, axe) == []
    expect(why.get_by_role("button", name="Resume from shop-join")).to_be_visible()
    why.get_by_role("link", name=re.compile(f"Compare #{looked.good} and")).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="fail"))
    expect(row).to_contain_text("noyes")
    expect(page.get_by_role("row", name=re.compile("^shop-join "))).to_contain_text("Failed")
    expect(page.get_by_role("link", name=f"#{looked.good}", exact=True)).to_have_count(3)
    assert barriers(page, axe) == []
    page.get_by_label("Later run").select_option(str(looked.good))
    expect(page.get_by_text("Both were started with the same.")).to_be_visible()

    console.open(f"execution/{looked.good}")
    expect(page.get_by_role("region", name="Why it failed")).to_have_count(0)


def test_the_first_page_shows_what_needs_attention(
    browse: Callable[[str], Console], looked: Looked
) -> None:
    console = browse("admin")
    page = console.open()
    failed = page.locator(".part.failed li").filter(has_text=f"in {looked.project}")
    expect(failed).to_contain_text("Failed")
    expect(page.locator(".part.next")).to_contain_text(re.compile(f"shop in {looked.project}03:30"))
    expect(page.locator(".part.running")).not_to_contain_text("Looking")
    health = page.locator(".part.health")
    for told in ("Executors1 of 1 answer", "Databaseanswers in", "Disk", "Memory"):
        expect(health).to_contain_text(told)
    page.get_by_label("Filter projects").fill(looked.project)
    card = page.locator(".cards .card", has_text=looked.project)
    expect(card.locator(".card-state")).to_contain_text("Failed")
    expect(card.get_by_role("img", name="1 of the last 2 runs succeeded")).to_be_visible()
    expect(card.locator(".card-state")).to_contain_text(re.compile("Next .* 03:30"))
    failed.get_by_role("link").click()
    page.wait_for_url(f"**#/execution/{looked.bad}")


def test_a_visit_asks_for_many_cards_at_once(
    browse: Callable[[str], Console], looked: Looked
) -> None:
    console = browse("admin")
    page = console.open("running")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    console.open()
    page.get_by_label("Filter projects").fill(looked.project)
    expect(page.locator(".cards .card").first.locator(".card-state .badge")).to_be_visible()
    cards = [parse_qs(urlsplit(url).query)["projects"][0] for url in asked if "ajax=cards" in url]
    names = ",".join(cards).split(",")
    assert looked.project in names
    assert len(names) == len(set(names))
    assert not [url for url in asked if "ajax=fetchprojectflows" in url]


def test_the_grid_has_runs_as_columns_and_jobs_as_rows(
    browse: Callable[[str], Console], looked: Looked, axe: str
) -> None:
    console = browse("admin")
    page = console.open(f"flow/{looked.project}/shop/grid")
    cell = page.get_by_role(
        "link", name=re.compile(f"^shop-join, #{looked.bad} for {looked.days[1]}")
    )
    expect(cell).to_have_class("cell is-bad")
    expect(page.locator(".cell")).to_have_count(10)
    assert barriers(page, axe) == []
    cell.focus()
    page.keyboard.press("ArrowLeft")
    focused = page.locator(".cell:focus")
    expect(focused).to_have_attribute(
        "aria-label", re.compile(f"^shop-join, #{looked.good} for {looked.days[0]}, Succeeded")
    )
    expect(page.locator(".lattice-told")).to_contain_text("shop-join")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**#/job/{looked.good}/shop-join")


MANY = """async () => {
    const { lattice } = await import('./lattice.js');
    let drawn = 0;
    const names = Array.from({ length: 100 }, (_, at) => ({ text: `job-${at}` }));
    const cell = (row, column) => {
        drawn += 1;
        return { href: '#/', family: 'good', part: 0.5, name: `${row} ${column}` };
    };
    const view = lattice({
        names, label: 'many', cell, seen() {}, told() {},
        head: () => document.createElement('span'),
    });
    view.element.style.cssText += 'display: grid; overflow: auto; width: 800px; height: 500px';
    document.body.append(view.element);
    await new Promise(requestAnimationFrame);
    view.resize(200);
    let most = 0;
    for (let at = 0; at <= 40; at += 1) {
        view.element.scrollLeft = view.element.scrollWidth * (1 - at / 40);
        view.element.scrollTop = view.element.scrollHeight * at / 40;
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        most = Math.max(most, document.querySelectorAll('.cell').length);
    }
    const last = document.querySelector('[data-at="99,0"]') !== null;
    document.querySelector('.cell[tabindex="0"]').focus();
    view.resize(250, 50);
    const focused = document.activeElement.dataset.at !== undefined;
    return { most, last, drawn, focused };
}"""


def test_of_many_runs_and_jobs_only_those_in_sight_are_in_the_page(
    modules: Page,
) -> None:
    seen = modules.evaluate(MANY)
    assert seen["most"] < 5000  # of 20,000
    assert seen["last"]
    assert seen["focused"]  # also where older runs came in on the left
    assert seen["drawn"] < 200_000


def test_days_are_looked_at_and_run_from_the_calendar(
    browse: Callable[[str], Console], looked: Looked, axe: str
) -> None:
    console = browse("admin")
    page = console.open(f"flow/{looked.project}/shop/calendar")
    first, second = looked.days
    page.get_by_label(f"{second}: Failed").click()
    expect(page.locator(".day-detail")).to_contain_text(f"#{looked.bad} Failed")
    page.get_by_label(f"{first}: Succeeded").click()
    expect(page.locator(".day-detail h3")).to_contain_text("2 days, 1 without success")
    assert barriers(page, axe) == []
    console.button(f"Run {second}").click()
    expect(console.in_dialog()).to_contain_text("gets its day as the property logical.date")
    console.in_dialog().get_by_role("button", name="Cancel").click()


@pytest.mark.parametrize("window", ["desktop"], indirect=True)
def test_no_day_is_started_twice_from_the_calendar(
    browse: Callable[[str], Console], azkaban: Server
) -> None:
    first, second = (f"{datetime.now(UTC):%Y-%m}-0{number}" for number in (1, 2))
    files = {"day.job": b"type=noop\n", "day.properties": b"logical.date=\n"}
    with client_of(azkaban) as client:
        client.create_project("days", "A run for each day")
        with Bundle(files).temporary() as path:
            client.upload("days", path)

        lost: list[int] = []

        def lose(route: Route) -> None:
            """The server starts it, and its answer does not arrive."""
            if lost or "executeFlow" not in (route.request.post_data or ""):
                route.continue_()
                return
            lost.append(client.execute("days", "day", properties={"logical.date": first}))
            route.abort("failed")

        console = browse("admin")
        page = console.open("flow/days/day/calendar")
        page.route("**/executor", lose)
        page.get_by_label(f"{first}: no run").click()
        page.get_by_label(f"{second}: no run").click()
        console.button("Run 2 days without success").click()
        start = console.in_dialog().locator("button[type=submit]")
        start.click()
        expect(console.in_dialog().get_by_role("alert")).to_contain_text("does not answer")
        start.click()
        page.wait_for_url("**#/flow/days/day/grid")
        runs = client.history("days", "day").executions
        started = [started_with(client, one.execid, LOGICAL_DATE) for one in runs]
        assert sorted(map(str, started)) == [first, second]
    console.errors = [line for line in console.errors if "ERR_FAILED" not in line]


def test_search_finds_everything_by_one_key(
    browse: Callable[[str], Console], looked: Looked, axe: str
) -> None:
    console = browse("admin")
    page = console.open("history")
    page.locator("main#main").focus()
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_be_focused()
    found = page.get_by_role("listbox", name="Results").get_by_role("option")
    for words, group in (
        (f"{looked.project} shop-join", "Jobs"),
        (f"{looked.bad} shop failed", "Runs"),
        (f"fail=yes #{looked.bad}", "Parameters"),
        (f"shop {looked.project}", "Flows"),
        ("two versions", "Projects"),
    ):
        box.fill(words)
        expect(page.get_by_role("group", name=group).get_by_role("option").first).to_be_visible()
    expect(found).to_contain_text(["looked"])
    assert barriers(page, axe) == []
    box.fill(f"#{looked.bad}")
    expect(found.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**#/execution/{looked.bad}")


def test_the_filter_of_the_history_is_in_the_address_and_is_saved(
    browse: Callable[[str], Console], looked: Looked
) -> None:
    console = browse("admin")
    page = console.open(f"history?project={looked.project}&status=70&begin=2026-01-01")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text(f"#{looked.bad}")
    with page.expect_download() as saving:
        console.button("CSV").click()
    (row,) = csv.DictReader(Path(saving.value.path()).read_text(encoding="utf-8").splitlines())
    assert (row["id"], row["flow"], row["status"]) == (str(looked.bad), "shop", "FAILED")
    with page.expect_download() as saving:
        console.button("JSON").click()
    assert json.loads(Path(saving.value.path()).read_bytes())[0]["id"] == looked.bad
    page.get_by_label("Status").select_option("any status")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page).to_have_url(re.compile(f"\\?project={looked.project}&begin=2026-01-01$"))
    page.get_by_label("to", exact=True).fill("2026-01-02")
    page.get_by_label("to", exact=True).dispatch_event("change")
    expect(page.get_by_text("No run was found.")).to_be_visible()


def test_a_schedule_tells_its_next_runs(browse: Callable[[str], Console], looked: Looked) -> None:
    console = browse("admin")
    page = console.open("schedules")
    page.get_by_role("link", name=re.compile("^Next runs of shop: .* 03:30")).first.click()
    expect(page.get_by_role("heading", name="Next 10 runs")).to_be_visible()
    times = page.locator(".times").first.locator("li")
    expect(times).to_have_count(10)
    assert all(text.endswith(" 03:30:00") for text in times.all_inner_texts())
    expect(page.get_by_role("heading", name=re.compile("^Missed since"))).to_be_visible()
    expect(page.get_by_text("None.", exact=True)).to_be_visible()
    page.get_by_role("link", name="Coming week").click()
    expect(page.locator(".week section")).to_have_count(7)
    expect(page.locator(".week").get_by_text("03:30").nth(5)).to_be_visible()


def test_the_source_shows_files_versions_and_differences(
    browse: Callable[[str], Console], looked: Looked, axe: str
) -> None:
    console = browse("admin")
    page = console.open(f"project/{looked.project}/source")
    page.get_by_role("button", name="work.py").click()
    text = page.get_by_role("region", name="work.py")
    expect(text).to_contain_text("# Of the second version")
    page.get_by_label("Compare with").select_option("1")
    expect(page.locator(".files li")).to_have_count(1)
    expect(page.locator(".diff-new")).to_have_text(re.compile(r"\+ # Of the second version"))
    expect(page.locator(".diff-gone")).to_have_count(0)
    assert barriers(page, axe) == []
    expect(page).to_have_url(re.compile(r"\?with=1&file=work\.py$"))


PLANS = """async () => {
    const { setZone, instant, when, zoneName } = await import('./format.js');
    const { cronTimes } = await import('./cron.js');
    const { upcoming, missed } = await import('./plan.js');
    const before = zoneName();
    setZone('America/Los_Angeles');
    const some = (expression, from, number) => {
        const found = [];
        for (const time of cronTimes(expression, instant(from))) {
            found.push(when(time));
            if (found.length === number) break;
        }
        return found;
    };
    const first = '2026-10-20 08:00:00';
    const daily = { next: '2026-10-31 08:00:00', first, period: '1 day(s)', cron: '' };
    const monthly = { ...daily, next: '2026-01-31 08:00:00', period: '1 month(s)' };
    const starts = ['2026-10-28 08:00:40', '2026-10-30 12:00:00'].map(instant);
    const [since, now] = ['2026-10-28 00:00:00', '2026-10-31 07:00:00'].map(instant);
    const result = {
        third: some('0 23/30 5 ? * 6#3', '2026-11-22 06:09:26', 3),
        last: some('0 0 8 LW * ?', '2027-01-01 00:00:00', 1),
        over: some('0 0 22-2 ? * FRI', '2026-11-20 22:30:00', 4),
        never: some('0 0 0 30 2 ?', '2026-11-20 22:30:00', 1),
        summer: upcoming(daily, instant('2026-11-03 00:00:00')).map(when),
        months: upcoming(monthly, instant('2026-04-01 00:00:00')).map(when),
        missed: missed(daily, starts, since, now).map(when),
        gap: when(instant('2026-03-08 03:30:00')),
    };
    setZone(before);
    return result;
}"""


def test_when_schedules_run(modules: Page) -> None:
    assert modules.evaluate(PLANS) == {
        "third": ["2026-12-18 05:23:00", "2026-12-18 05:53:00", "2027-01-15 05:23:00"],
        "last": ["2027-01-29 08:00:00"],
        "over": [
            "2026-11-20 23:00:00",
            *(f"2026-11-27 {hour}:00:00" for hour in ("00", "01", "02")),
        ],
        "never": [],
        "summer": [f"2026-{day} 08:00:00" for day in ("10-31", "11-01", "11-02")],
        "months": [f"2026-{day} 08:00:00" for day in ("01-31", "02-28", "03-31")],
        "missed": ["2026-10-29 08:00:00"],
        "gap": "2026-03-08 03:30:00",
    }


WORDS = """async () => {
    const { ownLines, exitCode, exitWords, errorLine } = await import('./joblog.js');
    const { difference, around } = await import('./diff.js');
    const { csv } = await import('./save.js');
    const log = LOG;
    const long = Array.from({ length: 3000 }, (_, at) => `${at}`).join('\\n');
    return {
        own: ownLines(log), error: errorLine(ownLines(log)), code: exitCode(log),
        words: [137, 2, 77].map(exitWords),
        lines: around(difference('a\\nb\\nc', 'a\\nB\\nc\\nd')),
        large: difference(long, long.replaceAll('1', 'x').replaceAll('2', 'y')) === null,
        csv: csv(['a', 'b'], [{ a: '=1+1', b: 'x,"y"' }, { a: -1, b: null }]),
    };
}"""

# Of a 4.0 server; a name with a space and a dash must not end the line's head too early.
LOG = """\
22-11-2026 06:09:08 PST a INFO - Starting job a at 1795356548224
22-11-2026 06:09:08 PST a INFO - job JVM args: '-Dazkaban.flowid=b'
22-11-2026 06:09:08 PST a INFO - effective user is: azkaban
22-11-2026 06:09:08 PST a INFO - Command: bash -c x
22-11-2026 06:09:08 PST a INFO - Spawned process with id 7895
22-11-2026 06:09:10 PST a INFO - one - INFO - two
22-11-2026 06:09:10 PST a INFO - ValueError: 3 is too few
22-11-2026 06:09:10 PST a INFO - \tat com.example.Count.main(Count.java:3)
22-11-2026 06:09:10 PST a INFO - Process with id 7895 completed unsuccessfully in 2 seconds.
22-11-2026 06:09:10 PST a ERROR - Kill has been called.
22-11-2026 06:09:10 PST a ERROR - Job run killed!
22-11-2026 06:09:10 PST a ERROR - Job run failed!
java.lang.RuntimeException: FAILURE: Process exited with code 1
\tat azkaban.jobExecutor.ProcessJob.run(ProcessJob.java:312)
Caused by: FAILURE: Process exited with code 1
\t... 8 more
22-11-2026 06:09:10 PST a INFO - Finishing job a at 1795356550238 with status FAILED
""".replace("FAILURE", "azkaban.jobExecutor.utils.process.ProcessFailureException")


def test_words_for_logs_differences_and_tables(modules: Page) -> None:
    assert modules.evaluate(WORDS.replace("LOG", json.dumps(LOG))) == {
        "own": [
            "one - INFO - two",
            "ValueError: 3 is too few",
            "\tat com.example.Count.main(Count.java:3)",
        ],
        "error": "ValueError: 3 is too few",
        "code": 1,
        "words": [
            "exit code 137: ended by SIGKILL: somebody killed it, or the machine had no memory "
            "left",
            "exit code 2: it was given something wrong, most often a parameter",
            "exit code 77: a code of the program’s own",
        ],
        "lines": [[" ", "a"], ["-", "b"], ["+", "B"], [" ", "c"], ["+", "d"]],
        "large": True,
        "csv": 'a,b\r\n\'=1+1,"x,""y"""\r\n-1,\r\n',
    }
