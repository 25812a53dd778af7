"""What a run leaves beside its own artifacts: ``run.json`` and ``report.html``.

``run.json`` is enough to run the job again (parameters, seed, hashes of the files that it read,
versions) and says how it went (status, error, times, metrics). It is written at the start, with
the status ``running``, and again at the end, however the job ends: one that was killed outright
(SIGKILL, out of memory) stays ``running`` without an end. ``azk report`` and the console read it.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs._report import COLOURS, Page, figure
from jobs._runtime import write_text
from jobs._usage import Sample, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.figure import Figure

    from jobs._runtime import Job, Outputs, Spec

__all__ = ["FILE", "REPORT", "Run", "recorded"]

FILE, REPORT = "run.json", "report.html"

_PACKAGES = ("numpy", "scipy", "scikit-learn", "pulp", "matplotlib", "bigdl-dllib-spark3")
_PLOTTED_SECONDS = 2.0  # below, a course over time says nothing and the plot would take longer


@dataclass
class Run:
    """A run under way: `recorded` makes it, the caller fills it in.

    Attributes
    ----------
    params
        The parameters, an instance of the job's dataclass; None until they are read.
    outputs
        What the job returned.
    """

    params: object = None
    outputs: Outputs = field(default_factory=dict)


@contextmanager
def recorded(job: Job, spec: Spec) -> Iterator[Run]:
    """Record a run in its folder: at its start, and when the block ends, by an error or not.

    Parameters
    ----------
    job
        The run.
    spec
        What is run.
    """
    run, started = Run(), datetime.now(UTC)
    record: dict[str, Any] = {
        "job": job.name,
        "project": job.project,
        "flow": job.flow,
        "execution": job.execid,
        "attempt": job.attempt,
        "status": "running",
        "started": _iso(started),
        "seed": job.seed,
    }
    job.dir.mkdir(parents=True, exist_ok=True)
    (job.dir / REPORT).unlink(missing_ok=True)  # of an earlier attempt
    _write(job, record)
    with Usage() as usage:
        try:
            yield run
        except BaseException as error:
            status = "failed" if isinstance(error, Exception) else "killed"
            said = f"{error}" if isinstance(error, (ValueError, OSError)) else repr(error)
            with suppress(OSError):  # the job's own error is the one to be told
                _end(job, spec, run, usage, record, status=status, error=said)
            raise
        _end(job, spec, run, usage, record, status="succeeded")


def _end(
    job: Job,
    spec: Spec,
    run: Run,
    usage: Usage,
    record: dict[str, Any],
    *,
    status: str,
    error: str = "",
) -> None:
    given = {key: text for key, text in job.props.items() if key.startswith(f"{spec.prefix}.")}
    values = {} if run.params is None else _values(run.params, spec)
    metrics = {name: _number(value) for name, value in run.outputs.items()}
    record |= {
        "status": status,
        **({"error": error[:4000]} if error else {}),
        "ended": _iso(datetime.now(UTC)),
        "seconds": round(usage.seconds(), 3),
        "cpu_seconds": round(usage.cpu_seconds(), 3),
        "peak_memory_bytes": usage.peak_bytes(),
        "metrics": {name: value for name, value in metrics.items() if value is not None},
        "outputs": {key: str(value) for key, value in run.outputs.items()},
        "parameters": {key: _plain(value) for key, value in values.items()} or given,
        "inputs": _inputs(values),
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            **_versions(),
        },
    }
    _write(job, record)
    if (job.dir / REPORT).exists():  # the job wrote a file of its own
        return
    where = f"{record['project']} / {record['flow']}, execution {record['execution']}"
    page = job.pages[-1] if job.pages else Page(job.name, where)
    _describe(page, record, usage.samples[:] if status != "killed" else [])
    page.write(job.dir / REPORT)


def _write(job: Job, record: Mapping[str, Any]) -> None:
    write_text(job.dir / FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _values(params: object, spec: Spec) -> dict[str, object]:
    return {f"{spec.prefix}.{f.name}": getattr(params, f.name) for f in fields(spec.params)}


def _plain(value: object) -> Any:
    return value if isinstance(value, (bool, int, float, type(None))) else str(value)


def _number(value: object) -> int | float | None:
    """Give a metric as JSON takes it; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int) else float(value)


def _inputs(values: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Hash the files that parameters name: a path, or several with commas between."""
    found = {}
    for value in values.values():
        names = [value] if isinstance(value, Path) else []
        if isinstance(value, str):
            names = [Path(part.strip()) for part in value.split(",") if "/" in part or "." in part]
        for path in names:
            with suppress(OSError):  # a name too long for a file, say: no input
                if path.is_file():
                    with path.open("rb") as stream:
                        digest = hashlib.file_digest(stream, "sha256").hexdigest()
                    found[str(path)] = {"bytes": path.stat().st_size, "sha256": digest}
    return found


def _describe(page: Page, record: dict[str, Any], samples: Sequence[Sample]) -> None:
    """Add what every report says: how it went, what came out, what it took, what went in."""
    if "error" in record:
        page.text("Error", record["error"])
    facts = {
        "status": record["status"],
        "wall time (s)": record["seconds"],
        "processor time (s)": record["cpu_seconds"],
        "peak memory (MB)": round(record["peak_memory_bytes"] / 1e6),
        "seed": record["seed"],
        "started (UTC)": record["started"][:19].replace("T", " "),
    }
    page.facts("Run", facts.items())
    if record["metrics"]:
        page.table("Metrics", ["name", "value"], record["metrics"].items())
    others = [pair for pair in record["outputs"].items() if pair[0] not in record["metrics"]]
    if others:
        page.table("Outputs", ["name", "value"], others)
    if record["seconds"] >= _PLOTTED_SECONDS and len(samples) > 1:
        page.plot("Resources", _resources(samples), "Of the job's own process.")
    page.table("Parameters", ["property", "value"], record["parameters"].items())
    files = record["inputs"].items()
    page.table("Inputs", ["file", "bytes", "SHA-256"], [[n, *f.values()] for n, f in files])
    page.table("Environment", ["part", "version"], record["environment"].items())


def _resources(samples: Sequence[Sample]) -> Figure:
    start = (0.0, samples[0][1], 0.0)
    at, resident, cpu = np.array([start, *samples]).T
    busy = np.diff(cpu) / np.maximum(np.diff(at), 1e-9)
    fig = figure(7.0, 2.6)
    memory, processors = fig.subplots(1, 2)
    memory.plot(at, resident / 1e6, color=COLOURS[0])
    memory.set(xlabel="time (s)", ylabel="memory (MB)", ylim=(0, None))
    processors.stairs(busy, at, color=COLOURS[1])
    processors.set(xlabel="time (s)", ylabel="processors busy", ylim=(0, None))
    return fig


def _versions() -> dict[str, str]:
    """Tell what is installed of what results may depend on."""
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
