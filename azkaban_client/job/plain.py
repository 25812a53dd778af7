"""Record the runs of a script that knows nothing of the kit.

``command=${python} -m azkaban_client.job.plain fetch.py --rows 3`` runs ``fetch.py --rows 3`` and
leaves what every job leaves: ``run.json`` and ``report.html``. Numbers that the script writes to
``JOB_OUTPUT_PROP_FILE`` are metrics, and files that it writes to the folder that ``OUTPUT_DIR``
names are artifacts. Log and exit code are the script's own.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.job.killed import CODE, Killed, Terminator
from azkaban_client.job.record import FILE, REPORT, recorded
from azkaban_client.job.report import Page
from azkaban_client.job.runtime import make_run, read_properties
from azkaban_client.secrecy import masked_words

if TYPE_CHECKING:
    from azkaban_client.job.run import Run

__all__ = ["main"]

_OUTPUTS = "JOB_OUTPUT_PROP_FILE"
_PATIENCE = 5.0  # seconds that a killed script has to end
_MOST_FILES = 100  # that the report names


def main(words: list[str]) -> int:
    """Run a script as a job, and return its exit code.

    Parameters
    ----------
    words
        What Python is to run: ``["fetch.py", "--rows", "3"]``, ``["-m", "fetch"]``.
    """
    if not words:
        print("usage: python -m azkaban_client.job.plain SCRIPT [ARGUMENTS]", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, Terminator())
    named = words[1] if words[0] == "-m" and len(words) > 1 else Path(words[0]).stem
    run = make_run(named, read_properties())
    try:
        _record(words, run)
    except Killed as killed:
        killed.arrived = True
        return CODE
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:
        return int(stop.code or 0)
    except OSError as error:
        print(f"{run.name}: {error}", file=sys.stderr)
        return 1
    return 0


def _record(words: list[str], run: Run) -> None:
    """Run the script, and end as it does."""
    with recorded(run, {"command": shlex.join(masked_words(words))}) as record:
        code, record.passed = _call(words, run)
        record.outputs = {
            key.removeprefix(f"{run.name}."): _value(value)
            for key, value in (record.passed or {}).items()
        }
        if files := _files(run.dir):
            page = Page(run.name, f"{run.project} / {run.flow}, execution {run.execid}")
            page.table("Files", ["name", "bytes"], files)
            run.report(page)
        if code:
            raise SystemExit(code)


def _call(words: list[str], run: Run) -> tuple[int, dict[str, object] | None]:
    """Run the script; return its exit code, as a shell would have it, and what it has output."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(os.environ.get(_OUTPUTS) or Path(folder) / "outputs.json")
        environ = {**os.environ, _OUTPUTS: str(target), "OUTPUT_DIR": str(run.dir)}
        process = subprocess.Popen([sys.executable, *words], env=environ)
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
            process.kill()
            raise
        return (code if code >= 0 else 128 - code), _read(target)


def _read(path: Path) -> dict[str, object] | None:
    """Read what a script has output; None if it is no JSON, so that Azkaban loses it."""
    try:
        found: object = json.loads(path.read_text(encoding="utf-8").strip() or "{}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _value(value: object) -> object:
    """Make a number of a text that is one, as shell scripts write them."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def _files(folder: Path) -> list[list[object]]:
    """List the files that a script has left."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    rows: list[list[object]] = [
        [path.relative_to(folder).as_posix(), path.stat().st_size]
        for path in found
        if path.name not in (FILE, REPORT)
    ]
    return rows[:_MOST_FILES]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
