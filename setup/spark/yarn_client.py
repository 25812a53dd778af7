"""Ask a YARN by Hadoop's own client: with Kerberos, its pages answer nobody else."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import keeper
from azkaban_client.programs import captured
from setup import environment
from setup.errors import ServerError
from setup.java import OPTIONS
from setup.spark.resource_manager import ApplicationReport, Node

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["YarnClient", "kerberos_options", "read_nodes", "read_report"]

_SECONDS = 120.0
_NODE = re.compile(r"^\s*(\S+:\d+)\s+([A-Z]+)\s")
_FIELD = re.compile(r"^\t([A-Z][\w -]*?) : ?(.*)$")
# Runs a program with a ticket of its own, as Spark does with a keytab.
_LOGIN = """\
cache=$(mktemp) && trap 'rm -f "$cache"' EXIT && kinit -k -t "$1" -c "$cache" "$2" || exit
shift 2
KRB5CCNAME=FILE:$cache "$@"
"""
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
    login
        A principal and its keytab; empty to use the ticket of this account.
    """

    java: Path
    jars: Path
    variables: Mapping[str, str]
    login: tuple[str, ...] = ()

    def nodes(self) -> list[Node]:
        """List the running machines.

        Raises
        ------
        ServerError
            When the cluster does not answer, as without a ticket.
        """
        return read_nodes(self._ask("NodeCLI", "-list", "-states", "RUNNING", "-showDetails"))

    def application(self, application: str) -> ApplicationReport:
        """Look at one application.

        Raises
        ------
        ServerError
            When the cluster does not answer, or does not know it.
        """
        return read_report(self._ask("ApplicationCLI", "application", "-status", application))

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

    def _ask(self, program: str, *words: str) -> str:
        try:
            done = self._run(program, *words)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerError(f"YARN's client does not answer: {error}") from error
        if done.returncode:
            last = ((done.stdout + done.stderr).strip().splitlines() or ["no message"])[-1]
            raise ServerError(f"YARN's client fails: {last[:300]}")
        return done.stdout

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        return captured(
            self._command(program, *words),
            env=environment.program(self.variables),
            timeout=_SECONDS,
        )

    def _command(self, program: str, *words: str) -> list[str]:
        classes = f"{self.variables.get('HADOOP_CONF_DIR', '')}:{self.jars}/*"
        main = f"org.apache.hadoop.yarn.client.cli.{program}"
        login = ["sh", "-c", _LOGIN, "login", *reversed(self.login)] if self.login else []
        options = [*OPTIONS, *kerberos_options()]
        return [*login, str(self.java), *options, "-cp", classes, main, *words]


def kerberos_options() -> list[str]:
    """Hand the file of KRB5_CONFIG to Java, which knows only /etc/krb5.conf."""
    paths = map(Path, filter(None, os.environ.get("KRB5_CONFIG", "").split(":")))
    files = [path.absolute() for path in paths if path.is_file()]
    return [f"-Djava.security.krb5.conf={path}" for path in files[:1]]


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


def read_report(text: str) -> ApplicationReport:
    r"""Read what ``yarn application -status`` prints.

    Raises
    ------
    ServerError
        When it is something else.

    Examples
    --------
    >>> report = read_report("\tApplication-Id : application_1_1\n\tProgress : 10%\n"
    ...                      "\tState : FINISHED\n\tFinal-State : FAILED\n"
    ...                      "\tDiagnostics : no\nroom\n\tUnmanaged Application : false\n")
    >>> report.state, report.final, report.progress, report.diagnostics
    ('FINISHED', 'FAILED', 10.0, 'no\nroom')
    """
    found, name = dict[str, str](), ""
    for line in text.splitlines():
        if field := _FIELD.match(line):
            name = field[1]
            found[name] = field[2]
        elif name:
            found[name] += f"\n{line}"
    try:
        return ApplicationReport(
            found["Application-Id"],
            found["State"],
            found["Final-State"],
            float(found["Progress"].rstrip("%")),
            0,
            found.get("Diagnostics", ""),
        )
    except (KeyError, ValueError):
        raise ServerError(f"YARN's client says: {text.strip()[:200]}") from None
