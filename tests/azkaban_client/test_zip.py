"""Project zips."""

from __future__ import annotations

import os
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.collect import collect
from azkaban_client.flow.zip import Bundle, extract

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path) -> Path:
    root = tmp_path / "checkout"
    files = {
        "flows/nn/nn.job": "type=command\ncommand=./run.sh\n",
        "flows/nn/nn.properties": "epochs=20\n",
        "flows/nn/run.sh": "#!/bin/sh\n",
        "flows/nn/.git/config": "x",
        "flows/nn/own/pyvenv.cfg": "home = /usr/bin",
        "flows/nn/own/lib/x.py": "",
        "jobs/__init__.py": "",
        "jobs/train.py": "print()\n",
        "jobs/__pycache__/train.cpython-311.pyc": "x",
        "core/nn/__init__.py": "",
        "core/nn/data.csv": "1,2\n",
        "core/.mypy_cache/x.json": "{}",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "flows/nn/run.sh").chmod(0o755)
    return root


def packed(project: Path, **options) -> Bundle:
    return collect(project / "flows/nn", [project / "jobs", project / "core"], **options)


def test_the_project_at_the_root_and_folders_beside_it(project) -> None:
    assert packed(project).names == (
        "core/nn/__init__.py",
        "core/nn/data.csv",
        "jobs/__init__.py",
        "jobs/train.py",
        "nn.job",
        "nn.properties",
        "run.sh",
    )


def test_same_files_same_bytes(project, tmp_path) -> None:
    first = packed(project).write(tmp_path / "a.zip").read_bytes()
    for path in project.rglob("*"):
        os.utime(path, (time.time() + 99, time.time() + 99))
    (project / "jobs/__pycache__/other.pyc").write_text("y")
    assert packed(project).write(tmp_path / "b.zip").read_bytes() == first


def test_modes_are_kept(project, tmp_path) -> None:
    with zipfile.ZipFile(packed(project).write(tmp_path / "a.zip")) as archive:
        modes = {i.filename: oct(i.external_attr >> 16 & 0o777) for i in archive.infolist()}
        assert archive.read("jobs/train.py") == b"print()\n"
    assert modes["run.sh"] == "0o755"
    assert modes["nn.job"] == "0o644"


def test_patterns(project) -> None:
    assert "core/nn/data.csv" not in packed(project, exclude=["*.csv"]).names
    assert "core/nn/data.csv" not in packed(project, exclude=["core/**/*.csv"]).names
    assert "core/nn/data.csv" in packed(project, exclude=["core/*.csv"]).names
    assert packed(project, exclude=["nn"]).names[0] == "jobs/__init__.py"
    assert packed(project, include=["*.job", "jobs/**"]).names == (
        "jobs/__init__.py",
        "jobs/train.py",
        "nn.job",
    )


def test_a_name_may_be_given(project) -> None:
    bundle = collect(project / "flows/nn", [f"lib/py={project / 'jobs'}"])
    assert "lib/py/train.py" in bundle.names


def test_nothing_is_written_beside_the_files(project) -> None:
    before = sorted(project.rglob("*"))
    with packed(project).temporary("nn.zip") as path:
        assert path.name == "nn.zip"
        assert zipfile.is_zipfile(path)
        assert project not in path.parents
    assert not path.exists()
    assert sorted(project.rglob("*")) == before


def test_a_failed_write_leaves_the_old_zip(project, tmp_path, monkeypatch) -> None:
    target = tmp_path / "out" / "a.zip"
    target.parent.mkdir()
    target.write_text("old")
    bundle = packed(project)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Bundle, "_write_to", full)
    with pytest.raises(OSError, match="No space left"):
        bundle.write(target)
    assert [p.name for p in target.parent.iterdir()] == ["a.zip"]
    assert target.read_text() == "old"


def test_bad_folders(project, tmp_path) -> None:
    with pytest.raises(InvalidProject, match="no such folder"):
        collect(tmp_path / "nosuch")
    with pytest.raises(InvalidProject, match="no such file or folder"):
        collect(project / "flows/nn", [tmp_path / "nosuch"])
    with pytest.raises(InvalidProject, match="no file is left"):
        collect(project / "flows/nn", exclude=["*"])
    with pytest.raises(InvalidProject, match=r"nn\.job: both"):
        collect(project / "flows/nn", [f"nn.job={project / 'flows/nn/nn.properties'}"])


