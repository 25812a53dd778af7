"""Servers from archives that the caller names; see the first lines of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from azkaban_client import Client, collect
from tests.given import archives
from tests.live.conftest import LiveAzkaban

if TYPE_CHECKING:
    from pathlib import Path


def required(variable: str) -> list[str]:
    """Return the archives that the caller names."""
    named = archives(variable)
    assert named, f"{variable} must name a folder with archives of Azkaban 3.x or 4.x"
    return named


@pytest.fixture(scope="session")
def sources() -> list[str]:
    """Of the Azkaban that is tried."""
    return required("AZK_DISTRIBUTION")


class Live(LiveAzkaban):
    """One that can be asked with its certificates."""

    def client(self) -> Client:
        """Log in."""
        verify = str(self.layout.ca) if self.server.settings.tls else True
        return Client(
            self.url,
            auth=(self.username, self.password),
            address=self.address,
            verify=verify,
        )


def project(client: Client, folder: Path, name: str, files: dict[str, str]) -> None:
    """Upload files as a project."""
    folder.mkdir()
    for file, text in files.items():
        (folder / file).write_text(text)
    client.create_project(name, "for a test")
    client.upload(name, collect(folder).write(folder.parent / f"{name}.zip"))


def intact(live: Live, execid: int) -> None:
    """Require the project ``kept`` with its execution and schedule."""
    with live.client() as client:
        assert client.flows("kept") == ("kept",)
        assert client.execution(execid).succeeded
        assert "kept\n" in "".join(client.log(execid, "kept"))
        assert [schedule.flow for schedule in client.schedules("kept")] == ["kept"]
