"""The same flows on Azkaban, Luigi and Airflow; takes some minutes.

python3 -m setup test -- tests/distribution/test_schedulers.py
"""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client import Bundle, collect
from azkaban_client.flow.export import Options, export
from azkaban_client.flow.zip import unpack
from benchmarks.schedulers.airflow_api import Api
from benchmarks.schedulers.processes import kill
from setup.layout import CHECKOUT
from setup.schedulers.scheduler import Scheduler
from tests.exported import BROKEN, FAN, FLOW_1, FLOW_2, bundle, records
from tests.live.conftest import LiveAzkaban
from tests.live.test_schedulers import on_azkaban, on_luigi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITH = [CHECKOUT / "jobs", CHECKOUT / "core"]
NN = {"epochs": "3", "classic.epochs": "3"}
# What a job leaves that does not depend on the run's number, its folder or its duration.
NUMBERS = {
    "nn": ("nn.best", "nn.accuracy", "nn.accuracy.classic", "nn.accuracy.default"),
    "routing_solve": ("routing_solve.status", "routing_solve.cost"),
}


@pytest.fixture(scope="module")
def azkaban(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAzkaban]:
    live = LiveAzkaban(tmp_path_factory.mktemp("schedulers") / "p")
    yield live
    live.stop()


@pytest.fixture(scope="module")
def luigi(azkaban: LiveAzkaban) -> Scheduler:
    scheduler = Scheduler(azkaban.layout, "luigi")
    scheduler.install()
    return scheduler


class Airflow:
    """A real one, asked through its API."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler, self.home = scheduler, scheduler.home
        url = scheduler.start().url
        self.api = Api(url, json.loads((self.home / "passwords.json").read_text())["admin"])

    def run(
        self, files: Bundle, project: str, flow: str, conf: dict[str, str]
    ) -> tuple[str, dict[str, tuple[str, int]], dict[str, tuple[str, dict[str, str]]]]:
        """Export a flow, run it; its end, those of its tasks with their attempts, and records."""
        options = Options(python=sys.executable)
        made = export(files, "airflow", project=project, flow=flow, options=options)
        folder = self.home / "dags" / project
        folder.mkdir()
        unpack(made.bundle, folder)
        until(lambda: self.api.unpause(flow))
        self.api.begin(flow, "r:1", conf)
        state = until(lambda: self.api.end(flow, "r:1"))
        assert (folder / "runs").is_dir(), self.logs()
        tasks = self.api.ask("GET", f"dags/{flow}/dagRuns/r:1/taskInstances?limit=100")
        ends = {
            one["task_id"]: (one["state"], one["try_number"]) for one in tasks["task_instances"]
        }
        return state, ends, records(folder / "runs" / flow / "r%3A1")

    def logs(self) -> str:
        """What the tasks printed, for a failure's message."""
        return "\n".join(
            path.read_text() for path in sorted((self.home / "logs").rglob("attempt=*.log"))
        )


def until(look) -> Any:
    deadline = time.monotonic() + 600
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def airflow(azkaban: LiveAzkaban) -> Iterator[Airflow]:
    scheduler = Scheduler(azkaban.layout, "airflow")
    yield Airflow(scheduler)
    running = scheduler._parts.running().values()
    assert {place for process in running for place, _ in process.listening()} == {"127.0.0.1"}
    scheduler.wipe()
    assert not scheduler.home.exists()


def test_airflow_starts_again_after_a_power_cut(airflow: Airflow) -> None:
    scheduler = airflow.scheduler
    kill(status.pid for status in scheduler.statuses() if status.pid)
    assert {status.state for status in scheduler.statuses()} == {"down"}
    airflow.api.url = scheduler.start().url
    assert {status.state for status in scheduler.statuses()} == {"running"}
    assert airflow.api.ask("GET", "dags") is not None


def test_attempts_and_outputs_on_airflow(azkaban, airflow: Airflow) -> None:
    expected = on_azkaban(azkaban, "attempts", bundle(FLOW_1), "end", day="tue")
    state, tasks, ends = airflow.run(bundle(FLOW_1), "attempts", "end", {"day": "tue"})
    assert (state, ends) == ("success", expected)
    assert tasks["again"] == ("success", 2)
    assert tasks["part.inner"] == ("success", 1)


def test_a_fan_on_airflow(azkaban, airflow: Airflow) -> None:
    files = {name: re.sub(r"\bend\b", "last", text) for name, text in FAN.items()}
    files["last.job"] = files.pop("end.job")  # a DAG of the name `end` is there
    expected = on_azkaban(azkaban, "fan", bundle(files), "last")
    state, _, ends = airflow.run(bundle(files), "fan", "last", {})
    assert (state, ends) == ("success", expected)


def test_a_failure_on_airflow(airflow: Airflow) -> None:
    state, tasks, ends = airflow.run(bundle(BROKEN), "broken", "c", {})
    assert (state, {job: status for job, (status, _) in ends.items()}) == (
        "failed",
        {"a": "SUCCEEDED", "b": "FAILED"},
    )
    assert tasks == {"a": ("success", 1), "b": ("failed", 2), "c": ("upstream_failed", 0)}


def test_conditions_on_airflow(airflow: Airflow) -> None:
    state, tasks, ends = airflow.run(bundle(FLOW_2), "conditions", "f", {"limit": "4"})
    assert state == "success"
    assert {job: status for job, (status, _) in ends.items()} == {
        "count": "SUCCEEDED", "breaks": "FAILED", "many": "SUCCEEDED", "few": "CANCELLED",
        "repair": "SUCCEEDED", "end": "SUCCEEDED",
    }  # fmt: skip
    assert ends["repair"][1] == {"repair": "4"}
    assert {tasks["few"][0], tasks["after"][0]} == {"skipped"}


@pytest.mark.parametrize(
    ("flow", "job", "properties"), [("nn", "nn", NN), ("routing", "routing_solve", {})]
)
def test_real_flows(
    azkaban, luigi, airflow: Airflow, tmp_path: Path, flow: str, job: str, properties
) -> None:
    files = collect(CHECKOUT / "flows" / flow, WITH)
    expected = on_azkaban(azkaban, flow, files, flow, **properties)
    code, said, there = on_luigi(luigi, tmp_path, files, flow, **properties)
    assert code == 0, said
    state, _, here = airflow.run(files, flow, flow, properties)
    assert state == "success"
    for name in NUMBERS[job]:
        assert [ends[job][1].get(name) for ends in (there, here)] == [expected[job][1][name]] * 2
    assert expected.keys() == there.keys() == here.keys()
