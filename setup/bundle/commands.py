"""``setup bundle``: the command line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING

from setup import docs
from setup.bundle import make
from setup.commands import Needs
from setup.errors import UsageError
from setup.messages import say, step
from setup.paths import expanded

if TYPE_CHECKING:
    from setup.commands import Commands
    from setup.layout import Layout

__all__ = ["add_commands"]

_HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def add_commands(commands: Commands) -> None:
    """Add ``bundle`` to the commands of setup."""
    text = "Write one file that sets all of it up on machines without a network."
    bundle = commands.add("bundle", _bundle, text, needs=Needs.ENVIRONMENT)
    bundle.add_argument(
        "--with", dest="parts", type=_parts, metavar="PART,...",
        help=f"what it holds beside the server: {', '.join(make.EXTRAS)} "
        f"(default: {','.join(make.DEFAULT)})",
    )  # fmt: skip
    bundle.add_argument(
        "--python", dest="pythons", type=_pythons, default=(_HERE,), metavar="X.Y,...",
        help="the Pythons that are to run it (default: the one that runs this)",
    )  # fmt: skip
    bundle.add_argument(
        "--thin", action="store_true", help="the program alone, which downloads all else"
    )
    bundle.add_argument("--output", metavar="FILE", help="where it goes (default: this folder)")


def _parts(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if wrong := [part for part in found if part not in make.EXTRAS]:
        known = ", ".join(make.EXTRAS)
        raise argparse.ArgumentTypeError(f"{wrong[0]!r}: expected some of {known}")
    return found


def _pythons(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if wrong := [part for part in found if not re.fullmatch(r"3\.(1[1-9]|[2-9]\d)", part)]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r}: expected versions such as 3.11,3.13")
    if not found:
        raise argparse.ArgumentTypeError("expected versions such as 3.11,3.13")
    return found


def _bundle(layout: Layout, options: argparse.Namespace) -> int:
    if options.thin and options.parts:
        raise UsageError("--thin holds no packages: leave --with out, or --thin")
    parts = make.DEFAULT if options.parts is None else options.parts
    selection = make.Selection(parts, options.pythons, thin=options.thin)
    output = expanded(options.output or make.name(thin=options.thin)).absolute()
    if output.is_dir():
        output /= make.name(thin=options.thin)
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}")
    if not os.access(output.parent, os.W_OK):
        raise UsageError(f"--output {output}: {output.parent} may not be written to; name another")
    with layout.locked():
        docs.make(layout, layout.docs)
        with step("one-file archive") as shown:
            sha256 = make.write(layout, selection, output, shown.update, site=layout.docs)
            shown.done(f"{output}, {output.stat().st_size / 1e6:.1f} MB")
    say(f"SHA-256 {sha256}")
    print(output)
    return 0
