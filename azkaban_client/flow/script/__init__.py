"""Flows in Python: run a project's ``flow.py``, and take the flows that it declares.

The file runs in a process of its own, with a time limit and a fixed seed of hashes, so that the
same file gives the same zip.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.errors import InvalidProject

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCRIPT", "flows_of", "run"]

SCRIPT = "flow.py"

Origins = dict[str, tuple[tuple[int, str, int], ...]]
_SECONDS = 60.0
_OURS = re.compile(
    rb"^[ \t]*(?:from[ \t]+azkaban_client\.flow[ \t]+import\b"
    rb"|from[ \t]+azkaban_client[ \t]+import[ \t][^#\n]*\bflow\b"
    rb"|import[ \t]+azkaban_client\.flow\b(?!\.))",
    re.MULTILINE,
)
_MTTH = re.compile(
    rb"^[ \t]*(?:from[ \t]+azkaban(?:\.\w+)*[ \t]+import|import[ \t]+azkaban)\b", re.MULTILINE
)
_FLOW_FILES = (".job", ".flow", ".project")


def flows_of(files: Mapping[str, Path]) -> tuple[dict[str, bytes], Origins]:
    """Return the files of the flows that a project's ``flow.py`` declares; none without one.

    A file of that name that does not use `azkaban_client.flow` is the project's own affair.

    Parameters
    ----------
    files
        The project's files.

    Raises
    ------
    InvalidProject
        It fails, makes a file that is there already, or is written for another package.

    Examples
    --------
    >>> flows_of({})
    ({}, {})
    """
    path = files.get(SCRIPT)
    if path is None or not _OURS.search(path.read_bytes()):
        _check_foreign(files)
        return {}, {}
    made, origins = run(path.parent)
    if twice := sorted(made.keys() & files.keys()):
        raise InvalidProject(
            f"{twice[0]}: {SCRIPT} makes this file, and it is in the folder as well: delete it"
        )
    return made, origins


def _check_foreign(files: Mapping[str, Path]) -> None:
    """Refuse a project whose flows are written for another package, with what to write instead."""
    if any(name.endswith(_FLOW_FILES) for name in files):
        return
    for name in (SCRIPT, "jobs.py", "project.py"):
        path = files.get(name)
        if path and _MTTH.search(path.read_bytes()):
            raise InvalidProject(
                f"{path}: a project of the package azkaban (mtth's), which is not run here: write "
                "flow.py with `from azkaban_client.flow import Flow`: Project(NAME) and its jobs "
                "become flow = Flow(NAME); add_job(NAME, Job({'type': 'command', 'command': C, "
                "'dependencies': 'a'})) becomes flow.job(NAME, C, depends=a)"
            )
    for name, path in files.items():
        if name.endswith(".gradle") and b"hadoop" in path.read_bytes():
            raise InvalidProject(
                f"{path}: a project of LinkedIn's Hadoop DSL: build it with Gradle and give "
                "the zip, or write flow.py with `from azkaban_client.flow import Flow`"
            )


def run(folder: Path, *, seconds: float = _SECONDS) -> tuple[dict[str, bytes], Origins]:
    """Run the ``flow.py`` of a folder.

    What it prints goes to standard error.

    Parameters
    ----------
    folder
        The project's.
    seconds
        How long it may take.

    Returns
    -------
    files
        The files of its flows: ``.job`` and ``.properties``, or ``.flow``.
    origins
        Where each of their lines comes from; see `azkaban_client.flow.zip.Bundle`.

    Raises
    ------
    InvalidProject
        It failed, with the line, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="azk-flow-") as temporary:
        target = Path(temporary) / "flows.json"
        _run_child(folder, target, seconds)
        found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    if "error" in found:
        raise InvalidProject(found["error"])
    if not found["files"]:
        raise InvalidProject(f"{SCRIPT}: it makes no flow: expected Flow(NAME) with jobs")
    origins = {name: tuple(map(tuple, places)) for name, places in found["origins"].items()}
    return {name: text.encode() for name, text in found["files"].items()}, origins


def _run_child(folder: Path, target: Path, seconds: float) -> None:
    sys.stderr.flush()
    process = subprocess.Popen(
        [sys.executable, "-B", "-P", "-m", "azkaban_client.flow.script.child", str(target)],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(_paths())},
        stdin=subprocess.DEVNULL,
        stdout=2,
        start_new_session=True,
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise InvalidProject(
            f"{SCRIPT}: it did not end within {seconds:g} s: it should declare flows, not do work"
        ) from None
    finally:
        if process.returncode is None:
            _kill(process)
    if code or not target.is_file():
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise InvalidProject(f"{SCRIPT}: its process ended with {ended}")


def _paths() -> list[str]:
    """Return where this package is, also where it is not installed."""
    own = str(Path(__file__).resolve().parents[3])
    given = os.environ.get("PYTHONPATH")
    return [own, given] if given else [own]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
