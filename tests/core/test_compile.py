"""Machine code is kept by what the sources say, not by where they lie."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import core._compile

INNER = "from core._compile import compiled\n@compiled()\ndef inner(x):\n    return x + 1\n"
OUTER = (
    "from core._compile import compiled\nfrom core.part.inner import inner\n"
    "@compiled()\ndef outer(x):\n    return inner(x) * 2\n"
)
CALL = "from core.part.outer import outer; print(outer(3), sum(outer.stats.cache_hits.values()))"


def test_a_copy_takes_what_another_has_compiled_and_a_change_does_not(tmp_path: Path) -> None:
    told = []
    for name, inner in (("a", INNER), ("b", INNER), ("c", INNER.replace("1", "2"))):
        part = tmp_path / name / "core" / "part"
        part.mkdir(parents=True)
        source = Path(core._compile.__file__)
        (part.parent / source.name).write_text(source.read_text())
        (part / "inner.py").write_text(inner)
        (part / "outer.py").write_text(OUTER)
        done = subprocess.run(
            [sys.executable, "-B", "-c", CALL], cwd=part.parents[1], check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert not list(part.rglob("*.nb*"))
        told.append(done.stdout.split())
    assert told == [["8", "0"], ["8", "1"], ["10", "0"]]


def test_sources_in_a_zip_take_it_too(tmp_path: Path) -> None:
    """As on executors, which get `core` as a zip, and what the driver has compiled beside it."""
    told = []
    for place in ("folder", "zip", "elsewhere"):
        work = tmp_path / place
        work.mkdir()
        with zipfile.ZipFile(work / "core.zip", "w") as packed:
            packed.writestr("core/__init__.py", "")
            packed.writestr("core/part/__init__.py", "")
            packed.write(core._compile.__file__, "core/_compile.py")
            packed.writestr("core/part/inner.py", INNER)
            packed.writestr("core/part/outer.py", OUTER)
        path = work / "core.zip"
        if place == "folder":
            shutil.unpack_archive(path, work)
            path = work
        cache = tmp_path / "cache"
        if place == "elsewhere":  # another folder, with the same files
            cache = cache.rename(work / "cache")
        done = subprocess.run(
            [sys.executable, "-B", "-c", CALL], cwd=tmp_path, check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(path)},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        told.append(done.stdout.split())
    assert told == [["8", "0"], ["8", "1"], ["8", "1"]]
