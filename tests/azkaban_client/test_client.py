"""Every call of the client against the recorded answers of a real 4.0.0."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime

import pytest

from azkaban_client import Bundle, Status, errors
from azkaban_client._upload import MultipartStream
from azkaban_client.auth import Login

OLD = Login("azkaban", "azkaban", session_id="old")


@pytest.fixture
def _no_sleep(monkeypatch) -> None:
    monkeypatch.setattr("azkaban_client._executions.time.sleep", lambda _s: None)


@pytest.fixture
def client(recorded):
    return recorded[1]


@pytest.fixture
def replay(recorded):
    return recorded[0]


def test_login_sends_the_password_in_the_body(serve, connect, answer) -> None:
    server = serve(lambda _: answer(body='{"session.id": "s1", "status": "success"}'))
    assert connect(server.url, auth=("azkaban", "secret")).login() == "s1"
    asked = server.asked[0]
    assert (asked.method, asked.query) == ("POST", {})
    assert asked.fields == {"action": "login", "username": "azkaban", "password": "secret"}


def test_the_session_travels_as_the_cookie_alone(serve, connect, answer) -> None:
    server = serve(lambda _: answer(body='{"session.id": "s1", "flows": [], "execIds": [1]}'))
    client = connect(server.url)
    client.flows("p")
    client.running("p", "f")
    for asked in server.asked[1:]:
        assert asked.headers["Cookie"] == "azkaban.browser.session.id=s1"
        assert "session.id" not in asked.fields
    assert server.actions().count("login") == 1


def test_a_wrong_password(recorded, connect) -> None:
    client = connect(recorded[1].url, auth=("azkaban", "wrong"))
    with pytest.raises(errors.AuthenticationError, match="Username/Password not found"):
        client.flows("rec56548")


def test_no_password_to_log_in_with(serve, connect, answer) -> None:
    server = serve(lambda _: answer(body='{"error": "session"}'))
    with pytest.raises(errors.AuthenticationError, match="no user name and password"):
        connect(server.url, auth=Login()).flows("p")
    with pytest.raises(errors.SessionRefused, match="log in again"):
        connect(server.url, auth=Login("azkaban", session_id="old")).flows("p")


def test_the_netrc_of_the_host(serve, connect, answer, monkeypatch, tmp_path) -> None:
    server = serve(lambda _: answer(body='{"session.id": "s1", "flows": []}'))
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    netrc.chmod(0o600)
    connect(server.url, auth=None).flows("p")
    assert server.asked[0].fields == {"action": "login", "username": "me", "password": "mine"}
    netrc.write_text("default login anybody password anything\n")
    with pytest.raises(errors.AuthenticationError, match="no user name and password"):
        connect(server.url, auth=None).flows("p")
    assert len(server.asked) == 2


def test_secrets_are_not_shown() -> None:
    assert repr(Login("me", "secret", "session")) == "Login(username='me')"


def test_a_refused_session_is_renewed_once(serve, connect, answer) -> None:
    def reply(asked):
        if asked.action == "login":
            return answer(body='{"session.id": "new"}')
        good = "=new" in asked.headers["Cookie"]
        return answer(body='{"flows": []}' if good else '{"error": "session"}')

    server = serve(reply)
    assert connect(server.url, auth=OLD).flows("p") == ()
    assert server.actions() == ["fetchprojectflows", "login", "fetchprojectflows"]


def test_a_session_refused_again_says_why(serve, connect, answer) -> None:
    server = serve(
        lambda a: answer(
            body='{"session.id": "s"}' if a.action == "login" else '{"error": "session"}'
        )
    )
    with pytest.raises(errors.SessionRefused, match="bind a session to the client's address"):
        connect(server.url).flows("p")
    assert server.actions() == ["login", "fetchprojectflows"]


def test_version_and_capabilities_of_4_0(client) -> None:
    assert str(client.version) == "4.0.0"
    abilities = client.capabilities
    assert abilities.cron
    assert abilities.csrf
    assert abilities.project_list
    assert abilities.session_bound is False


def test_version_of_a_server_that_does_not_tell(serve, connect, answer) -> None:
    page = answer(body="<html><title>Azkaban</title></html>")
    server = serve(lambda a: answer(body='{"session.id": "s"}') if a.action == "login" else page)
    client = connect(server.url)
    assert (client.version.low, client.version.high) == ((2, 5, 0), (3, 1, 0))
    assert client.capabilities.cron is False
    assert client.capabilities.download is None
    assert client.capabilities.session_bound is True


def test_projects(client) -> None:
    names = [(p.name, p.id, p.created_by) for p in client.projects()]
    assert names == [("rec56517", 9, "azkaban"), ("rec56548", 10, "azkaban")]
    assert client.projects(mine=True)[0].created == datetime(2026, 11, 22, 14, 8, 37, 234000, UTC)


PROJECT_PAGE = """
<ul id="project-list">
  <li><div class="project-info"><h4><a href="/manager?project=nn">nn</a></h4>
    <p class="project-description">Nets &amp; co</p>
    <p class="project-last-modified">Last modified on <strong>2026-11-22</strong> by
      <strong>me</strong>.</p></div></li>
  <li><div class="project-info"><h4><a href="/manager?project=a1">a1</a></h4>
    <p class="project-description"></p></div></li>
