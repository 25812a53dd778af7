"""End or undo what Azkaban 2.5 would never finish after a crash.

Azkaban writes an upload in several transactions and hands an execution over in several steps. When
a process dies between two of them, this remains:

- a project that is on a version whose job properties were never stored;
- an execution that stays PREPARING or RUNNING, though no process knows it.

Neither was acknowledged as done. An execution of which every job is recorded as done is
SUCCEEDED, any other FAILED.
"""

from __future__ import annotations

import gzip
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from setup.errors import ServerError
from setup.mysql import driver

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from setup.mysql import Server as MySQL

__all__ = ["asking", "end", "half_uploaded", "lost", "take_back"]

GZIP = 2  # enc_type, encoding_type
NO_VERSION = -1  # a project to which nothing was uploaded
_DONE = {50: "SUCCEEDED", 60: "KILLED", 70: "FAILED", 90: "SKIPPED", 100: "DISABLED"}
_ENDED = set(_DONE.values())
_GOOD = {"SUCCEEDED", "SKIPPED", "DISABLED"}


@contextmanager
def asking(database: MySQL) -> Iterator[Any]:
    """Ask Azkaban's database as root; whatever fails is a `ServerError`."""
    connector = driver.load(database.layout)
    try:
        with database.connect("azkaban") as connection:
            yield connection.cursor()
    except connector.Error as error:
        raise ServerError(f"MySQL: {error}") from error


def half_uploaded(cursor: Any) -> dict[int, int]:
    """Find projects on a version that is not whole, and for each the last one that is.

    A version is whole when the properties of each job and each ``.properties`` file that its flows
    name are there; they are the last thing that an upload stores.
    """
    cursor.execute("SELECT id, version FROM projects WHERE active AND version >= 0")
    found = {}
    for project, version in cursor.fetchall():
        if not _whole(cursor, project, version):
            earlier = range(version - 1, NO_VERSION, -1)
            good = (
                v for v in earlier if _stored(cursor, project, v) and _whole(cursor, project, v)
            )
            found[project] = next(good, NO_VERSION)
    return found


def take_back(cursor: Any, versions: dict[int, int]) -> None:
    """Set projects to these versions; the web server must not run, it keeps them in memory."""
    for project, version in versions.items():
        cursor.execute("UPDATE projects SET version = %s WHERE id = %s", (version, project))


def lost(cursor: Any) -> set[int]:
    """Find executions that have not ended and that no process knows."""
    cursor.execute(
        "SELECT exec_id FROM execution_flows WHERE status NOT IN (50, 60, 70) "
        "AND exec_id NOT IN (SELECT exec_id FROM active_executing_flows)"
    )
    return {execid for (execid,) in cursor.fetchall()}


def end(cursor: Any, execids: Iterable[int]) -> None:
    """Record the end of executions, as Azkaban does for those that it knows.

    One whose flow was never stored was not acknowledged and cannot be shown, so it is removed.
    """
    now = int(time.time() * 1000)
    for execid in execids:
        cursor.execute(
            "SELECT enc_type, flow_data FROM execution_flows WHERE exec_id = %s", (execid,)
        )
        [(encoding, data)] = cursor.fetchall()
        if data is None:
            cursor.execute("DELETE FROM execution_flows WHERE exec_id = %s", (execid,))
            continue
        flow = _unpacked(encoding, data)
        cursor.execute(
            "SELECT job_id, status, start_time, end_time FROM execution_jobs "
            "WHERE exec_id = %s ORDER BY attempt",
            (execid,),
        )
        done = {
            job: {"status": _DONE[status], "startTime": start, "endTime": ended}
            for job, status, start, ended in cursor.fetchall()
            if status in _DONE
        }
        for node in flow.get("nodes", ()):
            node.update(done.get(node["id"], {}))
        _end_nodes(flow.get("nodes", ()), now)
        good = all(node["status"] in _GOOD for node in flow.get("nodes", ()))
        flow |= {"status": "SUCCEEDED" if good else "FAILED", "updateTime": now}
        flow |= {name: _time(flow, name, now) for name in ("startTime", "endTime")}
        text = json.dumps(flow).encode()
        cursor.execute(
            "UPDATE execution_flows SET status = %s, start_time = %s, end_time = %s, "
            "update_time = %s, flow_data = %s WHERE exec_id = %s",
            (
                50 if good else 70,
                flow["startTime"],
                flow["endTime"],
                now,
                gzip.compress(text) if encoding == GZIP else text,
                execid,
            ),
        )


def _end_nodes(nodes: Iterable[dict[str, Any]], now: int) -> None:
    for node in nodes:
        _end_nodes(node.get("nodes", ()), now)
        if node.get("status", "READY") not in _ENDED:
            node["status"] = "KILLED" if node.get("status", "READY") == "READY" else "FAILED"
            node |= {name: _time(node, name, now) for name in ("startTime", "endTime")}
            node["updateTime"] = now


def _time(item: dict[str, Any], name: str, now: int) -> int:
    value = int(item.get(name, -1))
    return value if value >= 0 else now


def _stored(cursor: Any, project: int, version: int) -> bool:
    cursor.execute(
        "SELECT num_chunks = (SELECT COUNT(*) FROM project_files f WHERE "
        "f.project_id = v.project_id AND f.version = v.version) FROM project_versions v "
        "WHERE project_id = %s AND version = %s",
        (project, version),
    )
    return any(whole for (whole,) in cursor.fetchall())


def _whole(cursor: Any, project: int, version: int) -> bool:
    cursor.execute(
        "SELECT name FROM project_properties WHERE project_id = %s AND version = %s",
        (project, version),
    )
    stored = {name for (name,) in cursor.fetchall()}
    cursor.execute(
        "SELECT encoding_type, json FROM project_flows WHERE project_id = %s AND version = %s",
        (project, version),
    )
    return all(_sources(_unpacked(*row)) <= stored for row in cursor.fetchall())


def _sources(flow: dict[str, Any]) -> set[str]:
    """Name the files that a flow's jobs and shared properties come from."""
    jobs = {node.get("jobSource") for node in flow.get("nodes", ())}
    shared = {props.get("source") for props in flow.get("props", ())}
    return (jobs | shared) - {None}


def _unpacked(encoding: int, data: bytes) -> dict[str, Any]:
    text = gzip.decompress(bytes(data)) if encoding == GZIP else bytes(data)
    found: dict[str, Any] = json.loads(text)
    return found
