"""A clock that is set back, and whole servers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from setup.layout import CHECKOUT
from tests.live.faketime import moved

if TYPE_CHECKING:
    from tests.live.conftest import LiveAzkaban


def test_doctor_finds_a_clock_that_was_set_back(split: LiveAzkaban) -> None:
    command = [sys.executable, "-m", "setup", "doctor", "--json"]
    command += ["--prefix", str(split.layout.prefix)]
    for offset, wrong in (("+0", set()), ("-400d", {"clock", "certificate"})):
        told = subprocess.run(
            command, cwd=CHECKOUT, env={"PATH": "/usr/bin:/bin", **moved(offset)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        findings = {f["check"]: f for f in json.loads(told.stdout)}
        seen = {name for name in ("clock", "certificate") if not findings[name]["ok"]}
        assert seen == wrong, told.stdout
        assert all("set this machine's clock" in findings[name]["fix"] for name in wrong)
        assert findings["mysql"]["ok"]
