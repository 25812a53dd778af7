"""`azk dev` runs a flow again at each change of a file, until it is interrupted."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

WAITING = "waiting for a change of a file"


class Dev:
    """The command in a process of its own, and what it says."""

    def __init__(self, folder: Path, *args: str) -> None:
        code = "from azkaban_client.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "dev", *args],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd()), "TERM": "dumb"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self.process.stdout as stream:
            for line in stream:
                self.lines.put(line)
        self.lines.put("")

    def until(self, words: str) -> str:
        """Return what it says up to a line with these words."""
        said = ""
        while words not in said:
            line = self.lines.get(timeout=60)
            assert line, f"it has ended: {said}"
            said += line
        return said

    def interrupt(self) -> str:
        self.process.send_signal(signal.SIGINT)
        said = "".join(iter(lambda: self.lines.get(timeout=60), ""))
        assert self.process.wait() == 130, said
        return said


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "sales"
    folder.mkdir()
    (folder / "sales.job").write_text("type=command\ncommand=bash say.sh ${what}\n")
    (folder / "sales.properties").write_text("what=first\n")
    (folder / "say.sh").write_text("echo said $1 > $AZK_SAID\necho said $1\n")
    return folder


def test_it_runs_again_at_each_change(project, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AZK_SAID", str(tmp_path / "said"))
    dev = Dev(project, ".", "--logs")
    try:
        said = dev.until(WAITING)
        assert "said first" in said
        assert "sales: SUCCEEDED" in said
        (project / "sales.properties").write_text("what=second\n")
        assert "said second" in dev.until(WAITING)
        (project / "sales.job").write_text("type=command\ncommand=bash no.sh\n")
        assert "sales: FAILED" in dev.until(WAITING)
        (project / "sales.job").write_text("type=command\ncommand=echo ${nothing}\n")
        said = dev.until(WAITING)
        assert "it does not run: 1 error(s)" in said
        assert "started" not in said
        (project / "other.job").write_text("type=noop\n")  # a new file counts as well
        (project / "sales.job").write_text("type=command\ncommand=echo third\n")
        assert "which flow? The project has other, sales" in dev.until(WAITING)
        (project / "other.job").unlink()
        said = dev.until(WAITING)
        assert "third" in said
        assert said.count("started") == 1, "what a run leaves is no change"
    finally:
        assert "interrupted" in dev.interrupt()


def test_ctrl_c_ends_the_job_that_runs(project, tmp_path) -> None:
    (project / "say.sh").write_text("echo $$\nexec sleep 600\n")
    dev = Dev(project, str(project), "sales", "--logs", "--prop", "what=x")
    dev.until("started")
    number = int(dev.lines.get(timeout=60))
    dev.interrupt()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
