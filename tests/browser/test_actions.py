"""Everything that a user does, done in the browser, at the width of a desktop and of a phone."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.console import Console

numbers = itertools.count(1)


def run(console: Console, project: str, **parameters: str) -> int:
    """Run the flow with parameters and wait for the page of its execution."""
    console.open(f"flow/{project}/shop")
    console.button("Run").click()
    for key, value in parameters.items():
        console.in_dialog().get_by_label(key, exact=True).fill(value)
    console.confirm()
    return console.execution()


def test_a_wrong_password_is_refused_with_a_reason(browse: Callable[[str], Console]) -> None:
    console = browse("")
    console.login("rea", "wrong")
    expect(console.page.get_by_role("alert")).to_contain_text("Incorrect Login")
    expect(console.page.get_by_label("Password")).to_be_focused()


def test_a_session_that_ended_leads_to_the_login_and_back(
    browse: Callable[[str], Console],
) -> None:
    console = browse("rea")
    page = console.open("history")
    console.context.clear_cookies()
    page.get_by_role("link", name="Running").click()
    expect(page.get_by_role("alert")).to_contain_text("session has ended")
    page.get_by_label("User").fill("rea")
    page.get_by_label("Password").fill("correct horse")
    console.button("Log in").click()
    expect(page.get_by_role("heading", name="Running")).to_be_visible()


def test_the_upload_shows_the_graph_and_the_jobs_properties(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    expect(page.locator(".node")).to_have_count(5)
    expect(page.locator(".graph-frame")).to_have_attribute("data-edges", "5")
    page.locator(".node", has_text="shop-join").click()
    panel = page.locator(".job-panel")
    expect(panel).to_contain_text("needs shop-orders, shop-users")
    expect(panel).to_contain_text("python3 work.py join ${seconds} ${fail}")


@pytest.mark.stock
def test_an_upload_that_is_no_zip_is_refused(shop: tuple[Console, str], tmp_path: Path) -> None:
    console, name = shop
    page = console.open(f"project/{name}")
    broken = tmp_path / "broken.zip"
    broken.write_text("this is no zip file")
    console.button("Upload zip").click()
    page.get_by_label("Zip file").set_input_files(broken)
    console.in_dialog().locator("button[type=submit]").click()
    expect(console.in_dialog().get_by_role("alert")).to_contain_text("Installation Failed")
    console.in_dialog().get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("link", name="shop", exact=True)).to_be_visible()


def test_a_run_with_parameters_and_disabled_jobs_is_followed_live(
    shop: tuple[Console, str],
) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    console.button("Run").click()
    dialog = console.in_dialog()
    expect(dialog.get_by_label("seconds", exact=True)).to_have_attribute("placeholder", "0.4")
    dialog.get_by_label("seconds", exact=True).fill("3")
    dialog.locator("summary", has_text="Jobs").click()
    dialog.get_by_role("checkbox", name="shop-slow").uncheck()
    expect(dialog.locator("summary", has_text="Jobs")).to_contain_text("4 of 5 run, 1 skipped")
    console.confirm()
    run = console.execution()

    # The page is not loaded again: what it shows changes under the user's eyes.
    expect(page.locator(".node", has_text="shop-users")).to_have_attribute("data-status", "RUNNING")
    expect(page.locator(".node", has_text="shop-join")).to_have_attribute("data-status", "READY")
    users = page.locator(".node", has_text="shop-users")
    first = users.text_content()
    expect(users).not_to_have_text(first or "")
    expect(page.locator(".node", has_text="shop-users")).to_have_attribute(
        "data-status", "SUCCEEDED", timeout=20_000
    )
    console.wait_for_status("Succeeded")
    expect(page.locator(".node", has_text="shop-slow")).to_have_attribute("data-status", "SKIPPED")

    console.open(f"execution/{run}/parameters")
    expect(page.locator("dl").first).to_contain_text("seconds3")
    expect(page.locator("dl").last).to_contain_text("shop-slow")

    console.open(f"execution/{run}/timeline")
    bars = page.locator(".gantt .bar")
    expect(bars).to_have_count(4)  # without the one that was skipped
    expect(page.locator(".gantt")).to_contain_text("1 job without a run")
    users = page.get_by_role("row").filter(has=page.get_by_text("shop-users")).locator(".bar")
    join = page.get_by_role("row").filter(has=page.get_by_text("shop-join")).locator(".bar")
    before, after = users.bounding_box(), join.bounding_box()
    assert before
    assert after
    assert before["x"] + before["width"] <= after["x"] + 1  # the join waited for the users


def test_logs_follow_search_and_filter(shop: tuple[Console, str]) -> None:
    console, name = shop
    number = run(console, name, seconds="4")
    page = console.open(f"job/{number}/shop-users")
    log = page.get_by_role("log")
    expect(log).to_contain_text("users line 0")
    expect(page.locator(".log-state")).to_have_text(
        re.compile("Live|Complete")
    )  # on a slow machine
    expect(log).to_contain_text("users line 3", timeout=15_000)
    expect(page.locator(".log-state")).to_have_text("Complete", timeout=20_000)

    search = page.get_by_label("Search the log")
    search.fill("USERS LINE")
    expect(page.locator(".log-count")).to_have_text("1 of 4 lines")
    search.press("Enter")
    expect(page.locator(".log-count")).to_have_text("2 of 4 lines")
    search.press("Shift+Enter")
    expect(page.locator(".line.current mark")).to_have_text("users line")
    page.get_by_label("Matches only").check()
    expect(page.locator(".line:visible")).to_have_count(4)
    search.fill("not there")
    expect(page.locator(".log-count")).to_have_text("No match")

    with page.expect_download() as download:
        console.button("Download").click()
    text = download.value.path().read_text()
    assert [f"users line {i}" in text for i in range(5)] == [True] * 4 + [False]


def test_failed_jobs_are_retried_after_the_end(shop: tuple[Console, str]) -> None:
    console, name = shop
    run(console, name, fail="yes")
    page = console.page
    console.wait_for_status("Failed")
    console.button("Retry what failed").click()
    dialog = console.in_dialog()
    for done in ("shop-users", "shop-orders", "shop-slow"):
        expect(dialog.get_by_role("checkbox", name=done)).not_to_be_checked()
    for left in ("shop-join", "shop"):
        expect(dialog.get_by_role("checkbox", name=left, exact=True)).to_be_checked()
    expect(dialog.get_by_label("fail", exact=True)).to_have_value("yes")
    dialog.get_by_label("fail", exact=True).fill("no")
    first = console.execution()
    console.confirm()
    page.wait_for_url(lambda url: not url.endswith(f"/{first}"))
    console.wait_for_status("Succeeded")
    expect(page.locator(".node", has_text="shop-users")).to_have_attribute("data-status", "SKIPPED")
    expect(page.locator(".node", has_text="shop-join")).to_have_attribute(
        "data-status", "SUCCEEDED"
    )


def test_a_retry_gets_the_outputs_of_what_is_kept(
    shop: tuple[Console, str], tmp_path: Path
) -> None:
    console, name = shop
    mended = tmp_path / "mended"
    files = {
        "count.sh": 'echo "{\\"total\\": 5}" > "$JOB_OUTPUT_PROP_FILE"\n',
        "count.job": "type=command\ncommand=bash count.sh\n",
        "use.sh": f"test $1 = 5 && test -e {mended}\n",
        "use.job": "type=command\ncommand=bash use.sh ${total}\ndependencies=count\n",
    }
    console.make_project(f"{name}-outputs", files, tmp_path)
    page = console.open(f"flow/{name}-outputs/use")
    console.button("Run").click()
    console.confirm()
    console.wait_for_status("Failed")
    mended.touch()
    first = console.execution()
    console.button("Retry what failed").click()
    expect(console.in_dialog()).to_contain_text("1 output of the jobs that do not run again")
    console.confirm()
    page.wait_for_url(lambda url: not url.endswith(f"/{first}"))
    console.wait_for_status("Succeeded")
    expect(page.locator(".node", has_text="count")).to_have_attribute("data-status", "SKIPPED")
    second = console.execution()
    page.get_by_role("link", name=f"retry of #{first}").click()
    console.wait_for_status("Failed")
    console.open(f"flow/{name}-outputs/use/executions")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text(f"#{second} 2 attempts")
    expect(rows.nth(1)).to_contain_text(f"#{first} before #{second}")


def test_failed_jobs_are_retried_while_others_still_run(
    shop: tuple[Console, str], tmp_path: Path
) -> None:
    console, name = shop
    flag, end = tmp_path / "ready", tmp_path / "end"
    wait = f"import os, time\nwhile not os.path.exists({str(end)!r}): time.sleep(0.1)\n"
    files = {
        "wait.py": wait,
        "try.job": f"type=command\ncommand=test -e {flag}\n",
        "long.job": "type=command\ncommand=python3 wait.py\n",
        "both.job": "type=noop\ndependencies=try,long\n",
    }
    console.make_project(f"{name}-again", files, tmp_path)
    page = console.open(f"flow/{name}-again/both")
    console.button("Run").click()
    console.confirm()
    console.wait_for_status("Failed, finishing")
    flag.touch()
    console.button("Retry failed jobs").click()
    expect(page.locator(".node", has_text="try")).to_have_attribute("data-status", "SUCCEEDED")
    end.touch()
    console.wait_for_status("Succeeded")


def test_pause_resume_and_cancel(shop: tuple[Console, str]) -> None:
    console, name = shop
    run(console, name, seconds="6")
    page = console.page
    console.button("Pause").click()
    console.wait_for_status("Paused")
    expect(console.button("Pause")).to_have_count(0)
    console.button("Resume").click()
    console.wait_for_status("Running")
    console.button("Cancel").click()
    console.confirm()
    console.wait_for_status("Killed")
    expect(console.button("Cancel")).to_have_count(0)
    expect(console.button("Run again")).to_be_visible()
    expect(page.locator(".node.is-run")).to_have_count(0)


def test_permissions_are_given_changed_and_taken(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"project/{name}/permissions")
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="rea", exact=True))

    console.button("Add user").click()
    page.get_by_label("Name of the user").fill("nobody at all")
    console.in_dialog().locator("button[type=submit]").click()
    expect(console.in_dialog().get_by_role("alert")).to_contain_text("knows no user nobody at all")
    page.get_by_label("Name of the user").fill("rea")
    console.confirm()
    expect(row).to_contain_text("read")

    console.button("Change the rights of rea").click()
    console.in_dialog().get_by_label("execute").check()
    console.confirm()
    expect(row).to_contain_text("readexecute")

    console.button("Change the rights of rea").click()
    for right in ("read", "execute"):
        console.in_dialog().get_by_label(right).uncheck()
    console.confirm()
    expect(row).to_have_count(0)

    console.button("Add proxy user").click()
    page.get_by_label("Name of the proxy user").fill("somebody")
    console.in_dialog().locator("button[type=submit]").click()
    expect(console.in_dialog().get_by_role("alert")).to_contain_text("somebody")
    page.get_by_label("Name of the proxy user").fill("robot")
    console.confirm()
    expect(page.get_by_role("cell", name="robot", exact=True)).to_be_visible()
    console.button("Remove the proxy user robot").click()
    expect(page.get_by_role("cell", name="robot", exact=True)).to_have_count(0)


def test_history_finds_what_ran(shop: tuple[Console, str]) -> None:
    console, name = shop
    number = run(console, name)
    console.wait_for_status("Succeeded")
    page = console.open("history")
    page.get_by_label("Project contains").fill(name)
    console.button("Find").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text(f"#{number}")
    page.get_by_label("Status").select_option("failed")
    expect(page.get_by_text("No run was found.")).to_be_visible()

    console.open(f"flow/{name}/shop/executions")
    expect(page.get_by_role("link", name=f"#{number}", exact=True)).to_be_visible()
    expect(page.locator(".trend-bars a")).to_have_count(1)


def test_running_flows_are_listed_while_they_run(shop: tuple[Console, str]) -> None:
    console, name = shop
    number = run(console, name, seconds="2")
    page = console.open("running")
    expect(page.get_by_role("link", name=f"#{number}", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=f"#{number}", exact=True)).to_have_count(0, timeout=30_000)


def test_a_project_is_described_logged_and_deleted(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"project/{name}")
    console.button("Describe").click()
    console.in_dialog().get_by_label("Description").fill("Sells & <tells>")
    console.confirm()
    expect(page.locator("main p.description")).to_have_text("Sells & <tells>")

    console.open(f"project/{name}/events")
    expect(page.locator("tbody")).to_contain_text("uploaded")

    console.open(f"project/{name}")
    console.button("Delete").click()
    console.confirm()
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


def test_an_embedded_flow_opens_in_place(browse: Callable[[str], Console], tmp_path: Path) -> None:
    console = browse("admin")
    name = f"nested{next(numbers)}"
    files = {
        "inner-a.job": "type=command\ncommand=echo inside\n",
        "inner.job": "type=noop\ndependencies=inner-a\n",
        "sub.job": "type=flow\nflow.name=inner\n",
        "outer.job": "type=noop\ndependencies=sub\n",
    }
    console.make_project(name, files, tmp_path)
    page = console.open(f"flow/{name}/outer")
    page.locator(".node.nested", has_text="sub").click()
    expect(page.locator(".node", has_text="inner-a")).to_be_visible()
    console.button("Whole flow").click()
    console.button("Run").click()
    console.confirm()
    console.wait_for_status("Succeeded")
    page.locator(".node.nested", has_text="sub").click()
    page.locator(".node", has_text="inner-a").click()
    expect(page.get_by_role("log")).to_contain_text("inside")


@pytest.mark.parametrize("window", ["desktop"])
def test_a_server_that_is_gone_for_a_while_is_waited_for(shop: tuple[Console, str]) -> None:
    console, name = shop
    run(console, name, seconds="4")
    page = console.page
    expect(page.locator(".node.is-run").first).to_be_visible()
    console.context.set_offline(True)
    expect(page.locator(".toast.is-warn")).to_contain_text("does not answer")
    console.context.set_offline(False)
    console.wait_for_status("Succeeded")
    expect(page.locator(".node.is-good")).to_have_count(5)
    console.errors = [line for line in console.errors if "INTERNET_DISCONNECTED" not in line]


@pytest.mark.parametrize("window", ["desktop"])
def test_the_way_back_closes_a_dialog(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"project/{name}")
    page.get_by_role("link", name="shop", exact=True).click()
    console.button("Run").click()
    expect(console.in_dialog()).to_be_visible()
    page.go_back()
    expect(console.in_dialog()).to_have_count(0)
    console.open(f"flow/{name}/shop/nonsense")  # a part that there is not: the first one
    expect(page.locator(".node")).to_have_count(5)


@pytest.mark.parametrize("window", ["desktop"])  # half a minute of drawing on a busy machine
def test_a_long_log_is_loaded_in_parts(browse: Callable[[str], Console], tmp_path: Path) -> None:
    console = browse("admin")
    name = f"long{next(numbers)}"
    program = "for i in range(50_000): print(f'line {i} with as many words as lines often have')\n"
    files = {"say.py": program, "say.job": "type=command\ncommand=python3 say.py\n"}
    console.make_project(name, files, tmp_path)
    page = console.open(f"flow/{name}/say")
    console.button("Run").click()
    console.confirm()
    number = console.execution()
    console.wait_for_status("Succeeded")
    console.open(f"job/{number}/say")
    state = page.locator(".log-state")
    expect(state).to_have_text("There is more", timeout=120_000)
    some = page.locator(".line").count()
    assert 25_000 < some < 50_000
    console.button("Load more").click()
    expect(state).to_have_text("Complete", timeout=120_000)
    assert page.locator(".line").count() > 50_000
    page.get_by_label("Search the log").fill("line 49999 with")
    expect(page.locator(".line.current mark")).to_have_text("line 49999 with")
    expect(page.locator(".line.current")).to_be_in_viewport()
