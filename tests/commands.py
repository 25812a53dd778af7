"""Run the commands of this project as their users do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.live.conftest import LiveAzkaban

__all__ = ["Azk", "run_setup"]


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


class Azk:
    """``azk`` as its users run it: in an empty home, with a server's settings from a file."""

    def __init__(self, azkaban: LiveAzkaban, home: Path, **environ: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AZK_", "XDG_"))}
        config = {"AZK_CONFIG": str(azkaban.config), "PYTHONPATH": str(CHECKOUT)}
        self.environ = {**kept, "HOME": str(home), **config, **environ}
        self.home = home

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        code = "from azkaban_client.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=self.home,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end; give its exit code, output and errors."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def upload(self, project: str, files: Mapping[str, str]) -> None:
        """Write files to the folder ``flow`` of the home and upload them as a new project."""
        folder = self.home / "flow"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        code, _, err = self("upload", project, str(folder), "--create")
        assert code == 0, err
