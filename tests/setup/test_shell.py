"""Completion and man pages come from the parsers; what is installed for a user goes away again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from setup import cli
from setup.called import NAME
from setup.errors import UsageError
from setup.layout import Layout
from setup.shell import commands, completion, man, program, tree

TREE = tree.of_argparse(cli._parser(), (NAME,))
ALL = list(TREE.walk())


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A prefix with the `azk` of these tests, for a user whose home folder is empty."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    found = Layout(tmp_path / "prefix", tmp_path / "cache")
    found.create(need=0)
    (found.env / "bin").mkdir(parents=True)
    found.python.symlink_to(sys.executable)
    (found.env / "lib").symlink_to(Path(sys.prefix) / "lib")
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", found.env)
    (found.env / "bin" / "azk").symlink_to(Path(sys.executable).with_name("azk"))
    return found


def _files(home: Path) -> list[str]:
    return sorted(str(p.relative_to(home)) for p in home.rglob("*") if not p.is_dir())


def _install(layout: Layout) -> int:
    return commands._install(layout, cli._parser)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["mysql", "st"], ["start", "status", "stop"]),
        (["up", "--profile", ""], ["server", "solo"]),
        (["up", "--port", "80", "--li"], ["--listen"]),
        (["service", "in"], ["install"]),
        (["mysql", "start", "--pre"], ["--prefix"]),
        (["de"], ["demo"]),
        (["shell", "completion", ""], ["--help", "--prefix", "-h", "bash", "fish", "zsh"]),
    ],
    ids=" ".join,
)
def test_bash_completes(typed: list[str], offered: list[str], tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(completion.script("bash", TREE))
    ask = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _azkaban_jobflow\n'
    ask += 'printf "%s\\n" "${COMPREPLY[@]}"'
    result = subprocess.run(
        ["bash", "-c", ask, "bash", str(script), NAME, *typed],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    assert sorted(result.stdout.split()) == offered


@pytest.mark.parametrize("shell", list(completion.SHELLS))
def test_each_shell_knows_every_command_and_option(shell: str) -> None:
    """At its own place: the options of one command are not offered at another."""
    text = completion.script(shell, TREE)
    assert len(ALL) > 40
    for command in ALL:
        at = re.escape(" ".join(command.path[1:]))
        if shell == "fish":
            lines = re.findall(rf"-n '__azkaban_jobflow_at \"{at}\"' (.*)", text)
            offered = {
                re.sub(r"^(?:-f -a |-s |-l )", "", line.split(" -d ")[0]).replace(" -l ", " ")
                for line in lines
            }
            offered = {word for line in offered for word in line.split()}
        else:
            words = re.search(rf'^ +"{at}"\) (?:words|found)=[("](.*)[)"] ;;', text, re.MULTILINE)
            assert words, command.path
            offered = set(re.findall(r"'?(--?[\w-]+|[a-z][\w-]*)(?=[ :']|$)", words[1]))
        wanted = {sub.path[-1] for sub in command.commands}
        wanted |= {flag for one in command.parameters for flag in one.flags}
        bare = {word.lstrip("-") for word in offered}
        assert {word.lstrip("-") for word in wanted} <= bare, (command.path, offered)


def test_man_pages_have_every_command_and_option() -> None:
    page = man.page(TREE, "sets up", "1.0")
    assert "python3 -m setup" not in page.replace("\\-", "-")
    for command in ALL[1:]:
        start = page.index(f".SS {' '.join(command.path)}".replace("-", "\\-") + "\n")
        section = page[start + 1 :].partition("\n.SS ")[0]
        for one in command.parameters:
            for flag in one.flags:
                assert flag.replace("-", "\\-") in section, (command.path, flag)
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi"}


def test_text_that_roff_would_read_is_plain() -> None:
    command = tree.Command((NAME,), ".conf is a file\n'quoted' a\\b --all")
    text = man.page(command, "x", "1").partition(".SH DESCRIPTION\n")[2]
    assert text.startswith("\\&.conf is a file\n\\&'quoted' a\\eb \\-\\-all\n")


def test_what_is_installed_is_removed_again(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Path(os.environ["HOME"])
    assert _install(layout) == 0
    first = _files(home)
    assert first == [
        ".config/fish/completions/azk.fish",
        ".config/fish/completions/azkaban-jobflow.fish",
        ".local/bin/azk",
        ".local/bin/azkaban-jobflow",
        ".local/share/bash-completion/completions/azk",
        ".local/share/bash-completion/completions/azkaban-jobflow",
        ".local/share/man/man1/azk.1",
        ".local/share/man/man1/azkaban-jobflow.1",
        ".local/share/zsh/site-functions/_azk",
        ".local/share/zsh/site-functions/_azkaban-jobflow",
    ]
    said = capsys.readouterr().err
    assert f'export PATH="{home}/.local/bin:$PATH"' in said
    assert f"fpath=({home}/.local/share/zsh/site-functions $fpath)" in said
    for name in ("_azk", "_azkaban-jobflow"):
        text = (home / ".local/share/zsh/site-functions" / name).read_text()
        assert text.startswith(f"#compdef {name[1:]}\n"), "zsh reads it in the first line"
    assert (home / ".local/bin/azkaban-jobflow").resolve() == program.place(layout).resolve()
    assert ".SS azk run" in (home / ".local/share/man/man1/azk.1").read_text()
    assert _install(layout) == 0
    assert _files(home) == first
    assert commands._remove(layout, None) == 0  # type: ignore[arg-type]
    assert _files(home) == []


def test_files_of_the_users_own_stay(layout: Layout) -> None:
    home = Path(os.environ["HOME"])
    theirs = home / ".local" / "bin" / "azk"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match=r"\.local/bin/azk was not made by this program"):
        _install(layout)
    assert _files(home) == [".local/bin/azk"]
    theirs.unlink()
    mine = home / ".config" / "fish" / "completions" / "azk.fish"
    mine.parent.mkdir(parents=True)
    mine.write_text("complete -c azk\n")
    with pytest.raises(UsageError, match=r"azk\.fish was not made by this program"):
        _install(layout)
    commands._remove(layout, None)  # type: ignore[arg-type]
    assert _files(home) == [".config/fish/completions/azk.fish"]


def test_a_prefix_that_goes_takes_its_own_along(layout: Layout, tmp_path: Path) -> None:
    home = Path(os.environ["HOME"])
    _install(layout)
    other = Layout(tmp_path / "other", layout.cache)
    commands.forget(other)
    assert len(_files(home)) == 10
    commands.forget(layout)
    assert _files(home) == []
