"""Schedules, time limits, permissions, downloads ...: on 4.0.0 and on old servers."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from typing import Self

import pytest

from azkaban_client import errors
from azkaban_client._session import Version
from azkaban_client.auth import Login
from azkaban_client.models import Permission, Sla


@pytest.fixture
def client(recorded):
    return recorded[1]


@pytest.fixture
def replay(recorded):
    return recorded[0]


@pytest.fixture
def old(serve, connect, answer):
    """A client of a server that has no /status and answers `replies`; and the server."""
    replies: dict[str, object] = {
        "fetchprojectflows": {"projectId": 10, "flows": [{"flowId": "f"}]}
    }

    def reply(asked):
        if asked.action == "login":
            return answer(body='{"session.id": "s"}')
        if asked.path in ("/status", "/index"):
            return answer(body="<html><title>Azkaban</title></html>")
        found = replies.get(asked.action, {})
        return found if not isinstance(found, dict) else answer(body=json.dumps(found))

    server = serve(reply)
    return connect(server.url), server, replies


# -- schedules -------------------------------------------------------------------------------


def test_a_cron_schedule_on_4_0(client, replay) -> None:
    found = client.schedule_cron("rec56548", "b", "0 23/30 5 ? * 6#3")
    assert (found.id, found.cron, found.period) == (7, "0 23/30 5 ? * 6#3", None)
    assert found.next == "2026-12-18 05:23:00"
    with pytest.raises(errors.Refused, match="<banana> can not be parsed"):
        client.schedule_cron("rec56548", "b", "banana")
    assert client.schedule_of("rec56548", "slow") is None
    replay.play("fetchprojectflows", "fetchSchedule", "removeSched")
    assert client.unschedule("rec56548", "b") == "flow b removed from Schedules."
    with pytest.raises(errors.NotFound, match="99999"):
        client.remove_schedule(99999)
    with pytest.raises(errors.NotFound, match="is not scheduled"):
        client.unschedule("rec56548", "slow")


def test_a_cron_schedule_does_not_look_like_success_on_2_5(old) -> None:
    client, server, _ = old
    with pytest.raises(errors.Unsupported, match=r"needs Azkaban 3\.2 or later; this .* 2\.5\.0"):
        client.schedule_cron("p", "f", "0 0 5 ? * *")
    assert "scheduleCronFlow" not in server.actions()


def test_a_cron_schedule_where_the_version_does_not_decide(old) -> None:
    """A server from 3.1 to 3.32 does not tell its version; one that answers {} is too old."""
    client, server, replies = old
    client.__dict__["version"] = type(client.version)((3, 1, 0), (3, 33, 0))
    with pytest.raises(errors.Unsupported, match="'scheduleCronFlow'"):
        client.schedule_cron("p", "f", "0 0 5 ? * *")
    assert server.actions().count("scheduleCronFlow") == 1
    assert replies


def test_an_old_schedule_is_sent_in_utc(old) -> None:
    client, server, replies = old
    replies["scheduleFlow"] = {"status": "success", "message": "p.f scheduled."}
    replies["fetchSchedule"] = {
        "schedule": {"scheduleId": "3", "period": "1 day(s)", "nextExecTime": "2027-01-02 23:30:00"}
    }
    at = datetime(2027, 1, 3, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    found = client.schedule("p", "f", at=at, every="1d", properties={"k": "v"})
    assert (found.id, found.period, found.cron) == (3, "1 day(s)", None)
    asked = next(a for a in server.asked if a.action == "scheduleFlow")
    assert asked.method == "POST"
    assert asked.fields == {
        "ajax": "scheduleFlow",
        "projectName": "p",
        "projectId": "10",
        "flow": "f",
        "scheduleDate": "01/02/2027",
        "scheduleTime": "11,30,PM,UTC",
        "is_recurring": "on",
        "period": "1d",
        "flowOverride[k]": "v",
        "concurrentOption": "skip",
        "failureAction": "finishCurrent",
    }
    with pytest.raises(ValueError, match="time zone"):
        client.schedule("p", "f", at=datetime(2027, 1, 1))  # noqa: DTZ001 (that is the point)
    with pytest.raises(ValueError, match="a time to come"):
        client.schedule("p", "f", at=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="every"):
        client.schedule("p", "f", at=datetime(2027, 1, 1, tzinfo=UTC), every="daily")


def test_a_schedule_that_is_refused_with_an_error_beside_success(old) -> None:
    """2.5 reports a period that it cannot read and success in the same answer."""
    client, _, replies = old
    replies["scheduleFlow"] = {"status": "success", "error": "Invalid schedule period unit 'x"}
    with pytest.raises(errors.Refused, match="Invalid schedule period"):
        client.schedule("p", "f", at=datetime(2027, 1, 1, tzinfo=UTC), every="1d")


@pytest.mark.parametrize("key", ["scheduleid", "scheduleId"])
def test_the_list_of_schedules_of_2_5_and_4_0(old, key) -> None:
    client, _, replies = old
    replies["fetchSchedule"] = {}
    replies["loadFlow"] = {
        "items": [
            {key: 1, "flowname": "f", "projectname": "p", "period": 86400000},
            {key: 2, "flowname": "g", "projectname": "q", "period": 0, "cron": "0 0 5 ? * *"},
        ]
    }
    assert [(s.id, s.flow, s.period, s.cron) for s in client.schedules()] == [
        (1, "f", "1 day, 0:00:00", None),
        (2, "g", None, "0 0 5 ? * *"),
    ]
    assert [s.id for s in client.schedules("q")] == [2]
    replies["fetchSchedule"] = {"schedule": {"scheduleId": "2", "nextExecTime": "2027-01-02 05:00"}}
    assert [s.next for s in client.schedules("q")] == ["2027-01-02 05:00"]
    replies["fetchSchedule"] = {"error": "Permission denied. Need READ access."}
    assert [(s.id, s.next) for s in client.schedules("q")] == [(2, None)]
    replies["loadFlow"] = {}
    assert client.schedules() == ()


def test_time_limits(client, replay) -> None:
    replay.play("slaInfo", "setSla")
    client.set_sla(7, [Sla(job="a", within=timedelta(minutes=90))], ["a@example.com"])
    assert client.sla(7) == ((Sla(job="a", within=timedelta(minutes=90)),), ("a@example.com",))
    with pytest.raises(ValueError, match="one or more"):
        client.set_sla(7, [], [])
    replay.play("slaInfo")
    with pytest.raises(errors.NotFound, match=r"no job 'nojob' \(its jobs: a, b\)"):
        client.set_sla(7, [Sla(job="nojob", within=timedelta(minutes=90))], ["a@example.com"])


def test_the_wording_of_time_limits(old) -> None:
    client, server, replies = old
    replies["slaInfo"] = {"allJobNames": ["a"]}
    limits = [
        Sla(within=timedelta(hours=25, minutes=5)),
        Sla(job="a", rule="success", within=timedelta(minutes=1), email=False, kill=True),
    ]
    client.set_sla(7, limits, ["a@x", "b@x"])
    assert server.asked[-1].fields == {
        "ajax": "setSla",
        "scheduleId": "7",
        "slaEmails": "a@x,b@x",
        "settings[0]": ",FINISH,25:05,true,false",
        "settings[1]": "a,SUCCESS,0:01,false,true",
    }
    with pytest.raises(
        errors.Unsupported, match=r"an SLA of a single execution needs Azkaban 4\.0"
    ):
        client.execute("p", "f", sla=limits)


def test_an_sla_on_execute_of_4_0(client, replay, serve, connect, answer) -> None:
    everything = {
        "version": "4.0.0", "session.id": "s", "execid": 5, "total": 1, "from": 0,
        "executions": [{"execId": 1, "flowId": "f", "status": "FAILED"}],
    }  # fmt: skip
    server = serve(lambda _: answer(body=json.dumps(everything)))
    connect(server.url).execute(
        "p", "f", sla=[Sla(within=timedelta(minutes=5))], sla_emails=["a@x"]
    )
    fields = server.asked[-1].fields
    assert fields["slaSettings[0]"] == ",FINISH,0:05,true,false"
    assert fields["slaEmails"] == "a@x"


@pytest.mark.parametrize("minutes", [0, 0.5, 1.25])
def test_bad_time_limits(minutes) -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        Sla(within=timedelta(minutes=minutes))
    with pytest.raises(ValueError, match="email=True or kill=True"):
        Sla(within=timedelta(minutes=5), email=False)


def test_a_schedule_that_is_missing(old, fault) -> None:
    client, _, replies = old
    replies["slaInfo"] = fault('Cannot invoke "Schedule.getProjectId()" because "sched" is null')
    with pytest.raises(errors.NotFound, match="there is no schedule 9"):
        client.sla(9)


# -- permissions -----------------------------------------------------------------------------


def test_permissions(client) -> None:
    assert client.permissions("rec56548") == (
        Permission(name="azkaban", group=False, types=("ADMIN",)),
    )


def test_permissions_of_4_0_go_without_the_cookie(serve, connect, answer) -> None:
    """A session in the cookie would need the web page's CSRF token."""
    body = {"version": "4.0.0", "session.id": "s1", "permissions": [], "projectId": 1}
    server = serve(lambda _: answer(body=json.dumps(body)))
    connect(server.url).grant("p", "bob", ["read", "execute"])
    asked = server.asked[-1]
    assert (asked.method, asked.query, asked.headers["Cookie"]) == ("POST", {}, None)
    assert asked.fields == {
        "ajax": "addPermission",
        "session.id": "s1",
        "project": "p",
        "name": "bob",
        "group": "false",
        "permissions[admin]": "false",
        "permissions[read]": "true",
        "permissions[write]": "false",
        "permissions[execute]": "true",
        "permissions[schedule]": "false",
    }


