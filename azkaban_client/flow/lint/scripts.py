"""Check that the scripts, modules and programs that a command starts are in the project.

A missing file is certain only if nothing could have put it there: neither another working folder,
nor an earlier command or job, nor a property that an execution can change. Otherwise the finding is
a warning.
"""

from __future__ import annotations

import posixpath
import re
import sys
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.context import OF_SERVER
from azkaban_client.flow.lint.packages import check_imports, missing_interpreter
from azkaban_client.flow.lint.program import (
    PYTHON,
    SHELL,
    Invocation,
    find_program,
    python_target,
    shell_script_at,
)
from azkaban_client.flow.loader.command_line import Word, split_command
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.substitution import UnresolvedError, substitute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from azkaban_client.flow.lint.context import Context
    from azkaban_client.flow.loader.model import Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["check_scripts"]

_INTERPRETERS = re.compile(r"(?:.*/)?(?:Rscript|perl|ruby|node|nodejs|php|julia|lua)[\d.]*$")
_NODE_ENDS = ("", ".js", ".cjs", ".mjs", ".json", "/index.js", "/package.json")
_MODULE_ENDS = (".py", ".pyc", ".so", ".pyd")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class _Command:
    """One command of a job, and what is known of where it runs."""

    job: Job
    bundle: Bundle
    line: int | None
    certain: bool
    executable: bool

    def problem(self, rule: str, words: str, *, certain: bool = True) -> Problem:
        severity = "error" if self.certain and certain else "warning"
        return Problem(self.job.own.name, self.line, rule, words, severity)  # type: ignore[arg-type]

    def inside(self, path: str) -> str | None:
        """Return the path within the zip; None if it is outside or unknown."""
        place = posixpath.normpath(posixpath.join(self.job.folder, path))
        outside = path.startswith(("/", "~")) or place == ".." or place.startswith("../")
        return None if outside or "$" in path else place

    def is_folder(self, place: str) -> bool:
        start = "" if place == "." else f"{place}/"
        return any(name.startswith(start) for name in self.bundle.names)


def check_scripts(
    job: Job, context: Context, words: Sequence[Word], key: str, earlier: Sequence[str]
) -> Iterator[Problem]:
    """Check what one command starts; `earlier` are the commands of the job before it."""
    if job.get("working.dir") is not None or "working.dir" in context.known:
        return  # only the executor knows what is there
    changed = any("$" in word.text and word.text != "${python}" for word in words)
    words = [Word(_resolved(job, word.text), word.quotes) for word in words]
    program = find_program(words)
    if program is None:
        return
    program = _recorded(program)
    settings = program.settings | {key[4:] for key in _environment(job)}
    certain = not (earlier or changed or context.may_come_after_work(job))
    command = _Command(
        job,
        context.bundle,
        job.line(key),
        certain=certain,
        executable=context.server.executable
        or any("chmod" in split_command(one)[:1] for one in earlier),
    )
    if PYTHON.match(program.name):
        yield from _check_python(command, program.arguments, settings)
        if context.server.modules is not None:
            yield from _check_installed(command, program, settings, context.server.modules)
    elif SHELL.match(program.name):
        kind, at = shell_script_at(program.arguments)
        if kind == "file":
            text = program.arguments[at].text
            # A shell looks for a name without a slash among the installed programs as well.
            yield from _check_file(command, text, certain="/" in text)
    elif _INTERPRETERS.match(program.name):
        yield from _check_interpreted(command, program.name, program.arguments)
    elif posixpath.basename(program.name) == "java":
        texts = [word.text for word in program.arguments]
        if "-jar" in texts[:-1]:
            yield from _check_file(command, texts[texts.index("-jar") + 1])
    else:
        yield from _check_program(command, program.name)


def _recorded(program: Invocation) -> Invocation:
    """Look at the script that `azkaban_client.job.plain` runs and records."""
    texts = [word.text for word in program.arguments]
    if PYTHON.match(program.name) and texts[:2] == ["-m", "azkaban_client.job.plain"]:
        return replace(program, arguments=program.arguments[2:])
    return program


def _environment(job: Job) -> Iterator[str]:
    return (key for _, key, _ in job.visible() if key.startswith(("env.", "ENV.")))


def _resolved(job: Job, text: str) -> str:
    """Substitute references, if the project defines them all."""
    try:
        return substitute(text, job.get)
    except UnresolvedError:
        return text


def _check_file(command: _Command, text: str, *, certain: bool = True) -> Iterator[Problem]:
    place = command.inside(text)
    if place is not None and place not in command.bundle.files:
        words = f"the script {text} is not in the project (looked for {place})"
        yield command.problem("missing-script", words, certain=certain)


def _check_python(
    command: _Command, arguments: Sequence[Word], settings: frozenset[str] | set[str]
) -> Iterator[Problem]:
    found = python_target(arguments)
    if found is None:
        return
    kind, name, flags = found
    if kind == "file":
        place = command.inside(name)
        if place is not None and command.is_folder(place):
            main = posixpath.normpath(f"{place}/__main__.py")
            if main not in command.bundle.files and f"{main}c" not in command.bundle.files:
                words = f"the folder {name} has no __main__.py to run (looked for {main})"
                yield command.problem("missing-script", words)
        else:
            yield from _check_file(command, name)
        return
    # Without the job's folder on its path, Python looks among what is installed alone.
    isolated = {"I", "P"} & set(flags) or "PYTHONSAFEPATH" in settings
    if kind == "-m" and "$" not in name and not isolated:
        yield from _check_module(command, name, certain="PYTHONPATH" not in settings)


