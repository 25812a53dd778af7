"""The tools that CONTRIBUTING names find nothing; the repository names no registry's host."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

OURS = ("azkaban_client", "core", "jobs", "setup")

HOSTS = re.compile(
    r"pypi\.org|pythonhosted|registry\.npmjs|repo1?\.maven|maven\.apache\.org/maven2|"
    r"deb\.debian|crates\.io|proxy\.golang",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=" ".join,
)
def test_tool_finds_nothing(command: list[str]) -> None:
    result = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_benchmarks_import_what_there_is() -> None:
    """They run by hand, so that a renamed function would break them unseen."""
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
                module = importlib.import_module(str(node.module))
                for name in node.names:
                    whole = f"{node.module}.{name.name}"
                    found = hasattr(module, name.name) or importlib.util.find_spec(whole)
                    assert found, f"{path.relative_to(ROOT)} imports {whole}"


def _texts() -> list[Path]:
    hidden = {".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__"}
    paths = [p for p in ROOT.rglob("*") if p.is_file() and not hidden & set(p.parts)]
    return [p for p in paths if p.stat().st_size < 2_000_000 and b"\0" not in p.read_bytes()[:4096]]


def test_no_host_of_a_package_registry_is_named() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in _texts()
        if path != Path(__file__)
        for match in [HOSTS.search(path.read_text("utf-8", "replace"))]
        if match
    ]
    assert found == []


def test_nothing_was_left_at_the_top() -> None:
    """By a test that ran in the checkout, say, and then by a commit of all that was there."""
    files = "CHANGELOG.md CONTRIBUTING.md LICENSE README.md mkdocs.yml pyproject.toml"
    folders = "azkaban_client benchmarks console core docs flows jobs setup tests"
    ignored = "__pycache__ build dist runs"
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert there - set(ignored.split()) == {*files.split(), *folders.split()}


def test_no_module_is_too_long_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("azkaban_client", "core", "jobs", "setup")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 600
    }
    assert long == {}


def test_no_function_is_too_long_to_read() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {function.name}": lines
        for folder in ("azkaban_client", "console", "core", "jobs", "setup")
        for path in (ROOT / folder).rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := _lines(function)) > 50
    }
    assert long == {}


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    first = function.body[0]
    documented = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - documented


def test_no_modules_import_each_other() -> None:
    graph = grimp.build_graph("azkaban_client", "core", "jobs", "setup", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # a CycleError names the modules


def test_links_in_the_docs_lead_somewhere() -> None:
    """To a page that exists and a heading on it; `setup docs build` checks the site's own."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    pages = {page: page.read_text("utf-8") for page in [*top, *(ROOT / "docs").rglob("*.md")]}
    anchors = {page: _anchors(text) for page, text in pages.items()}
    broken = []
    for page, text in pages.items():
        for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", text):
            place = (page.parent / target).resolve() if target else page
            missing = anchor and anchor not in anchors.get(place, ())
            if "://" not in target and (missing or not place.exists()):
                broken.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert broken == []


def test_the_site_lists_every_page() -> None:
    """`setup docs build` refuses a page that is in no list, and a list with a page too many."""
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = re.findall(r"^ *- (?:.*: )?([\w/-]+\.md)$", settings, re.MULTILINE)
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


def test_pages_that_code_and_messages_name_are_there() -> None:
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in _texts()
        for name in re.findall(
            r"\bdocs/[\w/-]+\.(?:md|json|svg|png)\b", path.read_text("utf-8", "replace")
        )
        if not (ROOT / name).exists()
    }
    assert missing == set()


def _anchors(text: str) -> set[str]:
    """Name the headings of a page as links do: in lower case, with `-` for spaces."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_tests_that_the_docs_name_are_there() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", code))
    named = {
        f"{page.name}: {name}"
        for page in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"`(test_\w+)`", page.read_text("utf-8"))
        if name not in there
    }
    assert named == set()
