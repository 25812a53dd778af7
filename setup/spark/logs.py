"""Read and explain the logs of an application's processes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from setup.called import called

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from setup.spark.cluster import Cluster

__all__ = ["ENDED", "cause", "exception", "of_cluster", "out_of_memory"]

ENDED = "the application ended with exit code"

# What appears in logs and diagnostics, and what to do about it; the first match counts.
_CAUSES = {
    r"this node cannot run the shipped environment: ([^\n]+)": (
        "a node cannot run the shipped environment: {0}"
    ),
    r"Exception in thread \"main\" \S*IOException: Cannot run program \"([^\"]*python[^\"]*)\"": (
        "the driver's machine has no {0}, which was to run the program: set "
        "spark.pyspark.driver.python to one that it has"
    ),
    r"Cannot run program \"([^\"]*python[^\"]*)\".*(?:No such file or directory|error=2\b)": (
        "a node has no {0}: the archive has no Python of its own, and the node not the one that it "
        "links to; pack it with --kind whole"
    ),
    r"different version:? (\d+\.\d+)\W+than that in driver:? (\d+\.\d+)": (
        "a node has Python {0}, the driver {1}: let both run in the shipped "
        f"environment ({called()} spark submit --archive)"
    ),
    r"(PYTHON_VERSION_MISMATCH)": (
        "driver and workers run different versions of Python: let both run in the shipped "
        f"environment ({called()} spark submit --archive)"
    ),
    r"(Exec format error|version `GLIBC_[\d.]+' not found)": (
        "the archive was packed on another platform than the nodes' ({0}): pack it on a machine "
        "like them"
    ),
    r"ConcurrentModificationException(?:\n\s+at [^\n]+)*\.ServletHandler\.initialize": (
        "Spark's own page failed while it started, which happens by chance to Spark 4 in client "
        "mode on YARN: submit again with --conf spark.ui.enabled=false"
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
    r"(GSS initiate failed|Client cannot authenticate via:\[TOKEN, KERBEROS\]|"
    r"No valid credentials provided)": (
        "Kerberos has no ticket for this account ({0}): run kinit, or name --principal and --keytab"
    ),
    r"(Can't get Kerberos realm|Cannot locate default realm|Cannot find KDC for realm \S+)": (
        "Java finds no settings of Kerberos ({0}): it reads /etc/krb5.conf, or the file that "
        "KRB5_CONFIG names, on this machine and on each node"
    ),
    r"(Can't get Master Kerberos principal)": (
        "the settings of the cluster do not say who may renew its tokens ({0}): HADOOP_CONF_DIR "
        "must have a yarn-site.xml with yarn.resourcemanager.principal"
    ),
    r"QuotaExceededException: (?:The )?([^\n]*? of (?:directory )?(\S+) is exceeded[^\n]*)": (
        "the file system has no room left for this account ({0}): delete what is not needed in "
        "{1}, or let spark.yarn.stagingDir name another folder"
    ),
    r"Permission denied: user=(\S+), access=(\w+), inode=\"([^\"]+)\":(\S+)": (
        "{0} may not {1} {2} ({3}): ask its owner, or name another folder; what an application "
        "sends goes to the account's own, or to that of spark.yarn.stagingDir"
    ),
    r"This token is expired\. (current time is \d+ found \d+)": (
        "the clocks of the cluster's machines differ ({0}, milliseconds): a node took the "
        "ResourceManager's permission for an old one; tell its administrators"
    ),
    r"(Clock skew too great)": (
        "the clock of this machine and that of Kerberos differ ({0}): have one of them set"
    ),
    r"Could not find or load main class (org\.apache\.spark\.[\w.]+)": (
        "the nodes do not find Spark's jars ({0}): there are none where spark.yarn.jars or "
        "spark.yarn.archive says"
    ),
    r"(Container released on a \*lost\* node)": "a node of the cluster was lost ({0})",
    r"to unknown queue: ([\w.-]+)": "the cluster has no queue {0}: name another by --queue",
    r"(not in (?:gzip|GZIP) format|invalid LOC header|unexpected end of file)": (
        "a node could not unpack an archive ({0}): pack it again"
    ),
    r"(?:Application|App).{0,60} killed by user (\w+)": "it was killed by {0}",
    r"(state: KILLED|with state KILLED)": "it was killed",
    r"AM Container for \S+ exited with\s+exitCode: (137|143)\b": (
        "the application's master was killed (exit code {0}): by the system if memory ran out, or "
        "by somebody"
    ),
    r"(ExecutorLostFailure[^\n]{0,200})": "executors were lost ({0})",
}

# The same, where no exception of Python says more.
_LAST_CAUSES = {
    r"^(\w*(?:Error|Exception|Exit): [^\n]+)$": "{0}",
    r"User application exited with status (\d+)": f"{ENDED} {{0}}",
    r"Exception in thread \"?[^\"\s]+\"? ((?![^\n]*finished with)[^\n]+)": "{0}",
    r"^Error: ([^\n]+)$": "{0}",
}

_LINE = re.compile(r"\A|^\d{2,4}[-/]\d\d[-/]\d\d[ T]", re.MULTILINE)  # the begin of a message
_TASK = re.compile(r"Lost task [^\n(]*\(TID \d+\) \((\S+) executor \d+\)")
_TRACEBACK = "Traceback (most recent call last):"
_MEMORY = re.compile(r"java\.lang\.OutOfMemoryError[^\n]*")
# How a driver tells of an executor: by its error, or by the exit status that Spark gives it then.
_MEMORY_OF_EXECUTOR = re.compile(
    r"executor \d+\): (?:[^\n]*?)(java\.lang\.OutOfMemoryError[^\n]*)|"
    r"ExecutorLostFailure[^\n]*?(?:[Ee]xit (?:status|code):?|code) 52\b"
)


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
    >>> cause('Lost task 0.3 in stage 0.0 (TID 3) (n7 executor 1): Cannot run program "python3": '
    ...       'error=2, No such file or directory')[:22]
    'node n7 has no python3'
    >>> cause("Traceback ...\nModuleNotFoundError: No module named 'pandas'")[:38]
    'the environment has no module pandas: '
    """
    exceptions = (exception(text) for text in texts)
    return (
        _first(_CAUSES, texts) or next(filter(None, exceptions), "") or _first(_LAST_CAUSES, texts)
    )


