"""What an update or an upgrade saves, and what it restores of it."""

from __future__ import annotations

import errno
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from setup.errors import SetupError
from setup.life.saved import Contents, Saved, earlier, place, read

if TYPE_CHECKING:
    from pathlib import Path


def save(contents: Contents, backups: Path, begin: str = "") -> Saved:
    saved = Saved(place(backups, begin), "0.1.0", mysql=True)
    contents.save(saved, "saving")
    return saved


def test_what_is_saved_is_not_changed_by_what_replaces_it(tmp_path: Path) -> None:
    env = tmp_path / "home/env"
    site = env / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (site / "package.py").write_text("old")
    (env / ".lock-base").write_text("old")
    (env / "python").symlink_to("/usr/bin/python3")
    (env / "gone").symlink_to("nowhere")
    contents = Contents(tmp_path / "home", ("env", "not-there"))
    folder = save(contents, tmp_path / "backups").folder
    (site / "package.new").write_text("new")
    (site / "package.new").replace(site / "package.py")
    (site / "added.py").touch()
    (env / ".lock-base").write_text("new")
    contents.restore(folder)
    assert (site / "package.py").read_text() == (env / ".lock-base").read_text() == "old"
    assert not (site / "added.py").exists()
    assert (env / "python").readlink().as_posix() == "/usr/bin/python3"
    assert (env / "gone").is_symlink()


def test_only_what_was_saved_of_a_server_is_replaced(tmp_path: Path) -> None:
    home = tmp_path / "azkaban"
    for name in ("logs", "conf"):
        (home / name).mkdir(parents=True)
        (home / name / "file").write_text("before")
    (home / "start").write_text("before")
    (tmp_path / "azk.toml").write_text("before")
    left_out = {"azkaban": {"logs"}, "mysql": {"data"}}  # there is no mysql
    contents = Contents(tmp_path, ("azkaban", "mysql", "azk.toml"), left_out)
    folder = save(contents, tmp_path / "backups").folder
    changed = [home / "logs/file", home / "conf/file", home / "start", tmp_path / "azk.toml"]
    for path in changed:
        path.write_text("after")
    contents.restore(folder)
    assert [path.read_text() for path in changed] == ["after", "before", "before", "before"]


def test_what_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    kept = tmp_path / "home/env/of-another"
    kept.mkdir(parents=True)
    (kept / "file").touch()
    contents = Contents(tmp_path / "home", ("env",))
    folder = save(contents, tmp_path / "backups").folder
    kept.chmod(0o500)  # as if another account owned it
    with pytest.raises(SetupError, match=r"home/env: .*file.* cannot be deleted \(Permission"):
        contents.restore(folder)
    kept.chmod(0o700)
    contents.restore(folder)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), shutil.Error([("a", "b", "No space left")])],
)
def test_of_what_cannot_be_saved_nothing_is_left(
    tmp_path: Path, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    (tmp_path / "conf").mkdir()
    (tmp_path / "settings.json").touch()
    monkeypatch.setattr(shutil, "copytree", full)
    contents = Contents(tmp_path, ("settings.json", "conf"))
    with pytest.raises(
        SetupError, match=r"could not be saved .*No space left.*nothing was changed"
    ):
        save(contents, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_only_what_is_complete_can_be_restored_and_the_latest_comes_first(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    contents, backups = Contents(tmp_path, ("conf",)), tmp_path / "backups"
    first, second, third = (save(contents, backups, "update-") for _ in range(3))
    (third.folder / "backup.json").write_text("{")
    save(contents, backups, "other-")
    assert list(earlier(backups, "update-")) == [second, first]
    assert list(earlier(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("name", "record", "saved"),
    [
        ("backup.json", {"version": "2.5.0"}, ("2.5.0", False, False)),
        (
            "update.json",
            {"folder": "/moved", "version": "0.1.0", "azkaban": True, "mysql": True},
            ("0.1.0", True, True),
        ),
    ],
)
def test_what_an_earlier_checkout_has_saved_can_be_restored(
    tmp_path: Path, name: str, record: dict[str, object], saved: tuple[str, bool, bool]
) -> None:
    (tmp_path / name).write_text(json.dumps(record))
    assert read(tmp_path) == Saved(tmp_path, *saved)
