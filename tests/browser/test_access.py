"""For everybody: no barriers, keyboard alone, any width; and old links still lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.console import SHOP, barriers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.console import Console


@pytest.fixture
def ran(
    browse: Callable[[str], Console], tmp_path: Path, window: str, made: dict[str, int]
) -> tuple[Console, str, int]:
    """The administrator's window, a project, and an execution that failed; made once a window."""
    console = browse("admin")
    name = f"access-{window}"
    if name not in made:
        console.make_project(name, SHOP, tmp_path)
        console.open(f"flow/{name}/shop")
        console.button("Run").click()
        console.in_dialog().get_by_label("fail", exact=True).fill("yes")
        console.confirm()
        number = console.execution()
        console.wait_for_status("Failed")
        made[name] = number
    return console, name, made[name]


def test_axe_finds_no_barrier(ran: tuple[Console, str, int], axe: str) -> None:
    console, name, number = ran
    page = console.page
    routes = ["", f"project/{name}", f"project/{name}/permissions", f"project/{name}/events"]
    routes += [f"flow/{name}/shop", f"flow/{name}/shop/executions", "running", "history"]
    routes += [f"execution/{number}{tab}" for tab in ("", "/timeline", "/jobs", "/results", "/log")]
    routes += [f"execution/{number}/parameters", f"job/{number}/shop-join", "schedules", "nowhere"]
    for route in routes:
        console.open(route)
        assert barriers(page, axe) == [], route
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{route} is {wide} pixels wider than the window"

    console.open(f"flow/{name}/shop")
    console.button("Schedule").click()
    for summary in page.get_by_role("dialog").locator("summary").all():
        summary.click()
    assert barriers(page, axe) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    console.button("Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert barriers(page, axe) == []


def test_a_run_lasts_as_long_on_every_page(ran: tuple[Console, str, int]) -> None:
    console, name, number = ran
    lasted = []
    for route in (f"flow/{name}/shop/executions", f"history?project={name}", f"execution/{number}"):
        page = console.open(route)
        row = page.locator(f"tr:has(a:text-is('#{number}'))")
        where = page.locator(".run-state") if route.startswith("execution") else row
        lasted.append(re.findall(r"< 1 s|\b\d+ s|\b\d+ m \d\d s", where.first.inner_text())[0])
    assert len(set(lasted)) == 1, lasted


def test_the_keyboard_is_enough(ran: tuple[Console, str, int]) -> None:
    console, _, number = ran
    page = console.open(f"execution/{number}")

    def press_until(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.locator(selector).and_(page.locator(":focus")).count():
                return
        pytest.fail(f"Tab does not reach {selector}")

    page.reload()
    expect(page.locator(".node").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    press_until(".node")
    first = page.locator(".node:focus").text_content() or ""
    page.keyboard.press("ArrowDown")
    second = page.locator(".node:focus").text_content() or ""
    assert first != second
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".node:focus")).to_have_text(second)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(second.split(",")[0])

    console.open(f"execution/{number}")
    press_until("button:has-text('Retry what failed')")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for _ in range(30):  # the focus stays in the dialog
        page.keyboard.press("Tab")
        inside = (
            "document.activeElement === document.body || document.activeElement.closest('dialog')"
        )
        assert page.evaluate(f"Boolean({inside})")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


@pytest.mark.stock
@pytest.mark.parametrize("window", ["desktop"])
def test_old_links_lead_to_the_same_place(ran: tuple[Console, str, int]) -> None:
    console, name, number = ran
    page = console.page
    places = {
        "index": "",
        "executor": "running",
        "history": "history",
        "schedule": "schedules",
        f"manager?project={name}": f"project/{name}",
        f"manager?project={name}&permissions": f"project/{name}/permissions",
        f"manager?project={name}&logs": f"project/{name}/events",
        f"manager?project={name}&flow=shop": f"flow/{name}/shop",
        f"manager?project={name}&flow=shop#executions": f"flow/{name}/shop/executions",
        f"executor?execid={number}": f"execution/{number}",
        f"executor?execid={number}&job=shop-join": f"job/{number}/shop-join",
    }
    for old, new in places.items():
        page.goto(f"{console.url}/{old}")
        page.wait_for_url(f"{console.url}/js/console/index.html#/{new}")
        expect(page.locator("main#main h1")).to_be_visible()


@pytest.mark.stock
def test_an_execution_that_does_not_exist_is_named(browse: Callable[[str], Console]) -> None:
    console = browse("admin")
    page = console.open("execution/999999")
    expect(page.get_by_role("alert")).to_contain_text("There is no run #999999")
    console.errors = [line for line in console.errors if "status of 500" not in line]


def test_with_the_system_the_colours_change(browse: Callable[[str], Console]) -> None:
    console = browse("admin")
    page = console.open()
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]
