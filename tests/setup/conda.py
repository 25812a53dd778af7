"""An environment in conda's layout, for conda-pack: nothing here needs conda."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Where conda builds packages: what it replaces by the folder in which an environment lies.
PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"


def lay_out(home: Path, conda: Path, *without: str) -> Path:
    """Make a relocatable Python a package of conda's, in its cache and installed.

    Parameters
    ----------
    home
        Where the Python is, with what it has installed.
    conda
        The folder to make: ``pkgs`` and ``envs``.
    without
        Patterns of names to leave out.

    Returns
    -------
    Path
        The environment. Its file ``share/where.txt`` names its own folder, as some of conda's do.
    """
    package, env = conda / "pkgs" / "p", conda / "envs" / "e"
    ignored = shutil.ignore_patterns(*without)
    shutil.copytree(home, package, symlinks=True, ignore=ignored, copy_function=os.link)
    text = "share/where.txt"
    (package / text).parent.mkdir(exist_ok=True)
    (package / text).write_text(f"{PLACEHOLDER}/lib\n")
    paths = [
        {"_path": path.relative_to(package).as_posix(), "path_type": "hardlink"}
        for path in sorted(package.rglob("*"))
        if path.is_file()
    ]
    [where] = [path for path in paths if path["_path"] == text]
    where |= {"file_mode": "text", "prefix_placeholder": PLACEHOLDER}
    shutil.copytree(package, env, symlinks=True, copy_function=os.link)
    (env / text).unlink()
    (env / text).write_text(f"{env}/lib\n")
    (package / "info").mkdir()
    (package / "info" / "paths.json").write_text(json.dumps({"paths": paths, "paths_version": 1}))
    about = {
        "name": "python",
        "version": "3",
        "url": "https://conda.example.org/python-3-0.conda",
        "link": {"source": str(package), "type": 1},
        "files": [path["_path"] for path in paths],
    }
    (env / "conda-meta").mkdir()
    (env / "conda-meta" / "history").touch()
    (env / "conda-meta" / "python-3-0.json").write_text(json.dumps(about))
    return env
