"""The words of the console: one catalogue, with German as the proof that it can be translated."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

CONSOLE = CHECKOUT / "console"
SCRIPTS = sorted(
    path
    for path in CONSOLE.rglob("*.js")
    if path.parent.name not in {"words", "bridge"} and path.name != "words.js"
)
LANGUAGES = sorted((CONSOLE / "words").glob("*.js"))

# Written like words, but names of keys, of a header and a server, and an attribute's value.
NO_WORDS = {"Enter", "Azkaban", "Content-Type", "allow-scripts allow-popups"}
NO_WORDS |= {f"Arrow{way}" for way in ("Up", "Down", "Left", "Right")}


def template(source: str, at: int) -> tuple[str, int]:
    """Return a template's text from its first backtick on, values as ``{0}``, and where it ends."""
    text, values, at = "", 0, at + 1
    while source[at] != "`":
        if source[at] == "\\":
            text, at = text + source[at + 1], at + 2
        elif source.startswith("${", at):
            text, values, at = f"{text}{{{values}}}", values + 1, end_of_value(source, at + 2)
        else:
            text, at = text + source[at], at + 1
    return text, at + 1


def end_of_value(source: str, at: int) -> int:
    """Return where the value of a template ends that begins here."""
    while source[at] != "}":
        if source[at] == "{":
            at = end_of_value(source, at + 1)
        elif source[at] == "`":
            at = template(source, at)[1]
        elif source[at] == "'":
            at = source.index("'", at + 1) + 1
        else:
            at += 1
    return at + 1


def shown(source: str) -> Iterator[str]:
    """Yield the keys of a script's texts, and of the things that it counts."""
    for found in re.finditer(r"(?<![\w$.'])t`", source):
        yield template(source, found.end() - 1)[0].strip()
    inside = r"(?:[^()\n]|\((?:[^()\n]|\([^()\n]*\))*\))*?"
    for noun in re.findall(rf"\bcount\({inside}, '(\w+)'\)", source):
        yield f"{{0}} {noun}"
    assert len(re.findall(r"\bcount\(\w", source)) == len(
        re.findall(rf"\bcount\({inside}, '\w+'\)", source)
    ), "what is counted is named where it is counted"


def keys() -> set[str]:
    return {key for path in SCRIPTS for key in shown(path.read_text(encoding="utf-8"))}


def catalogue(path: Any) -> dict[str, Any]:
    """Read the words of a language: JSON between an assignment and a semicolon."""
    text = path.read_text(encoding="utf-8")
    return dict(json.loads(text[text.index(" = {") + 3 : text.rindex(";")]))


def values(text: str) -> list[str]:
    return sorted(re.findall(r"\{\d+\}", text))


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_a_catalogue_has_every_text_and_no_other(path) -> None:
    words = catalogue(path)
    assert sorted(keys() - set(words)) == [], "these are not translated"
    assert sorted(set(words) - keys()) == [], "these are shown nowhere"


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_a_translation_has_the_values_of_its_text(path) -> None:
    for key, said in catalogue(path).items():
        forms = said if isinstance(said, dict) else {"other": said}
        assert "other" in forms, key
        assert set(forms) <= {"zero", "one", "two", "few", "many", "other"}, key
        for text in forms.values():
            assert text, key
            assert text.strip() == text, key
            assert "|" not in text, key
            assert values(text) == values(key), key


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(CONSOLE)))
def test_no_text_stands_outside_the_catalogue(path) -> None:
    source = re.sub(r"^\s*(?://|/?\*).*|\s// .*", "", path.read_text("utf-8"), flags=re.MULTILINE)
    found = re.findall(r"(?<![\w`])'( ?[A-Z](?:[a-z]+(?:[ ,.:;?].*?)?| [a-z].*?))'", source)
    found += re.findall(r"(?<![\w`])(?<!class: )'( ?[a-z]+ [a-z]+ .*?)'", source)
    found += re.findall(r"(?<![\wt}])`( ?[A-Z][a-z]+ .*?)`", source)
    if path.name == "stock.js":  # it names what Azkaban's own pages have
        found = [text for text in found if text.endswith((".", "?"))]
        found.remove("No Proxy User Found.")
    # The other lines that a server writes into logs are regular expressions.
    assert [text for text in found if text not in NO_WORDS and "|" not in text] == []


def test_the_reader_of_these_tests_finds_what_it_must() -> None:
    source = "t`a ${b({ c: `d ${'}'}` })} e` + t` ${t`in|a`} f ` + at`no` + count(f(1), 'day')"
    assert [*shown(source)] == ["a {0} e", "{0} f", "in|a", "{0} day"]
