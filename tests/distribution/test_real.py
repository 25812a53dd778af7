"""A user's own Azkaban 3.x or 4.x: one process, several executors over TLS, upgrade, refusals.

    python3 -m setup test --distribution /path/to/archives

names a folder (or files) with the archives that Azkaban's build makes: of
the solo, web and executor servers and of the tables.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests

from setup import java
from setup.azkaban import Server, Wanted, distribution, upgrade
from setup.errors import ServerError, UsageError
from setup.layout import CHECKOUT
from setup.mysql import Server as MySQL
from tests.distribution.conftest import Live, intact, project
from tests.live.conftest import LiveAzkaban

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TREE = {
    "tree.project": "azkaban-flow-version: 2.0\n",
    "tree.flow": """\
nodes:
  - name: count
    type: command
    config:
      command: sh -c 'echo "{\\"n\\":\\"3\\"}" > $JOB_OUTPUT_PROP_FILE'
  - name: many
    type: command
    dependsOn: [count]
    condition: ${count:n} > 2
    config:
      command: echo many
  - name: few
    type: command
    dependsOn: [count]
    condition: '!(${count:n} > 2)'
    config:
      command: echo few
  - name: last
    type: noop
    dependsOn: [many, few]
    condition: one_success
""",
}


@pytest.fixture(scope="session")
def unpacked(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return distribution.read(sources, tmp_path_factory.mktemp("unpacked"), lambda _: None)


@pytest.fixture(scope="module")
def solo(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    live = Live(tmp_path_factory.mktemp("solo") / "p", archive=sources)
    yield live
    live.stop()


@pytest.fixture(scope="module")
def split(sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Web over TLS and two executors on MySQL."""
    wanted = Wanted(profile="server", tls=True, executors=2)
    live = Live(tmp_path_factory.mktemp("split") / "p", wanted, archive=sources)
    yield live
    live.stop()
    MySQL(live.layout).stop()


def _listens_as_asked(live: Live) -> None:
    settings = live.server.settings
    for part in settings.parts:
        process = live.server.running()[part.name]
        assert process.listening() == set(part.ends)
        for _, port in part.ends:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.9.8.7", port), timeout=5)


def _secrets_are_private(live: Live) -> None:
    secrets = [live.password]
    if live.server.settings.database == "mysql":
        secrets.append(MySQL(live.layout).connection.password_file.read_text().strip())
    for process in live.server.running().values():
        command = " ".join(psutil.Process(process.pid).cmdline())
        assert not any(secret in command for secret in secrets)
    for path in live.layout.azkaban.rglob("*"):
        if path.is_file() and path.suffix not in (".jar", ".gz"):
            content = path.read_bytes()
            if any(secret.encode() in content for secret in secrets):
                assert path.stat().st_mode & 0o077 == 0, path


def test_solo_runs_both_kinds_of_flows(solo: Live, tmp_path: Path) -> None:
    assert solo.server.statuses()[0].version[0] in "345"
    with solo.client() as client:
        one = {"a.job": "type=command\ncommand=echo one\n"}
        project(client, tmp_path / "one", "one", one)
        assert client.wait(client.execute("one", "a")).succeeded
        project(client, tmp_path / "tree", "tree", TREE)
        tree = client.wait(client.execute("tree", "tree"))
    jobs = {job.id: job.status for job in tree.walk()}
    assert tree.succeeded
    assert (jobs["count"], jobs["many"]) == ("SUCCEEDED", "SUCCEEDED")
    assert jobs["few"] in ("CANCELLED", "SKIPPED")


def test_solo_is_guarded(solo: Live) -> None:
    _listens_as_asked(solo)
    _secrets_are_private(solo)


def test_pages_console_and_files_of_jobs(solo: Live) -> None:
    base = f"http://{solo.address}:{solo.server.settings.port}/"
    with requests.Session() as session:
        form = {"action": "login", "username": solo.username, "password": solo.password}
        assert session.post(base, data=form, timeout=20).json()["status"] == "success"
        first = session.get(base, timeout=20)
        assert first.url.endswith("/index")
        assert session.get(f"{base}js/console/index.html", timeout=20).status_code == 200
        listed = session.get(f"{base}runs?ajax=files&execid=1", timeout=20).json()
        assert "files" in listed


