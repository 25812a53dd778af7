"""``setup docs ...``: the pages of ``docs/`` as a site, by MkDocs Material.

Every warning is an error: a broken link or heading, a page that is in no list. The site loads
nothing from elsewhere, so that it works where there is no network.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.programs import captured
from setup import environment
from setup.azkaban import pages, program
from setup.commands import Commands, Needs
from setup.errors import SetupError, UsageError
from setup.layout import CHECKOUT
from setup.life.process import free_port
from setup.messages import say, step
from setup.numbers import number
from setup.paths import expanded
from setup.python import layers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from setup.layout import Layout

__all__ = ["add_commands", "build", "make"]

_SETTINGS = CHECKOUT / "mkdocs.yml"
_ADDRESS = "127.0.0.1"
_FIRST = "index.html"
_INDEX = "search/search_index.json"  # which only such a site has
# What no page needs: for debuggers, for other languages, and with the date of today.
_UNUSED = ("**/*.map", "assets/javascripts/lunr/**/*.js", "sitemap.xml*")

_EPILOG = """\
examples:
  python3 -m setup docs build            into PREFIX/docs, and beside the console
  python3 -m setup docs build ~/site     into a folder of your own
  python3 -m setup docs serve            as you write: each change of a page is shown at once
"""


def add_commands(commands: Commands) -> None:
    """Add ``docs`` to the commands of setup."""
    group = commands.group("docs", "These pages as a site, with a search.", _EPILOG)
    made = group.add(
        "build", _build, "Build the site; a warning or a broken link is an error.",
        needs=Needs.ENVIRONMENT, locked=True,
    )  # fmt: skip
    made.add_argument("folder", nargs="?", metavar="DIR", help="where (default: PREFIX/docs)")
    served = group.add(
        "serve", _serve, "Show the site on this machine until Ctrl-C, and follow changes.",
        needs=Needs.ENVIRONMENT,
    )  # fmt: skip
    served.add_argument(
        "--port", type=number(1, 65535, what="a port"), default=8000, metavar="N",
        help="port on loopback (default: 8000, or a free one)",
    )  # fmt: skip


def build(python: Path, folder: Path) -> None:
    """Build the site, and replace an earlier one by it as a whole.

    Parameters
    ----------
    python
        An interpreter that has the layer ``docs``.
    folder
        Where the site goes.

    Raises
    ------
    UsageError
        When the folder holds something else.
    SetupError
        When the pages are not in order, with what MkDocs says of each; an earlier site stays.
    """
    with _replaced(folder) as new:
        # Not --quiet: warnings that are not shown are not counted either.
        command = [*_mkdocs(python, "build"), "--strict", "--site-dir", str(new)]
        done = captured(command, cwd=CHECKOUT, env=_variables())
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
            raise SetupError("\n".join(["docs: the site is not built:", *said]).rstrip())
        for path in [path for pattern in _UNUSED for path in new.glob(pattern)]:
            path.unlink()


def make(layout: Layout, folder: Path) -> None:
    """Put the site into a folder: built from the pages, or copied from the archive of this release.

    Parameters
    ----------
    layout
        Whose environment builds it.
    folder
        Where the site goes.
    """
    ready = pages.SITE.is_dir()
    if not ready:
        _require_pages()
        layers.ensure(layout, "docs")
    with step("the site of the docs") as shown:
        if ready:
            with _replaced(folder) as new:
                shutil.copytree(pages.SITE, new)
        else:
            build(layout.python, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e6
        shown.done(f"{len(files)} files, {size:.1f} MB")


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Give a folder that is still to be made, and put it in the place of an earlier site."""
    if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
        raise UsageError(f"{folder}: is something else than an earlier site; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".docs-") as temporary:
        new = Path(temporary, "site")
        yield new
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)


def _is_ours(folder: Path) -> bool:
    return (folder / _INDEX).is_file() or not any(folder.iterdir())


def _mkdocs(python: Path, command: str) -> list[str]:
    return [str(python), "-m", "mkdocs", command, "--config-file", str(_SETTINGS)]


def _variables() -> dict[str, str]:
    """MkDocs needs no network; its theme would print a notice of its own at each start."""
    return environment.local({"NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "ignore"})


def _require_pages() -> None:
    if not (CHECKOUT / "docs").is_dir():
        raise UsageError(
            "there are no pages here: they are in a checkout, and in an archive of "
            "bundle --with tests"
        )


def _build(layout: Layout, options: argparse.Namespace) -> int:
    folder = expanded(options.folder).resolve() if options.folder else layout.docs
    make(layout, folder)
    web = program.folder(layout) / "web"
    if folder == layout.docs and web.is_dir():
        pages.install_site(web, folder)
    print(folder / _FIRST)
    return 0


def _serve(layout: Layout, options: argparse.Namespace) -> int:
    _require_pages()
    with layout.locked():
        layers.ensure(layout, "docs")
    port = free_port(_ADDRESS, options.port)
    say(f"http://{_ADDRESS}:{port}/ until Ctrl-C")
    command = [*_mkdocs(layout.python, "serve"), "--dev-addr", f"{_ADDRESS}:{port}"]
    os.chdir(CHECKOUT)
    os.execve(layout.python, command, _variables())  # so that it gets signals itself
