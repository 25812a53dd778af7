"""From one release to the next and back, with real servers: nothing that users have is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Client, collect
from setup import java, release
from setup.azkaban import Server, busy
from setup.layout import CHECKOUT, Layout
from setup.life.saved import earlier
from setup.mysql import Server as MySQL
from tests.live.conftest import LiveAzkaban

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = getattr(sys, "_base_executable", sys.executable)
NEWER = "void 'of a later release';\n"
ARCHIVE = """
import sys
from pathlib import Path
from setup.bundle import make
from setup.layout import Layout
prefix, target = map(Path, sys.argv[1:])
make.write(Layout(prefix, prefix / "cache"), make.Selection(thin=True), target, print)
"""
# A later release whose servers do not come up: Java refuses the option.
BROKEN = """
_good = command
def command(*arguments, **options):
    first, *rest = _good(*arguments, **options)
    return [first, "-XX:+NoSuchOption", *rest]
"""


@dataclass
class House:
    """A prefix, and the checkouts of three releases."""

    folder: Path
    layout: Layout

    def checkout(self, version: str, *, broken: bool = False) -> Path:
        """Make the checkout of a release."""
        target = self.folder / f"release-{version}"
        if target.is_dir():
            return target
        left_out = shutil.ignore_patterns(".git", "tests", "benchmarks", "docs", "__pycache__")
        shutil.copytree(CHECKOUT, target, ignore=left_out)
        project = target / "pyproject.toml"
        text = re.sub(r'(?m)^version = ".*"', f'version = "{version}"', project.read_text())
        project.write_text(text)
        if version != "0.1.0":
            console = next(target.rglob("console/app.js"))
            console.write_text(f"{console.read_text()}{NEWER}")
        if broken:
            launch = target / "setup/azkaban/launch.py"
            launch.write_text(f"{launch.read_text()}{BROKEN}")
        return target

    def archive(self, version: str) -> Path:
        """Make the one-file archive of a release; it holds nothing to install."""
        target = self.folder / f"azkaban-jobflow-{version}.pyz"
        if not target.is_file():
            command = [sys.executable, "-c", ARCHIVE, str(self.layout.prefix), str(target)]
            subprocess.run(command, cwd=self.checkout(version), check=True)
        return target

    def java(self, name: str) -> Path:
        """Make a program that is Java by another name."""
        program = self.folder / name / "java"
        if not program.is_file():
            program.parent.mkdir()
            program.write_text(f'#!/bin/sh\nexec {shutil.which("java")} "$@"\n')
            program.chmod(0o755)
        return program

    def setup(self, version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a release's ``python3 -m setup``."""
        result = self.begin(version, *arguments)
        out, err = result.communicate(timeout=600)
        return subprocess.CompletedProcess(result.args, result.returncode, out, err)

    def begin(self, version: str, *arguments: str) -> subprocess.Popen[str]:
        """Start it; 0.2.0 is an archive, the others are checkouts."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "XDG_"))}
        environ |= {"AZK_HOME": str(self.layout.prefix), "AZK_CACHE": str(self.layout.cache)}
        start = ["-m", "setup"] if version != "0.2.0" else [str(self.archive(version))]
        return subprocess.Popen(
            [PYTHON, *start, *arguments],
            cwd=self.checkout(version) if version != "0.2.0" else "/",
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def client(self) -> Client:
        """Log in."""
        server = Server(self.layout)
        settings = server.settings
        auth = (settings.user, server.password)
        return Client(settings.url, auth=auth, address=settings.address)

    def pid(self) -> int:
        """The process of the server, which must run."""
        return Server(self.layout).running()["azkaban"].pid

    def is_newer(self) -> bool:
        """Tell whose console is served; that of the environment must be the same release's."""
        code = "import importlib.metadata as m; print(m.version('azkaban-jobflow'))"
        version = subprocess.run(
            [self.layout.python, "-I", "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        page = (self.layout.azkaban / "program/web/js/console/app.js").read_text()
        assert (NEWER in page) is (version == "0.2.0")
        return version == "0.2.0"

    def begin_execution(self) -> int:
        """Start a flow that ends when `end_executions` says so."""
        (self.folder / "go").unlink(missing_ok=True)
        with self.client() as client:
            execid = client.execute("stays", "waits", concurrency="concurrent")
            deadline = time.monotonic() + 60
            while not busy.with_processes(Server(self.layout)):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        return execid

    def end_executions(self) -> None:
        """Have them succeed."""
        (self.folder / "go").touch()

    def check(self, execid: int) -> None:
        """See that everything of the user is there."""
        with self.client() as client:
            assert "stays" in {project.name for project in client.projects()}
            assert client.execution(execid).succeeded
            assert "over\n" in "".join(client.log(execid, "waits"))
            assert [schedule.flow for schedule in client.schedules("stays")] == ["waits"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    made = House(folder, Layout(folder / "p", LiveAzkaban.cache()))
    result = made.setup("0.1.0", "up", "--mysql", "--java", str(made.java("first")))
    assert result.returncode == 0, result.stderr
    made.layout.marker.write_text("")  # as the first release left it, which recorded nothing
    flow = folder / "flow"
    flow.mkdir()
    waits = f"until [ -e {folder}/go ]; do sleep 0.1; done; echo over"
    (flow / "waits.job").write_text(f'type=command\ncommand=sh -c "{waits}"\n')
    with made.client() as client:
        client.create_project("stays", "through releases")
        with collect(flow).temporary() as archive:
            client.upload("stays", archive)
        client.schedule("stays", "waits", at=datetime.now(UTC) + timedelta(days=2), every="1d")
    yield made
    made.setup("0.1.0", "stop")


@pytest.fixture(scope="module")
def ended(house: House) -> int:
    """An update while a flow runs: refused, and by --wait after its end; gives the execution."""
    execid, pid, password = house.begin_execution(), house.pid(), Server(house.layout).password
    for command in (["update"], ["up"]):  # up would change the environment of the flow's jobs
        refused = house.setup("0.2.0", *command)
        assert refused.returncode == 2, refused.stderr
        assert f"execution {execid} " in refused.stderr
        assert "--wait" in refused.stderr
    refused = house.setup("0.2.0", "update", "--force", "--java", "/no/java")
    assert "--java /no/java: is no working Java" in refused.stderr
    assert house.pid() == pid
    assert not house.is_newer()
    waiting = house.begin("0.2.0", "update", "--wait")
    assert waiting.stderr
    assert "waiting for executions" in waiting.stderr.readline()
    assert house.pid() == pid
    house.end_executions()
    _, messages = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, messages
    assert "is at release 0.2.0; it was at 0.1.0" in messages
    assert house.is_newer()
    assert house.pid() != pid
    assert Server(house.layout).password == password
    assert java.kept(house.layout) == str(house.java("first"))
    house.check(execid)
    return execid


def test_update_waits_for_a_flow_and_brings_everything_along(house: House, ended: int) -> None:
    command = (house.layout.env / "bin/azkaban-jobflow").read_text()
    assert f"{house.layout.prefix}/product/" in command
    assert json.loads(house.layout.marker.read_text())["version"] == "0.2.0"
    status = house.setup("0.2.0", "status", "--json")
    assert [one["state"] for one in json.loads(status.stdout)] == ["running", "running"]


def test_an_earlier_release_refuses_the_prefix_of_a_later_one(house: House, ended: int) -> None:
    pid = house.pid()
    for command in (["up"], ["update"], ["azkaban", "start"], ["env"]):
        refused = house.setup("0.1.0", *command)
        assert refused.returncode == 3, refused.stderr
        assert f"was set up by release 0.2.0 in {house.layout.prefix}/product/" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert house.pid() == pid
    assert house.is_newer()
    assert house.setup("0.1.0", "status").returncode == 0


def test_an_update_that_fails_is_undone(house: House, ended: int) -> None:
    house.checkout("0.3.0", broken=True)
    failed = house.setup("0.3.0", "update", "--java", str(house.java("second")))
    assert failed.returncode == 5, failed.stderr
    assert "the update from 0.2.0 to 0.3.0 failed and was undone" in failed.stderr
    assert "NoSuchOption" in failed.stderr  # why
    assert "Traceback" not in failed.stderr
    assert java.kept(house.layout) == str(house.java("first"))
    assert house.is_newer()
    assert json.loads(house.layout.marker.read_text())["version"] == "0.2.0"
    house.check(ended)
    assert house.setup("0.2.0", "up").returncode == 0


def test_an_update_that_was_interrupted_is_undone_by_the_next(house: House, ended: int) -> None:
    """And that one, by --force, ends what runs, and names it."""
    execid = house.begin_execution()
    saved = next(earlier(house.layout.prefix / "backups", "update-"))
    mark = release.mixed(house.layout)
    mark.set(saved.folder)
    refused = house.setup("0.2.0", "up")
    assert refused.returncode == 5
    assert "an update was interrupted half-way; run azkaban-jobflow update" in refused.stderr
    shutil.rmtree(house.layout.env / "bin")
    (saved.folder / "mysql.sql.gz").unlink(missing_ok=True)  # as if killed before it was made
    result = house.setup("0.2.0", "update", "--force")
    assert result.returncode == 0, result.stderr
    assert "going back first" in result.stderr
    assert f"ended by --force: execution {execid}" in result.stderr
    assert not mark.interrupted
    assert house.is_newer()
    with house.client() as client:
        assert client.wait(execid).status in ("FAILED", "KILLED")
    house.check(ended)


def test_the_way_back_brings_what_was_before(house: House, ended: int) -> None:
    with house.client() as client:
        client.create_project("later", "is lost by going back")
    asked = house.setup("0.2.0", "update", "--back")
    assert asked.returncode == 2
    assert "add --yes" in asked.stderr
    result = house.setup("0.2.0", "update", "--back", "--yes")
    assert result.returncode == 0, result.stderr
    assert MySQL(house.layout).process()
    with house.client() as client:
        assert {project.name for project in client.projects()} == {"stays"}
    house.check(ended)
    again = house.setup("0.2.0", "update", "--back", "--yes")
    assert again.returncode == 2
    assert "no update that could be undone" in again.stderr


def test_there_is_nothing_to_update_where_nothing_is(house: House, tmp_path: Path) -> None:
    result = house.setup("0.2.0", "update", "--prefix", str(tmp_path / "none"))
    assert result.returncode == 2
    assert "no installation there" in result.stderr
    assert not (tmp_path / "none").exists()
