"""The client where only Python's portable part is: as on Windows and macOS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azkaban_client.flow import local
from azkaban_client.flow.zip import Bundle
from azkaban_client.follow import FlowEnded, LogLine
from azkaban_client.job import resources
from azkaban_client.models import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
HIDING = HERE / "without_posix"
# Signals and a chain of jobs that only POSIX ends in time.
_POSIX = "not two_thousand and not leaves_no_files"
TESTS = ("cli", "config", "graph", "job", "lint", "local", "transport", "zip")

# Of a module of ours, without its package.
_TRY = """
import importlib.util, sys
for code in ("import fcntl", "from resource import getrusage", "import os; os.geteuid",
             "from os import fork", "import signal; signal.SIGKILL", "import time; time.tzset"):
    try:
        exec(code, {"__name__": "azkaban_client.tried"})
    except (ImportError, AttributeError):
        exec(code, {"__name__": "another"})
    else:
        sys.exit(f"{code}: not hidden")
"""


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(HIDING), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=HERE.parents[1],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_what_is_hidden_is_hidden_from_our_modules_alone() -> None:
    result = _python("-c", _TRY)
    assert result.returncode == 0, result.stdout


def test_the_tests_of_the_client_pass_without_what_only_posix_has() -> None:
    files = [str(HERE / f"test_{name}.py") for name in TESTS]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", _POSIX]
    result = _python("-m", "pytest", *options, *files)
    assert result.returncode == 0, result.stdout[-4000:]
    assert " passed" in result.stdout


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without /proc."""
    real = Path.read_text

    def read_text(path: Path, *arguments: str, **options: str) -> str:
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", read_text)


def test_memory_is_asked_otherwise_where_there_is_no_proc(
    no_proc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resources.Usage.peak_bytes() > 10**6
    monkeypatch.setitem(sys.modules, "resource", None)  # Windows
    assert resources.Usage.peak_bytes() == 0
    with resources.Usage() as used:
        sum(range(10**6))
    assert used.cpu_seconds() > 0


def _run(folder: Path, command: str) -> Iterator[str]:
    text = f"type=command\ncommand={command}\n"
    for event in local.run(Bundle({"one.job": text.encode()}), "one"):
        if isinstance(event, LogLine):
            yield event.text
        if isinstance(event, FlowEnded):
            assert event.execution.status is Status.SUCCEEDED


def test_a_python_whose_path_has_spaces_runs_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "Program Files" / "python"
    program.parent.mkdir()
    program.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(program))
    assert list(_run(tmp_path, '${python} -c "print(6*7)"')) == ["42"]
