"""Write docs/reference/setup-figures.md from what benchmarks/demo.py keeps in figures.json.

python benchmarks/setup/page.py > docs/reference/setup-figures.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2

FOLDER = Path(__file__).parent


def page(measured: dict[str, Any]) -> str:
    """Write the page."""
    ways = {
        name: measured["ways"][name] for name in ("uv", "pip", "before") if name in measured["ways"]
    }
    cases = (
        "up, empty cache",
        "up, full cache",
        "demo, empty cache",
        "demo, full cache",
        "demo, again",
    )
    share = {}
    if "before" in ways:
        share = {
            case: round(100 * ways["uv"][case]["seconds"] / ways["before"][case]["seconds"])
            for case in cases
        }
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((FOLDER / "figures.md.j2").read_text(encoding="utf-8"))
    about = {name: value for name, value in measured.items() if name != "ways"}
    busy = measured["load"] > 1.5 * measured["cores"]
    text = template.render(
        ways=ways, times=cases, disk=("up", "demo"), share=share, busy=busy, **about
    )
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    print(page(json.loads((FOLDER / "figures.json").read_text())), end="")
