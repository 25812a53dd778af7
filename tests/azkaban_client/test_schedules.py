"""Schedules: who sees to them, what is started, and what becomes of missed runs."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from azkaban_client import errors
from azkaban_client._session import Version
from azkaban_client.files import alone
from azkaban_client.models import ExecutionPage, ExecutionSummary, Schedule, Status
from azkaban_client.schedules import book as book_module
from azkaban_client.schedules.book import Book, BookError, Entry
from azkaban_client.schedules.scheduler import Scheduler
from azkaban_client.watch.journal import Journal
from azkaban_client.watch.rules import Rules, read
from azkaban_client.watch.watcher import Watcher
from azkaban_client.when import When

WINTER = datetime(2026, 11, 30, 12, tzinfo=UTC)


# -- the book --------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Book("http://x")


def test_a_book_that_is_damaged_or_anybodys_is_refused(book) -> None:
    assert book.read() == []
    with book.changing() as entries:
        entries.append(Entry("p", "f", "", When("daily", "6:00", until=WINTER)))
    assert str(book.read()[0]) == "p/f"
    assert book.path.stat().st_mode & 0o777 == 0o600
    good = book.path.read_text()
    wrong = (('"daily"', '"dayly"'), ('"none"', '"x"'), ('"6:00"', '"6"'))
    wrong += (('"zone": null', '"zone": "Nowhere"'), ('"daily"', '"cron"'), ('"daily"', '"every"'))
    for text in ("", "[]", "{}", *(good.replace(*pair) for pair in wrong)):
        assert text != good
        book.path.write_text(text)
        with pytest.raises(BookError, match="cannot read the schedules"):
            book.read()
    book.path.write_text(good)
    book.path.chmod(0o666)
    with pytest.raises(BookError, match="may be changed by everybody"):
        book.read()


def test_an_error_changes_nothing_in_the_book(book) -> None:
    with book.changing() as entries:
        entries.append(Entry("p", "f", "", When("daily", "6:00")))

    def fail() -> None:
        with book.changing() as entries:
            entries.clear()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len(book.read()) == 1


# -- what is started -------------------------------------------------------------------------


class Server:
    """A server whose answers can be chosen; it remembers what was started with which options."""

    def __init__(self) -> None:
        self.started: list[dict[str, str]] = []
        self.options: list[dict] = []
        self.error: Exception | None = None
        self.lost = False  # the answer to a start does not come

    def execute(self, project, flow, **options):
        if self.error is not None:
            raise self.error
        self.started.append(options["properties"])
        self.options.append(options)
        if self.lost:
            raise errors.OutcomeUnknown("the answer was lost")
        return len(self.started)

    def history(self, _project, _flow, *, offset=0, length=20):
        if self.error is not None:
            raise self.error
        runs = [
            ExecutionSummary(
                execid=number, flow="f", user="me", status=Status.RUNNING,
                submitted=WINTER, start=WINTER, end=None,
            )
            for number in range(len(self.started), 0, -1)
        ]  # fmt: skip
        page = tuple(runs[offset : offset + length])
        return ExecutionPage(total=len(runs), offset=offset, executions=page)

    def execution_options(self, execid):
        return {"flowParam": self.started[execid - 1]}

    def hours(self):
        return [one["logical.date"][11:13] for one in self.started]


class Day:
    """A scheduler of one schedule, on the hour, with a clock that one sets."""

    def __init__(self, book, monkeypatch, **about) -> None:
        self.book, self.server, self.said = book, Server(), []
        self.monotonic = 0.0
        monkeypatch.setattr(
            "azkaban_client.schedules.scheduler.time",
            SimpleNamespace(monotonic=lambda: self.monotonic, time=lambda: self.monotonic + 1e9),
        )
        hourly = When("cron", "0 0 * * * ?", "UTC")
        begin = datetime(2026, 11, 30, 5, 30, tzinfo=UTC).isoformat()
        with book.changing() as entries:
            entries.append(Entry("p", "f", "", hourly, since=begin, **about))
        self.scheduler = self.anew()

    def anew(self):
        """A watch that has just been started."""
        if hasattr(self, "scheduler"):
            self.scheduler.close()
        self.scheduler = Scheduler(self.server, self.book, self.said.append)
        return self.scheduler

    def at(self, clock: str):
        """Let the scheduler look at a time; return the hours that are missed by now."""
        hour, minute = map(int, clock.split(":"))
        now = datetime(2026, 11, 30, hour, minute, tzinfo=UTC)
        self.monotonic = now.timestamp()
        for _ in range(3):
            self.scheduler.mark_told(self.scheduler.tick(now))
            self.monotonic += 6
        (entry,) = self.book.read()
        assert all(one.told for one in entry.missed)
        return [one.date[11:13] for one in entry.missed]


def test_each_time_is_started_once_with_its_date(book, monkeypatch) -> None:
    given = {"properties": {"day": "{date:%H}", "to": "{end:%H}"}, "concurrency": "concurrent"}
    day = Day(book, monkeypatch, options=given)
    assert day.at("5:59") == []
    assert day.server.started == []
    for clock in ("6:00", "6:01", "6:30", "7:00"):
        assert day.at(clock) == []
        day.anew()
    assert day.server.hours() == ["06", "07"]
    assert day.server.started[0] == {
        "day": "06", "to": "07",
        "logical.date": "2026-11-30T06:00:00+00:00",
        "trigger": "schedule p/f 2026-11-30T06:00:00+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("catch_up", "started", "missed"),
    [
        ("none", ["06"], ["07", "08", "09"]),
        ("last", ["06", "09"], ["07", "08"]),
        ("all", ["06", "07", "08", "09"], []),
    ],
)
def test_what_came_due_while_no_watch_ran(book, monkeypatch, catch_up, started, missed) -> None:
    day = Day(book, monkeypatch, catch_up=catch_up)
    day.at("6:00")
    assert day.at("9:30") == missed
    assert day.server.hours() == started


@pytest.mark.parametrize(
    ("catch_up", "started", "missed"),
    [
        ("none", ["09"], ["06", "07", "08"]),
        ("last", ["08", "09"], ["06", "07"]),
        ("all", ["06", "07", "08", "09"], []),
    ],
)
@pytest.mark.parametrize(
    "error",
    [errors.NetworkError("gone"), errors.AlreadyRunning("running"), errors.SessionRefused("x")],
)
def test_what_came_due_while_it_could_not_be_started(
    book, monkeypatch, error, catch_up, started, missed
) -> None:
    day = Day(book, monkeypatch, catch_up=catch_up)
    day.server.error = error
    for clock in ("6:00", "7:00", "8:00"):
        day.at(clock)
    day.at("8:30")
    day.anew()
    day.server.error = None
    day.at("8:31")
    assert day.at("9:00") == missed
    assert day.server.hours() == started
    assert len(day.said) < 12, "what is tried again is said once"


def test_a_server_that_is_down_for_a_moment_misses_nothing(book, monkeypatch) -> None:
    day = Day(book, monkeypatch)
    day.server.error = errors.NetworkError("gone")
    assert day.at("6:00") == []
    day.server.error = None
    assert day.at("6:01") == []
    assert day.server.hours() == ["06"]


@pytest.mark.parametrize("error", [errors.PermissionDenied("may not"), errors.NotFound("no flow")])
def test_what_the_server_refuses_is_missed_by_its_words(book, monkeypatch, error) -> None:
    day = Day(book, monkeypatch, catch_up="all")
    day.server.error = error
    assert day.at("6:00") == ["06"]
    assert book.read()[0].missed[0].reason == str(error)


@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
def test_a_start_whose_answer_is_lost_is_not_made_again(book, monkeypatch, catch_up) -> None:
    day = Day(book, monkeypatch, catch_up=catch_up)
    day.server.lost = True
    assert day.at("6:00") == []
    day.anew()
    assert day.at("6:05") == []
    assert day.server.hours() == ["06"]
    assert book.read()[0].runs == []


def test_a_start_that_never_arrived_is_made_again(book, monkeypatch) -> None:
    day = Day(book, monkeypatch, catch_up="last")
    day.server.lost = True
    day.server.started = forgetful = Forgetful()
    day.at("6:00")
    day.server.lost, day.server.started = False, list(forgetful)
    day.at("6:01")
    day.at("6:02")
    assert day.server.hours() == ["06"]


def test_a_start_may_arrive_after_the_server_answers_again(book, monkeypatch) -> None:
    day = Day(book, monkeypatch, catch_up="last")
    day.server.lost = True
    day.server.started = queue = Forgetful()
    day.at("6:00")
    day.server.lost, day.server.error = False, errors.NetworkError("hung")
    day.at("6:30")
    day.server.error = None
    now = datetime(2026, 11, 30, 6, 31, tzinfo=UTC)
    day.monotonic = now.timestamp()
    day.scheduler.tick(now)  # it answers, and has not come to the start yet
    (arrived,) = queue.asked
    day.server.started = [arrived]
    assert day.at("6:32") == []
    assert day.server.hours() == ["06"]


class Forgetful(list):
    def __init__(self) -> None:
        self.asked = []

    def append(self, one) -> None:
        self.asked.append(one)


def test_a_pause_starts_nothing_and_misses_nothing(book, monkeypatch) -> None:
    day = Day(book, monkeypatch, catch_up="all")
    with book.changing() as entries:
        entries[0].paused = True
    assert day.at("8:00") == []
    assert day.server.started == []


def test_only_one_watch_keeps_a_book(book, monkeypatch) -> None:
    day = Day(book, monkeypatch)
    assert not book.is_watched()
    day.at("5:40")
    assert book.is_watched()
    other = Scheduler(day.server, book, day.said.append)
    assert other.tick(datetime(2026, 11, 30, 6, tzinfo=UTC)) == []
    assert day.server.started == []
    day.scheduler.close()
    other.tick(datetime(2026, 11, 30, 6, tzinfo=UTC))
    assert day.server.hours() == ["06"]
    other.close()


@pytest.mark.parametrize(("act", "right"), [("is_watched", False), ("keep", True)])
def test_who_asks_is_not_taken_for_a_watch(book, monkeypatch, act, right) -> None:
    found = []
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor() as threads:
        args = (stack,) if act == "keep" else ()

        @contextlib.contextmanager
        def while_held(path):
            with alone(path) as free:
                if not found:  # who asks first holds the lock now
                    found.append(threads.submit(getattr(book, act), *args))
                    concurrent.futures.wait(found, timeout=0.3)
                yield free

        monkeypatch.setattr(book_module, "alone", while_held)
        assert not book.is_watched()
        assert found[0].result(timeout=60) is right


def test_an_end_or_a_removal_ends_it(book, monkeypatch) -> None:
    day = Day(book, monkeypatch)
    with book.changing() as entries:
        entries[0].when = When(
            "cron", "0 0 * * * ?", "UTC", until=datetime(2026, 11, 30, 7, tzinfo=UTC)
        )
    for clock in ("6:00", "7:00", "8:00", "9:00"):
        day.at(clock)
    assert day.server.hours() == ["06", "07"]
    with book.changing() as entries:
        entries.clear()
    assert day.scheduler.tick(datetime(2026, 12, 30, tzinfo=UTC)) == []


def test_after_a_very_long_time_the_latest_are_made_up_for(book, monkeypatch) -> None:
    monkeypatch.setattr("azkaban_client.schedules.scheduler._MOST", 20)
    day = Day(book, monkeypatch, catch_up="all", options={"concurrency": "concurrent"})
    day.scheduler.tick(datetime(2027, 11, 30, 12, tzinfo=UTC))
    assert len(day.server.started) == 20
    assert len(book.read()[0].missed) == 100


# -- what azk watch tells ---------------------------------------------------------------------

RULES = """
[tell.me]
program = ["true"]
[[rule]]
on = ["missed"]
tell = ["me"]
"""


@pytest.fixture
def watching(book, tmp_path, monkeypatch):
    """Make a watch with a rule about missed runs; it keeps the schedules of the book."""
    rules = tmp_path / "watch.toml"
    rules.write_text(RULES)

    def make(server, text=RULES):
        rules.write_text(text)
        found = read(rules) if text else Rules({}, ())
        scheduler = Scheduler(server, book, lambda _: None)
        journal = Journal("http://x", rules)
        return Watcher(server, found, journal, lambda _: None, scheduler=scheduler)

    return make


def test_what_the_watch_misses_is_told_once(book, watching) -> None:
    daily = When("daily", "6:00", "UTC", until=datetime(2020, 1, 3, 12, tzinfo=UTC))
    with book.changing() as entries:
        entries.append(Entry("p", "f", "", daily, since="2020-01-01T12:00:00+00:00"))
    watcher = watching(Server())
    for _ in range(2):
        watcher.start_due()
    told = [(one.channel, one.event["kind"], one.event["due"]) for one in watcher.journal.pending]
    assert told == [
        ("me", "missed", "2020-01-02T06:00:00+00:00"),
        ("me", "missed", "2020-01-03T06:00:00+00:00"),
    ]
    watcher.scheduler.close()


@pytest.mark.parametrize("rules", [RULES, ""])
def test_what_the_server_misses_is_in_the_list_without_a_rule_as_well(
    book, watching, rules
) -> None:
    daily = When("daily", "6:00")
    with book.changing() as entries:
        entries.append(Entry("p", "f", "", daily, kept_by="server", server_id=7))
    server = Server()
    server.requests_made = 0
    server.projects = lambda: [SimpleNamespace(name="p"), SimpleNamespace(name="q")]
    server.flows = lambda _project: ("f",)
    watcher = watching(server, rules)
    for due in ("2020-01-01 06:00:00", "2099-01-02 06:00:00", "2099-01-02 06:00:00"):
        server.schedule_of = lambda *_, due=due: Schedule(id=7, next=due)
        watcher.round()
    assert [one.date for one in book.read()[0].missed] == ["2020-01-01 06:00:00"]
    told = [one.event["project"] for one in watcher.journal.pending]
    assert told == (["p", "q"] if rules else [])
    watcher.scheduler.close()


def test_a_full_disk_does_not_end_the_watch(book, watching, monkeypatch) -> None:
    watcher = watching(Server())

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watcher.scheduler, "tick", full)
    watcher.start_due()


def test_a_watch_without_rules_wants_a_schedule(azk, old) -> None:
    result = azk("watch", "--once")
    assert (result.code, "azk schedule made nothing that" in result.err) == (2, True)
    assert azk("schedule", "add", "p", "f", "--name", "n", "--daily", "6:00").code == 0
    assert azk("watch", "--once", "--json").json == {"told": []}


# -- the commands ----------------------------------------------------------------------------


class Old:
    """A server with schedules of 2.5: one for each flow, with a period or once."""

    def __init__(self, answer) -> None:
        self.answer, self.schedules, self.limits, self.asked = answer, {}, {}, []
        self.files: list[str] = []

    def __call__(self, asked):
        self.asked.append(asked)
        fields = asked.fields
        found = {
            "login": {"session.id": "s"},
            "fetchprojectflows": {"projectId": 10, "flows": [{"flowId": "f"}, {"flowId": "g"}]},
            "fetchProjectLogs": {
                "columns": ["user", "time", "type", "message"],
                "logData": [["me", 1000, "UPLOADED", f"Uploaded {name}"] for name in self.files],
            },
            "upload": {"projectId": "10", "version": "1"},
            "fetchflowgraph": {"flow": fields.get("flow"), "project": "p", "nodes": [{"id": "j"}]},
        }.get(asked.action, {})
        if asked.action == "upload":
            self.files = [fields["file"]]
        elif asked.action == "scheduleFlow":
            number = len(self.asked)
            period = f"{fields['period'][:-1]} day(s)" if "period" in fields else "null"
            self.schedules[fields["flow"]] = {
                "scheduleId": str(number), "period": period, "nextExecTime": "2027-01-02 06:00:00",
                "cronExpression": "null",
            }  # fmt: skip
            found = {"status": "success"}
        elif asked.action == "fetchSchedule" and fields["flowId"] in self.schedules:
            found = {"schedule": self.schedules[fields["flowId"]]}
        elif asked.action == "loadFlow":
            found = {
                "items": [
                    {"scheduleid": one["scheduleId"], "flowname": flow, "projectname": "p"}
                    for flow, one in self.schedules.items()
                ]
            }
        elif asked.action == "removeSched":
            kept = {
                flow: one
                for flow, one in self.schedules.items()
                if one["scheduleId"] != fields["scheduleId"]
            }
            self.schedules, found = kept, {"status": "success", "message": "removed"}
        elif asked.action == "slaInfo":
            found = {"allJobNames": ["j"], **self.limits.get(fields["scheduleId"], {})}
        elif asked.action == "setSla":
            job, rule, within, *_ = fields["settings[0]"].split(",")
            duration = f"{int(within[0]) * 60 + int(within[2:])}m"
            row = {"id": job, "rule": rule, "duration": duration, "actions": ["KILL"]}
            self.limits[fields["scheduleId"]] = {"settings": [row], "slaEmails": ["me@x"]}
        return self.answer(body=json.dumps(found))


@pytest.fixture
def old(azk, serve, answer, tmp_path, monkeypatch):
    server = Old(answer)
    monkeypatch.setenv("AZK_URL", serve(server).url)
    monkeypatch.setenv("AZK_USER", "me")
    (tmp_path / "pw").write_text("x\n")
    monkeypatch.setenv("AZK_PASSWORD_FILE", str(tmp_path / "pw"))
    monkeypatch.setenv("AZK_TIMEZONE", "UTC")
    version = property(lambda _: Version((2, 5, 0), (3, 1, 0)))
    monkeypatch.setattr("azkaban_client.client.Client.version", version)
    return server


def test_who_keeps_a_schedule_is_decided_by_what_it_needs(azk, old) -> None:
    result = azk("schedule", "add", "p", "f", "--daily", "06:00", "--json")
    assert result.json["kept_by"] == "server"
    assert result.json["id"] is not None
    assert "azk watch" not in result.err
    for options, reason in (
        (["--cron", "0 0 6 ? * 2#1"], "before 3.2 repeats a flow after a period alone"),
        (["--weekdays", "6:00"], "before 3.2"),
        (["--daily", "6:00", "--timezone", "Europe/Berlin"], "UTC, which changes its clocks"),
        (["--daily", "6:00", "--until", "2099-01-01"], "a server's schedule has no end"),
        (["--daily", "6:00", "--catch-up", "last"], "does not make up for missed runs"),
        (["--daily", "6:00", "--any-prop", "--prop", "day={date:%F}"], "does not know the date"),
    ):
        result = azk("schedule", "add", "p", "f", *options, "--json")
        assert (result.code, result.json["kept_by"]) == (0, "watch"), options
        assert "kept by azk watch, which must be running at its times: " in result.err
        assert reason in result.err
        assert "warning: no azk watch runs for this server" in result.err
        assert old.schedules == {}, "the server has it no longer"
        assert datetime.fromisoformat(result.json["next"]).utcoffset() is not None
    assert len(azk("schedule", "list", "--json").json) == 1
    assert azk("schedule", "add", "p", "f", "--daily", "06:00").code == 0
    (one,) = azk("schedule", "list", "--json").json
    assert (one["kept_by"], one["when"]) == ("server", "every day at 06:00")


def test_several_schedules_of_a_flow(azk, old) -> None:
    assert azk("schedule", "add", "p", "f", "--daily", "06:00").code == 0
    for name in ("noon", "night"):
        assert azk("schedule", "add", "p", "f", "--name", name, "--daily", "12:00").code == 0
    rows = azk("schedule", "list", "--json").json
    assert [(one["name"], one["kept_by"]) for one in rows] == [
        *(("", "server"), ("noon", "watch"), ("night", "watch")),
    ]
    result = azk("schedule", "remove", "p", "f", "--name", "evening")
    assert (result.code, "no schedule named 'evening' (made here: one without" in result.err) == (
        4,
        True,
    )
    assert azk("schedule", "remove", "p", "f").code == 0
    assert azk("schedule", "remove", "p", "f", "--name", "noon").code == 0
    result = azk("schedule", "remove", "p", "f")
    assert (result.code, "(made here: 'night'): --name NAME" in result.err) == (4, True)
    (one,) = azk("schedule", "list", "--json").json
    assert one["name"] == "night"
    assert azk("undeploy", "p", "--json").json["unscheduled"] == ["f/night"]
    assert azk("schedule", "list", "--json").json == []
    assert azk("schedule", "remove", "p", "f").code == 4
    assert azk("schedule", "add", "p", "f", "--name", "a/b", "--daily", "12:00").code == 2


def test_a_schedule_of_the_server_is_paused_and_resumed_as_it_was(azk, old) -> None:
    options = ("--daily", "06:00", "--any-prop", "--prop", "k=v", "--failure-email", "me@x")
    assert azk("schedule", "add", "p", "f", *options).code == 0
    assert azk("sla", "add", "p", "f", "j:1:30", "--kill").code == 0
    result = azk("schedule", "pause", "p", "f", "--json")
    assert (result.json["paused"], result.json["next"], old.schedules) == (True, None, {})
    assert "paused" in azk("schedule", "list").out
    assert azk("schedule", "next", "p", "f", "--json").json == []
    before = [one.fields for one in old.asked if one.action == "scheduleFlow"]
    result = azk("schedule", "resume", "p", "f", "--json")
    assert (result.json["paused"], result.json["kept_by"]) == (False, "server")
    (_, again) = [one.fields for one in old.asked if one.action == "scheduleFlow"]
    assert again == before[0]
    assert again["flowOverride[k]"] == "v"
    (limits,) = [old.limits[one["scheduleId"]] for one in old.schedules.values()]
    assert limits["settings"][0]["duration"] == "90m"
    result = azk("schedule", "resume", "p", "f")
    assert (result.code, "no schedule of p/f is paused" in result.err) == (4, True)


def limits_of(old: Old) -> list[str]:
    """The time limits of what the server has scheduled."""
    kept = (old.limits.get(one["scheduleId"], {}) for one in old.schedules.values())
    return [f"{row['id']} {row['duration']}" for one in kept for row in one.get("settings", ())]


def test_a_schedule_that_is_replaced_keeps_its_time_limits(azk, old) -> None:
    assert azk("schedule", "add", "p", "f", "--daily", "06:00").code == 0
    assert azk("sla", "add", "p", "f", "j:1:30", "--kill").code == 0
    result = azk("schedule", "add", "p", "f", "--daily", "07:00")
    assert (limits_of(old), "time limit" in result.err) == (["j 90m"], False)
    result = azk("schedule", "add", "p", "f", "--daily", "06:00", "--catch-up", "last")
    assert (old.schedules, "warning: p/f loses its time limits" in result.err) == ({}, True)


def test_azk_watch_keeps_time_limits_where_it_can_set_them(azk, old, monkeypatch) -> None:
    version = property(lambda _: Version((4, 0, 0), None))
    monkeypatch.setattr("azkaban_client.client.Client.version", version)
    assert azk("schedule", "add", "p", "f", "--every", "1d").code == 0
    assert azk("sla", "add", "p", "f", "j:1:30", "--kill").code == 0
    for _ in range(2):
        result = azk("schedule", "add", "p", "f", "--every", "1d", "--catch-up", "last")
        assert (old.schedules, "time limits" in result.err) == ({}, False)
    assert azk("schedule", "pause", "p", "f").code == 0
    assert azk("schedule", "resume", "p", "f").code == 0
    (entry,) = Book(os.environ["AZK_URL"]).read()
    assert entry.limits["limits"][0]["within"] == 5400
    assert azk("schedule", "add", "p", "f", "--every", "1d").code == 0
    assert limits_of(old) == ["j 90m"]


def test_a_run_of_azk_watch_has_its_schedules_time_limits(book, monkeypatch) -> None:
    rows = [
        {"job": job, "rule": "finish", "within": 60.0, "email": True, "kill": False}
        for job in (None, "j", "gone")
    ]
    day = Day(book, monkeypatch, limits={"limits": rows, "emails": ["me@x"]})
    graph = SimpleNamespace(walk=lambda: [SimpleNamespace(id="j")])
    day.server.flow = lambda *_: graph
    day.at("6:00")
    (given,) = day.server.options
    assert [(one.job, one.within.seconds) for one in given["sla"]] == [(None, 60), ("j", 60)]
    assert given["sla_emails"] == ["me@x"]


def test_a_pause_takes_nothing_off_the_server_that_others_made_meanwhile(azk, old) -> None:
    assert azk("schedule", "add", "p", "f", "--daily", "06:00").code == 0
    assert azk("schedule", "pause", "p", "f").code == 0
    others = {"scheduleId": "7", "period": "1 day(s)", "nextExecTime": "2099-01-02 06:00:00"}
    old.schedules["f"] = others
    assert azk("schedule", "pause", "p", "f").code == 0
    assert old.schedules == {"f": others}


def test_a_schedule_that_was_not_made_here_is_not_paused(azk, old) -> None:
    old.schedules["f"] = {
        "scheduleId": "7", "period": "1 day(s)", "nextExecTime": "2099-01-02 06:00:00"
    }  # fmt: skip
    result = azk("schedule", "pause", "p", "f")
    assert (result.code, "was not made by azk on this machine" in result.err) == (5, True)
    assert "f" in old.schedules
    assert azk("schedule", "pause", "p", "g").code == 4
    (one,) = azk("schedule", "list", "--json").json
    assert (one["id"], one["when"], one["missed"]) == (7, "every 1 day(s)", [])
    times = azk("schedule", "next", "p", "f", "-n", "2", "--json").json
    assert times == ["2099-01-02T06:00:00.000Z", "2099-01-03T06:00:00.000Z"]
    assert azk("schedule", "next", "p", "g").code == 4


def test_the_next_times_in_the_zone_of_the_schedule(azk, old) -> None:
    options = ("--cron", "0 0 6 1 4 ? 2099", "--timezone", "Europe/Berlin")
    assert azk("schedule", "add", "p", "f", *options).code == 0
    assert azk("schedule", "next", "p", "f", "-n", "5").out.splitlines() == [
        "next",
        "Wed 2099-04-01 06:00:00 +0200",
    ]
    assert azk("schedule", "pause", "p", "f").code == 0
    assert "is paused" in azk("schedule", "next", "p", "f").err
    assert "2099-04-01T06:00:00+02:00" in azk("schedule", "resume", "p", "f").out


def test_missed_runs_are_in_the_list(azk, old) -> None:
    assert azk("schedule", "add", "p", "f", "--name", "n", "--daily", "12:00").code == 0
    book = Book(os.environ["AZK_URL"])
    for date in ("2026-11-29T12:00:00+00:00", "2026-11-30T12:00:00+00:00"):
        with book.changing() as entries:
            entries[0].miss(date, "the run before it was not over")
    (one,) = azk("schedule", "list", "--json").json
    assert one["missed"][1] == {
        "date": "2026-11-30T12:00:00+00:00", "reason": "the run before it was not over",
        "told": False,
    }  # fmt: skip
    shown = azk("schedule", "list").out
    assert "2, last 2026-11-30T12:00:00+00:00 (the run before it was not over)" in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "say when: --daily, --weekdays, --every, --cron or --at"),
        (["--catch-up", "all"], "--catch-up all: is for --daily"),
        (["--daily", "6:00", "--any-prop", "--prop", "logical.date=x"], "each run gets its own"),
        (["--at", "yesterday 6:00"], "'tomorrow 06:00'"),
        (["--daily", "6:00", "--timezone", "Mars/Base"], "knows no such time zone"),
        (["--daily", "6:00", "--name", "n", "--only", "k"], "has no job 'k'"),
    ],
)
def test_what_cannot_be_scheduled_is_named(azk, old, options, words) -> None:
    result = azk("schedule", "add", "p", "f", *options)
    assert (result.code, words in result.err) == (4 if "--only" in options else 2, True), result.err
    assert old.schedules == {}
    assert not Book(os.environ["AZK_URL"]).path.exists()


@pytest.mark.parametrize("options", [[], ["--name", "n"]])
def test_a_flow_that_is_not_there_is_not_scheduled(azk, old, options) -> None:
    result = azk("schedule", "add", "p", "nosuch", "--daily", "6:00", *options)
    assert (result.code, "nosuch" in result.err) == (4, True), result.err
    assert not Book(os.environ["AZK_URL"]).path.exists()


def test_deploy_makes_the_same_schedules(azk, old, tmp_path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "f.job").write_text("type=noop\n")
    (folder / "azk.toml").write_text(
        '[deploy]\nweekdays = "6:00"\ntimezone = "Europe/Berlin"\ncatch_up = "last"\n'
    )
    dry = azk("deploy", "p", "--dry-run", "--json")
    assert (dry.code, dry.json["schedule"]) == (0, None), dry.err
    assert "kept by azk watch" in dry.err
    assert azk("schedule", "list", "--json").json == []
    first = azk("deploy", "p", "--json")
    assert (first.code, first.json["scheduled"]) == (0, True), first.err
    (one,) = azk("schedule", "list", "--json").json
    assert one == first.json["schedule"]
    assert (one["catch_up"], one["when"]) == ("last", "Monday to Friday at 6:00, Europe/Berlin")
    assert any("no azk watch runs" in words for words in first.json["warnings"])
    (folder / "azk.toml").write_text(
        '[deploy]\nat = "2099-01-01T06:00"\nevery = "1d"\ntimezone = "UTC"\n'
    )
    for scheduled in (True, False):
        one = azk("deploy", "p", "--json").json
        assert (one["scheduled"], one["schedule"]["kept_by"]) == (scheduled, "server")
    (folder / "azk.toml").write_text(
        '[deploy]\nweekdays = "6:00"\ntimezone = "Europe/Berlin"\ncatch_up = "last"\n'
    )
    assert azk("deploy", "p", "--json").json["scheduled"]
    again = azk("deploy", "p", "--json")
    assert (again.json["uploaded"], again.json["scheduled"]) == (False, False)
    assert azk("deploy", "p", "--catch-up", "all", "--json").json["schedule"]["catch_up"] == "all"
    moved = azk(
        "deploy", "p", "--daily", "7:00", "--timezone", "UTC", "--catch-up", "none", "--json"
    )
    assert (moved.json["scheduled"], moved.json["schedule"]["kept_by"]) == (True, "server")
    assert len(azk("schedule", "list", "--json").json) == 1
    (folder / "azk.toml").write_text('[deploy]\ncatch_up = "often"\ndaily = "6:00"\n')
    result = azk("deploy", "p", "--dry-run")
    assert "catch_up = 'often': expected none, last or all" in result.err
    assert result.code == 2
