"""Words for durations, the same on every page; and the page in other languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.console import CONSOLE, barriers

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from setup.azkaban import Server
    from tests.browser.console import Console


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        ("NaN", "–"),
        ("-1", "–"),
        ("0", "< 1 s"),
        ("505", "< 1 s"),
        ("1000", "1 s"),
        ("4999", "4 s"),
        ("59999", "59 s"),
        ("60000", "1 m 00 s"),
        ("3599999", "59 m 59 s"),
        ("3600000", "1 h 00 m"),
        ("86399999", "23 h 59 m"),
        ("90000000", "1 d 1 h"),
    ],
)
def test_a_duration_is_whole_seconds(modules: Page, milliseconds: str, words: str) -> None:
    found = modules.evaluate(f"async () => (await import('./format.js')).duration({milliseconds})")
    assert found == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 jobs"), (1, "1 job"), (999, "999 jobs"), (2000, "2,000 jobs")]
)
def test_a_number_of_things(modules: Page, number: int, words: str) -> None:
    found = modules.evaluate(f"async () => (await import('./words.js')).count({number}, 'job')")
    assert found == words


TEXTS = """async () => {
    const { t } = await import('./words.js');
    const element = document.createElement('b');
    const pieces = t`no ${element} such text`;
    return [t` no ${1} such ${'{0}'} text|a note `, pieces.length, pieces[1] === element];
}"""


def test_a_text_that_is_not_translated_is_english(modules: Page) -> None:
    assert modules.evaluate(TEXTS) == [" no 1 such {0} text ", 3, True]


@pytest.mark.parametrize("window", ["phone"])
def test_another_language_is_chosen_and_kept(browse: Callable[[str], Console], axe: str) -> None:
    console = browse("admin")
    page = console.page
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text("Projects")
    page.get_by_label("Language").select_option("Deutsch")
    expect(title).to_have_text("Projekte")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    for route, said in (("schedules", "Zeitpläne"), ("history", "Verlauf"), ("", "Projekte")):
        console.open(route)
        expect(title).to_have_text(said)
        assert barriers(page, axe) == [], route
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{route} is {wide} pixels wider than the window"
    page.get_by_label("Sprache").select_option("English")
    expect(title).to_have_text("Projects")


def test_the_language_is_that_of_the_browser(chromium: Browser, azkaban: Server) -> None:
    for locale, said in (("de-AT", "Anmelden"), ("fr-FR", "Log in")):
        context = chromium.new_context(locale=locale)
        page = context.new_page()
        page.goto(f"{azkaban.settings.url}/{CONSOLE}")
        expect(page.get_by_role("heading", level=1)).to_have_text(said)
        context.close()
