"""What the docs say of set-up exists; tests/browser/test_site.py looks at the site itself."""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from setup import cli, docs
from setup.azkaban import pages
from setup.errors import UsageError
from setup.layout import CHECKOUT, Layout
from setup.shell import reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").rglob("*.md")]
_COMMAND = re.compile(
    r"^(?:\w*\$ )?(?:[A-Z_]+=\S+ )*(?:[\"']?\$\()?(?:python3 -m setup|azkaban-jobflow) (.+)"
)


def _typed() -> list[tuple[str, str]]:
    """Each command of set-up in a block of code, and each that is written as `code`."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8").replace("\\\n", " ")
        blocks = re.findall(
            r"^```(?:sh|console|text|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL
        )
        lines = [line for block in blocks for line in block.splitlines()]
        lines += re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
        lines += re.findall(r"`([^`\n]+)`", text)
        found += [(page.name, match[1]) for line in lines if (match := _COMMAND.match(line))]
    return sorted(set(found))


def _words(line: str) -> list[str]:
    """Split what follows the program's name, up to the shell's next command."""
    words = []
    pieces = shlex.shlex(line, posix=True, punctuation_chars="|;&<>)")
    pieces.whitespace_split = True
    for word in pieces:
        if word[0] in "|;&<>)":
            break
        words.append(word)
    return words


@pytest.mark.parametrize(("page", "line"), _typed())
def test_every_command_of_set_up_can_be_typed(page: str, line: str) -> None:
    """Parsed, options and all; what the commands do is tested elsewhere."""
    words = _words(line)
    if words != ["COMMAND"]:
        parsed = cli._parser(words[0]).parse_args(words)  # exits 2 where something is wrong
        assert parsed.command == words[0]


def test_enough_commands_are_found() -> None:
    assert len(_typed()) > 60
    assert (
        "README.md",
        "demo      # sets everything up, then runs three flows on a real Azkaban",
    ) in (_typed())


@pytest.mark.parametrize("line", ["docs bild", "up --prot 9000", "users add", "dmeo", "logs -n x"])
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    with pytest.raises(SystemExit):
        cli._parser(line.split(maxsplit=1)[0]).parse_args(line.split())


def test_the_reference_of_the_commands_is_current() -> None:
    shown = (CHECKOUT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert shown == reference.page(cli._parser()), (
        "run: python -m setup.shell.reference docs/reference/commands.md"
    )


def test_the_site_beside_the_console_is_replaced_whole(tmp_path: Path) -> None:
    web, site = tmp_path / "web", tmp_path / "docs"
    pages.install_console(web)
    site.mkdir()
    for name in ("one.html", "two.html"):
        for old in site.iterdir():
            old.unlink()
        (site / name).write_text(name)
        pages.install_site(web, site)
        assert [path.read_text() for path in (web / "js" / "docs").iterdir()] == [name]
    assert sorted(path.name for path in (web / "js").iterdir()) == ["console", "docs"]


def test_the_site_of_an_archive_needs_no_building(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, made = tmp_path / "docs-site", tmp_path / "made"
    (held / "search").mkdir(parents=True)
    (held / "search" / "search_index.json").write_text("{}")
    monkeypatch.setattr(pages, "SITE", held)
    layout = Layout(tmp_path / "nothing", tmp_path / "cache")
    for text in ("first", "second"):
        (held / "index.html").write_text(text)
        docs.make(layout, made)
        assert (made / "index.html").read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs-site", "made"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.txt").write_text("kept")
    with pytest.raises(UsageError, match="is something else than an earlier site"):
        docs.make(layout, tmp_path / "mine")
    assert (tmp_path / "mine" / "one.txt").read_text() == "kept"


def _said(node: ast.AST) -> str:
    """Return what a literal says, with `…` for each value that is put into it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_said, node.values))
    call = node.value if isinstance(node, ast.FormattedValue) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "called":
        return "python3 -m setup"
    return "…"


def _printed(path: Path) -> Iterator[str]:
    """Read the texts in a module that are no docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    bare = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in bare:
            yield _said(node)


def test_each_message_on_the_page_is_one_that_is_printed() -> None:
    page = (CHECKOUT / "docs" / "how-to" / "troubleshooting.md").read_text("utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) > 30
    sources = [p for room in ("azkaban_client", "setup") for p in (CHECKOUT / room).rglob("*.py")]
    printed = "\n".join(text for path in sources for text in _printed(path))
    assert [one for one in messages if not _pattern(one).search(printed)] == []
    assert not _pattern("port … on … is taken by nobody …").search(printed)


def _pattern(message: str) -> re.Pattern[str]:
    return re.compile(".{1,40}?".join(map(re.escape, message.split("…"))))
