"""Flows that run by themselves: schedules, their time limits, cron."""

from __future__ import annotations

import os
import random
import re
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from azkaban_client.cron import Cron
from azkaban_client.schedules.book import Book, Entry
from azkaban_client.when import When
from tests import crons

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from setup.azkaban import Server
    from tests.browser.console import Console


def test_schedule_and_unschedule(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    console.button("Schedule").click()
    page.get_by_label("First run on").fill("2037-03-04")
    page.get_by_label("at", exact=True).fill("13:45")
    page.get_by_label("Repeat every", exact=True).fill("2")
    page.get_by_label("Unit of repetition").select_option("weeks")
    console.confirm()
    expect(page.locator(".notice")).to_contain_text("every 2 weeks, next at 2037-03-04 13:45:00")

    console.open("schedules")
    row = page.get_by_role("row").filter(has=page.get_by_text(f"in {name}", exact=True))
    expect(row).to_contain_text("2037-03-04 13:45:00")
    row.get_by_role("button", name="Unschedule shop").click()
    expect(row).to_have_count(0)
    console.open(f"flow/{name}/shop")
    expect(page.locator(".notice")).to_have_count(0)


@pytest.mark.parametrize("window", ["desktop"])
def test_midnight_and_noon_are_not_mixed_up(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    for time in ("00:05", "12:05"):
        page.locator(".actions").get_by_role("button", name=re.compile("chedule")).click()
        page.get_by_label("First run on").fill("2037-03-04")
        page.get_by_label("at", exact=True).fill(time)
        page.get_by_label("Unit of repetition").select_option("only once")
        console.confirm()
        expect(page.locator(".notice")).to_contain_text(f"once, next at 2037-03-04 {time}:00")
    console.button("Unschedule").click()
    expect(page.locator(".notice")).to_have_count(0)


@pytest.mark.parametrize("window", ["desktop"])
def test_a_time_that_has_passed_is_refused(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    console.button("Schedule").click()
    page.get_by_label("First run on").fill("2001-01-01")
    page.get_by_label("Unit of repetition").select_option("only once")
    console.in_dialog().locator("button[type=submit]").click()
    expect(console.in_dialog().get_by_role("alert")).to_contain_text("has passed")


@pytest.mark.stock
def test_a_scheduled_project_is_not_deleted_and_the_reason_is_shown(
    shop: tuple[Console, str],
) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    console.button("Schedule").click()
    console.confirm()
    console.open(f"project/{name}")
    console.button("Delete").click()
    console.in_dialog().locator("button[type=submit]").click()
    expect(console.in_dialog().get_by_role("alert")).to_contain_text("Please unschedule")
    console.in_dialog().get_by_role("button", name="Cancel").click()
    console.open(f"flow/{name}/shop")
    console.button("Unschedule").click()
    expect(page.locator(".notice")).to_have_count(0)


@pytest.mark.stock
def test_time_limits_are_set_changed_and_removed(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    console.button("Schedule").click()
    console.confirm()
    note, dialog = page.locator(".notice"), console.in_dialog()

    console.button("Time limits").click()
    expect(dialog).to_contain_text("No limit")
    dialog.get_by_role("button", name="Another limit").click()
    dialog.get_by_label("Hours").fill("1")
    dialog.get_by_label("Minutes").fill("30")
    dialog.locator("button[type=submit]").click()
    expect(dialog.get_by_role("alert")).to_contain_text("name somebody to mail to")
    dialog.get_by_label("Mail to").fill("a@example.com, b@example.com")
    dialog.get_by_role("button", name="Another limit").click()
    dialog.get_by_label("What").last.select_option("shop-join")
    dialog.get_by_label("Rule").last.select_option("must succeed")
    dialog.get_by_label("Hours").last.fill("0")
    dialog.get_by_label("Minutes").last.fill("5")
    dialog.get_by_label("mail", exact=True).last.uncheck()
    dialog.get_by_label("kill", exact=True).last.check()
    console.confirm()
    expect(note).to_contain_text("the flow must finish within 1 h 30 m, else mail")
    expect(note).to_contain_text("shop-join must succeed within 5 m 00 s, else kill")

    console.button("Change schedule").click()  # the server would drop the limits
    expect(dialog).to_contain_text("does not tell the parameters")
    expect(page.get_by_label("Unit of repetition")).to_have_value("d")
    page.get_by_label("First run on").fill("2037-03-04")
    console.confirm()
    expect(note).to_contain_text("every day, next at 2037-03-04")
    expect(note).to_contain_text("the flow must finish within 1 h 30 m, else mail")
    expect(note).to_contain_text("shop-join must succeed within 5 m 00 s, else kill")

    console.button("Time limits").click()
    expect(dialog.get_by_label("Mail to")).to_have_value("a@example.com, b@example.com")
    dialog.get_by_role("button", name="Remove this limit").first.click()
    console.confirm()
    expect(note).to_contain_text("Time limits: shop-join")

    console.button("Time limits").click()
    dialog.get_by_role("button", name="Remove this limit").click()
    console.confirm()
    expect(note).not_to_contain_text("Time limits:")
    console.button("Unschedule").click()
    expect(note).to_have_count(0)


@pytest.mark.stock
def test_cron_is_offered_by_servers_that_have_it_alone(shop: tuple[Console, str]) -> None:
    console, name = shop
    page = console.open(f"flow/{name}/shop")
    console.button("Schedule").click()
    unit = page.get_by_label("Unit of repetition")
    expect(unit.get_by_role("option", name="weeks")).to_have_count(1)
    expect(unit.get_by_role("option", name="cron expression")).to_have_count(0)


CRON = """async (asked) => {
    const { setZone, zoneName } = await import('./format.js');
    const { cronTimes } = await import('./cron.js');
    const before = zoneName();
    const found = asked.map(([expression, zone, since, number]) => {
        setZone(zone);
        try {
            const times = [];
            for (const time of cronTimes(expression, Date.parse(since))) {
                times.push(time / 1000);
                if (times.length === number) break;
            }
            return times;
        } catch (error) {
            return error.message;
        }
    });
    setZone(before);
    return found;
}"""


def test_cron_times_are_those_of_azk(modules: Page) -> None:
    rng = random.Random(20261130)
    zones = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe"]
    begins = ["2027-03-13T20:00:00+00:00", "2027-10-30T20:00:00+00:00", "2026-11-30T12:00:00+00:00"]
    made = [(crons.expression(rng), rng.choice(zones), rng.choice(begins)) for _ in range(150)]
    asked = [(*one, 6) for one in made]
    asked += [(text, zone, since, max(1, len(times))) for text, zone, since, times in crons.TIMES]
    asked += [(text, "UTC", begins[0], 1) for text in crons.REFUSED]
    found = modules.evaluate(CRON, asked)
    for (text, zone, since, number), times in zip(asked, found, strict=True):
        try:
            after = Cron(text).after(datetime.fromisoformat(since), ZoneInfo(zone))
        except ValueError:
            assert times == text, "it is refused"
            continue
        assert times == [one.timestamp() for one in islice(after, number)], (text, zone, since)


@pytest.mark.parametrize("window", ["desktop"], indirect=True)
def test_what_azk_watch_keeps_is_listed(shop: tuple[Console, str], azkaban: Server) -> None:
    console, name = shop
    with patch.dict(os.environ, XDG_STATE_HOME=str(azkaban.layout.prefix.parent / "state")):
        book = Book(azkaban.settings.url)
    with book.changing() as entries:
        entries.append(Entry(name, "shop", "noon", When("daily", "12:00", "Europe/Berlin")))
        entries[-1].miss("2026-11-30T12:00:00+01:00", "the run before it was not over")
    try:
        page = console.open("schedules")
        row = page.locator(".kept tbody tr").filter(has_text=f"in {name}, noon")
        expect(row).to_contain_text("every day at 12:00, Europe/Berlin")
        missed = re.compile(r"1 run, last 2026-11-30 \d\d:\d\d: the run before it was not over")
        expect(row).to_contain_text(missed)
    finally:
        with book.changing() as entries:
            entries[:] = [one for one in entries if one.project != name]
