"""Keep a list of everything that a server acknowledged, and look whether it is still there."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from azkaban_client import Bundle
from azkaban_client.errors import AzkabanError
from tests.live.faults.site import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from azkaban_client import Client

__all__ = ["Ledger"]

ABSENT = None
USERS = ("ann", "bob", "eve")
RIGHTS = ("read", "write", "execute", "schedule")

Key = tuple[str, ...]
Deed = tuple["Callable[[Client], Any]", Key, Any]


class Ledger:
    """Does random things to a server.

    What was acknowledged must be there afterwards. What was answered by an error, or not at all,
    may have happened or not; whichever it is, it must stay so from the first look on (but for
    descriptions).

    Parameters
    ----------
    connect
        Makes a client.
    folder
        For zips.
    seed
        Of the choices.
    """

    def __init__(self, connect: Callable[[], Client], folder: Path, seed: int) -> None:
        self.connect, self.folder = connect, folder
        self.random = random.Random(seed)
        self.prefix = f"ledger{seed}_"
        self.allowed: dict[Key, set[Any]] = {}
        self.acknowledged = self.doubtful = 0
        self._versions = 0

    def act(self, times: int = 1) -> None:
        """Do some random things."""
        for _ in range(times):
            deed, key, value = self.random.choice(list(self._deeds()))
            before = key[1] if key[0] == "description" else ABSENT  # a new project's is its name
            known = self.allowed.get(key, {before})
            self.allowed[key] = known | {value}
            try:
                with self.connect() as client:
                    answer = deed(client)
            except AzkabanError:
                self.doubtful += 1
                continue
            self.acknowledged += 1
            if key[0] == "execution":
                del self.allowed[key]
                key = ("execution", str(answer))
            self.allowed[key] = {value}

    def check(self) -> None:
        """Look at everything; fails with what was acknowledged and is not there."""
        with self.connect() as client:
            projects = {project.name for project in client.projects()}
            found = {
                key: self._look(client, key)
                if key[0] == "execution" or key[1] in projects
                else ABSENT
                for key in self.allowed
            }
        allowed = self.allowed
        wrong = {
            key: (allowed[key], seen) for key, seen in found.items() if seen not in allowed[key]
        }
        assert not wrong, f"allowed and found: {wrong}"
        # Azkaban shows a description that it could not store, until it starts again.
        self.allowed = {
            key: allowed[key] if key[0] == "description" else {seen} for key, seen in found.items()
        }

    # -- what can be done -------------------------------------------------------------------

    def _deeds(self) -> Iterator[Deed]:
        """List one thing of each kind that can be done now."""
        name = f"{self.prefix}{len(self._known('project'))}"
        yield lambda client: client.create_project(name), ("project", name), "there"
        projects = [key[1] for key in self._known("project") if self._sure(key) == "there"]
        if not projects:
            return
        project = self.random.choice(projects)
        yield self._upload(project)
        user, right = self.random.choice(USERS), self.random.choice(RIGHTS)
        permission = ("permission", project, user)
        yield lambda client: client.grant(project, user, [right]), permission, (right,)
        if self._sure(permission):
            yield lambda client: client.revoke(project, user), permission, ABSENT
        words = f"words {self.random.random()}"
        yield lambda client: client.describe(project, words), ("description", project), words
        flows = self._sure(("flows", project))
        if not flows:
            return
        [flow] = flows
        run = ("execution", f"of {flow}")
        yield lambda client: client.execute(project, flow), run, "ended"
        schedule, when = ("schedule", project, flow), datetime.now(UTC) + timedelta(days=2)
        yield lambda c: c.schedule(project, flow, at=when, every="1d"), schedule, "there"
        if self._sure(schedule):
            yield lambda client: client.unschedule(project, flow), schedule, ABSENT

    def _upload(self, project: str) -> Deed:
        self._versions += 1
        flow = f"flow{self._versions}"
        content = {f"{flow}.job": b"type=command\ncommand=true\n"}
        archive = Bundle({**content, "ballast": self.random.randbytes(30_000)}).write(
            self.folder / f"{flow}.zip"
        )
        return lambda client: client.upload(project, archive), ("flows", project), (flow,)

    def _known(self, kind: str) -> list[Key]:
        return [key for key in self.allowed if key[0] == kind]

    def _sure(self, key: Key) -> Any:
        """Return what is certainly there."""
        [*values] = self.allowed.get(key, {ABSENT})
        return values[0] if len(values) == 1 else ABSENT

    # -- what is there ----------------------------------------------------------------------

    def _look(self, client: Client, key: Key) -> Any:
        kind, subject, *rest = key
        if kind == "execution":
            return self._ended(client, subject)
        if kind == "flows":
            flows = client.flows(subject)
            for flow in flows:  # a version that is there by half lacks the jobs' properties
                assert client.job_properties(subject, flow, flow)["type"] == "command"
            return flows or ABSENT
        if kind == "description":
            return client.project(subject).description
        if kind == "permission":
            types = [p.types for p in client.permissions(subject) if p.name == rest[0]]
            return tuple(types[0]) if types else ABSENT
        if kind == "schedule":
            return "there" if client.schedule_of(subject, rest[0]) else ABSENT
        return "there"

    @staticmethod
    def _ended(client: Client, execid: str) -> str | None:
        if not execid.isdecimal():
            return ABSENT  # its start was not acknowledged: nobody knows its number

        def final() -> bool:
            return client.execution(int(execid)).status.final

        eventually(final, f"the end of execution {execid}")
        return "ended"
