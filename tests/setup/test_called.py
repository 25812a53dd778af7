"""Messages name the command as this user types it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from setup.called import as_called, called
from setup.layout import CHECKOUT, Layout
from setup.shell import program

if TYPE_CHECKING:
    from pathlib import Path

_MODULES = sorted((CHECKOUT / "setup").rglob("*.py"))
_COMMAND = re.compile(
    r"(?<![\w/.@-])(?<!-m )setup (up|stop|demo|test|env|status|logs|wipe|supervise|service|doctor|"
    r"azkaban|mysql|tls|spark|python|bom)\b"
)


def _texts(module: Path) -> list[str]:
    """List the strings of a module that are no docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_no_message_has_the_name_of_the_command_written_into_it() -> None:
    comments = "# Hands an application to Spark"
    found = [
        f"{module.relative_to(CHECKOUT)}: {text}"
        for module in _MODULES
        for text in _texts(module)
        if _COMMAND.search(text) and comments not in text
    ]
    # A message's own beginning, but for the start that is only that of a checkout.
    found += [
        f"{module.relative_to(CHECKOUT)}: {text}"
        for module in _MODULES
        for text in _texts(module)
        if text.startswith("setup: ") and module.name != "__main__.py"
    ]
    assert found == []


@pytest.mark.parametrize(
    ("started", "name"),
    [
        ("/src/setup/__main__.py", "python3 -m setup"),
        ("/home/me/.azkaban-jobflow/product/0a/setup", "azkaban-jobflow"),
        ("/usr/bin/pytest", "python3 -m setup"),
    ],
)
def test_the_name_follows_the_start(
    started: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [started, "up"])
    assert called() == name
    assert as_called("  python3 -m setup up --port 9000") == f"  {name} up --port 9000"


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The command of a prefix whose environment is the one of these tests."""
    layout = Layout(tmp_path / "it's a prefix", tmp_path / "cache")
    (layout.env / "bin").mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    program.write(layout)
    return program.place(layout)


def test_the_command_works_from_any_folder_and_names_itself(command: Path, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "azkaban-jobflow"
    link.parent.mkdir()
    link.symlink_to(command)
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AZK_HOME": str(tmp_path / "other")}
    result = subprocess.run(
        [str(link), "doctor"], cwd="/", env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert f"{tmp_path}/other: no installation there; run azkaban-jobflow up" in result.stderr
    for arguments in (["--help"], ["mysql", "--help"], ["tls", "--help"]):
        shown = subprocess.run(
            [str(link), *arguments],
            cwd="/",
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "python3 -m setup" not in shown.stdout


def test_the_command_serves_its_own_prefix_and_says_when_that_is_gone(command: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/"}
    run = [str(command), "doctor"]
    result = subprocess.run(run, env=environ, capture_output=True, text=True, check=False)
    assert f"prefix {str(command.parents[2])!r}: the character" in result.stderr
    (command.parent / "python").unlink()
    result = subprocess.run(run, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert "is gone: start it where it came from again" in result.stderr
