"""The console beside Azkaban 4.0: recorded answers, and pages with the headings of its templates.

No server runs here; every request is answered by this test.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from setup.layout import CHECKOUT
from tests.browser.console import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page, Route

    from setup.azkaban import Server

RECORDED = CHECKOUT / "tests" / "azkaban_client" / "data" / "azkaban-4.0.0-responses.json"
ROOT = "http://later.test/"
DESCRIPTION = "Reads <orders> & 'users'"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
}

NAV = """<div class="navbar-enviro"><div class="navbar-enviro-name">Test</div>
<div class="navbar-enviro-server">4.0</div></div>
<ul class="nav navbar-nav navbar-right"><li><a class="dropdown-toggle">azkaban</a></li></ul>
<script>var timezone = "America/Los_Angeles";</script>"""

PAGES = {
    "index": f"""{NAV}<button type="button" id="create-project-btn">x</button><ul><li>
<h4><a
    href="/manager?project=rec56548">rec56548</a>
</h4>
<p class="project-description">{html.escape(DESCRIPTION)}</p>
<p class="project-last-modified">Last modified on
  <strong>2026-11-22 06:09:08</strong> by
  <strong>azkaban</strong>.</p></li></ul>""",
    "manager": f"""<input type="hidden" id="csrf-token" value=TOKEN>{NAV}
<p class="editable" id="project-description">{html.escape(DESCRIPTION)}</p>
<div id="project-description-form"></div>
<p><strong>Your Permissions:</strong> READ,EXECUTE,ADMIN</p>
<table id="permissions-table"><thead><tr><th>User</th><th>Admin</th><th>Read</th><th>Write</th>
<th>Execute</th><th>Schedule</th><th></th></tr></thead><tbody><tr><td>rea</td>
<td><input type="checkbox"></td><td><input type="checkbox" checked="true"></td>
<td><input type="checkbox"></td><td><input type="checkbox"></td><td><input type="checkbox"></td>
<td><button>Change</button></td></tr></tbody></table>
<table id="group-permissions-table"><thead><tr><th>Group</th><th>Admin</th><th>Read</th>
<th>Write</th><th>Execute</th><th>Schedule</th><th></th></tr></thead><tbody>
<tr><td colspan="7">No Group Permissions Found.</td></tr></tbody></table>
<table id="proxy-user-table"><thead><tr><th>Proxy User</th><th></th></tr></thead><tbody>
<tr><td colspan="2">No Proxy User Found.</td></tr></tbody></table>""",
    "executor": f"""{NAV}<table id="executingJobs"><thead><tr><th>#</th><th>Execution Id</th>
<th>Flow</th><th>Project</th><th>User</th><th>Start Time</th><th>End Time</th><th>Elapsed</th>
<th>Status</th><th>Action</th></tr></thead><tbody></tbody></table>""",
    "history": f"""{NAV}<table id="executingJobs"><thead><tr><th>#</th><th>Execution Id</th>
<th>Flow</th><th>Project</th><th>User</th><th>Start Time</th><th>End Time</th><th>Elapsed</th>
<th>Status</th><th>Action</th></tr></thead><tbody><tr><td>1</td>
<td><a href="/executor?execid=32">32</a></td><td><a href="#">b</a></td>
<td><a href="#">rec56548</a></td><td>azkaban</td><td>2026-11-22 06:09:08</td>
<td>2026-11-22 06:09:10</td><td>2 sec</td>
<td><div class="status SUCCEEDED">
  Success
</div></td><td></td></tr></tbody></table>""",
    "schedule": f"""{NAV}<table id="scheduledFlowsTbl"><thead><tr><th>#</th><th>ID</th><th>Flow</th>
