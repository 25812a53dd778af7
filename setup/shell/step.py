"""What the scripts beside a server run: ``step.py PREFIX SERVER STEP [OPTION ...]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # isolated, Python has no other way

from setup import cli
from setup.prepare import prepare

if TYPE_CHECKING:
    import argparse

    from setup.layout import Layout

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run one step of a server as it is installed."""
    prepare()
    prefix, server, step, *rest = arguments
    sys.argv[0] = "setup"  # messages name the command that the prefix has

    def as_installed(layout: Layout, options: argparse.Namespace, _arguments: list[str]) -> int:
        code: int = options.as_installed(layout, options)
        return code

    # Last, since argparse takes an argument that may be left out for missing behind an option.
    return cli.main([server, step, *rest, "--prefix", prefix], instead=as_installed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