def _first(causes: Mapping[str, str], texts: Sequence[str]) -> str:
    for pattern, meaning in causes.items():
        for text in texts:
            found = list(re.finditer(pattern, text, re.MULTILINE))
            if found:
                said = meaning.format(*(group[:300] for group in found[-1].groups()))
                if nodes := _nodes(text, [match.start() for match in found[-50:]]):
                    said = re.sub("^a node (can|could|has)", f"node {nodes} \\1", said)
                return said
    return ""


def _nodes(text: str, places: Sequence[int]) -> str:
    """Name the machines whose tasks were lost for what stands at some places of a driver's log."""
    hosts = dict[str, None]()
    for place in places:
        start = max(line.start() for line in _LINE.finditer(text, 0, place + 1))
        if task := _TASK.search(text, start, place):
            hosts[task[1]] = None
    return ", ".join(list(hosts)[:5])


def exception(text: str) -> str:
    r"""Return the last exception of Python in a text, without its modules; empty if there is none.

    Examples
    --------
    >>> exception('Traceback (most recent call last):\n  File "x", line 1\nmy.pack.Fault: gone\n')
    'Fault: gone'
    >>> exception("Traceback (most recent call last):\n ..\nPy4JJavaError: in x.\n: java.Fault: no")
    'java.Fault: no'
    """
    _, found, rest = text.rpartition(_TRACEBACK)
    lines = rest.splitlines()[1:] if found else []
    last = next((line for line in lines if line.strip() and line[0] not in " \t"), "")
    if "Py4JJavaError: " in last:  # the next line has Java's own exception
        last = next((line[2:] for line in lines if line.startswith(": ")), last)
        return last.strip()[:300]
    return re.sub(r"^(?:\w+\.)+(?=\w+(:|$))", "", last).strip()[:300]


def out_of_memory(driver: str, executors: str) -> str:
    """Say whose Java heap ran out; empty if none did.

    Parameters
    ----------
    driver, executors
        What each of them printed.

    Examples
    --------
    >>> out_of_memory("TaskSetManager: Lost task (h executor 1): java.lang.OutOfMemoryError: x", "")
    "an executor's memory ran out (java.lang.OutOfMemoryError: x): raise --executor-memory"
    """
    told = _MEMORY_OF_EXECUTOR.search(driver)
    found = _MEMORY.search(executors)
    if found or told:
        words = found[0] if found else (told and told[1]) or "exit status 52"
        return f"an executor's memory ran out ({words[:200]}): raise --executor-memory"
    if found := _MEMORY.search(driver):
        return f"the driver's memory ran out ({found[0][:200]}): raise --driver-memory"
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
