"""Run a job in a test as Azkaban would: ``run_job`` for tests of a project's scripts.

For example, in a file that pytest finds::

    from azkaban_client.job.testing import run_job

    def test_the_sales_of_a_day(tmp_path):
        ran = run_job("sales.py", {"sales.day": "2026-11-30"}, tmp_path)
        assert ran.succeeded, ran.log
        assert ran.outputs["sales.count"] == "2"
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Ran", "run_job"]


@dataclass(frozen=True)
class Ran:
    """What became of a job.

    Attributes
    ----------
    code
        Its exit code: 0 done, 1 failed, 2 bad parameters or input.
    log
        What it printed, standard error included.
    outputs
        What it hands to the jobs that depend on it: ``{"sales.total": "32.5"}``.
    folder
        Where it left its files.
    """

    code: int
    log: str
    outputs: dict[str, str]
    folder: Path

    @property
    def succeeded(self) -> bool:
        """Whether Azkaban would call it a success."""
        return self.code == 0

    @property
    def record(self) -> dict[str, Any]:
        """What ``run.json`` says of the run; empty for a script that does not use the job kit."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "run.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found


def run_job(
    script: str | os.PathLike[str],
    properties: Mapping[str, str],
    folder: str | os.PathLike[str],
    *,
    options: Sequence[str] = (),
    name: str | None = None,
    timeout: float = 300.0,
) -> Ran:
    r"""Run a script or module as Azkaban runs a job, with this Python.

    It gets its properties in ``JOB_PROP_FILE``, its name in ``JOB_NAME``, leaves its outputs in
    ``JOB_OUTPUT_PROP_FILE`` and works in the folder of the script.

    Parameters
    ----------
    script
        A file, or a module such as ``jobs.nn.train``.
    properties
        All that the job would get, under their whole names: ``sales.day``.
    folder
        An empty folder, for what the job leaves; pytest's ``tmp_path``.
    options
        For the command line, as the job's ``command`` has them.
    name
        The job's name in the flow; that of the script by default.
    timeout
        Seconds after which the job is killed.

    Raises
    ------
    TimeoutError
        The job was killed; the message ends with its log.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     script = Path(folder) / "hello.py"
    ...     _ = script.write_text("import os; print('hello from', os.environ['JOB_NAME'])")
    ...     run_job(script, {}, folder).log
    'hello from hello\n'
    """
    import javaproperties

    path, runs = Path(script), Path(folder).absolute()
    is_file = path.suffix == ".py" or path.exists()
    job = name or (path.stem if is_file else str(script).removeprefix("jobs.").replace(".", "_"))
    props, outputs = runs / f"{job}_props_tmp", runs / f"{job}_output_tmp"
    given = {"azkaban.flow.flowid": job, "azkaban.flow.execid": "1", "output.dir": str(runs)}
    given |= properties
    with props.open("w", encoding="iso-8859-1") as stream:
        javaproperties.dump(given, stream)
    outputs.touch()
    told = {"JOB_PROP_FILE": str(props), "JOB_OUTPUT_PROP_FILE": str(outputs), "JOB_NAME": job}
    what = [str(path.absolute())] if is_file else ["-m", str(script)]
    try:
        done = subprocess.run(
            [sys.executable, *what, *options],
            cwd=path.absolute().parent if is_file else None,
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,  # a job that asks somebody something would wait for ever
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.output or b"").decode("utf-8", "replace")
        raise TimeoutError(f"{script}: killed after {timeout:g} s; its log:\n{said}") from None
    project = given.get("project.name") or given["azkaban.flow.flowid"]
    return Ran(
        code=done.returncode,
        log=done.stdout.decode("utf-8", "replace"),
        outputs=_read(outputs),
        folder=Path(given["output.dir"]) / project / given["azkaban.flow.execid"] / job,
    )


def _read(path: Path) -> dict[str, str]:
    """Read the outputs; of what is no flat JSON object, Azkaban keeps nothing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8", errors="replace") or "{}")
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or None in found.values():
        return {}
    return {key: _text(value) for key, value in found.items()}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