def test_another_account_is_refused_by_the_executor(
    solo: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second account is at hand, so the server is told that its own is another one."""
    whole = Server._command

    def command(*arguments: Any) -> list[str]:
        program, *rest = whole(*arguments)
        return [program, "-Dportguard.uid=4242", *rest]

    solo.stop()
    with monkeypatch.context() as changed:
        changed.setattr(Server, "_command", command)
        solo.start()
    settings = solo.server.settings
    end = f"{settings.executor_address}:{settings.executor_port}"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"http://{end}/executor?action=ping", timeout=10)
    solo.stop()
    solo.start()


def test_private_java_25_runs_it(solo: Live, tmp_path: Path) -> None:
    solo.layout.env.symlink_to(sys.prefix)  # the private Java comes through its pip
    private = java.ensure(solo.layout, "private")
    assert private.major >= 24
    solo.stop()
    solo.server.up(private)
    with solo.client() as client:
        project(client, tmp_path / "new", "new", {"a.job": "type=command\ncommand=echo new\n"})
        assert client.wait(client.execute("new", "a")).succeeded
    solo.restart()


def test_two_executors_share_the_work(split: Live, tmp_path: Path) -> None:
    assert split.url.startswith("https://")
    assert [s.server for s in split.server.statuses()] == ["executor", "executor-2", "web"]
    with split.client() as client:
        job = {"a.job": "type=command\ncommand=sleep 3\n"}
        project(client, tmp_path / "many", "many", job)
        # The server looks at its executors' figures again after each fifth flow, and sends all
        # until then to one of them.
        running = [client.execute("many", "a", concurrency="concurrent") for _ in range(12)]
        assert all(client.wait(execid).succeeded for execid in running)
    with MySQL(split.layout).connect("azkaban") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT DISTINCT executor_id FROM execution_flows")
        assert len(cursor.fetchall()) == 2


def test_executors_are_guarded(split: Live) -> None:
    _listens_as_asked(split)
    _secrets_are_private(split)


def test_an_executor_that_was_killed_comes_back_and_takes_flows(
    split: Live, tmp_path: Path
) -> None:
    split.kill("executor-2")
    assert [s.state for s in split.server.statuses()] == ["running", "down", "running"]
    split.start()
    with MySQL(split.layout).connect("azkaban") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT COUNT(*) FROM executors WHERE active = 1")
        assert cursor.fetchall() == [(2,)]
    with split.client() as client:
        again = {"a.job": "type=command\ncommand=echo again\n"}
        project(client, tmp_path / "again", "again", again)
        assert client.wait(client.execute("again", "a")).succeeded


def test_upgrade_and_an_upgrade_that_fails(split: Live, unpacked: Any, tmp_path: Path) -> None:
    with split.client() as client:
        kept = {"kept.job": "type=command\ncommand=echo kept\n"}
        project(client, tmp_path / "kept", "kept", kept)
        execid = client.wait(client.execute("kept", "kept")).execid
        at = datetime.now(UTC) + timedelta(days=2)
        client.schedule_cron("kept", "kept", f"0 0 5 {at.day} * ?")
    found = java.ensure(split.layout)
    newer = _as_version(unpacked, tmp_path / "newer", f"{unpacked.version}.1")
    upgrade.upgrade(split.server, found, newer)
    assert {s.version for s in split.server.statuses()} == {f"{unpacked.version}.1"}
    intact(split, execid)
    broken = _as_version(unpacked, tmp_path / "broken", f"{unpacked.version}.2")
    for jar in (tmp_path / "broken").rglob("guice-[0-9]*.jar"):
        jar.unlink()
    with pytest.raises(ServerError, match="failed and was undone"):
        upgrade.upgrade(split.server, found, broken)
    assert {s.state for s in split.server.statuses()} == {"running"}
    assert {s.version for s in split.server.statuses()} == {f"{unpacked.version}.1"}
    intact(split, execid)


def _as_version(unpacked: Any, folder: Path, version: str) -> list[str]:
    """Copy a distribution under another version; only its own jars are named by it."""
    roots = {library.parent for library in unpacked.libraries.values()} | {unpacked.sql}
    for root in sorted(roots):
        target = folder / root.name.replace(unpacked.version, version)
        shutil.copytree(root, target)
        for path in [*target.glob("lib/azkaban-*-server-*.jar"), *target.glob("create-all-*.sql")]:
            path.rename(path.with_name(path.name.replace(unpacked.version, version)))
    return [str(folder)]


def test_2_5_0_is_not_upgraded_to_other_tables(sources: list[str], tmp_path: Path) -> None:
    live = Live(tmp_path / "p")
    try:
        before = live.server.running()
        with pytest.raises(UsageError, match=r"tables of Azkaban 2\.5\.0 cannot be brought"):
            upgrade.upgrade(live.server, java.ensure(live.layout), sources)
        assert live.server.running() == before
        assert live.server.statuses()[0].version == "2.5.0"
    finally:
        live.stop()


def test_demo(sources: list[str], tmp_path: Path) -> None:
    """The flows that ship with the project, in one command."""
    prefix = tmp_path / "p"
    command = [sys.executable, "-m", "setup", "demo", "--prefix", str(prefix)]
    environ = {**os.environ, "AZK_CACHE": str(LiveAzkaban.cache())}
    result = subprocess.run(
        [*command, "--distribution", *sources],
        cwd=CHECKOUT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    stop = [*command[:3], "stop", *command[4:]]
    subprocess.run(stop, cwd=CHECKOUT, env=environ, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
