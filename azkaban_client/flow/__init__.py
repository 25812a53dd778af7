"""Flows as data: read a project's files, check, draw and run them, and pack them into a zip.

Only `overrides` can ask a server. `zip` packs files, `loader` reads them as Azkaban's loaders do,
`lint` finds what is wrong with them, `graph` draws a flow, `local` runs it on this machine, and
`overrides` finds the properties that an execution can change. Where a project has many jobs that
are alike, a ``flow.py`` may declare them (`Flow`): it is run when the project is collected, and
gives the same kind of files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azkaban_client.flow.script.declare import Flow, Job

__all__ = ["Flow", "Job"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from azkaban_client.flow.script import declare

        return getattr(declare, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
