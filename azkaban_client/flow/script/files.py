"""Write declared flows as files for Azkaban: ``.job`` and ``.properties``, or ``.flow``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import javaproperties

from azkaban_client.flow.script.declare import FlowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from azkaban_client.flow.script.declare import Flow, Job, Place

__all__ = ["Written", "write"]

_HEAD = "# Made from flow.py; do not edit."
_PROJECT = "azkaban-flow-version: 2.0\n"


@dataclass
class Written:
    """Files by name, and for some lines of each the place that they come from.

    Attributes
    ----------
    files
        Their texts.
    origins
        ``(line, file, line there)`` of each file, by the first: what follows it up to the next one
        is from there.
    """

    files: dict[str, str] = field(default_factory=dict)
    origins: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)

    def add(self, name: str, lines: Iterable[str], place: Place) -> None:
        """Add a file that comes from one place."""
        self.files[name] = "".join(f"{line}\n" for line in lines)
        self.origins[name] = [(0, place.file, place.line)]


def write(flows: Sequence[Flow], *, flow_2: bool) -> Written:
    """Write flows: as Flow 1.0, unless a job has a condition or the project is Flow 2.0 already.

    Parameters
    ----------
    flows
        The flows.
    flow_2
        Whether the project has a ``.project`` file.

    Raises
    ------
    FlowError
        A flow has no jobs, or two flows cannot be in one project.
    """
    lines: dict[str, int] = {}
    for flow in flows:
        if not flow.jobs:
            raise FlowError(f"flow {flow.name!r} has no jobs", flow.place)
        if flow.name in lines:
            words = f"there is a flow {flow.name!r} already (line {lines[flow.name]})"
            raise FlowError(words, flow.place)
        lines[flow.name] = flow.place.line
    conditional = [job for flow in flows for job in flow.jobs.values() if job.condition]
    if not flow_2 and not conditional:
        return _flow_1(flows)
    written = Written()
    if not flow_2:
        written.add("flow.project", [_PROJECT.strip()], conditional[0].place)
    for flow in flows:
        _FlowFile(written, flow).write()
    return written


# Flow 1.0 ----------------------------------------------------------------------------------------


def _flow_1(flows: Sequence[Flow]) -> Written:
    written = Written()
    owners: dict[str, tuple[str, Place]] = {}
    shared: dict[str, tuple[str, Flow]] = {}
    for flow in flows:
        for key, value in flow.properties.items():
            text, other = shared.setdefault(key, (str(value), flow))
            if text != value:
                raise FlowError(
                    f"the property {key!r} of flow {flow.name!r} is {value!r} and that of "
                    f"{other.name!r} is {text!r}: in Flow 1.0 all flows of a project share their "
                    "properties; give them two names",
                    flow.place,
                )
        if flow.properties:
            lines = [_HEAD, *_lines(flow.properties)]
            written.add(f"{flow.name}.properties", lines, flow.place)
        for name, properties, place in _jobs(flow):
            if name in owners:
                owner, before = owners[name]
                raise FlowError(
                    f"the job {name!r} of flow {flow.name!r} is there in {owner!r} as well (line "
                    f"{before.line}): in Flow 1.0 names are unique within a project",
                    place,
                )
            owners[name] = (flow.name, place)
            written.add(f"{name}.job", [_HEAD, *_lines(properties)], place)
    return written


def _jobs(flow: Flow) -> Iterable[tuple[str, dict[str, str], Place]]:
    """Yield the jobs of a flow; its last one has the flow's name, which the server goes by."""
    ends = flow.ends()
    for job in flow.jobs.values():
        found = dict(job.properties)
        if job.embeds is not None:
            found["flow.name"] = job.embeds.name
        if job.depends:
            found["dependencies"] = ",".join(one.name for one in job.depends)
        yield job.name, found, job.place
    if [job.name for job in ends] != [flow.name]:
        if flow.name in flow.jobs:
            raise FlowError(
                f"{flow.name!r} is a job of the flow {flow.name!r}, but not its only last one "
                f"({', '.join(one.name for one in ends)}): rename the job",
                flow.jobs[flow.name].place,
            )
        names = ",".join(job.name for job in ends)
        yield flow.name, {"type": "noop", "dependencies": names}, flow.place


def _lines(properties: Mapping[str, object]) -> list[str]:
    return [javaproperties.join_key_value(key, str(value)) for key, value in properties.items()]


# Flow 2.0 ----------------------------------------------------------------------------------------


@dataclass
class _FlowFile:
    """Writes one ``.flow`` file, and notes which job each line is of."""

    written: Written
    flow: Flow
    lines: list[str] = field(default_factory=lambda: [_HEAD])

    def write(self) -> None:
        name = f"{self.flow.name}.flow"
        self.written.add(name, [], self.flow.place)
        self._flow(self.flow, "")
        self.written.files[name] = "".join(f"{line}\n" for line in self.lines)

    def _flow(self, flow: Flow, indent: str, more: Mapping[str, object] | None = None) -> None:
        if config := {**flow.properties, **(more or {})}:
            self.lines.append(f"{indent}config:")
            self.lines += [f"{indent}  {_text(k)}: {_text(str(v))}" for k, v in config.items()]
        self.lines.append(f"{indent}nodes:")
        for job in flow.jobs.values():
            self._job(job, indent)

    def _job(self, job: Job, indent: str) -> None:
        inner = f"{indent}    "
        origins = self.written.origins[f"{self.flow.name}.flow"]
        origins.append((len(self.lines) + 1, job.place.file, job.place.line))
        config = {key: value for key, value in job.properties.items() if key != "type"}
        self.lines.append(f"{indent}  - name: {_text(job.name)}")
        self.lines.append(f"{inner}type: {_text(job.properties['type'])}")
        if job.depends:
            names = ", ".join(_text(one.name) for one in job.depends)
            self.lines.append(f"{inner}dependsOn: [{names}]")
        if job.condition:
            self.lines.append(f"{inner}condition: {_text(job.condition)}")
        if job.embeds is not None:
            self._flow(job.embeds, inner, config)
        elif config:
            self.lines.append(f"{inner}config:")
            self.lines += [f"{inner}  {_text(k)}: {_text(v)}" for k, v in config.items()]


def _text(value: str) -> str:
    """Write a text in double quotes, which YAML reads as JSON does."""
    return json.dumps(value, ensure_ascii=False)
