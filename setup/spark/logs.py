"""Read and explain the logs of an application's processes."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from setup.called import called
from setup.java import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from setup.spark.cluster import Cluster

__all__ = ["aggregated", "cause", "of_cluster"]

# What appears in logs and diagnostics, and what to do about it; the first match counts.
_CAUSES = {
    r"this node cannot run the shipped environment: ([^\n]+)": (
        "a node cannot run the shipped environment: {0}"
    ),
    r"Cannot run program \"([^\"]*python[^\"]*)\".*No such file or directory": (
        "a node has no {0}: the archive has no Python of its own, and the node not the one that it "
        "links to; pack it with --kind whole"
    ),
    r"(PYTHON_VERSION_MISMATCH|different version.{0,40}than that in driver.{0,60})": (
        "driver and workers run different versions of Python: let both run in the shipped "
        f"environment ({called()} spark submit --archive)"
    ),
    r"(Exec format error|version `GLIBC_[\d.]+' not found)": (
        "the archive was packed on another platform than the nodes' ({0}): pack it on a machine "
        "like them"
    ),
    r"ModuleNotFoundError: No module named '([^']+)'": (
        "the environment has no module {0}: add its package to the requirements and pack again, "
        "or ship the code by --py-files"
    ),
    r"for exceeding physical memory limits\. ([\d.]+ \wB of [\d.]+ \wB)": (
        "an executor and its Python needed more memory than their container has ({0}): raise "
        "--executor-memory, or what Python has of it, --conf spark.executor.memoryOverhead=SIZE"
    ),
    r"beyond the 'PHYSICAL' memory limit\. Current usage: ([\d.]+ \wB of [\d.]+ \wB)": (
        "the driver needed more memory than its container has ({0}): raise --driver-memory"
    ),
    r"(java\.lang\.OutOfMemoryError[^\n]*)": (
        "memory ran out ({0}): raise --executor-memory or --driver-memory"
    ),
    r"to unknown queue: ([\w.-]+)": "the cluster has no queue {0}: name another by --queue",
    r"(not in (?:gzip|GZIP) format|invalid LOC header|unexpected end of file)": (
        "a node could not unpack an archive ({0}): pack it again"
    ),
    r"(?:Application|App).{0,60} killed by user (\w+)": "it was killed by {0}",
    r"(state: KILLED|with state KILLED)": "it was killed",
    r"(ExecutorLostFailure[^\n]{0,200})": "executors were lost ({0})",
    r"^(\w*(?:Error|Exception|Exit): [^\n]+)$": "{0}",
    r"User application exited with status (\d+)": "the application ended with exit code {0}",
}


def cause(*texts: str) -> str:
    r"""Say in one sentence why an application failed; empty if no cause is recognised.

    Parameters
    ----------
    texts
        Logs and diagnostics, the most informative first.

    Examples
    --------
    >>> cause("application_1_1 submitted by user me to unknown queue: big")
    'the cluster has no queue big: name another by --queue'
    >>> cause("Traceback ...\nModuleNotFoundError: No module named 'pandas'")[:38]
    'the environment has no module pandas: '
    """
    for pattern, meaning in _CAUSES.items():
        for text in texts:
            found = list(re.finditer(pattern, text, re.MULTILINE))
            if found:
                return meaning.format(*(group[:300] for group in found[-1].groups()))
    return ""


def of_cluster(cluster: Cluster, application: str) -> dict[str, str]:
    """Read the logs of an application on our own cluster, the driver's first.

    Parameters
    ----------
    cluster
        Where it ran.
    application
        Its id.

    Returns
    -------
    dict
        Text by ``CONTAINER/FILE``.
    """
    found = {}
    for path in sorted((cluster.home / "containers").glob(f"*/{application}/*/std*")):
        found[f"{path.parent.name}/{path.name}"] = path.read_text("utf-8", "replace")
    return found


def aggregated(classes: str, java: Path, environ: Mapping[str, str], application: str) -> str:
    """Fetch the logs of an application that ran on another cluster.

    Parameters
    ----------
    classes
        Class path of Hadoop's client, its settings first.
    java, environ
        Run it.
    application
        Its id.
    """
    command = [str(java), *OPTIONS, "-cp", classes, "org.apache.hadoop.yarn.client.cli.LogsCLI"]
    command += ["-applicationId", application, "-size", "-200000"]
    result = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    return result.stdout if not result.returncode else ""
