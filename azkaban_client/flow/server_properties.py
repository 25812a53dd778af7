"""List the properties that Azkaban itself gives every job, by server version."""

from __future__ import annotations

import re

__all__ = ["EMBEDDED_ONLY", "OLDEST", "SINCE", "parse_version"]

OLDEST = (2, 5)

_ALWAYS = (
    "azkaban.flow.execid",
    "azkaban.flow.flowid",
    "azkaban.flow.nested.path",
    "azkaban.flow.projectid",
    "azkaban.flow.projectversion",
    "azkaban.flow.start.day",
    "azkaban.flow.start.hour",
    "azkaban.flow.start.milliseconds",
    "azkaban.flow.start.minute",
    "azkaban.flow.start.month",
    "azkaban.flow.start.second",
    "azkaban.flow.start.timestamp",
    "azkaban.flow.start.timezone",
    "azkaban.flow.start.year",
    "azkaban.flow.uuid",
    "azkaban.job.attachment.file",
    "azkaban.job.attempt",
    "azkaban.job.metadata.file",
    "working.dir",
)
_LATER = {
    (2, 6): (
        "azkaban.flow.projectlastchangedby",
        "azkaban.flow.projectlastchangeddate",
        "azkaban.flow.projectname",
        "azkaban.job.innodes",
        "azkaban.job.outnodes",
        # Where the server's own address is in its settings (azkaban.webserver.url).
        "azkaban.link.attempt.url",
        "azkaban.link.execution.url",
        "azkaban.link.job.url",
        "azkaban.link.jobexec.url",
        "azkaban.link.workflow.url",
        "azkaban.url",
    ),
    (3, 0): ("azkaban.flow.submituser",),
    (3, 20): ("azkaban.job.id",),
    (3, 43): ("user.to.proxy",),  # who started the flow, unless the project says otherwise
    (3, 65): ("azkaban.job.log.file",),
    (4, 0): ("azkaban.flow.executionsource", "azkaban.webserverhost"),
}

SINCE: dict[str, tuple[int, int]] = {
    **dict.fromkeys(_ALWAYS, OLDEST),
    **{name: version for version, names in _LATER.items() for name in names},
}
"""The first version that gives each property."""

EMBEDDED_ONLY = "azkaban.flow.nested.path"
"""Only jobs of an embedded flow have it."""


def parse_version(text: str) -> tuple[int, int]:
    """Read the first two numbers of a version.

    Raises
    ------
    ValueError
        It has none.

    Examples
    --------
    >>> parse_version("3.84.4"), parse_version("4.0")
    ((3, 84), (4, 0))
    """
    found = re.match(r"(\d+)\.(\d+)", text)
    if found is None:
        raise ValueError(f"{text!r}: expected a version of Azkaban, such as 2.5 or 3.84")
    return int(found[1]), int(found[2])
