"""What the page on jobs of one's own shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client import collect
from azkaban_client.flow.lint import lint
from azkaban_client.flow.loader import load
from azkaban_client.flow.loader.command_line import split_command
from azkaban_client.job.testing import run_job
from tests.setup import made_up

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = ("start/own-jobs", "how-to/secrets", "how-to/packages")
PAGE = "".join((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in PAGES)
TUTORIAL = (DOCS / "start" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    script, plain, _, test = blocks("python")
    (tmp_path / "sales.py").write_text(script)
    (tmp_path / "fetch.py").write_text(plain)
    (tmp_path / "secret.sh").write_text(blocks("bash")[0])
    (tmp_path / "test_sales.py").write_text(test)
    (tmp_path / "sales.csv").write_text("2026-11-30,12.5\n2026-11-30,20\n2026-11-30,1\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_commands_print_what_it_shows(folder: Path) -> None:
    commands, _ = blocks("sh")
    shown, refused, _ = blocks("text")
    about, done = (run(folder, *line.split()[1:]) for line in commands.splitlines())
    assert "Amounts below are left out" in about.stdout
    assert done.stdout == shown, done.stderr
    wrong = run(folder, "sales.py", "--day=soon", "--prop=sales.leats=5")
    assert (wrong.returncode, wrong.stderr) == (2, refused)


def test_its_test_passes(folder: Path) -> None:
    done = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sales.py")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_its_job_takes_the_property(folder: Path) -> None:
    job = blocks("properties")[0]
    assert "command=python3 sales.py" in job
    (folder / "props").write_text(job.replace("${day}", "2026-11-30"))
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "JOB_PROP_FILE": str(folder / "props")}
    done = subprocess.run(
        [sys.executable, "sales.py"], cwd=folder, env=environ, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "sales.total = 33.5" in done.stdout, done.stderr


def test_its_plain_script_has_outputs(folder: Path) -> None:
    assert run_job(folder / "fetch.py", {}, folder).outputs == {"fetch.rows": "3"}


def test_its_secret_reaches_a_script_and_no_log(folder: Path) -> None:
    (job,) = (text for text in blocks("properties") if "secret.sh" in text)
    (folder / "shop").write_text("SHOP_TOKEN='a b'\n")
    (folder / "fetch.py").write_text("import os; print(len(os.environ['SHOP_TOKEN']))\n")
    line = job.partition("command=")[2].replace("/home/me/.secrets/shop", "./shop")
    words = split_command(line.strip().replace("${python}", sys.executable))
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_what_it_shows_of_a_script_that_exists(azk, folder: Path, tmp_path: Path) -> None:
    script = re.search(r"fetch.py <<'END'\n(.*?)END\n", TUTORIAL, re.DOTALL)[1]
    (tmp_path / "fetch.py").write_text(script)
    assert azk("new", "--from", "fetch.py").code == 0
    assert (tmp_path / "fetch/fetch.job").read_text() in blocks("properties")


def test_its_flow_in_python_is_one(folder: Path) -> None:
    for name in ("fetch", "report"):
        (folder / f"{name}.py").touch()
    (folder / "flow.py").write_text(blocks("python")[2])
    bundle = collect(folder)
    assert lint(bundle) == []
    assert load(bundle).flows["nightly"].jobs["report"].dependencies == (
        "sales_berlin",
        "sales_paris",
        "sales_rome",
    )


def test_its_packages_are_installed(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    azk: Callable[..., Any],
) -> None:
    command = blocks("sh")[1].split()
    prefix = tmp_path_factory.mktemp("prefix")
    (prefix / ".azkaban-jobflow").touch()
    monkeypatch.setenv("AZK_HOME", str(prefix))
    (folder / "requirements.txt").write_text(blocks("text")[2])
    with made_up.serving(made_up.Index()) as index:
        index.add("requests", "2.32")
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        (folder / "sales").symlink_to(folder)
        assert command[0] == "azk"
        done = azk(*command[1:], "--json")
    assert done.json["packages"] == {"requests": "2.32"}, done.err
