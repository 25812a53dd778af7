"""The service files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup import service
from setup.errors import SetupError
from setup.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

# Debian's crontab needs a set-gid program; this one keeps the table in a file.
CRONTAB = """#!/bin/sh
case "$1" in
-l) cat "$0.table" 2>/dev/null || exit 1 ;;
-) cat > "$0.table" ;;
esac
"""


@pytest.fixture
def ours(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "p", tmp_path / "cache")
    made.create(need=0)
    return made


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
        SetupError, match=r"neither a user systemd nor crontab(.|\n)*-m setup supervise"
    ):
        service.install(ours)


def test_crontab_gets_one_line_and_keeps_the_users(
    ours: Layout, bin_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = bin_only / "crontab"
    program.write_text(CRONTAB)
    program.chmod(0o755)
    (bin_only / "cat").symlink_to("/bin/cat")
    table = bin_only / "crontab.table"
    table.write_text("0 5 * * * backup\n")
    service.install(ours)
    service.install(ours)
    lines = table.read_text().splitlines()
    assert lines == ["0 5 * * * backup", service.crontab_line(ours)]
    service.remove(ours)
    assert table.read_text() == "0 5 * * * backup\n"


def test_unit_is_one_that_systemd_accepts(ours: Layout, tmp_path: Path) -> None:
    text = service.unit(ours)
    keys = [line.split("=")[0] for line in text.splitlines() if "=" in line]
    assert keys == [
        "Description",
        "WorkingDirectory",
        "ExecStart",
        "Restart",
        "RestartSec",
        "WantedBy",
    ]
    assert f"ExecStart={ours.python} -m setup supervise --prefix {ours.prefix}" in text