</ul>"""


def test_projects_of_an_old_server_are_read_from_its_page(serve, connect, answer) -> None:
    server = serve(
        lambda a: answer(body='{"session.id": "s"}' if a.action == "login" else PROJECT_PAGE)
    )
    projects = connect(server.url).projects()
    assert [(p.name, p.description, p.modified_by) for p in projects] == [
        ("a1", None, None),
        ("nn", "Nets & co", "me"),
    ]


def test_create_and_delete(client, replay) -> None:
    client.create_project("rec56548", "recorded")
    replay.play("create project again")
    with pytest.raises(errors.Refused, match="already exists"):
        client.create_project("rec56548")
    assert "successfully deleted" in client.delete_project("rec56548")
    with pytest.raises(errors.NotFound, match="nosuch doesn't exist"):
        client.delete_project("nosuch")


@pytest.fixture
def archive(tmp_path):
    return Bundle({"a.job": b"type=noop\n", "data": os.urandom(200_000)}).write(tmp_path / "p.zip")


def test_what_is_no_zip_is_not_sent(client, replay, tmp_path) -> None:
    path = tmp_path / "p.zip"
    with pytest.raises(FileNotFoundError):
        client.upload("rec56548", path)
    path.write_bytes(b"PK" + bytes(1000))
    with pytest.raises(errors.InvalidProject, match=r"p\.zip: not a zip"):
        client.upload("rec56548", path)
    assert replay.replayed == []


def test_upload(client, replay, archive) -> None:
    seen: list[tuple[int, int]] = []
    replay.play("fetchProjectLogs", "upload")
    result = client.upload("rec56548", archive, progress=lambda *p: seen.append(p))
    assert (result.project_id, result.version) == (10, 1)
    assert seen[-1] == (archive.stat().st_size,) * 2
    assert len(seen) > 1


def test_an_upload_has_a_length_and_the_file_s_bytes(serve, connect, answer, archive) -> None:
    server = serve(lambda _: answer(body='{"session.id": "s", "projectId": "1", "version": "2"}'))
    connect(server.url).upload("p", archive)
    asked = server.asked[-1]
    assert int(asked.headers["Content-Length"]) == len(asked.body)
    assert asked.headers["Transfer-Encoding"] is None
    assert archive.read_bytes() in asked.body
    assert asked.fields == {"ajax": "upload", "project": "p", "file": "p.zip"}


@pytest.mark.parametrize(
    ("name", "told"),
    [('a"\r\nX: y\\.zip', "a___X: y_.zip"), (f"{'é' * 130}.zip", f"{'é' * 124}.zip")],
)
def test_the_name_of_an_upload_fits_into_its_header_and_its_column(name: str, told: str) -> None:
    body = MultipartStream({}, io.BytesIO(b"zip"), 3, name).read()
    assert f'filename="{told}"\r\n'.encode() in body


def test_an_upload_is_sent_again_whole_when_the_session_was_refused(
    serve, connect, answer, archive
) -> None:
    def reply(asked):
        if asked.action == "login":
            return answer(body='{"session.id": "new"}')
        if "=new" not in asked.headers["Cookie"]:
            return answer(body="Login error. Need username and password")
        return answer(body='{"projectId": "1", "version": "2"}')

    server = serve(reply)
    assert connect(server.url, auth=OLD).upload("p", archive).version == 2
    assert archive.read_bytes() in server.asked[-1].body


@pytest.mark.usefixtures("_no_sleep")
@pytest.mark.parametrize("user", ["azkaban", "other", None])
def test_an_upload_whose_answer_was_lost_is_looked_up(
    serve, connect, answer, archive, user
) -> None:
    """`user` is whose upload the project's log shows afterwards; it is never sent twice."""
    log = [["azkaban", 1000, "UPLOADED", "Uploaded project files zip p.zip"]]

    def reply(asked):
        if asked.action == "upload":
            if user:
                log.insert(0, [user, 2000, "UPLOADED", "Uploaded project files zip p.zip"])
            return None
        return answer(body=json.dumps({"session.id": "s", "logData": log, "projectId": 7}))

    server = serve(reply)
    client = connect(server.url)
    if user == "azkaban":
        result = client.upload("p", archive)
        assert (result.project_id, result.version) == (7, None)
    else:
        with pytest.raises(errors.OutcomeUnknown, match="the log of project p shows no new"):
            client.upload("p", archive)
    assert server.actions().count("upload") == 1


