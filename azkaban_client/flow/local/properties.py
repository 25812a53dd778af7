"""Merge the properties of a job in a local run."""

from __future__ import annotations

import getpass
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.properties import values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from azkaban_client.flow.loader import Project
    from azkaban_client.flow.local.nodes import Node

__all__ = ["Merger", "count", "known_of_server", "run_properties"]


def run_properties(flow: str, execid: int, begun: datetime) -> dict[str, str]:
    """Return what Azkaban gives all jobs of one execution."""
    start = {
        "timestamp": begun.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "year": f"{begun:%Y}",
        "month": f"{begun:%m}",
        "day": f"{begun:%d}",
        "hour": f"{begun:%H}",
        "minute": f"{begun:%M}",
        "second": f"{begun:%S}",
        "milliseconds": f"{begun.microsecond // 1000:03}",
        "timezone": "UTC",
    }
    return {
        "azkaban.flow.flowid": flow,
        "azkaban.flow.execid": str(execid),
        "azkaban.flow.projectid": "0",
        "azkaban.flow.projectversion": "0",
        "azkaban.flow.uuid": str(uuid.uuid4()),
        **{f"azkaban.flow.start.{key}": value for key, value in start.items()},
    }


def known_of_server(
    project: Project, name: str, server: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a server's configuration defines, and what jobs can read but not refer to.

    Parameters
    ----------
    project, name
        The project's files, and its name.
    server
        Properties of the server's own configuration.
    """
    # From 2.6 on a reference finds it as well.
    named = {"azkaban.flow.projectname": name}
    return ({**server}, named) if project.version == 1 else ({**named, **server}, {})


def count(text: str | None) -> int:
    """Read ``retries`` and ``retry.backoff``; 0 where there is no number."""
    return int(text) if text is not None and text.strip().isdecimal() else 0


@dataclass(frozen=True)
class Merger:
    """Merges properties in Azkaban's order, the weakest first.

    In Flow 1.0 the order is that of 2.5. From 2.6 on, shared files are the weakest of all, which
    matters if a job of an embedded flow and the job that embeds it set the same property.

    Attributes
    ----------
    server
        What the server's own configuration defines.
    run
        What Azkaban gives all jobs of the execution.
    overrides
        Properties of the execution.
    folder
        The copy of the project that the jobs run in.
    """

    project: Project
    flow: str
    server: Mapping[str, str]
    run: Mapping[str, str]
    overrides: Mapping[str, str]
    folder: Path

    def merge(self, node: Node, attempt: int) -> dict[str, str]:
        """Return the properties of an attempt of a job, with references as written."""
        merged = {**self.server, **self.run}
        if config := self.project.flows[self.flow].config:
            merged |= values(config)
            merged |= self.overrides
        chain = [node]
        while chain[0].parent is not None:
            chain.insert(0, chain[0].parent)
        for one in chain:
            if self.project.version == 1:  # in Flow 2.0 they are those of the flows around it
                for file in one.job.shared:
                    merged |= values(file)
                merged |= self.overrides
            for giver in one.needs:
                merged |= giver.outputs
            merged |= values(one.job.own)
            if self.project.version == 2 and one.job.type is not None:
                merged["type"] = one.job.type
        merged |= self._of_job(node, attempt, merged)
        merged.setdefault("working.dir", str(self.folder / node.job.folder))
        return merged

    def _of_job(self, node: Node, attempt: int, merged: Mapping[str, str]) -> dict[str, str]:
        """Return what Azkaban gives this job; see `azkaban_client.flow.server_properties`."""
        execid = self.run["azkaban.flow.execid"]
        given = {
            "azkaban.job.attempt": str(attempt),
            "azkaban.job.metadata.file": f"_job.{execid}.{node.job.name}.meta",
            "azkaban.job.attachment.file": str(
                self.folder / f"_job.{execid}.{attempt}.{node.job.name}.attach"
            ),
        }
        if node.parent is not None:
            given["azkaban.flow.nested.path"] = node.id
        if self.project.version == 1:  # of 2.5, and these came later
            return given
        user = _user()
        waiting = [one.job.name for one in node.waiting]
        later = {
            "azkaban.flow.projectlastchangedby": user,
            "azkaban.flow.projectlastchangeddate": self.run["azkaban.flow.start.timestamp"],
            "azkaban.flow.submituser": user,
            "azkaban.job.id": node.job.name,
            "azkaban.job.innodes": ",".join(one.job.name for one in node.needs),
            "azkaban.job.outnodes": ",".join(waiting),
        }
        return given | later | ({} if "user.to.proxy" in merged else {"user.to.proxy": user})


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # an account without a name, as containers have
        return "unknown"
