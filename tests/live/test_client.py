"""The client against a real server."""

from __future__ import annotations

import itertools
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from azkaban_client import Bundle, Client, FlowEnded, JobEnded, JobStarted, errors
from azkaban_client.auth import Login
from azkaban_client.models import Sla
from tests.following import logs_of, wait_for

PROJECT = "client-tests"

FILES = {
    "shared.properties": "greet=hello\n",
    # two jobs, an override and a character beyond Latin-1
    "pair-a.job": "type=command\ncommand=bash talk.sh 3\n",
    "pair.job": "type=command\ncommand=echo ${greet} end\ndependencies=pair-a\n",
    # fails at the first attempt
    "retried.job": "type=command\ncommand=bash once.sh\nretries=1\nretry.backoff=100\n",
    "failing.job": 'type=command\ncommand=bash -c "echo why; sleep 0.5; exit 3"\n',
    "after.job": "type=noop\ndependencies=failing\n",
    "slow.job": "type=command\ncommand=sleep 30\n",
    "short.job": "type=command\ncommand=sleep 1.5\n",
    # two jobs, one after the other, to pause between
    "step-a.job": "type=command\ncommand=sleep 4\n",
    "step.job": "type=command\ncommand=echo end\ndependencies=step-a\n",
    # fails at first, while another job runs
    "again-a.job": "type=command\ncommand=bash once.sh\n",
    "again-b.job": "type=command\ncommand=sleep 2.5\n",
    "again.job": "type=noop\ndependencies=again-a,again-b\n",
    # an embedded flow
    "inner-a.job": "type=command\ncommand=echo inner\n",
    "inner.job": "type=command\ncommand=echo last\ndependencies=inner-a\n",
    "outer-e.job": "type=flow\nflow.name=inner\n",
    "outer.job": "type=command\ncommand=echo out\ndependencies=outer-e\n",
    # more than log4j keeps in one file (5 MB), with characters of two to four bytes
    "long.job": "type=command\ncommand=bash long.sh ${lines}\nlines=100000\n",
    "talk.sh": 'for i in $(seq $1); do echo "zeile $i: häßlich 😀 <b>&amp;</b>"; sleep 0.2; done\n',
    "once.sh": "[ -e done ] && echo second || { touch done; echo first; exit 1; }\n",
    "long.sh": (
        'i=0; while [ $i -lt $1 ]; do i=$((i+1)); echo "$i: grün 中文 😀 <&> $RANDOM"; done\n'
    ),
}  # fmt: skip


def names(files: dict[str, str]) -> Bundle:
    return Bundle({name: text.encode() for name, text in files.items()})


@pytest.fixture(scope="module")
def client(azkaban):
    with Client(
        azkaban.url,
        auth=(azkaban.username, azkaban.password),
        address=azkaban.address,
    ) as client:
        client.create_project(PROJECT, "Tests of the client")
        with names(FILES).temporary() as path:
            client.upload(PROJECT, path)
        yield client


def test_characters_beyond_the_first_plane_arrive_and_come_back(client) -> None:
    text = "a 😀 b 𝄞 €é日"
    client.describe(PROJECT, text)
    assert client.project(PROJECT).description == text
    execid = client.execute(PROJECT, "pair", properties={"greet": text}, concurrency="concurrent")
    assert client.wait(execid).succeeded
    assert f"{text} end" in "".join(client.log(execid, "pair"))


def test_the_server_is_recognised(client) -> None:
    assert client.version.low == (2, 5, 0)
    assert client.capabilities.session_bound is True
    assert client.capabilities.cron is False


def test_projects(client, tmp_path) -> None:
    client.create_project("client-empty", "Nets & <co>")
    found = {p.name: p for p in client.projects(mine=True)}
    assert found["client-empty"].description.startswith("Nets &")
    assert found["client-empty"].modified_by == client.username
    with pytest.raises(errors.Refused, match="already exists"):
        client.create_project("client-empty")
    with pytest.raises(errors.Refused, match="must start with a letter"):
        client.create_project("1 bad")
    with pytest.raises(errors.Refused, match="the name has 65 characters"):
        client.create_project("p" * 65)
    assert client.flows("client-empty") == ()
    assert "successfully deleted" in client.delete_project("client-empty")
    with pytest.raises(errors.NotFound, match="client-empty"):
        client.delete_project("client-empty")
    with pytest.raises(errors.NotFound, match="'client-empty' doesn't exist"):
        client.flows("client-empty")
    with names({"a.job": "type=noop\n"}).temporary() as path, pytest.raises(errors.NotFound):
        client.upload("client-empty", path)


