"""Write the table of docs/reference/faults.md from what a run of the matrix recorded.

python3 -m setup test --faults -- --junitxml=faults.xml
python tests/live/faults/table.py faults.xml
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

VICTIMS = ("mysqld", "web", "executor", "supervisor")


def table(results: Sequence[Path]) -> str:
    """Write one row for each stage, one column for each victim."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    cases = [case for path in results for case in ET.parse(path).iter("testcase")]
    for case in cases:
        found = {p.get("name", ""): p.get("value", "") for p in case.iter("property")}
        if "stage" not in found:
            continue
        bad = any(case.find(tag) is not None for tag in ("failure", "error"))
        text = "FAILED TEST" if bad else f"{found['answer']}; {found['found']}"
        cells.setdefault((found["operation"], found["stage"]), {})[found["victim"]] = text
    lines = [
        f"| under way | stage | {' | '.join(f'{victim} killed' for victim in VICTIMS)} |",
        f"|---|---|{'---|' * len(VICTIMS)}",
    ]
    order = ("upload", "execution", "schedule", "backup")
    for (operation, stage), by_victim in sorted(cells.items(), key=lambda c: order.index(c[0][0])):
        row = " | ".join(by_victim.get(victim, "not run") for victim in VICTIMS)
        lines.append(f"| {operation} | {stage} | {row} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([Path(name) for name in sys.argv[1:]]))