def test_who_may_only_read_a_project_is_told_so(client, replay) -> None:
    # As servers from 2.5 to 4.0 answer a user without the right EXECUTE.
    body = json.dumps({"error": "Project 'rec56548' doesn't exist."})
    denied = {**replay.entries["executeFlow, no such project"], "body": body}
    replay.entries["executeFlow, denied"] = denied
    replay.play("fetchFlowExecutions", "executeFlow, denied")
    with pytest.raises(errors.PermissionDenied, match="may not execute flows of project 'rec565"):
        client.execute("rec56548", "b")
    replay.play("fetchprojectflows, no such project")
    with pytest.raises(errors.NotFound, match="nosuch"):
        client.execute("nosuch", "b")


def test_a_project_that_is_missing_costs_no_upload(client, replay, archive) -> None:
    replay.play("upload, no such project")
    with pytest.raises(errors.NotFound):
        client.upload("rec56548", archive)
    assert replay.replayed[-1] == "upload, no such project"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("upload, not a zip", errors.InvalidProject, "Error unzipping"),
        ("upload, missing dependency", errors.InvalidProject, "cannot find dependency zz"),
        ("upload, no such project", errors.NotFound, "doesn't exist"),
        ("upload, other extension", errors.Refused, "unrecognized"),
    ],
)
def test_refused_uploads(client, replay, archive, name, kind, words) -> None:
    replay.play("fetchProjectLogs", name)
    with pytest.raises(kind, match=words) as caught:
        client.upload("rec56548", archive)
    assert type(caught.value) is kind
    assert caught.value.project == "rec56548"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Error found in upload. Cannot upload.<br>a cannot find dependency b", "InvalidProject"),
        ("Error unzipping file. (zip file is empty)", "InvalidProject"),
        ("Error unzipping file. (/temp/x/a.job (Too many open files))", "ServerFault"),
        ("The server's disk is full: Error unzipping file. (No space left)", "ServerFault"),
        ("Error chunking (Broken pipe)", "ServerFault"),
        ("Error getting DB connection.", "ServerFault"),
        ("Flow Upload failed commit.", "ServerFault"),
        ("Something new (Communications link failure)", "ServerFault"),
    ],
)
def test_a_server_at_fault_does_not_blame_the_project(
    serve, connect, answer, archive, words, kind
) -> None:
    body = json.dumps({"error": f"Installation Failed.<br>{words}", "projectId": "7"})
    log = json.dumps({"session.id": "s", "logData": [], "projectId": 7})
    server = serve(
        lambda request: answer(body=body if request.fields.get("ajax") == "upload" else log)
    )
    with pytest.raises(errors.AzkabanError, match="Installation Failed") as caught:
        connect(server.url).upload("p", archive)
    assert type(caught.value).__name__ == kind
    assert server.actions().count("upload") == 1


