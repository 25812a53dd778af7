"""Disks on which an installation would not work: told before any work; faults of disks in one line.

A test cannot mount such disks without root, so what they answer is put in the way of the calls.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from setup import cli, disk, messages
from setup.errors import SetupError
from setup.layout import CHECKOUT, Layout

if TYPE_CHECKING:
    from collections.abc import Callable


def _failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_disk_that_will_do_is_left_as_it_was(tmp_path: Path) -> None:
    disk.require(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("where", "name", "answer", "words"),
    [
        (fcntl, "flock", _failing(errno.ENOLCK), "grants no locks .No locks available., as NFS"),
        (fcntl, "lockf", _failing(errno.ENOLCK), "grants no locks"),
        (fcntl, "flock", _failing(errno.EOPNOTSUPP), "grants no locks"),
        (Path, "symlink_to", _failing(errno.EPERM), "has no symbolic links"),
        (Path, "chmod", _failing(errno.EPERM), "keeps no modes of files"),
        (Path, "chmod", lambda *_: None, "gives files the mode 06.*: others could read passwords"),
        (Path, "exists", lambda path: path.name == "NAME", "names that differ in case for one"),
        (
            subprocess,
            "run",
            _failing(errno.EACCES),
            "does not allow programs to run .mounted noexec",
        ),
    ],
)
def test_a_disk_that_will_not_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
    answer: Callable[..., Any],
    words: str,
) -> None:
    os.umask(0o022)
    prefix = tmp_path / "new" / "p"
    layout = Layout(prefix, prefix / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(where, name, answer)
        with pytest.raises(SetupError, match=rf"prefix .*/p: its disk .*{words}.*local disk with"):
            layout.create(need=0)
    assert not prefix.exists()
    layout.create(need=0)
    assert layout.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [("noexec", r"its disk \(tmpfs\) does not allow programs to run \(mounted noexec\)"),
     ("ro", "cannot write there .Read-only file system")],
)  # fmt: skip
def test_real_mounts(tmp_path: Path, options: str, words: str) -> None:
    program = "import sys; from setup import cli; sys.exit(cli.main(sys.argv[1:]))"
    mount = f'mount -t tmpfs -o {options} t "$0" && exec "$@"'
    namespace = ["unshare", "--user", "--mount", "--map-current-user", "--keep-caps"]
    command = [sys.executable, "-c", program, "env", "--prefix", str(tmp_path / "p")]
    result = subprocess.run(
        [*namespace, "sh", "-c", mount, str(tmp_path), *command],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3
    assert re.search(words, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_what_a_killed_trial_left_is_nobodys(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path / "cache")
    (tmp_path / f"{disk.TRIAL}x").mkdir()
    layout.create(need=0)
    assert layout.exists()


def test_a_lock_that_is_not_granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", _failing(errno.ENOLCK))
    layout = Layout(tmp_path, tmp_path)
    with (
        pytest.raises(SetupError, match=r"\.lock: its disk grants no locks .*local disk"),
        (tmp_path / ".lock").open("w") as stream,
    ):
        messages.wait_for_lock(stream, "another setup")
    assert not layout.exists()


@pytest.mark.parametrize(
    "number",
    [
        *(errno.EACCES, errno.EIO, errno.EISDIR, errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG),
        *(errno.ENOENT, errno.ENOLCK, errno.ENOMEM, errno.EPERM, errno.ESTALE, errno.ETXTBSY),
    ],
)
def test_whatever_the_system_refuses_is_one_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/p/file")

    monkeypatch.setattr(cli, "_status", fail)
    assert cli.main(["status"]) == SetupError.code
    told = capsys.readouterr().err
    assert told.startswith(f"setup: /p/file: {os.strerror(number)}")
    assert told.count("\n") == 1


def test_who_reads_half_of_an_answer_sees_no_traceback() -> None:
    command = [sys.executable, "-m", "setup", "bom"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=CHECKOUT, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_what_a_killed_set_up_left_is_deleted_a_day_later(ours: Layout) -> None:
    names = ("tmp/setup-installer-x", "tmp/setup-bundle-x", ".unpacked-x", ".python-x")
    old = [ours.prefix / name for name in (*names, "tmp/of-a-job", "tmp/installer-of-a-job")]
    new = ours.prefix / "tmp/setup-installer-y"
    for folder in (*old, new):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    for folder in old:
        os.utime(folder, times=(time.time() - 90_000,) * 2)
    with ours.locked():
        pass
    assert [folder.exists() for folder in old] == [False] * 4 + [True] * 2
    assert new.exists()
