"""A client of the Azkaban scheduler's Ajax API, for servers from 2.5 to 4.0.

For example::

    from azkaban_client import Client

    with Client("http://azkaban.example:8081", auth=("me", ...)) as azkaban:
        azkaban.upload("nn", "nn.zip")
        execid = azkaban.execute("nn", "nn", properties={"epochs": "50"})
        for event in azkaban.follow(execid):
            print(event)

Names are loaded when they are first used, so that ``azk --help`` needs no HTTP library.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azkaban_client.client import Client
    from azkaban_client.errors import AzkabanError
    from azkaban_client.flow.collect import collect
    from azkaban_client.flow.zip import Bundle
    from azkaban_client.follow import Event, FlowEnded, JobEnded, JobStarted, LogLine
    from azkaban_client.models import Execution, Flow, JobRun, Project, Status


def _all_places(own: list[str]) -> list[str]:
    """Return the folders in which modules of this package are.

    The zip of a project may carry the job kit alone; it stands in front of what is installed.
    """
    places = extend_path(own, __name__)
    for finder in sys.meta_path:  # an installation that can be edited has a finder of its own
        spec = finder.find_spec(__name__, None)
        found = spec.submodule_search_locations if spec else None
        places += [place for place in found or () if place not in places]
    return places


__path__ = _all_places(__path__)

__version__ = "0.1.0"

__all__ = [
    "AzkabanError",
    "Bundle",
    "Client",
    "Event",
    "Execution",
    "Flow",
    "FlowEnded",
    "JobEnded",
    "JobRun",
    "JobStarted",
    "LogLine",
    "Project",
    "Status",
    "collect",
]

_HOMES = {
    "client": ("Client",),
    "errors": ("AzkabanError",),
    "follow": ("Event", "FlowEnded", "JobEnded", "JobStarted", "LogLine"),
    "models": ("Execution", "Flow", "JobRun", "Project", "Status"),
    "flow.collect": ("collect",),
    "flow.zip": ("Bundle",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"azkaban_client.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