def test_flows_and_graph(client) -> None:
    assert client.flows("rec56548") == ("b", "fail", "slow")
    flow = client.flow("rec56548", "b")
    assert [(n.id, n.type, n.dependencies) for n in flow.walk()] == [
        ("a", "command", ()),
        ("b", "command", ("a",)),
    ]
    assert client.project_id("rec56548") == 10
    assert client.job_properties("rec56548", "b", "b")["command"] == "echo ${greet}"


def test_a_missing_flow_is_told_from_a_fault(client, replay) -> None:
    replay.play("fetchflowjobs, no such flow", "fetchprojectflows")
    with pytest.raises(errors.NotFound, match=r"no flow 'nosuch' \(its flows: b, fail, slow\)"):
        client.flow("rec56548", "nosuch")


def test_execute_always_sends_the_concurrency(client, replay) -> None:
    replay.play("fetchFlowExecutions", "executeFlow")
    assert client.execute("rec56548", "b", properties={"greet": "hello"}) == 32


def sent(server) -> dict[str, str]:  # the fields of the last request
    return server.asked[-1].fields


def test_every_option_of_execute(serve, connect, answer) -> None:
    graph = {
        "project": "p",
        "flow": "f",
        "nodes": [
            {"id": "a", "type": "command"},
            {
                "id": "e",
                "type": "flow",
                "flow": "inner",
                "in": ["a"],
                "nodes": [{"id": "x"}, {"id": "y", "in": ["x"]}],
            },
            {"id": "z", "type": "command", "in": ["e"]},
        ],
    }
    everything = {
        "session.id": "s",
        "execid": 5,
        "total": 0,
        "from": 0,
        "executions": [],
        "flows": [{"flowId": "f"}],
        **graph,
    }
    server = serve(lambda _: answer(body=json.dumps(everything)))
    client = connect(server.url)
    assert client.execute("p", "f") == 5
    assert sent(server) == {
        "ajax": "executeFlow",
        "project": "p",
        "flow": "f",
        "concurrentOption": "skip",
        "failureAction": "finishCurrent",
    }
    client.execute(
        "p",
        "f",
        properties={"k": "v ü"},
        concurrency="pipeline",
        pipeline_level=2,
        on_failure="cancel-all",
        success_emails=["a@x", "b@x"],
        failure_emails=[],
        notify="last",
    )
    assert sent(server) == {
        "ajax": "executeFlow",
        "project": "p",
        "flow": "f",
        "flowOverride[k]": "v ü",
        "concurrentOption": "pipeline",
        "pipelineLevel": "2",
        "failureAction": "cancelImmediately",
        "successEmails": "a@x,b@x",
        "successEmailsOverride": "true",
        "failureEmails": "",
        "failureEmailsOverride": "true",
        "notifyFailureFirst": "false",
        "notifyFailureLast": "true",
    }
    client.execute("p", "f", concurrency="concurrent", disabled=["a", "e:x"])
    assert sent(server)["concurrentOption"] == "ignore"
    assert "notifyFailureLast" not in sent(server)
    assert json.loads(sent(server)["disabled"]) == ["a", {"id": "e", "children": ["x"]}]
    client.execute("p", "f", failure_emails=["a@x"])  # one mail
    told = sent(server)
    assert (told["notifyFailureFirst"], told["notifyFailureLast"]) == ("false", "true")
    client.execute("p", "f", only=["e:x", "z"])
    assert json.loads(sent(server)["disabled"]) == ["a", {"id": "e", "children": ["y"]}]
    client.execute("p", "f", only=["e"])
    assert json.loads(sent(server)["disabled"]) == ["a", "z"]
    with pytest.raises(errors.NotFound, match="no job 'nosuch'"):
        client.execute("p", "f", disabled=["nosuch"])
    with pytest.raises(errors.Refused, match="no job of flow 'f' would run"):
        client.execute("p", "f", disabled=["a", "e", "e:x", "e:y", "z"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("executeFlow while running, default option", errors.AlreadyRunning),
        ("executeFlow, no such flow", errors.NotFound),
        ("executeFlow, no such project", errors.NotFound),
    ],
)
def test_refused_executions(client, replay, name, kind) -> None:
    replay.play("fetchFlowExecutions", name)
    with pytest.raises(kind) as caught:
        client.execute("rec56548", "b")
    assert type(caught.value) is kind
    assert "Project@" not in caught.value.message


