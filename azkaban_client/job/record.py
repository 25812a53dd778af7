"""Write what a run leaves besides its own artifacts: ``run.json`` and ``report.html``.

``run.json`` is enough to run the job again (parameters, seed, hashes of the files that it read,
versions) and records how it went (status, error, times, metrics). It is written at the start, with
the status ``running``, and again at the end, however the job ends. After SIGKILL or out of memory
it stays ``running`` without an end. ``azk report`` and the console read it.
"""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.files import write_text
from azkaban_client.job.killed import Killed
from azkaban_client.job.kinds import show
from azkaban_client.job.report import Page
from azkaban_client.job.resources import Usage, plot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from azkaban_client.job.resources import Sample
    from azkaban_client.job.run import Run

__all__ = ["FILE", "REPORT", "Record", "recorded"]

FILE, REPORT = "run.json", "report.html"

# For shorter runs the plot of resources says nothing, or takes a large part of what the run took:
# to load matplotlib takes up to half a second of processor time, where the job has not done so.
_PLOTTED_SECONDS = 2.0
_PLOTTED_SECONDS_UNLOADED = 10.0


@dataclass
class Record:
    """A run in progress: `recorded` makes it, the caller fills it in.

    Attributes
    ----------
    given
        The properties as they were given, for a run whose parameters cannot be read.
    values
        The parameters by property, once they are read.
    outputs
        What the job returned.
    passed
        The same as Azkaban passes it to the jobs after it: a retry gives it to them; None if that
        is not certain.
    """

    given: Mapping[str, str]
    values: Mapping[str, object] = field(default_factory=dict)
    outputs: Mapping[str, object] = field(default_factory=dict)
    passed: Mapping[str, object] | None = None


@contextmanager
def recorded(run: Run, given: Mapping[str, str]) -> Iterator[Record]:
    """Record a run in its folder, at its start and when the block ends, with or without an error.

    Parameters
    ----------
    run
        The run.
    given
        Its parameters as properties, without secrets.
    """
    record, started = Record(given), datetime.now(UTC)
    entry: dict[str, Any] = {
        "job": run.name,
        "project": run.project,
        "flow": run.flow,
        "execution": run.execid,
        "attempt": run.attempt,
        "retry_of": run.props.get("retry.of"),
        "status": "running",
        "started": _iso(started),
        "seed": run.seed,
    }
    run.dir.mkdir(parents=True, exist_ok=True)
    (run.dir / REPORT).unlink(missing_ok=True)  # of an earlier attempt
    _write(run, entry)
    with Usage() as usage:
        try:
            yield record
        except BaseException as error:
            if isinstance(error, Killed):
                error.arrived = True
            status, said = _how_it_ended(error)
            with suppress(OSError):  # the job's own error is the one to report
                _end(run, record, usage, entry | {"status": status} | said)
            raise
        _end(run, record, usage, entry | {"status": "succeeded"})


def _how_it_ended(error: BaseException) -> tuple[str, dict[str, str]]:
    """Return the status of a run that an exception ended, and its description."""
    if isinstance(error, SystemExit) and not isinstance(error, Killed):
        if not error.code:
            return "succeeded", {}
        return "failed", {"error": f"exit code {error.code}"[:4000]}
    status = "failed" if isinstance(error, Exception) else "killed"
    said = f"{error}" if isinstance(error, (ValueError, OSError)) else repr(error)
    return status, {"error": said[:4000]}