def test_proxy_users_of_2_5_are_read_from_its_page(serve, connect, answer) -> None:
    page = """<table id="user-table"><td class="tb-username">me</td></table>
        <table id="proxy-user-table"><tr><td class="tb-username"> etl </td></tr>
        <tr><td class="tb-username"> a&amp;b <span class="sublabel">(you)</span></td></tr></table>
        <td class="tb-username">no</td>"""

    def reply(asked):
        if asked.path == "/manager" and "permissions" in asked.fields:
            return answer(body=page)
        good = {"session.id": "s", "projectId": 1, "flows": []}
        return answer(body=json.dumps(good) if asked.action else "<html></html>")

    client = connect(serve(reply).url)
    client.__dict__["version"] = Version((2, 5, 0), (3, 1, 0))
    assert client.proxy_users("p") == ("a&b", "etl")


def test_permissions_of_2_5(old) -> None:
    client, server, replies = old
    replies["getPermissions"] = {"permissions": [{"username": "bob", "permission": ["READ"]}]}
    replies["changePermission"] = {"projectId": 1}
    client.grant("p", "bob", ["admin"])
    asked = server.asked[-1]
    assert (asked.method, asked.action) == ("GET", "changePermission")
    assert asked.headers["Cookie"] == "azkaban.browser.session.id=s"
    assert "session.id" not in asked.query
    client.revoke("p", "bob")
    assert set(server.asked[-1].fields.values()) >= {"false"}
    assert "getGroupPermissions" not in server.actions()
    with pytest.raises(ValueError, match="expected some of admin"):
        client.grant("p", "bob", ["own"])


