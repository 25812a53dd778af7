"""Every way in which a machine or a command line can be wrong: one message, the right exit code."""

from __future__ import annotations

import ast
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from setup import cli, commands, environment, java, layout, maven
from setup.azkaban import Server, Wanted
from setup.errors import DownloadError, SetupError, UsageError
from setup.layout import CHECKOUT, Layout
from setup.life import process
from setup.python import layers
from tests.commands import run_setup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JAR = maven.Jar("org.example:thing:1.0", "0" * 64, "Apache-2.0")


def _one_message(result: subprocess.CompletedProcess[str], code: int) -> str:
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    messages = [line for line in result.stderr.splitlines() if line.startswith("setup: ")]
    assert len(messages) == 1, result.stderr
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize("char", list(" \"'`$\\;:*&()=~"))
def test_prefix_with_a_character_that_java_would_misread(char: str) -> None:
    with pytest.raises(UsageError, match="cannot be in it"):
        Layout.of(f"/srv/a{char}b")


def test_prefix_with_a_space(tmp_path: Path) -> None:
    message = _one_message(run_setup("demo", "--prefix", str(tmp_path / "my place")), 2)
    assert f"prefix '{tmp_path / 'my place'}': the character ' ' cannot be in it" in message
    assert list(tmp_path.iterdir()) == []


def test_prefix_with_letters_of_any_script_is_fine() -> None:
    assert Layout.of("/srv/größe/作業").env.parts[-2:] == ("作業", "env")


def test_prefix_from_environment_and_option_wins() -> None:
    environ = {"AZK_HOME": "/srv/h", "AZK_CACHE": "/srv/c"}
    assert str(Layout.of(None, environ).prefix) == "/srv/h"
    assert str(Layout.of("/srv/o", environ).prefix) == "/srv/o"
    assert str(Layout.of("/srv/o", environ).cache) == "/srv/c"


def test_prefix_that_is_not_writable() -> None:
    message = _one_message(run_setup("env", "--prefix", "/proc/azkaban"), 3)
    assert "prefix /proc/azkaban: cannot write there" in message
    assert "--prefix" in message


def test_prefix_that_holds_somebody_elses_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    message = _one_message(run_setup("env", "--prefix", str(tmp_path)), 3)
    assert "not empty and was not made by this program; nothing was changed" in message
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_prefix_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    for place in (tmp_path / "thesis.txt", tmp_path / "thesis.txt" / "below"):
        message = _one_message(run_setup("env", "--prefix", str(place)), 3)
        assert f"prefix {place}: " in message
    message = _one_message(run_setup("env", "--prefix", "/dev/null"), 3)
    assert "prefix /dev/null: is no folder" in message
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_prefix_above_another_one(ours: Layout) -> None:
    ours.prefix.rename(ours.prefix.with_name(".azkaban-jobflow"))
    home = ours.prefix.parent
    message = _one_message(run_setup("env", "--prefix", str(home)), 3)
    assert f"prefix {home}: the folder is not empty" in message


def test_prefix_of_a_variable_that_is_not_set(ours: Layout) -> None:
    message = _one_message(run_setup("wipe", "--yes", "--prefix", "", AZK_HOME=str(ours.prefix)), 2)
    assert "--prefix '': expected a folder" in message
    assert ours.exists()


@pytest.mark.parametrize("name", ["AZK_HOME", "AZK_CACHE"])
def test_home_folder_of_no_account(tmp_path: Path, name: str) -> None:
    given = {"AZK_HOME": str(tmp_path / "p"), "AZK_CACHE": str(tmp_path / "c")}
    message = _one_message(run_setup("status", **{**given, name: "~no-such/x"}), 2)
    assert "~no-such/x: this machine has no home folder for ~no-such" in message


def test_home_that_is_no_path_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "here"):
        monkeypatch.setenv("HOME", text)
        environment.ensure_home()
        assert os.environ["HOME"] == environment._home()
    monkeypatch.setenv("HOME", "/srv/me")
    environment.ensure_home()
    assert os.environ["HOME"] == "/srv/me"


def test_cache_that_cannot_be_made(tmp_path: Path) -> None:
    message = _one_message(
        run_setup("env", "--prefix", str(tmp_path / "p"), AZK_CACHE="/proc/azkaban"), 3
    )
    assert "cache /proc/azkaban: cannot be made" in message
    assert "AZK_CACHE" in message
    (tmp_path / "file").touch()
    environ = {"AZK_CACHE": str(tmp_path / "file")}
    message = _one_message(run_setup("env", "--prefix", str(tmp_path / "p"), **environ), 3)
    assert f"cache {tmp_path / 'file'}: is no folder" in message


