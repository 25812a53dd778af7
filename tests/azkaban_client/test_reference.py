"""The reference page is up to date and complete."""

from __future__ import annotations

import re
from pathlib import Path

import click

from azkaban_client.cli import azk
from azkaban_client.cli.reference import page

DOCS = Path(__file__).parents[2] / "docs"


def _names(command: click.Command, path: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [path]
    found = [path]
    for name, sub in command.commands.items():
        found += _names(sub, f"{path} {name}")
    return found


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "azk.md").read_text(encoding="utf-8") == page(), (
        "run python -m azkaban_client.cli.reference docs/azk.md"
    )


def test_every_command_has_a_section_and_a_help_for_each_option() -> None:
    sections = set(re.findall(r"^## (.+)$", page(), re.MULTILINE))
    assert sections == set(_names(azk, "azk"))


def test_every_command_of_the_guide_exists() -> None:
    known = _names(azk, "azk")
    guide = (DOCS / "client.md").read_text(encoding="utf-8")
    used = re.findall(r"^\s*\$? ?(azk [a-z].*)$|`(azk [a-z][^`]*)`", guide, re.MULTILINE)
    assert used
    for first, second in used:
        words = [word for word in (first or second).split() if not word.startswith("-")]
        prefixes = [" ".join(words[:count]) for count in range(2, len(words) + 1)]
        found = [prefix for prefix in prefixes if prefix in known]
        assert found, f"{words}: no such command"
        leaf = max(found, key=len)
        assert not any(name.startswith(f"{leaf} ") for name in known), f"{words}: of a group"
