"""The supervisor, and the files that start it with the machine."""

from __future__ import annotations

import os
import shlex
import signal
import tomllib
from typing import TYPE_CHECKING

import pytest

from setup import cli
from setup.errors import ServerError, SetupError, UsageError
from setup.layout import CHECKOUT, Layout
from setup.life import service, supervise
from setup.life.status import Status

if TYPE_CHECKING:
    from pathlib import Path

# Debian's crontab needs a set-gid program; this one keeps the table in a file.
CRONTAB = """#!/bin/sh
case "$1" in
-l) test ! -e "$0.broken" || { echo "cannot lock the spool" >&2; exit 1; }
    cat "$0.table" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
-) cat > "$0.table" ;;
esac
"""


@pytest.fixture
def bin_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but this folder: no systemd, no cron."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def test_without_systemd_and_cron_the_command_is_named(ours: Layout, bin_only: Path) -> None:
    with pytest.raises(
        SetupError, match=r"neither a user systemd nor crontab(.|\n)*/azkaban-jobflow supervise"
    ):
        service.install(ours)


@pytest.fixture
def table(bin_only: Path) -> Path:
    """The file of a crontab that has no lines yet."""
    program = bin_only / "crontab"
    program.write_text(CRONTAB)
    program.chmod(0o755)
    (bin_only / "cat").symlink_to("/bin/cat")
    return bin_only / "crontab.table"


def test_a_crontab_that_cannot_be_read_is_not_written(ours: Layout, table: Path) -> None:
    service.install(ours)  # where there is none, it is made
    assert table.read_text() == f"{service.crontab_line(ours)}\n"
    table.write_text("0 5 * * * backup\n")
    table.with_suffix(".broken").touch()
    with pytest.raises(SetupError, match="nothing is written there: cannot lock the spool"):
        service.install(ours)
    assert not service.installed(ours)
    assert table.read_text() == "0 5 * * * backup\n"


def test_crontab_gets_one_line_and_keeps_the_users(ours: Layout, table: Path) -> None:
    users = b"0 5 * * * backup\n0 6 * * * tidy /srv/caf\xe9\n"  # in no encoding of today's
    table.write_bytes(users)
    ours.client_config.parent.mkdir(exist_ok=True)
    own = '\n[deploy]\nproject = "p"\n'  # what follows a table belongs to it
    ours.client_config.write_text(f'url = "http://h"\nservice = false\n{own}')
    service.install(ours)
    service.install(ours)
    text = ours.client_config.read_text()
    assert tomllib.loads(text) == {"url": "http://h", "service": True, "deploy": {"project": "p"}}
    assert table.read_bytes() == users + f"{service.crontab_line(ours)}\n".encode()
    service.remove(ours)
    assert table.read_bytes() == users
    assert "service = false" in ours.client_config.read_text()


SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$0.log"
case "$*" in *is-active*) test ! -e "$0.dead" ;; esac
"""


def test_each_prefix_has_a_unit_of_its_own(
    ours: Layout,
    bin_only: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only what systemd is told is seen; docs/reference/setup.md has what a real one did."""
    program = bin_only / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.0)
    other = Layout(tmp_path / "q", tmp_path / "cache")
    service.install(ours)
    assert "keeps its options" not in capsys.readouterr().err
    service.install(ours, ["--restart-hung"])
    assert f"systemctl --user restart {service.unit_name(ours)}" in capsys.readouterr().err
    service.install(ours)
    service.install(other)
    units = tmp_path / ".config/systemd/user"
    assert {path.read_text() for path in units.iterdir()} == {
        service.unit(ours),
        service.unit(other),
    }
    service.remove(other)
    assert [path.name for path in units.iterdir()] == [service.unit_name(ours)]
    told = (bin_only / "systemctl.log").read_text().splitlines()
    assert f"--user enable --now {service.unit_name(ours)}" in told
    assert f"--user disable --now {service.unit_name(other)}" in told
    assert f"--user disable --now {service.unit_name(ours)}" not in told
    (bin_only / "systemctl.dead").touch()
    with pytest.raises(SetupError, match=r"ended at once; journalctl --user -u azkaban-jobflow-"):
        service.install(ours)


def test_what_the_unit_says(ours: Layout) -> None:
    """It names the command in the environment, which stays where products come and go."""
    command = f"{ours.env}/bin/azkaban-jobflow supervise --prefix {ours.prefix}"
    lines = service.unit(ours).splitlines()
    assert f"ExecStart={command}" in lines
    assert "KillMode=process" in lines, "servers outlive their supervisor"
    assert service.crontab_line(ours).startswith(f"@reboot {command} >> ")


def test_options_of_the_supervisor_reach_it_through_unit_and_crontab(ours: Layout) -> None:
    """Both replace more in a command than a shell does."""
    alert = """mail -s "a'b" -r "$USER" x@y%z\\"""
    options = ["--restart-hung", "--alert", alert]
    [line] = [x for x in service.unit(ours, options).splitlines() if x.startswith("ExecStart=")]
    assert line.endswith(
        r""" --restart-hung --alert "mail -s \"a'b\" -r \"$$USER\" x@y%%z\\" """.strip()
    )
    cron = service.crontab_line(ours, options)
    command = cron.removeprefix("@reboot ").partition(" >> ")[0].replace(r"\%", "%")
    assert shlex.split(command)[-3:] == options
    assert "%" not in cron.replace(r"\%", "")
    with pytest.raises(UsageError, match="one line of printable text"):
        service.unit(ours, ["--alert", "a\nb"])


