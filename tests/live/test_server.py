"""The server that set-up starts: reachable by its user only, clean in stop and crash."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from azkaban_client import Client, collect
from setup import java
from setup.azkaban import Server, Wanted, commands
from setup.azkaban import settings as settings_module
from setup.azkaban.options import server_options
from setup.errors import ServerError, SetupError, UsageError
from setup.layout import Layout
from setup.life import probe, servers
from setup.life.process import Process, free_port
from tests.commands import run_setup
from tests.live.conftest import LiveAzkaban

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.azkaban import Settings


def test_listens_on_one_loopback_address(azkaban: LiveAzkaban) -> None:
    settings = azkaban.server.settings
    process = Process.read(azkaban.server.pid_file())
    assert process is not None
    connections = psutil.Process(process.pid).net_connections(kind="inet")
    listening = {c.laddr for c in connections if c.status == psutil.CONN_LISTEN}
    assert {(a.ip.removeprefix("::ffff:"), a.port) for a in listening} == {
        (settings.address, settings.port),
        (settings.address, settings.executor_port),
    }
    assert settings.address.startswith("127.")


def test_another_address_of_this_machine_is_refused(azkaban: LiveAzkaban) -> None:
    settings = azkaban.server.settings
    other = "127.9.8.7"  # every 127/8 address is this machine's, as another network card's is
    for port in (settings.port, settings.executor_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((other, port), timeout=5)


def test_executor_answers_processes_of_its_own_account(azkaban: LiveAzkaban) -> None:
    assert b"alive" in _ping(azkaban.server.settings)


def _ping(settings: Settings) -> bytes:
    url = f"http://{settings.address}:{settings.executor_port}/executor?action=ping"
    with urllib.request.urlopen(url, timeout=10) as response:
        return bytes(response.read())


def test_listen_opens_the_pages_and_never_the_executor(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "p", _cache())
    layout.create(need=0)
    server = Server(layout)
    settings = server.up(java.ensure(layout), Wanted(listen="0.0.0.0"))
    try:
        socket.create_connection(("127.9.8.7", settings.port), timeout=5).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.9.8.7", settings.executor_port), timeout=5)
    finally:
        server.stop()


def _cache() -> Path:
    return Layout.of().cache


def test_secrets_are_private_and_not_in_argv(azkaban: LiveAzkaban) -> None:
    password = azkaban.password
    assert len(password) >= 20
    home = azkaban.server.home
    holders = [p for p in home.rglob("*") if p.is_file() and password in _text(p)]
    assert [p.name for p in holders] == ["admin.password"]
    holders.append(home / "conf" / "azkaban-users.xml")
    for path in [*holders, azkaban.config]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(azkaban.layout.prefix.stat().st_mode) == 0o700
    process = Process.read(azkaban.server.pid_file())
    assert process is not None
    assert password not in " ".join(psutil.Process(process.pid).cmdline())


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_default_password_is_refused(azkaban: LiveAzkaban) -> None:
    url = f"http://{azkaban.address}:{azkaban.server.settings.port}/"
    form = b"action=login&username=azkaban&password=azkaban"
    with urllib.request.urlopen(url, form, timeout=10) as response:
        body = response.read()
    assert b"session.id" not in body
    assert b"error" in body


def test_second_up_is_the_same_server(azkaban: LiveAzkaban) -> None:
    before = azkaban.server.statuses()
    azkaban.start()
    assert azkaban.server.statuses() == before
    assert before[0].state == "running"


def test_up_with_another_port_is_refused_while_it_runs(azkaban: LiveAzkaban) -> None:
    port = azkaban.server.settings.port
    with pytest.raises(
        UsageError, match=f"--port {port + 1}: the server runs already with --port {port}"
    ):
        azkaban.server.up(java.ensure(azkaban.layout), Wanted(port=port + 1))


def test_the_java_that_was_named_is_kept(
    azkaban: LiveAzkaban, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrapper = tmp_path / "java"
    wrapper.write_text(f'#!/bin/sh\nexec {java.ensure(azkaban.layout).program} "$@"\n')
    wrapper.chmod(0o755)
    named = java.ensure(azkaban.layout, str(wrapper))
    with pytest.raises(UsageError, match=f"--java {wrapper}: the server runs already with --java"):
        azkaban.server.up(named)
    assert java.kept(azkaban.layout) == "auto"
    azkaban.stop()
    azkaban.server.up(named)
    azkaban.server.up(named)  # the same again
    capsys.readouterr()
    azkaban.server.restart(java.ensure(azkaban.layout))
    assert f"Java: {named.version}, {wrapper}" in capsys.readouterr().err
    azkaban.stop()
    azkaban.server.up(java.ensure(azkaban.layout, "auto"))
    assert java.kept(azkaban.layout) == "auto"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--mysql", "history in h2, which mysql would not show"),
        ("--java /no/java", "--java /no/java: is no working Java"),
        ("--distribution /no/archive", "--distribution /no/archive: there is no such file"),
        ("--executors 2", "the profile solo is one process"),
        ("--host a_b --tls", "--host a_b: "),
        ("--listen 192.0.2.1", "this machine does not have that address"),
        ("--mail-sender me@here.example", "--mail-sender belongs to --mail-host"),
        ("--mail-host host.invalid", "--mail-host host.invalid:25: no mail can be sent"),
    ],
)
def test_a_restart_that_is_refused_stops_nothing(
    azkaban: LiveAzkaban, options: str, words: str
) -> None:
    before, kept = azkaban.server.running(), azkaban.server.settings
    with pytest.raises(UsageError, match=re.escape(words)):
        commands._restart(azkaban.layout, server_options().parse_args(options.split()))
    assert azkaban.server.running() == before
    assert azkaban.server.settings == kept
    assert not (azkaban.server.home / "program.new").exists()


def test_a_restart_keeps_its_ports_and_refuses_those_of_others(azkaban: LiveAzkaban) -> None:
    before, ends = azkaban.server.running(), azkaban.server.settings.parts
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} on .* is taken by"):
            azkaban.server.restart(java.ensure(azkaban.layout), Wanted(port=port))
    assert azkaban.server.running() == before
    azkaban.server.restart(java.ensure(azkaban.layout), Wanted(port=azkaban.server.settings.port))
    assert azkaban.server.running().keys() == before.keys()
    assert azkaban.server.running() != before
    assert azkaban.server.settings.parts == ends


def test_after_kill_9_status_is_down_and_up_brings_it_back(azkaban: LiveAzkaban) -> None:
    azkaban.kill()
    [status] = azkaban.server.statuses()
    assert (status.state, status.pid) == ("down", None)
    port = azkaban.server.settings.port
    azkaban.start()
    assert azkaban.server.settings.port == port
    assert azkaban.server.statuses()[0].state == "running"


def test_kill_9_loses_nothing_that_was_acknowledged(azkaban: LiveAzkaban, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "kept.job").write_text("type=command\ncommand=echo kept\n")
    with _client(azkaban) as client:
        client.create_project("kept", "stays")
        client.upload("kept", collect(folder).write(tmp_path / "kept.zip"))
        execid = client.execute("kept", "kept")
        assert client.wait(execid).succeeded
    azkaban.kill()
    azkaban.start()
    with _client(azkaban) as client:
        assert client.flows("kept") == ("kept",)
        assert client.execution(execid).succeeded
        assert "kept\n" in "".join(client.log(execid, "kept"))


def test_a_foreign_pid_in_the_pid_file_is_not_taken_for_the_server(azkaban: LiveAzkaban) -> None:
    azkaban.kill()
    mine = Process.of(os.getpid())
    assert mine is not None
    Process(mine.pid, mine.started + 1).write(azkaban.server.pid_file())
    assert azkaban.server.statuses()[0].state == "down"
    assert azkaban.server.stop() is False
    azkaban.start()


def test_taken_port_names_port_and_way_out(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "p", _cache())
    layout.create(need=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=rf"port {port} on .* is taken.*--port"):
            Server(layout).up(java.ensure(layout), Wanted(port=port))


@pytest.mark.long
def test_port_that_is_lost_between_choice_and_start_gives_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(tmp_path / "p", _cache())
    layout.create(need=0)
    server = Server(layout)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        offers = iter([port])

        def first_a_taken_one(*arguments: object) -> int:
            return next(offers, None) or free_port(*arguments)

        monkeypatch.setattr(settings_module, "free_port", first_a_taken_one)
        settings = server.up(java.ensure(layout))
    try:
        assert settings.port != port
        shown = capsys.readouterr().err
        assert "starting Azkaban: another program took its port meanwhile (" in shown
        assert "trying again, on ports that are free now" in shown
        assert "failed" not in shown  # before a success
        assert server.statuses()[0].state == "running"
    finally:
        server.stop()


@pytest.fixture
def own(azkaban: LiveAzkaban) -> Iterator[Path]:
    """The user's settings of the shared server, which is stopped meanwhile."""
    azkaban.stop()
    path = azkaban.layout.azkaban / "conf" / "local.properties"
    yield path
    path.unlink(missing_ok=True)
    azkaban.start()


