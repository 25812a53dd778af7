"""Azkaban on MySQL 5.7: web over TLS and executor as two processes, a flow, parts killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest

from azkaban_client import Client, collect
from setup import java
from setup.azkaban import Wanted, recovery, upgrade
from setup.errors import ServerError, UsageError
from setup.layout import CHECKOUT
from setup.mysql import Server as MySQL
from tests import waiting
from tests.live import archives
from tests.live.conftest import LiveAzkaban

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def client(split: LiveAzkaban) -> Iterator[Client]:
    with _connect(split) as connected:
        yield connected


def _connect(split: LiveAzkaban) -> Client:
    return Client(
        split.url,
        auth=(split.username, split.password),
        address=split.address,
        verify=str(split.layout.ca),
    )


def _project(client: Client, folder: Path, name: str, command: str) -> None:
    folder.mkdir()
    (folder / "first.job").write_text(f"type=command\ncommand={command}\n")
    (folder / "last.job").write_text("type=command\ncommand=echo done\ndependencies=first\n")
    client.create_project(name, "two jobs")
    client.upload(name, collect(folder).write(folder.parent / f"{name}.zip"))


def _status(split: LiveAzkaban) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "setup", "status", "--prefix", str(split.layout.prefix)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_flow_runs_to_succeeded(split: LiveAzkaban, client: Client, tmp_path: Path) -> None:
    assert split.url.startswith("https://")
    _project(client, tmp_path / "two", "two", "echo first")
    execution = client.wait(client.execute("two", "last"))
    assert execution.succeeded
    assert [job.status for job in execution.walk()] == ["SUCCEEDED", "SUCCEEDED"]
    with MySQL(split.layout).connect("azkaban") as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT flow_id, e.status FROM execution_flows e JOIN projects p "
            "ON p.id = e.project_id WHERE p.name = 'two'"
        )
        assert cursor.fetchall() == [("last", 50)]  # 50 is SUCCEEDED


def test_umask_of_a_cautious_user_is_respected(split: LiveAzkaban) -> None:
    """Made under 077, all is for its owner alone but certificates and Debian's libraries."""
    paths = [path for path in split.layout.prefix.rglob("*") if not path.is_symlink()]
    public = [path for path in paths if path.stat().st_mode & 0o077 and not path.is_socket()]
    assert [p for p in public if p.suffix != ".pem" and ".so." not in p.name] == []


