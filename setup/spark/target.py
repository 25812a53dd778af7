"""Choose where applications run: on the cluster of this prefix, or on one of the user's own."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from azkaban_client.programs import captured
from azkaban_client.secrecy import masked_words
from setup import environment
from setup.called import called
from setup.errors import ServerError, UsageError
from setup.paths import expanded
from setup.spark.cluster import running
from setup.spark.install import Spark
from setup.spark.resource_manager import KerberosError, Node, ResourceManager

if TYPE_CHECKING:
    from pathlib import Path

    from setup.spark.cluster import Cluster

__all__ = ["Target", "find"]


_SCRIPT_SECONDS = 30.0
_HADOOP = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
_LOCAL = re.compile(r"local(\[(\d+|\*)(, *\d+)?\]|-cluster\[\d+, *\d+, *\d+\])?")

# Masters that spark-submit knows, or knew, and what to do instead.
_OTHERS = {
    r"yarn-(client|cluster)": "write --master yarn --deploy-mode {0}, as since Spark 2",
    r"k8s://.*": "executors on Kubernetes run in container images, so no environment is shipped: "
    "use spark-submit itself, and put the packages into your image",
    r"mesos://.*|zk://.*": "Spark left Mesos in 4.0: use yarn, or a master spark://HOST:PORT",
}


@dataclass(frozen=True)
class Target:
    """A cluster that accepts applications.

    Attributes
    ----------
    master
        For spark-submit: ``yarn``, or a URL.
    conf
        The folder with yarn-site.xml; None for one that is not YARN.
    properties
        Spark settings for this cluster; None if there are only the user's.
    manager
        Its ResourceManager; None for another kind of cluster, or if it was not looked for.
    cluster
        Our own cluster; None for another.
    named_by
        What named the cluster: an option or a variable.
    kerberos
        Whether its pages are for those with a ticket only.
    login
        The principal and the keytab that the user names, if any.
    """

    master: str
    conf: Path | None
    properties: Path | None
    manager: ResourceManager | None
    cluster: Cluster | None
    named_by: str = ""
    kerberos: bool = False
    login: tuple[str, ...] = ()

    @property
    def yarn(self) -> bool:
        """Whether it is a YARN."""
        return self.master == "yarn"

    @property
    def local(self) -> bool:
        """Whether it is no cluster but this machine alone."""
        return self.master.startswith("local")

    @property
    def remote(self) -> bool:
        """Whether it is a server of Spark Connect."""
        return self.master.startswith("sc://")

    @property
    def where(self) -> str:
        """Where an application goes, in words."""
        if self.cluster:
            return f"the {self.cluster.kind} cluster of this prefix, {self.cluster.url}"
        if self.local:
            return f"this machine alone, {self.master} ({self.named_by})"
        if self.remote:
            return f"the Spark Connect server {masked_words([self.master])[0]} ({self.named_by})"
        if not self.yarn:
            return f"{self.master} ({self.named_by})"
        manager = f" at {self.manager.url}" if self.manager else ""
        return f"the YARN{manager} of {self.conf} ({self.named_by})"

    def variables(self) -> dict[str, str]:
        """Return the variables by which Spark and Hadoop find it, or its settings."""
        if self.remote:
            return {"SPARK_REMOTE": self.master}
        if not self.conf:
            return {}
        if self.named_by in _HADOOP:
            return {name: os.environ[name] for name in _HADOOP if os.environ.get(name)}
        return dict.fromkeys(_HADOOP, str(self.conf))  # another's must not come first

    def nodes(self) -> list[Node] | None:
        """List the running machines; None if nobody tells.

        Raises
        ------
        ServerError
            When the cluster cannot be asked.
        """
        if self.kerberos:
            return None
        if self.manager:
            try:
                found = self.manager.nodes()
            except ServerError as error:
                again = f": {called()} spark stop, then start, brings this cluster back"
                raise ServerError(f"{error}{again if self.cluster else ''}") from error
            return [node for node in found if node.state == "RUNNING"]
        if not self.cluster:
            return None
        shape = self.cluster.shape
        workers = range(1, shape.workers + 1)
        return [Node(f"worker-{n}", "RUNNING", shape.memory, shape.cores) for n in workers]


def find(
    spark: Spark, master: str = "", origin: str = "", conf: str | None = None, *, ask: bool = True
) -> Target:
    """Choose the cluster: what the user names, else that of HADOOP_CONF_DIR, else this prefix's.

    Parameters
    ----------
    spark
        Whose own cluster may run.
    master
        As for spark-submit; empty if the user names none.
    origin
        What names the master.
    conf
        A folder with yarn-site.xml, or None.
    ask
        Whether to find out which ResourceManager answers.

    Raises
    ------
    UsageError
        When there is none.
    ServerError
        When no ResourceManager answers.
    """
    own = running(Spark(spark.layout))
    if master and master != "yarn":
        return _of_master(master, origin, own)
    folder, named_by = (conf, "--hadoop-conf") if conf else _given(spark)
    if not folder or (own and not conf and _same(folder, own.conf)):
        if own and (own.kind == "yarn" or not master):
            return _own(own)
        what = "the cluster of this prefix is no YARN" if own else "there is no cluster"
        raise UsageError(
            f"{what}: start one with {called()} spark start yarn, or name the "
            "folder with yours' yarn-site.xml by --hadoop-conf DIR or HADOOP_CONF_DIR"
        )
    path = expanded(folder).absolute()
    if not (path / "yarn-site.xml").is_file():
        raise UsageError(
            f"{path}: there is no yarn-site.xml in it, {named_by} must name a folder with one "
            f"(unset it, or name another --master, to go elsewhere)"
        )
    try:
        manager = _manager(path) if ask else None
    except KerberosError as error:
        return Target("yarn", path, None, error.manager, None, named_by, kerberos=True)
    return Target("yarn", path, None, manager, None, named_by)


def _of_master(master: str, origin: str, own: Cluster | None) -> Target:
    """Choose the cluster of a master that is not YARN."""
    for pattern, instead in _OTHERS.items():
        if found := re.fullmatch(pattern, master):
            raise UsageError(f"{origin} {master}: {instead.format(*found.groups() or (master,))}")
    if master.startswith("spark://") and own and own.kind == "standalone":
        ours = _own(own)
        if master in (ours.master, ours.master.replace("127.0.0.1", "localhost")):
            return ours
    if not (
        re.fullmatch(r"sc://[^\s/]+(/\S*)?", master)
        or _LOCAL.fullmatch(master)
        or re.fullmatch(r"spark://[^\s/:]+:\d+(,[^\s/:]+:\d+)*", master)
    ):
        raise UsageError(
            f"{origin} {master}: expected yarn, local, local[N], local[*], spark://HOST:PORT or "
            "sc://HOST:PORT"
        )
    return Target(master, None, None, None, None, origin)


def _own(cluster: Cluster) -> Target:
    """Describe the cluster of this prefix."""
    if cluster.kind == "yarn":
        manager = ResourceManager(cluster.url)
        return Target("yarn", cluster.conf, cluster.properties, manager, cluster)
    master = f"spark://127.0.0.1:{cluster.shape.ports[0]}"
    return Target(master, cluster.conf, cluster.properties, None, cluster)


def _given(spark: Spark) -> tuple[str, str]:
    """Return the folder that the user's variables name for Hadoop's clients, and the variable."""
    given = [(value, name) for name in _HADOOP if (value := os.environ.get(name))]
    for value, name in given:  # the first may be for HDFS only
        if (expanded(value) / "yarn-site.xml").is_file():
            return value, name
    return given[0] if given else (_of_spark_env(spark), "spark-env.sh")


def _of_spark_env(spark: Spark) -> str:
    """Return the HADOOP_CONF_DIR that the user's spark-env.sh sets, which spark-submit runs."""
    folder = os.environ.get("SPARK_CONF_DIR")
    script = expanded(folder) / "spark-env.sh" if folder else spark.spark_home / "conf/spark-env.sh"
    if not script.is_file():
        return ""
    words = '. "$1" >/dev/null 2>&1; printf %s "${HADOOP_CONF_DIR:-$YARN_CONF_DIR}"'
    try:
        done = captured(
            ["bash", "-c", words, "bash", str(script)],
            env=environment.program({"SPARK_HOME": str(spark.spark_home)}),
            timeout=_SCRIPT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        why = f"it has run for {_SCRIPT_SECONDS:.0f} s"
    else:
        why = f"it ends the shell, with exit code {done.returncode}" if done.returncode else ""
    if why:
        raise UsageError(f"{script}: {why}; spark-submit, which runs it, would not get any further")
    return done.stdout.strip()


def _same(folder: str, conf: Path) -> bool:
    return os.path.realpath(expanded(folder)) == os.path.realpath(conf)


def _manager(conf: Path) -> ResourceManager:
    """Find the ResourceManager that answers, using the settings of YARN's clients."""
    settings = _settings(conf)
    secure = settings.get("yarn.http.policy", "HTTP_ONLY") == "HTTPS_ONLY"
    scheme, port = ("https", 8090) if secure else ("http", 8088)
    key = f"yarn.resourcemanager.webapp.{'https.' if secure else ''}address"
    ids = settings.get("yarn.resourcemanager.ha.rm-ids", "")
    suffixes = [f".{one.strip()}" for one in ids.split(",") if one.strip()] or [""]
    managers = []
    for suffix in suffixes:
        host = settings.get(f"yarn.resourcemanager.hostname{suffix}")
        address = settings.get(f"{key}{suffix}") or (f"{host}:{port}" if host else "")
        if address:
            managers.append(ResourceManager(f"{scheme}://{address}"))
    if not managers:
        raise UsageError(
            f"{conf}/yarn-site.xml names neither {key} nor yarn.resourcemanager.hostname"
        )
    failed = ""
    for manager in managers:
        try:
            manager.nodes()
        except KerberosError:
            raise
        except ServerError as error:
            failed = str(error)
        else:
            return manager
    raise ServerError(
        f"{failed} ({conf}/yarn-site.xml names it): is it up, and are you on its network?"
    )


def _settings(conf: Path) -> dict[str, str]:
    """Read yarn-site.xml, ``${other.setting}`` filled in."""
    found = {}
    try:
        for item in ET.parse(conf / "yarn-site.xml").iter("property"):  # noqa: S314 (the user's own settings)
            name, value = item.findtext("name"), item.findtext("value")
            if name and value:
                found[name.strip()] = value.strip()
    except ET.ParseError as error:
        raise UsageError(f"{conf / 'yarn-site.xml'} is not XML: {error}") from error
    return {
        name: re.sub(r"\$\{([^}]+)\}", lambda match: found.get(match[1], match[0]), value)
        for name, value in found.items()
    }
