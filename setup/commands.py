"""How the commands of ``python3 -m setup`` are registered, alone or in groups such as ``mysql``.

Each command declares what it needs before it can run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import nullcontext, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from azkaban_client import authorities
from setup import environment, limits, platforms, release
from setup.azkaban import Server, busy
from setup.called import as_called, called
from setup.errors import UsageError
from setup.layout import CHECKOUT
from setup.life.process import refuse_root
from setup.messages import say
from setup.python import layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.layout import Layout

    Run = Callable[[Layout, argparse.Namespace], int]

__all__ = ["Commands", "Needs", "Parser"]


class Needs(Enum):
    """What a command needs before it can run."""

    NOTHING = "runs on the Python that was called"
    PREFIX = "the same, and makes the prefix itself"
    IF_THERE = "runs inside the environment where there is one"
    INSTALLATION = "the same, and refuses a prefix without installation"
    ENVIRONMENT = "makes the prefix and its environment"
    JOBS = "the same, with the packages of the jobs that ship with it"
    TOOLS = "the same, with the tools of a checkout"


_LAYERS: dict[Needs, tuple[str, ...]] = {
    Needs.ENVIRONMENT: (),
    Needs.JOBS: ("jobs",),
    Needs.TOOLS: ("dev",),
}


def _refuse_unfit() -> None:
    """Refuse an account or a shell that cannot start servers, before any work."""
    refuse_root()
    limits.require()


class Parser(argparse.ArgumentParser):
    """A parser that can have its words written otherwise before it reads them.

    Attributes
    ----------
    rewrite
        Gets the words and returns those to parse; None to parse them as they are.
    """

    rewrite: Callable[[list[str]], list[str]] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, as `argparse.ArgumentParser` does."""
        if self.rewrite and args is not None:
            try:
                args = self.rewrite(list(args))
            except UsageError as error:
                self.error(str(error))
        return super().parse_known_args(args, namespace)


class Commands:
    """The commands of one level.

    Parameters
    ----------
    parser
        Whose commands these are.
    common
        Options that each of them takes.
    group
        Whether they are the steps of a command such as ``mysql``.
    """

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        common: argparse.ArgumentParser,
        *,
        group: bool = False,
    ) -> None:
        names = ("STEP", "step") if group else ("COMMAND", "command")
        self._parsers = parser.add_subparsers(
            required=True, metavar=names[0], dest=names[1], parser_class=Parser
        )
        self._common = common
        self._name = parser.prog.rpartition(" ")[2]

    def __contains__(self, name: str) -> bool:
        return name in self._parsers.choices

    def add(
        self,
        name: str,
        run: Run,
        text: str,
        *options: argparse.ArgumentParser,
        needs: Needs = Needs.NOTHING,
        locked: bool = False,
        unprivileged: bool = False,
    ) -> Parser:
        """Register one command.

        Parameters
        ----------
        name
            As it is typed.
        run
            Gets the layout and the options; returns the exit code.
        text
            One line of help.
        options
            Parsers whose options it shares with other commands.
        needs
            What must be there.
        locked
            Whether it changes the installation: then one such command runs at a time.
        unprivileged
            Whether it starts servers, which root may not do.

        Returns
        -------
        Parser
            For the options that it alone has.
        """
        parser = self._parsers.add_parser(
            name,
            help=text,
            description=text,
            parents=[self._common, *options],  # type: ignore[list-item]
            allow_abbrev=False,
        )

        def as_installed(layout: Layout, chosen: argparse.Namespace) -> int:
            if unprivileged:
                _refuse_unfit()
            _take_temporary(layout)
            if needs is not Needs.NOTHING:
                _remember_authorities(layout)
            with layout.locked() if locked else nullcontext():
                return run(layout, chosen)

        def command(layout: Layout, chosen: argparse.Namespace, arguments: list[str]) -> int:
            if unprivileged:
                _refuse_unfit()
            platforms.require(layout, chosen)
            if needs in _LAYERS and not layout.python.exists() and (text := platforms.limits()):
                say(f"{called()}: {text}")
            self._prepare(needs, layout, arguments)
            return as_installed(layout, chosen)

        def enters(layout: Layout) -> bool:
            if unprivileged:
                _refuse_unfit()
            return needs is Needs.PREFIX or needs in _LAYERS or layout.exists()

        # The archive asks `enters` before it unpacks anything under the prefix; scripts beside a
        # server run it `as_installed`.
        parser.set_defaults(run=command, enters=enters, as_installed=as_installed)
        return parser

    def group(self, name: str, text: str, epilog: str) -> Commands:
        """Register a command with steps of its own."""
        parser = self._parsers.add_parser(
            name,
            help=text,
            description=text,
            epilog=as_called(epilog),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        return Commands(parser, self._common, group=True)

    @staticmethod
    def _before(layout: Layout) -> None:
        """Refuse to change an environment that jobs are using, or one that mixes two releases."""
        if not layout.exists():
            return
        release.mixed(layout).refuse()
        if not layers.all_current(layout) and (found := busy.with_processes(Server(layout))):
            raise UsageError(
                f"jobs of {busy.listed(found)} use the environment of {layout.prefix}, which "
                f"would change while they run: wait for their end, or let {called()} update --wait "
                "do so"
            )

    def _prepare(self, needs: Needs, layout: Layout, arguments: list[str]) -> None:
        if needs is Needs.TOOLS and not (CHECKOUT / "tests").is_dir():
            raise UsageError(
                "there are no tests here: they are in a checkout, and in an archive of "
                "bundle --with tests"
            )
        if needs is not Needs.NOTHING:
            layout.require_private()
            _remember_authorities(layout)
        if needs in _LAYERS:
            self._before(layout)
            layers.enter(layout, arguments, *_LAYERS[needs])
            return
        if needs is Needs.INSTALLATION and not layout.exists():
            first = f"{self._name} start" if "start" in self._parsers.choices else "up"
            raise UsageError(
                f"{layout.prefix}: no installation there; run {called()} {first} first"
            )
        there = needs in (Needs.IF_THERE, Needs.INSTALLATION) and layout.python.exists()
        if there and not layers.inside(layout):
            layers.reenter(layout, arguments)


def _take_temporary(layout: Layout) -> None:
    """Put this process's temporary files under the prefix if TMPDIR names no folder."""
    given = os.environ.get("TMPDIR")
    if given and layout.exists() and environment.temporary(layout.temporary) != given:
        with suppress(OSError):  # a prefix that can only be read
            layout.temporary.mkdir(mode=0o700, exist_ok=True)
        os.environ["TMPDIR"] = str(layout.temporary)
        tempfile.tempdir = None  # forget what was chosen before


def _remember_authorities(layout: Layout) -> None:
    """Keep a company's authorities in the prefix, or use those that it keeps."""
    if layout.exists():
        with suppress(OSError):  # a prefix that can only be read
            authorities.remember(layout.prefix)
