"""Settings: the order of their sources, and what belongs to which server."""

from __future__ import annotations

import json
import stat
from dataclasses import asdict
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from azkaban_client import _home, state
from azkaban_client.config import ConfigError, config_file, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path) -> Path:
    (tmp_path / "config/azk").mkdir(parents=True)
    (tmp_path / "work/deep").mkdir(parents=True)
    return tmp_path


def settings(home, flags=None, **env):
    env = {"XDG_CONFIG_HOME": str(home / "config"), **env}
    return load(flags or {}, env=env, folder=home / "work/deep")


def test_defaults(home) -> None:
    found = settings(home)
    assert (found["url"], found["timeout"], found["insecure"]) == (None, 60.0, False)
    assert {s.source for s in found.values.values()} == {"default"}


def test_the_order_of_sources(home) -> None:
    user = home / "config/azk/config.toml"
    project = home / "work/azk.toml"
    user.write_text('url = "http://user"\n')
    assert settings(home)["url"] == "http://user"
    project.write_text('url = "http://project"\n')
    found = settings(home)
    assert found["url"] == "http://project"
    assert found.values["url"].source == f"file {project}"
    found = settings(home, AZK_URL="http://variable")
    assert found["url"] == "http://variable"
    assert found.values["url"].source == "environment AZK_URL"
    found = settings(home, {"url": "http://option"}, AZK_URL="http://variable")
    assert (found["url"], found.values["url"].source) == ("http://option", "option")


def test_a_project_that_only_says_how_it_is_deployed_hides_no_settings(home) -> None:
    (home / "work/azk.toml").write_text('url = "http://above"\n')
    (home / "work/deep/azk.toml").write_text('[deploy]\nproject = "deep"\n')
    assert settings(home)["url"] == "http://above"
    (home / "work/deep/azk.toml").write_text('timeout = 5\n[deploy]\nproject = "deep"\n')
    found = settings(home)
    assert (found["url"], found["timeout"]) == (None, 5.0)


def test_another_configuration_file(home) -> None:
    other = home / "other.toml"
    other.write_text('url = "http://other"\npassword_file = "secret"\n')
    found = settings(home, AZK_CONFIG=str(other))
    assert found["url"] == "http://other"
    assert found["password_file"] == str(home / "secret")
    with pytest.raises(ConfigError, match="no such file"):
        settings(home, AZK_CONFIG=str(home / "nosuch"))


def test_credentials_stay_with_their_server(home) -> None:
    (home / "config/azk/config.toml").write_text(
        'url = "http://mine"\nusername = "me"\npassword_file = "/secret"\naddress = "127.0.0.1"\n'
        "timeout = 5\n"
    )
    assert settings(home)["password_file"] == "/secret"
    (home / "work/azk.toml").write_text('url = "http://stranger"\n')
    found = settings(home)
    assert found["url"] == "http://stranger"
    assert (found["username"], found["password_file"], found["address"]) == (None, None, None)
    assert found["timeout"] == 5.0
    found = settings(home, {"url": "http://mine"})
    assert found["password_file"] == "/secret"


def test_named_servers(home) -> None:
    (home / "config/azk/config.toml").write_text(
        'server = "a"\ntimeout = 9\n[servers.a]\nurl = "http://a"\nusername = "ua"\n'
        '[servers.b]\nurl = "http://b"\n'
    )
    found = settings(home)
    assert (found["url"], found["username"], found["timeout"]) == ("http://a", "ua", 9.0)
    found = settings(home, AZK_SERVER="b")
    assert (found["url"], found["username"]) == ("http://b", None)
    with pytest.raises(ConfigError, match=r"no \[servers\.c\]"):
        settings(home, {"server": "c"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url = ", "cannot be read"),
        ("ulr = 'x'", "ulr: unknown.*known: server, url"),
        ("password = 'x'", "no password is kept in this file"),
        ("timeout = 'soon'", "expected a number of seconds"),
        ("timeout = -1", "expected a number of seconds"),
        ("insecure = 'maybe'", "expected true or false"),
        ("url = 3", "expected text"),
        ("known = 3", "expected a list of names"),
        ("servers = 3", "expected tables"),
        ("[servers.a]\nfoo = 1", r"\[servers\.a\] foo: unknown"),
    ],
)
def test_bad_files(home, text, words) -> None:
    path = home / "work/azk.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        settings(home)
    assert str(path) in str(caught.value)


def test_a_relative_base_folder_counts_as_none(home, monkeypatch) -> None:
    """As XDG's specification has it; or a session would be kept wherever one works."""
    assert config_file({"XDG_CONFIG_HOME": "here"}).is_absolute()
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    monkeypatch.setenv("HOME", str(home))
    assert _home.state("sessions") == home / ".local/state/azk/sessions"


def test_sessions_are_private_and_per_server(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    saved = state.Saved("http://a", "me", "secret", "127.0.0.1")
    assert state.recall("http://a") is None
    state.remember(saved)
    assert state.recall("http://a") == saved
    assert state.recall("http://b") is None
    (path,) = (tmp_path / "azk/sessions").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for odd in ("a\r\nb", "", 7):  # what no header can hold
        path.write_text(json.dumps({**asdict(saved), "session_id": odd}))
        assert state.recall("http://a") is None
    path.write_text('{"url": ')
    assert state.recall("http://a") is None
    assert state.forget("http://a")
    assert not state.forget("http://a")


def _write_many(name: str) -> None:
    for number in range(200):
        state.remember(state.Saved("http://a", name, f"{name}{number}" * 50, None))


def test_two_processes_share_the_sessions(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    state.remember(state.Saved("http://a", "x", "x0", None))
    context = get_context("fork")
    writers = [context.Process(target=_write_many, args=(name,)) for name in "xy"]
    for writer in writers:
        writer.start()
    seen = 0
    while any(writer.is_alive() for writer in writers):
        (path,) = (p for p in (tmp_path / "azk/sessions").glob("*.json"))
        assert json.loads(path.read_text())["url"] == "http://a"
        seen += 1
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen
    assert len(list((tmp_path / "azk/sessions").iterdir())) == 1


def test_a_current_folder_that_was_deleted_is_named(tmp_path, monkeypatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="the current folder was deleted"):
        load({}, env={})
