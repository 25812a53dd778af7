"""Run a flow on this machine, without a server, as Azkaban would.

Flow 1.0 and Flow 2.0. Jobs of the types ``command``, ``noop`` and ``flow`` run in the order of
their dependencies and by their conditions, up to ten at once. Each gets what Azkaban gives it: the
properties merged in the same order and resolved to the same depth, the files JOB_PROP_FILE and
JOB_OUTPUT_PROP_FILE, JOB_NAME, ``env.*`` as environment variables, the folder of its ``.job`` file
(in Flow 2.0 the project's) as its working directory, the outputs of its direct parents, and a
standard input that is never closed. As on the server, files of the project are not executable.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.flow.interpreter import as_word
from azkaban_client.flow.loader import load_sound
from azkaban_client.flow.local.nodes import disable
from azkaban_client.flow.local.scheduler import Scheduler
from azkaban_client.flow.zip import unpack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from azkaban_client.flow.zip import Bundle
    from azkaban_client.follow import Event

__all__ = ["run"]


def run(
    bundle: Bundle,
    flow: str,
    *,
    properties: Mapping[str, str] | None = None,
    disabled: Collection[str] = (),
    only: Collection[str] | None = None,
    server: Mapping[str, str] | None = None,
    name: str = "local",
) -> Iterator[Event]:
    """Run a flow of a project.

    Parameters
    ----------
    bundle
        The project's files.
    flow
        Id of the flow: the job that nothing depends on, or the name of a ``.flow`` file.
    properties, disabled, only
        As of `azkaban_client.Client.execute`.
    server
        What the server's own configuration would define; ``python`` defaults to this interpreter.
    name
        The project's name, for the jobs' properties.

    Yields
    ------
    Event
        As `azkaban_client.Client.follow` does; log lines are what the jobs print.

    Raises
    ------
    NotFound
        There is no such flow or job.
    InvalidProject
        A cycle, a missing dependency, or a file that cannot be read.
    """
    project = load_sound(bundle)
    project.choose(flow)
    with tempfile.TemporaryDirectory(prefix="azk-run-") as temporary:
        folder = Path(temporary)
        unpack(bundle, folder)
        given = {"python": as_word(Path(sys.executable)), **(server or {})}
        scheduler = Scheduler(
            project, flow, name, server=given, overrides=properties or {}, folder=folder
        )
        disable(scheduler.nodes, flow, disabled, only)
        try:
            yield from scheduler.events()
        finally:
            scheduler.stop()
