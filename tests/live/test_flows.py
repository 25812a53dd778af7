"""Every project of flows/ passes the linter, uploads, and runs to SUCCEEDED on a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from azkaban_client import collect
from azkaban_client.flow.lint import lint
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import LiveAzkaban

# nn, mcmc and routing run in the demo. Here: less work than by default, the same jobs.
SHORTER = {
    "charlm": {"updates": "20"},
    "decipher": {},
    "grid": {"epochs": "5"},
    "routing_parts": {"time_limit": "1", "repair_limit": "1"},
    "sample": {},
    "seqlabel": {"count": "200", "epochs": "1"},
    "textclass": {"epochs": "1"},
}
IN_DEMO = {"nn", "mcmc", "routing"}
ON_SPARK = {"spark"}  # tests/live/spark


def test_no_project_is_forgotten() -> None:
    projects = {path.name for path in (CHECKOUT / "flows").iterdir() if path.is_dir()}
    assert projects == SHORTER.keys() | IN_DEMO | ON_SPARK


@pytest.mark.parametrize("name", sorted(SHORTER.keys() | IN_DEMO | ON_SPARK))
def test_linter_finds_nothing(name: str) -> None:
    bundle = collect(CHECKOUT / "flows" / name, [CHECKOUT / "jobs", CHECKOUT / "core"])
    assert [str(problem) for problem in lint(bundle)] == []


@pytest.mark.parametrize("name", sorted(SHORTER))
def test_flow_succeeds_and_leaves_a_report(azkaban: LiveAzkaban, name: str) -> None:
    with azkaban.uploaded(name, name) as client:
        execid = client.execute(name, name, properties=SHORTER[name])
        execution = client.wait(execid, timeout=300)
        failed = [job.id for job in execution.walk() if not job.status.good]
        logs = ["".join(client.log(execid, job))[-2000:] for job in failed]
    assert execution.succeeded, logs
    for job in execution.walk():
        folder = azkaban.layout.runs / name / str(execid) / job.id
        assert (folder / "run.json").is_file()
        report = (folder / "report.html").read_text()
        assert "</html>" in report
        assert "<image" not in report  # plots are vector graphics
    if name == "decipher":
        _check_pool(azkaban.layout.runs / name / str(execid))


def _check_pool(folder: Path) -> None:
    """The chains of three jobs, each with random numbers of its own, agree on the text."""
    outputs = json.loads((folder / "decipher" / "run.json").read_text())["outputs"]
    assert float(outputs["recovered"]) >= 0.99
    assert outputs["agreed"] == "3 of 3"
    solutions = [folder / f"decipher_chains{number}" / "solution.npz" for number in (1, 2)]
    first, second = [np.load(path)["trace"][:, 0] for path in solutions]
    assert not np.array_equal(first, second)