<th>Project</th><th>Submitted By</th><th>First Scheduled to Run</th><th>Next Execution Time</th>
<th>Repeats Every</th><th>Cron Expression</th><th>Execution Options</th><th>Has SLA</th>
<th colspan="2">Action</th></tr></thead><tbody><tr><td>1</td><td>7</td><td><a href="#">b</a></td>
<td><a href="#">rec56548</a></td><td>azkaban</td><td>2026-11-22 06:09:26</td>
<td>2026-12-18 05:23:00</td><td>Not Applicable</td><td> 0 23/30 5 ? * 6#3</td>
<td></td><td>false</td>
<td></td><td></td></tr></tbody></table>""",
}


MOMENT = r"\d\d/\d\d/\d{4} (0[1-9]|1[0-2]):\d\d [AP]M"  # as it reads one; 2.5 another form
MALFORMED = """<html><body><h2>HTTP ERROR: 500</h2>
<pre>    Invalid format: "%s" is malformed</pre></body></html>"""


class Later:
    """Answers as the recorded server did."""

    def __init__(self, libraries: Path) -> None:
        self.libraries = libraries
        self.changes: list[Any] = []
        self.posted: dict[str, dict[str, str]] = {}
        self.pages = dict(PAGES)
        self.moment = MOMENT
        self.begins: list[str] = []
        self.starts: list[str] = []
        recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
        bodies = {entry["name"]: entry["body"] for entry in recorded}
        names = {
            "fetchallprojects": "list all projects",
            "fetchexecflow": "fetchexecflow at the end",
            "fetchExecJobLogs": "job log 3 s later",
            "fetchExecFlowLogs": "flow log",
        }
        bodies["flowInfo"] = '{"successEmails": [], "failureEmails": [], "disabled": []}'
        self.bodies = {**bodies, **{ajax: bodies[name] for ajax, name in names.items()}}

    def answer(self, route: Route) -> None:
        """Answer one request of the console."""
        request = route.request
        parts = urlsplit(request.url)
        path = parts.path.lstrip("/")
        if path.startswith("js/console/"):
            inside = path.removeprefix("js/console/")
            folder = self.libraries if inside.startswith("lib/") else _SOURCE
            file = folder / inside
            route.fulfill(body=file.read_bytes(), content_type=TYPES[file.suffix])
            return
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        form = {key: values[0] for key, values in parse_qs(request.post_data or "").items()}
        ajax = query.get("ajax") or form.get("ajax")
        if request.method == "POST" and ajax:
            self.posted[ajax] = form
        if ajax == "changePermission":
            self.changes.append((query, request.headers.get("x-csrf-token")))
            route.fulfill(body="{}", content_type="application/json")
        elif ajax == "fetchExecJobLogs" and query["offset"] != "0":
            route.fulfill(body='{"length": 0, "offset": 0, "data": ""}')
        elif ajax in (
            "files",
            "records",
            "health",
            "cards",
            "started",
            "outputs",
            "schedules",
        ):  # a server without our plugin: with its index page
            route.fulfill(body=PAGES["index"], content_type="text/html")
        elif ajax == "executeFlow":
            body = self.starts.pop(0) if self.starts else '{"execid": 32}'
            route.fulfill(body=body, content_type="application/json")
        elif path == "status":
            route.fulfill(body=self.bodies["server status"], content_type="application/json")
        elif ajax:
            route.fulfill(body=self.bodies[ajax], content_type="application/json")
        else:
            self._page(route, path, query.get("begin", ""))

    def _page(self, route: Route, path: str, begin: str) -> None:
        """Answer with a page of its own."""
        if begin:
            self.begins.append(begin)
        if not begin or re.fullmatch(self.moment, begin):
            route.fulfill(body=self.pages[path], content_type="text/html")
        else:
            route.fulfill(status=500, body=MALFORMED % begin, content_type="text/html")


_SOURCE = CHECKOUT / "console"


@pytest.fixture
def later(azkaban: Server, chromium: Any, window: str) -> Iterator[tuple[Page, Later]]:
    """A window on the recorded server."""
    server = Later(azkaban.layout.azkaban / "program" / "web" / "js" / "console")
    context = chromium.new_context(**WINDOWS[window])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/*", server.answer)
    yield page, server
    context.close()
    assert errors == []


def show(page: Page, route: str) -> None:
    page.goto(f"{ROOT}js/console/index.html#/{route}")
    expect(page.locator("main#main:not([aria-busy]) h1").first).to_be_visible()


def test_lists_are_read_from_its_pages(later: tuple[Page, Later]) -> None:
    page, server = later
    four = [{"flowId": name} for name in "dcba"]
    server.bodies["fetchprojectflows"] = json.dumps({"project": "rec56548", "flows": four})
    show(page, "")
    card = page.locator(".cards .card")
    expect(card).to_contain_text(DESCRIPTION)
    expect(card.locator(".card-state .badge")).to_be_visible()
    expect(card).to_contain_text("3 of 4 flows")
    expect(card.locator(".chip")).to_have_count(4)
    expect(page.locator(".part.health")).to_contain_text("Executors1 of 1 answer")
    expect(page.locator(".part.health")).to_contain_text("tells nothing about its disk")
    expect(page.locator(".user-name")).to_have_text("azkaban")
    show(page, "history")
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(re.compile(r"#32.*b.*rec56548.*Succeeded.*2026-11-22 06:09:08"))
    show(page, "schedules")
    expect(page.locator("tbody tr")).to_contain_text("0 23/30 5 ? * 6#3")
    expect(page.locator("tbody tr")).not_to_contain_text("Not Applicable")


@pytest.mark.parametrize("window", ["desktop"])
@pytest.mark.parametrize(
    ("moment", "second"),
    [(MOMENT, "11/22/2026 11:59 PM"), (r"\d\d/\d\d/\d{4} \S+ 午[前後]", "11/21/2026-23:59")],
    ids=["English", "Japanese"],
)
def test_its_history_has_a_first_day(later: tuple[Page, Later], moment: str, second: str) -> None:
    """Also where AM and PM are in its language: then the console leaves out what is older."""
    page, server = later
    server.moment = moment
    for day, rows in (("2026-11-22", 1), ("2026-11-23", 1 if moment == MOMENT else 0)):
        show(page, f"history?begin={day}")
        expect(page.locator("tbody tr")).to_have_count(rows)
    assert server.begins == ["11/21/2026 11:59 PM", second]  # it finds what started after that


@pytest.mark.parametrize("window", ["desktop"])
def test_its_escaped_logs_are_shown_as_they_were_written(later: tuple[Page, Later]) -> None:
    page, _ = later
    show(page, "job/32/a")
    expect(page.get_by_role("log")).to_contain_text('Cannot invoke "Object.getClass()" because')
    expect(page.get_by_role("log")).not_to_contain_text("&quot;")
    show(page, "execution/32")
    why = page.get_by_role("region", name="Why it failed")
    expect(why).to_contain_text("exit code 1: the program ended with an error")
    last = why.get_by_role("region", name="Last lines of a")
    expect(last).to_have_text("bash: line 1: b: No such file or directory")


@pytest.mark.parametrize("window", ["desktop"])
def test_times_are_in_the_servers_zone(later: tuple[Page, Later]) -> None:
    page, _ = later
    show(page, "execution/32")
    expect(page.locator(".run-state")).to_contain_text("started 2026-11-22 06:09:08 by azkaban")


@pytest.mark.parametrize("window", ["desktop"])
def test_permissions_carry_its_token(later: tuple[Page, Later]) -> None:
    page, server = later
    show(page, "project/rec56548/permissions")
    page.get_by_role("button", name="Change the rights of rea").click()
    page.get_by_role("dialog").get_by_label("execute").check()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    ((query, token),) = server.changes
    assert token == "TOKEN"
    granted = {key: query[f"permissions[{key}]"] for key in ("read", "execute", "write", "admin")}
    assert granted == {"read": "true", "execute": "true", "write": "false", "admin": "false"}


def test_its_schedules_may_be_cron_expressions(later: tuple[Page, Later]) -> None:
    page, server = later
    show(page, "flow/rec56548/b")
    page.get_by_role("button", name=re.compile("chedule")).first.click()
    page.get_by_label("Unit of repetition").select_option("cron expression")
    expect(page.get_by_label("First run on")).to_be_hidden()
    page.get_by_label("Cron expression").fill(" 0 23/30 5 ? * 6#3 ")
    page.get_by_role("dialog").locator("button[type=submit]").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".notice")).to_contain_text("by cron 0 23/30 5 ? * 6#3")
    expect(page.locator(".notice")).to_contain_text("a must finish within 1 h 30 m, else mail")
    form = server.posted["scheduleCronFlow"]
    assert (form["projectName"], form["flow"]) == ("rec56548", "b")
    assert form["cronExpression"] == "0 23/30 5 ? * 6#3"


@pytest.mark.parametrize("window", ["desktop"])
def test_a_change_of_a_schedule_begins_with_what_it_is(later: tuple[Page, Later]) -> None:
    page, server = later
    told = json.loads(server.bodies["fetchSchedule"])
    told["schedule"]["executionOptions"] |= {
        "flowParameters": {"colour": "<b>"},
        "disabledJobs": ["a"],
        "failureAction": "FINISH_ALL_POSSIBLE",
        "failureEmails": ["a@example.com"],
    }
    server.bodies["fetchSchedule"] = json.dumps(told)
    show(page, "flow/rec56548/b")
    page.get_by_role("button", name="Change schedule").click()
    expect(page.get_by_label("Cron expression")).to_have_value("0 23/30 5 ? * 6#3")
    expect(page.get_by_role("dialog")).to_contain_text("1 of 2 run, 1 skipped")
    expect(page.get_by_label("Value of the parameter")).to_have_value("<b>")
    page.get_by_role("dialog").locator("button[type=submit]").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    form = server.posted["scheduleCronFlow"]
    assert (form["flowOverride[colour]"], form["disabled"]) == ("<b>", '["a"]')
    assert form["failureAction"] == "finishPossible"
    assert form["failureEmails"] == "a@example.com"
    assert server.posted["setSla"]["settings[0]"] == "a,FINISH,1:30,true,false"  # kept


@pytest.mark.parametrize("window", ["desktop"])
def test_a_run_right_after_the_last_is_asked_for_again(later: tuple[Page, Later]) -> None:
    """It takes a flow for running whose last run it shows as ended."""
    page, server = later
    skipped = server.bodies["executeFlow while running, default option"]
    show(page, "flow/rec56548/b")
    dialog = page.get_by_role("dialog")
    for running, starts in (("[32]", [skipped, skipped]), ("[31]", [skipped])):
        server.bodies["getRunning"] = f'{{"execIds": {running}}}'
        server.starts = list(starts)
        page.get_by_role("button", name="Run", exact=True).click()
        if running == "[31]":  # which goes on
            going = json.loads(server.bodies["fetchexecflow"]) | {"status": "RUNNING"}
            server.bodies["fetchexecflow"] = json.dumps(going)
        dialog.locator("button[type=submit]").click()
        if running == "[31]":
            expect(dialog.get_by_role("alert")).to_contain_text("already running")
        else:
            page.wait_for_url("**#/execution/32")
            show(page, "flow/rec56548/b")
        assert server.starts == []


def test_its_runs_may_have_time_limits(later: tuple[Page, Later]) -> None:
    page, server = later
    show(page, "flow/rec56548/b")
    page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Time limits").click()
    dialog.get_by_role("button", name="Another limit").click()
    dialog.get_by_label("What").select_option("a")
    dialog.get_by_label("Hours").fill("2")
    dialog.locator("button[type=submit]").click()
    expect(dialog.get_by_role("alert")).to_contain_text("name somebody to mail to")
    dialog.get_by_label("When a limit is passed").fill("a@example.com")
    dialog.locator("button[type=submit]").click()
    page.wait_for_url("**#/execution/32")
    form = server.posted["executeFlow"]
    assert (form["slaSettings[0]"], form["slaEmails"]) == (
        "a,FINISH,2:00,true,false",
        "a@example.com",
    )


STRANGE = {
    "name of the user": ("index", "dropdown-toggle", ""),
    "list of projects": ("index", "project-description", ""),
    "table executingJobs": ("history", "executingJobs", "history"),
    "column Start Time": ("history", "Start Time", "history"),
    "number in its column": ("history", ">32<", "history"),
    "table scheduledFlowsTbl": ("schedule", "scheduledFlowsTbl", "schedules"),
    "your permissions": ("manager", "Your Permissions", "project/rec56548"),
}


@pytest.mark.parametrize("window", ["desktop"])
def test_pages_that_it_cannot_read_are_named(later: tuple[Page, Later]) -> None:
    """Rather than an empty list, which would be believed."""
    page, server = later
    for lacking, (path, part, route) in STRANGE.items():
        server.pages = {**PAGES, path: PAGES[path].replace(part, "other")}
        page.goto("about:blank")
        page.goto(f"{ROOT}js/console/index.html#/{route}")
        expect(page.get_by_role("alert")).to_contain_text(lacking)
        expect(page.get_by_role("alert")).to_contain_text("pages of Azkaban 2.5 to 4.0")
    server.pages = PAGES | {
        "history": f'{NAV}<div class="alert alert-danger">Error No database</div>'
    }
    page.goto("about:blank")
    page.goto(f"{ROOT}js/console/index.html#/history")
    expect(page.get_by_role("alert")).to_have_text("No database")
