"""The pages that are programs print what stands on them, and draw the plots that they show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.examples import PAGES, run

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def _same(before: str, now: str) -> bool:
    """Compare what is printed; numbers may differ by a tenth, as sums are rounded differently."""
    if _NUMBER.sub("#", before) != _NUMBER.sub("#", now):
        return False
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(now), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=0.1) for a, b in pairs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_a_program_with_its_outputs(page: Path, tmp_path: Path) -> None:
    text, outputs = run(page, tmp_path, whole=False)
    assert outputs
    assert [(before, now) for before, now in outputs if not _same(before, now)] == []
    assert text.count("```text\n") == page.read_text("utf-8").count("```text\n")
    images = [page.parent / name for name in re.findall(r"!\[.*\]\((.+)\)", text)]
    assert images
    for image in images:
        assert image.is_file()
        assert (tmp_path / image.name).is_file()


def test_another_output_is_noticed() -> None:
    assert _same("right: 23 of 23, 1.3 bits\n", "right: 23 of 23, 1.4 bits\n")
    for other in (
        "right: 20 of 23, 1.3 bits\n",
        "right: 23 of 23\n",
        "wrong: 23 of 23, 1.3 bits\n",
    ):
        assert not _same("right: 23 of 23, 1.3 bits\n", other)