def test_links(project) -> None:
    nn = project / "flows/nn"
    (nn / "linked.csv").symlink_to(project / "core/nn/data.csv")
    assert collect(nn).read("linked.csv") == b"1,2\n"
    (nn / "loop").symlink_to(nn)
    with pytest.raises(InvalidProject, match="a link back"):
        collect(nn)
    (nn / "loop").unlink()
    (nn / "broken").symlink_to(nn / "nosuch")
    with pytest.raises(InvalidProject, match="does not exist"):
        collect(nn)


def test_extract_gives_the_files_back(project, tmp_path) -> None:
    path = packed(project).write(tmp_path / "a.zip")
    written = extract(path, tmp_path / "out")
    assert len(written) == 7
    assert (tmp_path / "out/run.sh").stat().st_mode & 0o100
    assert collect(tmp_path / "out").names == packed(project).names
    with pytest.raises(FileExistsError, match="exists"):
        extract(path, tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "..\\evil", "a\\..\\..\\evil"]
)
def test_no_entry_leaves_the_folder(tmp_path, name) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.job", "type=noop")
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(InvalidProject, match="leads out of the folder"):
        extract(path, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["bad.zip"]


def test_an_entry_that_leads_through_a_folder_above_is_refused(tmp_path) -> None:
    """The server would look for the folder x, which nothing makes."""
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x/./../b.job"), "type=noop")
    with pytest.raises(InvalidProject, match=r"'x/./../b.job' leads through .*: call it 'b.job'"):
        Bundle.from_zip(path)


def test_a_link_in_a_zip_is_refused(tmp_path) -> None:
    path = tmp_path / "bad.zip"
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    for read in (Bundle.from_zip, lambda p: extract(p, tmp_path / "out")):
        with pytest.raises(InvalidProject, match="is a link"):
            read(path)


def test_a_zip_that_is_a_bomb_is_refused(tmp_path, monkeypatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(3 << 20))
    assert Bundle.from_zip(path).names == ("zeros",), "a small one is none"
    monkeypatch.setattr("azkaban_client.flow.zip._SMALL", 2 << 20)
    for read in (Bundle.from_zip, lambda p: extract(p, tmp_path / "out")):
        with pytest.raises(InvalidProject, match=r"unpacks to 3 MB, from \d+ bytes"):
            read(path)


def test_a_damaged_zip(project, tmp_path) -> None:
    path = packed(project).write(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    data[data.index(b"jobs/train.py") + len("jobs/train.py") + 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InvalidProject, match=r"damaged|not a usable zip"):
        extract(path, tmp_path / "out")
    path.write_bytes(b"not a zip")
    for read in (Bundle.from_zip, lambda p: extract(p, tmp_path / "out2")):
        with pytest.raises(InvalidProject, match="not a usable zip"):
            read(path)


@pytest.mark.parametrize(
    "names", [("d", "d/e/a.job"), ("d/e/a.job", "d"), ("d/e", "x", "d/e/a.job")]
)
def test_a_file_that_has_files_in_it_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"type=noop\n")
    with pytest.raises(InvalidProject, match=r"is a file and has 'd/e/a\.job' in it"):
        Bundle.from_zip(tmp_path / "p.zip")


def test_a_name_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    for length, fine in ((127, True), (128, False)):
        with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
            archive.writestr(f"{'é' * length}/a.job", b"type=noop\n")
        if fine:
            assert len(Bundle.from_zip(tmp_path / "p.zip").names) == 1
        else:
            with pytest.raises(InvalidProject, match="more than 255 bytes"):
                Bundle.from_zip(tmp_path / "p.zip")


@pytest.mark.parametrize(
    "name", ["../../x.zip", "a/b.zip", "/x/y.zip", "a b.zip", "é" * 300 + ".zip"]
)
def test_a_temporary_zip_stays_in_its_folder(name) -> None:
    """A project's name is part of it, and may be anything until a server refuses it."""
    with Bundle({"a.job": b"type=noop\n"}).temporary(name) as path:
        assert path.parent.name.startswith("azk-")
        assert path.suffix == ".zip"
        assert path.is_file()
