"""Check for names that change on the server, or that it cannot keep."""

from __future__ import annotations

import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from azkaban_client import columns
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.zip import Member
from azkaban_client.secrecy import is_secret_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from azkaban_client.flow.zip import Bundle

__all__ = ["check_lengths", "check_names"]

_ENDS = (".job", ".properties", ".flow", ".project")


def check_names(bundle: Bundle) -> Iterator[Problem]:
    """Yield what is wrong with the names of a project's files."""
    for name in bundle.names:
        if is_secret_file(name):
            words = (
                "a secret by its name, and all who may read the project can read it: "
                f"--exclude {PurePosixPath(name).name}"
            )
            yield Problem(name, None, "secret-file", words, "warning")
        if "\\" in name:
            words = (
                "the name holds a backslash, which some Windows programs write for a folder: for "
                "the server it is a part of the name; pack the zip with another program"
            )
            yield Problem(name, None, "backslash", words, _severity(name))
        source = bundle.files[name]
        if isinstance(source, Member) and stat.S_ISLNK(source.info.external_attr >> 16):
            words = "a link: the server makes a file of it that holds the name of its target"
            yield Problem(name, None, "link", words, _severity(name))
        lowered = name.lower()
        if lowered.endswith(_ENDS) and not name.endswith(_ENDS):
            end = lowered[lowered.rindex(".") :]
            words = f"not read: Azkaban looks for {end} in small letters"
            yield Problem(name, None, "ignored-file", words, "warning")
        for end in _ENDS:
            if lowered.endswith((f"{end}.txt", f"{end}.yml", f"{end}.yaml")):
                words = f"not read: Azkaban looks for names that end with {end}"
                yield Problem(name, None, "ignored-file", words, "warning")


def check_lengths(flow: str, jobs: Iterable[str], file: str) -> Iterator[Problem]:
    """Yield the names of a flow and its jobs that are longer than the server's columns.

    Parameters
    ----------
    flow
        Its name.
    jobs
        The nested ids of its jobs.
    file
        Where the flow stands.
    """
    if len(flow) > columns.FLOW:
        words = (
            f"flow {flow} has a name of {len(flow)} characters: the server keeps {columns.FLOW}, "
            "and refuses the project; rename it"
        )
        yield Problem(file, None, "long-name", words)
        return
    for job in jobs:
        if len(job) > columns.JOB:
            words = (
                f"job {job} has a name of {len(job)} characters, and the server keeps "
                f"{columns.JOB}: its log would be lost; rename it"
            )
            yield Problem(file, None, "long-name", words, "warning")


def _severity(name: str) -> Literal["error", "warning"]:
    return "error" if name.endswith(_ENDS) else "warning"
