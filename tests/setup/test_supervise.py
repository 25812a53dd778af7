"""The service files, and the doctor on made-up trouble."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from setup import doctor, service
from setup.azkaban import program
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


def test_doctor_finds_an_open_password_file(ours: Layout) -> None:
    ours.azkaban.mkdir()
    secret = ours.azkaban / "admin.password"
    secret.write_text("x")
    secret.chmod(0o644)
    [found] = [f for f in doctor.examine(ours) if f.check == "file modes"]
    assert not found.ok
    subprocess.run(["/bin/sh", "-c", found.fix], check=True)
    [found] = [f for f in doctor.examine(ours) if f.check == "file modes"]
    assert found.ok


def test_doctor_finds_a_changed_jar(ours: Layout) -> None:
    home = program.folder(ours)
    (home / "lib").mkdir(parents=True)
    jar = home / "lib" / "h2-1.3.176.jar"
    jar.write_bytes(b"right")
    sha256 = hashlib.sha256(b"right").hexdigest()
    record = program.Program("2.5.0", True, {}, {}, {"lib/h2-1.3.176.jar": sha256}, "")  # noqa: FBT003 (fields in their order)
    (home / "program.json").write_text(json.dumps(asdict(record)))
    [found] = [f for f in doctor.examine(ours) if f.check == "jars"]
    assert found.ok
    jar.write_bytes(b"changed")
    [found] = [f for f in doctor.examine(ours) if f.check == "jars"]
    assert not found.ok
    assert "h2-1.3.176.jar" in found.detail
    assert "setup up" in found.fix


def test_doctor_finds_a_clock_that_went_back(ours: Layout) -> None:
    logs = ours.azkaban / "logs"
    logs.mkdir(parents=True)
    (logs / "azkaban.log").touch()
    assert next(f for f in doctor.examine(ours) if f.check == "clock").ok
    ahead = (logs / "azkaban.log").stat().st_mtime + 4000
    os.utime(logs / "azkaban.log", (ahead, ahead))
    found = next(f for f in doctor.examine(ours) if f.check == "clock")
    assert not found.ok
    assert "behind the newest log" in found.detail
