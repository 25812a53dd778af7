"""Which jobs a retry runs, and which outputs it gives; the runs themselves are in tests/live."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from azkaban_client import Execution, JobRun, Status
from azkaban_client.errors import NotFound, Refused
from azkaban_client.options import options_of
from azkaban_client.reports.outputs import recorded_outputs
from azkaban_client.resume import Selection, not_run, resume

S, F, C, K = Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.KILLED


def job(name, status=S, *needs, condition=None, jobs=()):
    return JobRun(id=name, status=status, dependencies=needs, condition=condition, jobs=jobs)


def ended(*jobs, status=F):
    return Execution(execid=7, project="p", flow="f", status=status, jobs=jobs)


CHAIN = ended(job("a"), job("b", S, "a"), job("c", F, "b"), job("d", C, "c"))
INNER = ended(
    job("first"),
    job(
        "sub",
        F,
        "first",
        jobs=(job("sub:in1"), job("sub:in2", F, "sub:in1"), job("sub:in3")),
    ),
    job("last", C, "sub"),
)


def test_what_succeeded_is_kept_with_its_outputs() -> None:
    plan = resume(CHAIN, {"a": {"x": "1"}, "b": {"y": "2"}})
    assert plan.jobs == ("c", "d")
    assert plan.kept == ("a", "b")
    assert plan.properties == {"y": "2"}  # those of a reach b alone


@pytest.mark.parametrize(
    ("selection", "jobs", "properties"),
    [
        (Selection(start=["b"]), ("b", "c", "d"), {"x": "1"}),
        (Selection(only=["b"]), ("b",), {"x": "1"}),
        (Selection(only=["b"], downstream=True), ("b", "c", "d"), {"x": "1"}),
        (Selection(only=["a", "d"]), ("a", "d"), {}),
    ],
)
def test_jobs_can_be_named(selection, jobs, properties) -> None:
    plan = resume(CHAIN, {"a": {"x": "1"}, "b": {"y": "2"}, "c": {"z": "no"}}, selection)
    assert (plan.jobs, plan.properties) == (jobs, properties)


def test_an_embedded_flow_goes_on_inside() -> None:
    outputs = {"first": {"one": "1"}, "sub:in1": {"two": "2"}, "sub:in3": {"three": "3"}}
    plan = resume(INNER, outputs)
    assert plan.jobs == ("sub:in2", "last")
    assert plan.kept == ("first", "sub:in1", "sub:in3")
    assert plan.properties == {"one": "1", "two": "2", "three": "3"}


def test_of_an_embedded_flow_that_is_kept_its_own_outputs_count() -> None:
    whole = ended(job("sub", S, jobs=(job("sub:a"), job("sub:b", S, "sub:a"))), job("c", F, "sub"))
    outputs = {"sub": {"x": "end"}, "sub:a": {"y": "inside"}, "sub:b": {"x": "end"}}
    assert resume(whole, outputs).properties == {"x": "end"}


def test_two_values_of_one_output_run_both_again() -> None:
    flow = ended(job("a"), job("b"), job("c", S, "a"), job("d", F, "b", "c"), job("e", F, "a"))
    outputs = {"a": {"n": "1"}, "b": {"n": "2"}, "c": {}}
    plan = resume(flow, outputs)
    assert plan.jobs == ("a", "b", "d", "e")
    assert plan.properties == {}
    assert set(plan.reasons) == {"a", "b"}
    assert "different values of n" in plan.reasons["a"]


def test_an_output_that_a_file_sets_too_is_not_given_to_the_whole_flow() -> None:
    plan = resume(CHAIN, {"b": {"y": "2"}}, own=["y"])
    assert plan.jobs == ("b", "c", "d")
    assert "sets y, too" in plan.reasons["b"]


def test_a_condition_wants_what_it_names_to_run() -> None:
    flow = ended(
        job("a"), job("b", S, "a"), job("c", F, "b", condition="${b:x} == 1 && all_success")
    )
    plan = resume(flow, {"a": {"z": "1"}, "b": {"x": "1"}})
    assert plan.jobs == ("b", "c")
    assert plan.properties == {"z": "1"}
    assert plan.reasons == {"b": "the condition of c asks for it"}


def test_without_outputs_nobody_guesses() -> None:
    with pytest.raises(Refused, match=r"tells the outputs of b,.*\(--upstream\)"):
        resume(CHAIN, None)
    plan = resume(CHAIN, None, Selection(upstream=True))
    assert plan.jobs == ("a", "b", "c", "d")
    assert resume(ended(job("a", F), job("b", C, "a")), None).jobs == ("a", "b")

    plan = resume(CHAIN, None, Selection(bare=True))
    assert (plan.jobs, plan.properties, plan.unknown) == (("c", "d"), {}, ("b",))
    assert resume(CHAIN, {"b": {}}, Selection(bare=True)).unknown == ()


# -- of a server that tells no outputs, the records of the jobs do --------------------------------

START = datetime(2026, 11, 30, 6, tzinfo=UTC)


def ran(name, status=S, *needs, minute=0, kind="command", jobs=()):
    begin = START + timedelta(minutes=minute)
    end = begin + timedelta(seconds=30)
    return JobRun(
        id=name, status=status, dependencies=needs, type=kind, start=begin, end=end, jobs=jobs
    )


def record(root, job, outputs, *, project="p", minute=0, **more):
    folder = root / project / "7" / job
    folder.mkdir(parents=True)
    begin = START + timedelta(minutes=minute, seconds=1)
    whole = {
        "job": job,
        "execution": "7",
        "status": "succeeded",
        "started": begin.isoformat(),
        "ended": (begin + timedelta(seconds=20)).isoformat(),
        "output_properties": outputs,
        **more,
    }
    (folder / "run.json").write_text(json.dumps(whole))


def test_records_tell_outputs_as_the_server_would(tmp_path) -> None:
    record(tmp_path, "a", {"n": 7, "x": 1e-5, "yes": True, "a": {"k": [1]}})
    execution = ended(ran("a"), ran("b", F, "a"), ran("gate", S, "a", kind="noop"))
    assert recorded_outputs(tmp_path, execution) == {
        "a": {"n": "7", "x": "1.0E-5", "yes": "true", "a": "{k=[1]}"},
        "gate": {},
    }
    assert recorded_outputs(tmp_path / "nosuch", execution) == {"a": None, "gate": {}}


@pytest.mark.parametrize(
    "change",
    [
        {"minute": 10},  # of another server's execution 7
        {"minute": -10},
        {"status": "failed"},
        {"status": "running", "ended": None},
        {"execution": "8"},
        {"job": "b"},
        {"outputs": None},  # by an earlier version, or no JSON
        {"outputs": {"n": None}},
        {"outputs": {"n": float("inf")}},
        {"outputs": [1]},
    ],
)
def test_a_record_that_is_not_certainly_the_jobs_own_tells_nothing(tmp_path, change) -> None:
    change = {"outputs": {"n": 1}, **change}
    record(tmp_path, change.pop("job", "a"), change.pop("outputs"), **change)
    if (tmp_path / "p" / "7" / "b").is_dir():
        (tmp_path / "p" / "7" / "b").rename(tmp_path / "p" / "7" / "a")
    assert recorded_outputs(tmp_path, ended(ran("a"), ran("b", F, "a"))) == {"a": None}


def test_two_records_of_a_job_tell_nothing(tmp_path) -> None:
    for project in ("p", "q"):
        record(tmp_path, "a", {"n": 1}, project=project)
    assert recorded_outputs(tmp_path, ended(ran("a"), ran("b", F, "a"))) == {"a": None}


def test_an_embedded_flow_gives_what_its_last_jobs_give(tmp_path) -> None:
    for name in ("in1", "in2", "twice"):
        record(tmp_path, name, {f"{name}.n": 1})
    inner = (ran("sub:in1"), ran("sub:in2", S, "sub:in1"))
    flow = ended(ran("sub", kind="flow", jobs=inner), ran("end", F, "sub"))
    found = recorded_outputs(tmp_path, flow)
    assert (found["sub"], found["sub:in1"]) == ({"in2.n": "1"}, {"in1.n": "1"})
    again = [ran(f"{name}:twice") for name in ("one", "two")]
    flow = ended(*(ran(job.id[:3], kind="flow", jobs=(job,)) for job in again), ran("end", F))
    assert set(recorded_outputs(tmp_path, flow).values()) == {None}  # they share a folder


def test_jobs_that_were_left_out_stay_so() -> None:
    flow = ended(job("a", Status.SKIPPED), job("b", K, "a"), job("c", Status.DISABLED, "b"))
    assert resume(flow, {}).jobs == ("b",)


def test_an_end_that_does_nothing_runs_in_any_case() -> None:
    """4.0 ends a flow early whose end is left out, while a job waits for its own retries."""
    end = replace(job("end", S, "b"), type="noop")
    flow = ended(job("a"), job("b", S, "a"), replace(job("gate", S, "a"), type="noop"), end)
    plan = resume(flow, {"a": {"x": "1"}}, Selection(only=["a"]))
    assert (plan.jobs, plan.kept) == (("a", "gate", "end"), ("b",))
    later = ended(*flow.jobs, job("last", F, "gate", "end"))
    assert resume(later, {}, Selection(only=["a"])).jobs == ("a",)
    with pytest.raises(Refused, match="all jobs of execution 7 succeeded"):
        resume(flow, {})


def test_nothing_to_do_and_unknown_jobs_are_refused() -> None:
    with pytest.raises(Refused, match="all jobs of execution 7 succeeded"):
        resume(ended(job("a"), status=S), {})
    with pytest.raises(NotFound, match="no job 'nosuch'"):
        resume(CHAIN, {}, Selection(only=["nosuch"]))


def test_a_success_that_left_a_job_out_is_none() -> None:
    plan = resume(CHAIN, {})
    after = ended(job("a", Status.SKIPPED), job("c"), job("d", Status.READY), status=S)
    assert not_run(plan, after) == ["d"]


def test_options_are_those_of_the_first_run() -> None:
    told = {
        "failureAction": "cancelImmediately",
        "concurrentOptions": "pipeline",
        "pipelineLevel": 2,
        "failureEmails": ["a@b.c"],
        "failureEmailsOverride": True,
        "successEmails": ["x@y.z"],
        "notifyFailureFirst": True,
        "notifyFailureLast": True,
    }
    assert options_of(told) == {
        "on_failure": "cancel-all",
        "concurrency": "pipeline",
        "pipeline_level": 2,
        "failure_emails": ("a@b.c",),
        "notify": "both",
    }
