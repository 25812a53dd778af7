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


def test_crontab_gets_one_line_and_keeps_the_users(
    ours: Layout, bin_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = bin_only / "crontab"
    program.write_text(CRONTAB)
    program.chmod(0o755)
    (bin_only / "cat").symlink_to("/bin/cat")
    table = bin_only / "crontab.table"
    table.write_text("0 5 * * * backup\n")
    ours.client_config.parent.mkdir(exist_ok=True)
    ours.client_config.write_text('url = "http://h"\nservice = false\n')
    service.install(ours)
    service.install(ours)
    assert ours.client_config.read_text() == 'url = "http://h"\nservice = true\n'
    lines = table.read_text().splitlines()
    assert lines == ["0 5 * * * backup", service.crontab_line(ours)]
    service.remove(ours)
    assert table.read_text() == "0 5 * * * backup\n"
    assert "service = false" in ours.client_config.read_text()


SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$0.log"
case "$*" in *is-active*) test ! -e "$0.dead" ;; esac
"""


def test_each_prefix_has_a_unit_of_its_own(
    ours: Layout, bin_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of systemd it is only seen what it is told; what a real one did is in docs/setup.md."""
    program = bin_only / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.0)
    other = Layout(tmp_path / "q", tmp_path / "cache")
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
