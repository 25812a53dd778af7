"""What a project asks for: its requirements, and the lock that says exactly what is installed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LOCK", "REQUIREMENTS", "Lock", "Wanted", "asks", "read"]

REQUIREMENTS, LOCK = "requirements.txt", "requirements.lock"

_MADE = "# Made by azk env build from requirements.txt"
_DIGEST = re.compile(rf"^{_MADE} \(([0-9a-f]{{16}})\)", re.MULTILINE)
_OPTIONS = re.compile(
    r"^(?:-i|-f|--(?:index-url|extra-index-url|find-links|no-index|trusted-host|pre"
    r"|prefer-binary|no-binary|only-binary))(?:[ =\t]|$)"
)
_OTHER = re.compile(r"^(?:-r|-c|--requirement|--constraint)[ =\t]*(\S.*)$")
_EDITABLE = re.compile(r"^(?:-e|--editable)\b|^\.{0,2}/?$")
# Lists of packages that other tools keep, and how each becomes one that is read here.
_OTHERS = {
    "uv.lock": "uv export --format requirements-txt --no-emit-project -o requirements.lock",
    "poetry.lock": "poetry export -o requirements.lock (its plugin export)",
    "Pipfile.lock": "pipenv requirements --hash > requirements.lock",
    "pdm.lock": "pdm export -o requirements.lock",
    "environment.yml": "write the packages as requirements.txt",
}


@dataclass(frozen=True)
class Lock:
    """A complete list of packages, each with its version and hashes.

    Attributes
    ----------
    path
        Its file.
    text
        What it says.
    """

    path: Path
    text: str

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """What counts of it: no comments, and continued lines as one."""
        return tuple(_logical(self.text))

    @property
    def content(self) -> str:
        """The same content for the same packages, whatever the comments and the order."""
        return "\n".join(sorted(line for line in self.lines if not line.startswith("-")))

    @property
    def made_from(self) -> str | None:
        """The digest of the requirements that it was made from; None for a lock of the user's."""
        found = _DIGEST.search(self.text)
        return found[1] if found else None

    def require_hashes(self) -> None:
        """Refuse a list that does not say exactly what is to be installed.

        Raises
        ------
        InvalidProject
            With the first line that has no hash.
        """
        for line in self.lines:
            if not line.startswith("-") and "--hash" not in line:
                raise InvalidProject(
                    f"{self.path}: {line[:80]!r} has no hash, so that nothing says what would be "
                    f"installed: write it to {REQUIREMENTS}; azk env build makes the lock of it"
                )


@dataclass(frozen=True)
class Wanted:
    """What a project's folder asks for.

    Attributes
    ----------
    folder
        The project's.
    requirements
        Its ``requirements.txt``; None where it has only a lock.
    lock
        The lock that is there; None where there is none yet.
    digest
        Digest of the requirements and the files that they name.
    options
        Lines of the requirements that say where packages come from.
    """

    folder: Path
    requirements: Path | None
    lock: Lock | None
    digest: str = ""
    options: tuple[str, ...] = ()

    @property
    def current(self) -> bool:
        """Whether the lock fits the requirements; a lock of the user's always does."""
        return self.lock is not None and self.lock.made_from in (None, self.digest)

    def new_lock(self, pins: str) -> Lock:
        """Return the lock with these pins."""
        head = (
            f"{_MADE} ({self.digest}); do not edit.\n"
            "# azk env build --upgrade takes newer releases.\n"
        )
        text = head + "".join(f"{line}\n" for line in self.options) + pins.strip() + "\n"
        return Lock(self.folder / LOCK, text)


def asks(folder: Path) -> bool:
    """Tell whether a project's folder asks for packages of its own: an empty list does not."""
    paths = (folder / name for name in (REQUIREMENTS, LOCK))
    found = next((path for path in paths if path.is_file()), None)
    return found is not None and any(not _OPTIONS.match(line) for line in _logical(_text(found)))


def read(folder: Path) -> Wanted:
    """Read what a project's folder asks for.

    Raises
    ------
    InvalidProject
        It asks for nothing, or its files cannot be read.
    """
    requirements, lock = folder / REQUIREMENTS, folder / LOCK
    kept = Lock(lock, _text(lock)) if lock.is_file() else None
    if not requirements.is_file():
        if kept is None:
            raise InvalidProject(_nothing(folder))
        if kept.made_from:
            raise InvalidProject(
                f"{lock} was made from {REQUIREMENTS}, which is not there any more: put it back, "
                "or delete the lock"
            )
        return Wanted(folder, None, kept)
    if not asks(folder):
        raise InvalidProject(_nothing(folder))
    texts = dict(_with_included(requirements))
    lines = [line for text in texts.values() for line in _logical(text)]
    _check(requirements, lines)
    if any("--hash" in line for line in lines):  # it is a lock
        return Wanted(folder, requirements, Lock(requirements, "\n".join(texts.values())))
    joined = "\0".join(lines)
    return Wanted(
        folder,
        requirements,
        kept,
        digest=hashlib.sha256(joined.encode()).hexdigest()[:16],
        options=tuple(line for line in lines if _OPTIONS.match(line)),
    )


def _check(path: Path, lines: list[str]) -> None:
    for line in lines:
        if _EDITABLE.match(line):
            raise InvalidProject(
                f"{path}: {line!r}: an environment holds no project of yours, since it would "
                "change under the jobs: modules of the project travel in its zip"
            )


def _nothing(folder: Path) -> str:
    said = f"{folder}: there is no {REQUIREMENTS} and no {LOCK}"
    for name, command in _OTHERS.items():
        if (folder / name).is_file():
            return f"{said}; to use {name}: {command}"
    if (folder / "pyproject.toml").is_file():
        return f"{said}; to use pyproject.toml: uv pip compile pyproject.toml -o {REQUIREMENTS}"
    if (folder / REQUIREMENTS).is_file():
        said = f"{folder / REQUIREMENTS} names no package"
    return f"{said}: write the packages that its jobs need, one a line"


def _with_included(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a file of requirements and those that it names, each once."""
    todo, seen = [path], set()
    while todo:
        one = todo.pop()
        if one.resolve() in seen:
            continue
        seen.add(one.resolve())
        text = _text(one)
        yield one, text
        named = (found[1] for line in _logical(text) if (found := _OTHER.match(line)))
        todo += [one.parent / name.strip() for name in named if "://" not in name]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidProject(f"{path}: not UTF-8: {error}: save the file as UTF-8") from error
    except FileNotFoundError:
        raise InvalidProject(f"{path}: no such file") from None
    except OSError as error:
        raise InvalidProject(f"{path}: {error.strerror}") from error


def _logical(text: str) -> Iterator[str]:
    """Yield the lines of requirements as pip sees them: joined, without comments."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        plain = " ".join(re.sub(r"(^|\s)#.*$", "", line).split())
        if plain:
            yield plain
