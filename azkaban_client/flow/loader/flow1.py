"""Flow 1.0: ``.job`` and ``.properties`` files."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.model import Flow, Job, Project, in_order
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.loader.properties import PropertyFile

if TYPE_CHECKING:
    from azkaban_client.flow.zip import Bundle

__all__ = ["Files", "load", "read"]


@dataclass(frozen=True)
class Files:
    """All jobs of a project by name, without duplicates, which the server drops."""

    jobs: dict[str, Job]
    shared: tuple[PropertyFile, ...]
    duplicates: dict[str, list[str]]
    problems: tuple[Problem, ...]

    def roots(self) -> list[str]:
        """List the flows: jobs that nothing depends on, and those marked as roots."""
        needed = {name for job in self.jobs.values() for name in job.dependencies}
        return sorted(
            name
            for name, job in self.jobs.items()
            if name not in needed or (job.get("root.node") or "").lower() == "true"
        )


def load(bundle: Bundle) -> Project:
    """Read the files and make a flow for each job that nothing depends on."""
    files = read(bundle)
    flows = {root: Flow(id=root, jobs=in_order(files.jobs, root)) for root in files.roots()}
    return Project(version=1, flows=flows, problems=files.problems)


def read(bundle: Bundle) -> Files:
    """Read the files as Azkaban's loader does, and note what cannot be read."""
    problems: list[Problem] = []
    parsed: dict[str, PropertyFile] = {}
    for name in bundle.visible_names:
        if not name.endswith((".job", ".properties")):
            continue
        try:
            parsed[name] = PropertyFile.parse(name, bundle.read(name))
        except ValueError as error:
            problems.append(Problem(name, None, "syntax", f"cannot be read: {error}"))
    shared = sorted(
        (file for name, file in parsed.items() if name.endswith(".properties")),
        key=lambda file: (file.name.count("/"), file.name),
    )
    homes: dict[str, list[str]] = defaultdict(list)
    for name in parsed:
        if name.endswith(".job"):
            homes[posixpath.basename(name)[: -len(".job")]].append(name)
    jobs = {
        name: _job(name, parsed[places[0]], tuple(f for f in shared if _sees(places[0], f.name)))
        for name, places in homes.items()
        if len(places) == 1
    }
    duplicates = {job: places for job, places in homes.items() if len(places) > 1}
    return Files(jobs, tuple(shared), duplicates, tuple(problems))


def _sees(job: str, properties: str) -> bool:
    folder = posixpath.dirname(properties)
    return not folder or job.startswith(f"{folder}/")


def _job(name: str, file: PropertyFile, shared: tuple[PropertyFile, ...]) -> Job:
    def get(key: str) -> str | None:
        found = (source.get(key) for source in (file, *reversed(shared)))
        return next((value for value in found if value is not None), None)

    needs = tuple(one for part in (get("dependencies") or "").split(",") if (one := part.strip()))
    embeds = (get("flow.name") or "").strip() or None
    return Job(
        name=name,
        type=get("type"),
        dependencies=needs,
        own=file,
        shared=shared,
        folder=posixpath.dirname(file.name),
        lines={},
        givers=needs,
        embeds=embeds if get("type") == "flow" else None,
    )