def _end(run: Run, record: Record, usage: Usage, entry: dict[str, Any]) -> None:
    """Write the record of a run, and its report unless it wrote its own."""
    metrics = {name: _number(value) for name, value in record.outputs.items()}
    values = record.values
    entry |= {
        "ended": _iso(datetime.now(UTC)),
        "seconds": round(usage.seconds(), 3),
        "cpu_seconds": round(usage.cpu_seconds(), 3),
        "peak_memory_bytes": usage.peak_bytes() or None,
        "metrics": {name: value for name, value in metrics.items() if value is not None},
        "outputs": {key: str(value) for key, value in record.outputs.items()},
        "output_properties": record.passed,
        "parameters": {key: _plain(value) for key, value in values.items()} or dict(record.given),
        "inputs": _inputs(values),
        "environment": _environment(),
    }
    _write(run, entry)
    if (run.dir / REPORT).exists():  # the job wrote a file of its own
        return
    where = f"{entry['project']} / {entry['flow']}, execution {entry['execution']}"
    page = run.pages[-1] if run.pages else Page(run.name, where)
    _describe(page, entry, usage.samples[:] if entry["status"] != "killed" else [])
    page.write(run.dir / REPORT)


def _write(run: Run, entry: Mapping[str, Any]) -> None:
    write_text(run.dir / FILE, json.dumps(entry, indent=2, ensure_ascii=False) + "\n")


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _plain(value: object) -> Any:
    if value is None or type(value) in (bool, int, float):
        return value
    return show(value)


def _number(value: object) -> int | float | None:
    """Return a metric for JSON; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int) else float(value)


def _inputs(values: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Hash the files that parameters name: a path, or several, or texts that are paths."""
    from hashlib import file_digest

    found = {}
    for path in (path for value in values.values() for path in _paths(value)):
        with suppress(OSError):  # not an input, such as a name too long for a file
            if path.is_file():
                with path.open("rb") as stream:
                    digest = file_digest(stream, "sha256").hexdigest()
                found[str(path)] = {"bytes": path.stat().st_size, "sha256": digest}
    return found


def _paths(value: object) -> list[Path]:
    if isinstance(value, Path):
        return [value]
    if isinstance(value, str):
        return [Path(part.strip()) for part in value.split(",") if "/" in part or "." in part]
    if isinstance(value, (list, tuple)):
        return [path for one in value for path in _paths(one)]
    return []


def _describe(page: Page, entry: dict[str, Any], samples: Sequence[Sample]) -> None:
    """Add what every report has: the outcome, outputs, resources and inputs."""
    if "error" in entry:
        page.text("Error", entry["error"])
    peak = entry["peak_memory_bytes"]
    facts = {
        "status": entry["status"],
        "wall time (s)": entry["seconds"],
        "processor time (s)": entry["cpu_seconds"],
        "peak memory (MB)": round(peak / 1e6) if peak else "unknown",
        "seed": entry["seed"],
        "started (UTC)": entry["started"][:19].replace("T", " "),
    }
    page.facts("Run", facts.items())
    if entry["metrics"]:
        page.table("Metrics", ["name", "value"], entry["metrics"].items())
    others = [pair for pair in entry["outputs"].items() if pair[0] not in entry["metrics"]]
    if others:
        page.table("Outputs", ["name", "value"], others)
    loaded = "matplotlib" in sys.modules
    least = _PLOTTED_SECONDS if loaded else _PLOTTED_SECONDS_UNLOADED
    if entry["seconds"] >= least and len(samples) > 1:
        with suppress(ImportError):  # a job may have no matplotlib
            page.plot("Resources", plot(samples), "Of the job's own process.")
    page.table("Parameters", ["property", "value"], entry["parameters"].items())
    # Where it all came from: for those who ask.
    files = [[name, *about.values()] for name, about in entry["inputs"].items()]
    page.table("Inputs", ["file", "bytes", "SHA-256"], files, folded=True)
    page.table("Environment", ["part", "version"], entry["environment"].items(), folded=True)


def _environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that the job has loaded."""
    import platform

    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in sorted(sys.modules.keys() - sys.stdlib_module_names):
        # Looked up without getattr, which makes some packages import more.
        release = vars(sys.modules[name]).get("__version__") if "." not in name else None
        if isinstance(release, str):
            found[name] = release
    return found
