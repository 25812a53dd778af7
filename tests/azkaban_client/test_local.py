"""Flows without a server."""

from __future__ import annotations

import json
import time

import pytest

from azkaban_client import Bundle, FlowEnded, JobEnded, JobStarted, LogLine
from azkaban_client.errors import InvalidProject, NotFound
from azkaban_client.flow.collect import collect
from azkaban_client.flow.executable import make_executable
from azkaban_client.flow.local import run
from azkaban_client.flow.outputs import java_text
from azkaban_client.flow.substitution import resolve


def play(files: dict[str, str], flow: str, **options):
    bundle = Bundle({name: text.encode() for name, text in files.items()})
    return list(run(bundle, flow, **options))


def lines(events, job: str) -> list[str]:
    return [e.text for e in events if isinstance(e, LogLine) and e.job.id == job]


def statuses(events) -> dict[str, str]:
    return {job.id: job.status.value for job in events[-1].execution.walk()}


def test_outputs_reach_direct_children_and_the_order_of_properties() -> None:
    files = {
        "p.properties": "a=shared\nb=shared\nc=shared\nd=${a}\n",
        "first.job": "type=command\ncommand=bash out.sh\n",
        "second.job": "type=command\ncommand=echo ${a} ${b} ${c} ${d} ${first.x}\n"
        "dependencies=first\nc=own\n",
        "third.job": "type=command\ncommand=echo ${b}\ndependencies=second\n",
        "out.sh": "echo '{\"b\": \"output\", \"c\": 1, \"first.x\": [1, {\"k\": true}]}' "
        "> $JOB_OUTPUT_PROP_FILE\n",
    }  # fmt: skip
    events = play(files, "third", properties={"a": "over", "b": "over"})
    assert lines(events, "second") == ["over output own over [1, {k=true}]"]
    assert lines(events, "third") == ["over"]
    assert statuses(events) == dict.fromkeys(("first", "second", "third"), "SUCCEEDED")
    assert isinstance(events[-1], FlowEnded)
    assert events[-1].execution.succeeded


def test_what_a_job_is_given() -> None:
    files = {
        "d/a.job": "type=command\ncommand=bash show.sh\nenv.GREET=h\\u00e4llo\n",
        "d/show.sh": "echo $JOB_NAME $GREET $(basename $PWD); cat $JOB_PROP_FILE\n",
    }
    seen = lines(play(files, "a", name="nn"), "a")
    assert seen[0] == "a hällo d"
    given = dict(line.split("=", 1) for line in seen[1:] if not line.startswith("#"))
    assert given["azkaban.flow.flowid"] == "a"
    assert given["azkaban.flow.projectname"] == "nn"
    assert given["azkaban.job.attempt"] == "0"
    assert given["working.dir"].endswith("/d")
    assert "python" in given


def test_a_failure_cancels_what_waits_for_it() -> None:
    files = {
        "bad.job": 'type=command\ncommand=bash -c "echo why; exit 3"\n',
        "good.job": "type=noop\n",
        "end.job": "type=noop\ndependencies=bad,good\n",
    }  # fmt: skip
    events = play(files, "end")
    assert statuses(events) == {"bad": "FAILED", "good": "SUCCEEDED", "end": "CANCELLED"}
    assert events[-1].execution.status == "FAILED"
    assert lines(events, "bad") == ["why", "Process exited with code 3"]


def test_jobs_that_are_left_out() -> None:
    files = {
        "a.job": "type=command\ncommand=false\n",
        "b.job": "type=noop\ndependencies=a\n",
        "e.job": "type=flow\nflow.name=b\ndependencies=c\n",
        "c.job": "type=noop\n",
        "end.job": "type=noop\ndependencies=e\n",
    }
    assert statuses(play(files, "end", disabled=["e:a"])) == {
        "c": "SUCCEEDED", "e": "SUCCEEDED", "e:a": "SKIPPED", "e:b": "SUCCEEDED",
        "end": "SUCCEEDED",
    }  # fmt: skip
    assert statuses(play(files, "end", disabled=["e", "c"])) == {
        "c": "SKIPPED", "e": "SKIPPED", "e:a": "SKIPPED", "e:b": "SKIPPED", "end": "SUCCEEDED",
    }  # fmt: skip
    assert statuses(play(files, "end", only=["e:b"]))["e:b"] == "SUCCEEDED"
    with pytest.raises(NotFound, match="'end' has no job 'x'"):
        play(files, "end", disabled=["x"])


def test_callbacks_are_named_and_not_called() -> None:
    files = {"a.job": "type=noop\njob.notification.started.1.url=http://127.0.0.1:1/x\n"}
    events = play(files, "a")
    assert statuses(events) == {"a": "SUCCEEDED"}
    (line,) = lines(events, "a")
    assert line == (
        "job.notification.started.1.url: job callbacks are for the server: not called here"
    )


