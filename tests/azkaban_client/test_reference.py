"""The reference page is up to date and complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import jsonschema
import pytest

from azkaban_client import Client, reference
from azkaban_client.cli import azk, schema
from azkaban_client.cli.reference import _walk, page

STANDS_FOR = {"EXECID": "42", "EXECUTION": "42"}
DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"


def _names(command: click.Command, path: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [path]
    found = [path]
    for name, sub in command.commands.items():
        found += _names(sub, f"{path} {name}")
    return found


def test_the_page_is_up_to_date() -> None:
    assert (REFERENCE / "azk.md").read_text(encoding="utf-8") == page(), (
        "run python -m azkaban_client.cli.reference docs/reference/azk.md"
    )


def test_every_answer_has_a_schema_on_its_page() -> None:
    walked = _walk(azk, ("azk",))
    commands = {" ".join(path[1:]) for path, one in walked if not hasattr(one, "commands")}
    assert set(schema.SCHEMAS) == commands
    text = (REFERENCE / "json.md").read_text(encoding="utf-8")
    assert text == schema.page(), "run python -m azkaban_client.cli.schema docs/reference/json.md"
    for name in commands:
        jsonschema.Draft202012Validator.check_schema(schema.schema_of(name))


def test_the_page_of_the_library_is_up_to_date() -> None:
    text = (REFERENCE / "api.md").read_text(encoding="utf-8")
    assert text == reference.page(), "run python -m azkaban_client.reference docs/reference/api.md"
    for name in dir(Client):
        if not name.startswith("_"):
            assert f"#### Client.{name}\n" in text


def test_every_public_part_of_the_library_says_what_it_is() -> None:
    sections = re.findall(
        r"^#{3,4} (\S+)\n\n```text\n(.*?)\n```$", reference.page(), re.MULTILINE | re.DOTALL
    )
    assert len(sections) > 100
    assert [name for name, text in sections if not text.partition("\n\n")[2]] == []


def test_every_command_has_a_section_and_a_help_for_each_option() -> None:
    sections = set(re.findall(r"^## (.+)$", page(), re.MULTILINE))
    assert sections == set(_names(azk, "azk"))


def examples() -> list[tuple[str, str, bool]]:
    """All commands of azk in the pages and in the help; whether they stand there in full."""
    found = []
    others = (DOCS.parent / "README.md", DOCS.parent / "azkaban_client" / "README.md")
    for path in (*sorted(DOCS.rglob("*.md")), *others):
        text = path.read_text(encoding="utf-8")
        whole = re.findall(r"^\s*\$? ?(?:[A-Z_]+=\S+ )*(azk [a-z-].*)$", text, re.MULTILINE)
        found += [(path.name, line, True) for line in whole if line[-1] not in ":."]
        found += [(path.name, line, False) for line in re.findall(r"`(azk [a-z-][^`]*)`", text)]
    return sorted(set(found))


def parse(line: str) -> None:
    """Parse a command, options and all, as `azk` would; what it does is tested elsewhere."""
    words = shlex.split(re.split(r"\s(?:\||>|<|#)\s?|&&|;", line)[0])[1:]
    words = [STANDS_FOR.get(word, word) for word in words]
    context, command = azk.make_context("azk", words), azk
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, context._protected_args + context.args)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)


@pytest.mark.parametrize(("page", "line", "whole"), examples())
def test_every_command_of_the_pages_can_be_typed(page, line, whole, monkeypatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, *_: Path(value))
    try:
        parse(line)
    except click.exceptions.Exit:  # --help
        assert "--help" in line
    except (click.MissingParameter, click.BadOptionUsage, click.exceptions.NoArgsIsHelpError):
        assert not whole, f"{page}: {line}"


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for line in ("azk rum nn", "azk run nn nn --flow", "azk schedule ad nn nn"):
        with pytest.raises(click.UsageError, match=r"[Nn]o such (command|option)"):
            parse(line)
