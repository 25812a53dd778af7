"""Run a ``flow.py`` in a process of its own: ``python -m azkaban_client.flow.script.child OUT``.

Its flows, or what went wrong, go to the file OUT as JSON.
"""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from azkaban_client.flow.script.declare import Flow, FlowError
from azkaban_client.flow.script.files import write

__all__ = ["main"]

_SCRIPT = "flow.py"
_CALLERS = 5  # that a message names; endless recursion has a thousand


def main() -> None:
    """Run the ``flow.py`` of the current folder."""
    target, folder = Path(sys.argv[1]), Path.cwd()
    sys.argv = [_SCRIPT]
    sys.path.insert(0, str(folder))  # only now: no file of the project stands for a module of ours
    target.write_text(json.dumps(_result(folder)), encoding="utf-8")


def _result(folder: Path) -> dict[str, Any]:
    flow_2 = any(folder.glob("*.project"))
    try:
        _run(folder)
        written = write(Flow.made, flow_2=flow_2)
    except Exception as error:  # noqa: BLE001 (whatever the user's file raises)
        return _failure(error, folder)
    origins = {
        name: [(at, _shown(file, folder), line) for at, file, line in places]
        for name, places in written.origins.items()
    }
    return {"files": written.files, "origins": origins}


def _run(folder: Path) -> None:
    try:
        runpy.run_path(str(folder / _SCRIPT), run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise RuntimeError(f"it ended with the exit code {stop.code}") from stop


def _failure(error: Exception, folder: Path) -> dict[str, Any]:
    """Say where in the user's files it went wrong, and what."""
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{_shown(error.filename, folder)}:{error.lineno}"
        return {"error": f"{place}: {type(error).__name__}: {error.msg}"}
    source: BaseException = error.__cause__ if isinstance(error.__cause__, SystemExit) else error
    frames = traceback.extract_tb(source.__traceback__)
    own = [f"{_shown(f.filename, folder)}:{f.lineno}" for f in frames if _is_in(f.filename, folder)]
    if isinstance(error, FlowError) and error.place is not None:
        own = [f"{_shown(error.place.file, folder)}:{error.place.line}"]
    words = str(error) if isinstance(error, FlowError) or source is not error else _named(error)
    called = "".join(f"\n  called from {place}" for place in own[-2 : -2 - _CALLERS : -1])
    return {"error": f"{own[-1] if own else _SCRIPT}: {words}{called}"}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _is_in(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder)


def _shown(file: str, folder: Path) -> str:
    """Write a file's path from the project's folder on."""
    return Path(file).relative_to(folder).as_posix() if _is_in(file, folder) else file


if __name__ == "__main__":
    main()
