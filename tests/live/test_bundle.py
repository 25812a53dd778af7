"""The one-file archive on a machine without a network, by an account whose home folder is empty."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from setup.bundle import make
from setup.demo import FLOWS
from setup.layout import CHECKOUT, Layout
from tests.live import offline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The Python of whoever got the file, not the environment in which these tests run.
PYTHON = getattr(sys, "_base_executable", sys.executable)

# What is typed after the page: the file is no longer there, nor is a checkout.
_MORE = """
trap 'azkaban-jobflow stop; azkaban-jobflow mysql stop || :' EXIT
rm azkaban-jobflow-*.pyz
cd /
azkaban-jobflow status --json > "$HOME/status.json"
AZK_CONFIG=$HOME/.azkaban-jobflow/azk.toml azk project list --json
(cd && azk new sales --template etl && azk run sales sales --local)
azkaban-jobflow stop
azkaban-jobflow env --with routing 2> "$HOME/refused" || echo $? >> "$HOME/refused"
azkaban-jobflow mysql start
azkaban-jobflow mysql use -e 'SELECT 40 + 2'
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A prefix with the environment of these tests, for whoever makes the archive."""
    found = Layout(tmp_path_factory.mktemp("maker") / "p", Layout.of().cache)
    found.create(need=0)
    found.env.symlink_to(sys.prefix)
    return found


@pytest.fixture(scope="module")
def archive(layout: Layout) -> Iterator[Path]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    path = layout.prefix / make.name(thin=False)
    layout.docs.mkdir()
    (layout.docs / "index.html").write_text("the pages")
    make.write(layout, make.Selection(pythons=(python,)), path, print, site=layout.docs)
    yield path
    path.unlink()


def _run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a newcomer, cut off from the network where the kernel allows that."""
    home.mkdir(exist_ok=True)
    environ = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    for name in ("AZK_ALLOW_ROOT", "JAVA_HOME"):
        if name in os.environ:
            environ[name] = os.environ[name]
    return subprocess.run(
        command,
        env=environ | offline.DEAD,
        preexec_fn=offline.cut if offline.possible() else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def _page() -> list[str]:
    """Read the commands of the page that are typed where there is no network."""
    text = (CHECKOUT / "docs" / "how-to" / "one-file.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)).splitlines()
    assert lines[0] == "python3 -m setup bundle"  # which the fixture does
    if not shutil.which("man"):
        lines.remove("man -w azk azkaban-jobflow")
    return lines[1:]


def test_whole_life_without_a_network(archive: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.link(archive, home / archive.name)
    lines = ["set -eux", f'python3() {{ {PYTHON} "$@"; }}', f"cd {home}"]
    lines += ["grep -c : /proc/net/dev > devices", *_page(), _MORE]
    result = _run(home, "bash", "-c", "\n".join(lines))
    assert result.returncode == 0, result.stderr[-4000:]
    if offline.possible():
        assert (home / "devices").read_text() == "1\n"  # the loopback device
    for flow in FLOWS:
        assert f"report: {home}/.azkaban-jobflow/runs/{flow}/" in result.stdout
    assert result.stdout.count("SUCCEEDED") >= 4 * len(FLOWS)
    assert "https://" in result.stderr
    assert "\n42\n" in result.stdout
    assert "downloading" not in result.stderr
    refused = (home / "refused").read_text()
    assert "holds the server, jobs, mysql, tls for Python" in refused
    assert "bundle --with and --python make one that holds more" in refused
    assert refused.endswith("\n4\n")
    status = json.loads((home / "status.json").read_text())
    assert [(server["server"], server["state"]) for server in status] == [("azkaban", "running")]
    web = home / ".azkaban-jobflow" / "azkaban" / "program" / "web"
    assert (web / "js" / "docs" / "index.html").read_text() == "the pages"
    product = next((home / ".azkaban-jobflow" / "product").iterdir())
    assert (product / "wheels").is_dir()
    assert "Traceback" not in result.stderr


def test_the_same_again_has_the_same_bytes(archive: Path, layout: Layout, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        selection = make.Selection(pythons=(f"{sys.version_info.major}.{sys.version_info.minor}",))
        path = tmp_path / "again.pyz"
        again = make.write(layout, selection, path, print, site=layout.docs)
    finally:
        os.umask(before)
    with archive.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == again


@pytest.mark.parametrize("part", ["wheels/scipy-", "downloads/maven/h2-"])
def test_a_package_that_was_changed_is_refused(archive: Path, tmp_path: Path, part: str) -> None:
    with zipfile.ZipFile(archive) as opened:
        info = next(i for i in opened.infolist() if i.filename.startswith(f"product/{part}"))
    other = tmp_path / "other.pyz"
    other.write_bytes(archive.read_bytes())
    with other.open("r+b") as file:
        file.seek(info.header_offset + 5000)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    home = tmp_path / "home"
    result = _run(home, PYTHON, str(other), "up")
    assert result.returncode == 4, result.stderr
    assert f"{other} is damaged: {info.filename} is not what its manifest says" in result.stderr
    assert list((home / ".azkaban-jobflow" / "product").iterdir()) == []
    assert "Traceback" not in result.stderr


def test_the_thin_one_downloads(layout: Layout, archive: Path, tmp_path: Path) -> None:
    """From a folder of packages, which stands for a mirror."""
    thin = tmp_path / make.name(thin=True)
    make.write(layout, make.Selection(thin=True), thin, print)
    assert thin.stat().st_size < 3e6
    home = tmp_path / "home"
    home.mkdir()
    wheels = {"PIP_FIND_LINKS": str(layout.cache / "wheels"), "PIP_NO_INDEX": "1"}
    result = subprocess.run(
        [PYTHON, str(thin), "env"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", **wheels},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{home}/.azkaban-jobflow/env/bin/python\n"
    assert (home / ".azkaban-jobflow" / "env" / "bin" / "azkaban-jobflow").is_file()
