"""Rules of a watch, and how it tells; what it sees on a real server is in tests/live."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import socketserver
import sys
import threading
import time
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest
from openlineage.client import event_v2
from openlineage.client.generated import job_type_job

from azkaban_client.cli.exit_codes import exit_code
from azkaban_client.errors import (
    BadAnswer,
    NetworkError,
    NotFound,
    PermissionDenied,
    ServerFault,
)
from azkaban_client.models import ExecutionPage, ExecutionSummary, Schedule, Status
from azkaban_client.watch import deployed, tell
from azkaban_client.watch.deployed import with_block
from azkaban_client.watch.journal import Journal, JournalError, Pending, Seen
from azkaban_client.watch.lineage import run_event
from azkaban_client.watch.look import Event, Scope, arrived, look
from azkaban_client.watch.metrics import Metrics, MetricsError
from azkaban_client.watch.rules import Channel, MetricsRule, Rule, RulesError, read
from azkaban_client.watch.tell import Message, Undelivered, message, send
from azkaban_client.watch.watcher import Watcher, is_quiet
from tests.stranger import as_another

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
every = "1m"
[tell.me]
mail = ["me@example.org"]
quiet = "22:00-07:00"
[tell.team]
webhook_file = "hook"
[[rule]]
project = "sales*"
on = ["failed", "long"]
longer_than = "90m"
tell = ["me", "team"]
"""


def test_rules_and_programs_that_others_could_have_written_are_refused(tmp_path) -> None:
    rules, program = tmp_path / "watch.toml", tmp_path / "tell"
    program.write_text("#!/bin/sh\n")
    rules.write_text(
        f"[tell.me]\nprogram = ['{program}']\n[[rule]]\ntell = ['me']\non = ['failed']"
    )
    assert read(rules).channels["me"].program == (str(program),)
    for path, words in ((program, "tell.me: program: "), (rules, "")):
        path.chmod(0o666)
        with pytest.raises(RulesError, match=f"{rules}: {words}{path} may be changed by everybody"):
            read(rules)


