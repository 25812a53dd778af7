"""The flows of this area are consistent before any server sees them."""

from __future__ import annotations

import re
from pathlib import Path

import javaproperties
import pytest

from azkaban_client.job.reference import jobs_of

FLOWS = Path(__file__).parents[2] / "flows"
PROJECTS = ["nn", "grid", "charlm", "seqlabel", "textclass"]
JOBS = {job.module: job for job in jobs_of("jobs")}
COMMON = {"type", "command", "dependencies"}


def _read(path: Path) -> dict[str, str]:
    with path.open("rb") as stream:
        return javaproperties.load(stream)


def _jobs(project: str) -> dict[str, dict[str, str]]:
    return {path.stem: _read(path) for path in (FLOWS / project).glob("*.job")}


@pytest.mark.parametrize("project", PROJECTS)
def test_every_key_is_a_parameter_and_every_reference_resolves(project: str) -> None:
    shared = _read(FLOWS / project / f"{project}.properties")
    jobs = _jobs(project)
    used = {"seed", "project.name"}
    for name, props in jobs.items():
        module = re.fullmatch(r"\$\{python\} -m (jobs\.[\w.]+)", props["command"])
        assert module, props["command"]
        job = JOBS[module[1]]
        known = {f"{job.prefix}.{one.name}": one for one in job.parameters}
        own = props.keys() - COMMON
        assert own <= known.keys(), name
        assert {key for key, one in known.items() if one.required} <= own, name
        parents = props.get("dependencies", "").split(",")
        for key in own:
            for reference in re.findall(r"\$\{([^}]+)\}", props[key]):
                owner = reference.partition(".")[0]
                assert reference in shared or owner in parents, (name, key, reference)
                used.add(reference)
    assert shared.keys() <= used, "a property that no job reads"


@pytest.mark.parametrize("project", PROJECTS)
def test_the_flow_is_named_after_its_project(project: str) -> None:
    jobs = _jobs(project)
    needed = {name for props in jobs.values() for name in props.get("dependencies", "").split(",")}
    assert needed - {""} <= jobs.keys()
    assert jobs.keys() - needed == {project}
