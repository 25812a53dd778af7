"""Tables of one Azkaban brought to the next, with a real MySQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup.azkaban import Wanted, schema
from setup.azkaban.program import Program
from setup.azkaban.settings import choose
from setup.errors import ServerError
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.mysql.conftest import LiveMySQL

EXECUTORS = """
CREATE TABLE executors (  -- as in no release; what set-up uses of it is there
  id INT NOT NULL PRIMARY KEY AUTO_INCREMENT, host VARCHAR(64) NOT NULL, port INT NOT NULL,
  active BOOLEAN DEFAULT FALSE, UNIQUE (host, port)
);
"""
LATER = """
CREATE TABLE kinds (id INT NOT NULL PRIMARY KEY AUTO_INCREMENT, name VARCHAR(9) NOT NULL UNIQUE);
INSERT INTO kinds (name) VALUES ('one'), ('two');
CREATE TABLE images (
  id INT NOT NULL PRIMARY KEY, kind INT NOT NULL, FOREIGN KEY (kind) REFERENCES kinds (id)
);
"""


def _definitions(folder: Path, *changed: tuple[str, str, str], more: str = "") -> Path:
    """Write a folder of table definitions: those of 2.5.0, executors, and some changes."""
    folder.mkdir()
    for path in (CHECKOUT / "setup" / "azkaban" / "sql").glob("create.*.sql"):
        text = path.read_text()
        for table, old, new in changed:
            if path.name == f"create.{table}.sql":
                assert old in text
                text = text.replace(old, new)
        (folder / path.name).write_text(text)
    (folder / "create.executors.sql").write_text(EXECUTORS + more)
    return folder


def _shape(server: LiveMySQL, database: str) -> list[object]:
    """What MySQL's own catalogue says of a database, order of columns and names of keys apart."""
    columns = server.ask(
        "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, "
        "column_key FROM information_schema.columns WHERE table_schema = %s "
        "ORDER BY table_name, column_name",
        database,
    )
    keys = server.ask(
        "SELECT table_name, index_name, non_unique, seq_in_index, column_name FROM "
        "information_schema.statistics WHERE table_schema = %s "
        "ORDER BY table_name, index_name, seq_in_index",
        database,
    )
    foreign = server.ask(
        "SELECT table_name, referenced_table_name FROM "
        "information_schema.referential_constraints WHERE constraint_schema = %s",
        database,
    )
    return [columns, keys, foreign]


def test_upgrade_of_tables(server: LiveMySQL, tmp_path: Path) -> None:
    """Whatever a version changed, the tables are then as it makes them; every row stays."""
    server.start()
    first = _definitions(tmp_path / "1")
    second = _definitions(
        tmp_path / "2",
        ("execution_flows", "PRIMARY KEY", "method TINYINT NOT NULL DEFAULT 1,\n PRIMARY KEY"),
        ("execution_flows", "flow_data LONG", "flow_data MEDIUM"),
        ("execution_jobs", "job_id, attempt)", "job_id, flow_id, attempt)"),
        ("projects", "description VARCHAR(255)", "description VARCHAR(2048)"),
        ("triggers", "data LONGBLOB", "data LONGBLOB, UNIQUE (trigger_source)"),
        more=LATER,
    )
    old = Program("3.90.0", stock=False, libraries={}, classes={}, jars={}, ours="")
    settings = choose(Wanted(profile="server"), None)
    schema.prepare(server, old, first, settings)
    server.ask(
        "INSERT INTO azkaban.execution_flows (project_id, version, flow_id, status, flow_data) "
        "VALUES (1, 2, 'flow', 50, 0x1f8b00ff)"
    )
    server.ask("INSERT INTO azkaban.executors (host, port, active) VALUES ('here', 1, 1)")
    server.ask("CREATE TABLE azkaban.mine (id INT)")
    server.ask("CREATE DATABASE azkaban_new")  # left by an upgrade that was killed

    schema.update(server, second, "4.0.0")

    server.ask("DROP TABLE azkaban.mine")
    server.ask("CREATE DATABASE fresh CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    with server.connect("fresh") as connection:
        for path in sorted(second.glob("create.*.sql")):
            for statement in path.read_text().strip().split(";\n"):
                connection.cursor().execute(statement)
    assert _shape(server, "azkaban") == _shape(server, "fresh")
    kept = server.ask("SELECT flow_id, status, method, flow_data FROM azkaban.execution_flows")
    assert kept == [("flow", 50, 1, b"\x1f\x8b\x00\xff")]
    assert server.ask("SELECT host, active FROM azkaban.executors") == [("here", 1)]
    assert server.ask("SELECT id, name FROM azkaban.kinds") == [(1, "one"), (2, "two")]
    assert server.ask("SHOW DATABASES LIKE 'azkaban%'") == [("azkaban",)]
    with server.connect("azkaban") as connection:
        assert schema.recorded(connection.cursor()) == "4.0.0"

    server.ask(
        "INSERT INTO azkaban.projects (name, modified_time, create_time, last_modified_by) "
        "VALUES ('long', 1, 1, 'me')"
    )
    narrow = ("projects", "name VARCHAR(64)", "name VARCHAR(2)")
    with pytest.raises(ServerError, match=r"Data too long for column 'name'[^\n]*\nALTER TABLE"):
        schema.update(server, _definitions(tmp_path / "3", narrow), "4.1.0")
    assert server.ask("SELECT name FROM azkaban.projects") == [("long",)]


def test_tables_without_rows_are_made_anew(server: LiveMySQL, tmp_path: Path) -> None:
    """Parents and children alike: nothing is kept, so nothing can be in the way."""
    server.start()
    settings = choose(Wanted(profile="server"), None)
    for version in ("4.0.0", "4.1.0"):
        found = Program(version, stock=False, libraries={}, classes={}, jars={}, ours="")
        more = LATER.replace("INSERT", "-- INSERT")
        schema.prepare(server, found, _definitions(tmp_path / version, more=more), settings)
        with server.connect("azkaban") as connection:
            assert schema.recorded(connection.cursor()) == version
