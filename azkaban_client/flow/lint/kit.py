"""Find the script of a job that uses the job kit."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.program import PYTHON, find_program, python_target
from azkaban_client.flow.loader.command_line import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azkaban_client.flow.loader.command_line import Word
    from azkaban_client.flow.loader.model import Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["kit_script"]


def kit_script(job: Job, bundle: Bundle) -> tuple[str, str] | None:
    """Return the script that a job starts and the prefix of its parameters, if it uses the kit."""
    command = job.get("command")
    program = find_program(words_of(command)) if command and job.type == "command" else None
    if program is None:
        return None
    if PYTHON.match(program.name):
        kind, name, _ = python_target(program.arguments) or ("", "", "")
    elif posixpath.basename(program.name) in ("${spark.submit}", "spark-submit"):
        kind, name = _submitted(program.arguments)
    else:
        return None
    path = {"file": name, "-m": f"{name.replace('.', '/')}.py"}.get(kind)
    place = posixpath.normpath(posixpath.join(job.folder, path)) if path else ""
    if place not in bundle.files or b"azkaban_client.job" not in bundle.read(place):
        return None
    stem = name if kind == "-m" else posixpath.basename(name).removesuffix(".py")
    return place, stem.removeprefix("jobs.") if kind == "-m" else stem


def _submitted(arguments: Sequence[Word]) -> tuple[str, str]:
    """Find the script or module among the arguments of spark-submit."""
    texts = [word.text for word in arguments]
    if "-m" in texts[:-1]:
        return "-m", texts[texts.index("-m") + 1]
    before = ["", *texts]
    scripts = (
        text
        for text, option in zip(texts, before, strict=False)
        if text.endswith(".py") and option not in ("--py-files", "--files")
    )
    return "file", next(scripts, "")