def test_a_locked_flow_is_refused(serve, connect, answer) -> None:
    """4.0 answers with the execution -1."""
    rows = {"session.id": "s", "total": 1, "from": 0, "executions": [], "flows": [{"flowId": "f"}]}
    body = json.dumps({**rows, "execid": -1, "message": "Flow f is locked: repair"})
    with pytest.raises(errors.Refused, match="Flow f is locked: repair"):
        connect(serve(lambda _: answer(body=body)).url).execute("p", "f")


def ambiguous(serve, answer, *, after: list[int], user: str = "azkaban"):
    """Lose the answer to executeFlow; the history shows `after` from then on."""
    state = {"ids": [3]}

    def reply(asked):
        if asked.action == "executeFlow":
            state["ids"] = after
            return None
        rows = [
            {"execId": n, "flowId": "f", "status": "RUNNING", "submitUser": user}
            for n in state["ids"]
        ]
        body = {"session.id": "s", "total": len(rows), "from": 0, "executions": rows}
        return answer(body=json.dumps(body))

    return serve(reply)


@pytest.mark.usefixtures("_no_sleep")
def test_an_execution_whose_answer_was_lost_is_looked_up(serve, connect, answer) -> None:
    server = ambiguous(serve, answer, after=[4, 3])
    assert connect(server.url).execute("p", "f") == 4
    assert server.actions().count("executeFlow") == 1


@pytest.mark.usefixtures("_no_sleep")
@pytest.mark.parametrize(("after", "user"), [([3], "azkaban"), ([4, 3], "other")])
def test_an_execution_that_is_not_found_is_not_sent_again(
    serve, connect, answer, after, user
) -> None:
    server = ambiguous(serve, answer, after=after, user=user)
    with pytest.raises(errors.OutcomeUnknown, match="look at its history"):
        connect(server.url).execute("p", "f")
    assert server.actions().count("executeFlow") == 1


def test_execution(client, replay) -> None:
    replay.play("fetchexecflow at the end")
    execution = client.execution(32)
    assert (execution.status, execution.project, execution.flow) == ("FAILED", "rec56548", "b")
    assert execution.finished
    assert not execution.succeeded
    assert execution.job("b").status is Status.CANCELLED
    assert execution.job("b").dependencies == ("a",)
    assert execution.job("a").duration.total_seconds() == pytest.approx(2.014)
    with pytest.raises(errors.NotFound, match="no job 'zz'"):
        execution.job("zz")
    replay.play("fetchexecflow at once")
    early = client.execution(32)
    assert (early.start, early.end, early.duration) == (None, None, None)


def test_history_and_running(client) -> None:
    page = client.history("rec56548", "b", length=3)
    assert (page.total, page.executions[0].execid) == (1, 32)
    assert page.executions[0].status is Status.FAILED
    assert client.running("rec56548", "b") == (32,)


@pytest.mark.usefixtures("_no_sleep")
def test_a_database_that_is_locked_for_a_moment(serve, connect, answer):
    busy = iter(["Error retrieving executable flows"])
    good = {"session.id": "s", "total": 0, "from": 0, "executions": [], "flows": [{"flowId": "f"}]}

    def reply(asked):
        words = next(busy, None) if asked.action == "fetchFlowExecutions" else None
        return answer(body=json.dumps({"error": words} if words else good))

    server = serve(reply)
    assert connect(server.url).history("p", "f").total == 0
    assert server.actions().count("fetchFlowExecutions") == 2
    with pytest.raises(errors.NotFound, match=r"no flow 'g' \(its flows: f\)"):
        connect(server.url).history("p", "g")


def test_control(client, replay) -> None:
    for name, call in (
        ("pauseFlow", client.pause),
        ("resumeFlow", client.resume),
        ("cancelFlow", client.cancel),
    ):
        replay.play(name)
        call(33)
    for name, call in (
        ("resumeFlow of a finished flow", client.resume),
        ("cancelFlow of a finished flow", client.cancel),
        ("retryFailedJobs of a finished flow", client.retry_failed),
    ):
        replay.play(name)
        with pytest.raises(errors.Refused) as caught:
            call(33)
        assert caught.value.execid == 33


