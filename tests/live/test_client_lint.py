"""The linter against the loader of a real server, on generated and mutated projects."""

# ruff: noqa: ANN001, ANN201, S311 (fixtures; random projects)
from __future__ import annotations

import random

import pytest

from azkaban_client import Bundle, Client, errors
from azkaban_client.lint import lint

PROJECT = "lint-tests"
PROJECTS = 120

# What the server checks at an upload. A cycle it finds only where a flow leads into it, and a
# file that Java cannot parse it reports in its own way; both are tested on their own.
STRUCTURAL = {
    "ambiguous-dependency",
    "duplicate-job",
    "missing-dependency",
    "missing-flow",
    "no-flow-name",
    "no-type",
}


def project(rng: random.Random) -> dict[str, str]:
    """Make a valid project: jobs in some folders, embedded flows, shared properties."""
    files = {"shared.properties": "greet=hello\n"}
    folders = ["", "d/", "d/e/", "f/"]
    names: list[str] = []
    for number in range(rng.randint(1, 7)):
        name = f"{rng.choice('abc')}{rng.choice(['-', '_', '.', ''])}{number}"
        lines = [f"type={rng.choice(['noop', 'command', 'unheard-of'])}", "command=echo ${greet}"]
        if names and rng.random() < 0.7:
            wanted = rng.sample(names, rng.randint(1, min(3, len(names))))
            lines.append(f"dependencies={rng.choice([',', ' , ', ',,']).join(wanted)}")
        files[f"{rng.choice(folders)}{name}.job"] = "\n".join(lines) + "\n"
        names.append(name)
    if rng.random() < 0.4:
        files["end.job"] = "type=noop\n"
        files[f"{rng.choice(folders)}embed.job"] = "type=flow\nflow.name=end\n"
    if rng.random() < 0.3:
        files["d/deep.properties"] = "type=noop\n"
    return files


def mutate(rng: random.Random, files: dict[str, str]) -> dict[str, str]:
    """Break it in one way, or not at all."""
    files = dict(files)
    jobs = [name for name in files if name.endswith(".job")]
    name = rng.choice(jobs)
    kind = rng.choice(["drop", "type", "duplicate", "missing", "self", "flow", "rename", "none"])
    if kind == "drop":
        del files[name]
    elif kind == "type":
        files[name] = files[name].replace("type=", "tipe=")
    elif kind == "duplicate":
        files[f"g/{name.rsplit('/', 1)[-1]}"] = "type=noop\n"
    elif kind == "missing":
        files[name] += "dependencies=nosuch\n"
    elif kind == "self":
        files[name] += f"dependencies={name.rsplit('/', 1)[-1][:-4]}\n"
    elif kind == "flow":
        files["x.job"] = f"type=flow\nflow.name={rng.choice(['nosuch', 'end', '', 'x'])}\n"
    elif kind == "rename":
        files[f"{name[:-4]}x.job"] = files.pop(name)
    return files if any(n.endswith(".job") for n in files) else project(rng)


@pytest.fixture(scope="module")
def client(azkaban):
    with Client(
        azkaban.url, username=azkaban.username, password=azkaban.password, address=azkaban.address
    ) as client:
        client.create_project(PROJECT)
        yield client


def refusal(client, files: dict[str, str]) -> str | None:
    bundle = Bundle({name: text.encode() for name, text in files.items()})
    with bundle.temporary() as path:
        try:
            client.upload(PROJECT, path)
        except (errors.InvalidProject, errors.Refused) as error:
            return error.message
    return None


def test_the_linter_and_the_server_agree(client) -> None:
    rng = random.Random(5)
    refused = 0
    for number in range(PROJECTS):
        files = project(rng)
        if number % 3:
            files = mutate(rng, files)
        bundle = Bundle({name: text.encode() for name, text in files.items()})
        found = [problem for problem in lint(bundle) if problem.severity == "error"]
        structural = [problem for problem in found if problem.rule in STRUCTURAL]
        said = refusal(client, files)
        refused += said is not None
        if said is not None:
            assert found, f"{files}: the server refuses what the linter takes: {said}"
        if structural:
            assert said is not None, f"{files}: the server takes it: {list(map(str, structural))}"
    assert PROJECTS / 8 < refused < PROJECTS * 7 / 8


def test_a_cycle_is_found_whatever_the_server_says(client) -> None:
    closed = {"a.job": "type=noop\ndependencies=b\n", "b.job": "type=noop\ndependencies=a\n"}
    assert refusal(client, closed) is None  # and there is no flow
    assert client.flows(PROJECT) == ()
    entered = {**closed, "c.job": "type=noop\ndependencies=a\n"}
    for files in (closed, entered):
        bundle = Bundle({name: text.encode() for name, text in files.items()})
        assert {problem.rule for problem in lint(bundle)} == {"cycle"}
