"""What a ``flow.py`` says: flows and their jobs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from azkaban_client.job.kinds import show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Flow", "FlowError", "Job", "Place"]

_NAME = re.compile(r"[\w-][\w.-]*", re.ASCII)
_TAKEN = {"dependencies": "depends", "condition": "condition", "flow.name": "embed()"}
_HERE = str(Path(__file__).parents[2])  # all of this package


class FlowError(ValueError):
    """Something that no flow can be; it carries the place that says it."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Place:
    """A line of a ``flow.py``, or of a module that it imports."""

    file: str
    line: int

    @classmethod
    def of_caller(cls) -> Place:
        """Return the line that called into this package."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 (the documented way to the caller)
        while frame is not None and frame.f_code.co_filename.startswith(_HERE):
            frame = frame.f_back
        return cls("flow.py", 0) if frame is None else cls(frame.f_code.co_filename, frame.f_lineno)


@dataclass(frozen=True, eq=False)
class Job:
    """A job of a flow; `Flow.job` makes it.

    Attributes
    ----------
    name
        Its name.
    flow
        The flow that it belongs to.
    """

    name: str
    flow: Flow
    properties: Mapping[str, str]
    depends: tuple[Job, ...]
    condition: str | None
    embeds: Flow | None
    place: Place

    def __repr__(self) -> str:
        return f"<Job {self.name} of {self.flow.name}>"


class Flow:
    """A flow, declared in Python.

    A file ``flow.py`` in a project's folder makes its flows with this; `azk lint`, `azk upload` and
    `azk run --local` run the file and take the flows.

    Parameters
    ----------
    name
        Its name on the server.
    properties
        Defaults that all its jobs see and that an execution can change (``--prop``).

    Examples
    --------
    >>> nightly = Flow("nightly", properties={"rows": 1000})
    >>> load = nightly.job("load", "${python} load.py --rows ${rows}")
    >>> cities = [
    ...     nightly.job(f"train_{city}", "${python} train.py", depends=load,
    ...                 properties={"train.city": city})
    ...     for city in ("berlin", "paris")
    ... ]
    >>> nightly.job("report", "${python} report.py", depends=cities).depends
    (<Job train_berlin of nightly>, <Job train_paris of nightly>)
    """

    made: ClassVar[list[Flow]] = []
    """All flows of this process, in their order."""

    def __init__(self, name: str, *, properties: Mapping[str, object] | None = None) -> None:
        _check_name("flow", name)
        self.name = name
        self.properties = _texts(properties)
        self.jobs: dict[str, Job] = {}
        self.place = Place.of_caller()
        self.made.append(self)

    def __repr__(self) -> str:
        return f"<Flow {self.name}>"

    def job(
        self,
        name: str,
        command: str | Sequence[str] | None = None,
        *,
        depends: Job | Iterable[Job] = (),
        properties: Mapping[str, object] | None = None,
        type: str | None = None,  # noqa: A002 (Azkaban's name of it)
        condition: str | None = None,
    ) -> Job:
        """Add a job.

        Parameters
        ----------
        name
            Its name: letters, digits, ``_``, ``-`` and ``.``.
        command
            What it starts, without a shell; several run one after another.
        depends
            The jobs that must have ended first.
        properties
            Its other properties, such as ``retries`` or ``train.epochs``. An execution can change a
            value only if it refers to one of the flow's: ``${epochs}``.
        type
            ``command`` where there is a command, else ``noop``.
        condition
            When it runs, such as ``one_success`` or ``${load:rows} > 0``. This makes the project
            one of Flow 2.0, which needs Azkaban 3.43 or later.

        Raises
        ------
        ValueError
            A name is used twice or cannot be one, or a job of another flow is depended on.
        """
        commands = [command] if isinstance(command, str) else list(command or ())
        keys = ("command" if not at else f"command.{at}" for at in range(len(commands)))
        own = {
            "type": type or ("command" if commands else "noop"),
            **dict(zip(keys, commands, strict=True)),
        }
        return self._add(name, {**own, **_texts(properties)}, depends, condition)

    def embed(
        self,
        name: str,
        flow: Flow,
        *,
        depends: Job | Iterable[Job] = (),
        properties: Mapping[str, object] | None = None,
        condition: str | None = None,
    ) -> Job:
        """Add a job that is another flow.

        Parameters
        ----------
        name
            Its name.
        flow
            The flow that it runs.
        depends, properties, condition
            As of `job`.

        Raises
        ------
        ValueError
            As `job` does, or the other flow contains this one.
        """
        if self in _inside(flow):
            raise FlowError(f"{name!r}: flow {flow.name!r} would contain itself")
        return self._add(name, {"type": "flow", **_texts(properties)}, depends, condition, flow)

    def _add(
        self,
        name: str,
        properties: dict[str, str],
        depends: Job | Iterable[Job],
        condition: str | None,
        embeds: Flow | None = None,
    ) -> Job:
        _check_name("job", name)
        if twin := self.jobs.get(name):
            raise FlowError(
                f"flow {self.name!r} has a job {name!r} already (line {twin.place.line})"
            )
        if key := next((key for key in properties if key in _TAKEN), None):
            raise FlowError(f"{name!r}: the property {key!r} is said with {_TAKEN[key]}")
        needs = tuple(_flat(name, depends))
        for one in needs:
            if one.flow is not self:
                raise FlowError(
                    f"{name!r} depends on {one.name!r} of another flow, {one.flow.name!r}: embed it"
                )
        job = Job(name, self, properties, needs, condition, embeds, Place.of_caller())
        self.jobs[name] = job
        return job

    def ends(self) -> list[Job]:
        """Return the jobs that no other one depends on."""
        needed = {need.name for job in self.jobs.values() for need in job.depends}
        return [job for job in self.jobs.values() if job.name not in needed]


def _flat(name: str, depends: object) -> Iterator[Job]:
    """Yield jobs of a list that may hold lists, each once."""
    seen: set[str] = set()
    todo = [depends]
    while todo:
        one = todo.pop(0)
        if isinstance(one, Job):
            if one.name not in seen:
                seen.add(one.name)
                yield one
        elif isinstance(one, Iterable) and not isinstance(one, (str, bytes)):
            todo[:0] = list(one)
        else:
            raise FlowError(f"{name!r} depends on {one!r}: expected what flow.job(...) returned")


def _inside(flow: Flow) -> Iterator[Flow]:
    """Yield a flow and those that it embeds, at any depth."""
    yield flow
    for job in flow.jobs.values():
        if job.embeds is not None:
            yield from _inside(job.embeds)


def _texts(properties: Mapping[str, object] | None) -> dict[str, str]:
    """Write values as property files have them; True is ``true``, a list has commas."""
    return {str(key): show(value) for key, value in (properties or {}).items()}


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FlowError(f"{what} {name!r}: a name has letters, digits, '_', '-' and '.' alone")
