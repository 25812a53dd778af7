"""The one-file archive: what it is made of, and what it refuses."""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from setup import docs, release
from setup.azkaban import pages
from setup.bundle import commands, make, product, wheels
from setup.called import NAME
from setup.errors import UsageError
from setup.layout import CHECKOUT, Layout
from setup.python import layers
from setup.python.installer import LOCKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "prefix", tmp_path / "cache")
    found.create(need=0)
    return found


@pytest.fixture
def thin(layout: Layout, tmp_path: Path) -> Path:
    path = tmp_path / "azkaban-jobflow.pyz"
    make.write(layout, make.Selection(thin=True), path, print)
    return path


def run(archive: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    home = archive.parent / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, str(archive), *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", **environ},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def _rewritten(archive: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write a copy of an archive with other contents."""
    with zipfile.ZipFile(archive) as opened:
        found = {name: opened.read(name) for name in opened.namelist()}
    change(found)
    other = archive.with_name("other.pyz")
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in found.items():
            written.writestr(name, content)
    return other


def _manifest(**changed: object) -> Callable[[dict[str, bytes]], None]:
    def change(found: dict[str, bytes]) -> None:
        content = json.loads(found["MANIFEST.json"]) | changed
        found["MANIFEST.json"] = json.dumps(content).encode()

    return change


def test_the_bytes_depend_on_the_content_alone(
    layout: Layout, thin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another place, other times and modes, and what editors and Python leave change nothing."""
    other = tmp_path / "größer" / "checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in make.FOLDERS:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(
                CHECKOUT / name, other / name, ignore=ignore, copy_function=shutil.copyfile
            )
    for name in make.FILES:
        shutil.copyfile(CHECKOUT / name, other / name)
    for path in other.rglob("*"):
        path.chmod(
            0o700 if path.is_dir() or os.access(CHECKOUT / path.relative_to(other), 1) else 0o600
        )
    (other / "setup" / "__pycache__").mkdir()
    (other / "setup" / "__pycache__" / "cli.cpython-311.pyc").write_bytes(b"x")
    (other / "jobs" / ".train.py.swp").write_bytes(b"x")
    monkeypatch.setattr(make, "CHECKOUT", other)
    again = tmp_path / "again.pyz"
    make.write(layout, make.Selection(thin=True), again, print)
    assert again.read_bytes() == thin.read_bytes()
    assert thin.stat().st_size < 3e6
    with zipfile.ZipFile(thin) as opened:
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        modes = {info.external_attr >> 16 & 0o777 for info in opened.infolist()}
        assert modes <= {0o644, 0o755}
    (other / "jobs" / "more.py").write_text("")
    make.write(layout, make.Selection(thin=True), again, print)
    assert again.read_bytes() != thin.read_bytes()


def test_help_and_a_look_at_nothing_leave_nothing(thin: Path) -> None:
    shown = run(thin, "--help")
    assert shown.returncode == 0
    assert f"usage: {NAME}" in shown.stdout
    assert "python3 -m setup" not in shown.stdout
    status = run(thin, "status")
    assert (status.returncode, status.stderr) == (1, "")
    assert "not installed" in status.stdout
    missing = run(thin, "doctor")
    assert missing.returncode == 2
    assert f"no installation there; run {NAME} up first" in missing.stderr
    assert run(thin, "up", "--port", "zero").returncode == 2
    assert list((thin.parent / "home").iterdir()) == []


def test_a_file_started_with_closed_descriptors(thin: Path) -> None:
    other = _rewritten(thin, _manifest(platform="plan9-mips"))
    for archive, code in ((thin, 1), (other, 3)):
        command = ["bash", "-c", 'exec 0<&- 2>&-; exec "$0" "$1" status', sys.executable, archive]
        environ = {"HOME": "/nonexistent", "AZK_HOME": str(thin.parent / "p"), "PATH": "/bin"}
        result = subprocess.run(
            command, env=environ, cwd="/", stdout=subprocess.PIPE, text=True, check=False
        )
        assert result.returncode == code
        assert ("not installed" in result.stdout) is (code == 1)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999999])
def test_a_file_that_was_cut_off_says_so_in_one_line(thin: Path, share: float) -> None:
    whole = thin.read_bytes()
    thin.write_bytes(whole[: int(len(whole) * share)])
    result = run(thin, "up")
    assert result.returncode != 0
    assert "this-file-is-not-whole--copy-it-again" in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert "Traceback" not in result.stderr


def _longer(found: dict[str, bytes]) -> None:
    found["product/setup/cli.py"] += b"\n"


def _more(found: dict[str, bytes]) -> None:
    found["product/setup/sitecustomize.py"] = b"print('hello')"


def _less(found: dict[str, bytes]) -> None:
    del found["product/setup/versions.toml"]


def _unnamed(found: dict[str, bytes]) -> None:
    del found["MANIFEST.json"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_longer, "product/setup/cli.py"),
        (_more, "product/setup/sitecustomize.py is not as in MANIFEST.json"),
        (_less, "product/setup/versions.toml is not as in MANIFEST.json"),
        (_unnamed, "MANIFEST.json"),
        (_manifest(files=[]), "is not as in MANIFEST.json"),
    ],
)
def test_a_changed_file_is_refused(
    thin: Path, change: Callable[[dict[str, bytes]], None], named: str
) -> None:
    other = _rewritten(thin, change)
    result = run(other, "up")
    assert result.returncode == 4
    assert result.stderr.startswith("other.pyz: this file is damaged (")
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list((thin.parent / "home").iterdir()) == []


def test_damage_at_any_place_is_told(thin: Path) -> None:
    """A byte of the content or of the zip's own records."""
    whole = thin.read_bytes()
    with zipfile.ZipFile(thin) as opened:
        info = opened.getinfo("product/setup/cli.py")
        places = [info.header_offset, info.header_offset + 200, opened.start_dir + 60]
    for place in places:
        thin.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        result = run(thin, "up")
        assert result.returncode != 0, place
        assert "Traceback" not in result.stderr, place
        assert len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"platform": "linux-riscv64"}, "it holds programs for linux-riscv64, and this is linux-"),
        ({"pythons": ["3.98", "3.99"]}, "it holds packages for Python 3.98 or 3.99, and this is"),
        ({"pythons": ["3.98"]}, "start it with python3.98"),
        (
            {"platform": f"{sys.platform}-{platform.machine()}", "glibc": [9, 1]},
            "it holds programs for glibc 9.1 or newer, and this machine has",
        ),
    ],
)
def test_another_machine_is_told_in_one_sentence(
    thin: Path, changed: dict[str, Any], said: str
) -> None:
    result = run(_rewritten(thin, _manifest(**changed)), "up")
    assert result.returncode == 3
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list((thin.parent / "home").iterdir()) == []


