"""`azk deploy`: when a flow runs, what has changed, what is refused before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from azkaban_client._session import Version
from azkaban_client.cli._projects import Content
from azkaban_client.deploy import contents
from azkaban_client.deploy.contents import Changes, Sent
from azkaban_client.files import write_private
from azkaban_client.flow.collect import collect
from azkaban_client.flow.zip import Bundle

if TYPE_CHECKING:
    from pathlib import Path

# -- what has changed ------------------------------------------------------------------------


def test_what_has_changed(tmp_path) -> None:
    old = Sent({"a": "1", "b": "2", "c": "3"})
    new = Sent({"a": "1", "b": "9", "d": "4"})
    assert contents.changes(old, new.digest, new) == Changes()
    assert contents.changes(None, new.digest, new) == Changes()
    assert contents.changes(old, old.digest, new) == Changes(("d",), ("b",), ("c",))
    for seen in (None, "0123456789abcdef"):  # another upload since then
        assert contents.changes(old, seen, new) == Changes(("a", "b", "d"), known=False)


def test_a_hash_depends_on_all_that_the_server_gets(tmp_path) -> None:
    def digest(**files: bytes) -> str:
        return Sent(contents.files_of(Bundle(files))).digest

    first = digest(a=b"1", b=b"2")
    assert first == digest(b=b"2", a=b"1")
    assert len({first, digest(a=b"12", b=b""), digest(a=b"1", c=b"2"), digest(a=b"1")}) == 4
    (tmp_path / "run.sh").write_text("x")
    plain = Sent(contents.files_of(collect(tmp_path))).digest
    (tmp_path / "run.sh").chmod(0o755)
    assert Sent(contents.files_of(collect(tmp_path))).digest != plain


def test_what_is_kept_may_be_damaged(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    sent = Sent({"a": "1"})
    assert contents.recall("http://h", "p") is None
    contents.remember("http://h", "p", sent)
    assert contents.recall("http://h", "p") == sent
    assert contents.recall("http://h", "q") is None
    (kept,) = tmp_path.glob("azk/deployed/*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    for text in (
        "",
        "[]",
        "{}",
        '{"files": 1}',
    ):
        kept.write_text(text)
        assert contents.recall("http://h", "p") is None


# -- the command -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "rec56548"
    place.mkdir()
    (place / "b.job").write_text("type=command\ncommand=echo ${greet}\n")
    (place / "b.properties").write_text("greet=hi\n")
    (place / "azk.toml").write_text("[deploy]\n")
    (place / "runs/local/1/b").mkdir(parents=True)
    (place / "runs/local/1/b/run.json").write_text("{}")
    return place


def test_deployed_on_a_4_0(azk, server, folder) -> None:
    looks = ("server status", "fetchProjectLogs", "fetchSchedule, none")
    cron = "0 23/30 5 ? * 6#3"
    options = (str(folder), "--cron", cron, "--notify", "mail:me@example.org")
    server.play(*looks)
    result = azk("deploy", *options, "--dry-run", "--json")
    assert (result.code, result.json["uploaded"], result.json["version"]) == (0, False, None)
    assert not {"upload", "scheduleCronFlow"} & {asked.action for asked in server.asked}
    assert (
        "other files than those of the last upload (Uploaded project files zip p.zip" in result.err
    )
    uploads = ("fetchProjectLogs", "upload")
    before = ("fetchprojectflows", "fetchSchedule, none")
    schedules = ("fetchprojectflows", "scheduleCronFlow", "fetchprojectflows", "fetchSchedule")
    server.play(*looks, *uploads, *before, *schedules)
    result = azk("deploy", *options, "--json")
    assert result.code == 0, result.err
    assert (result.json["uploaded"], result.json["version"], result.json["files"]) == (True, 1, 2)
    assert (result.json["scheduled"], result.json["schedule"]["cron"]) == (True, cron)
    sent = {asked.action: asked.fields for asked in server.asked}
    assert contents.digest_in(sent["upload"]["file"]) is not None
    assert sent["scheduleCronFlow"]["failureEmails"] == "me@example.org"
    assert result.json["warnings"] == [
        "the time is that of the server's clock, whose time zone is not known here",
        "whether this server sends mail is not known here (azk.toml: mail = true)",
    ]


def test_what_the_settings_say_will_not_work(azk, server, folder, monkeypatch) -> None:
    for name, value in (("MAIL", "false"), ("SERVICE", "false"), ("TIMEZONE", "Asia/Tokyo")):
        monkeypatch.setenv(f"AZK_{name}", value)
    (folder / "azk.toml").write_text('[deploy]\ndaily = "06:00"\nnotify = ["mail:me@x"]\n')
    server.play("server status", "fetchProjectLogs", "fetchSchedule, none")
    result = azk("deploy", str(folder), "--timezone", "UTC", "--dry-run")
    assert result.code == 0, result.err
    for words in (
        "06:00 in UTC is 15:00 there",
        "this server sends no mail",
        "after a restart of its machine this server does not run",
    ):
        assert f"warning: {words}" in result.err.replace("the server counts in Asia/Tokyo: ", "")


def test_what_runs_have_left_is_no_part_of_a_project(folder) -> None:
    assert sorted(Content().files(folder)) == ["b.job", "b.properties"]
    assert Content().bundle(folder).names == ("b.job", "b.properties")
    (folder / "runs/local/1/b/run.json").unlink()
    (folder / "runs/table.csv").write_text("1")  # a folder of the user's that is called so
    assert sorted(Content().files(folder)) == ["b.job", "b.properties", "runs/table.csv"]


def test_files_of_a_project_by_its_table(azk, server, folder, tmp_path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/x.py").write_text("")
    (folder / "note.ipynb").write_text("{}")
    (folder / "b.properties").write_text("greet=${cluster.name}\n")
    (folder / "azk.toml").write_text(
        "[deploy]\nwith = ['../lib', 'own=../lib']\nexclude = ['*.ipynb']\nknown = ['cluster.*']\n"
    )
    server.play("fetchProjectLogs", "fetchSchedule, none")
    result = azk("deploy", str(folder), "--dry-run", "--json")
    assert result.code == 0, result.err
    assert result.json["changes"]["added"] == ["b.job", "b.properties", "lib/x.py", "own/x.py"]


def test_files_that_look_like_secrets_are_named(azk, server, folder) -> None:
    for name in (".env", ".env.local", "sub/id_rsa", "a.pem", "keys.csv", "id_rsa.pub"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    server.play("fetchProjectLogs", "fetchSchedule, none")
    words = "a secret by its name, and all who may read the project can read it: --exclude"
    for result in (azk("deploy", str(folder), "--dry-run"), azk("lint", str(folder))):
        told = result.out + result.err
        for name in (".env", ".env.local", "a.pem"):
            assert f"{name}: warning: {words} {name}\n" in told
        assert f"sub/id_rsa: warning: {words} id_rsa\n" in told
        assert told.count(words) == 4
    server.play("fetchProjectLogs", "fetchSchedule, none")
    out = ("--exclude", ".env*", "--exclude", "*.pem", "--exclude", "sub")
    result = azk("deploy", str(folder), "--dry-run", "--json", *out)
    assert "secret" not in result.err


def test_a_state_that_cannot_be_kept_stops_nothing(azk, server, folder, tmp_path) -> None:
    (tmp_path / "state").write_text("no folder")
    server.play("fetchProjectLogs", "fetchSchedule, none", "fetchProjectLogs", "upload")
    result = azk("deploy", str(folder), "--json")
    assert (result.code, result.json["uploaded"]) == (0, True)
    assert "warning: what was deployed is not kept" in result.err


def test_a_time_on_another_clock_is_told(azk, server, folder, monkeypatch) -> None:
    for zone, told in (("Pacific/Kiritimati", True), ("Pacific/Niue", True), ("nosuch", False)):
        monkeypatch.setenv("AZK_TIMEZONE", zone)
        server.play("server status", "fetchProjectLogs", "fetchSchedule, none")
        result = azk("deploy", str(folder), "--daily", "6:00", "--dry-run", "--json")
        assert result.code == 0, result.err
        assert any("this machine has another time" in w for w in result.json["warnings"]) is told


@pytest.mark.parametrize(
    ("args", "toml", "code", "words"),
    [
        (["--daily", "6"], "", 2, "--daily '6': expected a time of day"),
        (["--daily", "6:00", "--every", "1d"], "", 2, "give one of"),
        (["--daily", "6:00", "--notify", "slack:https://x"], "", 2, "the address is a secret"),
        (["--daily", "6:00", "--notify", "chat:/no/x"], "", 2, "there is no file /no/x"),
        (["--daily", "6:00", "--notify", "chat:/etc/passwd"], "", 2, "may be read by others"),
        (["--daily", "6:00", "--notify", "pager:x"], "", 2, "expected mail:ADDRESS, one"),
        (["--notify", "mail:me@x"], "", 2, "give --daily"),
        (["--daily", "6:00", "--notify", "mail:a@x, b@x"], "", 2, "one address"),
        (["--daily", "6:00", "--notify", "me@x"], "", 2, "expected mail:ADDRESS"),
        (["--flow", "nosuch"], "", 4, "the project has no flow 'nosuch' (its flows: b)"),
        (["--project", "1 x"], "", 2, "a project's name begins with a letter"),
        ([], "[deploy]\ndayly = '6:00'\n", 2, "[deploy] dayly: unknown (known: "),
        ([], "[deploy]\ndaily = 6\n", 2, "daily = 6: expected text"),
        ([], "[deploy]\nnotify = 'x'\n", 2, "notify = 'x': expected a list of texts"),
        ([], "deploy = 1\n", 2, "expected a table [deploy]"),
        ([], "[deploy\n", 2, "azk.toml: cannot be read"),
    ],
)
def test_what_is_refused_before_a_server_is_asked(
    azk, server, folder, args, toml, code, words
) -> None:
    (folder / "azk.toml").write_text(toml)
    result = azk("deploy", str(folder), *args)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert server.asked == []


def test_a_chat_wants_a_file_of_rules(azk, server, folder, tmp_path) -> None:
    write_private(tmp_path / "chat", "slack://x\n")
    result = azk("deploy", str(folder), "--daily", "6:00", "--notify", f"chat:{tmp_path / 'chat'}")
    assert (result.code, server.asked) == (2, [])
    assert "name the file with its rules as watch = ..." in result.err


def test_several_flows_and_files_with_errors(azk, server, folder) -> None:
    (folder / "c.job").write_text("type=noop\n")
    result = azk("deploy", str(folder))
    assert result.code == 4
    assert "which flow? The project has b, c: --flow NAME" in result.err
    (folder / "c.job").write_text("type=noop\ndependencies=nosuch\n")
    result = azk("deploy", str(folder))
    assert result.code == 2
    assert "nothing is deployed: 1 error(s)" in result.err
    assert server.asked == []


def test_files_that_are_sent_before_a_schedule_is_refused(azk, server, folder) -> None:
    looks = ("server status", "fetchProjectLogs", "fetchSchedule, none")
    server.play(*looks, "fetchProjectLogs", "upload", "fetchprojectflows")
    server.queue.append("scheduleCronFlow, bad expression")
    result = azk("deploy", str(folder), "--cron", "0 0 5 31 12 ?")
    assert (result.code, result.out) == (5, "")
    assert "the files are on the server, the schedule is not changed" in result.err
    assert "can not be parsed to quartz cron" in result.err


def test_what_a_2_5_cannot_do_is_said_before_anything_is_sent(
    azk, serve, answer, monkeypatch, tmp_path
) -> None:
    server = serve(lambda _: answer(body='{"session.id": "s"}'))
    monkeypatch.setenv("AZK_URL", server.url)
    monkeypatch.setenv("AZK_USER", "me")
    (tmp_path / "pw").write_text("x\n")
    version = property(lambda _: Version((2, 5, 0), (3, 1, 0)))
    monkeypatch.setattr("azkaban_client.client.Client.version", version)
    assert azk("new", "p", "--template", "flow2").code == 0
    result = azk("--password-file", "pw", "deploy", "p", "--daily", "6:00")
    assert result.code == 5
    assert "needs Azkaban 3.43 or later; this server is 2.5.0 or later" in result.err
    assert server.actions() == []


def test_the_table_of_a_project_does_not_disturb_other_commands(azk, folder, monkeypatch) -> None:
    (folder / "azk.toml").write_text('timeout = 7\n[deploy]\ndaily = "6:00"\n')
    monkeypatch.chdir(folder)
    assert json.loads(azk("config", "show", "--json").out)["timeout"]["value"] == 7


def test_undeploy_a_folder_by_its_table(azk, server, folder) -> None:
    (folder / "azk.toml").write_text('[deploy]\nproject = "rec56517"\n')
    assert "rec56517 needs --yes" in azk("undeploy", str(folder), "--delete").err
    for given, name in ((str(folder), "rec56517"), ("rec56599", "rec56599")):
        server.play("fetchprojectflows", "fetchSchedule, none")
        result = azk("undeploy", given, "--json")
        assert result.json == {"project": name, "unscheduled": [], "deleted": False}
