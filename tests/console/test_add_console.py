"""The console beside a server's own files."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from azkaban_client.console_files import ADDRESS, add
from azkaban_client.console_files import files as files_to_install

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The folders of a distribution."""
    for name in ("conf", "lib", "web/js/azkaban/view", "web/css"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "web/js/azkaban/view/flow.js").write_text("stock")
    (tmp_path / "web/favicon.ico").write_text("stock")
    return tmp_path


def files(server: Path) -> dict[str, str]:
    return {
        str(path.relative_to(server)): path.read_text()
        for path in server.rglob("*")
        if path.is_file() and "js/console" not in str(path)
    }


def add_by_azk(server: Path, package: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run ``azk console add`` as an administrator does."""
    return subprocess.run(
        [sys.executable, "-c", "from azkaban_client.cli import main; main()", "console", "add",
         str(server)],
        cwd=server,
        env={**os.environ, "PYTHONPATH": str(package), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("part", ["", "web"])
def test_the_stock_files_are_left_alone(server: Path, part: str) -> None:
    before = files(server)
    page = add(server / part)
    assert page == server / "web" / ADDRESS
    assert 'src="app.js"' in page.read_text()
    assert files(server) == before


def test_a_newer_console_takes_the_place_of_the_old(server: Path) -> None:
    page = add(server)
    (page.parent / "old.js").write_text("of an earlier version")
    add(server)
    assert not (page.parent / "old.js").exists()


def test_other_folders_are_refused(server: Path) -> None:
    with pytest.raises(ValueError, match="no folder of an Azkaban server"):
        add(server / "lib")
    assert list((server / "lib").iterdir()) == []
    with pytest.raises(ValueError, match="no folder of an Azkaban server"):
        add(server / "none")
    (server / "web/js/console").mkdir()
    (server / "web/js/console/mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="something else than the console"):
        add(server)
    assert (server / "web/js/console/mine.txt").read_text() == "mine"


def test_a_folder_that_others_may_change_gets_no_console(server: Path) -> None:
    (server / "web/js").chmod(0o777)
    with pytest.raises(ValueError, match=f"{server}/web/js may be changed by everybody.*AZK_TRUST"):
        add(server)
    assert not (server / "web/js/console").exists()


def test_a_console_that_cannot_be_written_leaves_the_old_one(server: Path) -> None:
    page = add(server)
    text = page.read_text()
    page.parent.parent.chmod(0o555)
    try:
        done = add_by_azk(server)
    finally:
        page.parent.parent.chmod(0o755)
    if os.geteuid():  # root writes everywhere
        assert done.returncode == 2
        assert "Permission denied" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert page.read_text() == text
    assert [path.name for path in page.parent.parent.glob(".*")] == []


def test_azk_says_where_the_console_is(server: Path) -> None:
    done = add_by_azk(server)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == server / "web" / ADDRESS
    assert f"it is at /{ADDRESS} of that server" in done.stderr
    done = add_by_azk(server / "conf")
    assert done.returncode == 2
    assert "no folder of an Azkaban server" in done.stderr
    assert done.stdout == ""


def test_the_wheel_holds_the_console(
    server: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "package")
    tops = {path.name for path in (folder / "package").iterdir()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"azkaban_client"}
    assert add_by_azk(server, folder / "package").returncode == 0
    installed = server / "web" / "js" / "console"
    found = {p.name: p.read_bytes() for p in installed.rglob("*") if p.is_file()}
    assert found == files_to_install()
