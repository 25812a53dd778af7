"""What goes to a package index: the client alone, with all that it promises, and its own text."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from azkaban_client import __version__

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "azkaban_client" / "README.md"


def _build(kind: str, source: Path, target: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, made from the source archive as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    archive = _build("sdist", ROOT, folder / "sdist")
    (folder / "source").mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", folder / "source"], check=True)
    (source,) = (folder / "source").iterdir()
    shutil.unpack_archive(_build("wheel", source, folder / "wheel"), folder / "unpacked", "zip")
    return folder / "unpacked"


def test_it_holds_the_client_and_its_text(wheel: Path) -> None:
    client, info = sorted(path.name for path in wheel.iterdir())
    assert client == "azkaban_client"
    metadata = email.message_from_string((wheel / info / "METADATA").read_text("utf-8"))
    assert str(metadata.get_payload()).strip() == PAGE.read_text("utf-8").strip()
    assert metadata["Version"] == __version__
    there = {path.relative_to(wheel / client).as_posix() for path in (wheel / client).rglob("*")}
    assert {"py.typed", "console/index.html", "job/page.html", "new/templates"} <= there
    ours = {path.name for path in (ROOT / "azkaban_client").glob("*.py")}
    assert {name for name in there if "/" not in name and name.endswith(".py")} == ours


def test_its_page_can_be_typed_on_a_machine_without_the_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE.read_text("utf-8"))
    lines = [line for line in "".join(blocks).splitlines() if not line.startswith("pipx ")]
    assert len(lines) == 3
    start = "import azkaban_client.cli as cli; print(cli.__file__); cli.main()"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AZK_", "XDG_", "PYTHON"))}
    for line in lines:
        done = subprocess.run(
            [sys.executable, "-c", start, *line.split()[1:]],
            cwd=tmp_path,
            env={**kept, "HOME": str(tmp_path), "PYTHONPATH": str(wheel)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith(str(wheel))
    assert (tmp_path / "sales" / "sales.job").is_file()
