"""A server needs no numerical packages; who runs the jobs that do is told how to get them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setup.layout import CHECKOUT, Layout

_SCRIPT = """
set -eu
cd "$2"
"$1" -m setup up
"$AZK_HOME/env/bin/python" -c 'import importlib.util as u; assert not u.find_spec("numpy")'
du -sm --exclude=cache "$AZK_HOME" | cut -f1
export AZK_CONFIG=$AZK_HOME/azk.toml
azk=$AZK_HOME/env/bin/azk
if "$AZK_HOME/env/bin/python" -m jobs.nn.load; then exit 9; fi
"$AZK_HOME/env/bin/azkaban-jobflow" env --with jobs
"$azk" project create nn nn
"$azk" upload nn flows/nn --with jobs --with core
"$azk" run nn nn --prop epochs=1 --follow
"$azk" logs 1 nn_load
"""


def test_a_flow_of_ours_runs_on_a_server_once_its_packages_are_there(tmp_path: Path) -> None:
    prefix = tmp_path / "p"
    environ = {**os.environ, "AZK_HOME": str(prefix), "AZK_CACHE": str(Layout.of().cache)}
    environ |= {"XDG_STATE_HOME": str(tmp_path / "state")}
    base = Path(getattr(sys, "_base_executable", sys.executable))
    try:
        result = subprocess.run(
            ["sh", "-c", _SCRIPT, "sh", str(base), str(CHECKOUT)],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    finally:
        stop = [str(base), "-m", "setup", "stop"]
        subprocess.run(stop, env=environ, cwd=CHECKOUT, capture_output=True, check=True)
    assert result.returncode == 0, result.stdout + result.stderr[-4000:]
    assert int(result.stdout.split()[0]) < 80
    assert f"run {prefix}/env/bin/azkaban-jobflow env --with jobs" in result.stderr
    assert sorted(path.name for path in prefix.glob("env/.lock-*")) == [".lock-base", ".lock-jobs"]