@pytest.mark.long
def test_a_java_whose_main_thread_has_died_is_not_waited_for(
    azkaban: LiveAzkaban, own: Path
) -> None:
    """Its other threads go on, and so does the process."""
    own.write_text("executor.maxThreads=many\n")
    words = r'does not come up: java.lang.NumberFormatException: For input string: "many"'
    with pytest.raises(ServerError, match=words):
        azkaban.start()
    assert azkaban.server.running() == {}
    start = azkaban.layout.azkaban / "start"
    told = subprocess.run([str(start)], capture_output=True, text=True, check=False)
    assert told.returncode == 5
    assert re.search(words, told.stderr)


def test_a_java_that_is_stuck_says_where(
    azkaban: LiveAzkaban, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "IDLE_SECONDS", 4.0)
    monkeypatch.setattr(probe, "_DUMP_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a database that never answers
        own.write_text(
            "database.type=mysql\nmysql.host=127.0.0.1\nmysql.database=a\nmysql.user=a\n"
            f"mysql.port={silent.getsockname()[1]}\nmysql.password=a\nmysql.numconnections=1\n"
        )
        with pytest.raises(ServerError, match=r"done nothing for \d+ s, it waits .*at .*azkaban"):
            azkaban.start()


def test_a_login_that_is_refused_is_seen_at_once(azkaban: LiveAzkaban, own: Path) -> None:
    users = own.with_name("azkaban-users.xml")
    before = users.read_text()
    users.write_text(re.sub('password="[^"]*"', 'password="another"', before))
    try:
        with pytest.raises(
            ServerError, match=r"refuses the login of .*Incorrect Login.*users\.xml"
        ):
            azkaban.start()
    finally:
        users.write_text(before)


def test_a_prefix_that_was_deleted_under_its_server_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = LiveAzkaban(tmp_path / "p")
    old = live.server.running()["azkaban"]
    shutil.copytree(live.layout.prefix, tmp_path / "copy", symlinks=True)
    while live.layout.prefix.exists():  # the server writes meanwhile
        shutil.rmtree(live.layout.prefix, ignore_errors=True)
    assert [status.state for status in servers.statuses(live.layout)][-1] == "orphaned"
    (tmp_path / "copy").rename(live.layout.prefix)  # records of the old process included
    assert live.server.running() == {}
    assert live.server.statuses()[0].state == "down"
    live.start()
    try:
        assert not old.alive()
        assert f"azkaban (pid {old.pid})" in capsys.readouterr().err
        assert live.server.statuses()[0].state == "running"
    finally:
        live.stop()


def test_a_server_that_dies_at_start_shows_its_log(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "p", _cache())
    layout.create(need=0)
    server = Server(layout)
    (layout.azkaban / "h2").mkdir(parents=True)
    (layout.azkaban / "h2" / "azkaban.h2.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(ServerError, match=r"(?s)Azkaban \(pid \d+\).*h2"):
        server.up(java.ensure(layout))
    assert not server.pid_file("azkaban").exists()


def _client(azkaban: LiveAzkaban) -> Client:
    return Client(azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address)


def test_status_command_shows_the_server_and_its_exit_code(azkaban: LiveAzkaban) -> None:
    result = run_setup("status", "--prefix", str(azkaban.layout.prefix))
    assert result.returncode == 0, result.stderr
    assert re.search(r"azkaban +running +\d+ +\d+ +2\.5\.0 +http://", result.stdout)


def test_status_without_installation_exits_1(tmp_path: Path) -> None:
    result = run_setup("status", "--json", "--prefix", str(tmp_path / "none"))
    assert result.returncode == 1
    assert '"not installed"' in result.stdout
    assert not (tmp_path / "none").exists()


def test_logs_command(azkaban: LiveAzkaban) -> None:
    result = run_setup("logs", "-n", "5", "--prefix", str(azkaban.layout.prefix))
    assert result.returncode == 0
    assert 1 <= len(result.stdout.splitlines()) <= 5
