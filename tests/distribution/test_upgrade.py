"""From one release of Azkaban 3.x or 4.x to a later one, on MySQL, and back.

    AZK_DISTRIBUTION_OLDER=/path/to/older AZK_DISTRIBUTION=/path/to/archives \
        python3 -m setup test -- tests/distribution/test_upgrade.py

name folders (or files, separated by colons) with the archives that Azkaban's build makes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from setup import java
from setup.azkaban import Wanted, align, upgrade
from setup.life import servers
from setup.mysql import Server as MySQL
from tests.distribution.conftest import Live, intact, project, required

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    older = required("AZK_DISTRIBUTION_OLDER")
    found = Live(tmp_path / "p", Wanted(profile="server"), archive=older)
    yield found
    servers.stop(found.layout)


def _tables(live: Live) -> dict[str, tuple[dict[str, str], dict[str, tuple[str, str]]]]:
    with MySQL(live.layout).connect() as connection:
        found = align.read(connection.cursor(), "azkaban")
    return {name: (table.columns, table.keys) for name, table in found.items()}


def test_upgrade_and_rollback(live: Live, sources: list[str], tmp_path: Path) -> None:
    with live.client() as client:
        project(
            client, tmp_path / "kept", "kept", {"kept.job": "type=command\ncommand=echo kept\n"}
        )
        execid = client.wait(client.execute("kept", "kept")).execid
        at = datetime.now(UTC) + timedelta(days=2)
        client.schedule_cron("kept", "kept", f"0 0 5 {at.day} * ?")
    before, old = _tables(live), live.server.version
    found = java.ensure(live.layout)

    upgrade.upgrade(live.server, found, sources)

    new = live.server.version
    assert new != old
    assert {(s.state, s.version) for s in live.server.statuses()} == {("running", new)}
    intact(live, execid)
    with live.client() as client:
        assert client.wait(client.execute("kept", "kept")).succeeded
        project(client, tmp_path / "more", "more", {"a.job": "type=command\ncommand=echo a\n"})
        assert client.wait(client.execute("more", "a")).succeeded
    fresh = Live(tmp_path / "fresh", Wanted(profile="server"), archive=sources)
    try:
        assert _tables(live) == _tables(fresh)
    finally:
        servers.stop(fresh.layout)

    upgrade.rollback(live.server, upgrade.latest(live.server))

    assert {(s.state, s.version) for s in live.server.statuses()} == {("running", old)}
    assert _tables(live) == before
    intact(live, execid)
    with live.client() as client:
        assert "more" not in {found.name for found in client.projects()}
        assert client.wait(client.execute("kept", "kept")).succeeded
