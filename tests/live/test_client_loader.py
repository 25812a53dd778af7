"""The linter and the local runner against the project loaders of Azkaban 3.58.

A small program of ours runs the loaders on many folders in one Java process, as a server does at
an upload, and prints what they say.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from azkaban_client import Bundle, cron
from azkaban_client.flow.lint import lint
from azkaban_client.flow.loader import conditions, load
from azkaban_client.flow.local.nodes import walk
from azkaban_client.flow.local.scheduler import Scheduler
from azkaban_client.flow.substitution import resolve
from setup import java, maven
from setup.layout import Layout
from tests import crons
from tests.live.loader import projects

HERE = Path(__file__).parent / "loader"
SEED = 358
PROJECTS = 300  # of each format; two of three are broken

# What the loaders take and the linter does not, because it fails, or is lost, when the flow runs.
STRICTER = {
    "bad-name",
    "condition",
    "cycle",  # of Flow 1.0, where no flow leads into it
    "duplicate-job",  # within an embedded flow, where one of both is lost
    "no-command",
    "no-flows",
    "undefined-property",
    "unknown-type",
}


def generate() -> tuple[dict[str, projects.Files], set[str]]:
    """Make the projects, by name; also the names of those that are as they were made."""
    rng = random.Random(SEED)
    made: dict[str, projects.Files] = {}
    whole: set[str] = set()
    for number in range(PROJECTS):
        files = projects.flow_1(rng)
        files_2, flow = projects.flow_2(rng)
        if number % 3:
            files = projects.break_flow_1(rng, files)
            files_2 = projects.break_flow_2(rng, files_2, flow)
        else:
            whole |= {f"1-{number}", f"2-{number}"}
        made[f"1-{number}"], made[f"2-{number}"] = files, files_2
    return made, whole


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Compile the programs; give their folder, and the command that runs them."""
    home = tmp_path_factory.mktemp("loader")
    cache = os.environ.get("AZK_CACHE") or Path("~/.azkaban-jobflow/cache").expanduser()
    layout = Layout(home / "prefix", Path(cache))
    layout.create(need=0)
    program = java.ensure(layout).program
    sections = ("compiler", "loader", "azkaban")
    compiler, *jars = maven.fetch(
        [jar for section in sections for jar in maven.pinned(section)], layout.cache, print
    )
    # The 3.58 classes come first; what they use, the old server's jars have as well.
    classpath = ":".join(map(str, [home / "classes", *jars]))
    command = [program, "-jar", compiler, "-source", "1.8", "-target", "1.8", "-nowarn"]
    sources = sorted(HERE.glob("*.java"))
    (home / "classes").mkdir()
    subprocess.run([*command, "-cp", classpath, "-d", home / "classes", *sources], check=True)
    options = ["-Xss4m", "-Dlog4j.defaultInitOverride=true", "-cp", classpath]
    return home, [program, *options]


@pytest.fixture(scope="module")
def cases(programs):
    """Give all projects, and what the loaders say of each."""
    home, command = programs
    made, whole = generate()
    for name, files in made.items():
        for file, text in files.items():
            path = home / "projects" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    report = home / "report.jsonl"
    subprocess.run([*command, "LoadProjects", home / "projects", report], cwd=home, check=True)
    said = map(json.loads, report.read_text(encoding="utf-8").rstrip("\n").split("\n"))
    reports = {one["project"]: one for one in said}
    assert set(reports) == set(made)
    return {name: (bundle_of(files), reports[name], name in whole) for name, files in made.items()}


def test_times_of_expressions_are_those_of_quartz(programs) -> None:
    home, command = programs
    rng = random.Random(SEED)
    expressions = [crons.expression(rng) for _ in range(600)]
    since = datetime(2026, 11, 30, 12, tzinfo=UTC)
    (home / "cron.txt").write_text("\n".join(expressions))
    files = (home / "cron.txt", home / "times.txt")
    begin = str(int(since.timestamp()))
    subprocess.run([*command, "CronTimes", begin, *files], cwd=home, check=True)
    quartz = (home / "times.txt").read_text().splitlines()
    assert len(quartz) == len(expressions)
    for text, times in zip(expressions, quartz, strict=True):
        if times.startswith("refused: "):
            with pytest.raises(ValueError, match="expected two names or two numbers"):
                cron.check(text)
            continue
        found = islice(cron.Cron(text).after(since, UTC), 6)
        assert " ".join(str(int(one.timestamp())) for one in found) == times, text


def bundle_of(files: projects.Files) -> Bundle:
    return Bundle({name: text.encode() for name, text in files.items()})


def shown(bundle: Bundle) -> str:
    return "\n".join(f"--- {name}\n{bundle.read(name).decode()}" for name in bundle.names)


def test_the_linter_and_the_loaders_agree(cases) -> None:
    refused = {"1": 0, "2": 0}
    for name, (bundle, report, whole) in cases.items():
        errors = [problem for problem in lint(bundle) if problem.severity == "error"]
        words = "\n".join(map(str, errors))
        if whole:
            assert (report["errors"], words) == ([], ""), shown(bundle)
        elif report["errors"]:
            refused[name[0]] += 1
            assert errors, f"the loader refuses {name}: {report['errors']}\n{shown(bundle)}"
        else:
            strict = {problem.rule for problem in errors} - STRICTER
            assert not strict, f"the loader takes {name}: {words}\n{shown(bundle)}"
    for count in refused.values():
        assert PROJECTS / 5 < count < PROJECTS * 2 / 3


def test_both_read_the_same_flows(cases) -> None:
    compared = {1: 0, 2: 0}
    for bundle, report, _ in cases.values():
        if report["errors"] or any(problem.severity == "error" for problem in lint(bundle)):
            continue
        project = load(bundle)
        compared[project.version] += 1
        assert set(project.flows) == set(report["flows"])
        for flow in project.flows.values():
            theirs = report["flows"][flow.id]
            assert {
                job.name: (job.type, sorted(set(job.dependencies)), job.condition, job.embeds)
                for job in flow.jobs.values()
            } == {
                name: (
                    node["type"],
                    sorted(set(node["needs"])),
                    node["condition"],
                    node["embedded"],
                )
                for name, node in theirs.items()
            }
            for job in flow.jobs.values():
                if job.condition is not None:
                    assert conditions.parse(job.condition).status == theirs[job.name]["status"]
    assert min(compared.values()) > PROJECTS / 4


def test_both_merge_the_same_properties(cases, tmp_path) -> None:
    """Of Flow 2.0, outputs aside: the local runner against the server's own `Props`."""
    compared = 0
    for bundle, report, _ in cases.values():
        project = load(bundle)
        if project.version == 1 or report["errors"]:
            continue
        if any(problem.severity == "error" for problem in lint(bundle)):
            continue
        for flow in project.names:
            if "/" in project.flows[flow].config.name:
                continue  # theirs is looked up at the root
            runner = Scheduler(project, flow, "p", server={}, overrides={}, folder=tmp_path)
            for node in walk(runner.nodes):
                outer, _, name = f"{flow}:{node.id}".rpartition(":")
                theirs: Any = report["flows"][outer][name]["properties"]
                theirs.pop("working.dir", None)  # ours has one always
                assert properties_of(runner, node) == theirs
                compared += 1
    assert compared > PROJECTS


def properties_of(runner: Scheduler, node: Any) -> dict[str, str]:
    given = {"user.to.proxy", "working.dir"}
    merged = resolve(runner.merger.merge(node, 0))
    return {k: v for k, v in merged.items() if not k.startswith("azkaban.") and k not in given}
