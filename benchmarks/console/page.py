"""Write docs/reference/web-figures.md from figures.json, where run.py keeps what it measures.

python benchmarks/console/page.py > docs/reference/web-figures.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2

FOLDER = Path(__file__).parent


def page(measured: dict[str, Any]) -> str:
    """Write the page."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((FOLDER / "figures.md.j2").read_text(encoding="utf-8"))
    busy = measured["load"] > 1.5 * measured["cores"]
    return template.render(busy=busy, **measured) + "\n"


if __name__ == "__main__":
    print(page(json.loads((FOLDER / "figures.json").read_text())), end="")
