"""Build the command line that submits an application to Spark."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.secrecy import masked_words
from setup import archives
from setup.errors import UsageError
from setup.spark.files import is_remote, listed, named, written
from setup.spark.secrecy import DRIVER_JAVA, arguments_file
from setup.spark.settings import Settings, read_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from setup.spark.environments import Environment
    from setup.spark.install import Spark
    from setup.spark.target import Target

__all__ = [
    "RUN_MODULE",
    "Application",
    "Shipment",
    "command",
    "forget",
    "goes_without_page",
    "merged",
    "shown",
    "zip_packages",
]

DAY = 86_400.0  # seconds
NAME = "environment"  # the name under which nodes unpack the archive
RUN_MODULE = Path(__file__).with_name("run_module.py")
_ARGUMENTS_JAVA = 9  # the first that reads options from a file (@FILE)
_LISTS = ("--jars",)  # options of spark-submit with files, about which we need nothing else


@dataclass(frozen=True)
class Shipment:
    """The environment that an application brings along.

    Attributes
    ----------
    archive
        Its file.
    name
        Under which nodes unpack it.
    environment
        The same, tested here; None if it was not (for `shown` only).
    interpreter
        Path of its Python in it, if it was not tested.
    is_listed
        Whether it is one of the archives that the user lists anyway.
    """

    archive: Path
    name: str = NAME
    environment: Environment | None = None
    interpreter: str = "bin/python"
    is_listed: bool = False

    @property
    def program(self) -> str:
        """Its interpreter, relative to the working folder of a process on a node."""
        environment = self.environment
        return f"./{self.name}/{environment.interpreter if environment else self.interpreter}"


@dataclass(frozen=True)
class Application:
    """An application to submit.

    Attributes
    ----------
    script, arguments
        The program.
    settings
        The user's, merged.
    deploy_mode
        ``client`` or ``cluster``.
    sizes
        The options for sizes to pass, by name.
    options
        Other options of spark-submit that the user gave, by name; with no value for a switch.
    py_files, files, archives
        What to ship besides the environment.
    conf
        ``NAME=VALUE`` settings as the user gave them, without those that are secret.
    secrets
        The latter, by name. They travel in `properties`.
    properties
        A file with such settings, if it is to be passed.
    tag
        Identifies the application on the cluster.
    """

    script: str
    arguments: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)
    deploy_mode: str = "client"
    sizes: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    py_files: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    conf: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    properties: Path | None = None
    tag: str = field(default_factory=lambda: f"setup-{uuid.uuid4().hex[:12]}")

    @property
    def is_python(self) -> bool:
        """Whether a Python runs it."""
        return not self.script.endswith((".jar", ".R", ".r")) and "--class" not in self.options


def command(
    spark: Spark, target: Target, application: Application, shipment: Shipment | None
) -> list[str]:
    """Write the command line of spark-submit.

    What the user set, in whatever way, is never set again: an option would win over it.

    Parameters
    ----------
    spark
        Whose spark-submit.
    target
        Which cluster.
    application
        What to run.
    shipment
        The environment to ship; None for none.
    """
    files = [written(*named(file)) for file in application.files]
    ships = [written(*named(archive)) for archive in application.archives]
    environment = shipment.environment if shipment else None
    program = ""
    if shipment and target.local:
        program = str(environment.python) if environment else shipment.program
    elif shipment:
        if not shipment.is_listed:
            ships.append(written(shipment.archive, shipment.name))
        program = shipment.program
    if environment and shipment and not (target.cluster or target.local):
        script = environment.write_launcher(shipment.name)  # nodes may be unlike this machine
        program = f"./{script.name}"
        files.append(written(script))
    options: list[tuple[str, object]] = [
        ("--master", target.master),
        *(
            (name, value)
            for name, values in application.options.items()
            for value in _ship(name, values)
        ),
        ("--properties-file", application.properties or ""),
        ("--py-files", ",".join(written(entry) for entry in application.py_files)),
        ("--files", ",".join(files)),
        ("--archives", ",".join(ships)),
        *application.sizes.items(),
        *(("--conf", setting) for setting in _own(spark, target, application, shipment, program)),
        *(("--conf", setting) for setting in application.conf),
        *(("--conf", f"{name}=***") for name in application.secrets),  # of a command to show
    ]
    words = [
        str(word)
        for name, value in options
        if value != ""
        for word in (name, value)
        if word is not None
    ]
    submit = str(spark.spark_home / "bin" / "spark-submit")
    return [submit, *words, written(application.script), *application.arguments]


def _ship(name: str, values: Sequence[str]) -> Sequence[str | None]:
    """Write the values of an option that is handed through; None for a switch."""
    if name in _LISTS:
        return [",".join(written(entry) for value in values for entry in listed(value))]
    return values or [None]


def _own(
    spark: Spark,
    target: Target,
    application: Application,
    shipment: Shipment | None,
    program: str,
) -> list[str]:
    """List the settings that the user leaves to us."""
    given = application.settings
    found = _interpreters(spark, application, shipment, program)
    if shipment and shipment.environment:
        found |= _classes(spark, target, application, shipment)
    if target.cluster and target.yarn and spark.jars != target.cluster.spark.jars:
        # The settings of the cluster here name the jars of another release.
        found["spark.yarn.jars"] = f"local:{spark.jars}/*"
    if goes_without_page(spark, target, application):
        found["spark.ui.enabled"] = "false"
    found |= spark.needed
    found = {name: value for name, value in found.items() if name not in given.values}
    if target.yarn:
        tags = ",".join(filter(None, (given.get("spark.yarn.tags"), application.tag)))
        found["spark.yarn.tags"] = tags
    return [f"{name}={value}" for name, value in found.items()]


def goes_without_page(spark: Spark, target: Target, application: Application) -> bool:
    """Tell whether the driver starts without Spark's own page, which could end it.

    Since Spark 4.0 the page's handlers start while YARN's ApplicationMaster, in client mode a
    process of its own, adds its filter to them. Nothing but chance decides whether the driver dies
    of that (ConcurrentModificationException in ServletHandler.initialize), by then in the midst of
    the user's program, so that a second try could do its work twice. In cluster mode the filter is
    there before the page.
    """
    racing = target.yarn and application.deploy_mode == "client"
    chosen = "spark.ui.enabled" in application.settings.values
    return racing and not chosen and not spark.version.startswith("3.")


def _interpreters(
    spark: Spark, application: Application, shipment: Shipment | None, program: str
) -> dict[str, str]:
    """Choose the Python of executors (empty: the nodes' own) and of the driver."""
    if not application.is_python:
        return {}
    client = application.deploy_mode == "client"
    python = {"spark.pyspark.python": program} if program else {}
    driver = spark.driver_python if not shipment else ""
    if "spark.pyspark.python" in application.settings.values:
        driver = ""  # it is the driver's, too
    if shipment and shipment.environment:
        driver = str(shipment.environment.python)
    return python | ({"spark.pyspark.driver.python": driver} if client and driver else {})


def _classes(
    spark: Spark, target: Target, application: Application, shipment: Shipment
) -> dict[str, str]:
    """Choose the jars that come before Spark's own on its nodes and in the driver."""
    environment = shipment.environment
    if environment is None:
        return {}
    there = f"./{shipment.name}"
    here = str(environment.unpacked) if application.deploy_mode == "client" else there
    found = {
        process: spark.classes(environment.python, environment.unpacked, root)
        for process, root in (("driver", here), ("executor", there))
    }
    if not any(found.values()):
        return {}
    # They may hold an ASM too old for the guard, whose own has to come first.
    first = "".join(f"{jar}:" for jar in spark.guard.parent.glob("asm-*.jar") if target.cluster)
    return {f"spark.{p}.extraClassPath": f"{first}{path}" for p, path in found.items()}


def merged(
    spark: Spark,
    target: Target,
    application: Application,
    own: Path | None,
    *,
    users: Path | None,
    runs: bool = True,
) -> Application:
    """Merge the settings files of the release, the cluster and the user, and secrets, into one.

    The last wins. A single one is passed as it is, and a command that is shown gets no secrets.

    Parameters
    ----------
    spark
        Whose folder gets it.
    target
        The cluster.
    application
        What to run.
    own
        The release's own settings; None if it has none.
    users
        The user's; None if there are none.
    runs
        Whether it is run, and the file deleted at its end; else the same settings give one file.

    Returns
    -------
    Application
        With that file as its properties, mode 0600, in the folder ``submissions``, where `forget`
        deletes it.

    Raises
    ------
    UsageError
        When one cannot be read, or a secret cannot stand in a file.
    """
    layers = [path for path in (own, target.properties, users) if path]
    secrets = application.secrets if runs else {}
    if len(layers) < 2 and not secrets:
        return replace(application, properties=layers[0] if layers else None)
    import javaproperties

    together: dict[str, str] = {}
    for path in layers:
        together.update(read_file(path, "--properties-file"))
    for name, value in secrets.items():
        if name == DRIVER_JAVA and application.deploy_mode == "client":
            value = _without_secrets_of_java(spark, application.tag, value)  # noqa: PLW2901
        if value != value.strip():
            raise UsageError(
                f"--conf {name}: its value begins or ends with white space, which no file of "
                "settings can hold"
            )
        together[name] = value
    folder = spark.home / "submissions"
    folder.mkdir(exist_ok=True, mode=0o700)
    for left in folder.glob("setup-*.conf"):  # by a submit that was killed; Spark has read it
        if time.time() - left.stat().st_mtime > DAY:
            left.unlink(missing_ok=True)
    text = javaproperties.dumps(together, timestamp=None)
    file = (
        folder
        / f"{application.tag if runs else hashlib.sha256(text.encode()).hexdigest()[:12]}.conf"
    )
    write_private(file, text)
    return replace(application, properties=file, secrets={} if runs else application.secrets)


def _without_secrets_of_java(spark: Spark, tag: str, options: str) -> str:
    """Put secrets among Java's options into a file that Java reads: its line shows them else."""
    if spark.java.major < _ARGUMENTS_JAVA:
        return options
    try:
        others, hidden = arguments_file(options)
    except ValueError as error:
        raise UsageError(f"{DRIVER_JAVA}: {error}") from None
    file = spark.home / "submissions" / tag / "java-options"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(file, hidden)
    return " ".join([*map(shlex.quote, others), shlex.quote(f"@{file}")])


def forget(spark: Spark, tag: str) -> None:
    """Delete what was written for one run of an application.

    Parameters
    ----------
    spark, tag
        Whose folder has it, and the application's tag.
    """
    folder = spark.home / "submissions"
    (folder / f"{tag}.conf").unlink(missing_ok=True)
    shutil.rmtree(folder / tag, ignore_errors=True)


def zip_packages(spark: Spark, entries: Sequence[str]) -> tuple[str, ...]:
    """Zip the folders among ``--py-files``: each is a package, named by a hash of its content."""
    found = []
    for entry in entries:
        path = Path(entry)
        if is_remote(entry) or not path.is_dir():
            found.append(entry)
            continue
        path = path.resolve()
        members = [
            replace(member, name=f"{path.name}/{member.name}")
            for member in archives.members(path, links=False)
            if "__pycache__" not in member.name
        ]
        folder = spark.home / "packs"
        folder.mkdir(exist_ok=True, parents=True, mode=0o700)
        target = folder / f"{path.name}-{archives.digest(members)[:12]}.zip"
        if not target.is_file():
            archives.write(members, target)
        found.append(str(target))
    return tuple(found)


def shown(words: Sequence[str], environ: Mapping[str, str], without: Sequence[str] = ()) -> str:
    r"""Write a command as it would be typed.

    Parameters
    ----------
    words
        The command.
    environ, without
        Variables that it has, and those that it must not have.

    Examples
    --------
    >>> print(shown(["spark-submit", "--name", "my job", "a b.py"], {"X": "1"}, ["Y"]))
    env -u Y X=1 spark-submit \
        --name 'my job' \
        'a b.py'
    """
    first = ["env", *(f"-u {shlex.quote(name)}" for name in without)] if without else []
    first += [f"{n}={shlex.quote(masked_words([value])[0])}" for n, value in environ.items()]
    lines, rest = [" ".join([*first, shlex.quote(words[0])])], list(words[1:])
    while rest and rest[0].startswith("--"):
        taken = 1 if rest[1:2] and rest[1].startswith("--") else 2  # a switch has no value
        lines.append(shlex.join(rest[:taken]))
        rest = rest[taken:]
    return " \\\n    ".join([*lines, shlex.join(rest)])
