"""Run a program as a client of Spark Connect, for ``setup spark submit --master sc://HOST:PORT``.

Runs in the application's own Python, which has nothing of this project. The first argument names a
file that says what to send to the server; the rest are the program and its arguments.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

_REFUSED = 2


def main() -> None:
    """Open the session, send what the program needs, and run it."""
    needs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    del sys.argv[:2]
    # A client of Spark that the environment has comes first.
    library = Path(os.environ["SPARK_HOME"], "python", "lib")
    sys.path.extend(str(path) for path in sorted(library.glob("*.zip")))
    sys.path[:1] = [*needs["path"], *map(_importable, needs["py_files"])]  # not this folder
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    session = _session(needs["name"])
    try:
        _set(session, needs["settings"])
        _send(session, needs["artifacts"])
        if needs["module"]:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        with suppress(Exception):  # the program may have stopped it, or the server is gone
            if sys.exc_info()[0]:
                session.interruptAll()
            session.stop()


def _session(name: str) -> Any:
    """Open the session that the program's ``SparkSession.builder.getOrCreate()`` will return."""
    from pyspark.sql import SparkSession

    try:
        builder = SparkSession.builder.remote(os.environ["SPARK_REMOTE"])
        session = builder.appName(name).getOrCreate()
        _say(f"Spark Connect: the server runs Spark {session.version}")
    except Exception as error:  # noqa: BLE001 (of gRPC, or of Spark)
        _refuse("the Spark Connect server cannot be used", error)
    return session


def _set(session: Any, settings: dict[str, dict[str, str]]) -> None:
    """Set what a session can set; what the user typed must be among it."""
    kept = []
    for origin, values in settings.items():
        for name, value in values.items():
            try:
                session.conf.set(name, value)
            except Exception as error:  # noqa: BLE001 (as above)
                if origin == "--conf":
                    _refuse(f"--conf {name}: the server lets no session set it", error)
                kept.append(name)
    if kept:
        _say(f"note: the server keeps its own {', '.join(kept)}")


def _send(session: Any, artifacts: dict[str, list[str]]) -> None:
    """Send files for the tasks of this session."""
    for kind, entries in artifacts.items():
        for entry in entries:
            try:
                session.addArtifacts(entry, **({} if kind == "jar" else {kind: True}))
            except Exception as error:  # noqa: BLE001 (as above)
                _refuse(f"{entry} cannot be sent to the server", error)


def _importable(entry: str) -> str:
    """Return what Python imports from for a module, a zip or an egg."""
    return str(Path(entry).parent) if entry.endswith(".py") else entry


def _refuse(what: str, error: Exception) -> NoReturn:
    why, _, _ = str(error).partition("JVM stacktrace")
    _say(f"Error: {what}: {' '.join(why.split())[:300]}")
    sys.exit(_REFUSED)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
