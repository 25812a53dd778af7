"""Flows of any shape on our own server: loaded in linear time, and to the same flows as before."""

from __future__ import annotations

import json
import random
import subprocess
import zipfile
from pathlib import Path

import pytest

from azkaban_client import Bundle, Client, errors
from azkaban_client.flow.lint import lint
from azkaban_client.flow.lint.paths import count_paths
from azkaban_client.flow.loader import load
from setup import java, maven

HERE = Path(__file__).parent / "loader"
Graph = dict[str, list[str]]


def project(jobs: Graph) -> Bundle:
    return Bundle(
        {
            f"{name}.job": f"type=noop\ndependencies={','.join(needs)}\n".encode()
            for name, needs in jobs.items()
        }
    )


def layers(count: int, width: int) -> Graph:
    jobs: Graph = {}
    above: list[str] = []
    for number in range(count):
        names = [f"l{number}-{place}" for place in range(width)]
        jobs |= dict.fromkeys(names, above)
        above = names
    return {**jobs, "end": above}


def wide(jobs: int, edges: int, rng: random.Random) -> Graph:
    found: Graph = {}
    each = edges // jobs
    for number in range(jobs):
        near = range(max(0, number - 400), number)
        found[f"j{number}"] = [f"j{one}" for one in rng.sample(near, min(each, len(near)))]
    needed = {one for needs in found.values() for one in needs}
    return {**found, "end": [name for name in found if name not in needed]}


GRAPHS = {
    "layers": layers(30, 20),
    "ladder": layers(60, 2),
    "chain": {f"c{n}": [f"c{n - 1}"] if n else [] for n in range(3_000)},
    "wide": wide(3_000, 30_000, random.Random(1)),
}


@pytest.fixture
def client(azkaban):
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as client:
        yield client


@pytest.mark.parametrize("name", GRAPHS)
def test_our_server_loads_any_graph(client, name) -> None:
    jobs = GRAPHS[name]
    bundle = project(jobs)
    last = list(jobs)[-1]
    dense = count_paths(load(bundle).flows[last].jobs) > 1_000_000
    assert {one.rule for one in lint(bundle)} == ({"dense-flow"} if dense else set())
    assert lint(bundle, dense_flows=True) == []
    client.create_project(f"dense-{name}")
    with bundle.temporary() as path:
        client.upload(f"dense-{name}", path)
    flow = client.flow(f"dense-{name}", last)
    assert {node.id: set(node.dependencies) for node in flow.nodes} == {
        name: set(needs) for name, needs in jobs.items()
    }
    client.delete_project(f"dense-{name}")


def test_it_runs_such_a_flow_to_its_end(client) -> None:
    jobs = layers(20, 10)
    client.create_project("dense-run")
    with project(jobs).temporary() as path:
        client.upload("dense-run", path)
    execution = client.wait(client.execute("dense-run", "end"), timeout=300)
    assert execution.succeeded
    assert len(execution.jobs) == len(jobs)


def test_an_entry_that_leads_out_is_not_unpacked(client, azkaban, tmp_path, monkeypatch) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.job", "type=noop\n")
        archive.writestr("../../escaped.job", "type=noop\n")
    client.create_project("escape")
    with pytest.raises(errors.InvalidProject, match="leads out of the folder"):
        client.upload("escape", path)
    monkeypatch.setattr("azkaban_client._projects.members", lambda _: {})
    with pytest.raises(errors.AzkabanError, match="unzipping"):
        client.upload("escape", path)
    assert not list(azkaban.layout.prefix.rglob("escaped.job"))


def small(rng: random.Random) -> Graph:
    names = [f"n{number}" for number in range(rng.randint(1, 9))]
    jobs: Graph = {}
    for number, name in enumerate(names):
        earlier = rng.sample(names[:number], rng.randint(0, min(3, number)))
        back = rng.sample(names, 1) if rng.random() < 0.08 else []
        jobs[name] = [*earlier, *back, *(["nosuch"] if rng.random() < 0.03 else [])]
    return jobs


def test_the_flows_are_those_of_the_loader_that_is_replaced(azkaban, tmp_path) -> None:
    rng = random.Random(25)
    for number in range(400):
        folder = tmp_path / "projects" / f"{number:03}"
        folder.mkdir(parents=True)
        bundle = project(small(rng))
        for name in bundle.names:
            (folder / name).write_bytes(bundle.read(name))
    program = azkaban.layout.azkaban / "program"
    jars = [*program.glob("agent/*.jar"), *program.glob("lib/*.jar")]
    compiler = maven.fetch(maven.pinned("compiler"), azkaban.layout.cache, print)[0]
    classpath = ":".join(map(str, [tmp_path / "classes", *jars]))
    build = ["-jar", compiler, "-source", "1.8", "-target", "1.8", "-nowarn", "-cp", classpath]
    runtime = java.ensure(azkaban.layout).program
    subprocess.run(
        [runtime, *build, "-d", tmp_path / "classes", HERE / "old" / "LoadOld.java"], check=True
    )
    agent = f"-javaagent:{program / 'agent/port-guard.jar'}=1=127.0.0.1"
    reports = []
    for extra in ([], [agent]):
        out = tmp_path / f"{len(extra)}.jsonl"
        command = [runtime, *extra, "-Dlog4j.defaultInitOverride=true", "-cp", classpath, "LoadOld"]
        subprocess.run([*command, tmp_path / "projects", out], check=True)
        reports.append([json.loads(line) for line in out.read_text("utf-8").splitlines()])
    whole = 0
    for before, after in zip(*reports, strict=True):
        assert "overflow" not in after
        if before.get("overflow"):  # a cycle that a flow leads into, walked for ever
            assert after["errors"]
        elif before["errors"]:  # which edge of a cycle is named depends on the path that met it
            assert after["errors"]
            assert set(after["flows"]) == set(before["flows"])
        else:
            assert after == before
            whole += 1
    assert whole > 150
