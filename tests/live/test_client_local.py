"""The same project on a server and without one: each job's properties and outputs agree."""

# ruff: noqa: ANN001 (fixtures and parameters of tests)
from __future__ import annotations

import javaproperties
import pytest

from azkaban_client import Bundle, Client, LogLine
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
    "azkaban.flow.nested.path",
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