def test_logs(client, replay) -> None:
    assert client.read_log(32, "b", length=1000).length == 0
    piece = client.read_log(32, length=600)
    assert piece.text.startswith("22-11-2026 06:09:08 PST b INFO - Assigned executor")
    assert piece.end == 600
    replay.play("job log right after the end")
    with pytest.raises(errors.NotReady) as caught:
        client.read_log(32, "a", length=10000)
    assert (caught.value.execid, caught.value.job) == (32, "a")


def test_a_log_is_waited_for_after_the_end(client, replay) -> None:
    replay.play(
        "job log right after the end",
        "fetchexecflow at the end",
        "job log 3 s later",
        "job log past the end",
    )
    text = "".join(client.log(32, "a"))
    assert text.endswith("with status FAILED\n")


def test_an_unknown_status_of_a_newer_server() -> None:
    assert Status("POD_FAILED") is Status.UNKNOWN
    assert not Status.UNKNOWN.final


def test_the_jobs_of_a_flow_and_what_has_changed(client) -> None:
    assert client.dependencies("rec56548", "b") == {"a": (), "b": ("a",)}
    changed = client.changes(32)
    assert [(job.id, job.status) for job in changed] == [("a", "FAILED"), ("b", "CANCELLED")]


def test_a_killed_execution_and_a_second_upload(client, replay, archive) -> None:
    replay.play("fetchFlowExecutions", "executeFlow, slow", "fetchexecflow, cancelled")
    execid = client.execute("rec56548", "slow", concurrency="concurrent")
    execution = client.execution(execid)
    assert (execution.execid, execution.status, execution.job("slow").status) == (
        33, "KILLED", "KILLED",
    )  # fmt: skip
    replay.play("fetchProjectLogs", "upload again")
    assert client.upload("rec56548", archive).version == 3
    replay.play("fetchProjectLogs", "upload, cycle")
    assert client.upload("rec56548", archive).version == 2
    replay.play("getProjectId")
    assert client.project_id("rec56548") == 10


def test_the_own_permission_to_write(serve, connect, answer) -> None:
    reply = {"session.id": "s", "version": "4.0.0", "hasWritePermission": False}
    assert connect(serve(lambda _: answer(body=json.dumps(reply))).url).may_write("p") is False
    reply = {"session.id": "s", "version": "3.60.0"}
    with pytest.raises(errors.Unsupported, match=r"needs Azkaban 3\.69"):
        connect(serve(lambda _: answer(body=json.dumps(reply))).url).may_write("p")


STATS = "Error retrieving stats for job a"


@pytest.mark.parametrize(("status", "sent"), [("SUCCEEDED", 2), ("RUNNING", 1)])
def test_an_execution_that_has_ended_and_is_not_filed_yet_is_waited_for(
    serve, connect, answer, replay, status, sent
) -> None:
    """For a second or two 4.0 says that a flow runs whose execution it shows as ended."""
    ended = json.loads(replay.entries["fetchexecflow at the end"]["body"])
    skipped = replay.entries["executeFlow while running, default option"]["body"]
    bodies = {
        "getRunning": [{"execIds": [32]}, {}],
        "fetchexecflow": [{**ended, "status": status}],
        "executeFlow": [json.loads(skipped), {"execid": 33}],
        "fetchExecJobStats": [{"error": STATS}, {"jobStats": []}],
        "fetchFlowExecutions": [{"executions": [], "total": 0, "from": 0, "length": 1}],
        "fetchprojectflows": [{"projectId": 7, "flows": [{"flowId": "b"}]}],
    }

    def reply(asked):
        told = bodies.get(asked.action, [{"session.id": "s", "status": "success"}])
        return answer(body=json.dumps(told.pop(0) if len(told) > 1 else told[0]))

    server = serve(reply)
    client = connect(server.url)
    if status == "SUCCEEDED":
        assert client.execute("p", "b") == 33
        assert client.job_stats(32, "a") == []
    else:
        with pytest.raises(errors.AlreadyRunning):
            client.execute("p", "b")
        with pytest.raises(errors.NotReady, match=STATS):
            client.job_stats(32, "a")
    for action in ("executeFlow", "fetchExecJobStats"):
        assert server.actions().count(action) == sent
