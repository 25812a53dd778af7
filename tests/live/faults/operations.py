"""What is under way when something is killed, and how it is seen afterwards what became of it."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client import Client, collect
from azkaban_client.errors import NotFound, NotReady
from setup.mysql import dump
from setup.mysql.restore import restore
from tests.live.faults.site import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.faults.site import Site

__all__ = ["OPERATIONS", "Backup", "Execution", "Operation", "Schedule", "Upload"]


class Operation:
    """Something in a project of its own, whose first version is acknowledged already."""

    def __init__(self, site: Site, folder: Path, name: str) -> None:
        self.site, self.folder, self.name = site, folder, name
        self.go = folder / "go"
        # The flow's one job says that it began, and ends when the test lets it.
        self.go.touch()
        (folder / "1").mkdir()
        script = f"echo $$ >> {folder}/begun; until [ -e {self.go} ]; do sleep 0.05; done"
        (folder / "1" / "wait.sh").write_text(f"{script}; echo {name} done\n")
        (folder / "1" / "wait.job").write_text("type=command\ncommand=sh wait.sh ${word}\n")
        (folder / "1" / "all.properties").write_text("word=first\n")
        self.first = collect(folder / "1").write(folder / "1.zip")
        with site.client() as client:
            client.create_project(name, "for one fault")
            client.upload(name, self.first)

    def act(self, halfway: Callable[[], object] | None = None) -> Any:
        """Do it and return the acknowledgement; call `halfway` in the middle of the request."""
        raise NotImplementedError

    def outcome(self, acknowledged: Any) -> str:
        """Say what became of it; fails when it is neither whole nor absent."""
        raise NotImplementedError

    def usable(self) -> None:
        """Run the flow to its end: the project is more than a row."""
        self.go.touch()
        with self.site.client() as client:
            execid = client.execute(self.name, "wait", concurrency="concurrent")
            assert client.wait(execid, timeout=90).succeeded
            eventually(lambda: _log(client, execid), "the job's log")


def _log(client: Client, execid: int) -> str:
    try:
        return "".join(client.log(execid, "wait"))
    except (NotFound, NotReady):
        return ""


class Upload(Operation):
    """A second version with one flow more."""

    def __init__(self, site: Site, folder: Path, name: str) -> None:
        super().__init__(site, folder, name)
        second = folder / "2"
        second.mkdir()
        for path in (folder / "1").iterdir():
            (second / path.name).write_bytes(path.read_bytes())
        (second / "more.job").write_text("type=command\ncommand=echo more\n")
        (second / "all.properties").write_text("word=second\n")
        (second / "ballast").write_bytes(os.urandom(1 << 20))
        self.second = collect(second).write(folder / "2.zip")

    def act(self, halfway: Callable[[], object] | None = None) -> Any:
        todo = [halfway] if halfway else []

        def progress(sent: int, size: int) -> None:
            if todo and sent > size / 2:
                todo.pop()()

        with self.site.client() as client:
            return client.upload(self.name, self.second, progress=progress)

    def outcome(self, acknowledged: Any) -> str:
        with self.site.client() as client:
            whole = client.flows(self.name) == ("more", "wait")
            assert whole or not acknowledged
            if not whole:
                assert client.flows(self.name) == ("wait",)
            for flow in client.flows(self.name):
                assert client.job_properties(self.name, flow, flow)["type"] == "command"
        pieces = self.site.ask(
            "SELECT file FROM project_files f JOIN projects p ON p.id = f.project_id "
            "AND p.version = f.version WHERE p.name = %s ORDER BY chunk",
            self.name,
        )
        expected = self.second if whole else self.first
        assert b"".join(piece for (piece,) in pieces) == expected.read_bytes()
        return "whole" if whole else "absent"


class Execution(Operation):
    """A run of the flow, whose job waits for the test."""

    def act(self, halfway: Callable[[], object] | None = None) -> Any:
        self.go.unlink(missing_ok=True)
        with self.site.client() as client:
            return client.execute(self.name, "wait")

    def until_job_runs(self) -> None:
        eventually((self.folder / "begun").is_file, "the job's begin")

    def outcome(self, acknowledged: Any) -> str:
        self.go.touch()

        def ended() -> str:
            with self.site.client() as client:
                page = client.history(self.name, "wait")
            if not page.executions:
                return "absent"
            assert page.total == len(page.executions) == 1
            status = page.executions[0].status
            return str(status) if status.final else ""

        found: str = eventually(ended, "the end of the execution")
        assert found != "absent" or not acknowledged
        eventually(lambda: not self._left_behind(), "the end of the job's processes")
        return found if found != "SUCCEEDED" or self._has_log() else "SUCCEEDED, its log lost"

    def _has_log(self) -> bool:
        """Tell whether the job's log is there; it is stored a little after the flow's end."""
        with self.site.client() as client:
            [page] = client.history(self.name, "wait").executions
            for _ in range(50):
                if "done" in _log(client, page.execid):
                    return True
                time.sleep(0.2)
        return False

    def _left_behind(self) -> list[str]:
        begun = self.folder / "begun"
        pids = begun.read_text().split() if begun.is_file() else []
        return [pid for pid in pids if Path("/proc", pid, "cwd").exists()]


class Schedule(Operation):
    """A daily run."""

    def act(self, halfway: Callable[[], object] | None = None) -> Any:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        with self.site.client() as client:
            return client.schedule(self.name, "wait", at=tomorrow, every="1d")

    def outcome(self, acknowledged: Any) -> str:
        with self.site.client() as client:
            found = client.schedule_of(self.name, "wait")
        assert found or not acknowledged
        if found:
            assert found.period
            assert re.search("[0-9]", found.next or "")
        return "whole" if found else "absent"


class Backup(Operation):
    """A backup of the database, which holds this very project."""

    def act(self, halfway: Callable[[], object] | None = None) -> Any:
        return dump.backup(self.site.database, self.folder / "b.sql.gz")

    def outcome(self, acknowledged: Any) -> str:
        path = self.folder / "b.sql.gz"
        assert not list(self.folder.glob(".b.sql.gz*"))
        if not path.exists():
            assert not acknowledged
            return "absent"
        restore(self.site.database, path, replace=True)
        with self.site.client() as client:
            assert client.flows(self.name) == ("wait",)
        return "whole"


OPERATIONS: dict[str, type[Operation]] = {
    "upload": Upload,
    "execution": Execution,
    "schedule": Schedule,
    "backup": Backup,
}