def test_the_last_permission_stays_where_a_server_would_forget_the_flows(old) -> None:
    """3.81 to 4.0 load a project's flows along with its permissions, when they start."""
    client, server, replies = old
    client.__dict__["version"] = Version((4, 0, 0), (4, 0, 0))
    replies["getPermissions"] = {"permissions": [{"username": "bob", "permission": ["READ"]}]}
    replies["getGroupPermissions"] = {"permissions": []}
    with pytest.raises(errors.Refused, match="nobody but 'bob' has a permission on project 'p'"):
        client.revoke("p", "bob")
    assert "changePermission" not in server.actions()


def test_a_session_in_the_body_is_renewed_too(serve, connect, answer) -> None:
    def reply(asked):
        if asked.action == "login":
            return answer(body='{"session.id": "new"}')
        if asked.path == "/status":
            return answer(body='{"version": "4.0.0"}')
        session = asked.fields.get("session.id") or (asked.headers["Cookie"] or "")
        if not session.endswith("new"):
            return answer(body='<html><form id="login-form"></form></html>')
        return answer(body='{"permissions": [], "projectId": 1}')

    server = serve(reply)
    connect(server.url, auth=Login("me", "mine", "old")).add_proxy_user("p", "bob")
    assert server.actions()[-3:] == ["addProxyUser", "login", "addProxyUser"]


# -- projects --------------------------------------------------------------------------------


def test_the_description_and_the_log_of_a_project(client) -> None:
    client.describe("rec56548", "new")
    log = client.project_log("rec56548", size=5)
    assert [event.type for event in log] == ["UPLOADED", "UPLOADED", "UPLOADED", "CREATED"]
    assert log[0].message == "Uploaded project files zip p.zip"
    assert log[-1].message is None
    assert client.job_types("rec56548", "b") == ("command",)
    assert client.job_overrides("rec56548", "b", "b")["greet"] == "hi"
    assert client.last_success("rec56548", "b") is None


def test_download(client, tmp_path) -> None:
    path = client.download("rec56548", tmp_path / "p.zip")
    assert path.read_bytes().startswith(b"PK")
    assert [p.name for p in tmp_path.iterdir()] == ["p.zip"]