@pytest.mark.parametrize(
    ("option", "value"), [("-n", "100"), ("-f", "4096"), ("-t", "60"), ("-u", "150")]
)
def test_limits_under_which_no_server_works(tmp_path: Path, option: str, value: str) -> None:
    command = f'ulimit {option} {value}; exec "$0" -m setup up --prefix "$1"'
    result = subprocess.run(
        ["bash", "-c", command, sys.executable, str(tmp_path / "p")],
        cwd=CHECKOUT,
        env={**os.environ, "AZK_ALLOW_ROOT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"ulimit {option}" in _one_message(result, 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "words"), [("3000000", "2929 MB of address space"), ("5000000", "")]
)
def test_an_address_space_in_which_a_server_would_end(value: str, words: str) -> None:
    code = "import sys; from setup import limits; sys.tracebacklimit = 0; limits.require_heap(1024)"
    command = ["bash", "-c", f'ulimit -v {value}; exec "$0" -c "$1"', sys.executable, code]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert words in result.stderr
    assert result.returncode == bool(words)


def test_tests_that_did_not_come_along(
    ours: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZK_ALLOW_ROOT", "1")
    monkeypatch.setattr(commands, "CHECKOUT", ours.prefix)
    assert cli.main(["test", "--prefix", str(ours.prefix)]) == UsageError.code
    assert "there are no tests here: they are in a checkout" in capsys.readouterr().err


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 (no path of ours)
        result = subprocess.run(
            [sys.executable, "-m", "setup", "status", "--prefix", str(tmp_path / "p")],
            cwd=CHECKOUT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 3
    assert result.stderr == "setup: standard output: No space left on device\n"


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
def test_descriptors_that_are_closed(ours: Layout, closed: str) -> None:
    command = f'exec {closed}; exec "$0" -m setup wipe --yes --prefix "$1"'
    result = subprocess.run(
        ["bash", "-c", command, sys.executable, str(ours.prefix)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "")
    assert not ours.prefix.exists()


def test_a_script_beside_a_server_whose_errors_are_closed(tmp_path: Path) -> None:
    command = 'exec 2>&-; exec "$0" -I "$1" "$2" azkaban stop'
    step = CHECKOUT / "setup/shell/step.py"
    result = subprocess.run(
        ["bash", "-c", command, sys.executable, str(step), str(tmp_path / "p")],
        capture_output=True,
        text=True,
        check=False,
    )
    # Python prints what is for a standard error that is closed to the standard output.
    assert (result.returncode, result.stdout) == (0, "")


def test_a_folder_that_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cli.main(["status", "--prefix", "here"]) == SetupError.code
    said = "setup: the folder in which this was started was deleted: change to another\n"
    assert capsys.readouterr().err == said


def test_wipe_leaves_somebody_elses_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    result = run_setup("wipe", "--yes", "--prefix", str(tmp_path))
    assert "nothing to delete" in result.stderr
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_wipe_asks(ours: Layout) -> None:
    message = _one_message(run_setup("wipe", "--prefix", str(ours.prefix)), 2)
    assert "add --yes" in message
    assert ours.prefix.is_dir()
    assert run_setup("wipe", "--yes", "--prefix", str(ours.prefix)).returncode == 0
    assert not ours.prefix.exists()


def test_disk_too_full(ours: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = layout.shutil.disk_usage(ours.prefix)
    nearly_full = type(usage)(usage.total, usage.total - (5 << 20), 5 << 20)
    monkeypatch.setattr(layout.shutil, "disk_usage", lambda _: nearly_full)
    with pytest.raises(SetupError, match=r"5 MB free on its disk, 700 MB needed; make room"):
        ours.create(need=700 << 20)


def test_disk_full_while_writing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/p/lib/h2.jar")

    monkeypatch.setattr(cli, "_status", full)
    assert cli.main(["status"]) == SetupError.code
    assert (
        capsys.readouterr().err
        == "setup: /p/lib/h2.jar: No space left on device; make room, or use --prefix\n"
    )


def test_disk_full_while_a_folder_is_copied(
    ours: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: str, target: str, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", target)

    def copy(*_: object) -> int:
        shutil.copytree(ours.prefix, ours.prefix.with_name("new"), copy_function=full)
        return 0

    monkeypatch.setattr(cli, "_status", copy)
    assert cli.main(["status", "--prefix", str(ours.prefix.with_name("none"))]) == SetupError.code
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "/new/.azkaban-jobflow: No space left on device; make room, or use --prefix"
    )


def test_python_too_old() -> None:
    for name in ("__main__.py", "__init__.py"):  # an old Python must be able to parse these
        ast.parse((CHECKOUT / "setup" / name).read_text(), feature_version=(3, 4))
    program = (
        "import sys, runpy; sys.version_info = (3, 8, 0); "
        "sys.argv = ['setup', 'demo']; runpy.run_module('setup', run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 3
    assert result.stderr.startswith("setup: Python 3.8 is too old, 3.11 or newer is needed")


def test_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("AZK_ALLOW_ROOT", raising=False)
    with pytest.raises(SetupError, match=r"not started as root.*AZK_ALLOW_ROOT=1"):
        process.refuse_root()
    monkeypatch.setenv("AZK_ALLOW_ROOT", "1")
    process.refuse_root()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--port", "70000"], "'70000': expected a number from 1 to 65535"),
        (["up", "--port", "web"], "'web': expected a number from 1 to 65535"),
        (["down"], "invalid choice: 'down'"),
        (["status", "--jso"], "unrecognized arguments: --jso"),
        ([], "required: COMMAND"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = run_setup(*arguments)
    assert result.returncode == 2
    assert words in result.stderr


def test_listen_on_a_word(ours: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZK_ALLOW_ROOT", "1")
    with pytest.raises(UsageError, match="--listen everywhere: expected an IP address"):
        Server(ours).up(java.Java(ours.python, "17"), Wanted(listen="everywhere"))


def test_java_that_is_none(ours: Layout) -> None:
    with pytest.raises(UsageError, match="--java /bin/true: is no working Java; 8 or newer"):
        java.ensure(ours, "/bin/true")


def test_java_too_old(ours: Layout, tmp_path: Path) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'java version \"1.7.0_80\"' >&2\n")
    old.chmod(0o755)
    with pytest.raises(UsageError, match=r"is version 1\.7\.0_80; 8 or newer is needed"):
        java.ensure(ours, str(old))
    assert java.Java(old, "1.8.0_412").major == 8
    assert java.Java(old, "25").major == 25


def test_no_network_for_packages(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"  # discard: nobody listens
    result = run_setup(
        "env",
        "--prefix",
        str(tmp_path / "p"),
        HTTPS_PROXY=nowhere,
        HTTP_PROXY=nowhere,
        https_proxy=nowhere,
        http_proxy=nowhere,
        PIP_RETRIES="0",
        PIP_FIND_LINKS="",
        PIP_CACHE_DIR=str(tmp_path / "pip"),
        AZK_CACHE="",
    )
    message = _one_message(result, 4)
    assert "packages could not be installed" in message
    assert "HTTPS_PROXY" in message


def test_no_network_for_jars(ours: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZK_MAVEN_REPO", "http://127.0.0.1:9/maven")
    with pytest.raises(
        DownloadError, match=r"(?s)org.example:thing:1.0 could not be downloaded.*AZK_MAVEN_REPO"
    ):
        maven.fetch([JAR], ours.cache, lambda _: None)


class _Repository(BaseHTTPRequestHandler):
    """A Maven repository in which every file is the same few bytes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "9")
        self.end_headers()
        self.wfile.write(b"not a jar")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Repository) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/maven"
        server.shutdown()
        thread.join()


def test_jar_with_another_hash(
    ours: Layout, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_MAVEN_REPO", repository)
    with pytest.raises(
        DownloadError, match=r"thing:1.0 is not the pinned file, it was deleted: SHA-256"
    ):
        maven.fetch([JAR], ours.cache, lambda _: None)
    assert not list(ours.cache.rglob("*thing*.jar"))


def test_what_an_interrupted_download_left_is_not_taken_for_a_jar(
    ours: Layout, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_MAVEN_REPO", repository)
    right = maven.Jar("org.example:thing:1.0", hashlib.sha256(b"not a jar").hexdigest(), "MIT")
    left = ours.cache / "maven" / "repository" / right.path
    left.parent.mkdir(parents=True)
    left.write_bytes(b"not a")
    [path] = maven.fetch([right], ours.cache, lambda _: None)
    assert path.read_bytes() == b"not a jar"
    assert sorted(p.name for p in path.parent.iterdir()) == ["repository", path.name]


def test_jar_changed_in_the_cache_is_fetched_again(
    ours: Layout, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_MAVEN_REPO", repository)
    right = maven.Jar("org.example:thing:1.0", hashlib.sha256(b"not a jar").hexdigest(), "MIT")
    [path] = maven.fetch([right], ours.cache, lambda _: None)
    path.write_bytes(b"changed")
    [path] = maven.fetch([right], ours.cache, lambda _: None)
    assert path.read_bytes() == b"not a jar"


def test_interrupted_environment_is_made_again(ours: Layout) -> None:
    (ours.env / "bin").mkdir(parents=True)
    (ours.env / "bin" / "python").symlink_to(sys.executable)
    assert not layers.current(ours, "base")
    assert not layers._usable(ours)


def test_two_setups_wait_for_each_other(ours: Layout) -> None:
    program = (
        "import sys; from pathlib import Path; from setup.layout import Layout\n"
        "with Layout(Path(sys.argv[1]), Path(sys.argv[1])).locked(): print('got it')"
    )
    with ours.locked():
        second = subprocess.Popen(
            [sys.executable, "-c", program, str(ours.prefix)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr
        assert f"another setup works in {ours.prefix}: waiting" in second.stderr.readline()
        assert second.poll() is None
    assert second.communicate()[0] == "got it\n"
    assert second.returncode == 0
