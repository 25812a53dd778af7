"""The console's files: nothing from elsewhere, nothing that reads data as markup."""

from __future__ import annotations

import gzip
import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from azkaban_client import console_files
from azkaban_client.console_bundle import bundle
from setup import maven
from setup.azkaban import pages
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

CONSOLE = CHECKOUT / "console"
BRIDGE = CONSOLE / "bridge"
TEXTS = sorted(
    path for path in CONSOLE.rglob("*") if path.suffix in {".js", ".css", ".html", ".svg"}
)
SCRIPTS = [path for path in TEXTS if path.suffix == ".js"]

# The only URLs: names of XML vocabularies, which nobody asks for.
NAMES = {"http://www.w3.org/2000/svg"}


def name(path: Path) -> str:
    return str(path.relative_to(CONSOLE))


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_no_file_names_another_server(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"\b(?:https?|wss?|ftp)://[^\s\"'`)<]+", text)) <= NAMES
    assert not re.findall(r"(?:src|href|url|import|from)\s*[=(]?\s*[\"'`(]//", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_no_script_writes_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    writers = r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function)\b"
    assert not re.findall(writers, text)
    if path.name != "stock.js":  # reads Azkaban's pages into a document that is never shown
        assert "DOMParser" not in text


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_every_module_imports_files_that_exist(path: Path) -> None:
    imports = re.findall(r"from '(\.[^']+)'", path.read_text(encoding="utf-8"))
    for target in imports:
        assert (path.parent / target).resolve().is_file(), target


CATALOGUES = CONSOLE / "words"  # of one line for each text


@pytest.mark.parametrize("path", [path for path in TEXTS if path.parent != CATALOGUES], ids=name)
def test_files_stay_small_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 600


def test_the_page_forbids_everything_that_is_not_its_own() -> None:
    page = (CONSOLE / "index.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("base-uri") == "'none'"
    assert rules.pop("require-trusted-types-for") == "'script'"
    assert rules.pop("trusted-types") == "stock-pages layout-worker"
    assert set(rules.values()) == {"'self'"}
    assert "<script>" not in page
    assert "style=" not in page


def test_third_party_parts_are_pinned_with_their_licence() -> None:
    jars = maven.pinned("web-tests")
    assert jars
    for jar in jars:
        assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256)
        assert re.fullmatch(r"[^:]+:[^:]+:[0-9][0-9.]*", jar.coordinate)
        assert jar.licence


def test_the_modules_become_one_program() -> None:
    files = console_files.files()
    text = files["app.js"].decode()
    assert not re.findall(r"^\s*(?:import|export)\b", text, re.MULTILINE)
    for path in SCRIPTS:
        inside = name(path)
        if not inside.startswith("bridge/") and inside != "worker.js":
            assert text.count(f"// {inside}\n") == 1, inside
    assert text.index("// dom.js\n") < text.index("// format.js\n")  # after what it imports
    for inside, data in files.items():
        if inside.endswith(".gz"):
            assert gzip.decompress(data) == files[inside.removesuffix(".gz")]
    first = sum(len(files[f"{one}.gz"]) for one in ("app.js", "console.css"))
    assert first + len(files["index.html"]) + len(files["icon.svg"]) < 150_000
    assert console_files.files() == files  # the same bytes each time


def test_a_program_is_joined_as_a_browser_would_join_it(tmp_path: Path) -> None:
    modules = {
        "app.js": "import * as all from './a.js';\nimport {\n  one as first,\n  two,\n} from "
        "'./in/b.js';\n// a note\n/** And\n * another. */\nstart(all.three, first, two);\n",
        "a.js": "import { two } from './in/b.js';\nexport const three = `${two} // no note`;\n",
        "in/b.js": "const one = 1;\nexport async function two() {}\nexport { one };\n",
    }
    (tmp_path / "in").mkdir()
    for path, text in modules.items():
        (tmp_path / path).write_text(text)
    assert bundle(tmp_path, "app.js") == (
        "// in/b.js\nconst of_in_b = (() => {\nconst one = 1;\nasync function two() {}\n\n"
        "return { two, one };\n})();\n"
        "// a.js\nconst of_a = (() => {\nconst { two } = of_in_b;\n"
        "const three = `${two} // no note`;\nreturn { three };\n})();\n"
        "// app.js\nconst of_app = (() => {\nconst all = of_a;\n"
        "const { one: first, two, } = of_in_b;\nstart(all.three, first, two);\n})();\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import x from './app.js';", "import x from"),
        ("export default 1;", "export default"),
        ("export let x = 1;", "export let"),
        ("const x = import('./b.js');", "import("),
        ("import { x as z } from './b.js';", "b.js exports no x"),
        ("import { x } from './app.js';", "imported by what it imports: app.js -> a.js"),
    ],
)
def test_what_cannot_be_joined_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "app.js").write_text("import { y } from './a.js';\n")
    (tmp_path / "a.js").write_text(f"{text}\n")
    (tmp_path / "b.js").write_text("export const y = 1;\n")
    with pytest.raises(ValueError, match="js") as caught:
        bundle(tmp_path, "app.js")
    assert said in str(caught.value)


def make_jar(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as jar:
        for inside, text in files.items():
            jar.writestr(inside, text)
    return path


def test_the_files_that_templates_load_are_found(tmp_path: Path) -> None:
    jar = make_jar(
        tmp_path / "azkaban.jar",
        {
            "a/page.vm": '<script src="${context}/js/one.js"></script><script src="/js/a/two.js">'
            '<link href="/css/three.css"><a href="${context}/manager?project=x">'
            '<link rel="icon" href="${context}/favicon.ico"><img src="${context}/images/x.png">',
            "a/Page.class": 'src="/js/no.js"',
        },
    )
    assert pages.template_files(jar) == {"js/one.js", "js/a/two.js", "css/three.css"}


def test_the_console_is_installed_beside_a_servers_own_files(tmp_path: Path) -> None:
    own = {"js/azkaban/own.js": "theirs", "favicon.ico": "theirs"}
    for path, text in own.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    target = tmp_path / "js" / "console"
    (target / "views").mkdir(parents=True)
    (target / "views" / "gone.js").write_text("of an earlier version")
    for _ in range(2):  # a second time changes nothing
        assert console_files.install(tmp_path) == target / "index.html"
        installed = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
        large = {"app.js", "worker.js", "console.css"}
        assert installed == {"index.html", "icon.svg", *large, *(f"{name}.gz" for name in large)}
        assert {path.name for path in target.parent.iterdir()} == {"azkaban", "console"}
    for path, text in own.items():
        assert (tmp_path / path).read_text() == text


def test_stand_ins_are_put_where_the_templates_look(tmp_path: Path) -> None:
    pages.install_stand_ins(tmp_path, {"js/deep/er/x.js", "css/y.css"})
    assert (tmp_path / "js/deep/er/x.js").read_bytes() == (BRIDGE / "bridge.js").read_bytes()
    assert (tmp_path / "css/y.css").read_bytes() == (BRIDGE / "bridge.css").read_bytes()
    assert (tmp_path / "favicon.ico").read_bytes().startswith(b"\0\0\1\0")  # a real .ico