def test_rules_are_read(tmp_path) -> None:
    (tmp_path / "watch.toml").write_text(GOOD)
    rules = read(tmp_path / "watch.toml")
    (rule,) = rules.rules
    assert rule.covers("sales-eu", "daily")
    assert not rule.covers("stock", "daily")
    assert rule.limit == timedelta(minutes=90)
    assert rules.channels["team"].webhook_file == str(tmp_path / "hook")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('every = "1m"', "every = 1", "every = 1: expected a number and one of s m h d"),
        ('every = "1m"', "evry = 1", "evry: unknown (known: down_after, every, metrics"),
        ('on = ["failed", "long"]', 'on = ["fail"]', "'fail' is none of started, failed"),
        ('on = ["failed", "long"]', 'on = ["long"]\nlog_lines = 999', "expected 0 to 200"),
        ('longer_than = "90m"', "", "belong together"),
        ('tell = ["me", "team"]', 'tell = ["you"]', "no [tell.you] (there are: me, team)"),
        ('tell = ["me", "team"]', 'tell = "me"', "tell = 'me': expected a list of texts"),
        ('tell = ["me", "team"]', "", "rule 1: neither tell, the names of channels, nor run"),
        ('tell = ["me", "team"]', 'run = "sales"', "run = 'sales': expected project/flow"),
        ('tell = ["me", "team"]', 'run = "sales/x"', "it would go on for ever"),
        ('project = "sales*"', 'file = "/in/*"', "stands alone, together with file"),
        ('mail = ["me@example.org"]', 'mail = ["me"]', "tell.me: mail: 'me': expected one address"),
        ('mail = ["me@example.org"]', "", "tell.me: expected one of mail, webhook_file, apprise"),
        ('webhook_file = "hook"', 'webhook_file = "hook"\nformat = "teams"', "(chats are told by"),
        ("[tell.me]", "[metrics]\nlisten = '9464'\n[tell.me]", "listen = '9464': expected 127.0"),
        ("[tell.me]", "[metrics]\nport = 1\n[tell.me]", "metrics: port: unknown (known: flow"),
        ('webhook_file = "hook"', 'webhook_file = "hook"\nformat = "openlineage"', "not long"),
        ('quiet = "22:00-07:00"', 'quiet = "night"', "quiet = 'night': expected 22:00-07:00"),
        ("[[rule]]", "[rule]", "rule: expected tables [[rule]]"),
        ("[tell.me]", "[tell.me", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path, azk, old, new, words) -> None:
    path = tmp_path / "watch.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(RulesError) as error:
        read(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert azk("watch", str(path), "--check").code == 2


def test_secrets_that_others_may_read_are_refused(tmp_path) -> None:
    rules, hook = tmp_path / "watch.toml", tmp_path / "hook"
    rules.write_text(GOOD + "[metrics]\n")
    hook.touch(mode=0o600)
    assert read(rules).metrics.token_file == str(tmp_path / "watch.token")
    hook.chmod(0o640)
    with pytest.raises(RulesError, match=f"tell.team: webhook_file: {hook} may be read by others"):
        read(rules)
    hook.chmod(0o600)
    (tmp_path / "watch.token").touch(mode=0o644)
    (tmp_path / "watch.token").chmod(0o644)
    with pytest.raises(RulesError, match=r"metrics: token_file: .* chmod 600"):
        read(rules)


@pytest.mark.parametrize(
    ("starts", "circle"),
    [
        (["a/* b/x", "b/* c/x"], ""),
        (["a/* b/x", "b/* a/x"], "rule 1 (b/x) -> rule 2 (a/x) -> rule 1 (b/x)"),
        (["z/* a/x", "a/* b/x", "b/* c/x", "c/* b/y"], "rule 3 (c/x) -> rule 4 (b/y) -> rule 3"),
        (["in/*.csv a/x", "a/* b/x"], ""),
        (["in/*.csv a/x", "a/* b/x", "b/* a/x"], "rule 2 (b/x) -> rule 3 (a/x) -> rule 2"),
    ],
)
def test_rules_that_start_each_other_for_ever_are_refused(tmp_path, starts, circle) -> None:
    text = ""
    for one in starts:
        pattern, target = one.split()
        when = f'file = "{pattern}"' if ".csv" in pattern else f'project = "{pattern[0]}"'
        text += f'[[rule]]\n{when}\nrun = "{target}"\n'
    path = tmp_path / "watch.toml"
    path.write_text(text)
    if not circle:
        assert len(read(path).rules) == len(starts)
        return
    with pytest.raises(RulesError) as error:
        read(path)
    assert f"{circle}" in str(error.value)


def test_rules_are_shown(tmp_path, azk) -> None:
    (tmp_path / "watch.toml").write_text(GOOD)
    (rule,) = azk("watch", "--check", "--json").json
    assert rule == {
        "project": "sales*",
        "flow": "*",
        "on": ["failed", "long"],
        "tell": ["me", "team"],
    }
    result = azk("--url", "http://localhost:1", "watch", "--test", "nobody")
    assert (result.code, "there is no [tell.nobody]" in result.err) == (2, True)


def test_a_time_zone_that_is_none_is_named(tmp_path, azk, monkeypatch) -> None:
    (tmp_path / "watch.toml").write_text(GOOD)
    monkeypatch.setenv("AZK_TIMEZONE", "Europe/Nowhere")
    result = azk("--url", "http://localhost:1", "watch", "--once")
    assert (result.code, "'Europe/Nowhere': this machine knows no" in result.err) == (2, True)


def test_quiet_hours_may_pass_midnight() -> None:
    night, noon = Channel("a", quiet="22:00-07:00"), Channel("b", quiet="12:00-13:00")
    clock = [datetime(2026, 11, 30, hour, 30, tzinfo=UTC) for hour in (3, 12, 23)]
    assert [is_quiet(night, one) for one in clock] == [True, False, True]
    assert [is_quiet(noon, one) for one in clock] == [False, True, False]
    assert not is_quiet(Channel("c"), clock[0])


# -- what is seen: a history of any shape, which no real server has on request --------------------


def run(execid, status, minutes=1):
    start = datetime.now(UTC) - timedelta(minutes=minutes)
    end = start + timedelta(minutes=minutes) if Status(status).final else None
    about = {"flow": "f", "user": "me", "submitted": start, "start": start, "end": end}
    return ExecutionSummary(execid=execid, status=Status(status), **about)


def server(*runs, due=None):
    def history(_project, _flow, *, offset=0, length=20):
        newest = sorted(runs, key=lambda one: -one.execid)
        page = tuple(newest[offset : offset + length])
        return ExecutionPage(total=len(runs), offset=offset, executions=page)

    schedule = None if due is None else Schedule(id=1, next=due)
    return SimpleNamespace(history=history, schedule_of=lambda *_: schedule)


def kinds(events):
    """What can be told of them, without that they started."""
    return [(event.kind, event.execid) for event in events if event.kind != "started"]


def test_the_first_look_tells_nothing() -> None:
    events, seen = look(server(run(1, "FAILED"), run(2, "RUNNING")), "p", "f", None)
    assert events == []
    assert (seen.newest, seen.going, seen.last) == (2, [2], "FAILED")


def test_of_a_new_flow_everything_is_told() -> None:
    begin = datetime.now(UTC) - timedelta(minutes=5)
    now = server(run(1, "FAILED", 9), run(2, "FAILED", 3), run(3, "RUNNING", 1))
    events, seen = look(now, "p", "f", None, Scope(since=begin))
    assert kinds(events) == [("failed", 2)]
    assert [one.execid for one in events if one.kind == "started"] == [2, 3]
    assert (seen.newest, seen.going) == (3, [3])


def test_each_end_is_told_once_in_its_order() -> None:
    _, seen = look(server(run(1, "SUCCEEDED"), run(2, "RUNNING")), "p", "f", None)
    later = server(run(1, "SUCCEEDED"), run(2, "FAILED", 9), run(3, "SUCCEEDED"), run(4, "KILLED"))
    events, seen = look(later, "p", "f", seen)
    assert set(kinds(events)) == {
        ("failed", 2),
        ("succeeded", 3),
        ("recovered", 3),
        ("failed", 4),
    }
    assert kinds(events).index(("failed", 2)) < kinds(events).index(("recovered", 3))
    assert look(later, "p", "f", seen)[0] == []


def test_a_long_absence_loses_nothing() -> None:
    _, seen = look(server(run(1, "RUNNING")), "p", "f", None)
    many = server(*(run(number, "FAILED") for number in range(1, 121)))
    events, _ = look(many, "p", "f", seen)
    assert sorted(kinds(events)) == [("failed", number) for number in range(1, 121)]


def test_a_long_run_is_told_once() -> None:
    now = server(run(1, "RUNNING", minutes=50))
    _, seen = look(now, "p", "f", None)
    scope = Scope(limits=(timedelta(minutes=45),))
    events, seen = look(now, "p", "f", seen, scope)
    assert kinds(events) == [("long", 1)]
    assert look(now, "p", "f", seen, scope)[0] == []


def test_a_long_run_is_told_of_each_limit() -> None:
    scope = Scope(limits=(timedelta(hours=2), timedelta(minutes=45)))
    _, seen = look(server(run(1, "RUNNING", minutes=50)), "p", "f", None)
    events, seen = look(server(run(1, "RUNNING", minutes=50)), "p", "f", seen, scope)
    assert [event.due for event in events] == ["0:45:00"]
    events, seen = look(server(run(1, "RUNNING", minutes=130)), "p", "f", seen, scope)
    assert [event.due for event in events] == ["2:00:00"]
    assert look(server(run(1, "RUNNING", minutes=140)), "p", "f", seen, scope)[0] == []


@pytest.mark.parametrize(
    ("before", "after", "new", "missed"),
    [
        ("2026-01-01 06:00:00", "2026-01-02 06:00:00", False, True),
        ("2026-01-01 06:00:00", "2026-01-02 06:00:00", True, False),
        ("2026-01-01 06:00:00", "2026-01-01 06:00:00", False, False),
        ("2199-01-01 06:00:00", "2199-01-01 07:00:00", False, False),  # it was changed
        ("2026-01-01 06:00:00", None, False, True),  # it was for once
    ],
)
def test_a_run_that_came_due_and_was_not_made_is_missed(before, after, new, missed) -> None:
    _, seen = look(server(run(1, "SUCCEEDED"), due=before), "p", "f", None, Scope(schedule=True))
    runs = [run(1, "SUCCEEDED"), *([run(2, "RUNNING")] if new else [])]
    events, _ = look(server(*runs, due=after), "p", "f", seen, Scope(schedule=True, zone=UTC))
    assert kinds(events) == ([("missed", None)] if missed else [])
    assert [event.due for event in events if event.due] == ([before] if missed else [])


def test_a_run_that_was_seen_before_the_next_time_was_is_not_missed() -> None:
    """The server tells the time after a run a little later than the run."""
    scope = Scope(schedule=True, zone=UTC)
    first, second = "2026-01-01 06:00:00", "2026-01-02 06:00:00"
    _, seen = look(server(due=first), "p", "f", None, scope)
    events, seen = look(server(run(1, "RUNNING"), due=first), "p", "f", seen, scope)
    assert kinds(events) == []
    events, seen = look(server(run(1, "SUCCEEDED"), due=second), "p", "f", seen, scope)
    assert kinds(events) == [("succeeded", 1)]
    events, _ = look(server(run(1, "SUCCEEDED"), due="2026-01-03 06:00:00"), "p", "f", seen, scope)
    assert kinds(events) == [("missed", None)]


def test_of_a_flow_with_many_new_runs_the_old_ones_are_not_told() -> None:
    begin = datetime.now(UTC) - timedelta(minutes=30)
    old = [run(number, "FAILED", 60) for number in range(1, 31)]
    new = [run(number, "FAILED", 5) for number in range(31, 61)]
    events, _ = look(server(*old, *new), "p", "f", None, Scope(since=begin))
    assert sorted(kinds(events)) == [("failed", number) for number in range(31, 61)]


def test_a_file_has_arrived_when_it_no_longer_changes(tmp_path) -> None:
    pattern, known = str(tmp_path / "*.csv"), {}
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "b.txt").write_text("1")
    (tmp_path / "folder.csv").mkdir()
    assert arrived(pattern, timedelta(hours=1), known) == []
    ((name, state),) = arrived(pattern, timedelta(0), known)
    assert name == str(tmp_path / "a.csv")
    known[name] = state
    assert arrived(pattern, timedelta(0), known) == []
    (tmp_path / "a.csv").write_text("12")
    assert [name for name, _ in arrived(pattern, timedelta(0), known)] == [name]


