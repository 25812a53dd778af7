"""Pack an environment into one archive that runs from wherever it is unpacked.

``whole`` holds the interpreter with its standard library and the shared libraries that not every
Linux has, so that a machine without any Python runs it. ``venv`` contains only the environment and
runs where the same Python is in the same place, like an archive made with ``zip -r`` or
venv-pack. ``conda`` leaves the work to the program conda-pack, which knows how to move what
conda installed.

The bytes of an archive depend on its content alone, and the name that it gets in a folder on a
hash of the content. Each archive is unpacked elsewhere and run before it gets its name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.programs import captured
from setup import archives, environment, trust
from setup.downloads import copy_whole
from setup.errors import SetupError, UsageError
from setup.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["KINDS", "Packed", "ask", "conda_unpack", "launcher", "pack"]

KINDS = ("whole", "venv", "conda")

# Parts of the standard library that need a display, a compiler or a developer.
_LEFT_OUT = {"__pycache__", "EXTERNALLY-MANAGED", "idlelib", "test", "tkinter", "turtledemo"}

# Libraries of every Linux with glibc (those that wheels too expect of a system: PEP 600).
_EVERYWHERE = re.compile(
    r"ld-linux.*|linux-vdso.*|libnsl\.so\.1"
    r"|lib(c|m|dl|rt|util|pthread|resolv|anl|nss_.*|gcc_s|stdc\+\+)\.so.*"
)

# A script's first lines: the shell runs the interpreter beside it, which skips them as a string.
_SHEBANG = b"""\
#!/bin/sh
'''exec' "$(dirname -- "$(readlink -f -- "$0")")/python" "$0" "$@"
' '''
"""


@dataclass(frozen=True)
class Packed:
    """An archive that runs.

    Attributes
    ----------
    path
        Where it is.
    kind
        ``whole``, ``venv`` or ``conda``.
    digest
        SHA-256 of its content, whatever the compression.
    python
        Version of the interpreter, such as ``3.11.9``.
    size
        Bytes of the archive.
    glibc
        The least version of glibc that it needs, such as ``2.36``; empty where that is unknown.
    distributions
        The packages in it, as ``name==version``.
    left_out
        Packages that stay behind: editable installs, whose files are elsewhere.
    """

    path: Path
    kind: str
    digest: str
    python: str
    size: int
    glibc: str
    distributions: tuple[str, ...]
    left_out: tuple[str, ...]


def pack(
    python: Path,
    target: Path,
    *,
    kind: str = "whole",
    update: Callable[[str], None] = lambda _: None,
) -> Packed:
    """Pack the environment of an interpreter.

    Parameters
    ----------
    python
        The environment's interpreter, such as ``env/bin/python``.
    target
        A file whose name ends in ``.tar.gz``, ``.tgz`` or ``.zip``, or a folder, in which the
        archive is named ``python-VERSION-HASH.tar.gz`` by its content; an archive that is there
        under that name is not written again.
    kind
        ``whole``, ``venv`` or ``conda``.
    update
        Is told what goes on.

    Raises
    ------
    UsageError
        When there is no environment, or it cannot be packed in this way.
    SetupError
        When what was packed does not run from another folder; nothing is left.
    """
    _require(kind, target)
    update("looking at the environment")
    beside = target if target.is_dir() else target.parent
    # Files of the work folder are run, so it must be where others cannot replace them.
    work = None if trust.trouble(beside / ".pack") else beside
    with tempfile.TemporaryDirectory(dir=work, prefix=".pack-") as text:
        folder, tree = Path(text), Path(text) / "tree"
        tree.mkdir()
        about = ask(python, "describe", scratch=folder)
        names = _fill(tree, python, about, kind, update)
        found = archives.members(tree, links=target.suffix != ".zip")
        content = archives.digest(found)
        if target.is_dir():
            target /= f"python-{about['version']}-{content[:12]}.tar.gz"
        update("compressing")
        draft = folder / target.name
        archives.write(found, draft)
        glibc = least_glibc(tree)
        shutil.rmtree(tree)
        update("running it elsewhere")
        _check(draft, about, folder / "elsewhere", kind, names)
        if work:
            draft.replace(target)
        else:
            copy_whole(draft, target)
    return Packed(
        path=target,
        kind=kind,
        digest=content,
        python=about["version"],
        size=target.stat().st_size,
        glibc=glibc,
        distributions=tuple(
            f"{d['name']}=={d['version']}" for d in about["distributions"] if not d["editable"]
        ),
        left_out=tuple(d["name"] for d in about["distributions"] if d["editable"]),
    )


def _require(kind: str, target: Path) -> None:
    """Refuse a kind or a name that is impossible."""
    if kind not in KINDS:
        raise UsageError(f"kind {kind!r}: expected {', '.join(KINDS)}")
    if not (target.is_dir() or target.name.endswith(archives.SUFFIXES)):
        raise UsageError(
            f"{target}: neither a folder nor a name that ends in {', '.join(archives.SUFFIXES)}"
        )
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder")


def _fill(
    tree: Path, python: Path, about: dict[str, Any], kind: str, update: Callable[[str], None]
) -> list[str]:
    """Copy an environment into `tree`; return the modules that its copy must be able to import."""
    if kind == "conda":
        _conda(about, tree.parent, tree)
        return []
    if (Path(about["prefix"]) / "conda-meta").is_dir():
        say(f"{about['prefix']} was made by conda: --kind conda also takes what is not Python")
    before = ask(python, "tour", *_importable(about), scratch=tree.parent)
    update("copying")
    if kind == "whole":
        site = _copy_interpreter(about, before["mapped"], tree)
    else:
        site = _link_interpreter(about, tree)
    _copy_environment(about, tree, site)
    return [name for name in _importable(about) if name not in before["failed"]]


def ask(python: Path, *question: str, scratch: Path | None = None) -> dict[str, Any]:
    """Ask an interpreter what it is: see `setup.python._inside`.

    Parameters
    ----------
    python
        Path of the interpreter.
    question
        ``describe``, or ``tour`` and names of modules to import.
    scratch
        Where to keep temporary files; by default the system's folder for them.

    Raises
    ------
    UsageError
        When it is not a Python that runs.
    """
    if not python.is_file():
        raise UsageError(f"{python}: there is no interpreter")
    script = Path(__file__).with_name("_inside.py")
    with tempfile.TemporaryDirectory(dir=scratch) as home:  # where some packages write settings
        environ = {"HOME": home, "TMPDIR": home, "MPLCONFIGDIR": home, "PATH": "/usr/bin:/bin"}
        command = [str(python), "-I", "-B", "-W", "ignore", str(script), *question]
        try:
            result = captured(command, cwd=home, env=environ)
        except OSError as error:
            raise UsageError(f"{python} does not run here: {error.strerror}") from error
    if result.returncode:
        last = (result.stderr.strip() or f"exit code {result.returncode}").splitlines()[-1]
        raise UsageError(f"{python} does not run as a Python of version 3.8 or later: {last}")
    try:
        found: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        raise UsageError(f"{python} is no Python: it prints {result.stdout[:80]!r}") from None
    return found


def launcher(program: str, libraries: str) -> str:
    """Write a shell script that runs the interpreter next to it.

    Parameters
    ----------
    program
        File name of the interpreter.
    libraries
        Folder of shared libraries, seen from the script's parent; empty for none.

    Examples
    --------
    >>> print(launcher("python3.11", "lib"), end="")
    #!/bin/sh
    bin=$(dirname -- "$(readlink -f -- "$0")")
    export LD_LIBRARY_PATH="$bin/../lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    exec "$bin/python3.11" "$@"
    """
    lines = ["#!/bin/sh", 'bin=$(dirname -- "$(readlink -f -- "$0")")']
    if libraries:
        path = f"$bin/../{libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
        lines.append(f'export LD_LIBRARY_PATH="{path}"')
    return "\n".join([*lines, f'exec "$bin/{program}" "$@"', ""])


def _short(about: dict[str, Any]) -> str:
    """Write ``python3.11``."""
    return "python" + ".".join(about["version"].split(".")[:2])


def _copy_interpreter(about: dict[str, Any], mapped: Sequence[str], tree: Path) -> Path:
    """Copy a base interpreter with its library; return where it looks for packages."""
    short, libraries = _short(about), tree / about["libraries"]
    stdlib, target = Path(about["stdlib"]), libraries / short
    packages = {"site-packages", "dist-packages"}

    def left_out(_folder: str, names: list[str]) -> set[str]:
        return {n for n in names if n in _LEFT_OUT | packages or n.startswith("config-")}

    shutil.copytree(stdlib, target, ignore=left_out)
    (tree / "bin").mkdir()
    program = tree / "bin" / short
    shutil.copy(Path(about["base"]).resolve(), program)
    copied = (stdlib, Path(about["purelib"]), Path(about["platlib"]))
    for library in map(Path, mapped):
        if not (any(map(library.is_relative_to, copied)) or _EVERYWHERE.fullmatch(library.name)):
            shutil.copy(library, libraries / library.name)
    needed = "" if _finds_its_libraries(program, tree) else about["libraries"]
    for name in ("python", "python3"):
        script = tree / "bin" / name
        script.write_text(launcher(short, needed))
        script.chmod(0o755)
    sites = [
        Path(path) for path in ask(tree / "bin" / "python", "tour", scratch=tree.parent)["site"]
    ]
    return next((path for path in sites if path.parent == target), sites[0])


def _finds_its_libraries(program: Path, tree: Path) -> bool:
    """Tell whether a moved interpreter takes the libraries beside it without being told."""
    try:
        seen = ask(program, "tour", scratch=tree.parent)
    except UsageError:
        return False
    return not seen["failed"] and not _strangers(seen, tree)


def _link_interpreter(about: dict[str, Any], tree: Path) -> Path:
    """Point to the base interpreter as a virtual environment does; return its packages' folder."""
    if not about["venv"]:
        raise UsageError(
            f"{about['executable']} is no virtual environment; --kind whole packs interpreters"
        )
    base = Path(about["base"])
    (tree / "bin").mkdir()
    for name in ("python", "python3", _short(about)):
        (tree / "bin" / name).symlink_to(base)
    settings = f"home = {base.parent}\ninclude-system-site-packages = false\n"
    (tree / "pyvenv.cfg").write_text(f"{settings}version = {about['version']}\n")
    return tree / Path(about["purelib"]).relative_to(about["prefix"])