# What is done about servers that die, do not start, or hang


class Site:
    """Servers that exist only as what is seen of them; each look is one of a list."""

    def __init__(self, ours: Layout, looks: list[dict[str, str]], starts: list[str] = ()) -> None:
        self.record = supervise.pid_file(ours.prefix)
        self.looks, self.starts = iter(looks), iter(starts)
        self.done: list[str] = []
        self.shown: list[str] = []
        self.prefix = ours.prefix

    def look(self) -> list[Status]:
        self.shown.append(supervise.trouble(self.prefix))
        found = next(self.looks, None)
        if found is None:
            os.kill(os.getpid(), signal.SIGTERM)
            return []
        return [Status(name, state, 7, 1, "", None, "why") for name, state in found.items()]

    def up(self) -> None:
        self.done.append("up")
        if words := next(self.starts, ""):
            raise ServerError(words)

    def run(self, **policy) -> None:
        backoff = supervise.Backoff(first=0.0, most=3)
        servers = supervise.Servers(
            self.look, self.up, lambda: None, lambda one: self.done.append(f"end {one.server}")
        )
        before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            supervise.run(self.record, servers, supervise.Policy(backoff=backoff, **policy))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


GOOD, DOWN, HUNG = {"web": "running"}, {"web": "down"}, {"web": "unresponsive"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "CHECK_SECONDS", 0.0)


def test_a_restart_that_fails_is_no_death(
    ours: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is tried again and again, with an alert, and never given up."""
    told = tmp_path / "told"
    site = Site(ours, [DOWN] * 9 + [GOOD], ["", *["no\nmore"] * 8])
    site.run(alert=f"cat >> {told}")
    said = capsys.readouterr().err
    assert said.count("web went down (web: why); restart in 0 s") == 1
    assert said.count("web is still down; next try in 0 s") == 8
    assert "the restart failed (8 in a row): no" in said
    assert site.done == ["up"] * 10
    [alert, recovered] = told.read_text().splitlines()
    assert (
        alert
        == f"azkaban-jobflow in {ours.prefix}: web could not be restarted 3 times in a row: no"
    )
    assert recovered.endswith(": all servers run and answer again")
    assert [bool(text) for text in site.shown] == [False] * 3 + [True] * 7 + [False]
    assert supervise.trouble(ours.prefix) == ""


def test_many_deaths_are_worth_one_alert_and_restarts_go_on(
    ours: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(ours, [DOWN, GOOD] * 2 + [DOWN] * 3 + [GOOD])
    site.run(alert="exit 3")
    said = capsys.readouterr().err
    assert said.count("ALERT: web went down 3 times in 10 minutes (web: why): restarts go on") == 1
    assert said.count("web went down (web: why); restart in 0 s") == 5
    assert said.count("the command of --alert failed: ") == 2
    assert site.done == ["up"] * 6


def test_pauses_grow_to_a_limit() -> None:
    backoff = supervise.Backoff(first=1.0, longest=5.0, most=3)
    assert [backoff.death(now) for now in (0.0, 1.0, 2.0, 3.0)] == [1.0, 2.0, 4.0, 5.0]
    assert backoff.pause(10_000) == 5.0


def test_a_server_that_hangs_is_noticed_and_left_to_a_person(
    ours: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervise, "HUNG_SECONDS", 0.0)
    site = Site(ours, [GOOD, HUNG, HUNG, GOOD])
    site.run()
    said = capsys.readouterr().err
    assert said.count("ALERT: web (pid 7) runs, but has not answered for 0 s: why; supervise") == 1
    assert "web answers again" in said
    assert site.done == ["up"]
    assert "--restart-hung" in site.shown[2]


def test_a_short_silence_is_no_hang(ours: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    Site(ours, [HUNG, HUNG, GOOD, HUNG, GOOD]).run(restart_hung=True)
    assert capsys.readouterr().err == ""


def test_a_server_that_hangs_is_restarted_if_asked(
    ours: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervise, "HUNG_SECONDS", 0.0)
    site = Site(ours, [GOOD, HUNG, DOWN, GOOD])
    site.run(restart_hung=True)
    assert site.done == ["up", "end web", "up"]
    assert "it is ended and started again" in capsys.readouterr().err


def test_the_commands_of_the_page_about_faults_are_commands() -> None:
    lines = (CHECKOUT / "docs" / "reference" / "faults.md").read_text(encoding="utf-8").splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("azkaban-jobflow ")]
    found = [cli._parser().parse_args(command) for command in commands]
    assert [(one.command, one.restart_hung, one.alert) for one in found] == [
        (name, True, "mail -s azkaban me@example.org") for name in ("supervise", "service")
    ]
