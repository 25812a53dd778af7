"""The options of ``setup spark submit``, and those that say what an environment is made of."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setup.numbers import megabytes, number
from setup.spark import environments, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.commands import Parser
    from setup.spark.install import Spark

__all__ = ["add_environment", "add_options", "lock"]

_COUNT = number(1, 65536)


def add_environment(add: Callable[..., Any]) -> None:
    """Add the options that say what a packed environment is made of.

    Parameters
    ----------
    add
        The `add_argument` of a parser.
    """
    add(
        "--requirements",
        metavar="FILE",
        help="pinned packages, best with hashes (default: what core and jobs need)",
    )
    add(
        "--kind",
        choices=list(environments.KINDS),
        default="whole",
        help="whole: with Python (default); venv, zip: nodes have the same one in the same place",
    )


def add_options(parser: Parser) -> None:
    """Add the options of ``setup spark submit``."""
    parser.usage = f"{parser.prog} [OPTION ...] (script.py | -m MODULE) [ARGUMENT ...]"
    parser.epilog = "All other options of spark-submit are handed through to it as they are."
    known = {"--prefix": True, "--help": False, line.PASSED: True}

    def add(*names: str, **how: Any) -> None:
        action = parser.add_argument(*names, **how)
        known.update(dict.fromkeys(action.option_strings, action.nargs != 0))

    parser.add_argument(
        "program", nargs=argparse.REMAINDER, metavar="script.py", help="the program, its arguments"
    )
    parser.add_argument(
        "-m",
        dest="module",
        nargs=argparse.REMAINDER,
        metavar="MODULE",
        help="run this module (of --py-files) instead, as python -m does",
    )
    add(
        "--master",
        metavar="URL",
        help="yarn, local[N], spark://HOST:PORT or sc://HOST:PORT (default: see above)",
    )
    add("--remote", help=argparse.SUPPRESS)
    add("--deploy-mode", choices=["client", "cluster"], help="(default: client)")
    add_environment(add)
    _add_shipped(add)
    _add_cluster(add)
    for name in ("driver", "executor"):
        add(f"--{name}-cores", type=_COUNT, metavar="N")
        add(f"--{name}-memory", type=megabytes, metavar="SIZE")
    add("--num-executors", type=_COUNT, metavar="N")
    add("--total-executor-cores", type=_COUNT, metavar="N")
    add("--scale", action="store_true", help="reduce these sizes to what the cluster has")
    add("--force", action="store_true", help="submit more than the cluster has: it will grow")
    add("--properties-file", metavar="FILE", help="settings of Spark's")
    add("--conf", action="append", default=[], metavar="NAME=VALUE", help="one such setting")
    add("--name", help="of the application (default: the script's)")
    add(line.PASSED, dest="passed", action="append", default=[], help=argparse.SUPPRESS)
    add("--logs", action="store_true", help="show the driver's logs on success too")
    add(
        "--dry-run",
        action="store_true",
        help="print the spark-submit that this stands for, and stop",
    )
    parser.rewrite = partial(line.normalised, known=known)


def _add_shipped(add: Callable[..., None]) -> None:
    """Add the options that say what travels with the application."""
    add("--archive", metavar="FILE", help="ship this environment instead")
    add(
        "--archives",
        metavar="LIST",
        help="archives to ship, each perhaps with #NAME; the first with a bin/python is the "
        "environment",
    )
    add("--no-environment", action="store_true", help="ship none: nodes have all that is needed")
    add("--bigdl", action="store_true", help="with BigDL, on the Spark that it runs on (YARN only)")
    add("--python-on-nodes", action="store_true", help="nodes do have the Python of a venv or zip")
    add("--py-files", default="", metavar="LIST", help="modules, zips, or folders of packages")
    add("--files", default="", metavar="LIST", help="other files to ship")


def _add_cluster(add: Callable[..., None]) -> None:
    """Add the options that say where it goes."""
    add("--spark-home", metavar="DIR", help="the cluster's own Spark, 3.3 to 4.x (or SPARK_HOME)")
    add("--hadoop-conf", metavar="DIR", help="cluster with this yarn-site.xml (or HADOOP_CONF_DIR)")
    add("--queue", metavar="NAME", help="of YARN's scheduler")


def lock(spark: Spark, requirements: str | None) -> Path:
    """Return the lock from which the environment is made."""
    return Path(requirements) if requirements else spark.workers
