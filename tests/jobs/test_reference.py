"""The parameter reference says what the code does, and the flows use only what exists."""

from __future__ import annotations

from pathlib import Path

import javaproperties
import pytest

from jobs._params import describe
from jobs._reference import render, specs

ROOT = Path(__file__).resolve().parents[2]
JOB_FILES = sorted((ROOT / "flows").glob("*/*.job"))


def test_reference_is_current() -> None:
    shown = (ROOT / "docs" / "jobs.md").read_text()
    assert shown == render(), "run: python -m jobs._reference > docs/jobs.md"


def test_every_job_has_a_text_and_every_parameter_a_sentence() -> None:
    for module, doc, spec in specs():
        assert doc, module
        for info in describe(spec.params, spec.prefix):
            assert info.doc.endswith("."), info


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda p: p.stem)
def test_flow_sets_only_parameters_that_its_job_takes(path: Path) -> None:
    props = javaproperties.loads(path.read_text())
    command = props.get("command", "").split()
    module = command[command.index("-m") + 1].removeprefix("jobs.")
    spec = {name: spec for name, _, spec in specs()}[module]
    known = {info.key for info in describe(spec.params, spec.prefix)}
    standard = {"type", "command", "dependencies"}
    assert set(props) - standard <= known
    required = {i.key for i in describe(spec.params, spec.prefix) if i.default is None}
    assert required <= set(props)


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda p: p.stem)
def test_job_names_cannot_be_taken_for_prefixes(path: Path) -> None:
    """An output ``<job>.<key>`` of a parent must not look like a parameter of its child."""
    props = javaproperties.loads(path.read_text())
    prefixes = {spec.prefix for _, _, spec in specs()}
    parents = [name.strip() for name in props.get("dependencies", "").split(",") if name.strip()]
    assert not prefixes & set(parents)