# -- rounds, against a server that can do what a real one does not do on request ------------------


@pytest.fixture
def watcher(tmp_path, monkeypatch):
    """A watch of all flows p/f and q/f, and what the server answers."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("azkaban_client.watch.watcher.time.sleep", lambda _: None)
    rules = tmp_path / "watch.toml"
    rules.write_text(
        """
        down_after = "1s"
        [tell.me]
        program = ["true"]
        [tell.you]
        program = ["true"]
        [[rule]]
        on = ["failed", "long", "server-down"]
        longer_than = "45m"
        tell = ["me"]
        [[rule]]
        on = ["long"]
        longer_than = "2h"
        tell = ["you"]
        [[rule]]
        file = "in/*.csv"
        tell = ["me"]
        [[rule]]
        file = "*.csv"
        tell = ["you"]
        """
    )
    made = server()
    made.url, made.requests_made = "http://a:1", 0
    made.projects = lambda: [SimpleNamespace(name="p"), SimpleNamespace(name="q")]
    made.flows = lambda _: ("f",)
    made.execution = fails(NotFound("no logs"))
    said: list[str] = []
    found = Watcher(made, read(rules), Journal(made.url, rules), said.append)
    found.said = said
    return found


ODD_NAMES = {b"gr\xf6sse.csv": "gr\\xf6sse.csv", b"a\x0cb\nc.csv": "a\\x0cb\\nc.csv"}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_told_and_stops_nothing(watcher, tmp_path, name) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / os.fsdecode(name)).touch()
    watcher.rules = replace(
        watcher.rules,
        rules=tuple(replace(one, settled="0s") for one in watcher.rules.rules),
    )
    watcher.round()
    (one,) = watcher.journal.pending
    told = message("http://a:1", [one.event], one.id)
    assert told.subject == f"{tmp_path}/in/{ODD_NAMES[name]} has arrived"
    assert watcher.said == [f"arrived {tmp_path}/in/{ODD_NAMES[name]}"]
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as box:
        box.mail, box.starttls = [], False
        threading.Thread(target=box.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{box.server_address[1]}"
        send(Channel("me", mail=("me@example.org",), server=place), told)
        box.shutdown()
    mail = message_from_bytes(b"".join(box.mail), policy=policy.default)
    assert ODD_NAMES[name] in mail["Subject"]
    assert ODD_NAMES[name] in mail.get_content()


def pending(watcher):
    return [
        (one.channel, one.event["kind"], one.event["project"]) for one in watcher.journal.pending
    ]


def fails(error):
    def fail(*_, **__):
        raise error

    return fail


def only_for(project, broken, working):
    return lambda name, *rest, **more: (broken if name == project else working)(name, *rest, **more)


def test_one_flow_that_makes_the_server_fail_hides_no_other(watcher) -> None:
    watcher.round()
    history = server(run(1, "FAILED")).history
    watcher.client.history = only_for("p", fails(ServerFault("NullPointerException")), history)
    watcher.round()
    watcher.round()
    assert pending(watcher) == [("me", "failed", "q")]
    assert [line for line in watcher.said if "NullPointer" in line] == [
        "p/f cannot be looked at: NullPointerException"
    ]
    assert not watcher.journal.down


def test_a_project_that_may_not_be_read_is_left_out(watcher) -> None:
    denied = fails(PermissionDenied("no READ"))
    watcher.client.flows = only_for("p", denied, watcher.client.flows)
    watcher.round()
    assert set(watcher.journal.flows) == {"q/f"}
    assert watcher.said == ["p cannot be watched: no READ"]


def test_flows_of_many_projects_are_listed_in_turn(watcher) -> None:
    asked: list[str] = []
    names = [f"n{number}" for number in range(120)]
    watcher.client.projects = lambda: [SimpleNamespace(name=name) for name in names]
    watcher.client.flows = lambda project: asked.append(project) or ("f",)
    for expected in (names, names[:50], names[50:100], [*names[100:], *names[:30]]):
        asked.clear()
        watcher._flows_at = float("-inf")
        assert len(list(watcher._watched())) == 120
        assert sorted(asked) == sorted(expected)
    names.append("new")
    asked.clear()
    watcher._flows_at = float("-inf")
    assert ("new", "f") in watcher._watched()
    assert "new" in asked


@pytest.mark.parametrize("error", [BadAnswer("half"), ServerFault("500"), NetworkError("cut")])
def test_a_server_that_answers_nonsense_is_down(watcher, error) -> None:
    watcher.client.projects = fails(error)
    watcher.round()
    watcher._lost_since -= 2
    watcher.round()
    assert pending(watcher) == [("me", "server-down", "")]


def test_what_was_told_is_not_told_again_after_a_refusal(watcher) -> None:
    watcher.round()
    history = server(run(1, "FAILED")).history
    watcher.client.history = only_for("p", history, watcher.client.history)
    watcher.round()
    watcher.client.history = only_for("p", fails(NotFound("gone")), history)
    watcher.round()
    watcher.client.history = history
    watcher.round()
    assert pending(watcher) == [("me", "failed", "p"), ("me", "failed", "q")]


def test_of_a_flow_that_a_changed_rule_adds_nothing_of_before_is_told(watcher) -> None:
    watcher.client.projects = lambda: [SimpleNamespace(name="p")]
    watcher.round()
    watcher.client.history = server(run(1, "FAILED")).history
    watcher.client.projects = lambda: [SimpleNamespace(name="p"), SimpleNamespace(name="q")]
    watcher._flows_at = float("-inf")
    watcher.round()
    assert pending(watcher) == [("me", "failed", "p")]


def test_a_message_that_cannot_be_made_keeps_back_no_other(watcher, monkeypatch) -> None:
    watcher.round()
    watcher.client.history = server(run(1, "FAILED")).history
    watcher.round()
    sent = []

    def made(_url, events, _identity):
        projects = [event["project"] for event in events]
        if "p" in projects:
            raise LookupError("a fault of this program")
        return projects

    monkeypatch.setattr("azkaban_client.watch.watcher.message", made)
    monkeypatch.setattr("azkaban_client.watch.watcher.send", lambda _, told: sent.extend(told))
    watcher.deliver()
    assert sent == ["q"]
    assert pending(watcher) == [("me", "failed", "p")]
    assert watcher.journal.pending[0].tries == 1
    assert "not told, tried again later: LookupError('a fault of this program')" in watcher.said


def test_a_fault_in_one_flow_hides_no_other(watcher) -> None:
    watcher.round()
    history = server(run(1, "FAILED")).history
    watcher.client.history = only_for("p", fails(LookupError("odd")), history)
    watcher.round()
    assert pending(watcher) == [("me", "failed", "q")]
    assert "p/f cannot be looked at: LookupError('odd')" in watcher.said


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), LookupError("odd")])
def test_the_watch_goes_on_after_a_full_disk_and_a_fault(watcher, monkeypatch, error) -> None:
    ended = iter([error, error, KeyboardInterrupt()])

    def made() -> None:
        raise next(ended)

    monkeypatch.setattr(watcher, "round", made)
    monkeypatch.setattr(watcher, "deliver", lambda: None)
    monkeypatch.setattr(watcher, "_pause", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        watcher.run()
    (said,) = watcher.said
    assert ("tried again: [Errno 28]" if isinstance(error, OSError) else "goes on: Look") in said


def test_what_a_full_disk_did_not_take_is_told_later(watcher, monkeypatch) -> None:
    watcher.round()
    watcher.client.history = server(run(1, "FAILED")).history
    with monkeypatch.context() as full:
        full.setattr(watcher.journal, "save", fails(OSError(28, "No space left on device")))
        for _ in range(3):
            watcher._survive(watcher.round)
    watcher.round()
    assert sorted(pending(watcher)) == [("me", "failed", "p"), ("me", "failed", "q")]


def test_each_rule_has_its_own_limit(watcher) -> None:
    watcher.round()
    watcher.client.history = only_for(
        "p", server(run(1, "RUNNING", minutes=50)).history, watcher.client.history
    )
    watcher.round()
    watcher.client.history = only_for(
        "p", server(run(1, "RUNNING", minutes=130)).history, server().history
    )
    watcher.round()
    assert pending(watcher) == [("me", "long", "p"), ("you", "long", "p")]
    assert watcher.said == ["long p/f (execution 1)"] * 2


def test_what_is_given_up_is_told_when_that_is_possible(watcher, tmp_path) -> None:
    """Two days of outage: the messages are gone, but not unnoticed."""
    watcher.round()
    watcher.client.history = server(run(1, "FAILED"), run(2, "KILLED")).history
    watcher.round()
    down = Channel("me", program=("false",))
    watcher.rules = replace(watcher.rules, channels={**watcher.rules.channels, "me": down})
    for _ in range(220):
        for one in watcher.journal.pending:
            one.after = 0
        watcher.deliver()
    (left,) = watcher.journal.pending
    assert left.event["kind"] == "given-up"
    assert sorted(left.event["about"]) == ["p/f failed"] * 2 + ["q/f failed"] * 2
    assert "given up: p/f failed (me)" in watcher.said
    left.after = 0
    out = tmp_path / "out"
    works = Channel("me", program=("sh", "-c", f"cat > {out}"))
    watcher.rules = replace(watcher.rules, channels={"me": works})
    watcher.deliver()
    assert watcher.journal.pending == []
    told = json.loads(out.read_text())
    assert told["subject"] == "Azkaban: messages that could not be delivered for two days"
    assert told["text"].count("failed") == 4


def test_files_that_are_gone_for_a_month_are_forgotten(watcher, tmp_path) -> None:
    """A folder that is not mounted for a while tells nothing twice."""
    (tmp_path / "b.csv").write_text("1")
    journal, day = watcher.journal, 86_400
    journal.files = {str(tmp_path / "b.csv"): "1 1", str(tmp_path / "gone.csv"): "1 1"}
    for now in (0, 29 * day):
        journal.forget_files(now)
    assert len(journal.files) == 2
    (tmp_path / "gone.csv").write_text("1")
    journal.forget_files(31 * day)
    (tmp_path / "gone.csv").unlink()
    for now in (32 * day, 61 * day):
        journal.forget_files(now)
    assert len(journal.files) == 2
    journal.forget_files(63 * day)
    assert list(journal.files) == [str(tmp_path / "b.csv")]
    journal.save()
    assert Journal(watcher.client.url, tmp_path / "watch.toml").gone == {}


# -- metrics and lineage --------------------------------------------------------------------------


@pytest.fixture
def metrics(tmp_path):
    """Metrics of a watch, and how they are asked for."""
    rule = MetricsRule("127.0.0.1:0", str(tmp_path / "token"), project="p*")
    made = Metrics(rule)
    made.serve()
    host, port = made._server.server_address[:2]

    def ask(path="/metrics", token=None):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        token = (tmp_path / "token").read_text().strip() if token is None else token
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    made.ask = ask
    yield made
    made.close()


def values(text):
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_what_is_seen_is_measured(watcher, metrics) -> None:
    watcher.metrics = metrics
    watcher._covering.append(metrics.rule)
    watcher.rules = replace(watcher.rules, metrics=metrics.rule)
    due = "2026-01-01 06:00:00"
    watcher.client.schedule_of = lambda *_: Schedule(id=1, next=due)
    watcher.round()
    waits = replace(run(4, "PREPARING"), start=None)
    runs = (run(1, "FAILED"), run(2, "SUCCEEDED", 2), run(3, "RUNNING"), waits)
    watcher.client.history = server(*runs).history
    watcher.journal.flows["p/f"].due = "2025-12-31 06:00:00"
    watcher.round()
    watcher._measure("p", "f")
    found = values(metrics.ask()[1])
    flow = '{flow="f",project="p"}'
    assert found["azkaban_up"] == found["azkaban_database_up"] == 1
    assert found['azkaban_executions_total{flow="f",project="p",status="FAILED"}'] == 1
    assert found[f"azkaban_execution_seconds_count{flow}"] == 2
    ended = runs[1].end.timestamp()
    assert found[f"azkaban_last_success_timestamp_seconds{flow}"] == pytest.approx(ended, abs=0.01)
    assert found[f"azkaban_execution_seconds_sum{flow}"] == pytest.approx(180)
    assert found[f"azkaban_executions_running{flow}"] == 1
    assert found[f"azkaban_executions_queued{flow}"] == 1
    assert found[f"azkaban_schedules_late{flow}"] == 0  # the new runs have met it
    assert found["azk_watch_pending"] == 2  # of q, too, which is not measured
    assert not any('project="q"' in name for name in found)
    assert not any("_created" in name for name in found)
    watcher.journal.flows["p/f"].met = None
    watcher._measure("p", "f")
    assert values(metrics.ask()[1])[f"azkaban_schedules_late{flow}"] == 1
    watcher.client.projects = lambda: [SimpleNamespace(name="q")]  # the other was deleted
    watcher._flows_at = float("-inf")
    watcher.round()
    assert f"azkaban_schedules_late{flow}" not in values(metrics.ask()[1])
    watcher.client.projects = fails(ServerFault("database"))
    watcher._flows_at = float("-inf")
    watcher.round()
    found = values(metrics.ask()[1])
    assert (found["azkaban_up"], found["azkaban_database_up"]) == (1, 0)
    watcher.client.projects = fails(NetworkError("gone"))
    watcher.round()
    assert values(metrics.ask()[1])["azkaban_up"] == 0


def test_metrics_are_for_who_has_the_token(metrics, tmp_path) -> None:
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert metrics.ask()[0] == 200
    assert metrics.ask(token="")[0] == metrics.ask(token="ü")[0] == 401
    assert "azkaban" not in metrics.ask(token="wrong")[1]
    assert metrics.ask("/")[0] == 404
    host, port = metrics._server.server_address[:2]
    idle = [socket.create_connection((host, port)) for _ in range(20)]
    for one in idle[:12]:
        one.close()
    idle[-1].close()
    for one in idle:
        one.close()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            assert metrics.ask()[0] == 200
            break
        except OSError:  # the places of those who left are free in a moment
            time.sleep(0.1)
    again = Metrics(MetricsRule(f"127.0.0.1:{port}", str(tmp_path / "token")))
    with pytest.raises(MetricsError, match=f"listen = 127.0.0.1:{port}: .*in use"):
        again.serve()
    (tmp_path / "token").write_text("\n")
    with pytest.raises(MetricsError, match=r"token_file: .* its first line is empty"):
        again.serve()


def test_the_dashboard_asks_for_metrics_that_there_are(metrics) -> None:
    board = json.loads((ROOT / "docs" / "how-to" / "grafana.json").read_text())
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:azkaban|azk)_\w+", target["expr"])
    }
    ends = {"counter": ("_total",), "summary": ("_sum", "_count"), "gauge": ("",)}
    told = {family.name + end for family in metrics.registry.collect() for end in ends[family.type]}
    assert asked == told  # all of them, too


RAN = Event("succeeded", "sales", "daily", 42, "SUCCEEDED", 75.0)
TIMES = {"start": "2026-11-30T06:00:00.000+00:00", "end": "2026-11-30T06:01:15.000+00:00"}


@pytest.mark.parametrize(
    ("kind", "status", "told", "when"),
    [
        ("started", "", "START", "start"),
        ("succeeded", "SUCCEEDED", "COMPLETE", "end"),
        ("failed", "FAILED", "FAIL", "end"),
        ("failed", "KILLED", "ABORT", "end"),
    ],
)
def test_lineage_is_what_its_readers_read(kind, status, told, when) -> None:
    """The classes are made from the schema that OpenLineage publishes."""
    event = run_event("https://me@a:8081", replace(RAN, kind=kind, status=status, **TIMES).plain())
    read_back = event_v2.RunEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(**event["run"]),
        job=event_v2.Job(**{**event["job"], "facets": {}}),
        eventType=event_v2.RunState(event["eventType"]),
    )
    assert (read_back.eventType.value, read_back.eventTime) == (told, TIMES[when])
    mine, theirs = set(event), {field.name for field in attrs.fields(event_v2.RunEvent)}
    assert mine == theirs
    facet = job_type_job.JobTypeJobFacet(
        **{
            name: value
            for name, value in event["job"]["facets"]["jobType"].items()
            if not name.startswith("_")
        }
    )
    assert facet.processingType == "BATCH"
    assert facet._get_schema().startswith("https://openlineage.io/spec/facets/")
    assert (
        event["job"]["facets"]["jobType"]["_schemaURL"].partition("/facets/")[2][5:]
        == (facet._get_schema().partition("/facets/")[2][5:])
    )
    assert event["job"]["namespace"] == "azkaban://a:8081"
    again = run_event("https://a:8081", replace(RAN, kind="failed", **TIMES).plain())
    assert again["run"] == event["run"]


def test_lineage_goes_one_by_one_in_its_order(watcher, serve, answer, tmp_path) -> None:
    statuses = [200, 500, 200, 200, 200]
    receiver = serve(lambda _: answer(status=statuses.pop(0)))
    for name, text in (("hook", receiver.url), ("key", "swordfish")):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    channel = Channel("me", webhook_file=str(tmp_path / "hook"), format="openlineage")
    channel = replace(channel, secret_file=str(tmp_path / "key"))
    rule = Rule(tell=("me",), on=("started", "succeeded", "failed"), project="p")
    watcher.rules = replace(watcher.rules, channels={"me": channel}, rules=(rule,))
    watcher.round()
    watcher.client.history = server(run(1, "SUCCEEDED"), run(2, "KILLED")).history
    watcher.round()
    for _ in range(2):
        for one in watcher.journal.pending:
            one.after = 0
        watcher.deliver()
    told = [json.loads(asked.body)["eventType"] for asked in receiver.asked]
    assert told == ["START", "START", "START", "COMPLETE", "ABORT"]  # the second was refused once
    assert watcher.journal.pending == []
    assert {asked.headers["Authorization"] for asked in receiver.asked} == {"Bearer swordfish"}
    (tmp_path / "hook").write_text("http://lineage.example.org/api")
    with pytest.raises(Undelivered, match="a key is not sent in clear"):
        send(channel, message("http://a:1", [RAN.plain()], "x"))


def test_a_pattern_of_files_means_those_of_its_folder(watcher, tmp_path, monkeypatch) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.csv", "b.csv"):
        (tmp_path / name).write_text("1")
    later = time.time() + 3600
    monkeypatch.setattr("azkaban_client.watch.look.time.time", lambda: later)
    watcher.round()
    told = [(one.channel, one.event["file"]) for one in watcher.journal.pending]
    assert told == [("me", f"{tmp_path}/in/a.csv"), ("you", f"{tmp_path}/b.csv")]


# -- how it is told -------------------------------------------------------------------------------

FAILED = Event("failed", "sales", "daily", 42, "FAILED", 75.0).plain()
TOLD = message("http://a:1", [{**FAILED, "logs": [("load", ["no such file"])]}], "abc")


def test_a_message_says_what_and_where() -> None:
    assert TOLD.subject == "sales/daily failed"
    assert TOLD.text == (
        "sales/daily failed\nexecution 42 FAILED after 1 min 15 s\n"
        "--- the end of the log of load:\nno such file\nhttp://a:1/executor?execid=42\n"
    )
    two = message("http://a:1", [FAILED, Event("missed", "p", "f", due="2026-01-01").plain()], "x")
    assert two.subject == "sales/daily failed, and 1 more"
    assert "it was due at 2026-01-01 (time of the server)" in two.text
    kept = Event("missed", "p", "f", due="2026-01-01T06:00:00+01:00").plain()
    assert "it was due at 2026-01-01T06:00:00+01:00\n" in message("http://a:1", [kept], "x").text


def test_a_webhook_is_signed_and_its_url_never_told(serve, answer, tmp_path) -> None:
    statuses = [200, 500]
    receiver = serve(lambda _: answer(status=statuses.pop(0)))
    (tmp_path / "hook").write_text(f"{receiver.url}/secret-path\n")
    (tmp_path / "key").write_text("swordfish\n")
    channel = Channel(
        "team", webhook_file=str(tmp_path / "hook"), secret_file=str(tmp_path / "key")
    )
    send(channel, TOLD)
    (asked,) = receiver.asked
    signed = hmac.new(b"swordfish", asked.body, hashlib.sha256).hexdigest()
    assert asked.headers["X-Azk-Signature"] == f"sha256={signed}"
    assert asked.headers["X-Azk-Id"] == "abc"
    assert json.loads(asked.body)["events"][0]["execid"] == 42
    with pytest.raises(Undelivered, match="HTTP 500"):
        send(channel, TOLD)
    (tmp_path / "hook").write_text("http://localhost:1/secret-path\n")
    with pytest.raises(Undelivered) as error:
        send(channel, TOLD)
    assert "secret-path" not in str(error.value)


def test_a_webhook_is_trusted_as_the_system_and_the_company_say(
    serve, answer, tmp_path, monkeypatch, ca_cert
) -> None:
    receiver = serve(lambda _: answer(), tls=True)
    here, asked = ("127.0.0.1", receiver.port), socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: asked(
            here[0] if host == "azkaban.test" else host, *rest, **more
        ),
    )
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AZK_EXTRA_CA_CERTS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "hook").write_text(receiver.url)
    channel = Channel("team", webhook_file=str(tmp_path / "hook"))
    with pytest.raises(Undelivered, match="SSLError at the webhook"):
        send(channel, TOLD)
    monkeypatch.setenv("AZK_EXTRA_CA_CERTS", ca_cert)
    send(channel, TOLD)
    assert len(receiver.asked) == 1


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ('webhook_file = "hook"', 6),
        ('mail = ["me@example.org"]\nserver = "localhost:1"', 6),
        ('program = ["false"]', 5),
        ('program = ["nosuch-program"]', 2),
    ],
)
def test_a_test_message_that_cannot_be_sent_says_how(tmp_path, azk, channel, code) -> None:
    (tmp_path / "hook").touch(mode=0o600)
    (tmp_path / "hook").write_text("http://localhost:1/secret-path")
    (tmp_path / "watch.toml").write_text(f"[tell.it]\n{channel}\n[[rule]]\ntell = ['it']\n")
    result = azk("--url", "http://localhost:1", "watch", "--test", "it")
    assert (result.code, "secret-path" in result.err) == (code, False)
    assert result.err.startswith("azk: it: ")


def test_authorities_that_are_none_end_no_watch(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AZK_EXTRA_CA_CERTS", "/nosuch")
    (tmp_path / "hook").write_text("https://localhost:1")
    for channel in (chat_of(tmp_path, "json://localhost:1"), hook_of(tmp_path)):
        with pytest.raises(Undelivered, match="AZK_EXTRA_CA_CERTS=/nosuch"):
            send(channel, TOLD)


def hook_of(tmp_path):
    return Channel("team", webhook_file=str(tmp_path / "hook"))


def chat_of(tmp_path, *urls):
    path = tmp_path / "chats"
    path.touch(mode=0o600)
    path.write_text("# where we talk\n" + "".join(f"{url}\n" for url in urls))
    return Channel("chat", apprise_file=str(path))


def test_chats_are_told_by_apprise_and_nobody_is_pinged(serve, answer, tmp_path) -> None:
    receiver = serve(lambda _: answer())
    place = f"localhost:{receiver.port}"
    channel = chat_of(
        tmp_path, f"mmost://{place}/3ccdd113474722377935511fc85d3dd4", f"json://{place}"
    )
    send(channel, Message("x", "p/f failed", "@here <!channel> because\n", []))
    told = {asked.path: json.loads(asked.body) for asked in receiver.asked}  # at the same time
    chat, plain = told["/hooks/3ccdd113474722377935511fc85d3dd4"], told["/"]
    for text in (chat["text"], plain["message"]):
        assert "because" in text
        assert not re.search("@here|<!channel", text)
    assert plain["title"] == "p/f failed"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nosuch://secret-part", "its URL 1 (nosuch://...) is none of Apprise's"),
        ("T0/B0/secret-part", "its URL 1 (without ://) is none of Apprise's"),
        ("json://localhost:1/secret-part", "Apprise could not deliver it"),
    ],
)
def test_a_chat_that_cannot_be_told_is_named_without_its_url(tmp_path, url, words) -> None:
    with pytest.raises(Undelivered) as error:
        send(chat_of(tmp_path, url), TOLD)
    assert words in str(error.value)
    assert "secret-part" not in str(error.value)
    assert exit_code(error.value) == (6 if "deliver" in words else 2)


def test_a_file_of_chats_as_windows_writes_it(tmp_path) -> None:
    channel = chat_of(tmp_path)
    Path(channel.apprise_file).write_bytes(b"\xef\xbb\xbf# where\r\n  # we talk\r\nnosuch://x\r\n")
    with pytest.raises(Undelivered, match=r"its URL 1 \(nosuch"):
        send(channel, TOLD)


def test_rules_of_a_deployed_flow_are_toml_whatever_its_name() -> None:
    text = with_block("", "sales", "täglich 🚚", [("chat", "/home/me/🚚.chat")])
    table = tomllib.loads(text)
    assert table["rule"][0]["flow"] == "täglich 🚚"
    assert table["tell"]["sales/täglich 🚚/1"]["apprise_file"] == "/home/me/🚚.chat"


def test_each_flow_that_is_deployed_keeps_its_own_rules(tmp_path) -> None:
    path, chat = tmp_path / "watch.toml", tmp_path / "chat"
    chat.write_text("slack://x")
    chat.chmod(0o600)
    flows = [("sales", "daily"), ("sales", "day[1]"), ("sales-daily", "1"), ("sales", "daily-1")]
    for project, flow in flows:
        deployed.change(path, project, flow, [("chat", str(chat)), ("slack", str(chat))])
    rules = read(path).rules
    told = [next(n for n, one in enumerate(rules) if one.covers(*flow)) for flow in flows]
    assert (told, len({one.tell for one in rules})) == ([0, 1, 2, 3], 4)
    text = path.read_text()
    deployed.change(path, "sales", "daily", [("chat", str(chat)), ("slack", str(chat))])
    assert path.read_text().count("[[rule]]") == text.count("[[rule]]") == 4
    deployed.change(path, "sales", "daily", [])
    assert not any(one.covers("sales", "daily") for one in read(path).rules)
    deployed.forget(path, "sales")
    assert [one.project for one in read(path).rules] == ["sales-daily"]
    deployed.forget(path, "sales-daily")
    assert not path.exists()


def test_rules_that_would_be_invalid_are_refused_before_they_are_written(tmp_path) -> None:
    path = tmp_path / "watch.toml"
    path.write_text('[[rule]]\ntell = ["nobody"]\n')
    before = path.read_text()
    for act in (deployed.changed, deployed.change):
        with pytest.raises(RulesError, match=r"there is no \[tell.nobody\]"):
            act(path, "sales", "daily", [("chat", str(tmp_path / "chat"))])
    assert path.read_text() == before


def test_a_program_gets_it_on_its_input(tmp_path) -> None:
    out = tmp_path / "out"
    code = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    send(Channel("it", program=(sys.executable, "-c", code)), TOLD)
    assert json.loads(out.read_text())["subject"] == "sales/daily failed"
    code = "import sys; print('no paper', file=sys.stderr); sys.exit(3)"
    with pytest.raises(Undelivered, match="ended with 3: no paper"):
        send(Channel("it", program=(sys.executable, "-c", code)), TOLD)
    with pytest.raises(Undelivered, match="nosuch"):
        send(Channel("it", program=("/nosuch",)), TOLD)


def test_a_program_that_hangs_is_named_without_its_arguments(monkeypatch) -> None:
    monkeypatch.setattr(tell, "_PATIENCE", 0.2)
    sleep = (sys.executable, "-c", "import time; time.sleep(60)", "--token", "abc")
    with pytest.raises(Undelivered) as error:
        send(Channel("it", program=sleep), TOLD)
    assert str(error.value) == "it: took more than 0.2 s"


class Mailbox(socketserver.StreamRequestHandler):
    """A mail server that takes everything."""

    def handle(self) -> None:
        """Offer STARTTLS, as Debian's do, whose certificate nobody knows, and cannot do it."""
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (text := self.rfile.readline()) != b".\r\n":
                    self.server.mail.append(text)
            if word == b"EHLO":
                self.wfile.write(b"250-here\r\n250-STARTTLS\r\n" if self.server.starttls else b"")
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


