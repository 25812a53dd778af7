"""The same flow on Azkaban and, exported, on Luigi: the same ends, attempts and outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Client
from azkaban_client.flow.export import Options, export
from azkaban_client.flow.zip import unpack
from setup.schedulers.scheduler import Scheduler, running
from tests.exported import BROKEN, FAN, FLOW_1, FLOW_2, bundle, records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from azkaban_client import Bundle

Ends = dict[str, tuple[str, dict[str, str]]]


@pytest.fixture(scope="module")
def luigi(azkaban) -> Iterator[Scheduler]:
    """The environment of Luigi."""
    scheduler = Scheduler(azkaban.layout, "luigi")
    scheduler.install()
    yield scheduler
    scheduler.wipe()


def on_azkaban(azkaban, project: str, files: Bundle, flow: str, **properties: str) -> Ends:
    """Run a flow on the server; the statuses and outputs of its jobs."""
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as client:
        client.create_project(project, "for another scheduler")
        with files.temporary() as archive:
            client.upload(project, archive)
        execid = client.execute(project, flow, properties=properties)
        execution = client.wait(execid)
        outputs = client.outputs(execid)
        assert outputs is not None
        return {
            job.id: (job.status.name, outputs.get(job.id, {}))
            for job in execution.walk()
            if job.type != "flow" and not job.jobs
        }


def on_luigi(
    luigi: Scheduler, folder: Path, files: Bundle, flow: str, **properties: str
) -> tuple[int, str, Ends]:
    """Run a flow in Luigi, as the first lines of its module say."""
    made = export(files, "luigi", project="p", flow=flow, options=Options(python=sys.executable))
    unpack(made.bundle, folder)
    module = made.start.removesuffix(".py")
    task = next(
        line.split()[1].partition("(")[0]
        for line in (folder / made.start).read_text().splitlines()
        if line.endswith("(Run, luigi.WrapperTask):")
    )
    words = [f"--{name.replace('_', '-').replace('.', '-')}={value}" for name, value in
             properties.items()]  # fmt: skip
    done = subprocess.run(
        [
            *(luigi.python.with_name("luigi"), "--module", module, task, "--local-scheduler"),
            *("--workers", "10", "--run-name", "r/1", *words),
        ],
        cwd=folder, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, records(folder / "runs" / flow / "r%2F1")


@pytest.mark.parametrize(
    ("files", "flow", "properties"),
    [(FLOW_1, "end", {"day": "tue"}), (FAN, "end", {})],
    ids=["attempts", "fan"],
)
def test_a_flow_ends_on_luigi_as_on_azkaban(
    azkaban, luigi, tmp_path: Path, request, files, flow, properties: Mapping[str, str]
) -> None:
    project = f"luigi-{request.node.callspec.id}"
    expected = on_azkaban(azkaban, project, bundle(files), flow, **properties)
    code, said, ends = on_luigi(luigi, tmp_path, bundle(files), flow, **properties)
    assert (code, ends) == (0, expected), said
    assert len(ends) >= 5


def test_a_failure_on_luigi(azkaban, luigi, tmp_path: Path) -> None:
    expected = on_azkaban(azkaban, "luigi-broken", bundle(BROKEN), "c")
    assert expected == {"a": ("SUCCEEDED", {}), "b": ("FAILED", {}), "c": ("CANCELLED", {})}
    code, said, ends = on_luigi(luigi, tmp_path, bundle(BROKEN), "c")
    del expected["c"]  # which Luigi does not start
    assert (code, ends) == (1, expected), said
    assert "b: attempt 0 failed; once more" in said


def test_conditions_on_luigi(luigi, tmp_path: Path) -> None:
    code, said, ends = on_luigi(luigi, tmp_path, bundle(FLOW_2), "f")
    assert code == 0, said
    assert {job: status for job, (status, _) in ends.items()} == {
        "count": "SUCCEEDED", "breaks": "FAILED", "many": "SUCCEEDED", "few": "CANCELLED",
        "repair": "SUCCEEDED", "after": "CANCELLED", "end": "SUCCEEDED",
    }  # fmt: skip


def test_the_daemon_of_luigi(azkaban, luigi) -> None:
    first = luigi.start()
    assert luigi.start() == first  # twice is one
    (status,) = luigi.statuses()
    assert (status.server, status.state, status.url) == ("luigi luigid", "running", first.url)
    assert [one.name for one in running(azkaban.layout)] == ["luigi"]
    assert first.url in luigi.about()
    assert luigi.stop()
    assert not luigi.stop()
    assert luigi.statuses()[0].state == "down"
