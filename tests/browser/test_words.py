"""Words for durations: the same on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page


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
    found = modules.evaluate(f"async () => (await import('./format.js')).count({number}, 'job')")
    assert found == words
