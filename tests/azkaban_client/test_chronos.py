"""What is sent to a Chronos, by the rules of its documentation and of its resources' source.

No package registry has a Chronos, so none is run here: `Rules` looks at each request as they say,
which shows what is sent, and nothing of how a Chronos runs it.
"""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
import requests
from click.testing import CliRunner
from requests.adapters import BaseAdapter

from azkaban_client import chronos
from azkaban_client.cli import azk
from azkaban_client.errors import AuthenticationError, BadAnswer, NetworkError, Refused
from azkaban_client.flow.export import Options, export
from azkaban_client.when import When
from tests.exported import FLOW_1, bundle

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"[\w\s.#_-]+", re.ASCII)  # the resource's own
REPEAT = re.compile(r"R\d*/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/P(T?\d+[YMWDHMS])+")
FIELDS = {"name", "command", "shell", "owner", "epsilon", "retries", "async", "concurrent", "cpus",
          "mem", "disk", "environmentVariables"}  # fmt: skip


class Rules(BaseAdapter):
    """Answers requests as the documentation says, and keeps the jobs that it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict] = {}
        self.asked: list[tuple[str, str]] = []
        self.authorization: set[str | None] = set()
        self.answers: dict[tuple[str, str], tuple[int, str]] = {}  # in place of the rules'

    def send(self, request, **_options) -> requests.Response:
        path = request.url.partition("/v1/scheduler/")[2]
        self.asked.append((request.method, path))
        self.authorization.add(request.headers.get("Authorization"))
        body = json.loads(request.body or "{}")
        key = (request.method, body.get("name", path))
        status, text = self.answers.get(key) or self.rule(request.method, path, body)
        if status == 0:
            raise requests.ConnectionError(text)
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = status, request.url, request
        answer.raw = io.BytesIO(text.encode())
        if status == HTTPStatus.TEMPORARY_REDIRECT:
            answer.headers["Location"] = text
        return answer

    def rule(self, method: str, path: str, body: dict) -> tuple[int, str]:
        if (method, path) == ("GET", "jobs"):
            return 200, json.dumps([*self.jobs.values()])
        if method == "DELETE":
            gone = self.jobs.pop(path.partition("/")[2], None)
            return (204, "") if gone else (400, "no such job")
        assert NAME.fullmatch(body["name"])
        assert body.keys() >= FIELDS
        assert all(isinstance(one["value"], str) for one in body["environmentVariables"])
        assert body.keys() - FIELDS in ({"parents"}, {"schedule"}, {"schedule", "scheduleTimeZone"})
        if path == "iso8601":
            begin = REPEAT.fullmatch(body["schedule"])
            assert begin
            oldest = datetime.now(UTC) - timedelta(days=365)
            if datetime.fromisoformat(begin[1]) < oldest:
                return 400, json.dumps({"message": "more than 1 year in the past!"})
        else:
            assert path == "dependency"
            assert body["parents"]
            assert body["parents"] == [one for one in body["parents"] if one in self.jobs]
        self.jobs[body["name"]] = body
        return 204, ""

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rules:
    made = Rules()

    def session(_context) -> requests.Session:
        found = requests.Session()
        found.mount("http://", made)
        return found

    monkeypatch.setattr(chronos, "trusting", session)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return made


def jobs(**options) -> list[dict]:
    made = export(bundle(FLOW_1), "chronos", project="p", flow="end", options=Options(**options))
    (text,) = (place for name, place in made.bundle.files.items() if name == made.start)
    return json.loads(text if isinstance(text, bytes) else text.read_bytes())


def post(sent: list[dict], url: str = "http://chronos.example:4400/") -> chronos.Posted:
    return chronos.Chronos(url).post(sent, own=lambda command: "azkaban_step.pyz" in command)


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        When("cron", "0 30 6 ? * *", zone="Europe/Berlin"),
        When("cron", "0 0 6 ? * SUN"),
        When("cron", "0 0 6 28 * ?"),
        When("every", "15m"),
    ],
    ids=str,
)
def test_jobs_are_posted_parents_first(rules: Rules, schedule: When | None) -> None:
    sent = jobs(schedule=schedule)
    posted = post(sent)
    assert [*rules.jobs.values()] == sent
    assert rules.asked == [
        ("GET", "jobs"), ("POST", "iso8601"), *[("POST", "dependency")] * 5,
    ]  # fmt: skip
    assert posted == chronos.Posted(tuple(job["name"] for job in sent), (), ())
    assert rules.authorization == {None}
    again = post(sent)
    assert (again.new, len(again.replaced)) == ((), 6)


def test_a_beginning_of_more_than_a_year_ago_would_be_refused(rules: Rules) -> None:
    old = datetime.now(UTC).date() - timedelta(days=400)
    with pytest.raises(Refused, match=r"job 'end' is refused \(HTTP 400\): more than 1 year"):
        post(jobs(schedule=When("cron", "0 0 6 ? * *"), since=old))
    assert rules.jobs == {}


def test_a_refusal_takes_the_new_jobs_back(rules: Rules) -> None:
    first, *others = jobs()
    rules.jobs["end"] = first
    rules.answers["POST", "end_part_inner"] = (500, "java.lang.Exception: no\n\tat x.y")
    words = (
        r"job 'end_part_inner' is refused \(HTTP 500\): java.lang.Exception: no; "
        r"no new job is left there; replaced already: end$"
    )
    with pytest.raises(Refused, match=words):
        post([first, *others])
    assert [*rules.jobs] == ["end"]


def test_what_cannot_be_taken_back_is_named(rules: Rules) -> None:
    rules.answers["POST", "end_part_inner"] = (0, "cut")
    rules.answers["DELETE", "job/end_load"] = (500, "")
    with pytest.raises(NetworkError, match=r"no answer .*; delete there: end, end_load$"):
        post(jobs())
    assert [*rules.jobs] == ["end", "end_load"]


def test_a_job_of_somebody_else_stays(rules: Rules) -> None:
    rules.jobs["end_load"] = {"name": "end_load", "command": "echo 'theirs"}
    with pytest.raises(Refused, match="another job 'end_load', which stays"):
        post(jobs())
    assert rules.asked == [("GET", "jobs")]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((200, "<html>"), BadAnswer, "no answer of a Chronos"),
        ((200, '{"jobs": []}'), BadAnswer, "no answer of a Chronos"),
        ((200, "[[]]"), BadAnswer, "no answer of a Chronos"),
        ((404, ""), Refused, r"the list of jobs is refused \(HTTP 404\): no reason is given"),
        ((401, ""), AuthenticationError, "put the account into ~/.netrc"),
        ((307, "http://b.example:4400/v1/scheduler/jobs"), Refused, "is http://b.example:4400:"),
        ((0, ""), NetworkError, r"chronos\.example:4400: no answer"),
    ],
)
def test_answers_of_others(rules: Rules, answer, error: type[Exception], words: str) -> None:
    rules.answers["GET", "jobs"] = answer
    with pytest.raises(error, match=words):
        post(jobs())


def test_an_account_is_that_of_netrc_for_this_host_alone(rules: Rules, tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine chronos.example login me password secret\n"
                    "default login x password y\n")  # fmt: skip
    file.chmod(0o600)
    post(jobs())
    assert rules.authorization == {"Basic bWU6c2VjcmV0"}
    rules.authorization.clear()
    post(jobs(), "http://other.example:4400")
    assert rules.authorization == {None}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://me:secret@c.example:4400", "put it into ~/.netrc"),
        ("http://me@c.example", "put it into ~/.netrc"),
        ("c.example:4400", "expected http://HOST:PORT"),
        ("ftp://c.example", "expected http://HOST:PORT"),
        ("http://", "expected http://HOST:PORT"),
        ("http://c.example:many", "expected http://HOST:PORT"),
        ("http://[c.example", "expected http://HOST:PORT"),
        ("http://c.example?x=1", "expected http://HOST:PORT"),
        ("", "expected http://HOST:PORT"),
    ],
)
def test_urls_that_are_refused(rules: Rules, url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        chronos.Chronos(url)
    assert "secret" not in str(error.value)
    assert rules.asked == []


def test_export_posts_to_the_chronos_that_is_named(
    rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.job").write_text("type=noop\n")
    (tmp_path / "p/b.job").write_text("type=noop\ndependencies=a\n")
    words = ["export", "p", "--to", "chronos", "--url", "http://c.example:4400"]
    done = CliRunner().invoke(azk, words)
    assert done.exit_code == 0, done.stderr
    assert "3 new jobs, 0 replaced" in done.stderr
    assert [*rules.jobs] == ["b", "b_a", "b_b"]
    (tmp_path / "p/b.job").write_text("type=noop\n")
    (tmp_path / "p/a.job").unlink()
    done = CliRunner().invoke(azk, words)
    assert "0 new jobs, 2 replaced" in done.stderr
    assert "still there, of an earlier export: b_a" in done.stderr


def test_a_url_that_is_refused_leaves_nothing(
    rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.job").write_text("type=noop\n")
    for target, url, words in (
        ("luigi", "http://c.example", "--url is for --to chronos"),
        ("chronos", "http://me:secret@c.example", "--url c.example: others can read"),
    ):
        done = CliRunner().invoke(azk, ["export", "p", "--to", target, "--url", url])
        assert done.exit_code == 2
        assert words in done.stderr
        assert "secret" not in done.stderr
        assert [one.name for one in tmp_path.iterdir()] == ["p"]
    assert rules.asked == []
