"""An Azkaban database from elsewhere: adopted out of a plain mysqldump, whole or not at all."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from setup import cli, java
from setup.azkaban import Server, Wanted
from setup.errors import ServerError, UsageError
from setup.python import layers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# As mysqldump 5.7 begins and ends.
_HEAD = """\
-- MySQL dump 10.13  Distrib 5.7.44, for Linux (x86_64)
--
-- Host: db7.example.org    Database: scheduler
-- ------------------------------------------------------
-- Server version\t5.7.44-log

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;
SET @@SESSION.SQL_LOG_BIN= 0;

--
-- GTID state at the beginning of the backup
--

SET @@GLOBAL.GTID_PURGED='3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5';
"""
_FOOT = """\
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;

-- Dump completed on 2026-11-30  6:10:13
"""
_ESCAPES = {0: b"\\0", 10: b"\\n", 13: b"\\r", 26: b"\\Z", 34: b'\\"', 39: b"\\'", 92: b"\\\\"}
BLOB = bytes(range(256)) * 3 + b"a';b\\"


def _literal(value: Any) -> bytes:
    if value is None:
        return b"NULL"
    if isinstance(value, int):
        return str(value).encode()
    data = value if isinstance(value, bytes | bytearray) else str(value).encode()
    return b"'" + b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in data) + b"'"


def _dump(server: Any, tables: list[str] | None = None) -> bytes:
    """Write a database as mysqldump does."""
    parts = [_HEAD.encode()]
    for (name,) in server.ask("SHOW TABLES FROM azkaban"):
        if tables is not None and name not in tables:
            continue
        create = server.ask(f"SHOW CREATE TABLE azkaban.{name}")[0][1]
        text = f"--\n-- Table structure for table `{name}`\n--\n\nDROP TABLE IF EXISTS `{name}`;\n"
        text += "/*!40101 SET @saved_cs_client     = @@character_set_client */;\n"
        text += f"{create};\n\nLOCK TABLES `{name}` WRITE;\n"
        text += f"/*!40000 ALTER TABLE `{name}` DISABLE KEYS */;\n"
        parts.append(text.encode())
        if rows := server.ask(f"SELECT * FROM azkaban.{name}"):
            values = b"),(".join(b",".join(map(_literal, row)) for row in rows)
            parts.append(b"INSERT INTO `" + name.encode() + b"` VALUES (" + values + b");\n")
        parts.append(b"UNLOCK TABLES;\n")
    return b"".join([*parts, _FOOT.encode()])


@pytest.fixture
def source(copy: Callable[[str], Any]) -> Any:
    """A database that another server wrote: an older column is missing, a table is MyISAM."""
    server = copy("source")
    server.start()
    server.ask("INSERT INTO azkaban.projects VALUES (7,'größe;',1,1,1,1,'u','it''s -- no',2,NULL)")
    server.ask("INSERT INTO azkaban.project_files VALUES (7,1,0,99,%s)", BLOB)
    server.ask("ALTER TABLE azkaban.triggers ENGINE=MyISAM")
    server.ask("ALTER TABLE azkaban.projects DROP COLUMN settings_blob")
    return server


@pytest.fixture
def target(copy: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server of ours with one project, and Azkaban beside it."""
    server = copy("target")
    server.start()
    Server(server.layout).install(java.ensure(server.layout), Wanted(mysql=True))
    server.ask("INSERT INTO azkaban.projects VALUES (1,'ours',1,1,1,1,'u','d',2,NULL)")
    monkeypatch.setattr(layers, "enter", lambda *_, **__: None)
    return server


def _adopt(target: Any, *arguments: str) -> int:
    return cli.main(["azkaban", "adopt", *arguments, "--prefix", str(target.layout.prefix)])


def test_adopted(
    source: Any, target: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = _dump(source)
    path, several = tmp_path / "a.sql", tmp_path / "two.sql.gz"
    path.write_bytes(dump)
    other = (
        b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop`;\nUSE `shop`;\nCREATE TABLE t (a int);\n"
    )
    ours = (
        b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `scheduler` /*!40100 */;\n\nUSE `scheduler`;\n"
    )
    several.write_bytes(gzip.compress(other + ours + dump))
    assert _adopt(target, str(path)) == 2
    assert "azkaban.projects has rows, which would be lost" in capsys.readouterr().err
    assert _adopt(target, str(several), "--replace") == 2
    assert "holds the databases shop, scheduler: name Azkaban's" in capsys.readouterr().err
    assert target.ask("SELECT name FROM azkaban.projects") == [("ours",)]
    for arguments in ([path], [several, "--database", "scheduler"]):
        assert _adopt(target, *map(str, arguments), "--replace") == 0
        assert "adopting the database: 1 projects, 0 executions" in capsys.readouterr().err
        assert target.ask("SELECT id, name, description FROM azkaban.projects") == [
            (7, "größe;", "it's -- no")
        ]
        assert target.ask("SELECT file FROM azkaban.project_files") == [(BLOB,)]
        assert target.as_azkaban("SELECT settings_blob FROM projects") == [(None,)]
        engines = "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = %s"
        assert target.ask(engines, "azkaban") == [("InnoDB",)]
        assert ("shop",) not in target.ask("SHOW DATABASES")


@pytest.mark.long
def test_what_does_not_fit_changes_nothing(source: Any, target: Any, tmp_path: Path) -> None:
    whole = _dump(source)
    server = Server(target.layout)
    later = whole.replace(
        b"UNLOCK TABLES;\n", b"UNLOCK TABLES;\nCREATE TABLE executors (a int);\n", 1
    )
    path = tmp_path / "dump.sql"
    from setup.azkaban.adopt import adopt

    for content, kind, words in (
        (whole[: len(whole) // 2], UsageError, "its last line is not '-- Dump completed'"),
        (b"SELECT 1;\n", UsageError, "it is no dump of mysqldump"),
        (gzip.compress(whole)[:500], UsageError, "cannot be read"),
        (_dump(source, ["triggers"]), UsageError, "of an Azkaban: it has no table projects,"),
        (later, UsageError, "is of an Azkaban 3.0 or later, and 2.5.0 is installed here"),
        (whole.replace(b"LOCK TABLES", b"LOOK TABLES", 1), ServerError, "nothing was changed"),
    ):
        path.write_bytes(content)
        with pytest.raises(kind, match=words):
            adopt(server, path, replace=True)
    path.write_bytes(whole)
    with pytest.raises(UsageError, match="there is no database x in it"):
        adopt(server, path, "x")
    assert target.ask("SELECT name FROM azkaban.projects") == [("ours",)]
    assert not target.files.restore.exists()
