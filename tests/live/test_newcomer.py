"""README, demo and tutorial as a newcomer types them, from nothing, in their order.

The prefix has letters beyond ASCII; the home folder stays as empty as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from setup.demo import FLOWS
from setup.layout import CHECKOUT, Layout
from setup.life.process import Process, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The newcomer's Python, not the environment in which these tests run.
PYTHON = getattr(sys, "_base_executable", sys.executable)


@dataclass
class Newcomer:
    """Who typed the commands of the README; and what was shown."""

    home: Path
    layout: Layout
    environ: dict[str, str]
    result: subprocess.CompletedProcess[str]

    def setup(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python3 -m setup``."""
        return _run([PYTHON, "-m", "setup", *arguments], self.environ)

    def server(self) -> Process | None:
        """The process of the server."""
        return Process.read(self.layout.azkaban / "azkaban.pid")


def _run(command: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=False, timeout=900
    )


def _type(
    page: str, environ: dict[str, str], renamed: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run all commands of a page, with other ports where they are named."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (CHECKOUT / page).read_text(), re.MULTILINE | re.DOTALL
    )
    # this test runs within `setup test`
    lines = [line for line in "".join(blocks).splitlines() if "setup test" not in line]
    text = "\n".join(["set -eux", *lines])
    for old, new in (renamed or {}).items():
        assert old in text
        text = text.replace(old, new)
    return _run(["bash", "-c", text], environ)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    home = tmp_path_factory.mktemp("newcomer")
    layout = Layout(home / "größe", Layout.of().cache)
    ours = ("PYTHON", "AZK_", "VIRTUAL_ENV", "XDG_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environ |= {"HOME": str(home), "AZK_HOME": str(layout.prefix), "TERM": "dumb"}
    environ["AZK_CACHE"] = str(layout.cache)
    if allowed := os.environ.get("AZK_ALLOW_ROOT"):
        environ["AZK_ALLOW_ROOT"] = allowed
    found = Newcomer(home, layout, environ, _type("README.md", environ))
    yield found
    found.setup("stop")


def _left_behind(home: Path) -> list[str]:
    """Nothing but the prefix and what the tutorial itself makes lies in the home folder."""
    known = {"größe", "work", ".local", ".cache", ".config"}  # azk's, matplotlib's
    return sorted(p.name for p in home.iterdir() if p.name not in known)


def test_commands_of_the_readme_work(newcomer: Newcomer) -> None:
    assert newcomer.result.returncode == 0, newcomer.result.stdout + newcomer.result.stderr
    assert _left_behind(newcomer.home) == []
    jars = r"^Azkaban: 2\.5\.0, \d+ jars, each with its pinned SHA-256"
    promised = re.search(jars, (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    assert promised
    assert promised[0] in newcomer.result.stderr


def test_demo_runs_three_flows_to_succeeded(newcomer: Newcomer) -> None:
    for name in FLOWS:
        assert f"== {name}: " in newcomer.result.stderr
        reports = list((newcomer.layout.runs / name).glob(f"*/{name}/report.html"))
        assert len(reports) == 1
        assert f"report: {reports[0]}" in newcomer.result.stdout
        page = reports[0].read_text()
        assert page.count("<svg") >= 1
        assert not re.search(r"(src|href)=.https?:", page), "the report must stand alone"
        if name == "mcmc":
            assert re.search(r"(?m)^recovered: (1\.0|0\.99)", newcomer.result.stdout)
            for text in ("Convergence", "Posterior of the key", "Confidence"):
                assert text in page


def test_each_flow_has_at_least_three_jobs_that_succeeded(newcomer: Newcomer) -> None:
    for name in FLOWS:
        jobs = [path.stem for path in (CHECKOUT / "flows" / name).glob("*.job")]
        assert len(jobs) >= 3
        for job in jobs:
            assert re.search(rf"\b{job}\b.*SUCCEEDED", newcomer.result.stdout), (name, job)


def test_nothing_of_it_is_a_terminal_code(newcomer: Newcomer) -> None:
    assert "\x1b" not in newcomer.result.stdout + newcomer.result.stderr


def test_what_setup_does_can_be_done_by_hand(newcomer: Newcomer) -> None:
    ports = {port: str(free_port("127.0.0.1", 0)) for port in ("13307", "18443", "18322")}
    with tempfile.TemporaryDirectory() as short:  # as a socket's path has to be
        result = _type("docs/how-to/by-hand.md", {**newcomer.environ, "TMPDIR": short}, ports)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "5.7." in result.stdout
    assert result.stdout.rstrip().endswith("Hello from " + os.uname().nodename)


@pytest.mark.parametrize("page", ["docs/start/tutorial.md", "docs/how-to/distributions.md"])
def test_commands_of_a_page_work(newcomer: Newcomer, page: str) -> None:
    """Before a server is killed: Azkaban counts what ran then as running for a minute or two."""
    result = _type(page, newcomer.environ)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert _left_behind(newcomer.home) == []


def test_azk_beside_the_interpreter_finds_the_server(newcomer: Newcomer) -> None:
    assert newcomer.setup("up").returncode == 0  # the pages end with a stop
    azk = newcomer.layout.env / "bin" / "azk"
    config = {"AZK_CONFIG": str(newcomer.layout.client_config)}
    result = _run([str(azk), "project", "list", "--json"], newcomer.environ | config)
    assert result.returncode == 0, result.stderr
    assert set(FLOWS) <= {project["name"] for project in json.loads(result.stdout)}


def test_demo_on_a_terminal_and_a_server_that_is_killed_meanwhile(newcomer: Newcomer) -> None:
    """It uses the server that runs, shows what goes on, and says what happened."""
    before = newcomer.server()
    assert before is not None
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [PYTHON, "-m", "setup", "demo"],
        cwd=CHECKOUT,
        env=newcomer.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown, alive = b"", True
    with contextlib.suppress(OSError):  # the end of a terminal is an error to its reader
        while piece := os.read(ours, 65536):
            shown += piece
            if alive and b"RUNNING" in shown:
                assert newcomer.server() == before
                os.kill(before.pid, signal.SIGKILL)
                alive = False
    os.close(ours)
    text = shown.decode()
    assert process.wait() == 5, text
    assert "already running" in text
    assert "Python environment" not in text
    assert "\x1b[" in text
    assert "RUNNING" in text
    assert "the server no longer answers" in text
    assert "Traceback" not in text
    assert newcomer.setup("status").returncode == 1


def test_failing_flow_shows_its_log_and_exits_1(newcomer: Newcomer) -> None:
    """On the server that was killed: the demo starts it again. Logs are streamed when asked."""
    runs, kept = newcomer.layout.runs, newcomer.layout.prefix / "runs.kept"
    runs.rename(kept)
    runs.write_text("a file where every job wants to make a folder")
    try:
        result = newcomer.setup("demo", "--logs")
    finally:
        runs.unlink()
        kept.rename(runs)
    assert result.returncode == 1, result.stderr
    assert "nn_load INFO - Starting job nn_load" in result.stdout
    assert "Starting job" not in newcomer.result.stdout
    assert "--- log of nn_load, last" in result.stderr
    assert f"Not a directory: '{runs}" in result.stderr


def test_wipe_stops_the_server_and_deletes_everything(newcomer: Newcomer) -> None:
    assert newcomer.setup("azkaban", "start").returncode == 0
    server = newcomer.server()
    assert server is not None
    result = newcomer.setup("wipe", "--yes")
    assert result.returncode == 0, result.stderr
    assert not server.alive()
    assert not newcomer.layout.prefix.exists()
    assert newcomer.setup("status").returncode == 1