def test_an_expression_is_text_on_2_5_alone() -> None:
    files = {"a.job": "type=command\ncommand=echo ${n}\n", "p.properties": "n=$(1 + 2)\n"}
    events = play(files, "a")
    assert statuses(events) == {"a": "SUCCEEDED"}
    said = lines(events, "a")
    assert (
        "n=$(1 + 2): Azkaban evaluates $(...) from 2.6 on; passed on as text, as 2.5 does" in said
    )
    assert said[-1] == "$(1 + 2)"
    flow = "nodes: [{name: a, type: command, config: {command: 'echo $(1 + 2)'}}]"
    events = play({"p.project": "azkaban-flow-version: 2.0", "f.flow": flow}, "f")
    assert statuses(events) == {"a": "FAILED"}
    assert "Azkaban would evaluate $(...), azk run --local cannot" in lines(events, "a")[0]


def test_retries() -> None:
    files = {
        "a.job": "type=command\ncommand=bash once.sh\nretries=2\n",
        "once.sh": "[ -e done ] && echo second || { touch done; echo first; exit 1; }\n",
    }
    events = play(files, "a")
    ends = [(e.attempt, e.status) for e in events if isinstance(e, JobEnded)]
    assert ends == [(0, "FAILED"), (1, "SUCCEEDED")]
    assert [e.attempt for e in events if isinstance(e, JobStarted)] == [0, 1]
    assert events[-1].execution.job("a").past[0].status == "FAILED"


def test_several_commands_and_a_property_that_is_missing() -> None:
    files = {
        "a.job": "type=command\ncommand=echo one\ncommand.1=echo two\ncommand.3=echo no\n",
        "b.job": "type=command\ncommand=echo ${nosuch}\n",
    }
    assert lines(play(files, "a"), "a") == ["one", "two"]
    events = play(files, "b")
    assert statuses(events) == {"b": "FAILED"}
    assert "variable(s) [command->nosuch]" in lines(events, "b")[0]


@pytest.mark.parametrize("outputs", ["{broken", '{"x": null}', "[1]"])
def test_bad_outputs_are_lost_and_the_job_succeeds(outputs) -> None:
    files = {
        "a.job": "type=command\ncommand=bash out.sh\n",
        "out.sh": f"echo '{outputs}' > $JOB_OUTPUT_PROP_FILE\n",
    }
    events = play(files, "a")
    assert statuses(events) == {"a": "SUCCEEDED"}
    assert "the outputs are lost" in lines(events, "a")[-1]


def test_embedded_flows() -> None:
    files = {
        "in-a.job": "type=command\ncommand=echo a ${greet}\n",
        "in.job": "type=command\ncommand=bash out.sh\ndependencies=in-a\n",
        "out.sh": "echo '{\"in_x\": \"5\"}' > $JOB_OUTPUT_PROP_FILE\n",
        "e.job": "type=flow\nflow.name=in\ngreet=from the flow job\n",
        "end.job": "type=command\ncommand=echo end ${in_x}\ndependencies=e\n",
    }  # fmt: skip
    events = play(files, "end")
    assert statuses(events) == dict.fromkeys(("e", "e:in-a", "e:in", "end"), "SUCCEEDED")
    assert lines(events, "e:in-a") == ["a from the flow job"]
    assert lines(events, "end") == ["end 5"]


def test_jobs_run_side_by_side() -> None:
    files = {
        "a.job": "type=command\ncommand=bash meet.sh a b\n",
        "b.job": "type=command\ncommand=bash meet.sh b a\n",
        "end.job": "type=noop\ndependencies=a,b\n",
        "meet.sh": "touch here-$1; for i in $(seq 200); do [ -e here-$2 ] && exit 0; sleep 0.05; "
        "done; exit 1\n",
    }
    assert play(files, "end")[-1].execution.succeeded


def test_stopping_ends_the_processes() -> None:
    bundle = Bundle({"a.job": b"type=command\ncommand=sleep 60\n"})
    events = run(bundle, "a")
    assert isinstance(next(events), JobStarted)
    start = time.monotonic()
    events.close()
    assert time.monotonic() - start < 30


def test_bad_projects() -> None:
    with pytest.raises(NotFound, match=r"no flow 'x' \(its flows: a\)"):
        play({"a.job": "type=noop"}, "x")
    with pytest.raises(InvalidProject, match="depends on 'b', which does not exist or leads"):
        play({"a.job": "type=noop\ndependencies=b"}, "a")
    with pytest.raises(InvalidProject, match="no flow 'g' to embed"):
        play({"a.job": "type=flow\nflow.name=g"}, "a")
    with pytest.raises(InvalidProject, match="cannot be read"):
        play({"a.job": "x=\\u12"}, "a")
    events = play({"a.job": "type=spark"}, "a")
    assert "need a server" in lines(events, "a")[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.1, "0.1"),
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.00012, "1.2E-4"),
        (1e7, "1.0E7"),
        (12345678.5, "1.23456785E7"),
        (-2.5e-10, "-2.5E-10"),
        (1e300, "1.0E300"),
        ("x", "x"),
        ([], "[]"),
        ({"a": None}, "{a=null}"),
    ],
)
def test_java_text(value, text) -> None:
    assert java_text(value) == text
    assert java_text(json.loads(json.dumps(value))) == text


