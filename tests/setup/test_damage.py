"""An environment that has lost files is repaired by the next command, with a real installer."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from setup import cli, doctor
from setup.layout import Layout
from setup.python import damage, layers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """An environment with a package that the user has added."""
    layout = Layout(tmp_path_factory.mktemp("damage") / "p", Layout.of().cache)
    layers.ensure(layout)
    (_site(layout) / "of_the_user.py").write_text("")
    assert damage.lost(layout.env) == {}
    return layout


def _site(layout: Layout) -> Path:
    return next(layout.env.glob("lib/python3*/site-packages"))


def _imports(layout: Layout, name: str) -> bool:
    command = [layout.python, "-I", "-c", f"import {name}; {name}.__version__, {name}.__file__"]
    return not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("name", "folder"),
    [("requests", "requests"), ("javaproperties", "javaproperties"),
     ("azkaban-jobflow", "azkaban_client")],
)  # fmt: skip
@pytest.mark.parametrize("how", ["folder", "file", "empty", "record", "all"])
def test_files_that_are_gone_are_installed_again(
    made: Layout, name: str, folder: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site = _site(made)
    start = site / folder / "__init__.py"
    record = next(site.glob(f"{name.replace('-', '_')}-*.dist-info"))
    if how == "empty":
        start.unlink()  # it is a link to the cache of all tests
        start.touch()
    elif how == "file":
        start.unlink()
    if how in ("folder", "all"):
        shutil.rmtree(site / folder)
    if how in ("record", "all"):
        shutil.rmtree(record)
    assert list(damage.lost(made.env)) == [name]
    assert not layers.all_current(made)
    finding = next(doctor._environment(made))
    assert not finding.ok
    assert name in finding.detail
    layers.ensure(made)
    assert f"{made.env}: files of {name} are gone: installed again" in capsys.readouterr().err
    assert damage.lost(made.env) == {}
    assert start.stat().st_size > 0
    assert _imports(made, folder)
    assert layers.all_current(made)
    assert (site / "of_the_user.py").exists()
    layers.ensure(made)
    assert capsys.readouterr().err == ""


def test_what_a_user_changes_stays(made: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with more in it, and another version."""
    site = _site(made)
    start = site / "requests" / "__init__.py"
    text = start.read_text()
    start.unlink()
    start.write_text(f"{text}\nprint('seen')\n")
    folder = next(site.glob("idna-*.dist-info"))
    record = folder.rename(site / "idna-99.0.dist-info") / "RECORD"
    record.write_text(record.read_text().replace(folder.name, record.parent.name))
    layers.ensure(made)
    assert capsys.readouterr().err == ""
    assert start.read_text().endswith("print('seen')\n")


def test_a_package_that_is_missing_meanwhile_is_one_message(
    ours: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours.env.mkdir()
    (ours.env / ".packages").write_text("requests\n")

    def looked(_: object) -> None:
        raise ModuleNotFoundError("No module named 'requests'")

    monkeypatch.setattr(cli.servers, "statuses", looked)
    assert cli.main(["status", "--prefix", str(ours.prefix)]) == 3
    expected = f"No module named 'requests': files of {ours.env} are gone; run "
    assert expected in capsys.readouterr().err
    (ours.env / ".packages").unlink()  # then it is a fault of the program
    with pytest.raises(ModuleNotFoundError):
        cli.main(["status", "--prefix", str(ours.prefix)])
