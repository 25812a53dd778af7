"""What the docs say of set-up exists; tests/browser/test_site.py looks at the site itself."""

from __future__ import annotations

import re
import shlex

import pytest

from setup import cli
from setup.layout import CHECKOUT

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
        lines += re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
        lines += re.findall(r"`([^`\n]+)`", text)
        found += [(page.name, match[1]) for line in lines if (match := _COMMAND.match(line))]
    return sorted(set(found))


def _words(line: str) -> list[str]:
    """Split what follows the program's name, up to the shell's next command."""
    words = []
    for word in shlex.shlex(line, posix=True, punctuation_chars="|;&<>)"):
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
