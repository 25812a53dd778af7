"""Continue from the one-file archive with its product, as from a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from setup import cli, environment
from setup.bundle import product

if TYPE_CHECKING:
    import argparse

    from setup.layout import Layout

__all__ = ["start"]


def start(archive: str) -> int:
    """Continue from the product as from a checkout; the archive's start has checked it.

    Parameters
    ----------
    archive
        The one-file archive, whose program runs this.

    Returns
    -------
    int
        The exit code, if no prefix was made.
    """
    return cli.main(instead=partial(_enter, Path(archive)))


def _enter(archive: Path, layout: Layout, options: argparse.Namespace, arguments: list[str]) -> int:
    if not options.enters(layout):  # looking at a prefix that does not exist leaves nothing behind
        with tempfile.TemporaryDirectory(prefix="azkaban-jobflow-") as text:
            folder = Path(text) / "product"
            product.write(archive, folder, whole=False)
            command = [sys.executable, str(folder / "setup"), *arguments]
            return subprocess.run(command, env=environment.program(), check=False).returncode
    folder = product.unpack(archive, layout)
    sys.stderr.flush()
    command = [sys.executable, str(folder / "setup"), *arguments]
    return os.execve(sys.executable, command, environment.program())
