"""The linter against the loader of a real 2.5.0, on generated and mutated projects."""

from __future__ import annotations

import random

import pytest

from azkaban_client import Bundle, Client, errors
from azkaban_client.flow.lint import lint
from tests.live.loader import projects

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


@pytest.fixture(scope="module")
def client(azkaban):
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
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
        files = projects.flow_1(rng)
        if number % 3:
            files = projects.break_flow_1(rng, files)
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
