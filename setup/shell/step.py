"""Run a step for the scripts beside a server: ``step.py PREFIX SERVER STEP [OPTION ...]``."""

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
    """Run one step of a server, with its installed settings."""
    prepare()
    prefix, server, step, *rest = arguments
    sys.argv[0] = "setup"  # messages name the command that the prefix has

    def as_installed(layout: Layout, options: argparse.Namespace, _arguments: list[str]) -> int:
        code: int = options.as_installed(layout, options)
        return code

    # Last: after an option, argparse takes an optional argument for missing.
    return cli.main([server, step, *rest, "--prefix", prefix], instead=as_installed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
