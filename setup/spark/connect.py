"""Run a program here as a client of Spark Connect, its packages sent along to the server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.programs import captured
from setup import environment
from setup.errors import ServerError, UsageError
from setup.spark import files
from setup.spark.plan import RUN_MODULE

if TYPE_CHECKING:
    import argparse

    from setup.spark.install import Spark
    from setup.spark.plan import Application, Shipment
    from setup.spark.target import Target

__all__ = ["check_client", "check_server", "client", "refuse"]

_CLIENT = Path(__file__).with_name("connect_client.py")
_PORT, _SECONDS = 15002, 10.0
_PACKAGES = "pandas, pyarrow, grpcio, grpcio-status, googleapis-common-protos, zstandard"
_ADDRESS = re.compile(r"sc://(\[[^\]]+\]|[^/:]+)(?::(\d+))?(?:/.*)?")
# What describes processes, which a server of Spark Connect has already.
_OTHERS = (
    *("driver_cores", "driver_memory", "executor_cores", "executor_memory", "num_executors"),
    *("total_executor_cores", "deploy_mode", "queue", "scale", "force", "bigdl", "hadoop_conf"),
)
# Settings that say what this program does, not what a session is.
_OURS = re.compile(r"spark\.(?:master|remote|pyspark\..*|submit\..*|jars|files|archives|app\.name)")


def refuse(options: argparse.Namespace, application: Application) -> None:
    """Refuse options that a server of Spark Connect cannot heed.

    Raises
    ------
    UsageError
        With what to do instead.
    """
    names = [f"--{name.replace('_', '-')}" for name in _OTHERS if vars(options).get(name)]
    names += sorted(application.options.keys() - {"--name", "--jars", "--deploy-mode", "--queue"})
    if names:
        raise UsageError(
            f"{', '.join(names)}: a Spark Connect server has processes of its own, in size and "
            "place as it was started; leave it out"
        )
    if not application.is_python:
        raise UsageError(f"{application.script}: Spark Connect runs programs in Python from here")
    entries = (*application.py_files, *application.files, *application.archives)
    for entry in (application.script, *entries):
        if files.is_remote(entry):
            raise UsageError(f"{entry}: files on this machine are sent to a Spark Connect server")


def check_server(target: Target) -> None:
    """Check that something answers, which a client tries for many minutes.

    Raises
    ------
    ServerError
        When nothing does.
    """
    host, port = _address(target.master)
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        why = error.strerror or error
        raise ServerError(
            f"no Spark Connect server answers at {host}:{port} ({why}): is it up, and are you on "
            "its network?"
        ) from error


def _address(url: str) -> tuple[str, int]:
    """Return host and port of a server.

    Examples
    --------
    >>> _address("sc://spark.example/;token=x"), _address("sc://[::1]:7")
    (('spark.example', 15002), ('::1', 7))
    """
    found = _ADDRESS.fullmatch(url)
    if not found or int(found[2] or 1) > 65_535:
        raise UsageError(f"{url.partition('/;')[0]}: expected sc://HOST:PORT")
    return found[1].strip("[]"), int(found[2] or _PORT)


def check_client(spark: Spark, application: Application, shipment: Shipment | None) -> None:
    """Check that the Python of the program has what a client needs.

    Raises
    ------
    UsageError
        When it lacks a package, naming those that are needed.
    """
    python = _python(spark, application, shipment)
    paths = os.pathsep.join(str(path) for path in (spark.spark_home / "python/lib").glob("*.zip"))
    ask = (
        "import sys; sys.path += sys.argv[1].split(':'); import pandas, pyarrow, grpc, grpc_status;"
        "import google.rpc, pyspark.sql.connect.session"
    )
    try:
        environ = environment.program({"SPARK_HOME": str(spark.spark_home)})
        done = captured([python, "-c", ask, paths], env=environ)
    except OSError as error:
        raise UsageError(f"{python}, the program's Python: {error.strerror}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise UsageError(
            f"{python} cannot be a client of Spark Connect ({last[:300]}): it needs {_PACKAGES}; "
            "add them to --requirements"
        )


def client(
    spark: Spark, application: Application, shipment: Shipment | None, *, runs: bool
) -> tuple[Application, list[str]]:
    """Write the command that runs the program here, and the file that says what it needs.

    Parameters
    ----------
    spark
        Whose client is used unless the program's Python has one.
    application
        What to run.
    shipment
        The environment to send; None for none.
    runs
        Whether it is run, and the file deleted at its end; else the same needs give one file,
        without secrets.
    """
    is_module = application.script == str(RUN_MODULE)
    script = Path(application.script.removeprefix("file:"))
    names = [*application.options.get("--name", ()), application.settings.get("spark.app.name")]
    artifacts = _artifacts(application, shipment)
    needs = {
        "name": names[0] or script.name,
        "path": [] if is_module else [str(script.absolute().parent)],
        "module": is_module,
        "settings": _settings(application, shipment, secrets=runs),
        "py_files": artifacts["pyfile"],
        "artifacts": artifacts,
    }
    text = json.dumps(needs)
    digest = hashlib.sha256(text.encode()).hexdigest()
    folder = spark.home / "submissions"
    folder.mkdir(exist_ok=True, mode=0o700)
    file = folder / f"{application.tag if runs else digest[:12]}.conf"
    write_private(file, text)
    program = [] if is_module else [str(script)]
    words = [_python(spark, application, shipment), str(_CLIENT), str(file), *program]
    return replace(application, properties=file), [*words, *application.arguments]


def _settings(
    application: Application, shipment: Shipment | None, *, secrets: bool
) -> dict[str, dict[str, str]]:
    """List what the session sets: what it must, and what it may."""
    found: dict[str, dict[str, str]] = {"--conf": {}, "": {}}
    for name, value in application.settings.values.items():
        origin = "--conf" if application.settings.origins[name] == "--conf" else ""
        if not _OURS.fullmatch(name) and (secrets or name not in application.secrets):
            found[origin][name] = value
    if shipment:
        found["--conf"]["spark.sql.execution.pyspark.python"] = shipment.program
    return found


def _artifacts(application: Application, shipment: Shipment | None) -> dict[str, list[str]]:
    """List the files to send, by what they are."""
    archives = [_uri(*files.named(entry)) for entry in application.archives]
    if shipment and not shipment.is_listed:
        archives.append(_uri(str(shipment.archive), shipment.name))
    jars = application.options.get("--jars", ())
    return {
        "pyfile": [_path(entry) for entry in application.py_files],
        "archive": archives,
        "file": [_uri(*files.named(entry)) for entry in application.files],
        "jar": [_path(entry) for value in jars for entry in files.listed(value)],
    }


def _path(entry: str) -> str:
    return str(Path(entry.removeprefix("file:")).absolute())


def _uri(path: str, name: str) -> str:
    """Write a path as the client reads it, which takes the rest of a URI for a name."""
    uri = Path(_path(path)).as_uri()
    return f"{uri}#{name}" if name else uri


def _python(spark: Spark, application: Application, shipment: Shipment | None) -> str:
    """Choose the Python of the program."""
    if shipment:
        tested = shipment.environment
        return str(tested.python) if tested else shipment.program
    given = [application.settings.get(f"spark.pyspark.{n}") for n in ("driver.python", "python")]
    given += [os.environ.get(name, "") for name in ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON")]
    return next(filter(None, given), "") or spark.driver_python or "python3"
