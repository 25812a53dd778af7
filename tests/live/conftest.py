"""A real Azkaban for the tests of this folder."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from azkaban_client import Client, collect
from setup import java
from setup.azkaban import Server, Wanted, settings
from setup.layout import CHECKOUT, Layout
from setup.life import servers
from setup.life.process import Process
from setup.mysql import server as mysql
from tests.given import archives

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Each process of pytest prefers ports of its own, else one takes the port of a server that
# another has stopped and starts again. They lie below those of outgoing connections.
_PORTS = 20_000 + 30 * (os.getpid() % 400)
settings.WEB_PORT, settings.EXECUTOR_PORT, mysql.PORT = _PORTS, _PORTS + 10, _PORTS + 20


class LiveAzkaban:
    """A server under a prefix of its own; it can be killed and started again."""

    def __init__(
        self, prefix: Path, wanted: Wanted | None = None, *, archive: Sequence[str] = ()
    ) -> None:
        self.layout = Layout(prefix, self.cache())
        self.layout.create(need=0)
        self.state = prefix.parent / "state"  # of the account, as azk has it
        self.server = Server(self.layout, python=Path(sys.executable))
        self.wanted = wanted or Wanted()
        if archive:
            self.server.install(java.ensure(self.layout), self.wanted, archive)
        self.start()

    @staticmethod
    def cache() -> Path:
        """Where downloads are."""
        return Path(os.environ.get("AZK_CACHE") or "~/.azkaban-jobflow/cache").expanduser()

    def start(self) -> None:
        """Start it unless it runs."""
        with patch.dict(os.environ, XDG_STATE_HOME=str(self.state)):
            settings = self.server.up(java.ensure(self.layout), self.wanted)
        self.url, self.address, self.username = settings.url, settings.address, settings.user
        self.password, self.password_file = self.server.password, self.server.password_file
        self.config = self.layout.client_config

    def kill(self, part: str = "") -> None:
        """End it as a power cut would; without a name, the part that serves the pages."""
        process = Process.read(self.server.pid_file(part))
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.stop()  # waits until it is gone

    def stop(self) -> None:
        """Stop it as `setup stop` does."""
        self.server.stop()

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    @contextmanager
    def uploaded(self, folder: str, project: str) -> Iterator[Client]:
        """Upload a folder of flows/ with all of jobs/ and core/, and give a client."""
        bundle = collect(CHECKOUT / "flows" / folder, [CHECKOUT / "jobs", CHECKOUT / "core"])
        auth = (self.username, self.password)
        with Client(self.url, auth=auth, address=self.address) as client:
            client.create_project(project, "from flows/")
            with bundle.temporary() as archive:
                client.upload(project, archive)
            yield client


@pytest.fixture(scope="session")
def azkaban(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAzkaban]:
    """The server that all live tests share; a test that kills it starts it again."""
    live = LiveAzkaban(tmp_path_factory.mktemp("azkaban") / "prefix", archive=archives())
    yield live
    live.stop()


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAzkaban]:
    """The profile server, shared likewise: web over TLS, executor, MySQL; made under umask 077."""
    wanted = Wanted(profile="server", tls=True)
    prefix = tmp_path_factory.mktemp("split") / "p"
    before = os.umask(0o077)
    try:
        live = LiveAzkaban(prefix, wanted, archive=archives())
    finally:
        os.umask(before)
    yield live
    servers.stop(live.layout)
