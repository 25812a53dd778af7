"""The site of the docs in a browser: it needs nothing from elsewhere, is searched, dark, narrow."""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from setup import docs
from setup.azkaban import program
from setup.errors import SetupError, UsageError
from setup.layout import CHECKOUT
from setup.life.process import free_port
from tests.browser.console import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page, Request

    from tests.browser.console import Console

PYTHON = Path(sys.executable)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    docs.build(PYTHON, folder)
    return folder


@pytest.fixture(scope="module")
def site(built: Path) -> Iterator[str]:
    """Where it is served."""
    handler = functools.partial(_Quiet, directory=str(built))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def _opened(chromium: Any, site: str, window: str) -> Iterator[Page]:
    """A page; at the end nothing may have been asked of another server, or have failed."""
    context = chromium.new_context(**WINDOWS[window])
    elsewhere: list[str] = []

    def see(request: Request) -> None:
        if not request.url.startswith((site, "data:", "blob:")):
            elsewhere.append(request.url)

    context.on("request", see)
    page = context.new_page()
    failed: list[str] = []
    page.on("response", lambda got: failed.append(got.url) if got.status >= 400 else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield page
    context.close()
    assert (elsewhere, failed) == ([], [])


def test_no_page_names_a_file_of_another_server(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    assert len(pages) > 40
    loaded = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=\"?(?:https?:)?//")
    assert [page.name for page in pages if loaded.search(page.read_text("utf-8"))] == []


def _search(page: Page, window: str) -> None:
    """Find a word from the first page, and follow the first link."""
    expect(page).to_have_title("Documentation - azkaban-jobflow")
    if window == "phone":
        page.locator("label[for=__search]").first.click()
    words = page.get_by_role("textbox", name="Search")
    words.click()
    words.press_sequentially("backfill")
    found = page.locator(".md-search-result__link[href*=backfill]").first
    expect(found).to_be_visible()
    found.click()
    expect(page.locator("article")).to_contain_text("azk backfill")


def test_a_word_is_found_without_another_server(chromium: Any, site: str, window: str) -> None:
    with _opened(chromium, site, window) as page:
        page.goto(f"{site}/index.html")
        _search(page, window)


@pytest.mark.parametrize("window", ["desktop"])
def test_a_word_is_found_without_any_server(chromium: Any, built: Path, window: str) -> None:
    with _opened(chromium, built.as_uri(), window) as page:
        page.goto((built / "index.html").as_uri())
        _search(page, window)


@pytest.mark.parametrize("window", ["desktop"])
def test_the_console_leads_to_it(
    browse: Callable[[str], Console], built: Path, window: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = browse("admin")
    page, layout = console.page, console.server.layout
    link = page.get_by_role("link", name="Docs", exact=True)
    link.click()
    expect(page.locator("main#main")).to_contain_text("python3 -m setup docs build")
    (missing,) = console.errors
    assert "404" in missing
    console.errors.clear()
    monkeypatch.setattr(docs.layers, "ensure", lambda *_: None)
    monkeypatch.setattr(docs, "build", lambda _, folder: shutil.copytree(built, folder))
    assert docs._build(layout, argparse.Namespace(folder=None)) == 0
    try:
        console.open("history")
        link.click()
        _search(page, window)
        page.go_back()
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("History")
    finally:
        shutil.rmtree(layout.docs)
        shutil.rmtree(program.folder(layout) / "web" / "js" / "docs")


def test_colours_and_width_are_those_of_the_device(chromium: Any, site: str, window: str) -> None:
    with _opened(chromium, site, window) as page:
        for name in ("start/tutorial", "how-to/watch", "explanation/nn"):
            page.goto(f"{site}/{name}.html")
            scheme = WINDOWS[window].get("color_scheme", "light")
            colours = "slate" if scheme == "dark" else "default"
            expect(page.locator("body")).to_have_attribute("data-md-color-scheme", colours)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, name


def test_served_while_one_writes_on_loopback_alone() -> None:
    port = free_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "setup", "docs", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        for line in process.stderr:
            if "Serving on" in line:
                break
        assert f"http://127.0.0.1:{port}/" in line
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html") as answer:
            assert b"Documentation" in answer.read()
    finally:
        process.terminate()
        process.communicate()


def test_a_broken_link_leaves_the_earlier_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (tmp_path / "mkdocs.yml").write_text(docs._SETTINGS.read_text().partition("\nnav:")[0])
    monkeypatch.setattr(docs, "_SETTINGS", tmp_path / "mkdocs.yml")
    target = tmp_path / "site"
    (pages / "index.md").write_text("# First\n\n## A heading\n")
    docs.build(PYTHON, target)
    first = (target / "index.html").read_bytes()
    for broken, words in (("other.md", "other.md"), ("index.md#none", "no such anchor|'#none'")):
        (pages / "index.md").write_text(f"# Second\n\n[there]({broken})\n")
        with pytest.raises(SetupError, match=words):
            docs.build(PYTHON, target)
        assert (target / "index.html").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "mkdocs.yml", "site"]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UsageError, match="is something else than an earlier site"):
            docs.build(PYTHON, place)
    assert (tmp_path / "mine.txt").read_text() == "kept"
