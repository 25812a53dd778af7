"""What is exported: the jobs of a flow and all that decides when they run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.loader import load_sound
from azkaban_client.flow.local.nodes import Node, build, ends, walk
from azkaban_client.flow.local.properties import count
from azkaban_client.flow.overrides import overridable_here
from azkaban_client.when import When

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from azkaban_client.flow.zip import Bundle
    from azkaban_client.options import Concurrency, FailureAction

__all__ = ["Options", "Plan", "Target", "label", "literal", "make_plan", "retries", "word"]

Target = Literal["luigi", "airflow", "chronos", "cron"]

_MAILS = {"failure.emails": "failure", "success.emails": "success", "notify.emails": "both"}
_NO_PARAMETERS = ("project.name", "failure.emails", "success.emails", "notify.emails")
_RUNS_HERE = ("command", "noop", "flow")


@dataclass(frozen=True)
class Options:
    """What a server is told beside the files: when a flow runs, and how.

    Attributes
    ----------
    schedule
        When it runs; in place of the trigger in the files.
    beside
        What is said of the schedule that no other scheduler is told: names and values.
    concurrency, on_failure
        As of `azkaban_client.ExecutionOptions`; the defaults are those of ``azk run``.
    python
        The interpreter that starts the jobs' steps.
    home
        The folder that the export is for, where a file must name it.
    since
        The day from which a schedule counts that must begin on one.
    """

    schedule: When | None = None
    beside: tuple[tuple[str, str], ...] = ()
    concurrency: Concurrency = "skip"
    on_failure: FailureAction = "finish-running"
    python: str = "python3"
    home: str = "."
    since: date = field(default_factory=date.today)


@dataclass(frozen=True)
class Plan:
    """A flow to export.

    Attributes
    ----------
    project, flow
        Their names.
    nodes
        The jobs, with those of embedded flows within them; dependencies first.
    parameters
        The properties that a run can change, with their defaults.
    schedule
        When it runs.
    waits
        How many data its trigger waits for.
    mails
        Addresses by when they are written to.
    """

    project: str
    flow: str
    nodes: list[Node]
    parameters: Mapping[str, str | None]
    options: Options
    schedule: When | None
    waits: int
    mails: Mapping[str, str]

    @property
    def jobs(self) -> list[Node]:
        """All jobs that do something themselves, in the order of their dependencies."""
        return [node for node in walk(self.nodes) if not node.embeds]

    def needs(self, node: Node) -> list[Node]:
        """Return the jobs that end right before a job starts, through embedded flows."""
        found: dict[str, Node] = {}
        around: Node | None = node
        while around is not None:
            for one in around.needs:
                found |= {last.id: last for last in _last_jobs(one)}
            # Only the first jobs of an embedded flow wait for what the flow waits for.
            around = around.parent if not around.needs else None
        return list(found.values())

    @property
    def last(self) -> list[Node]:
        """The jobs that nothing waits for."""
        return [job for end in ends(self.nodes) for job in _last_jobs(end)]

    @property
    def branches(self) -> bool:
        """Whether two jobs may run at the same time."""
        inner = [self.nodes, *(node.inner for node in walk(self.nodes) if node.embeds)]
        return any(_branches(nodes) for nodes in inner)

    def accepted(self, node: Node) -> bool:
        """Tell whether all that wait for a job accept its failure."""
        return bool(node.waiting) and all(one.macro != "all_success" for one in node.waiting)


def _last_jobs(node: Node) -> Iterator[Node]:
    if not node.embeds:
        yield node
        return
    for end in ends(node.inner):
        yield from _last_jobs(end)


def _branches(nodes: list[Node]) -> bool:
    """Tell whether the nodes of one flow are anything but a chain."""
    return any(len(node.needs) > 1 or len(node.waiting) > 1 for node in nodes) or (
        sum(not node.needs for node in nodes) > 1
    )


def make_plan(bundle: Bundle, name: str, flow: str | None, options: Options) -> Plan:
    """Read a flow for export.

    Parameters
    ----------
    bundle, name
        The project's files, and its name.
    flow
        Id of the flow; may be left out if the project has one.

    Raises
    ------
    NotFound
        There is no such flow, or several and none was named.
    InvalidProject
        A file cannot be read, a dependency is missing, or a job is of a type that needs a server.
    """
    project = load_sound(bundle)
    chosen = project.choose(flow)
    nodes = build(project, chosen)
    for node in walk(nodes):
        if node.job.type not in _RUNS_HERE:
            raise InvalidProject(
                f"{node.job.own.name}: {node.id} is of type {node.job.type!r}, which only an "
                "Azkaban runs: an export has jobs of the types command, noop and flow"
            )
    mails: dict[str, dict[str, None]] = {}
    for node in walk(nodes):
        for key, when in _MAILS.items():
            for address in re.split(r"\s*[,;]\s*|\s+", (node.job.get(key) or "").strip()):
                if address:
                    mails.setdefault(when, {})[address] = None
    trigger = project.flows[chosen].trigger
    return Plan(
        project=name,
        flow=chosen,
        nodes=nodes,
        parameters={
            name: default
            for name, default in overridable_here(project, chosen).defaults.items()
            if name not in _NO_PARAMETERS
        },
        options=options,
        schedule=options.schedule or (When("cron", trigger.cron) if trigger else None),
        waits=trigger.waits if trigger else 0,
        mails={when: ", ".join(found) for when, found in mails.items()},
    )


def retries(node: Node) -> tuple[int, int]:
    """Return how often a failed job is tried again, and after how many milliseconds."""
    return count(node.job.get("retries")), count(node.job.get("retry.backoff"))


def literal(value: object) -> str:
    """Write a text, None or a dictionary of them for Python, with double quotes.

    Examples
    --------
    >>> print(literal('say "a"'), literal(None))
    'say "a"' None
    """
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, str) and '"' not in value and "\\" not in value and value.isprintable():
        return f'"{value}"'
    return repr(value)


def shown(text: str) -> str:
    """Write a name into a text between three quotes, which it must not end.

    Examples
    --------
    >>> print(shown('the "first"'))
    the 'first'
    """
    return text.replace('"', "'").replace("\\", "/")


def word(text: str, taken: set[str], *, start: str = "job") -> str:
    """Make a name for a program's text of any name, and keep it from being taken twice.

    Examples
    --------
    >>> taken: set[str] = set()
    >>> [word(one, taken) for one in ("load-a", "load.a", "2nd", "class")]
    ['load_a', 'load_a_2', 'job_2nd', 'class_']
    """
    import keyword

    made = re.sub(r"[^A-Za-z0-9_]", "_", PurePosixPath(text).name or text)
    if not made or not (made[0].isalpha() or made[0] == "_"):
        made = f"{start}_{made}"
    if keyword.iskeyword(made):
        made += "_"
    return _unused(made, taken)


def label(text: str, taken: set[str]) -> str:
    """Make a name of letters, digits, ``-`` and ``_``, and keep it from being taken twice.

    Examples
    --------
    >>> taken: set[str] = set()
    >>> [label(one, taken) for one in ("load-a", "load:a", "load a")]
    ['load-a', 'load_a', 'load_a_2']
    """
    return _unused(re.sub(r"[^A-Za-z0-9_-]", "_", text)[:200] or "job", taken)


def _unused(wanted: str, taken: set[str]) -> str:
    found, number = wanted, 2
    while found in taken:
        found, number = f"{wanted}_{number}", number + 1
    taken.add(found)
    return found
