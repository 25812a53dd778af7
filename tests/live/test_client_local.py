"""The same project on a server and without one: each job's properties and outputs agree."""

from __future__ import annotations

import javaproperties
import pytest

from azkaban_client import Bundle, Client, LogLine
from azkaban_client.flow.executable import make_executable
from azkaban_client.flow.lint import lint
from azkaban_client.flow.local import run

PROJECT = "local-tests"
SHOW = "cat $JOB_PROP_FILE; echo =end=; cat $JOB_OUTPUT_PROP_FILE\n"
FILES = {
    "p.properties": "a=shared\nb=${a}-b\nc=shared\nseed=0\nfrom=shared\n",
    "d/q.properties": "deep=${b}\na=nearer\n",
    "d/first.job": "type=command\ncommand=bash out.sh\nown=${deep}+${azkaban.flow.flowid}\n",
    "d/out.sh": 'echo \'{"first.x": "ü 😀", "b": 3, "list": [1, 2.5, {"k": true}], "e": 1e-5}\' '
    "> $JOB_OUTPUT_PROP_FILE; bash ../show.sh\n",
    "second.job": "type=command\ncommand=bash show.sh\ndependencies=first\nc=own\n"
    "got=${first.x} ${b} ${list} ${e} ${n-a.x}\nenv.GREET=hi\n",
    "broken.job": "type=command\ncommand=bash broken.sh\n",
    "broken.sh": "echo '{\"lost\": null}' > $JOB_OUTPUT_PROP_FILE; bash show.sh\n",
    "inner.job": "type=command\ncommand=bash inner.sh\ndependencies=inner_a\n",
    "inner_a.job": "type=command\ncommand=bash show.sh\n",
    "inner.sh": 'echo \'{"inner.y": "7"}\' > $JOB_OUTPUT_PROP_FILE; bash show.sh\n',
    "embed.job": "type=flow\nflow.name=inner\ndependencies=second,broken\nfrom=embed\n",
    "last.job": "type=command\ncommand=bash show.sh\ndependencies=embed\n",
    "show.sh": SHOW,
}
# What differs from run to run, or from place to place.
VOLATILE = {
    "azkaban.flow.execid",
    "azkaban.flow.projectid",
    "azkaban.flow.projectname",
    "azkaban.flow.projectversion",
    "azkaban.flow.uuid",
    "azkaban.job.attachment.file",
    "azkaban.job.metadata.file",
    "python",
    "working.dir",
}


def seen(events) -> dict[str, tuple[dict[str, str], str]]:
    """Give the properties and the outputs of each job, from what it printed."""
    logs: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, LogLine):
            logs.setdefault(event.job.id, []).append(event.text.split(" INFO - ", 1)[-1])
    found = {}
    for job, lines in logs.items():
        first = next(i for i, line in enumerate(lines) if line.startswith("#"))
        end = lines.index("=end=")
        properties = javaproperties.loads("\n".join(lines[first:end]))
        kept = {
            key: value
            for key, value in properties.items()
            if key not in VOLATILE and not key.startswith("azkaban.flow.start.")
        }
        outputs = [line for line in lines[end + 1 :] if line.startswith("{")]
        found[job] = (kept, "".join(outputs))
    return found


@pytest.mark.parametrize(
    ("given", "disabled"),
    [({}, []), ({"a": "over", "seed": "3"}, []), ({}, ["second", "embed:inner_a"])],
    ids=["defaults", "overrides", "disabled"],
)
def test_both_ways(azkaban, given, disabled) -> None:
    bundle = Bundle({name: text.encode() for name, text in FILES.items()})
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as client:
        if PROJECT not in {project.name for project in client.projects()}:
            client.create_project(PROJECT)
        with bundle.temporary() as path:
            client.upload(PROJECT, path)
        execid = client.execute(PROJECT, "last", properties=given, disabled=disabled)
        events = list(client.follow(execid, timeout=120))
    there = seen(events)
    # What the server's own configuration defines for every job, as a user would give it.
    server = {
        key: value
        for key, value in there["last"][0].items()
        if key.startswith("env.") or key in ("output.dir", "spark.submit")
    }
    mine = list(run(bundle, "last", properties=given, disabled=disabled, server=server))
    here = seen(mine)
    jobs = {"first", "second", "broken", "embed:inner_a", "embed:inner", "last"}
    assert set(here) == jobs - set(disabled)
    assert here == there
    assert states(mine) == states(events)


def states(events) -> dict[str, str]:
    return {job.id: job.status for job in events[-1].execution.walk()}


