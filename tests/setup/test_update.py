"""What an update is careful about, without a server (with one: tests/live/test_update.py)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from setup import cli, release
from setup.azkaban import Server, busy, upgrade
from setup.errors import ServerError, SetupError, UsageError
from setup.life import update
from setup.life.process import Process
from setup.python import layers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.layout import Layout


@pytest.mark.parametrize(
    ("number", "version", "wrong"),
    [
        (release.FORMAT, "0.0.9", ""),
        (0, "99.0", ""),  # the format counts first
        (release.FORMAT, "99.0", "refused"),
        (release.FORMAT, "0.1.99", "refused"),
        (release.FORMAT + 1, "0.0.1", "refused"),
    ],
)
def test_the_prefix_of_a_later_release_is_refused(
    ours: Layout, number: int, version: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        release, "current", lambda: release.Release("0.1.2", release.FORMAT, "/ours")
    )
    record = {"version": version, "format": number, "checkout": "/theirs"}
    ours.marker.write_text(json.dumps(record))
    if not wrong:
        release.refuse_newer(ours)
    else:
        with pytest.raises(SetupError, match=rf"release {version} in /theirs.*0\.1\.2, in /ours"):
            release.refuse_newer(ours)


def test_a_prefix_of_the_first_release_has_an_empty_record_and_is_not_refused(
    ours: Layout,
) -> None:
    assert ours.marker.read_text() == ""
    assert release.made_by(ours) == release.Release("0.1.0", 0, "")
    release.refuse_newer(ours)
    release.record(ours)
    assert release.made_by(ours) == release.current()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', "\ufffd"])
def test_a_damaged_record_is_one_message(
    ours: Layout, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_ALLOW_ROOT", "1")
    ours.marker.write_text(text)
    for command in ("update", "env"):
        assert cli.main([command, "--prefix", str(ours.prefix)]) == 3
        assert f"{ours.marker} cannot be read" in capsys.readouterr().err


def test_what_cannot_be_saved_is_not_updated_and_runs_again(
    ours: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []
    monkeypatch.setattr(update, "_start", lambda _, saved: started.append(saved.azkaban))
    (ours.prefix / "backups").write_text("where a folder goes")
    with pytest.raises(SetupError, match=r"could not be saved .*nothing was changed"):
        update._save(ours, "0.1.0", (True, False))
    assert started == [True]


@pytest.fixture(params=["executions/12/project", "executors/executor-2/executions/12"])
def job(ours: Layout, request: pytest.FixtureRequest) -> Iterator[Process]:
    """A program that works where a job of execution 12 does, of the first or another executor."""
    folder = ours.azkaban / request.param
    folder.mkdir(parents=True)
    environ = {"PATH": os.environ["PATH"]}
    process = Process.start(
        ["sleep", "600"], folder=folder, log=ours.prefix / "job.log", environ=environ
    )
    yield process
    process.stop()


def test_an_environment_is_not_changed_under_jobs(
    ours: Layout,
    job: Process,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert busy.executions(Server(ours)) == {12}
    monkeypatch.setenv("AZK_ALLOW_ROOT", "1")
    monkeypatch.setattr(layers, "ensure", lambda *_, **__: pytest.fail("it was changed"))
    for command in (["up"], ["env"], ["mysql", "start"]):
        assert cli.main([*command, "--prefix", str(ours.prefix)]) == 2
        assert f"jobs of execution 12 use the environment of {ours.prefix}" in (
            capsys.readouterr().err
        )
    with pytest.raises(UsageError, match=r"execution 12 would be lost.*--wait.*--force"):
        update.update(ours)
    assert job.alive()


@pytest.mark.parametrize("recorded", ["gone", ""])
def test_an_interrupted_upgrade_does_not_go_back_to_a_state_of_another_time(
    ours: Layout, recorded: str, tmp_path: Path
) -> None:
    server = Server(ours)
    older = server.home / "backups" / "20260101T000000.0"
    (older / "program").mkdir(parents=True)
    (older / "backup.json").write_text('{"version": "2.5.0"}')
    server.mixed.file.write_text(str(tmp_path / recorded) if recorded else "")
    with pytest.raises(ServerError, match="the state before it is not there any more"):
        upgrade.upgrade(server, None)  # type: ignore[arg-type] # it is not needed so far
    assert (older / "program").is_dir()
    assert server.mixed.interrupted


@pytest.mark.parametrize("recorded", ["gone", ""])
def test_an_update_says_where_there_is_nothing_to_go_back_to(
    ours: Layout, recorded: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    mark = release.mixed(ours)
    mark.file.write_text(str(tmp_path / recorded) if recorded else "")
    monkeypatch.setattr(update, "_have_it_idle", lambda *_, **__: (False, False))
    monkeypatch.setattr(layers, "ensure", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        update.update(ours)
    err = capsys.readouterr().err
    assert "the state before it is not there any more" in err
    assert "going on from what is there" in err
    assert "going back first" not in err
