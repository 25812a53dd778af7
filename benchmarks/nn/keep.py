"""Keep what a benchmark of networks measured in the file that the page is made from."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["arguments", "keep", "machine", "processor"]


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Make the parser of a benchmark, with the option that all have."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep the figures there")
    return parser


def keep(path: Path | None, name: str, found: Any, part: str | None = None) -> None:
    """Put figures under a name into a JSON file, or into a part of what has that name."""
    if path is None:
        return
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if part is not None:
        found = content.get(name, {}) | {part: found}
    content |= {"cores": os.cpu_count(), name: found}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Tell what measures: versions, and how busy the cores are."""
    packages = ("numpy", "numba", "torch", "scikit-learn")
    return {
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        **{name: version(name) for name in packages},
    }


def processor() -> str:
    """Name the processor, by which figures of several machines are told apart."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip().replace("(R)", "")
    return platform.machine()
