"""Files whole or not at all, locks, first lines; durations and addresses, read in one way."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from azkaban_client import files
from azkaban_client.files import alone, first_line, lock, whole, write_private, write_text
from azkaban_client.mail import check_address
from azkaban_client.times import duration, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_file_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    write_text(tmp_path / "open", "a")
    write_private(tmp_path / "private", "b")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    write_text(path, "old")

    def fill() -> None:
        with whole(path) as stream:
            stream.write(b"new")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as failed:
        fill()
    assert failed.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        write_private(tmp_path / "nosuch" / "file", "x")
    assert error.value.filename == str(tmp_path / "nosuch" / "file")


def test_a_private_file_follows_no_link_that_others_prepared(tmp_path: Path) -> None:
    target = tmp_path / "theirs"
    target.write_text("")
    (tmp_path / "secret").symlink_to(target)
    write_private(tmp_path / "secret", "swordfish")
    assert target.read_text() == ""
    assert not (tmp_path / "secret").is_symlink()


def test_one_is_alone_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with alone(path) as first, alone(path) as second:
        assert (first, second) == (True, False)
    with alone(path) as again:
        assert again


def test_a_disk_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with (tmp_path / "lock").open("a") as stream, pytest.raises(OSError, match="/lock'"):
        lock(stream)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"swordfish\nmore\n", "swordfish"),
        (b"\xef\xbb\xbfsword fish \r\n", "sword fish "),
        ("schlüssel\x0b".encode(), "schlüssel\x0b"),
    ],
)
def test_the_first_line_of_a_secret(content: bytes, line: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert first_line(tmp_path / "secret") == line


@pytest.mark.parametrize("content", [b"", b"\nsecond\n", b" \n", b"\xff\xfe\n"])
def test_no_secret_in_the_first_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ValueError, match=r"first line is empty|codec"):
        first_line(tmp_path / "secret")


def test_a_secret_is_not_sought_in_what_has_no_end() -> None:
    with pytest.raises(ValueError, match="is it the right file"):
        first_line("/dev/zero")


@pytest.mark.parametrize("text", ["90s", "1h30m", "2d", "1m1ms", "0s"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    assert duration(plain(duration(text))) == duration(text)
    assert plain(timedelta(minutes=90)) == "1h30m"


@pytest.mark.parametrize("text", ["", "90", "m", "-1m", "1x", "1m x", "9" * 20 + "d", "1e3s", "٣m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        duration(text)


@pytest.mark.parametrize("text", ["me@example.org", "a.b+c@localhost", "ü@exämple.org"])
def test_addresses(text: str) -> None:
    check_address(text)


@pytest.mark.parametrize(
    "text", ["", "me", "@x", "me@", "a@b, c@d", "Me <me@x>", "a@b;c@d", "a b@c"]
)
def test_what_is_not_one_address(text: str) -> None:
    with pytest.raises(ValueError, match="one address of mail"):
        check_address(text)
