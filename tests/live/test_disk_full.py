"""A disk that is full is called so, by whoever meets it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from setup.layout import CHECKOUT
from tests.live.conftest import LiveAzkaban
from tests.live.mounted import mounted


def test_a_server_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    code = Path(__file__).with_name("full_disk.py")
    command = [*mounted(tmp_path, "size=160m"), sys.executable, str(code), str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT), "AZK_CACHE": str(LiveAzkaban.cache())}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert "disk is full" in told["upload"]
    assert "disk is full" in told["start"]
    assert "disk is full" in told["refused"]  # the embedded database closed its file then
    assert told["kept"] == told["made"]
    assert told["status"] == "SUCCEEDED"
    assert re.search(r"\[\.\.\. \d+ lines could not be written here: .*full", told["log"])
    assert "the end" in told["log"]
    assert (told["version"], told["again"]) == (2, "SUCCEEDED")
