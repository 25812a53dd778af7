"""The console beside a server's own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from setup import web
from setup.errors import UsageError
from setup.layout import Layout


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def cache() -> Path:
    return Path(os.environ.get("AZK_CACHE") or Layout.of().cache)


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


@pytest.mark.parametrize("part", ["", "web"])
def test_the_stock_files_are_left_alone(server: Path, cache: Path, part: str) -> None:
    before = files(server)
    page = web.add_console(server / part, cache, quiet)
    assert page == server / "web" / web.ADDRESS
    assert 'src="app.js"' in page.read_text()
    assert (page.parent / "lib/dagre.min.js").is_file()
    assert files(server) == before


def test_a_newer_console_takes_the_place_of_the_old(server: Path, cache: Path) -> None:
    page = web.add_console(server, cache, quiet)
    (page.parent / "old.js").write_text("of an earlier version")
    web.add_console(server, cache, quiet)
    assert not (page.parent / "old.js").exists()


def test_other_folders_are_refused(server: Path, cache: Path) -> None:
    with pytest.raises(UsageError, match="no folder of an Azkaban server"):
        web.add_console(server / "lib", cache, quiet)
    assert list((server / "lib").iterdir()) == []
    with pytest.raises(UsageError, match="no folder of an Azkaban server"):
        web.add_console(server / "none", cache, quiet)
    (server / "web/js/console").mkdir()
    (server / "web/js/console/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else than the console"):
        web.add_console(server, cache, quiet)
    assert (server / "web/js/console/mine.txt").read_text() == "mine"
