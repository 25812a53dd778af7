"""Other systems than Linux on x86_64: one sentence, before anything is downloaded or made."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from setup import cli, platforms
from setup.bundle import make
from setup.layout import CHECKOUT, Layout
from setup.python import layers

if TYPE_CHECKING:
    from pathlib import Path

# Starts a folder or an archive as Python does on another system, which lacks some modules.
_START = """
import importlib.abc, runpy, sys
import zipimport, zipfile, subprocess, tempfile  # before the modules are gone
class Lacking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "grp", "pwd", "resource", "termios"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Lacking())
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules.pop(name, None)
system, place = sys.argv[1:3]
sys.argv = [place, *sys.argv[3:]]
sys.platform = system
runpy.run_path(place, run_name="__main__")
"""


def _start(system: str, place: Path, home: Path, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", _START, system, str(place), *arguments],
        env={**os.environ, "HOME": str(home), "AZK_HOME": str(home / "p"), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3, result.stderr
    assert list(home.iterdir()) == []
    return result.stderr


@pytest.mark.parametrize(("system", "name"), [("darwin", "macOS"), ("win32", "Windows")])
@pytest.mark.parametrize("command", ["up", "demo", "--help"])
def test_another_system_gets_one_sentence(
    system: str, name: str, command: str, tmp_path: Path
) -> None:
    said = _start(system, CHECKOUT / "setup", tmp_path, command)
    assert said.startswith(f"setup: on {name} no servers are set up")
    assert "azk run --local" in said
    assert said.count("\n") == 1


def test_an_archive_says_the_same_there(tmp_path: Path) -> None:
    layout, home = Layout(tmp_path / "prefix", tmp_path / "cache"), tmp_path / "home"
    layout.create(need=0)
    home.mkdir()
    archive = tmp_path / "azkaban-jobflow.pyz"
    make.write(layout, make.Selection(thin=True), archive, print)
    said = _start("win32", archive, home, "demo")
    assert said.startswith(f"{archive.name}: on Windows no servers are set up")
    assert said.count("\n") == 1


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with processors of another kind."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setenv("AZK_ALLOW_ROOT", "1")
    monkeypatch.delenv("AZK_HOME", raising=False)


def test_on_x86_64_nothing_is_said() -> None:
    assert platforms.limits() == ""


def test_aarch64_is_told_what_works_before_the_environment_is_made(
    arm: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Stopped(Exception):  # noqa: N818 (ends the test's run)
        """The environment would be made now."""

    def enter(*_: object) -> None:
        said = capsys.readouterr().err
        assert "on Linux for aarch64, where this was not tried" in said
        assert said.count("\n") == 1
        raise Stopped

    monkeypatch.setattr(layers, "enter", enter)
    with pytest.raises(Stopped):
        cli.main(["up", "--prefix", str(tmp_path / "p")])
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("command", "way"),
    [
        (["up", "--mysql"], "--basedir"),
        (["demo", "--profile", "server"], "--basedir"),
        (["azkaban", "start", "--profile", "server"], "--basedir"),
        (["mysql", "init"], "--basedir"),
        (["mysql", "start"], "--basedir"),
        (["python", "install", "--from", "maven"], "--from running"),
    ],
)
@pytest.mark.usefixtures("arm")
def test_what_is_for_x86_64_alone_is_refused_elsewhere(
    command: list[str],
    way: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(layers, "enter", lambda *_: pytest.fail("something would be downloaded"))
    assert cli.main([*command, "--prefix", str(tmp_path / "p")]) == 3
    said = capsys.readouterr().err
    assert "MySQL and the Python of Maven Central are for x86_64 with glibc" in said
    assert way in said
    assert not (tmp_path / "p").exists()


def test_a_libc_that_wheels_are_not_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert "on Linux for x86_64 without glibc" in platforms.limits()
