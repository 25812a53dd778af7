"""Where the scripts of this folder keep what they measured: one JSON file, read by page.py."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

FIGURES = Path(__file__).with_name("figures.json")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let the user name the file."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"also keep the figures there ({FIGURES.name})"
    )


def keep(file: Path | None, name: str, rows: list[dict[str, Any]], **about: Any) -> None:
    """Put the rows of one table into the file in the place of earlier ones.

    Parameters
    ----------
    file
        Where; None keeps nothing.
    name
        Of the table.
    rows
        Numbers by name; rounded to four digits.
    about
        What was the same for all rows. The number of cores and the load average before the last
        row go along: on a busy machine seconds say little.
    """
    if not file:
        return
    found = json.loads(file.read_text()) if file.is_file() else {}
    rounded = [{key: _round(value) for key, value in row.items()} for row in rows]
    machine = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    found[name] = {**about, **machine, "rows": rounded}
    file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def _round(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
