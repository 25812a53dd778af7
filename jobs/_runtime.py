"""What every job shares: properties in, outputs and artifacts out, log, progress, signals.

A job is a module with a frozen dataclass of parameters and a function ``run(params, job)``::

    @dataclass(frozen=True, kw_only=True)
    class Params:
        epochs: int = param(20, doc="Passes over the data.", ge=1)

    def run(params: Params, job: Job) -> Outputs:
        job.log(f"training for {params.epochs} epochs")
        return {"accuracy": 0.97}

    JOB = Spec(prefix="nn", params=Params, run=run)

    if __name__ == "__main__":
        sys.exit(main(JOB))

Under Azkaban the properties come from JOB_PROP_FILE and the outputs go to JOB_OUTPUT_PROP_FILE as
``<job>.<key>``. Without Azkaban, ``python -m jobs.NAME --prop nn.epochs=2`` does the same work and
prints the outputs.

Exit codes: 0 done, 1 failed, 2 bad parameters or input, 130 interrupted, 143 killed (SIGTERM).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import javaproperties
import numpy as np

from jobs._params import ParamError, describe, parse

if TYPE_CHECKING:
    from types import FrameType, ModuleType

    from jobs._report import Page

__all__ = ["InputError", "Job", "Outputs", "Spec", "main", "write_bytes", "write_text"]

T = TypeVar("T")
Outputs = Mapping[str, "str | int | float | Path"]


class InputError(ValueError):
    """Input that the job cannot use; the message names the value, the place and the fix."""


@dataclass(frozen=True)
class Job:
    """One run of a job: where it is, where its artifacts go, its random numbers and its log.

    Attributes
    ----------
    name
        The node's name in the flow, or the module's name without Azkaban.
    project, flow, execid
        As Azkaban gives them; ``local`` without it.
    dir
        This job's own folder for artifacts: ``<output.dir>/<project>/<execid>/<name>``. It exists
        while the job runs.
    seed
        The property ``seed``; `rng` is made from it.
    attempt
        How often this job was tried before in this execution.
    pages
        What `report` was given; the last one counts.
    """

    name: str
    project: str
    flow: str
    execid: str
    dir: Path
    seed: int
    props: Mapping[str, str]
    rng: np.random.Generator = field(repr=False)
    attempt: int = 0
    pages: list[Page] = field(default_factory=list, repr=False)

    def report(self, page: Page) -> Path:
        """Hand over the job's report and get the file that it will be.

        It is written at the end, with parameters, inputs, environment, time and metrics added.

        Parameters
        ----------
        page
            What the job has to show.
        """
        self.pages.append(page)
        return self.dir / "report.html"

    def log(self, text: str) -> None:
        """Write one line to the job's log."""
        print(text, flush=True)

    def progress(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Iterate over `items` with a progress bar on a terminal, or a log line every tenth.

        Parameters
        ----------
        items
            What to iterate over.
        label
            What is being done.
        total
            Number of items, where ``len(items)`` does not tell.
        """
        if total is None:
            total = len(items)  # type: ignore[arg-type]
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 (only a terminal needs it)
            from rich.progress import track  # noqa: PLC0415

            yield from track(items, label, total, console=Console(stderr=True), transient=True)
            return
        start, tenth = time.monotonic(), 0
        for done, item in enumerate(items, 1):
            yield item
            if done * 10 // total > tenth:
                tenth = done * 10 // total
                spent = time.monotonic() - start
                self.log(f"{label}: {done}/{total} ({tenth * 10}%), {spent:.1f} s")


@dataclass(frozen=True)
class Spec:
    """A job as `main`, the reference and the linter see it.

    Attributes
    ----------
    prefix
        Its parameters are the properties ``<prefix>.<field>``.
    params
        A frozen dataclass whose fields are made by `jobs._params.param`.
    run
        Does the work and returns the outputs for jobs downstream.
    """

    prefix: str
    params: type
    run: Callable[[Any, Job], Outputs]


def main(spec: Spec, argv: list[str] | None = None) -> int:
    """Run one job and return its exit code.

    Parameters
    ----------
    spec
        The job.
    argv
        Command line without the program's name; ``sys.argv[1:]`` by default.
    """
    module = _module_name(spec)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        props = _properties(_parser(spec, module).parse_args(argv).prop)
        job = _job(module, props)
        if job.execid == "local":  # a slip at a terminal costs no earlier result
            parse(spec.params, spec.prefix, props)
        with _record().recorded(job, spec) as run:
            run.params = parse(spec.params, spec.prefix, props)
            run.outputs = spec.run(run.params, job)
        _write_outputs(job, run.outputs)
    except (ParamError, InputError) as error:
        for line in str(error).splitlines():
            print(f"{module}: {line}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{module}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{module}: interrupted", file=sys.stderr)
        return 130
    return 0


def need_numba(name: str) -> None:
    """Refuse a parameter that asks for compiled code where there is no compiler."""
    if importlib.util.find_spec("numba") is None:
        raise InputError(
            f"{name} = true: needs the package numba, which "
            "azkaban-jobflow env --with routing installs"
        )


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: a killed job leaves no half of it."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a binary file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _record() -> ModuleType:
    from jobs import _record as module  # noqa: PLC0415 (it builds on this module)

    return module


def _module_name(spec: Spec) -> str:
    module = spec.run.__module__
    if module == "__main__":
        module = Path(sys.modules["__main__"].__file__ or "job").stem
    return module.rpartition(".")[2]


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    print("killed (SIGTERM)", file=sys.stderr, flush=True)
    raise SystemExit(128 + signal.SIGTERM)


def _parser(spec: Spec, module: str) -> argparse.ArgumentParser:
    lines = ["parameters:"]
    for info in describe(spec.params, spec.prefix):
        default = "required" if info.default is None else f"default: {info.default or 'none'}"
        lines.append(f"  {info.key}  {info.expected} ({default})\n      {info.doc}")
    lines.append("  seed  an integer >= 0 (default: 0)\n      Makes a run reproducible.")
    lines.append("  output.dir  a path (default: runs)\n      Where artifacts go.")
    doc = (sys.modules[spec.run.__module__].__doc__ or "").strip()
    parser = argparse.ArgumentParser(
        prog=f"python -m jobs.{module}",
        description=doc,
        epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--prop", action="append", default=[], metavar="KEY=VALUE", help="set a property"
    )
    return parser


def _properties(pairs: list[str]) -> dict[str, str]:
    props: dict[str, str] = {}
    if name := os.environ.get("JOB_PROP_FILE"):
        with Path(name).open("rb") as stream:
            props.update(javaproperties.load(stream))
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ParamError(f"--prop {pair!r}: expected KEY=VALUE")
        props[key.strip()] = value
    return props


def _job(module: str, props: Mapping[str, str]) -> Job:
    text = props.get("seed", "").strip() or "0"
    try:
        seed = int(text)
        rng = np.random.default_rng(seed)
    except ValueError:
        raise ParamError(f"seed = {text!r}: expected an integer >= 0") from None
    name = os.environ.get("JOB_NAME") or module
    # Azkaban 2.5 does not tell jobs the name of their project: our flows carry it themselves
    named = props.get("azkaban.flow.projectname") or props.get("project.name")
    project = named or props.get("azkaban.flow.flowid") or "local"
    execid = props.get("azkaban.flow.execid") or "local"
    base = Path(props.get("output.dir", "").strip() or "runs").expanduser().absolute()
    folder = base / project / execid / name
    return Job(
        name=name,
        project=project,
        flow=props.get("azkaban.flow.flowid") or "local",
        execid=execid,
        dir=folder,
        seed=seed,
        props=props,
        rng=rng,
        attempt=int(attempt) if (attempt := props.get("azkaban.job.attempt", "")).isdigit() else 0,
    )


def _write_outputs(job: Job, outputs: Outputs) -> None:
    flat = {f"{job.name}.{key}": str(value) for key, value in outputs.items()}
    if name := os.environ.get("JOB_OUTPUT_PROP_FILE"):
        write_text(Path(name), json.dumps(flat, indent=2))
        return
    for key, value in flat.items():
        job.log(f"{key} = {value}")
