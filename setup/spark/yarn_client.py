"""Ask a YARN by Hadoop's own client: with Kerberos, its pages answer nobody else."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azkaban_client import keeper
from azkaban_client.programs import captured
from setup import environment
from setup.errors import ServerError
from setup.java import OPTIONS
from setup.spark.resource_manager import Node

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["YarnClient", "read_nodes"]

_SECONDS = 120.0
_NODE = re.compile(r"^\s*(\S+:\d+)\s+([A-Z]+)\s")
_RESOURCES = re.compile(r"Configured Resources : <memory:(\d+), vCores:(\d+)")


@dataclass(frozen=True)
class YarnClient:
    """The programs of Hadoop's client, among Spark's jars.

    Parameters
    ----------
    java
        Runs them.
    jars
        Spark's.
    variables
        By which it finds the cluster.
    """

    java: Path
    jars: Path
    variables: Mapping[str, str]

    def nodes(self) -> list[Node]:
        """List the running machines.

        Raises
        ------
        ServerError
            When the cluster does not answer, as without a ticket.
        """
        words = ("-list", "-states", "RUNNING", "-showDetails")
        try:
            done = self._run("NodeCLI", *words)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerError(f"YARN's client does not answer: {error}") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ServerError(f"YARN's client fails: {last[:300]}")
        return read_nodes(done.stdout)

    def logs(self, application: str) -> str:
        """Fetch the end of an application's logs; empty if there are none."""
        words = ("-applicationId", application, "-size", "-200000")
        try:
            done = self._run("LogsCLI", *words)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return "" if done.returncode else done.stdout

    def kill(self, application: str) -> None:
        """Begin to end an application, by a program that outlives this one."""
        subprocess.Popen(
            self._command("ApplicationCLI", "application", "-kill", application),
            env=environment.program({**self.variables, keeper.VARIABLE: keeper.OUTLIVES}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        return captured(
            self._command(program, *words),
            env=environment.program(self.variables),
            timeout=_SECONDS,
        )

    def _command(self, program: str, *words: str) -> list[str]:
        classes = f"{self.variables.get('HADOOP_CONF_DIR', '')}:{self.jars}/*"
        main = f"org.apache.hadoop.yarn.client.cli.{program}"
        return [str(self.java), *OPTIONS, "-cp", classes, main, *words]


def read_nodes(text: str) -> list[Node]:
    r"""Read what ``yarn node -list -showDetails`` prints.

    Examples
    --------
    >>> read_nodes("h:1  RUNNING  h:2  0\n  Configured Resources : <memory:3072, vCores:4>\n")
    [Node(name='h:1', state='RUNNING', memory=3072, cores=4)]
    """
    found, name, state = list[Node](), "", ""
    for line in text.splitlines():
        if at := _NODE.match(line):
            name, state = at[1], at[2]
        elif (size := _RESOURCES.search(line)) and name:
            found.append(Node(name, state, int(size[1]), int(size[2])))
            name = ""
    return found
