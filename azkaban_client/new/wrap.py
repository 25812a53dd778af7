"""Write a project around a script that exists; the script itself goes in as it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from azkaban_client import columns
from azkaban_client.new.create import check_name, fill, hides, make, module_of
from azkaban_client.new.script import Script, read
from azkaban_client.secrecy import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from azkaban_client.new.script import Option

__all__ = ["Wrapped", "name_for", "wrap"]

# What a job's own file, or Azkaban, means by these names.
_TAKEN = {
    *("arguments", "command", "condition", "dependencies", "failure", "nodes", "python"),
    *("retries", "seed", "success", "type"),
}


_NAMED = 5  # files in a note


@dataclass(frozen=True)
class Wrapped:
    """A project that was made around a script.

    Attributes
    ----------
    files
        The names of its files.
    parameters
        The properties that a run may change.
    missing
        Those of them that have no value yet.
    notes
        What its author should know before the first run.
    """

    files: tuple[str, ...]
    parameters: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def name_for(script: Path) -> str:
    """Return the name of a project for a script.

    Examples
    --------
    >>> from pathlib import Path
    >>> name_for(Path("fetch prices.py"))
    'fetch-prices'
    """
    name = re.sub(r"[^A-Za-z0-9_]+", "-", script.stem).strip("-")
    return (name if re.match("[A-Za-z]", name) else f"job-{name}")[: columns.PROJECT].rstrip("-")


def wrap(folder: Path, path: Path) -> Wrapped:
    """Make a project around a script, which is copied and not changed.

    Parameters
    ----------
    folder
        Does not exist, or is empty; its name is the project's.
    path
        The script; so are copied the modules that it imports from its own folder.

    Raises
    ------
    ValueError
        The name cannot be used, or the script is no Python.
    FileExistsError
        Something is there.
    """
    check_name(folder.name)
    if path.suffix != ".py":
        raise ValueError(f"{path}: expected a script in Python, whose name ends in .py")
    if not re.fullmatch(r"[\w .+-]+", path.name):
        raise ValueError(f"{path}: a name with signs that no command of Azkaban's can hold")
    if hides(path.stem):
        raise ValueError(
            f"{path}: a script of this name would hide Python's own {path.stem}: rename it"
        )
    script = read(path)
    job = _Job(folder.name, script)
    files = {path.name: path.read_bytes()}
    for place in script.beside:
        modules = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        files |= {str(one.relative_to(path.parent)): one.read_bytes() for one in modules}
    for name, data in job.files().items():
        if name in files:
            raise ValueError(f"{path.parent / name}: the project has a file of this name as well")
        files[name] = data.encode("utf-8")
    return Wrapped(
        files=make(folder, files),
        parameters=tuple(job.key(one) for one in job.given),
        missing=tuple(job.key(one) for one in job.given if one.required and one.default is None),
        notes=tuple(job.notes()),
    )


class _Job:
    """The files of a project with one job."""

    def __init__(self, name: str, script: Script) -> None:
        self.name, self.script = name, script
        self.kit = script.kind == "kit"
        self.prefix = script.path.stem
        # Azkaban logs all properties and command lines.
        self.secrets = [] if self.kit else [o for o in script.options if is_secret(o.name)]
        usable = [o for o in script.options if _usable(o) and o not in self.secrets]
        usable = [] if script.subcommands else usable
        # An option that may be left out has no value that could stand in the command.
        self.given = [o for o in usable if self.kit or o.required or o.default is not None]
        self.left = [o for o in script.options if o not in self.given]

    def key(self, option: Option) -> str:
        """Return the property of a parameter."""
        return f"{module_of(self.prefix)}_{option.name}" if option.name in _TAKEN else option.name

    def files(self) -> dict[str, str]:
        """Return all files but the script."""
        values = {"name": self.name, "script": self.script.path.name}
        shared = resources.files("azkaban_client.new") / "templates" / "script"
        here = resources.files("azkaban_client.new") / "templates" / "from"
        texts = {name: (shared / name).read_text("utf-8") for name in ("azk.toml",)}
        texts["README.md"] = (here / "README.md").read_text("utf-8")
        test = f"test_{self.script.kind.replace('argparse', 'click')}.py.in"
        texts[f"test_{module_of(self.prefix)}.py"] = (here / test).read_text("utf-8")
        values["flags"] = json.dumps([one.flag for one in self.given if one.flag])
        return {
            **{name: fill(text, values) for name, text in texts.items()},
            f"{self.name}.job": "\n".join(self._job()) + "\n",
            f"{self.name}.properties": "\n".join(self._properties()) + "\n",
            "requirements.txt": "\n".join(self._requirements()) + "\n",
        }

    def _job(self) -> Iterator[str]:
        yield "type=command"
        file = self.script.path.name
        words = ["${python}", f'"{file}"' if " " in file else file]
        if not self.kit:
            words[1:1] = ["-m", "azkaban_client.job.plain"]  # leaves a record and a page
            places = [self._word(one) for one in self.given if not one.flag]
            words += [self._word(one) for one in self.given if one.flag]
            # After -- a value that begins with a dash is no option.
            words += ["${arguments}", *(["--", *places] if places else [])]
        yield _line("command", " ".join(words))
        if self.kit:
            for one in self.given:
                yield _line(f"{self.prefix}.{one.name}", f"${{{self.key(one)}}}")

    def _word(self, option: Option) -> str:
        """Write an option so that its value may hold spaces and begin with a dash."""
        value = f'"${{{self.key(option)}}}"'
        if option.flag.startswith("--"):
            return f'"{option.flag}=${{{self.key(option)}}}"'
        return f"{option.flag} {value}" if option.flag else value

    def _properties(self) -> Iterator[str]:
        yield f"# What a run may change: azk run {self.name} {self.name} --prop KEY=VALUE"
        yield f"project.name={self.name}"
        for one in self.given:
            yield from _comment(one)
            if one.default is None and one.required:
                yield f"# {self.key(one)}="  # lint says so until somebody writes a value
            else:
                yield _line(self.key(one), one.default or "")
        if not self.kit:
            yield ""
            yield "# Anything more for the command line:"
            for one in self.left:
                yield f"#   {one.flag or one.name}  {' '.join(one.doc.split())}".rstrip()
            yield "arguments="

    def _requirements(self) -> Iterator[str]:
        yield "# Packages that the script imports, one a line, each with its version: pandas==2.3.3"
        if self.script.imports:
            # The name of a module is not that of its package: yaml comes from PyYAML.
            yield f"# It imports: {', '.join(self.script.imports)}"

    def _left_behind(self) -> Iterator[str]:
        """Tell what the script needs and the project does not have."""
        script = self.script
        if script.imports:
            own = script.path.with_name("requirements.txt").is_file()
            stayed = " (that beside the script stayed there)" if own else ""
            yield (
                f"it imports {', '.join(script.imports)}: name their packages in "
                f"requirements.txt{stayed}"
            )
        if script.files:
            yield f"it names files beside it, which stayed there: {', '.join(script.files)}"
        if script.data:
            more = f" and {len(script.data) - _NAMED} more" if len(script.data) > _NAMED else ""
            named = ", ".join(script.data[:_NAMED])
            yield f"files of its packages that are no modules stayed there: {named}{more}"
        if hiding := [one.stem for one in script.beside if hides(one.stem)]:
            yield (
                f"{', '.join(hiding)} beside it: the name of a module of Python's own, which "
                "others then take for that one: rename it if the first run fails"
            )
        if script.relative:
            yield (
                f"line {script.relative} is an import relative to a package, which fails in a "
                "script: begin with a script beside the package that imports it"
            )

    def notes(self) -> Iterator[str]:
        """Tell what reading the script showed, and the first run would show otherwise."""
        script, file = self.script, self.script.path.name
        if script.subcommands:
            yield f"{file} has commands within: write the one to run to {self.name}.properties"
        elif script.kind == "plain":
            yield (
                f"{file} has no parameters that could be read; what its command line shall have "
                f"goes to arguments in {self.name}.properties"
            )
        yield from self._left_behind()
        if self.secrets:
            yield (
                f"{', '.join(one.flag or one.name for one in self.secrets)}: a secret by its name, "
                "so no property, which Azkaban logs; the script should read it from a file"
            )
        if script.environment:
            yield (
                f"it reads {', '.join(script.environment)} of the environment, which on a server "
                f"is another: env.NAME=value in {self.name}.job, but no secret"
            )
        if script.asks:
            yield "it waits for somebody to type something; on a server it would wait for ever"


def _line(key: str, value: str) -> str:
    r"""Write a property so that Java reads it, with no more signs before others than it needs.

    Examples
    --------
    >>> print(_line("command", "python fetch.py --name=Zoë\\x"))
    command=python fetch.py --name=Zo\u00eb\\x
    """
    import javaproperties

    value = value.replace("\\", "\\\\").replace("\t", "\\t")
    for sign in {one for one in value if not one.isascii()}:
        value = value.replace(sign, javaproperties.escape(sign))
    start = "\\" if value.startswith(" ") else ""
    return f"{javaproperties.escape(key)}={start}{value}"


def _usable(option: Option) -> bool:
    """Tell whether an option can be a property, and its default stand in a command."""
    text = option.default or ""
    return (
        option.simple
        and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", option.name) is not None
        and re.fullmatch(r"(--?[A-Za-z0-9][\w-]*)?", option.flag) is not None
        and not any(sign in text for sign in ('"', "${", "$(", "\n"))
    )


def _comment(option: Option) -> Iterator[str]:
    if option.doc:
        yield f"# {' '.join(option.doc.split())}"
