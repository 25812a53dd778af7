"""Make the environments that are shipped with an application: pack them once, test them here.

An application's Python packages are shipped as one archive, which each node unpacks for that
application only. `make` builds it from a lock. `prepare` unpacks it here and runs a small Spark job
in it before any node gets it; in client mode the driver runs in the unpacked copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tarfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.programs import captured
from setup import archives
from setup.called import called
from setup.downloads import sha256
from setup.errors import SetupError, UsageError
from setup.java import LANGUAGE
from setup.messages import step
from setup.python import pip
from setup.python.installer import Installer
from setup.python.pack import ask, least_glibc, pack
from setup.spark.nodes import launcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.spark.install import Spark

__all__ = [
    "KINDS",
    "Environment",
    "archive_of",
    "check_nodes",
    "make",
    "prepare",
    "python_in",
    "tested",
]

# The format for `setup.python.pack`, and the file's ending.
KINDS = {"whole": ("whole", ".tar.gz"), "venv": ("venv", ".tar.gz"), "zip": ("venv", ".zip")}

_SMOKE = """\
import importlib, sys
from pyspark import SparkContext
names = sys.argv[1:]
def worker(_):
    for name in names:
        importlib.import_module(name)
    return sys.version_info[:2]
context = SparkContext()
assert context.parallelize([0], 1).map(worker).collect() == [sys.version_info[:2]]
context.stop()
"""

_RECORDED = {"interpreter", "version", "base", "glibc"}

_PIN = re.compile(r"^\s*[A-Za-z0-9][\w.\[\],-]*\s*(==|@)")


@dataclass(frozen=True)
class Environment:
    """An archive that was tested with a Spark job here.

    Attributes
    ----------
    archive
        The file.
    digest
        Its SHA-256.
    unpacked
        Where it was unpacked here.
    interpreter
        Path of ``bin/python`` in the archive.
    version
        Version of Python, such as ``3.11.9``.
    base
        Path of the Python that each node must have; empty if the archive is complete.
    glibc
        The lowest version that its programs need; empty if there are none.
    """

    archive: Path
    digest: str
    unpacked: Path
    interpreter: str
    version: str
    base: str
    glibc: str

    def write_launcher(self, folder: str) -> Path:
        """Write the script that nodes run instead of Python and that checks them first.

        Parameters
        ----------
        folder
            Where they unpack the archive.
        """
        script = self.unpacked.with_name("shipped-python")
        inside = f"./{folder}/{self.interpreter}"
        script.write_text(launcher(inside, self.version, base=self.base, glibc=self.glibc))
        script.chmod(0o700)
        return script

    @property
    def python(self) -> Path:
        """The interpreter here."""
        return self.unpacked / self.interpreter


def archive_of(spark: Spark, lock: Path | None = None, *, kind: str = "whole") -> Path:
    """Return the path that `make` uses for the archive of a lock; its name identifies the content.

    Raises
    ------
    UsageError
        When a line pins no version.
    """
    base = getattr(sys, "_base_executable", sys.executable)
    made_from = _read(lock or spark.workers)
    origin = f"{made_from}\0{kind}\0{Path(base).resolve()}\0{sys.version}\0{platform.machine()}"
    name = hashlib.sha256(origin.encode()).hexdigest()[:12]
    return spark.home / "packs" / f"environment-{name}{KINDS[kind][1]}"


def make(spark: Spark, lock: Path | None = None, *, kind: str = "whole") -> Path:
    """Pack the environment that a lock describes, unless it was packed before.

    Parameters
    ----------
    spark
        Whose prefix keeps it.
    lock
        A requirements file in which each line pins one version; hashes are checked if given. The
        default is what `core` and `jobs` need.
    kind
        ``whole`` (with Python, the default), ``venv`` or ``zip`` (nodes must have the same Python
        in the same place).

    Returns
    -------
    Path
        The archive, named after the hash of its inputs.

    Raises
    ------
    UsageError
        When a line pins no version.
    DownloadError
        When a package cannot be downloaded, or is not the pinned one.
    """
    lock = lock or spark.workers
    target = archive_of(spark, lock, kind=kind)
    if target.is_file():
        return target
    style, suffix = KINDS[kind]
    name = target.name.removesuffix(suffix)
    folder = target.parent
    folder.mkdir(exist_ok=True, mode=0o700)
    with step(f"packing {lock.name}") as shown:
        env = folder / f".{name}"
        shutil.rmtree(env, ignore_errors=True)
        try:
            shown.update("making an environment")
            pip.make_environment(env)
            shown.update("installing packages")
            python = env / "bin" / "python"
            with Installer(spark.layout) as installer:
                complete = "--hash" in lock.read_text(encoding="utf-8")
                installer.install(lock, python, hashes=complete)
            packed = pack(python, target, kind=style, update=shown.update)
        finally:
            shutil.rmtree(env, ignore_errors=True)
        about = {**asdict(packed), "path": str(packed.path), "lock": str(lock.absolute())}
        write_private(folder / f"{name}.json", json.dumps(about, indent=2))
        packages = len(packed.distributions)
        shown.done(f"{target} ({packed.size / 1e6:.0f} MB, {packages} packages)")
    return target


def prepare(spark: Spark, archive: Path, imports: Sequence[str] | None = None) -> Environment:
    """Unpack an archive here and run a small Spark job in it, unless this was done before.

    Parameters
    ----------
    spark
        Runs the job.
    archive
        A .tar.gz or .zip with ``bin/python`` in it, at its top or in a folder.
    imports
        Modules that the job imports on its worker; the release's by default.

    Raises
    ------
    UsageError
        When it is not an archive, has no Python that runs here, or the job fails in it.
    """
    if not archive.is_file():
        raise UsageError(f"{archive}: no such archive")
    digest, home, found = _recorded(spark, archive)
    if not found:
        shutil.rmtree(home, ignore_errors=True)
        (home / "files").mkdir(parents=True, mode=0o700)
        try:
            found = _try(spark, archive, home / "files", imports or spark.imports)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        write_private(home / "tried.json", json.dumps(found))
    return Environment(archive.absolute(), digest, home / "files", **found)


def _try(spark: Spark, archive: Path, folder: Path, imports: Sequence[str]) -> dict[str, str]:
    """Unpack an environment into a folder, and run a small Spark job in it."""
    with step(f"trying {archive.name} in a local job") as shown:
        archives.unpack(archive, folder, links="any")
        found = _look(archive, folder)
        if wrong := spark.misfit(found["version"]):
            raise UsageError(f"{archive}: {wrong}")
        _smoke(spark, archive, folder / found["interpreter"], imports)
        shown.done(f"it runs, Python {found['version']}")
    return found


def tested(spark: Spark, archive: Path) -> Environment | None:
    """Return an environment that `prepare` has tested; None if it has not, or not this archive."""
    if not archive.is_file():
        return None
    digest, home, found = _recorded(spark, archive)
    return Environment(archive.absolute(), digest, home / "files", **found) if found else None


def _recorded(spark: Spark, archive: Path) -> tuple[str, Path, dict[str, str]]:
    """Return an archive's hash, its folder here, and what its test found, if there was one."""
    digest = sha256(archive)
    home = spark.home / "environments" / f"{digest[:12]}{spark.mark}"
    record = home / "tried.json"
    found = json.loads(record.read_text()) if record.is_file() else {}
    return digest, home, found if found.keys() == _RECORDED else {}  # not an older release's


