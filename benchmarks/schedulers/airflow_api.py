"""Airflow's API, as far as a test and a benchmark need it."""

from __future__ import annotations

from typing import Any

import requests


class Api:
    """A running Airflow.

    Parameters
    ----------
    url, password
        Where it is, and the password of its account ``admin``.
    """

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        login = {"username": "admin", "password": password}
        answer = self.session.post(f"{url}/auth/token", json=login, timeout=60)
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return the answer; None where there is no such thing yet."""
        answer = self.session.request(method, f"{self.url}/api/v2/{path}", timeout=60, **options)
        return answer.json() if answer.ok else None

    def unpause(self, dag: str) -> bool:
        """Let a DAG run; False while Airflow has not seen its file."""
        return bool(self.ask("PATCH", f"dags/{dag}", json={"is_paused": False}))

    def begin(self, dag: str, run: str, conf: dict[str, str] | None = None) -> None:
        """Start a run."""
        about = {"dag_run_id": run, "logical_date": None, "conf": conf or {}}
        assert self.ask("POST", f"dags/{dag}/dagRuns", json=about), f"{dag} was not started"

    def end(self, dag: str, run: str) -> str | None:
        """Return how a run ended; None while it goes on."""
        state = self.ask("GET", f"dags/{dag}/dagRuns/{run}")["state"]
        return state if state in ("success", "failed") else None
