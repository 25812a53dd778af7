"""Write what happened as an event of OpenLineage 2 (https://openlineage.io/spec), plain JSON."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

__all__ = ["run_event"]

_PRODUCER = "urn:azkaban-jobflow:azk-watch"
_SPEC = "https://openlineage.io/spec"
_TYPES = {"started": "START", "succeeded": "COMPLETE", "failed": "FAIL"}
_ABORTED = ("KILLED", "CANCELLED", "EXECUTION_STOPPED")


def run_event(url: str, event: dict[str, Any]) -> dict[str, Any]:
    """Write the event of a run.

    Parameters
    ----------
    url
        URL of the server: its host and port are the namespace of its flows.
    event
        One that started, succeeded or failed, as `azkaban_client.watch.look.Event.plain` has it.

    Examples
    --------
    >>> told = {"kind": "started", "project": "sales", "flow": "daily", "execid": 42, "end": ""}
    >>> event = run_event("http://a:8081", {**told, "status": "", "start": "2026-11-30T06:00:00Z"})
    >>> event["eventType"], event["job"]["namespace"], event["job"]["name"]
    ('START', 'azkaban://a:8081', 'sales.daily')
    """
    kind = "ABORT" if event["status"] in _ABORTED else _TYPES[event["kind"]]
    time = event["start"] if kind == "START" else event["end"]
    space = f"azkaban://{urlsplit(url).netloc.rpartition('@')[2]}"
    facet = {"_producer": _PRODUCER}
    kept = {
        "processingType": "BATCH",
        "integration": "AZKABAN",
        "jobType": "FLOW",
        **facet,
        "_schemaURL": f"{_SPEC}/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    }
    return {
        "eventType": kind,
        "eventTime": time or datetime.now(UTC).isoformat(timespec="milliseconds"),
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{space}/{event['execid']}"))},
        "job": {
            "namespace": space,
            "name": f"{event['project']}.{event['flow']}",
            "facets": {"jobType": kept},
        },
        "inputs": [],
        "outputs": [],
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }
