"""Write the page of a benchmark's figures from figures.json and figures.md.j2 in its folder.

    python benchmarks/page.py load > docs/reference/load-figures.md
    python benchmarks/page.py schedulers docs/reference/schedulers.md

With a page, the figures take the place of those between its two comments that say `figures`.
No figure is typed in by hand. The template has the fields of the JSON file, and `busy`, which tells
whether other programs wanted the cores, too, where the file has a load.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jinja2

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- figures -->", "<!-- end of the figures -->"


def page(kind: str, measured: dict[str, Any] | None = None) -> str:
    """Write the page of a benchmark.

    Parameters
    ----------
    kind
        The folder of the benchmark.
    measured
        The figures, in place of those of its file.
    """
    folder = FOLDER / kind
    if measured is None:
        measured = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "figures.md.j2").read_text(encoding="utf-8"))
    busy = measured.get("load", 0) > 1.5 * measured["cores"]
    text = template.render(busy=busy, **measured)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def within(text: str, kind: str) -> str:
    """Put the figures of a benchmark between the two comments of a page."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{page(kind)}{END}{after}"


def main() -> None:
    kind, *pages = sys.argv[1:]
    if not pages:
        print(page(kind), end="")
    for path in map(Path, pages):
        path.write_text(within(path.read_text(encoding="utf-8"), kind), encoding="utf-8")


if __name__ == "__main__":
    main()
