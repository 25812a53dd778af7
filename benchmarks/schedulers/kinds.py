"""Prefect and Dagster, which set-up does not install: how each is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import requests

from setup.life.daemons import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.schedulers.kind import Place

HERE = Path(__file__).parent
SESSION = requests.Session()
SESSION.trust_env = False  # no proxy, since all servers are on loopback


class Prefect:
    """One server on SQLite; flows run in the process that starts them."""

    port = 4200
    megabytes = 500

    def prepare(self, place: Place, update: Callable[[str], None]) -> None:
        """Do nothing: all of it is in the lock."""

    def daemons(self, place: Place) -> list[Daemon]:
        command = [str(place.bin / "prefect"), "server", "start"]
        command += ["--host", "127.0.0.1", "--port", str(place.port)]
        ready = f"{place.url}/api/health"
        return [
            Daemon(
                "server", command, ready=lambda: answers(ready), variables=prefect_variables(place)
            )
        ]

    def about(self, place: Place) -> str:
        return place.url


class Dagster:
    """A web server and a daemon on SQLite, with the code of one flow loaded."""

    port = 3070
    megabytes = 500

    def prepare(self, place: Place, update: Callable[[str], None]) -> None:
        """Write the settings; what is loaded is `flow` beside them."""
        (place.home / "data").mkdir(exist_ok=True, mode=0o700)
        (place.home / "data" / "dagster.yaml").write_text(
            "telemetry: {enabled: false}\nnux: {enabled: false}\n"
        )

    def daemons(self, place: Place) -> list[Daemon]:
        loaded = ["-f", str(place.home / "flows" / "trivial" / "dagster_flow.py")]
        web = [str(place.bin / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(place.port)]
        daemon = [str(place.bin / "dagster-daemon"), "run"]
        variables = dagster_variables(place)
        ready = f"{place.url}/server_info"
        return [
            Daemon("web", [*web, *loaded], ready=lambda: answers(ready), variables=variables),
            Daemon("daemon", [*daemon, *loaded], variables=variables),
        ]

    def about(self, place: Place) -> str:
        return place.url


def prefect_variables(place: Place) -> dict[str, str]:
    """Return what its server and its flows have in the environment."""
    return {
        "PREFECT_HOME": str(place.home / "data"),
        "PREFECT_API_URL": f"{place.url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def dagster_variables(place: Place) -> dict[str, str]:
    """Return what its servers and its runs have in the environment."""
    return {"DAGSTER_HOME": str(place.home / "data"), "DAGSTER_DISABLE_TELEMETRY": "1"}


def answers(url: str) -> bool:
    """Tell whether a server answers."""
    try:
        return SESSION.get(url, timeout=10).ok
    except requests.RequestException:
        return False
