"""What goes wrong on real machines, one by one, against the real mysqld."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mysql.connector
import pytest

from setup.errors import ServerError, SetupError, UsageError
from setup.life import orphans
from setup.life.process import Process
from setup.mysql import checks
from setup.mysql.config import SOCKET_BYTES
from setup.mysql.program import ServerSource
from tests.live.mounted import mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_long_socket_path(copy: Callable[[str], Any]) -> None:
    server = copy("/".join(["a-long-name-of-a-folder"] * 6))
    assert len(os.fsencode(server.files.socket)) > SOCKET_BYTES
    server.start()
    assert server.ask("SELECT 1") == [(1,)]
    assert server.script("use", "-e", "SELECT 1").stdout == "1\n1\n"
    assert server.script("stop").returncode == 0
    assert server.script("start").returncode == 0


@pytest.fixture
def brief() -> Iterator[Path]:
    """A folder with a short path, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_longest_socket_path_that_fits(brief: Path, copy: Callable[[Path], Any]) -> None:
    """At the limit the path is used as it is; one byte more is relative."""
    for extra in (0, 1):
        short = len(os.fsencode(brief / "x" / "mysql/mysql_files/mysql.sock"))
        server = copy(brief / ("x" * (1 + SOCKET_BYTES - short + extra)))
        assert len(os.fsencode(server.files.socket)) == SOCKET_BYTES + extra
        server.start()
        whole = f'socket = "{server.files.socket}"' in server.files.options.read_text()
        assert whole is (extra == 0)
        assert server.ask("SELECT 1") == [(1,)]


def test_port_taken(server: Any) -> None:
    with socket.create_server(("127.0.0.1", server.connection.port)):
        with pytest.raises(SetupError, match=f"port {server.connection.port} .* is taken"):
            server.start()
        with pytest.raises(SetupError, match="--port"):
            server.init(port=server.connection.port)
    server.start()


def test_port_lost_while_the_data_folder_is_made(template: Any, tmp_path: Path) -> None:
    """It was free when it was chosen; nobody depends on it yet, so another one does as well."""
    server = type(template)(tmp_path)
    server.home.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        type(template.settings)(port, template.settings.program).write(server.settings_file)
        try:
            link = server.ensure()
            assert link.port != port
            assert server.as_azkaban("SELECT @@port") == [(link.port,)]
        finally:
            server.kill()


def test_stale_pid_and_socket(server: Any) -> None:
    """After a crash the pid in the files may be another program's by now."""
    server.start()
    server.kill()
    for start in (server.start, lambda: server.script("start")):
        server.kill()
        assert server.status().state == "down"
        for path in (server.files.pid_file, Path(f"{server.files.socket}.lock")):
            path.write_text(f"{os.getpid()}\n")
        assert server.script("status").returncode == 1
        start()
        assert server.status().state == "running"


