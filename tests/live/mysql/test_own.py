"""The user's own options: used, or refused by name, the line and the way out, before a start."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from setup.errors import ServerError, UsageError
from setup.life import probe

if TYPE_CHECKING:
    from pathlib import Path


def _write(server: Any, text: str, code: str = "utf-8") -> None:
    server.files.own_options.write_bytes(text.encode(code))
    server.files.own_options.chmod(0o600)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mysqld]\nport = 3307\n", r"line 2: port: choose it with .* mysql init --port N"),
        ("[mysqld]\n\nPORT=3307\n", "line 3: port: choose it"),
        ("[mysqld]\nsocket=/tmp/x.sock\n", "line 2: socket: set-up finds the server by it"),
        ("[server]\ndatadir=/data\n", "line 2: datadir: set-up finds"),
        ("[mysqld]\nskip_networking\n", "line 2: skip-networking: Azkaban connects over TCP"),
        ("[mysqld]\nskip-grant-tables\n", "without a password"),
        ("[mysqld]\nrequire_secure_transport=ON\n", "without TLS"),
        ("[mysqld]\nbind-address=10.0.0.1\n", "line 2: bind-address: Azkaban connects to 127"),
        ("[mysqld]\ndefault-time-zone=Nowhere/City\n", "line 2: default-time-zone: this server"),
        ("[mysqld]\ndefault_time_zone = 'Europe/Berlin'\n", "no names of time zones such as Eur"),
        ("max-connections=50\n", "line 1: max-connections=50: it belongs to no group"),
        (
            "[client]\nport=3307\n",
            r"reads nothing of it \(\[client\] port\): its group is \[mysqld",
        ),
        ("[mysqld\nmax-connections=50\n", "a ] is missing"),
        ("[mysqld]\nno-such-option = 1\n", "line 2: no-such-option: this server has no such"),
        ("[mysqld]\nmax-conections = 9\n", "max-connections.* may be meant"),
        ("[mysqld]\nmax-connections = abc\n", "Unknown suffix .a. used for variable"),
        ("[mysqld]\nsql-mode = NOPE\n", "'NOPE' to 'sql_mode'"),
        ("[mysqld]\ntmpdir = /no/such/place\n", "tmpdir: /no/such/place: there is no such folder"),
        ("[mysqld]\nslow-query-log-file = /proc/slow.log\n", "/proc: you may not write there"),
        ("[mysqld]\n!include OTHER\n", "or a file that it includes, sets port to 3307"),
    ],
)
def test_refused_by_name_before_a_start(server: Any, tmp_path: Path, text: str, words: str) -> None:
    other = tmp_path / "other.cnf"
    other.write_text("[mysqld]\nport=3307\n")
    _write(server, text.replace("OTHER", str(other)))
    with pytest.raises(UsageError, match=words) as error:
        server.start()
    assert str(server.files.own_options) in str(error.value)
    assert server.process() is None
    assert not server.files.log.exists()


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16"])
def test_files_that_mysql_cannot_read(server: Any, code: str) -> None:
    _write(server, "[mysqld]\nmax-connections=77\n", code)
    with pytest.raises(UsageError, match=r"byte order mark|not in UTF-8"):
        server.start()


def test_used(server: Any) -> None:
    _write(
        server,
        "# mine\r\n[mysqld]\r\nmax_connections = 77 # few\r\ndefault-time-zone='+02:00'\r\n"
        "loose-no-such-option=1\r\nskip-external-locking\r\n[client]\r\nport=1\r\n",
    )
    server.start()
    assert server.ask("SELECT @@max_connections, @@global.time_zone") == [(77, "+02:00")]


def test_names_of_time_zones_where_their_tables_are_filled(server: Any) -> None:
    server.start()
    zones = ", ".join(f"('Zone/{number:04}{'x' * 50}', {number})" for number in range(2000))
    server.ask("INSERT INTO mysql.time_zone (Time_zone_id) VALUES (1)")
    server.ask("INSERT INTO mysql.time_zone_transition_type VALUES (1, 0, 7200, 0, 'X')")
    server.ask(f"INSERT INTO mysql.time_zone_name VALUES ('Here/There', 1), {zones}")
    server.stop()
    _write(server, "[mysqld]\ndefault-time-zone=Here/There\n")
    server.start()
    assert server.ask("SELECT @@global.time_zone") == [("Here/There",)]
    server.stop()
    _write(server, "[mysqld]\ndefault-time-zone=Nowhere\n")
    with pytest.raises(ServerError, match=r"default-time-zone in my\.local\.cnf is none of"):
        server.start()


# A start that cannot succeed is seen at once


def test_data_that_another_server_has_locked(server: Any, copy: Any) -> None:
    """mysqld itself tries for 100 s."""
    first = copy("first")
    first.start()
    (server.files.data / "ibdata1").unlink()
    (server.files.data / "ibdata1").hardlink_to(first.files.data / "ibdata1")
    with pytest.raises(ServerError, match="cannot lock its data: another mysqld works on the same"):
        server.start()
    assert server.process() is None


def test_an_account_that_is_refused(server: Any) -> None:
    server.start()
    server.ask("DROP TABLE azkaban.properties")
    with pytest.raises(ServerError, match=r"refuses Azkaban's account: .*1146"):
        server.start()


def test_a_server_that_does_nothing(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    monkeypatch.setattr(probe, "IDLE_SECONDS", 2.0)
    process_id = server.running().pid
    os.kill(process_id, signal.SIGSTOP)
    try:
        with pytest.raises(ServerError, match=rf"answers no query .*kill -CONT {process_id}"):
            server.start()
    finally:
        os.kill(process_id, signal.SIGCONT)
