"""``setup shell ...``: the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from setup import release
from setup.called import NAME
from setup.commands import Needs
from setup.errors import UsageError
from setup.messages import say
from setup.shell import completion, man, program, tree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from setup.commands import Commands
    from setup.layout import Layout

    Parser = Callable[[], argparse.ArgumentParser]

__all__ = ["add_commands", "forget"]

_EPILOG = """\
examples:
  python3 -m setup shell install             azk and azkaban-jobflow on PATH, with all of that
  python3 -m setup shell completion bash     print a script, to keep it somewhere else
  python3 -m setup shell man azk | man -l -
"""

_SUMMARIES = {
    NAME: "set up and run Azkaban with its Python jobs, without root",
    "azk": "upload, run and follow flows on an Azkaban server",
}
_MARK = "made by azkaban-jobflow shell install"


def add_commands(commands: Commands, parser: Parser) -> None:
    """Add ``shell`` to the commands of setup.

    Parameters
    ----------
    commands
        Where.
    parser
        Makes the parser of all commands.
    """
    shell = commands.group(
        "shell", "The commands on PATH, their completion and their man pages.", _EPILOG
    )
    text = f"Put azk and {NAME} into ~/.local/bin, with completion and man pages."
    shell.add("install", lambda layout, _: _install(layout, parser), text, needs=Needs.ENVIRONMENT)
    shell.add("remove", _remove, "Delete what install put there.")
    text = f"Print the completion script of {NAME} (azk completion prints that of azk)."
    script = shell.add("completion", lambda _, options: _completion(options, parser), text)
    script.add_argument("shell", choices=list(completion.SHELLS))
    text = "Print a man page."
    page = shell.add(
        "man", lambda layout, o: _man(layout, o, parser), text, needs=Needs.ENVIRONMENT
    )
    page.add_argument("name", choices=list(_SUMMARIES))


def _completion(options: argparse.Namespace, parser: Parser) -> int:
    print(completion.script(options.shell, tree.of_argparse(parser(), (NAME,))), end="")
    return 0


def _man(layout: Layout, options: argparse.Namespace, parser: Parser) -> int:
    print(_page(layout, options.name, parser), end="")
    return 0


def _page(layout: Layout, name: str, parser: Parser) -> str:
    found = tree.of_azk(layout.python) if name == "azk" else tree.of_argparse(parser(), (NAME,))
    return man.page(found, _SUMMARIES[name], release.current().version)


def _places() -> dict[str, Path]:
    """Return the folders where this account's shells and man look."""
    home = Path("~").expanduser()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bin": home / ".local" / "bin",
        "bash": data / "bash-completion" / "completions",
        "zsh": data / "zsh" / "site-functions",
        "fish": config / "fish" / "completions",
        "man": data / "man" / "man1",
    }


def _files() -> Iterator[tuple[str, str, Path]]:
    """List what can be installed: command, kind and file."""
    names = {"bash": "{}", "zsh": "_{}", "fish": "{}.fish", "man": "{}.1"}
    for command in ("azk", NAME):
        for kind, name in names.items():
            yield command, kind, _places()[kind] / name.format(command)


def _links(layout: Layout) -> Iterator[tuple[Path, Path]]:
    for command in ("azk", NAME):
        yield _places()["bin"] / command, program.place(layout).with_name(command)


def _install(layout: Layout, parser: Parser) -> int:
    foreign = [path for path, _ in _links(layout) if not _is_link(path)]
    foreign += [path for _, _, path in _files() if path.exists() and not _is_ours(path)]
    if foreign:
        raise UsageError(f"{foreign[0]} was not made by this program; move it away first")
    texts = {path: _content(layout, name, kind, parser) for name, kind, path in _files()}
    program.write(layout)
    for path, target in _links(layout):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    _tell()
    return 0


def _content(layout: Layout, command: str, kind: str, parser: Parser) -> str:
    if kind == "man":
        return f'.\\" {_MARK}\n{_page(layout, command, parser)}'
    if command == NAME:
        text = completion.script(kind, tree.of_argparse(parser(), (NAME,)))
    else:
        text = tree.azk(layout.python, "completion", kind)
    first, _, rest = text.partition("\n") if text.startswith("#compdef") else ("", "", text)
    return f"{first}\n# {_MARK}\n{rest}".lstrip("\n")


def _tell() -> None:
    """Say where it is, and what the user's shell still needs."""
    places = _places()
    say(f"azk and {NAME} are in {places['bin']}, with completion for bash, zsh and fish, and man")
    if str(places["bin"]) not in os.environ.get("PATH", "").split(":"):
        say(
            f'{places["bin"]} is not in PATH: add export PATH="{places["bin"]}:$PATH" to ~/.profile'
        )
    if os.environ.get("SHELL", "").endswith("/zsh"):
        say(f"for zsh: add fpath=({places['zsh']} $fpath) to ~/.zshrc, before compinit")


def forget(layout: Layout) -> None:
    """Delete what `install` made for a prefix that is about to be deleted."""
    if any(path.is_symlink() and path.readlink() == target for path, target in _links(layout)):
        _delete(layout)


def _remove(layout: Layout, _options: argparse.Namespace) -> int:
    count = _delete(layout)
    say(f"{count} files removed" if count else "there was nothing to remove")
    return 0


def _delete(layout: Layout) -> int:
    found = [path for path, _ in _links(layout) if path.is_symlink() and _is_link(path)]
    found += [path for _, _, path in _files() if path.exists() and _is_ours(path)]
    for path in found:
        path.unlink()
    return len(found)


def _is_link(path: Path) -> bool:
    """Tell whether a name is free or links to the command of some prefix."""
    if not path.is_symlink():
        return not path.exists()
    return path.readlink().parts[-3:] == ("env", "bin", path.name)


def _is_ours(path: Path) -> bool:
    return _MARK in "".join(path.read_text("utf-8", "replace").splitlines()[:3])