def python_in(archive: Path) -> str:
    """Return the path of ``bin/python`` in an archive; empty if it is no environment.

    Raises
    ------
    UsageError
        When it is no archive.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                names = packed.namelist()
        elif archive.suffix == ".jar":
            return ""
        else:
            with tarfile.open(archive) as opened:
                names = opened.getnames()
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UsageError(f"--archives {archive}: it cannot be unpacked: {error}") from error
    found = [name.removeprefix("./") for name in names if f"/{name}".endswith("/bin/python")]
    return min(found, key=lambda name: name.count("/"), default="")


def _read(lock: Path) -> str:
    """Read a requirements file and check that it pins every version."""
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{lock}: {error.strerror}") from error
    joined = re.sub(r"\\\n", " ", text)
    for number, line in enumerate(joined.splitlines(), 1):
        content = line.split(" #")[0].strip()
        if content and not content.startswith(("#", "-")) and not _PIN.match(content):
            raise UsageError(
                f"{lock}, line {number}: {content!r} pins no version; write NAME==VERSION (uv pip "
                "compile --generate-hashes does), so that one name means one environment"
            )
    return text


def _look(archive: Path, folder: Path) -> dict[str, str]:
    """Find the interpreter and the standard library of an unpacked environment."""
    found = (path / "python" for path in folder.rglob("bin"))  # including dangling links
    programs = sorted(filter(os.path.lexists, found), key=lambda path: len(path.parts))
    if not programs:
        raise UsageError(
            f"{archive}: there is no bin/python in it; {called()} spark pack makes one"
        )
    program = programs[0]
    if not program.exists():
        raise UsageError(
            f"{archive}: its bin/python links to {program.readlink()}, which is not on this "
            "machine; pack it with --kind whole, which takes Python along"
        )
    try:
        about = ask(program, "describe")
    except SetupError as error:
        raise UsageError(f"{archive}: {error}") from error
    prefix = Path(about["base_prefix"])
    inside = prefix.resolve().is_relative_to(folder.resolve())
    return {
        "interpreter": program.relative_to(folder).as_posix(),
        "version": about["version"],
        "base": "" if inside else about["base"],
        "glibc": least_glibc(folder),
    }


def _smoke(spark: Spark, archive: Path, python: Path, imports: Sequence[str]) -> None:
    """Run a job with the archive's Python as driver and worker."""
    script = spark.home / "smoke.py"
    script.write_text(_SMOKE)
    command = [str(spark.spark_home / "bin" / "spark-submit"), "--master", "local[1]"]
    command += ["--conf", "spark.ui.enabled=false", "--driver-memory", "512m"]
    guard = [f"-javaagent:{spark.guard}"] if spark.guard.is_file() else []
    options = " ".join((*LANGUAGE, *guard))
    command += ["--conf", f"spark.driver.defaultJavaOptions={options}"]
    environ = {**spark.environ(), "PYSPARK_PYTHON": str(python)}
    result = captured([*command, str(script), *imports], cwd=spark.home, env=environ)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if re.match(r"\w*Error\b", line)]
        last = (lines or result.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"{archive}: a small Spark job fails in this environment: {last[:400]}")


def check_nodes(environment: Environment, *, here: bool, confirmed: bool) -> None:
    """Refuse an archive that needs a Python that nodes may lack.

    Parameters
    ----------
    environment
        What will be shipped.
    here
        Whether the nodes are this machine.
    confirmed
        Whether the user confirms that all nodes have that Python.

    Raises
    ------
    UsageError
        With what to do.
    """
    if environment.base and not (here or confirmed):
        raise UsageError(
            f"{environment.archive.name} has no Python of its own: each node must have "
            f"{environment.base} ({environment.version}). Pack with --kind whole, or add "
            "--python-on-nodes when they do have it"
        )
