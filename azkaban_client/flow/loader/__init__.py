"""Read the flows of a project from its files, as Azkaban's own loaders do.

Flow 1.0: ``.job`` and ``.properties`` files. Flow 2.0: a ``.project`` file and ``.flow`` files in
YAML. Both give the same `Project`, which the linter checks, `azkaban_client.flow.graph` draws and
`azkaban_client.flow.local` runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.loader.model import Flow, Job, Project
from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from azkaban_client.flow.zip import Bundle

__all__ = ["Flow", "Job", "Problem", "Project", "is_flow_2", "load", "load_sound"]


def is_flow_2(bundle: Bundle) -> bool:
    """Tell whether a ``.project`` file makes the whole project Flow 2.0."""
    return any(name.endswith(".project") for name in bundle.visible_names)


def load(bundle: Bundle) -> Project:
    """Read all flows of a project.

    Parameters
    ----------
    bundle
        Its files, from `azkaban_client.collect` or `Bundle.from_zip`.

    Returns
    -------
    Project
        Its flows, and what could not be read. Missing dependencies and cycles remain.

    Examples
    --------
    >>> from azkaban_client.flow.zip import Bundle
    >>> flow = b"nodes: [{name: a, type: noop}, {name: b, type: noop, dependsOn: [a]}]"
    >>> project = load(Bundle({"p.project": b"azkaban-flow-version: 2.0", "f.flow": flow}))
    >>> project.flows["f"].jobs["b"].dependencies
    ('a',)
    """
    if is_flow_2(bundle):
        from azkaban_client.flow.loader import flow2

        return flow2.load(bundle)
    from azkaban_client.flow.loader import flow1

    return flow1.load(bundle)


def load_sound(bundle: Bundle) -> Project:
    """Read all flows of a project that is to be run, exported or converted.

    Parameters
    ----------
    bundle
        Its files.

    Raises
    ------
    InvalidProject
        A file cannot be read, or holds what the server would refuse; names all such errors.
    """
    project = load(bundle)
    if errors := [one for one in project.problems if one.severity == "error"]:
        raise InvalidProject("\n".join(map(str, errors)))
    return project
