"""Run ``azk watch`` beside the servers, where the prefix has rules for it."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from setup import environment
from setup.private import open_private

if TYPE_CHECKING:
    from pathlib import Path

    from setup.layout import Layout

__all__ = ["Watching"]

_PAUSE = 60.0  # seconds between two starts: rules with a mistake end it at once
_PATIENCE = 10.0


class Watching:
    """The ``azk watch`` of an installation: runs while there is a file ``watch.toml``.

    Parameters
    ----------
    layout
        The installation.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._process: subprocess.Popen[bytes] | None = None
        self._rules: int | None = None
        self._started = float("-inf")

    @property
    def rules(self) -> Path:
        """Who is told of what."""
        return self._layout.prefix / "watch.toml"

    @property
    def log(self) -> Path:
        """What it says."""
        return self._layout.prefix / "watch.log"

    def keep(self) -> None:
        """Start it if it does not run, anew if the rules have changed, end it without rules."""
        try:
            now: int | None = self.rules.stat().st_mtime_ns
        except OSError:
            now = None
        if now != self._rules:
            self.end()
            self._rules, self._started = now, float("-inf")
        runs = self._process is not None and self._process.poll() is None
        if now is None or runs or time.monotonic() - self._started < _PAUSE:
            return
        self._started = time.monotonic()
        variables = environment.local({"AZK_CONFIG": str(self._layout.client_config)})
        with open_private(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [self._layout.env / "bin" / "azk", "watch", self.rules],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._layout.prefix,
            )

    def end(self) -> None:
        """End it, if it runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