# -- jobs of every kind: what the linter is sure of fails there, and both ways agree ------------

SCRIPTS = {
    "main.py": "print('main')\n",
    "run.sh": "#!/bin/sh\necho run\n",
    "bin/tool": "#!/bin/sh\necho tool\n",
    "pack/__init__.py": "",
    "pack/here.py": "print('here')\n",
    "folder/__main__.py": "print('folder')\n",
    "empty/data.txt": "1\n",
    "lines.properties": "day=mon\nk_day=mon\nk_mon=first\nk_sel=${k_${k_day}}\nscript=main.py\n"
    "opts=-u main.py\ndeep=${k_${k_${x}}}\nx=day\nk_first=end\n",
}
COMMANDS = {
    "there": ["python3 main.py"],
    "gone": ["python3 no.py"],
    "module": ["python3 -m pack.here"],
    "module-gone": ["python3 -um pack.no"],
    "attached": ["python3 -Bmpack.here"],
    "folder": ["python3 folder"],
    "folder-empty": ["python3 empty"],
    "code": ["python3 -Wignore -c 'print(1)'"],
    "env": ["env A=1 python3 main.py"],
    "timeout": ["timeout 20 python3 no.py"],
    "shell": ["sh run.sh"],
    "shell-string": ["bash -c 'exit 3'"],
    "shell-gone": ["bash ./no.sh"],
    "mode": ["./run.sh"],
    "mode-folder": ["bin/tool"],
    "made": ["cp main.py made.py", "python3 made.py"],
    "made-mode": ["chmod +x run.sh", "./run.sh"],
    "program": ["nosuchprogram x"],
    "signs": ["echo a > b | c"],
    "reference": ["python3 ${script}"],
    "options": ["python3 ${opts}"],
    "twice": ["echo ${k_sel}"],
    "thrice": ["echo ${deep}"],
    "undefined": ["echo ${nosuch}"],
    "given": ["echo ${azkaban.job.attempt} ${azkaban.flow.start.year}"],
    "not-given": ["echo ${azkaban.job.id}"],
    "proxy": ["echo ${user.to.proxy}"],
    "jexl": ["echo $(1 + 2)"],
    "second-fails": ["echo 1", "false", "echo 3"],
    "empty-quotes": ["echo '' x"],
    "relative": ["working.dir=empty", "pwd"],
    "no-folder": ["working.dir=/no/such/dir", "pwd"],
    "tmp": ["working.dir=/tmp", "pwd"],
    "no-number": ["retries=x", "true"],
}


def test_jobs_of_every_kind(azkaban) -> None:
    files = {name: text.encode() for name, text in SCRIPTS.items()}
    for name, commands in COMMANDS.items():
        settings = [one for one in commands if one.startswith(("working.dir=", "retries="))]
        rest = [one for one in commands if one not in settings]
        keys = ["command", *(f"command.{n}" for n in range(1, len(rest)))]
        lines = [f"{key}={value}" for key, value in zip(keys, rest, strict=True)]
        files[f"{name}.job"] = "\n".join(["type=command", *settings, *lines, ""]).encode()
    bundle = Bundle(files)
    sure: dict[str, list[str]] = {}
    for problem in lint(bundle, version=(2, 5)):
        if problem.severity == "error":
            sure.setdefault(problem.file.removesuffix(".job"), []).append(problem.message)
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as client:
        client.create_project("every-kind")
        with bundle.temporary() as path:
            client.upload("every-kind", path)
        started = {name: client.execute("every-kind", name) for name in COMMANDS}
        there = {name: client.wait(execid, timeout=300) for name, execid in started.items()}
    status = {name: execution.status.value for name, execution in there.items()}
    assert {name for name in sure if status[name] == "SUCCEEDED"} == set(), sure
    here = {name: list(run(bundle, name))[-1].execution.status.value for name in COMMANDS}
    assert here == status
    assert {"gone", "module-gone", "folder-empty", "shell-gone", "not-given", "proxy"} <= set(sure)


def test_programs_that_are_made_executable(azkaban, tmp_path) -> None:
    files = {"run.sh": b"#!/bin/sh\necho run\n", "a.job": b"type=command\ncommand=./run.sh 1\n"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    bundle = make_executable(Bundle({name: tmp_path / name for name in files}))
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as client:
        client.create_project("executable")
        with bundle.temporary() as path:
            client.upload("executable", path)
        assert client.wait(client.execute("executable", "a"), timeout=120).succeeded
    assert list(run(bundle, "a"))[-1].execution.succeeded