def _check_installed(
    command: _Command,
    program: Invocation,
    settings: frozenset[str] | set[str],
    known: Mapping[str, frozenset[str]],
) -> Iterator[Problem]:
    """Check that a Python is there, and what the script or module that it is given imports."""
    installed = {name: modules for name, modules in known.items() if name != OF_SERVER}
    if words := missing_interpreter(program.name, settings):
        yield command.problem("missing-interpreter", words, certain=False)
    elif installed and "/" not in program.name and program.name not in installed:
        words = (
            f"{program.name} is not the Python of the project's environment: write ${{python}} for "
            "the packages of requirements.txt"
        )
        yield command.problem("other-python", words, certain=False)
    modules = installed.get(program.name)
    of_server = modules is None and program.name == "${python}"
    if of_server:
        modules = known.get(OF_SERVER)
    found = python_target(program.arguments)
    if modules is None or found is None or found[0] not in ("file", "-m"):
        return
    if {"I", "P"} & set(found[2]):  # without the folder that modules of the project are found in
        return
    kind, name, _ = found
    if kind == "file":
        place = command.inside(name) or ""
        scripts = [place, posixpath.join(place, "__main__.py")]
        path = posixpath.dirname(place) if place in command.bundle.files else place
    else:
        path = command.job.folder
        stem = posixpath.join(path, name.replace(".", "/"))
        scripts = [f"{stem}.py", f"{stem}/__main__.py"]
    certain = command.certain and "PYTHONPATH" not in settings
    for script in scripts:
        if script in command.bundle.files and script.endswith(".py"):
            yield from check_imports(
                command.bundle, script, path, modules, certain=certain, of_server=of_server
            )


def _check_module(command: _Command, module: str, *, certain: bool) -> Iterator[Problem]:
    if not _MODULE.fullmatch(module):
        words = f"-m {module}: not a module's name"
        yield command.problem("missing-module", words)
        return
    files = command.bundle.files
    folder = command.job.folder
    stem = posixpath.join(folder, module.replace(".", "/"))
    if any(_is_module(command.bundle, place) for place in (stem, f"{stem}/__main__")):
        return
    top = module.split(".", maxsplit=1)[0]
    package = posixpath.join(folder, top)
    inside = command.is_folder(package) or _is_module(command.bundle, package)
    if inside:
        around = posixpath.dirname(stem)
        found = sorted(
            name[len(around) + 1 : -len(".py")]
            for name in command.bundle.names
            if posixpath.dirname(name) == around and name.endswith(".py")
        )
        close = get_close_matches(module.rpartition(".")[2], found, n=1)
        hint = f" (did you mean {module.rpartition('.')[0]}.{close[0]}?)" if close else ""
        words = f"-m {module}: there is no {stem}.py in the project{hint}"
        # A folder without __init__.py gives way to an installed package of its name.
        regular = f"{package}/__init__.py" in files or f"{package}.py" in files
        yield command.problem("missing-module", words, certain=certain and regular)
    elif top not in sys.stdlib_module_names:
        words = (
            f"-m {module}: the project has no folder {package}/: add it (--with {top}), "
            "or install the module where jobs run"
        )
        yield command.problem("missing-module", words, certain=False)


def _is_module(bundle: Bundle, stem: str) -> bool:
    """Tell whether a module exists: as source, compiled, or built for some platform."""
    if any(f"{stem}{end}" in bundle.files for end in _MODULE_ENDS):
        return True
    return any(n.startswith(f"{stem}.") and n.endswith((".so", ".pyd")) for n in bundle.names)


def _check_interpreted(
    command: _Command, program: str, arguments: Sequence[Word]
) -> Iterator[Problem]:
    if not arguments or arguments[0].text.startswith("-"):
        return  # code in the command, or options of which each program has its own
    text = arguments[0].text
    place = command.inside(text)
    if place is None:
        return
    if "node" in posixpath.basename(program):
        if not any(f"{place}{end}" in command.bundle.files for end in _NODE_ENDS):
            yield from _check_file(command, text)
    else:
        yield from _check_file(command, text)


def _check_program(command: _Command, name: str) -> Iterator[Problem]:
    """Check a program of the project, because the server unpacks it without execute permission."""
    place = command.inside(name)
    if place is None:
        return
    if place in command.bundle.files:
        if "/" not in name:
            words = (
                f"{name} is looked for among the installed programs, not in the project: "
                f"write bash {name} (or another program that runs it)"
            )
            yield command.problem("not-executable", words, certain=False)
        elif not command.executable:
            words = (
                f"{name} cannot be started (error=13, Permission denied): Azkaban unpacks a "
                f"project without the modes of its files; write bash {name} (or another program "
                "that runs it), or use azk upload --executable"
            )
            yield command.problem("not-executable", words, certain=False)
    elif "/" in name:
        words = f"the program {name} is not in the project (looked for {place})"
        yield command.problem("missing-script", words)
