"""Run the commands of this project as their users do."""

from __future__ import annotations

import os
import subprocess
import sys

from setup.layout import CHECKOUT

__all__ = ["run_setup"]


def run_setup(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``python3 -m setup`` with arguments and further variables."""
    return subprocess.run(
        [sys.executable, "-m", "setup", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