def test_bad_uploads(client, tmp_path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_text("no zip")
    with pytest.raises(errors.InvalidProject):
        client.upload(PROJECT, bad)
    files = {"a.job": "type=noop\ndependencies=nosuch\n"}
    with (
        names(files).temporary() as path,
        pytest.raises(errors.InvalidProject, match="a cannot find dependency nosuch"),
    ):
        client.upload(PROJECT, path)
    assert "pair" in client.flows(PROJECT)


def test_an_upload_may_have_a_name_longer_than_the_server_s_column(client, tmp_path) -> None:
    path = tmp_path / f"{'p' * 140}.zip"
    names({"a.job": "type=noop\n"}).write(path)
    client.create_project("client-long", "x")
    try:
        assert client.upload("client-long", path).version == 1
    finally:
        client.delete_project("client-long")


def test_flows(client) -> None:
    assert set(client.flows(PROJECT)) >= {"pair", "retried", "after", "slow", "inner", "outer"}
    outer = {node.id: node for node in client.flow(PROJECT, "outer").walk()}
    assert set(outer) == {"outer-e", "outer-e:inner-a", "outer-e:inner", "outer"}
    assert outer["outer-e"].embedded == "inner"
    assert outer["outer-e:inner"].dependencies == ("outer-e:inner-a",)
    assert client.job_properties(PROJECT, "outer", "outer-e:inner")["command"] == "echo last"
    assert client.dependencies(PROJECT, "pair") == {"pair-a": (), "pair": ("pair-a",)}
    with pytest.raises(errors.NotFound, match=r"no flow 'nosuch' \(its flows: "):
        client.flow(PROJECT, "nosuch")
    shared = client.shared_properties(PROJECT, "pair", "pair")
    assert shared == {"shared.properties": {"greet": "hello"}}


def test_what_is_told_of_a_project(client) -> None:
    client.describe(PROJECT, "Nets & <co>")
    found = client.project(PROJECT)
    assert (found.id, found.description) == (client.project_id(PROJECT), "Nets & <co>")
    assert found.modified_by == client.username
    assert found.modified[:4].isdecimal()
    assert client.job_types(PROJECT, "pair") == ("command",)
    log = client.project_log(PROJECT)
    assert [event.type for event in log][-2:] == ["UPLOADED", "CREATED"]
    assert {event.user for event in log} == {client.username}
    with pytest.raises(errors.NotFound):
        client.project("nosuch")


def test_overrides_of_a_job(client) -> None:
    written = client.job_properties(PROJECT, "pair", "pair")
    assert client.job_overrides(PROJECT, "pair", "pair") == written
    client.set_job_overrides(PROJECT, "pair", "pair", {"type": "noop", "x": "ü &<"})
    assert client.job_overrides(PROJECT, "pair", "pair") == {"type": "noop", "x": "ü &<"}
    with names(FILES).temporary() as path:
        client.upload(PROJECT, path)
    assert client.job_overrides(PROJECT, "pair", "pair") == written


def test_schedules_and_time_limits(client) -> None:
    at = datetime.now(UTC) + timedelta(days=30)
    made = client.schedule(PROJECT, "pair", at=at, every="1d", properties={"greet": "x"})
    told = datetime.fromisoformat(made.next).replace(tzinfo=UTC)  # in the server's own zone
    assert abs(told - at) < timedelta(days=1)
    assert made.user == client.username
    assert client.schedules(PROJECT) == (made,)
    again = client.schedule(PROJECT, "pair", at=at + timedelta(days=9))
    assert client.schedules(PROJECT) == (again,)
    assert again.next[:10] != made.next[:10]
    limits = (
        Sla(within=timedelta(minutes=90), rule="success", kill=True),
        Sla(within=timedelta(minutes=5), job="pair-a"),
    )
    client.set_sla(again.id, limits, ["me@example.org", "you@example.org"])
    assert client.sla(again.id) == (limits, ("me@example.org", "you@example.org"))
    assert "removed" in client.unschedule(PROJECT, "pair")
    assert client.schedules(PROJECT) == ()
    for call in (lambda: client.unschedule(PROJECT, "pair"), lambda: client.sla(again.id)):
        with pytest.raises(errors.NotFound):
            call()
    with pytest.raises(errors.Unsupported, match=r"needs Azkaban 3\.2"):
        client.schedule_cron(PROJECT, "pair", "0 0 5 ? * *")


def test_permissions_and_proxy_users(client) -> None:
    me = client.username
    client.grant(PROJECT, me, ["read", "execute"])
    assert [(one.name, set(one.types)) for one in client.permissions(PROJECT)] == [
        (me, {"READ", "EXECUTE"})
    ]
    client.revoke(PROJECT, me)
    assert client.permissions(PROJECT) == ()
    client.grant(PROJECT, me, ["admin"])
    assert [one.types for one in client.permissions(PROJECT)] == [("ADMIN",)]
    with pytest.raises(errors.Refused, match="User is invalid"):
        client.grant(PROJECT, "nobody", ["read"])
    assert client.proxy_users(PROJECT) == (me,)  # who made the project
    client.remove_proxy_user(PROJECT, me)
    assert client.proxy_users(PROJECT) == ()
    with pytest.raises(errors.PermissionDenied, match="no permission to add etl as proxy user"):
        client.add_proxy_user(PROJECT, "etl")


def test_failed_jobs_run_again(client) -> None:
    execid = client.execute(PROJECT, "again", on_failure="finish-possible", notify="last")
    wait_for(client, execid, "again-a", "FAILED")
    client.retry_failed(execid)
    assert client.wait(execid, timeout=60).succeeded
    assert client.last_success(PROJECT, "again") == execid
    assert client.last_success(PROJECT, "after") is None
    options = client.execution_options(execid)
    assert (options["failureAction"], options["notifyFailureLast"]) == ("finishPossible", True)
    assert client.job_stats(execid, "again-a") == []


def test_a_run_is_followed_byte_by_byte(client) -> None:
    execid = client.execute(PROJECT, "pair", properties={"greet": "ciao ß 中"})
    events = list(client.follow(execid, timeout=120))
    order = [(type(e).__name__, e.job.id) for e in events if isinstance(e, (JobStarted, JobEnded))]
    assert order == [
        ("JobStarted", "pair-a"),
        ("JobEnded", "pair-a"),
        ("JobStarted", "pair"),
        ("JobEnded", "pair"),
    ]
    assert isinstance(events[-1], FlowEnded)
    execution = events[-1].execution
    assert execution.succeeded
    assert execution.user == client.username
    seen = logs_of(events)
    for job in ("pair-a", "pair"):
        assert "".join(client.log(execid, job)) == seen[job, 0]
    assert "zeile 3: häßlich 😀 <b>&amp;</b>\n" in seen["pair-a", 0]
    assert "INFO - ciao ß 中 end\n" in seen["pair", 0]
    assert "Finished Flow" in "".join(client.log(execid))
    assert {job.status for job in client.changes(execid)} == {"SUCCEEDED"}
    assert client.history(PROJECT, "pair").executions[0].execid == execid


def test_each_attempt_has_its_log(client) -> None:
    """A busy 2.5.0 loses the log of an attempt now and then, and cannot give it later either."""
    for _ in range(6):
        execid = client.execute(PROJECT, "retried")
        events = list(client.follow(execid, timeout=120))
        ends = [(e.attempt, e.status) for e in events if isinstance(e, JobEnded)]
        assert ends == [(0, "FAILED"), (1, "SUCCEEDED")]
        seen = [logs_of(events).get(("retried", attempt), "") for attempt in (0, 1)]
        assert seen == ["".join(client.log(execid, "retried", attempt=i)) for i in (0, 1)]
        if all(
            f"INFO - {word}\n" in log for word, log in zip(("first", "second"), seen, strict=True)
        ):
            return
    pytest.fail(f"six executions without both logs, the last one gave {seen}")


def test_a_failed_flow(client) -> None:
    execid = client.execute(PROJECT, "after")
    execution = client.wait(execid, timeout=60)
    assert (execution.status, execution.job("failing").status) == ("FAILED", "FAILED")
    assert execution.job("after").status == "CANCELLED"
    assert "INFO - why" in "".join(client.log(execid, "failing"))
    assert list(client.log(execid, "after")) == []
    with pytest.raises(errors.Refused):
        client.resume(execid)
    with pytest.raises(errors.Refused):
        client.cancel(execid)
    with pytest.raises(errors.Refused, match="re-execute"):
        client.retry_failed(execid)


def test_embedded_flows_and_disabled_jobs(client) -> None:
    execid = client.execute(PROJECT, "outer", disabled=["outer-e:inner-a"])
    events = list(client.follow(execid, timeout=120))
    execution = events[-1].execution
    assert execution.succeeded
    assert execution.job("outer-e:inner-a").status == "SKIPPED"
    assert "INFO - last\n" in logs_of(events)["outer-e:inner", 0]


def test_concurrency_and_cancel(client) -> None:
    execid = client.execute(PROJECT, "slow")
    assert client.running(PROJECT, "slow") == (execid,)
    with pytest.raises(errors.AlreadyRunning, match="already running"):
        client.execute(PROJECT, "slow")
    other = client.execute(PROJECT, "slow", concurrency="concurrent")
    assert set(client.running(PROJECT, "slow")) == {execid, other}
    for one in (other, execid):
        wait_for(client, one, "slow", "RUNNING")
        client.cancel(one)
    assert {client.wait(one, timeout=60).status for one in (execid, other)} == {"KILLED"}


def test_pause_and_resume(client) -> None:
    execid = client.execute(PROJECT, "step")
    wait_for(client, execid, "step-a", "RUNNING")
    client.pause(execid)
    wait_for(client, execid, "step-a", "SUCCEEDED")
    time.sleep(0.5)
    assert client.execution(execid).job("step").status == "READY"
    client.resume(execid)
    assert client.wait(execid, timeout=60).succeeded


def test_what_is_missing(client) -> None:
    with pytest.raises(errors.NotFound, match="no execution 999999"):
        client.execution(999999)
    with pytest.raises(errors.NotFound, match="no flow 'nosuch'"):
        client.execute(PROJECT, "nosuch")
    with pytest.raises(errors.NotFound, match="'nosuch' doesn't exist"):
        client.execute("nosuch", "x")
    execid = client.history(PROJECT, "pair", length=1).executions[0].execid
    with pytest.raises(errors.NotFound, match="Job nosuch doesn't exist"):
        client.read_log(execid, "nosuch")
    with pytest.raises(errors.NotFound, match="has no attempt 4"):
        list(client.log(execid, "pair", attempt=4))
    with pytest.raises(errors.NotFound, match="no flow 'nosuch'"):
        client.history(PROJECT, "nosuch")


def test_a_log_of_more_than_one_file(client) -> None:
    """100,000 lines of multi-byte text; log4j starts a new file every 5 MB."""
    execid = client.execute(PROJECT, "long")
    events = list(client.follow(execid, timeout=120))
    seen = logs_of(events)["long", 0]
    assert len(seen.encode()) > 5 << 20
    lines = [line.split("INFO - ", 1)[1] for line in seen.split("\n") if "grün" in line]
    assert [int(line.split(":")[0]) for line in lines] == list(range(1, 100_001))
    assert "".join(client.log(execid, "long")) == seen


def test_an_expired_session_is_renewed(azkaban, client) -> None:
    with (
        Client(
            azkaban.url,
            auth=Login(azkaban.username, azkaban.password, "expired"),
            address=azkaban.address,
        ) as other,
        names({"a.job": "type=noop\n"}).temporary() as path,
    ):
        assert other.flows(PROJECT) == client.flows(PROJECT)
        other.logout()
        other._session_id = "expired"
        other.create_project("client-session")
        other._session_id = "expired"
        assert other.upload("client-session", path).version == 1
        other._session_id = "expired"
        other.delete_project("client-session")


def test_a_session_that_ends_while_it_follows_is_renewed(azkaban, client) -> None:
    execid = client.execute(PROJECT, "slow", concurrency="concurrent")
    events = client.follow(execid, timeout=120)
    first = [next(events)]
    session = client.session_id
    with Client(
        azkaban.url, auth=Login(client.username, session_id=session), address=azkaban.address
    ) as other:
        other.logout()
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as other:
        other.cancel(execid)
    rest = list(events)
    assert client.session_id != session
    assert logs_of([*first, *rest])["slow", 0] == "".join(client.log(execid, "slow"))


def test_the_program_of_the_guide(azkaban, client, tmp_path, monkeypatch, capsys) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "reference" / "client.md").read_text(
        encoding="utf-8"
    )
    (program,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    server = f'"{azkaban.url}", auth=("{azkaban.username}", "{azkaban.password}")'
    server += f', address="{azkaban.address}"'
    told = '"http://azkaban.example:8081", auth=("me", "...")'
    assert told in program
    client.create_project("nn")
    files = {"nn.job": "type=command\ncommand=echo ${epochs} done\n", "n.properties": "epochs=2\n"}
    names(files).write(tmp_path / "nn.zip")
    monkeypatch.chdir(tmp_path)
    exec(program.replace(told, server), {})  # noqa: S102 (our own page)
    shown = capsys.readouterr().out.splitlines()
    assert any(line.endswith("INFO - 50 done") for line in shown)
    assert shown[-1].startswith("SUCCEEDED 0:00:")


def test_a_wrong_password(azkaban) -> None:
    with (
        Client(azkaban.url, auth=("me", "wrong"), address=azkaban.address) as other,
        pytest.raises(errors.AuthenticationError, match="Incorrect Login"),
    ):
        other.flows(PROJECT)


def test_a_restart_during_follow(azkaban, client) -> None:
    """The single server's executor dies with it: the flow fails, and the follower says so."""
    execid = client.execute(PROJECT, "slow")
    events = client.follow(execid, timeout=120)
    first = next(events)
    assert isinstance(first, JobStarted)

    def restart() -> None:
        azkaban.kill()
        azkaban.start()

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        rest = list(itertools.islice(events, 1000))
    finally:
        thread.join()
    assert isinstance(rest[-1], FlowEnded)
    assert rest[-1].execution.finished
    assert not rest[-1].execution.succeeded
    assert client.flows(PROJECT)