def test_a_download_from_a_server_without_any(old, tmp_path, answer) -> None:
    client, _, replies = old
    replies[""] = answer(body="<html><title>Azkaban Web Client</title></html>")
    with pytest.raises(errors.Unsupported, match=r"2\.6\.4"):
        client.download("p", tmp_path / "p.zip")
    assert list(tmp_path.iterdir()) == []


class FullDisk:
    """A file on a disk that is full after the first piece."""

    def __init__(self, stream) -> None:
        self._stream, self._written = stream, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, data: bytes) -> int:
        self._written += len(data)
        if self._written > 300_000:
            raise OSError(28, "No space left on device")
        return self._stream.write(data)


def test_a_disk_that_is_full_while_downloading(
    serve, connect, answer, tmp_path, monkeypatch
) -> None:
    server = serve(
        lambda a: (
            answer(body='{"session.id": "s", "version": "4.0.0"}')
            if a.path != "/manager"
            else answer(body=b"PK" + bytes(2_000_000))
        )
    )
    genuine = os.fdopen
    monkeypatch.setattr(
        "azkaban_client._projects.os.fdopen", lambda *a, **k: FullDisk(genuine(*a, **k))
    )
    (tmp_path / "p.zip").write_text("old")
    with pytest.raises(OSError, match="No space left"):
        connect(server.url).download("p", tmp_path / "p.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["p.zip"]
    assert (tmp_path / "p.zip").read_text() == "old"


def test_a_download_that_is_cut_leaves_nothing(serve, connect, answer, tmp_path) -> None:
    server = serve(
        lambda a: (
            answer(body='{"session.id": "s", "version": "4.0.0"}')
            if a.path != "/manager"
            else answer(body=b"PK" + bytes(2_000_000), cut_after=700_000)
        )
    )
    with pytest.raises(errors.NetworkError, match=r"broke off|cut"):
        connect(server.url).download("p", tmp_path / "p.zip")
    assert list(tmp_path.iterdir()) == []


def test_locks_and_triggers_of_an_old_server(old) -> None:
    client, _, _ = old
    for call in (
        lambda: client.lock_flow("p", "f"),
        lambda: client.unlock_flow("p", "f"),
        lambda: client.is_flow_locked("p", "f"),
        lambda: client.flow_trigger("p", "f"),
        lambda: client.pause_trigger("p", "f"),
        lambda: client.resume_trigger("p", "f"),
    ):
        with pytest.raises(errors.Unsupported, match="or later; this server is 2"):
            call()


def test_a_trigger_that_is_not_there(serve, connect, answer) -> None:
    """The server calls it a success to pause one; without Quartz it fails with a stack."""
    body = {"version": "4.0.0", "session.id": "s", "projectId": 4, "status": "success"}
    server = serve(lambda _: answer(body=json.dumps(body)))
    for call in (connect(server.url).pause_trigger, connect(server.url).resume_trigger):
        with pytest.raises(errors.NotFound, match="has no trigger, or the server runs none"):
            call("p", "f")
    assert not {"pauseTrigger", "resumeTrigger"} & set(server.actions())


def test_locks_and_triggers_of_4_0(serve, connect, answer) -> None:
    body = {
        "version": "4.0.0", "session.id": "s", "isLocked": True, "flows": [], "projectId": 4,
        "flowTrigger": {"triggerId": 1},
    }  # fmt: skip
    server = serve(lambda _: answer(body=json.dumps(body)))
    client = connect(server.url)
    client.lock_flow("p", "f", reason="repair")
    assert server.asked[-1].fields["flowLockErrorMessage"] == "repair"
    assert server.asked[-1].fields["isLocked"] == "true"
    client.unlock_flow("p", "f")
    assert server.asked[-1].fields["isLocked"] == "false"
    assert client.is_flow_locked("p", "f")
    assert client.flow_trigger("p", "f") == {"triggerId": 1}
    client.pause_trigger("p", "f")
    client.resume_trigger("p", "f")
    assert (server.asked[-1].path, server.actions()[-1]) == ("/flowtrigger", "resumeTrigger")
    assert server.asked[-1].fields["projectId"] == "4"


def test_cancel_all(old) -> None:
    client, server, replies = old
    replies["fetchprojectflows"] = {"projectId": 1, "flows": [{"flowId": "f"}, {"flowId": "g"}]}
    replies["getRunning"] = {"execIds": [5]}
    assert client.cancel_all("p") == (5, 5)
    assert client.cancel_all("p", "f") == (5,)
    replies["cancelFlow"] = {"error": "Execution 5 of flow f isn't running."}
    assert client.cancel_all("p", "f") == ()
    assert server.asked[-1].fields["execid"] == "5"