def test_substitution_in_the_server_s_words() -> None:
    with pytest.raises(ValueError, match=r"Circular variable substitution found: \[a->b->a\]"):
        resolve({"a": "${b}", "b": "${a}"})
    with pytest.raises(ValueError, match=r"variable\(s\) \[a->b->c\]"):
        resolve({"a": "${b}", "b": "x${c}"})


def test_a_folder_that_is_not_there_fails_the_job() -> None:
    for folder in ("/no/such/dir", "relative", ""):
        files = {"a.job": f"type=command\nworking.dir={folder}\ncommand=pwd\n"}
        events = play(files, "a")
        assert (statuses(events), len(lines(events, "a"))) == ({"a": "FAILED"}, 1)
    assert "working.dir=" in lines(events, "a")[0]


def test_nothing_in_a_thread_hangs_or_hides(monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr("azkaban_client.flow.local.scheduler.run_job", fail)
    events = play({"a.job": "type=noop", "b.job": "type=noop\ndependencies=a"}, "b")
    assert statuses(events) == {"a": "FAILED", "b": "CANCELLED"}
    assert lines(events, "a") == ["azk run --local: RuntimeError: out of order"]


def test_files_of_the_project_are_not_executable(tmp_path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "a.job").write_text("type=command\ncommand=./run.sh\n")
    bundle = collect(tmp_path)
    events = list(run(bundle, "a"))
    assert (statuses(events), "Permission denied" in lines(events, "a")[0]) == (
        {"a": "FAILED"}, True
    )  # fmt: skip
    assert lines(list(run(make_executable(bundle), "a")), "a") == ["ran"]


def test_references_are_resolved_twice_and_no_more() -> None:
    files = {
        "p.properties": "k_day=mon\nk_mon=first\nk_first=end\nk_sel=${k_${k_day}}\n"
        "k_deep=${k_${k_${k_day}}}\n",
        "a.job": "type=command\ncommand=echo ${k_sel}\n",
        "b.job": "type=command\ncommand=echo ${k_deep}\n",
    }
    assert lines(play(files, "a"), "a") == ["first"]
    assert lines(play(files, "b"), "b") == ["${k_first}"]


def test_what_the_server_gives_depends_on_its_version() -> None:
    command = "type=command\ncommand=echo ${azkaban.job.id} ${azkaban.flow.submituser}\n"
    assert statuses(play({"a.job": command}, "a")) == {"a": "FAILED"}
    flow = "nodes: [{name: a, type: command, config: {command: 'echo ${azkaban.job.id}'}}]"
    events = play({"p.project": "azkaban-flow-version: 2.0", "f.flow": flow}, "f")
    assert lines(events, "a") == ["a"]


def test_standard_input_is_neither_filled_nor_closed() -> None:
    files = {
        "a.job": 'type=command\ncommand=bash -c "read -t 0.5 x; echo $?"\n',
        "b.job": 'type=command\ncommand=bash -c "timeout 0.5 cat; echo $?"\n',
    }
    # 142 and 124 are those of a time that is over; the end of a file would be 1 and 0.
    assert lines(play(files, "a"), "a") == ["142"]
    assert lines(play(files, "b"), "b") == ["124"]


def test_all_commands_of_a_job_share_its_files() -> None:
    files = {
        "a.job": "type=command\ncommand=bash out.sh 1\ncommand.1=bash out.sh 2\n",
        "out.sh": 'echo "{\\"x\\": \\"$1\\"}" > $JOB_OUTPUT_PROP_FILE; basename $JOB_PROP_FILE\n',
        "b.job": "type=command\ncommand=echo ${x}\ndependencies=a\n",
    }
    events = play(files, "b")
    first, second = lines(events, "a")
    assert first == second
    assert lines(events, "b") == ["2"]


@pytest.mark.parametrize("shape", ["chain", "wide", "failing"])
def test_a_flow_of_two_thousand_jobs(shape) -> None:
    """None of the steps may cost a look at all jobs, or this takes minutes."""
    files = {}
    for number in range(2_000):
        needs = [number - 1] if shape == "chain" else range(max(0, number - 3), number)
        before = ",".join(f"j{one}" for one in needs if one >= 0)
        kind = "nosuch" if (shape, number) == ("failing", 1_000) else "noop"
        files[f"j{number}.job"] = f"type={kind}\ndependencies={before}\n"
    events = play(files, "j1999")
    found = statuses(events)
    if shape == "failing":
        assert (found["j1000"], found["j1001"], found["j1999"]) == (
            "FAILED", "CANCELLED", "CANCELLED"
        )  # fmt: skip
    else:
        assert set(found.values()) == {"SUCCEEDED"}
    assert len(found) == 2_000