def _copy_environment(about: dict[str, Any], tree: Path, site: Path) -> None:
    """Copy packages, and what they have beside them: programs and data files."""
    prefix, scripts = Path(about["prefix"]), Path(about["scripts"])
    sources = {Path(about["purelib"]), Path(about["platlib"])}
    editable = {
        os.path.normpath(Path(about["purelib"]) / file)
        for found in about["distributions"]
        if found["editable"]
        for file in found["files"]
    }

    def left_out(folder: str, names: list[str]) -> set[str]:
        skipped = {name for name in names if f"{folder}/{name}" in editable}
        return skipped | ({"__pycache__"} & set(names))

    for source in sorted(path for path in sources if path.is_dir()):
        shutil.copytree(source, site, ignore=left_out, dirs_exist_ok=True)
    beside = {
        Path(os.path.normpath(Path(about["purelib"]) / file))
        for found in about["distributions"]
        for file in found["files"]
        if file.startswith("../")
    }
    changed = set()
    for path in sorted(beside):
        if str(path) in editable or not (path.is_file() and path.is_relative_to(prefix)):
            continue
        target = tree / path.relative_to(prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        if path.parent == scripts and _relocate(target):
            changed.add(path.name)
    for record in site.glob("*.dist-info/RECORD"):
        _forget(record, changed)


def _relocate(script: Path) -> bool:
    """Let a script of Python run the interpreter beside it; False when it is no such script."""
    first, _, rest = script.read_bytes().partition(b"\n")
    if first == b"#!/bin/sh" and rest.startswith(b"'''exec' "):  # pip's, for a long path
        rest = rest.partition(b"\n' '''\n")[2]
    elif not re.match(rb"#!.*python", first):
        return False
    script.write_bytes(_SHEBANG + rest)
    return True


def _forget(record: Path, changed: Iterable[str]) -> None:
    """Remove from a list of installed files what differs between environments."""
    lines = []
    for line in record.read_text(encoding="utf-8").splitlines():
        name = line.partition(",")[0]
        if "__pycache__" not in name:
            moved = name.startswith("../") and Path(name).name in changed
            lines.append(f"{name},," if moved else line)
    record.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _importable(about: dict[str, Any]) -> list[str]:
    """List the modules and packages at the top of each distribution."""
    found = set()
    for distribution in about["distributions"]:
        for file in () if distribution["editable"] else distribution["files"]:
            match = re.fullmatch(r"(\w+)(/__init__\.py|\.py|(\.[\w-]+)?\.so)", file)
            if match and match[1].isidentifier():
                found.add(match[1])
    return sorted(found)


def _conda(about: dict[str, Any], folder: Path, tree: Path) -> None:
    """Let conda-pack pack what conda installed."""
    path = os.pathsep.join([about["scripts"], os.environ.get("PATH", "")])
    program = shutil.which("conda-pack", path=path)
    if not program:
        raise UsageError(
            "--kind conda needs the program conda-pack: "
            f"{about['executable']} -m pip install conda-pack"
        )
    output = folder / "conda.tar.gz"
    command = [program, "--quiet", "--prefix", about["prefix"], "--output", str(output)]
    result = captured(command, env=environment.local())
    if result.returncode:
        raise UsageError(f"conda-pack refuses: {(result.stderr or result.stdout).strip()[-400:]}")
    archives.unpack(output, tree)
    output.unlink()


def conda_unpack(home: Path) -> None:
    """Write the folder's own path into the files of what conda-pack made, once it is unpacked.

    Raises
    ------
    SetupError
        When that fails, with what its program said.
    """
    program = home / "bin" / "conda-unpack"
    if not program.is_file():
        return
    command = [str(home / "bin" / "python3"), str(program)]
    result = captured(command, env=environment.local())
    if result.returncode:
        raise SetupError(f"{program} fails: {(result.stderr or result.stdout).strip()[-400:]}")


def _check(
    archive: Path, about: dict[str, Any], folder: Path, kind: str, names: Sequence[str]
) -> None:
    """Run the packed environment in another folder; check that it uses nothing from the old one."""
    folder.mkdir()
    # The interpreter of a venv is a link.
    archives.unpack(archive, folder, links="any" if kind == "venv" else "inside")
    python = folder / "bin" / "python"
    conda_unpack(folder)
    seen = ask(python, "tour", *names, scratch=folder.parent)
    wrong = [f"{name}: {why}" for name, why in seen["failed"].items()]
    if kind == "venv":
        files = [*seen["mapped"], *seen["loaded"], *seen["path"]]
        wrong += [file for file in files if file.startswith(f"{about['prefix']}/")]
    else:
        wrong += _strangers(seen, folder)
    if wrong:
        raise SetupError(
            f"the archive of {about['prefix']} does not run from another folder, it was deleted: "
            f"{'; '.join(wrong[:5])}"
        )


def _strangers(seen: dict[str, Any], folder: Path) -> list[str]:
    """List the files that an interpreter took from outside of its folder."""
    inside = f"{folder.resolve()}/"
    mapped = [file for file in seen["mapped"] if not _EVERYWHERE.fullmatch(Path(file).name)]
    ours = str(Path(__file__).parent)
    files = [*mapped, *seen["loaded"], *seen["path"]]
    return [
        file
        for file in files
        if not os.path.realpath(file).startswith(inside) and not file.startswith(ours)
    ]


def least_glibc(tree: Path) -> str:
    """Find the least version of glibc that has all the symbols which programs here ask for.

    Empty when there are none.
    """
    needed: set[tuple[int, ...]] = set()
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) != b"\x7fELF":
                    continue
                versions = re.findall(rb"GLIBC_(\d+)\.(\d+)(?:\.\d+)?\0", file.read())
            needed |= {tuple(map(int, version)) for version in versions}
    return ".".join(map(str, max(needed, default=())))
