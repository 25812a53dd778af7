"""The shapes of all ``--json`` answers; ``python -m azkaban_client.cli.schema FILE`` writes them.

The schemas are JSON Schemas (draft 2020-12), derived from the library's own types where an answer
is one of these. The tests hold every answer that they see against its schema.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from azkaban_client import models
from azkaban_client._session import Capabilities
from azkaban_client.deploy.contents import Changes
from azkaban_client.environments import Use
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.losses import Loss
from azkaban_client.schedules.listing import Listed

__all__ = ["DEFINITIONS", "SCHEMAS", "page", "schema_of"]

_HEAD = """\
# Answers as JSON

Made by `python -m azkaban_client.cli.schema docs/reference/json.md`; do not edit it. What is a list
on the screen is a list, what is one thing is an object. Keys are always there; what a server does
not tell is `null`.

- Times are in UTC, to the millisecond: `2027-01-31T05:30:00.000Z`. Three are the server's own, in
  its own time zone, which it does not name, and so have no `Z`: `first` and `next` of a schedule
  that the server keeps, `modified` of a project. `next` of one that `azk watch` keeps, and the
  logical dates of runs (`date`), have the offset of their zone: `2027-01-31T05:30:00+01:00`.
- Durations are seconds, to the millisecond: `0.505`.
"""
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_SERVER_TIME = {"type": ["string", "null"]}
_TEXT, _NUMBER, _YES = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
_COUNT = {"type": "integer"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_SERVER_TIMES = {("Listed", "first"), ("Listed", "next"), ("Project", "modified")}

DEFINITIONS: dict[str, Any] = {}
"""The types that answers share."""


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_PLAIN: dict[Any, dict[str, Any]] = {
    str: _TEXT,
    int: _COUNT,
    float: _NUMBER,
    bool: _YES,
    datetime: _TIME,
    timedelta: _NUMBER,
    type(None): {"type": "null"},
}


def _of(kind: Any) -> dict[str, Any]:
    """Return the schema of a type of the library."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin in (Union, UnionType):
        return {"anyOf": [_of(one) for one in inner]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is tuple:
        return _list(_of(inner[0]))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    return _define(kind)


def _define(kind: type) -> dict[str, Any]:
    name = kind.__name__
    if name not in DEFINITIONS:
        assert is_dataclass(kind), kind
        DEFINITIONS[name] = {}  # a job has jobs
        hints = get_type_hints(kind)
        properties = {
            one.name: _SERVER_TIME if (name, one.name) in _SERVER_TIMES else _of(hints[one.name])
            for one in fields(kind)
        }
        if hasattr(kind, "duration"):
            properties["duration"] = _or_null(_NUMBER)
        DEFINITIONS[name] = _object(**properties)
    return {"$ref": f"#/$defs/{name}"}


_EXECUTION = _define(models.Execution)
_SLA = _object(limits=_list(_define(models.Sla)), emails=_list(_TEXT))
_DONE = {"const": True}
_ACCESS = _object(project=_TEXT, name=_TEXT, types=_list(_TEXT))
_ENVIRONMENT: dict[str, Any] = {
    "folder": _TEXT,
    "python": _TEXT,
    "version": _TEXT,
    "packages": {"type": "object", "additionalProperties": _TEXT},
}
_STARTED = _object(execid=_COUNT, project=_TEXT, flow=_TEXT)
_REPORT_JOB = _object(
    job=_TEXT,
    status=_TEXT,
    error=_MAYBE_TEXT,
    start=_or_null(_TIME),
    duration=_or_null(_NUMBER),
    metrics={"type": "object", "additionalProperties": _NUMBER},
    report=_MAYBE_TEXT,
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "backfill": _list(
        _object(
            date=_TEXT,
            state={"enum": ["due", "starting", "running", "ended"]},
            status=_MAYBE_TEXT,
            executions=_list(_COUNT),
            properties={"type": "object", "additionalProperties": _TEXT},
        )
    ),
    "cancel": _list(_object(execid=_COUNT, cancelled=_DONE)),
    "completion": _object(shell=_TEXT, script=_TEXT),
    "config show": {"type": "object", "additionalProperties": _object(value={}, source=_TEXT)},
    "console add": _object(page=_TEXT, address=_TEXT),
    "deploy": _object(
        project=_TEXT,
        flow=_TEXT,
        dry_run=_YES,
        files=_COUNT,
        changes=_define(Changes),
        uploaded=_YES,
        version=_or_null(_COUNT),
        scheduled=_YES,
        schedule=_or_null(_define(Listed)),
        notify=_list(_TEXT),
        tells=_list(_TEXT),
        warnings=_list(_TEXT),
        url=_TEXT,
    ),
    "dev": _EXECUTION,
    "env build": _object(**_ENVIRONMENT),
    "env pack": _object(archive=_TEXT, bytes=_COUNT, python=_TEXT),
    "env list": _list(
        _object(**_ENVIRONMENT, bytes=_COUNT, made=_TIME, used=_TIME, uses=_list(_define(Use)))
    ),
    "env prune": _list(_object(folder=_TEXT, deleted=_YES)),
    "convert": _object(
        folder=_MAYBE_TEXT, flows=_list(_TEXT), exact=_YES, features=_list(_define(Loss))
    ),
    "export": _object(
        flow=_TEXT, folder=_MAYBE_TEXT, file=_TEXT, exact=_YES, features=_list(_define(Loss))
    ),
    "follow": _EXECUTION,
    "graph": _list(
        _object(flow=_TEXT, needs={"type": "object", "additionalProperties": _list(_TEXT)})
    ),
    "history": _list(_define(models.ExecutionSummary)),
    "import": _object(
        folder=_MAYBE_TEXT,
        flows=_list(_TEXT),
        schedules=_list(_TEXT),
        exact=_YES,
        features=_list(_define(Loss)),
    ),
    "lint": _list(_define(Problem)),
    "login": _object(url=_TEXT, username=_MAYBE_TEXT),
    "logout": _object(url=_TEXT, was_logged_in=_YES),
    "logs": _object(execid=_COUNT, job=_MAYBE_TEXT, attempt=_or_null(_COUNT), log=_TEXT),
    "new": _object(
        project=_TEXT,
        folder=_TEXT,
        files=_list(_TEXT),
        parameters=_list(_TEXT),
        missing=_list(_TEXT),
        notes=_list(_TEXT),
    ),
    "pause": _object(execid=_COUNT, paused=_DONE),
    "permission add": _ACCESS,
    "permission list": _list(_define(models.Permission)),
    "permission proxy add": _object(project=_TEXT, name=_TEXT, added=_DONE),
    "permission proxy list": _list(_TEXT),
    "permission proxy remove": _object(project=_TEXT, name=_TEXT, removed=_DONE),
    "permission remove": _ACCESS,
    "project create": _object(project=_TEXT, created=_YES),
    "project delete": _object(project=_TEXT, deleted=_DONE, message=_TEXT),
    "project describe": _object(project=_TEXT, description=_TEXT),
    "project download": _object(project=_TEXT, target=_TEXT, files=_COUNT),
    "project flows": _list(_TEXT),
    "project list": _list(_define(models.Project)),
    "project log": _list(_define(models.ProjectEvent)),
    "project show": _define(models.Project),
    "report list": _list(
        _object(
            project=_TEXT,
            flow=_MAYBE_TEXT,
            execution=_TEXT,
            retry_of=_MAYBE_TEXT,
            status=_TEXT,
            start=_or_null(_TIME),
            duration=_or_null(_NUMBER),
            folder=_TEXT,
            jobs=_list(_REPORT_JOB),
        )
    ),
    "report open": _object(url=_TEXT),
    "report serve": _object(url=_TEXT),
    "resume": _object(execid=_COUNT, resumed=_DONE),
    "retry": {
        "anyOf": [
            _object(
                execid=_or_null(_COUNT),
                retry_of=_COUNT,
                jobs=_or_null(_list(_TEXT)),
                kept=_or_null(_list(_TEXT)),
                outputs=_or_null({"type": "object", "additionalProperties": _TEXT}),
            ),
            _EXECUTION,
        ]
    },
    "run": {"anyOf": [_STARTED, _EXECUTION]},
    "running": _list(_object(execid=_COUNT, flow=_TEXT)),
    "schedule add": _define(Listed),
    "schedule list": _list(_define(Listed)),
    "schedule next": _list(_TIME),
    "schedule pause": _define(Listed),
    "schedule remove": _object(project=_TEXT, flow=_TEXT, name=_TEXT, removed=_DONE),
    "schedule resume": _define(Listed),
    "server status": _object(
        url=_TEXT, address=_MAYBE_TEXT, version=_TEXT, capabilities=_define(Capabilities)
    ),
    "sla add": _SLA,
    "sla list": _SLA,
    "status": _EXECUTION,
    "undeploy": _object(project=_TEXT, unscheduled=_list(_TEXT), deleted=_YES),
    "upload": _object(
        project=_TEXT,
        project_id=_COUNT,
        version=_or_null(_COUNT),
        files=_COUNT,
        flows=_list(_TEXT),
        python=_MAYBE_TEXT,
    ),
    "watch": {
        "anyOf": [
            _list(_object(project=_TEXT, flow=_TEXT, on=_list(_TEXT), tell=_list(_TEXT))),
            _object(channel=_TEXT, sent=_DONE),
            _object(told=_list(_TEXT)),
        ]
    },
    "whoami": _object(url=_TEXT, address=_MAYBE_TEXT, username=_MAYBE_TEXT, server_version=_TEXT),
}
"""The answer of each command."""


def schema_of(command: str) -> dict[str, Any]:
    """Return the whole schema of a command's answer, with the types that it refers to.

    Examples
    --------
    >>> schema_of("pause")["required"]
    ['execid', 'paused']
    """
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**draft, **SCHEMAS[command], "$defs": DEFINITIONS}


def _written(value: Any, indent: str = "") -> str:
    """Write JSON with what is short on one line."""
    line = json.dumps(value)
    if len(line) + len(indent) <= 100 or not isinstance(value, dict):
        return line
    deeper = f"{indent}  "
    items = (f"{deeper}{json.dumps(key)}: {_written(one, deeper)}" for key, one in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def page() -> str:
    """Return the page as Markdown: the answer of each command, then the types that they share."""
    parts = [_HEAD]
    for title, schemas in (("azk ", SCHEMAS), ("Type ", DEFINITIONS)):
        for name, schema in sorted(schemas.items()):
            parts.append(f"## {title}{name}\n\n```json\n{_written(schema)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
