"""The whole client on a server of one's own, 3.x or 4.x: made of archives, or one that runs.

    AZK_URL=http://HOST:PORT AZK_USER=NAME AZK_PASSWORD_FILE=FILE \
        python3 -m setup test -- tests/distribution/test_client.py

names one that runs. The user makes projects of the name ``client-...`` and deletes them again.
What the server's version lacks is expected to be refused by name.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import javaproperties
import pytest

from azkaban_client import Bundle, Client, JobEnded, JobStarted, errors
from azkaban_client.flow.local import run
from azkaban_client.flow.overrides import FlowOnServer
from azkaban_client.models import Sla
from tests.distribution.conftest import Live
from tests.following import logs_of, wait_for

TALK = "häßlich 😀 <b>&amp;</b>"
FLOW_1 = {
    "s.properties": "greet=hello\n",
    "a.job": "type=command\ncommand=echo ${greet} \\u00fc <b>&amp;\n",
    "b.job": "type=command\ncommand=sleep 1\ndependencies=a\n",
    "bad.job": 'type=command\ncommand=bash -c "echo why; exit 3"\nretries=1\nretry.backoff=100\n',
    "slow.job": "type=command\ncommand=sleep 60\n",
    "step-a.job": "type=command\ncommand=sleep 3\n",
    "step.job": "type=command\ncommand=echo end\ndependencies=step-a\n",
    "inner.job": "type=command\ncommand=echo in\n",
    "outer.job": "type=flow\nflow.name=inner\n",
    "talk.job": "type=command\ncommand=bash talk.sh\n",
    "talk.sh": f'for i in $(seq 2000); do echo "$i {TALK}"; done\n',
}
FLOW_2 = {
    "p.project": "azkaban-flow-version: 2.0\n",
    "out.sh": 'echo \'{"n": 10, "s": "x y"}\' > $JOB_OUTPUT_PROP_FILE; bash show.sh\n',
    "show.sh": "cat $JOB_PROP_FILE; echo =end=\n",
    "f.flow": """\
config: {over: flow, base: b, who: yes, n: 010}
nodes:
- name: give
  type: command
  config: {command: bash out.sh, own: '${over}-${base}'}
- name: many
  type: command
  dependsOn: [give]
  condition: ${give:n} > 9
  config: {command: bash show.sh, who: no}
- name: fails
  type: command
  dependsOn: [give]
  config: {command: 'bash -c "bash show.sh; sleep 1; exit 1"'}
- {name: after, type: noop, dependsOn: [fails, many], condition: one_failed}
- {name: never, type: noop, dependsOn: [fails, many], condition: all_failed}
- name: inner
  type: flow
  dependsOn: [many]
  config: {over: inner}
  nodes:
  - {name: x, type: command, config: {command: bash out.sh}}
  - {name: y, type: command, dependsOn: [x], condition: '${x:s} == "x y" && all_done',
     config: {command: bash show.sh}}
