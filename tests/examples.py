"""Run the pages in docs/start/examples, which are programs with their outputs and plots.

    python -m tests.examples [NAME...]      writes outputs and plots anew

What a block of `python` prints stands below it, in a block of `text` that a test compares, or of
`console`, which may differ from machine to machine.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.pictures import shrink

__all__ = ["PAGES", "run"]

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "start" / "examples").glob("*.md"))
_IMAGES = ROOT / "docs" / "images"
_BLOCK = re.compile(r"(?ms)^```python\n(.*?)^```\n(?:\n```(text|console)\n(.*?)^```\n)?")


_SIZES = {"100_000": "2_000"}  # of what takes long, and what a test runs in its place


def run(page: Path, folder: Path, *, whole: bool = True) -> tuple[str, list[tuple[str, str]]]:
    """Run a page.

    Parameters
    ----------
    page
        One of `PAGES`.
    folder
        Where its plots go.
    whole
        With the sizes that stand there; else with smaller ones.

    Returns
    -------
    text, outputs
        The page with the outputs of this run; each output that is compared, as it stood there and
        as it is now.
    """
    names: dict[str, Any] = {}
    outputs: list[tuple[str, str]] = []

    def block(found: re.Match[str]) -> str:
        code, kind, before = found[1], found[2] or "text", found[3] or ""
        code = code.replace('savefig("', f'savefig("{folder}/')
        for size, smaller in () if whole else _SIZES.items():
            code = code.replace(size, smaller)
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.chdir(ROOT):
            exec(compile(code, str(page), "exec"), names)  # noqa: S102 (our own page)
        now = printed.getvalue()
        if kind == "text":
            outputs.append((before, now))
        shown = f"\n```{kind}\n{now}```\n" if now else ""
        return f"```python\n{found[1]}```\n{shown}"

    mpl.rcParams["figure.dpi"] = 90
    return _BLOCK.sub(block, page.read_text("utf-8")), outputs


if __name__ == "__main__":
    for each in PAGES:
        if each.stem in (sys.argv[1:] or [page.stem for page in PAGES]):
            with tempfile.TemporaryDirectory() as drawn:
                each.write_text(run(each, Path(drawn))[0], "utf-8")
                for picture in Path(drawn).iterdir():
                    shrink(picture)
                    shutil.copy(picture, _IMAGES)