def test_a_server_whose_folder_was_deleted_is_not_taken_for_the_new_one(
    copy: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = copy("p")
    server.start()
    old, port = server.running(), server.connection.port
    shutil.rmtree(server.layout.prefix)
    assert server.process() is None
    assert server.status().state == "not installed"
    again = copy("p")  # in the same place, and on the same port
    type(again.settings)(port, again.settings.program).write(again.settings_file)
    assert again.status().state == "down"
    orphans.end(again.layout.prefix)
    assert not old.alive()
    again.start()
    assert again.running() != old
    assert again.ask("SELECT 1") == [(1,)]
    assert f"mysql (pid {old.pid})" in capsys.readouterr().err


def test_empty_socket_lock(server: Any) -> None:
    Path(f"{server.files.socket}.lock").touch()
    server.start()


def test_other_versions_of_data(server: Any) -> None:
    marker = server.files.marker
    for version in ("5.7.99", "8.0.36", "5.6.51"):
        marker.write_text(json.dumps({"version": version}))
        with pytest.raises(SetupError, match=f"last used by MySQL {version}"):
            server.start()
    marker.write_text("{")
    with pytest.raises(SetupError, match="cannot be read"):
        server.start()
    marker.write_text(json.dumps({"version": "5.7.9"}))
    server.start()
    assert json.loads(marker.read_text()) == {"version": "5.7.29"}


def test_older_program_does_not_replace_the_newer(server: Any) -> None:
    before = server.settings
    shutil.copytree(before.program.libraries, server.home / "lib", symlinks=True)
    with pytest.raises(SetupError, match=r"last used by MySQL 5\.7\.29, the program is 5\.7\.22"):
        server.init(ServerSource("maven"))
    assert server.settings == before
    assert not (server.home / "program").exists()
    server.start()


def test_foreign_data_folder(server: Any) -> None:
    server.files.marker.unlink()
    (server.files.data / "mysql.ibd").touch()
    files = sorted(server.files.data.rglob("*"))
    with pytest.raises(SetupError, match="made by MySQL 8 or newer and was not made by this"):
        server.ensure()
    assert sorted(server.files.data.rglob("*")) == files


def test_wrong_modes(server: Any) -> None:
    table = server.files.data / "azkaban" / "projects.ibd"
    for path, mode, fix in (
        (table, 0o400, 0o600),
        (table, 0o666, 0o600),
        (table.parent, 0o500, 0o700),
        (server.files.files, 0o777, 0o700),
    ):
        path.chmod(mode)
        with pytest.raises(SetupError, match=f"{path} has mode {mode:04o}.*chmod {fix:o} {path}"):
            server.start()
        path.chmod(fix)
    server.start()


def test_options_that_others_can_change(server: Any) -> None:
    own = server.files.own_options
    own.write_text("[mysqld]\nmax-connections = 33\n")
    own.chmod(0o666)
    with pytest.raises(SetupError, match="changed by others"):
        server.start()
    own.chmod(0o600)
    server.start()
    assert server.ask("SELECT @@max_connections") == [(33,)]
    server.stop()
    own.chmod(0o622)
    told = server.script("start")
    assert (told.returncode, "changed by others" in told.stderr) == (3, True)


def test_secret_that_others_can_read(server: Any) -> None:
    server.files.password.chmod(0o644)
    with pytest.raises(SetupError, match=r"read by others.*chmod 600"):
        server.start()


def test_password_that_is_not_the_account_s(server: Any) -> None:
    good = server.files.password.read_text()
    server.files.password.write_text("another\n")
    with pytest.raises(ServerError, match=r"not with the password in .*Access denied"):
        server.start()
    assert server.status().state == "down"
    server.files.password.write_text(good)
    server.start()


def test_disk_full_before_init(setup: Callable[..., Any], tmp_path: Path) -> None:
    init = setup(tmp_path, "init()", before=mounted(tmp_path, "size=60m"))
    told = init.communicate()[0]
    assert init.returncode == 1
    assert "60 MB free on its disk, 500 MB needed" in told


FILLED = """
import shutil
import sys
from pathlib import Path
from setup.errors import SetupError
from setup.layout import Layout
from setup.mysql import Server, server as module
from setup.mysql.program import ServerSource

prefix, source = Path(sys.argv[1]), ServerSource("basedir", sys.argv[2])
server = Server(Layout(prefix, prefix / "cache"))
server.home.mkdir()
shutil.copytree(sys.argv[3], server.home / "lib", symlinks=True)
ballast = prefix / "ballast"
ballast.write_bytes(bytes(100 << 20))
module.INIT_BYTES = module.START_BYTES = 0  # the file system of this test is small on purpose
try:
    server.init(source)
except SetupError as error:
    print(f"setup: {error}")
print(sorted(path.name for path in server.home.glob("mysql_data*")), server.status().state)
ballast.unlink()
server.init(source)
server.start()
print(server.status().state)
server.stop()
"""


def test_disk_full_during_init(template: Any, tmp_path: Path) -> None:
    """The space was there when it was looked at; mysqld does not find it any more."""
    base = template.settings.program.mysqld.parent
    command = [*mounted(tmp_path, "size=140m,mode=700"), sys.executable, "-c", FILLED]
    command += [str(tmp_path), str(base), str(template.home / "lib")]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    lines = told.stdout.splitlines()
    assert "MySQL could not make its data folder: the disk is full: make room" in lines[0]
    assert lines[-2:] == ["[] not installed", "running"]


def test_disk_full_while_running(copy: Callable[[str], Any], tmp_path: Path) -> None:
    """What was committed before the disk filled up is there when there is room again."""
    server = copy("full/prefix")
    place = tmp_path / "full"
    code = Path(__file__).with_name("fill_disk.py")
    saved = tmp_path / "saved"
    shutil.move(place, saved)
    place.mkdir()
    size = sum(f.stat().st_blocks * 512 for f in saved.rglob("*") if f.is_file())
    options = f"size={(size >> 20) + 150}m,mode=700"
    command = [*mounted(place, options), sys.executable, str(code)]
    command += [str(saved), str(place), str(server.layout.prefix)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    result = json.loads(told.stdout)
    assert result["acknowledged"] > 5
    assert "full" in result["error"] or "Lost connection" in result["error"]
    assert "MB needed by MySQL" in result["refused"]
    assert result["found"] >= result["acknowledged"]


@pytest.mark.parametrize("victim", ["setup", "mysqld"])
def test_killed_during_initialisation(
    template: Any, setup: Callable[..., Any], tmp_path: Path, victim: str
) -> None:
    home = tmp_path / "mysql"
    base = template.settings.program.mysqld.parent
    shutil.copytree(template.home / "lib", home / "lib", symlinks=True)
    (tmp_path / ".azkaban-jobflow").touch()
    init = f"init(ServerSource('basedir', {str(base)!r}))"
    first = setup(tmp_path, init)
    deadline = time.monotonic() + 60
    while not (home / "mysql_data.new" / "ib_logfile0").exists():
        assert time.monotonic() < deadline
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    child = Process(first.pid, 0).children()[0]
    if victim == "setup":
        first.kill()
        assert child.alive()
    else:
        os.kill(child.pid, signal.SIGKILL)
    assert not (home / "mysql_data").exists()
    if victim == "setup":
        first.stdout.close()  # mysqld holds its other end
        first.wait()
    else:
        assert "MySQL could not make its data folder" in first.communicate()[0]
        assert first.returncode == 1
    second = setup(tmp_path, "ensure()")
    told = second.communicate()[0]
    assert second.returncode == 0, told
    assert ("another command works on" in told) is (victim == "setup")
    server = type(template)(tmp_path)
    try:
        assert server.ask("SELECT 1") == [(1,)]
        assert len(server.as_azkaban("SHOW TABLES")) == 15
        assert not (home / "mysql_data.new").exists()
        assert not (home / "mysql_files" / "init.sql").exists()
    finally:
        server.kill()


def test_killed_during_writes(server: Any) -> None:
    """Every row whose commit was acknowledged survives kill -9."""
    server.start()
    acknowledged: list[list[int]] = [[], []]

    def write(writer: int) -> None:
        link = server.connection
        try:
            connection = mysql.connector.connect(
                host=link.host, port=link.port, user=link.user, database=link.database,
                password=link.password_file.read_text().strip(), use_pure=True,
                collation="utf8mb4_bin",
            )  # fmt: skip
            cursor = connection.cursor()
            for number in range(1_000_000):
                cursor.execute(
                    "INSERT INTO project_files VALUES (%s, 1, %s, 1, %s)",
                    (writer, number, os.urandom(2000)),
                )
                connection.commit()
                acknowledged[writer].append(number)
        except mysql.connector.Error:
            return
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in (0, 1)]
    for thread in threads:
        thread.start()
    while min(map(len, acknowledged)) < 30:
        time.sleep(0.01)
    server.kill()
    for thread in threads:
        thread.join()
    server.start()
    for writer in (0, 1):
        found = server.ask("SELECT chunk FROM azkaban.project_files WHERE project_id = %s", writer)
        assert {number for (number,) in found} >= set(acknowledged[writer])
        assert len(found) <= len(acknowledged[writer]) + 1  # at most the one in flight


def test_two_starts_at_once(server: Any, setup: Callable[..., Any]) -> None:
    starts = [setup(server.layout.prefix, "start()") for _ in range(3)]
    told = [start.communicate()[0] for start in starts]
    assert [start.returncode for start in starts] == [0, 0, 0], told
    assert sum("already running" in text for text in told) == 2
    argument = os.fsencode(f"--defaults-file={server.files.options}")
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert sum(argument in line for line in lines) == 1


def test_script_and_setup_start_at_once(server: Any, setup: Callable[..., Any]) -> None:
    server.start()
    server.stop()
    first = setup(server.layout.prefix, "start()")
    told = server.script("start")
    text = first.communicate()[0]
    assert (first.returncode, told.returncode) == (0, 0), text + told.stderr
    assert ("already running" in text) != ("already running" in told.stderr)


def test_missing_library(server: Any, template: Any, tmp_path: Path) -> None:
    """A library that no package of ours provides: the message names it and where to put it."""
    base = template.settings.program.mysqld.parent
    (tmp_path / "server" / "bin").mkdir(parents=True)
    (tmp_path / "server" / "share").symlink_to(template.settings.program.messages)
    shutil.copytree(template.home / "lib", server.home / "lib", symlinks=True)
    words = (base / "mysqld").read_bytes()
    assert words.count(b"libaio.so.1\0") == 1
    program = tmp_path / "server" / "bin" / "mysqld"
    program.write_bytes(words.replace(b"libaio.so.1\0", b"libxyz.so.1\0"))
    program.chmod(0o700)
    with pytest.raises(SetupError, match=rf"needs libxyz\.so\.1.*into {server.home}/lib"):
        server.init(ServerSource("basedir", str(tmp_path / "server")))


def test_program_that_is_gone(server: Any, tmp_path: Path) -> None:
    settings = server.settings
    broken = tmp_path / "mysqld"
    broken.write_bytes(settings.program.mysqld.read_bytes()[:10_000])
    broken.chmod(0o700)
    program = type(settings.program)(
        broken, settings.program.messages, settings.program.libraries, "5.7.29", tls=True
    )
    type(settings)(settings.port, program).write(server.settings_file)
    with pytest.raises(SetupError, match="does not run"):
        server.start()


def test_folder_without_programs(setup: Callable[..., Any], tmp_path: Path) -> None:
    init = setup(tmp_path, "init()", before=mounted(tmp_path, "size=600m,noexec"))
    told = init.communicate()[0]
    assert init.returncode == 1
    assert "does not allow programs to run (mounted noexec)" in told


def test_folder_that_cannot_be_written(setup: Callable[..., Any], tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    told = setup(tmp_path, "init()")
    text = told.communicate()[0]
    tmp_path.chmod(0o700)
    assert told.returncode == 1
    assert f"prefix {tmp_path}: cannot write there" in text


def test_other_locale_and_odd_names(copy: Callable[[str], Any], setup: Callable[..., Any]) -> None:
    server = copy("Prüfung-データ")
    for locale in ("C", "ja_JP.eucJP"):
        start = setup(server.layout.prefix, "start()", LC_ALL=locale, LANG=locale)
        told = start.communicate()[0]
        assert start.returncode == 0, told
        server.as_azkaban("INSERT INTO projects VALUES (NULL,'プ😀',1,1,1,1,'u','d',1,NULL)")
        assert server.script("status").returncode == 0
        assert server.script("stop").returncode == 0
    server.start()
    assert server.as_azkaban("SELECT DISTINCT name FROM projects") == [("プ😀",)]


def test_server_that_does_not_answer(server: Any) -> None:
    server.start()
    process = server.running()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        mysql_status = subprocess.run(
            ["timeout", "2", str(server.home / "status")], check=False, capture_output=True
        )
        assert mysql_status.returncode != 0
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert server.status().state == "running"


def test_steps_without_a_server(template: Any, tmp_path: Path) -> None:
    server = type(template)(tmp_path / "none")
    assert server.status().state == "not installed"
    with pytest.raises(UsageError, match="run python3 -m setup mysql start"):
        server.start()
    assert not server.stop()


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        ("InnoDB: Error number 28 means 'No space left on device'", "disk is full"),
        ("Can't start server: Bind on TCP/IP port: Address already in use", "took the port"),
        ("InnoDB: Unable to lock ./ibdata1 error: 11", "another mysqld works"),
        ("InnoDB: Unable to lock ./ibdata1 error: 37", "its disk grants no locks"),
        ("Fatal error: Illegal or unknown default time zone 'X'", "default-time-zone in"),
        ("InnoDB: Cannot allocate memory for the buffer pool", "too little memory"),
        ("libaio.so.1: error while loading shared libraries", "a shared library is gone"),
        ("all is well", ""),
    ],
)
def test_diagnosis(log: str, meaning: str) -> None:
    found = checks.diagnosis(log)
    assert (meaning in found) if meaning else not found
