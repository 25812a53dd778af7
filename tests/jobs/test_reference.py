"""The parameter reference says what the code does, and the flows use only what exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import javaproperties
import pytest

from jobs._params import describe
from jobs._reference import render, specs

if TYPE_CHECKING:
    from jobs._runtime import Spec

ROOT = Path(__file__).resolve().parents[2]
JOB_FILES = sorted((ROOT / "flows").glob("*/*.job"))


def _spec(props: dict[str, str]) -> Spec:
    command = props["command"].split()
    module = command[command.index("-m") + 1].removeprefix("jobs.")
    return {name: spec for name, _, spec in specs()}[module]


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
    spec = _spec(props)
    known = {info.key for info in describe(spec.params, spec.prefix)}
    standard = {"type", "command", "dependencies"}
    assert set(props) - standard <= known
    required = {i.key for i in describe(spec.params, spec.prefix) if i.default is None}
    assert required <= set(props)


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda p: p.stem)
def test_outputs_of_parents_are_not_taken_for_parameters(path: Path) -> None:
    """An output ``<parent>.<key>`` must not begin with the prefix of the job that gets it."""
    props = javaproperties.loads(path.read_text())
    parents = {name.strip() for name in props.get("dependencies", "").split(",")}
    assert _spec(props).prefix not in parents


def test_the_name_of_a_job_can_be_referred_to() -> None:
    """Azkaban 2.5 leaves ``${a-b.key}`` as it is."""
    assert [path.stem for path in JOB_FILES if not re.fullmatch(r"\w+", path.stem)] == []