- {name: end, type: noop, dependsOn: [after, never, inner], condition: all_done}
""",
}
VOLATILE = {"jvm.args", "python", "working.dir", "user.to.proxy", "output.dir", "spark.submit"}


@pytest.fixture(scope="module")
def client(request, tmp_path_factory):
    if not os.environ.get("AZK_URL"):
        archives = request.getfixturevalue("sources")
        live = Live(tmp_path_factory.mktemp("solo") / "p", archive=archives)
        with live.client() as client:
            yield client
        live.stop()
        return
    file = os.environ.get("AZK_PASSWORD_FILE")
    assert file, "AZK_PASSWORD_FILE must name a file with the password"
    auth = (os.environ["AZK_USER"], Path(file).read_text().split("\n")[0])
    address = os.environ.get("AZK_ADDRESS")
    verify = os.environ.get("AZK_CA_CERT") or True
    with Client(os.environ["AZK_URL"], auth=auth, address=address, verify=verify) as client:
        yield client


@pytest.fixture
def project(client):
    name = f"client-{time.time_ns() % 10**9}"
    client.create_project(name, "for a test")
    upload(client, name, FLOW_1)
    yield name
    client.cancel_all(name)
    deadline = time.monotonic() + 60
    while any(client.running(name, flow) for flow in client.flows(name)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "deleted" in client.delete_project(name)
    with pytest.raises(errors.NotFound):
        client.delete_project(name)


def upload(client, project: str, files: dict[str, str]):
    bundle = Bundle({name: text.encode() for name, text in files.items()})
    with bundle.temporary() as path:
        return client.upload(project, path)


def test_the_version_is_told(client) -> None:
    assert client.version.low >= (3, 1)
    assert client.capabilities.cron is not False


def test_projects(client, project, tmp_path) -> None:
    for mine in (False, True):
        assert project in {one.name for one in client.projects(mine=mine)}
    with pytest.raises(errors.Refused, match="already exists"):
        client.create_project(project)
    client.describe(project, "another & <more>")
    found = client.project(project)
    assert (found.id, found.description) == (client.project_id(project), "another & <more>")
    assert found.created_by == found.modified_by == client.username
    assert [event.type for event in client.project_log(project)][-1] == "CREATED"
    client.set_job_overrides(project, "b", "a", {"type": "noop"})
    assert client.job_overrides(project, "b", "a") == {"type": "noop"}
    assert client.job_properties(project, "b", "b")["command"] == "sleep 1"
    assert client.shared_properties(project, "b", "a") == {"s.properties": {"greet": "hello"}}
    assert client.download(project, tmp_path / "p.zip").read_bytes().startswith(b"PK")
    with pytest.raises(errors.NotFound):
        client.download(project, tmp_path / "q.zip", version=99)


def test_refused_uploads(client, project, tmp_path) -> None:
    assert upload(client, project, FLOW_1).version == 2
    for files, words in [
        ({"a.job": "type=noop\ndependencies=x\n"}, "cannot find dependency x"),
        ({"a.job": "type=noop\ndependencies=b\n", "b.job": "type=noop\ndependencies=a\n",
          "c.job": "type=noop\ndependencies=a\n"}, "Cyclical dependency"),
    ]:  # fmt: skip
        with pytest.raises(errors.InvalidProject, match=words):
            upload(client, project, files)
    (tmp_path / "x.zip").write_text("none")
    with pytest.raises(errors.InvalidProject, match="not a zip"):
        client.upload(project, tmp_path / "x.zip")
    with pytest.raises(errors.NotFound):
        upload(client, "nosuch-project", FLOW_1)


@pytest.mark.parametrize("flow", ["b", "outer", "talk"])
def test_runs_are_followed_byte_by_byte(client, project, flow) -> None:
    execid = client.execute(project, flow, properties={"greet": "ciao 中"})
    events = list(client.follow(execid, timeout=120))
    assert events[-1].execution.succeeded
    for (job, attempt), text in logs_of(events).items():
        assert text == "".join(client.log(execid, job, attempt=attempt))
    if flow == "b":
        assert "INFO - ciao 中 ü <b>&amp;\n" in logs_of(events)["a", 0]
    if flow == "talk":
        assert logs_of(events)["talk", 0].count(f" {TALK}\n") == 2000
    assert client.last_success(project, flow) == execid
    assert {job.status for job in client.changes(execid)} == {"SUCCEEDED"}
    assert client.changes(execid, events[-1].execution.end + timedelta(hours=1)) == ()
    assert flow in client.dependencies(project, flow)
    assert client.history(project, flow).executions[0].execid == execid


def test_a_failure_with_attempts(client, project) -> None:
    events = list(client.follow(client.execute(project, "bad"), timeout=120))
    kinds = [(type(e), e.attempt) for e in events if isinstance(e, (JobStarted, JobEnded))]
    assert kinds == [(JobStarted, 0), (JobEnded, 0), (JobStarted, 1), (JobEnded, 1)]
    assert events[-1].execution.status == "FAILED"
    with pytest.raises(errors.Refused, match="re-execute"):
        client.retry_failed(events[-1].execution.execid)


def test_control(client, project) -> None:
    execid = client.execute(project, "slow")
    assert client.running(project, "slow") == (execid,)
    with pytest.raises(errors.AlreadyRunning):
        client.execute(project, "slow")
    wait_for(client, execid, "slow", "RUNNING")
    client.cancel(execid)
    assert client.wait(execid, timeout=60).status == "KILLED"
    with pytest.raises(errors.Refused, match=r"not running|isn.t running"):
        client.cancel(execid)
    execid = client.execute(project, "step")
    wait_for(client, execid, "step-a", "RUNNING")
    client.pause(execid)
    time.sleep(5)  # 4.0 files no job's state while a flow is paused
    assert client.execution(execid).job("step").status == "READY"
    client.resume(execid)
    assert client.wait(execid, timeout=60).succeeded
    assert client.wait(client.execute(project, "b", disabled=["a"])).job("a").status == "SKIPPED"


def test_schedules_and_time_limits(client, project) -> None:
    made = client.schedule_cron(project, "b", "0 0 5 ? * *", properties={"greet": "x"})
    assert made.cron == "0 0 5 ? * *"
    assert [one.id for one in client.schedules(project)] == [made.id]
    limits = (
        Sla(within=timedelta(minutes=90)),
        Sla(job="a", rule="success", within=timedelta(minutes=5), email=False, kill=True),
    )
    client.set_sla(made.id, limits, ["a@example.org"])
    assert client.sla(made.id) == (limits, ("a@example.org",))
    client.unschedule(project, "b")
    assert client.schedule_of(project, "b") is None
    at = datetime.now(UTC) + timedelta(days=1)
    assert client.schedule(project, "b", at=at, every="1d").period == "1 day(s)"
    client.unschedule(project, "b")
    with pytest.raises(errors.Refused, match="banana"):
        client.schedule_cron(project, "b", "banana")
    options = {"sla": limits[:1], "sla_emails": ["a@example.org"]}
    if client.capabilities.sla_settings:
        assert client.wait(client.execute(project, "b", **options), timeout=60).succeeded
    else:
        with pytest.raises(errors.Unsupported):
            client.execute(project, "b", **options)


def test_permissions(client, project) -> None:
    if client.capabilities.write_check:
        assert client.may_write(project)
    client.grant(project, client.username, ["read"], group=True)
    found = {(one.name, one.group): one.types for one in client.permissions(project)}
    assert found[client.username, True] == ("READ",)
    client.grant(project, client.username, ["read", "write"], group=True)
    client.revoke(project, client.username, group=True)
    assert not any(one.group for one in client.permissions(project))
    with pytest.raises(errors.Refused, match="invalid"):
        client.grant(project, "no-such-user", ["read"])
    assert client.proxy_users(project) == (client.username,)
    client.remove_proxy_user(project, client.username)
    assert client.proxy_users(project) == ()


def test_locks(client, project) -> None:
    if client.capabilities.flow_lock is False:
        with pytest.raises(errors.Unsupported):
            client.lock_flow(project, "b")
        return
    client.lock_flow(project, "b", reason="repair")
    assert client.is_flow_locked(project, "b")
    with pytest.raises(errors.Refused, match="lock"):
        client.execute(project, "b")
    client.unlock_flow(project, "b")
    assert not client.is_flow_locked(project, "b")


def test_what_is_missing(client, project) -> None:
    for call in (
        lambda: client.flows("nosuch-project"),
        lambda: client.flow(project, "nosuch"),
        lambda: client.execute(project, "nosuch"),
        lambda: client.execution(99999999),
        lambda: client.sla(99999999),
        lambda: client.unschedule(project, "b"),
    ):
        with pytest.raises(errors.NotFound):
            call()


def test_flow_2_runs_as_without_a_server(client, project) -> None:
    """The same jobs with the same results and properties, here and there."""
    upload(client, project, FLOW_2)
    assert client.flows(project) == ("f",)
    assert client.flow_trigger(project, "f") is None
    known = FlowOnServer(client, project, "f").properties
    assert {"over", "base"} <= set(known.defaults)
    assert known.literals["own"] == "give"
    given = {"over": "given"}
    events = list(client.follow(client.execute(project, "f", properties=given), timeout=180))
    bundle = Bundle({name: text.encode() for name, text in FLOW_2.items()})
    here = list(run(bundle, "f", properties=given, name=project))
    states = [{job.id: job.status for job in one[-1].execution.walk()} for one in (events, here)]
    assert states[0] == states[1]
    assert events[-1].execution.status == here[-1].execution.status == "SUCCEEDED"
    there, own = properties_of(events), properties_of(here)
    assert set(there) == {"give", "many", "fails", "inner:x", "inner:y"}
    for job, properties in there.items():
        extra = {key for key in properties if key.startswith(("azkaban.", "env."))} | VOLATILE
        assert {key: value for key, value in properties.items() if key not in extra} == {
            key: value
            for key, value in own[job].items()
            if key not in extra and not key.startswith("azkaban.")
        }


def properties_of(events) -> dict[str, dict[str, str]]:
    """Read each job's JOB_PROP_FILE from what it printed."""
    found = {}
    for (job, _), text in logs_of(events).items():
        lines = [line.split(" INFO - ", 1)[-1] for line in text.split("\n")]
        if "=end=" not in lines:
            continue  # of type noop
        first = next(i for i, line in enumerate(lines) if line.startswith("#"))
        found[job] = javaproperties.loads("\n".join(lines[first : lines.index("=end=")]))
    return found


def test_flow_triggers(client, project) -> None:
    """With azkaban.server.schedule.enable_quartz they rest and work; without, it says so."""
    trigger = "trigger: {maxWaitMins: 5, schedule: {type: cron, value: '0 0 1 ? * *'}}\n"
    files = {"f.flow": trigger + FLOW_2["f.flow"], "g.flow": FLOW_2["f.flow"]}
    upload(client, project, {**FLOW_2, **files})
    for call in (client.pause_trigger, client.resume_trigger):
        with pytest.raises(errors.NotFound, match="has no trigger"):
            call(project, "g")
        if client.flow_trigger(project, "f") is None:
            with pytest.raises(errors.NotFound, match="enable_quartz"):
                call(project, "f")
        else:
            assert client.flow_trigger(project, "f")["cronExpression"] == "0 0 1 ? * *"
            call(project, "f")


def test_bad_flow_2(client, project) -> None:
    flow = "nodes:\n- {name: a, type: noop, dependsOn: [x]}\n"
    with pytest.raises(errors.InvalidProject, match="dependency undefined"):
        upload(client, project, {**FLOW_2, "f.flow": flow})
