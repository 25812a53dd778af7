"""Users without rights see no button that would only fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.browser.console import SHOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.console import Console

ACTIONS = ["Upload zip", "Describe", "Delete", "Run", "Schedule", "Change schedule", "Unschedule"]
ACTIONS += ["Run shop", "Unschedule shop", "Add user", "Add group", "Pause", "Cancel"]
ACTIONS += ["Run again", "Retry what failed"]


def test_who_may_only_read_sees_everything_and_no_action(
    browse: Callable[[str], Console], tmp_path: Path, window: str
) -> None:
    admin = browse("admin")
    name = f"guarded-{window}"
    admin.make_project(name, SHOP, tmp_path)
    admin.open(f"flow/{name}/shop")
    admin.button("Schedule").click()
    admin.confirm()
    admin.button("Run").click()
    admin.confirm()
    number = admin.execution()
    admin.wait_for_status("Succeeded")
    page = admin.open(f"project/{name}/permissions")
    page.get_by_role("button", name="Change the rights of").click()
    for right in admin.in_dialog().get_by_role("checkbox").all():
        right.uncheck()
    admin.in_dialog().locator("button[type=submit]").click()
    expect(admin.in_dialog().get_by_role("alert")).to_contain_text("give somebody else one first")
    admin.in_dialog().get_by_role("button", name="Cancel").click()
    admin.button("Add user").click()
    page.get_by_label("Name of the user").fill("rea")
    admin.confirm()

    files = admin.server.layout.runs / "any" / str(number) / "shop"
    files.mkdir(parents=True)
    (files / "report.html").write_text("<h1>for readers</h1>")

    reader = browse("rea")
    routes = {
        f"project/{name}": "You may read here.",
        f"project/{name}/permissions": "rea (you)",
        f"project/{name}/events": "uploaded",
        f"flow/{name}/shop": "shop-join",
        f"flow/{name}/shop/executions": f"#{number}",
        f"execution/{number}": "5 of 5 jobs done",
        f"execution/{number}/jobs": "shop-join",
        f"job/{number}/shop-join": "join line 3",
        "schedules": "shop",
        "history": f"#{number}",
    }
    for route, seen in routes.items():
        page = reader.open(route)
        expect(page.locator("main")).to_contain_text(seen)
        for action in ACTIONS:
            assert reader.button(action).count() == 0, f"{action} at {route}"

    report = f"{admin.url}/runs/{number}/shop/report.html"
    assert "for readers" in reader.context.request.get(report, ignore_https_errors=True).text()
    stranger = browse("noa")
    assert stranger.context.request.get(report, ignore_https_errors=True).status == 404

    def told(console: Console, ajax: str) -> Any:
        url = f"{admin.url}/runs?ajax={ajax}"
        headers = {"X-Requested-With": "XMLHttpRequest"}  # as the console's own requests
        return console.context.request.get(url, headers=headers, ignore_https_errors=True)

    source = f"source&project={name}&version="
    assert told(reader, f"{source}1").body().startswith(b"PK")
    assert "unknown" in told(reader, f"{source}7").json()["error"]
    assert "unknown" in told(stranger, f"{source}1").json()["error"]
    assert list(told(reader, f"started&execids={number},0,x").json()["started"]) == [str(number)]
    assert told(stranger, f"started&execids={number}").json() == {"started": {}}

    admin.open(f"flow/{name}/shop")
    admin.button("Unschedule").click()
    expect(admin.page.locator(".notice")).to_have_count(0)


def test_who_may_not_read_is_told_so(
    browse: Callable[[str], Console], tmp_path: Path, window: str
) -> None:
    browse("admin").make_project(f"secret-{window}", SHOP, tmp_path)
    stranger = browse("noa")
    page = stranger.open()
    card = page.locator(".card", has_text=f"secret-{window}")
    card.scroll_into_view_if_needed()  # cards are filled when they come into sight
    expect(card).to_contain_text("You may not read this project")
    for route in (f"project/secret-{window}", f"flow/secret-{window}/shop"):
        stranger.open(route)
        expect(page.locator("main")).to_contain_text("No permission")
        for action in ACTIONS:
            assert stranger.button(action).count() == 0, f"{action} at {route}"
