"""Nothing outside the prefix is written, in any locale and with any umask.

The whole of it, MySQL, executor and web server over TLS, a flow and down, runs where the kernel
denies every change elsewhere, so it can do without; and the places where it could have written,
an empty home folder and this checkout, are afterwards as they were, so it does not try.
``tests/trace_writes.py`` shows each call.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from setup.layout import CHECKOUT, Layout
from setup.life.process import free_port
from tests.live.landlock import confine

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
set -eux
python=$1
python() { "$python" "$@"; }
cd "$2"
trap 'python -m setup stop' EXIT
python -m setup mysql init --port "$3"
python -m setup up --profile server --tls
mkdir "$HOME/tmp"
export TMPDIR=$HOME/tmp  # for azk, which packs projects
mkdir "$HOME/tmp/hello"
cat > "$HOME/tmp/hello/hello.job" << 'END'
type=command
command=${python} -c "import matplotlib.pyplot, sklearn.svm; print('größe')"
END
export AZK_CONFIG=$AZK_HOME/azk.toml
azk=$AZK_HOME/env/bin/azk
"$azk" project create hello "größe"
"$azk" upload hello "$HOME/tmp/hello"
rm -r "$HOME/tmp"
"$azk" run hello hello --follow
python -m setup status
python -m setup doctor
"""


def _files(folder: Path) -> dict[str, int]:
    """List a folder with the times of change of all in it: of folders too, which all else moves."""
    return {str(path): path.lstat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_confined_processes_cannot_write_elsewhere(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    command = f"echo 1 > {inside}/a; echo 2 > {outside}/b; mkdir {outside}/c; : > {outside}/kept"
    (outside / "kept").write_text("x")
    result = subprocess.run(
        ["sh", "-c", command],
        preexec_fn=partial(confine, [inside]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr.count("Permission denied") == 3
    assert [p.name for p in inside.iterdir()] == ["a"]
    assert [(p.name, p.read_text()) for p in outside.iterdir()] == [("kept", "x")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_whole_life_inside_the_prefix(home: Path, tmp_path: Path) -> None:
    prefix, cache = tmp_path / "p", Layout.of().cache
    layout = Layout(prefix, cache)
    layout.create(need=0)
    layout.env.symlink_to(sys.prefix)
    prefix.chmod(0o755)  # as a folder that the user made before
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "XDG_", "LC_"))}
    environ = {**kept, "HOME": str(home), "AZK_HOME": str(prefix), "AZK_CACHE": str(cache)}
    environ |= {"LANG": "C", "LC_ALL": "C", "TERM": "dumb"}
    environ.pop("TMPDIR", None)
    port = free_port("127.0.0.1", 3306, 3306)  # one that no other test's server takes meanwhile
    # Jobs of other tests that run meanwhile would compile what they import from here.
    compiling = [layout.python, "-m", "compileall", "-q", CHECKOUT / "azkaban_client"]
    subprocess.run(compiling, env=environ, check=True)
    before = {name: _files(CHECKOUT / name) for name in ("setup", "azkaban_client", "flows")}
    result = subprocess.run(
        ["sh", "-c", _SCRIPT, "sh", str(layout.python), str(CHECKOUT), str(port)],
        env=environ,
        preexec_fn=partial(confine, [prefix, cache, home]),
        umask=0,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    assert "SUCCEEDED" in result.stdout
    assert {n: _changed(files, _files(CHECKOUT / n)) for n, files in before.items()} == {
        name: [] for name in before
    }
    # what azk keeps for its user: the session
    session = [str(p.relative_to(home)) for p in sorted(home.rglob("*")) if p.is_file()]
    assert [name.rpartition("/")[0] for name in session] == [".local/state/azk/sessions"]
    _check_modes(prefix)


def _changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """List what changed, but for the two files that Python writes before a line of ours runs."""
    paths = before.keys() | after.keys()
    found = sorted(path for path in paths if before.get(path) != after.get(path))
    own = f"{CHECKOUT}/setup/__pycache__"
    starts = (f"{own}/__init__.", f"{own}/__main__.")
    return [p for p in found if p not in (f"{CHECKOUT}/setup", own) and not p.startswith(starts)]


def _check_modes(prefix: Path) -> None:
    """Nobody else may change anything, or read what is secret, though the umask allows all."""
    secret = {"azk.toml", "azkaban.properties", "azkaban-users.xml"}
    suffixes = {".password", ".key", ".cnf", ".p12"}
    loose, secrets = [], 0
    for path in prefix.rglob("*"):
        if path.is_symlink() or path.is_socket():
            continue
        ours = "templates" in path.parts  # of projects, as they come with the program
        private = path.is_file() and (path.name in secret or path.suffix in suffixes) and not ours
        secrets += private
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (0o077 if private else 0o022):
            loose.append(f"{path} {mode:o}")
    assert loose == []
    assert secrets >= 10