def test_mail_is_sent_in_clear_on_this_machine_alone(monkeypatch) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as box:
        box.mail, box.starttls = [], True
        threading.Thread(target=box.serve_forever, daemon=True).start()
        port = box.server_address[1]
        send(Channel("me", mail=("me@example.org",), server=f"127.0.0.1:{port}"), TOLD)
        mail = b"".join(box.mail).decode()
        assert "Subject: sales/daily failed\r\n" in mail
        assert "To: me@example.org\r\n" in mail
        assert "http://a:1/executor?execid=42" in mail
        box.mail.clear()
        box.starttls = False
        as_another(monkeypatch)
        with pytest.raises(Undelivered, match=f"127.0.0.1 port {port} belongs to the account"):
            send(Channel("me", mail=("me@example.org",), server=f"127.0.0.1:{port}"), TOLD)
        assert box.mail == []
        monkeypatch.setattr("azkaban_client.watch.tell._is_here", lambda _: False)
        with pytest.raises(Undelivered, match="not sent in clear"):
            send(Channel("me", mail=("me@example.org",), server=f"127.0.0.1:{port}"), TOLD)
        box.shutdown()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"flows": 1}', b"\xff"])
def test_a_damaged_journal_is_named_and_kept(tmp_path, monkeypatch, content) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    journal = Journal("http://a:1", tmp_path / "watch.toml")
    journal.flows["p/f"] = Seen(newest=3)
    journal.pending.append(Pending("x", "me", FAILED))
    journal.save()
    assert journal.path.stat().st_mode & 0o077 == 0
    again = Journal("http://a:1", tmp_path / "watch.toml")
    assert (again.flows, again.pending) == (journal.flows, journal.pending)
    journal.path.write_bytes(content)
    with pytest.raises(JournalError, match="move the file away"):
        Journal("http://a:1", tmp_path / "watch.toml")
    assert journal.path.read_bytes() == content