def test_each_part_listens_on_its_own_loopback_port_only(split: LiveAzkaban) -> None:
    settings = split.server.settings
    running = split.server.running()
    assert running["web"].listening() == {(settings.address, settings.port)}
    assert running["executor"].listening() == {("127.0.0.1", settings.executor_port)}
    for port in (settings.port, settings.executor_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.9.8.7", port), timeout=5)


def test_database_password_is_in_private_files_only(split: LiveAzkaban) -> None:
    secret = MySQL(split.layout).connection.password_file.read_text().strip()
    for process in split.server.running().values():
        assert secret not in " ".join(psutil.Process(process.pid).cmdline())
    for path in split.layout.azkaban.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path
            assert path.name == "azkaban.properties"


def test_a_clock_that_is_set_back_does_not_part_the_servers_from_mysql(split: LiveAzkaban) -> None:
    """Unless told otherwise, Connector/J reads the dates of mysqld's own certificate."""
    for part in ("web", "executor"):
        log = split.layout.azkaban / "logs" / f"{part}.log"
        assert "SSL connection" not in log.read_text()


def test_status_shows_three_servers_and_exits_1_when_one_is_down(split: LiveAzkaban) -> None:
    whole = _status(split)
    assert whole.returncode == 0, whole.stdout
    assert [line.split()[0] for line in whole.stdout.splitlines()[1:]] == [
        "mysql",
        "executor",
        "web",
    ]
    split.kill("executor")
    assert [s.state for s in split.server.statuses()] == ["down", "running"]
    assert _status(split).returncode == 1
    web = split.server.running()["web"]
    split.start()
    assert split.server.running()["web"] == web, "only the part that was down is started"
    assert _status(split).returncode == 0


def test_after_mysqld_is_killed_nothing_acknowledged_is_lost(
    split: LiveAzkaban, client: Client, tmp_path: Path
) -> None:
    _project(client, tmp_path / "kept", "kept", "echo kept")
    execution = client.wait(client.execute("kept", "last"))
    mysqld = MySQL(split.layout).process()
    assert mysqld is not None
    os.kill(mysqld.pid, signal.SIGKILL)
    mysqld.stop()
    MySQL(split.layout).start()
    assert "kept" in {project.name for project in client.projects()}
    assert client.execution(execution.execid).succeeded


def test_whole_uploads_are_never_taken_for_half_ones(
    split: LiveAzkaban, client: Client, tmp_path: Path
) -> None:
    """Whatever is in a project: folders, shared properties at each level, embedded flows."""
    for folder in sorted((CHECKOUT / "flows").iterdir()):
        client.create_project(f"whole-{folder.name}", "from flows/")
        client.upload(f"whole-{folder.name}", collect(folder).write(tmp_path / "p.zip"))
    files = {
        "top.properties": "a=1",
        "deep/er/own.properties": "a=2",
        "deep/er/own2.properties": "b=2",
        "deep/er/inner.job": "type=command\ncommand=echo ${a}",
        "deep/after.job": "type=noop\ndependencies=inner",
        "embeds.job": "type=flow\nflow.name=after\ndependencies=alone",
        "alone.job": "type=noop",
        "deep/last.job": "type=noop\ndependencies=embeds",
    }
    for name, text in files.items():
        path = tmp_path / "wide" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    client.create_project("wide", "folders and embedded flows")
    client.upload("wide", collect(tmp_path / "wide").write(tmp_path / "wide.zip"))
    assert client.flows("wide") == ("after", "last")
    with recovery.asking(MySQL(split.layout)) as cursor:
        assert recovery.half_uploaded(cursor) == {}
        assert recovery.lost(cursor) == set()


def test_change_of_a_running_server_is_refused(split: LiveAzkaban) -> None:
    with pytest.raises(
        UsageError, match=r"--profile solo: the server runs already with --profile server"
    ):
        split.server.up(java.ensure(split.layout), Wanted(profile="solo"))


def test_change_of_the_database_is_refused(split: LiveAzkaban) -> None:
    split.stop()
    with pytest.raises(UsageError, match=r"projects and history in mysql.*use another prefix"):
        split.server.up(java.ensure(split.layout), Wanted(profile="solo", mysql=False))
    split.start()


def _archives(folder: Path, version: str, *, without: str = "") -> list[str]:
    """Archives of web, executor and tables; the executor lacks a jar on request."""
    cache = LiveAzkaban.cache()
    held = archives.members(cache, "exec", version)
    if without:
        held = {name: content for name, content in held.items() if without not in name}
    folder.mkdir()
    archives.write_tar(folder / f"azkaban-exec-server-{version}.tar.gz", held)
    web = archives.members(cache, "web", version)
    archives.write_tar(folder / f"azkaban-web-server-{version}.tar.gz", web)
    tables = archives.database_members(version)
    archives.write_zip(folder / f"azkaban-db-{version}.zip", tables)
    return [str(folder)]


def _run_both(split: LiveAzkaban, version: str) -> bool:
    return [(s.state, s.version) for s in split.server.statuses()] == [("running", version)] * 2


def test_upgrade_and_an_upgrade_that_fails_keep_everything(
    split: LiveAzkaban, client: Client, tmp_path: Path
) -> None:
    _project(client, tmp_path / "stays", "stays", "echo stays")
    execid = client.wait(client.execute("stays", "last")).execid
    client.schedule("stays", "last", at=datetime.now(UTC) + timedelta(days=2), every="1d")
    client.close()
    found = java.ensure(split.layout)
    for folder, version, without in (("new", "2.5.1", ""), ("broken", "2.5.2", "commons-dbutils")):
        sources = _archives(tmp_path / folder, version, without=without)
        if without:
            with pytest.raises(ServerError, match=r"from 2\.5\.1 to 2\.5\.2 failed and was undone"):
                upgrade.upgrade(split.server, found, sources)
        else:
            upgrade.upgrade(split.server, found, sources)
        waiting.eventually(partial(_run_both, split, "2.5.1"))  # a busy one answers late
        with _connect(split) as again:
            assert "stays" in {project.name for project in again.projects()}
            assert again.execution(execid).succeeded
            assert "stays\n" in "".join(again.log(execid, "first"))
            assert [schedule.flow for schedule in again.schedules("stays")] == ["last"]


def test_several_executors_are_for_later_releases(split: LiveAzkaban) -> None:
    split.stop()
    with pytest.raises(UsageError, match=r"--executors 2: Azkaban 2\.5\.1 has one executor"):
        split.server.up(java.ensure(split.layout), Wanted(executors=2))
    split.start()
    assert len(split.server.running()) == 2


def test_a_dead_mysqld_is_started_beside_a_later_azkaban_that_runs(split: LiveAzkaban) -> None:
    mysqld = MySQL(split.layout).process()
    assert mysqld is not None
    os.kill(mysqld.pid, signal.SIGKILL)
    mysqld.stop()
    before = split.server.running()
    split.start()
    assert MySQL(split.layout).process()
    assert split.server.running() == before
