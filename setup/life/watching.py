"""Run ``azk watch`` beside the servers, where there are rules or schedules for it."""

from __future__ import annotations

import os
import subprocess
import time
import tomllib
from typing import TYPE_CHECKING

from azkaban_client.config import ConfigError
from azkaban_client.files import open_private, rotate
from azkaban_client.schedules.book import Book
from setup import environment
from setup.life.process import Process
from setup.messages import say

if TYPE_CHECKING:
    from pathlib import Path

    from setup.layout import Layout

__all__ = ["Watching"]

_PAUSE = 60.0  # seconds between two starts: rules with a mistake end it at once
_PATIENCE = 10.0
_LOG_BYTES, _LOG_COUNT = 5 << 20, 3
_PASSED_ON = ("AZK_TRUST", "XDG_STATE_HOME")  # its journal is that of azk watch in a terminal


class Watching:
    """The ``azk watch`` of an installation.

    It runs while there is a file ``watch.toml``, or a schedule that ``azk schedule`` made here.

    Parameters
    ----------
    layout
        The installation.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._process: subprocess.Popen[bytes] | None = None
        self._rules: int | None = None
        self._looked = False
        self._started = float("-inf")

    @property
    def rules(self) -> Path:
        """Who is told of what."""
        return self._layout.prefix / "watch.toml"

    @property
    def log(self) -> Path:
        """What it says; rotated at 5 MB, with three older ones kept."""
        return self._layout.prefix / "watch.log"

    @property
    def record(self) -> Path:
        """Which process it is, for a supervisor that finds one left by another."""
        return self._layout.prefix / "watch.pid"

    def keep(self) -> None:
        """Start the watch, restart it if the rules have changed, end it if there are none."""
        try:
            now: int | None = self.rules.stat().st_mtime_ns
        except OSError:
            now = 0 if self._has_schedules() else None
        if now != self._rules or not self._looked:
            self.end()
            self._rules, self._started, self._looked = now, float("-inf"), True
        if self.log.is_file() and self.log.stat().st_size > _LOG_BYTES:
            self.end()  # it has the log open; its journal lets the next one go on
            rotate(self.log, _LOG_COUNT)
            self._started = float("-inf")
        runs = self._process is not None and self._process.poll() is None
        if now is None or runs or time.monotonic() - self._started < _PAUSE:
            return
        self._started = time.monotonic()
        try:
            self._start()
        except (OSError, ConfigError) as error:  # a full disk, or an update that replaces azk
            say(f"azk watch cannot be started: {error}")

    def _has_schedules(self) -> bool:
        try:
            url = tomllib.loads(self._layout.client_config.read_text(encoding="utf-8"))["url"]
        except (OSError, ValueError, KeyError):
            return False
        return Book(str(url).rstrip("/")).path.exists()

    def _start(self) -> None:
        # To send messages it needs the user's proxy and certificate authorities.
        given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        given["AZK_CONFIG"] = str(self._layout.client_config)
        variables = environment.tool(self._layout.temporary, given)
        with open_private(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [self._layout.env / "bin" / "azk", "watch", *([self.rules] if self._rules else [])],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._layout.prefix,
            )
        if started := Process.of(self._process.pid):
            started.write(self.record)

    def end(self) -> None:
        """End the watch if it runs, even one that a killed supervisor left."""
        if left := Process.read(self.record, self._layout.prefix):
            left.stop(_PATIENCE)
        if self._process is not None:
            self._process.kill()  # one that could not be recorded
            self._process.wait()
            self._process = None
        self.record.unlink(missing_ok=True)
