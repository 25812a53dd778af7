"""Every shape of failure that a server gives is recognised, by the recordings of a real 4.0.0."""

from __future__ import annotations

import pytest

from azkaban_client import errors
from azkaban_client._answers import read
from azkaban_client._http import Call

GET = Call("GET", "/executor", {"ajax": "fetchexecflow", "execid": "7"})


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("login refused", errors.AuthenticationError, "Username/Password not found"),
        ("create project again", errors.Refused, "Project already exists."),
        ("create project, bad name", errors.Refused, "must start with a letter"),
        ("upload, not a zip", errors.Refused, "Error unzipping file."),
        ("upload, other extension", errors.Refused, "File extension 'txt' unrecognized."),
        ("upload, no such project", errors.NotFound, "Project 'nosuch doesn't exist."),
        ("upload, missing dependency", errors.Refused, "a cannot find dependency zz"),
        ("upload without a session", errors.SessionRefused, "Need username and password"),
        ("login with password in the query", errors.AuthenticationError, "request body"),
        ("bad session, GET", errors.SessionRefused, "session"),
        ("bad session, POST", errors.SessionRefused, "login"),
        ("fetchflowjobs, no such flow", errors.ServerFault, "Cannot invoke"),
        ("fetchprojectflows, no such project", errors.NotFound, "nosuch doesn't exist"),
        ("executeFlow while running, default option", errors.AlreadyRunning, "already running"),
        ("executeFlow, no such flow", errors.NotFound, "Flow 'zz' cannot be found"),
        ("executeFlow, no such project", errors.NotFound, "Project 'zz' doesn't exist."),
        ("job log right after the end", errors.NotReady, "Running flow 32 not found."),
        ("job log, no such job", errors.NotFound, "Job zz doesn't exist in 32"),
        ("fetchexecflow, no such execution", errors.NotFound, "Cannot find execution '999999'"),
        ("fetchexecflow, not a number", errors.ServerFault, 'For input string: "abc"'),
        ("resumeFlow of a finished flow", errors.Refused, "isn't running"),
        ("cancelFlow of a finished flow", errors.Refused, "isn't running"),
        ("retryFailedJobs of a finished flow", errors.Refused, "Please re-execute"),
        ("scheduleCronFlow, bad expression", errors.Refused, "can not be parsed"),
        ("removeSched, no such schedule", errors.NotFound, "99999 does not exist"),
        ("addPermission", errors.Refused, "User permission already exists."),
    ],
)
def test_recorded_failures(recorded, name, kind, words) -> None:
    from_recording = recorded[0].entries[name]
    replay, client = recorded
    replay.play(name)
    response = client._transport.send(GET)
    with pytest.raises(kind) as caught:
        read(response.status_code, response.text, GET)
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert caught.value.status == from_recording["status"]
    assert "<" not in caught.value.message.replace("<local5>", "").replace("<banana>", "")


def test_the_class_of_an_exception_is_no_message() -> None:
    body = '{"error": "java.io.IOException: Execution 12 is not running."}'
    with pytest.raises(errors.Refused, match=r"^Execution 12 is not running\.$"):
        read(200, body, GET)


GOOD = [
    "login",
    "create project",
    "list all projects",
    "upload",
    "upload, cycle",
    "fetchprojectflows",
    "getPermissions",
    "fetchflowgraph",
    "fetchJobInfo",
    "executeFlow",
    "getRunning",
    "fetchexecflow at the end",
    "job log past the end",
    "pauseFlow",
    "resumeFlow",
    "cancelFlow",
    "fetchFlowExecutions",
    "fetchLastSuccessfulFlowExecution",
    "scheduleCronFlow",
    "fetchSchedule, none",
    "slaInfo",
    "removeSched",
    "changeDescription",
]


@pytest.mark.parametrize("name", GOOD)
def test_recorded_successes(recorded, name) -> None:
    entry = recorded[0].entries[name]
    assert isinstance(read(entry["status"], entry["body"], GET), dict)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, "", errors.BadAnswer, "empty"),
        (200, '{"status": "PREPA', errors.BadAnswer, "breaks off after 17"),
        (200, "<html><title>Corporate proxy</title></html>", errors.BadAnswer, "Corporate proxy"),
        (200, "hello", errors.BadAnswer, "'hello'"),
        (200, "[1]", errors.BadAnswer, "JSON"),
        (200, '{"status": "error"}', errors.Refused, "without a reason"),
        (
            200,
            '{"status":"error","message":"Invalid Session. Need to re-login","action":"login"}',
            errors.SessionRefused,
            "re-login",
        ),
        (
            200,
            '{"error": "Permission denied. Need ADMIN access."}',
            errors.PermissionDenied,
            "ADMIN",
        ),
        (200, "Login error: Wrong", errors.AuthenticationError, "Wrong"),
        (401, "", errors.AuthenticationError, "401"),
        (403, "<title>no</title>", errors.PermissionDenied, "no"),
        (404, "<title>Error 404 NOT_FOUND</title>", errors.NotFound, "NOT_FOUND"),
        (502, "<html>bad gateway</html>", errors.ServerFault, "bad gateway"),
    ],
)
def test_other_failures(status, body, kind, words) -> None:
    with pytest.raises(kind) as caught:
        read(status, body, GET)
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert caught.value.execid == 7


def test_the_stack_of_a_fault_is_reduced_to_its_message(fault) -> None:
    page = fault("Job log file doesn't exist.")
    with pytest.raises(errors.NotReady) as caught:
        read(500, page.body, GET)
    assert caught.value.message == "Job log file doesn't exist."


def test_an_unknown_action_does_not_look_like_success() -> None:
    call = Call("GET", "/schedule", {"ajax": "scheduleCronFlow"})
    with pytest.raises(errors.Unsupported, match=r"'scheduleCronFlow'.*newer"):
        read(200, "{ }", call, expect=("scheduleId",))


def test_an_empty_body_about_a_project_means_that_there_is_none() -> None:
    call = Call("GET", "/manager", {"ajax": "fetchprojectflows", "project": "nn"})
    with pytest.raises(errors.NotFound, match="'nn' doesn't exist"):
        read(200, "", call)


def test_secrets_are_not_in_errors() -> None:
    call = Call("POST", "/", form={"username": "me", "password": "hunter2", "session.id": "s"})
    with pytest.raises(errors.AuthenticationError) as caught:
        read(200, '{"error": "Incorrect Login."}', call)
    assert "hunter2" not in str(caught.value.request)
    assert caught.value.request == "POST / username=me password=*** session.id=***"
