"""The parameter reference says what the code does, and the flows use only what exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import javaproperties
import pytest

from azkaban_client.job.reference import jobs_of, render
from azkaban_client.job.runtime import _parser

if TYPE_CHECKING:
    from azkaban_client.job import JobFunction

ROOT = Path(__file__).resolve().parents[2]
JOB_FILES = sorted((ROOT / "flows").glob("*/*.job"))
JOBS = {job.module: job for job in jobs_of("jobs")}


def _job(props: dict[str, str]) -> JobFunction[Any, Any]:
    command = props["command"].split()
    return JOBS[command[command.index("-m") + 1]]


def test_reference_is_current() -> None:
    shown = (ROOT / "docs" / "reference" / "jobs.md").read_text()
    assert shown == render("jobs"), (
        "run: python -m azkaban_client.job.reference jobs > docs/reference/jobs.md"
    )


def test_every_job_has_a_text_and_every_parameter_a_sentence() -> None:
    for module, job in JOBS.items():
        assert job.doc, module
        for one in job.parameters:
            assert one.rule.doc.endswith("."), (module, one.name)


def test_the_prefix_of_a_job_is_its_path_below_jobs() -> None:
    files = {path.relative_to(ROOT).with_suffix("") for path in (ROOT / "jobs").glob("*/[a-z]*.py")}
    assert {".".join(path.parts) for path in files} == set(JOBS)
    assert all(f"jobs.{job.prefix}" == module for module, job in JOBS.items())


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda p: p.stem)
def test_flow_sets_only_parameters_that_its_job_takes(path: Path) -> None:
    props = javaproperties.loads(path.read_text())
    job = _job(props)
    known = {f"{job.prefix}.{one.name}" for one in job.parameters}
    standard = {"type", "command", "dependencies"}
    assert set(props) - standard <= known
    required = {f"{job.prefix}.{one.name}" for one in job.parameters if one.required}
    assert required <= set(props)


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda p: p.stem)
def test_outputs_of_parents_are_not_taken_for_parameters(path: Path) -> None:
    """An output ``<parent>.<key>`` must not begin with the prefix of the job that gets it."""
    props = javaproperties.loads(path.read_text())
    parents = {name.strip() for name in props.get("dependencies", "").split(",")}
    assert _job(props).prefix not in parents


def test_the_name_of_a_job_can_be_referred_to() -> None:
    """Azkaban 2.5 leaves ``${a-b.key}`` as it is."""
    assert [path.stem for path in JOB_FILES if not re.fullmatch(r"\w+", path.stem)] == []


def _typed() -> list[str]:
    """The commands of jobs on the pages."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts = [page.read_text(encoding="utf-8").replace("\\\n", " ") for page in pages]
    found = [re.findall(r"python -m (jobs\.[\w.]+ --[^`\n|<>]*)", text) for text in texts]
    return sorted({line for lines in found for line in lines})


@pytest.mark.parametrize("line", _typed())
def test_every_command_of_the_pages_can_be_typed(line: str) -> None:
    module, *words = shlex.split(line, comments=True)
    _parser(JOBS[module]).parse_args(words)
    given = {word[2:].partition("=")[0].replace("-", "_") for word in words}
    assert {one.name for one in JOBS[module].parameters if one.required} <= given


def test_the_options_that_the_page_about_ciphers_names_are_there() -> None:
    page = (ROOT / "docs" / "how-to" / "decipher.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(--[\w-]+)", page))
    jobs = [JOBS[f"jobs.decipher.{name}"] for name in ("solve", "identify", "model")]
    known = {f"--{one.name.replace('_', '-')}" for job in jobs for one in job.parameters}
    assert len(named) > 5
    assert named <= known | {"--prop"}


def test_jobs_start_without_what_only_their_work_needs() -> None:
    """The first line of a job's work comes soon: these take from 50 ms to a second each."""
    modules = sorted({job.module for job in jobs_of("jobs") if ".spark." not in job.module})
    heavy = ("arviz_stats", "highspy", "matplotlib", "numba", "pulp", "scipy", "sklearn", "jinja2")
    code = f"import sys, {', '.join(modules)}\nprint(*sorted({set(heavy)} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("\n", 0), done.stderr
    assert len(modules) >= 25
