"""Send a project's packages along: one archive in its zip, unpacked once on each executor."""

from __future__ import annotations

import platform
import posixpath
import re
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

from azkaban_client.environments.store import prefix
from azkaban_client.errors import AzkabanError
from azkaban_client.flow.interpreter import with_property
from azkaban_client.flow.loader import is_flow_2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azkaban_client.environments.store import Environment
    from azkaban_client.flow.zip import Bundle

__all__ = ["pack", "with_packed"]

_PLACE = ".azk-packed"  # in the environment's folder, so that both are pruned together
_PROGRAM = "azkaban-jobflow"
_SCRIPT = "azk-python"


def pack(environment: Environment, *, say: Callable[[str], object] = lambda _: None) -> Path:
    """Pack an environment with its Python into an archive that runs elsewhere, unless it is there.

    The work is done by ``azkaban-jobflow python pack``, which also runs the archive in another
    folder.

    Parameters
    ----------
    environment
        The environment.
    say
        Called with what goes on.

    Returns
    -------
    Path
        The archive; its name tells its content.

    Raises
    ------
    AzkabanError
        There is no ``azkaban-jobflow``, or the environment cannot be packed.
    """
    place = environment.folder / _PLACE
    found = sorted(place.glob("python-*.tar.gz"))
    if found:
        return found[0]
    home = prefix()
    own = home / "env" / "bin" / _PROGRAM if home else None
    program = str(own) if own and own.is_file() else shutil.which(_PROGRAM)
    if program is None:
        raise AzkabanError(
            f"there is no {_PROGRAM}, which packs environments: set up a server on this machine "
            "(python3 -m setup up), or install the packages on the executors"
        )
    say(f"packing {environment.folder}")
    place.mkdir(exist_ok=True)
    result = subprocess.run(
        [program, "python", "pack", str(place), "--python", str(environment.python)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # what it says on the way goes where ours goes
        text=True,
        check=False,
    )
    found = sorted(place.glob("python-*.tar.gz"))
    if result.returncode or not found:
        raise AzkabanError(f"{environment.folder}: {_PROGRAM} python pack has failed, see above")
    return found[0]


def with_packed(bundle: Bundle, archive: Path) -> Bundle:
    """Return a project that brings its packages: ``${python}`` unpacks them when it runs first.

    Where the project sets ``python`` for all jobs itself, that stays.

    Parameters
    ----------
    bundle
        The project, of Flow 1.0 or 2.0.
    archive
        The archive that `pack` made.

    Raises
    ------
    InvalidProject
        A flow of Flow 2.0 is written in a way that nothing can be added to.
    """
    text = resources.files(__package__).joinpath("python.sh").read_text(encoding="utf-8")
    values = {"archive": archive.name, "machine": platform.machine()}
    script = re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)
    whole = replace(bundle, files={**bundle.files, archive.name: archive, _SCRIPT: script.encode()})
    # A job works in its file's folder; those of Flow 2.0 in the project's.
    jobs = [name for name in bundle.visible_names if name.endswith(".job")]
    folders = {""} if is_flow_2(bundle) else {"", *map(posixpath.dirname, jobs)}
    for folder in sorted(folders):
        path = posixpath.relpath(_SCRIPT, folder or ".")
        whole = with_property(whole, "python", f"sh {path}", folder)
    return whole