def test_an_old_python_is_told_in_one_sentence(thin: Path) -> None:
    ast.parse((CHECKOUT / "setup/bundle/start.py").read_text(), feature_version=(3, 4))
    program = (
        "import sys, runpy; sys.version_info = (3, 8, 0); "
        f"sys.argv = [{str(thin)!r}, 'demo']; runpy.run_path({str(thin)!r}, run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 3
    assert result.stderr.startswith("azkaban-jobflow.pyz: Python 3.8 is too old, 3.11 or newer")
    assert f"python3.11 {thin} ..." in result.stderr


def test_the_product_is_unpacked_once_and_as_it_was(thin: Path, layout: Layout) -> None:
    first = product.unpack(thin, layout)
    assert first.parent == layout.prefix / "product"
    times = {path: path.stat().st_mtime_ns for path in first.rglob("*") if path.is_file()}
    assert product.unpack(thin, layout) == first
    assert times == {path: path.stat().st_mtime_ns for path in times}
    for path in (CHECKOUT / "setup").rglob("*.py"):
        copy = first / path.relative_to(CHECKOUT)
        assert copy.read_bytes() == path.read_bytes()
        assert copy.stat().st_mode & 0o777 in (0o644, 0o755)


def test_an_older_file_leaves_a_newer_prefix_as_it_is(thin: Path, layout: Layout) -> None:
    newer = release.Release("9.0.0", release.FORMAT, "/srv/newer")
    layout.marker.write_text(json.dumps(asdict(newer)))
    result = run(thin, "up", AZK_HOME=str(layout.prefix))
    assert result.returncode == 3
    assert "was set up by release 9.0.0 in /srv/newer, which is later" in result.stderr
    assert not product.home(layout).exists()


def test_each_prefix_has_a_product_of_its_own(
    thin: Path, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of one prefix that sets up another leaves it nothing that may go away."""
    first = product.unpack(thin, layout)
    monkeypatch.setattr(product, "CHECKOUT", first)
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _, command, __: started.append(command))
    product.move_under(layout, ["up"])
    assert started == []
    other = Layout(tmp_path / "other", layout.cache)
    other.create(need=0)
    monkeypatch.setattr(product, "contents", lambda: {"platform": ""})
    product.move_under(other, ["up", "--tls"])
    copy = other.prefix / "product" / first.name
    assert started == [[sys.executable, str(copy / "setup"), "up", "--tls"]]
    assert (copy / product.MANIFEST).read_bytes() == (first / product.MANIFEST).read_bytes()
    assert (copy / "setup" / "cli.py").is_file()


def test_what_scripts_run_is_whole_without_the_checkout(layout: Layout) -> None:
    """In an environment for development the client is the checkout's."""
    step = product.keep(layout) / "setup" / "shell" / "step.py"
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(step), str(layout.prefix), "azkaban", "status"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert "not installed" in result.stdout


def test_products_from_which_nothing_runs_are_deleted(thin: Path, layout: Layout) -> None:
    used = product.unpack(thin, layout)  # this process holds it
    for name in ("unused", "wanted", ".half.new"):
        (used.parent / name).mkdir()
        (used.parent / name / product.MANIFEST).write_text("{}")
    program = (
        "import sys; from pathlib import Path; from setup.bundle import product\n"
        "product.hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    (used.parent / "running").mkdir()
    (used.parent / "running" / product.MANIFEST).write_text("{}")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(used.parent / "running")],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        saved = layout.prefix / "backups" / "update-1" / "env" / "bin" / NAME
        saved.parent.mkdir(parents=True)
        saved.write_text(f"setup={used.parent}/wanted/setup\n")
        product.prune(layout)
        left = {path.name for path in used.parent.iterdir()}
        process.communicate()
    assert left == {used.name, "wanted", "running"}
    saved.unlink()
    product.prune(layout)
    assert {path.name for path in used.parent.iterdir()} == {used.name}


def test_a_program_that_it_becomes_still_holds_it(layout: Layout) -> None:
    kept = product.home(layout) / "kept"
    kept.mkdir(parents=True)
    (kept / product.MANIFEST).write_text("{}")
    program = (
        "import os, sys; from pathlib import Path; from setup.bundle import product\n"
        "product.hold(Path(sys.argv[1])); os.execv('/bin/sh', ['sh', '-c', 'echo on; read any'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(kept)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        product.prune(layout)
        assert kept.is_dir()
        process.communicate(b"\n")
    product.prune(layout)
    assert not kept.exists()


def test_each_python_gets_the_packages_of_its_own() -> None:
    found = {version: wheels._pins(LOCKS / "jobs.txt", version) for version in ("3.11", "3.14")}
    names = {v: {pin.partition("==")[0] for pin in pins} for v, pins in found.items()}
    assert {"numpy", "scipy"} <= names["3.11"] & names["3.14"]
    assert "colorama" not in names["3.11"]  # for Windows
    assert all("--hash=sha256:" in pin for pin in found["3.11"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--with", "mysql,flowers"], "'flowers': expected some of chat, java, jobs, mysql"),
        (["--python", "3.9"], "'3.9': expected versions such as 3.11,3.13"),
        (["--python", ","], "expected versions such as 3.11,3.13"),
    ],
)
def test_wrong_wishes_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from setup import cli

    with pytest.raises(SystemExit, match="2"):
        cli.main(["bundle", *arguments])
    assert said in capsys.readouterr().err


def test_its_folder_is_looked_at_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from setup import cli

    Layout(tmp_path / "p", tmp_path / "c").create(need=0)
    access = os.access  # root may write everywhere
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path and access(path, mode))
    output, prefix = str(tmp_path / "x.pyz"), str(tmp_path / "p")
    monkeypatch.setattr(make, "write", lambda *_: pytest.fail("it was begun"))
    monkeypatch.setattr(layers, "inside", lambda _: True)
    monkeypatch.setattr(layers, "ensure", lambda *_: None)
    assert cli.main(["bundle", "--output", output, "--prefix", prefix]) == UsageError.code
    assert f"--output {output}: {tmp_path} may not be written to" in capsys.readouterr().err


def test_it_holds_the_site_of_the_docs(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(_: Layout, folder: Path) -> None:
        folder.mkdir()
        (folder / "index.html").write_text("the pages")

    monkeypatch.setattr(docs, "make", build)
    output = tmp_path / "with-docs.pyz"
    options = argparse.Namespace(thin=True, parts=None, pythons=("3.11",), output=str(output))
    assert commands._bundle(layout, options) == 0
    target = tmp_path / "unpacked"
    product.write(output, target, whole=True)
    assert (target / pages.SITE.name / "index.html").read_text() == "the pages"


def test_parts_are_read_in_any_order_and_once() -> None:
    assert commands._parts("tls, mysql,tls") == ("tls", "mysql")
    assert commands._parts("") == ()
