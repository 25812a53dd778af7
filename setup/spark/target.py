"""Choose where applications run: on the cluster of this prefix, or on one of the user's own."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from setup.called import called
from setup.errors import ServerError, UsageError
from setup.paths import expanded
from setup.spark.cluster import running
from setup.spark.resource_manager import Node, ResourceManager

if TYPE_CHECKING:
    from pathlib import Path

    from setup.spark.cluster import Cluster
    from setup.spark.install import Spark

__all__ = ["Target", "find"]


@dataclass(frozen=True)
class Target:
    """A cluster that accepts applications.

    Attributes
    ----------
    master
        For spark-submit: ``yarn``, or a URL.
    conf
        HADOOP_CONF_DIR.
    properties
        Spark settings for this cluster; None if there are only the user's.
    manager
        Its ResourceManager; None for a standalone cluster.
    cluster
        Our own cluster; None for another.
    """

    master: str
    conf: Path
    properties: Path | None
    manager: ResourceManager | None
    cluster: Cluster | None

    def nodes(self) -> list[Node]:
        """List the running machines.

        Raises
        ------
        ServerError
            When the cluster cannot be asked.
        """
        if self.manager:
            try:
                found = self.manager.nodes()
            except ServerError as error:
                again = f": {called()} spark stop, then start, brings this cluster back"
                raise ServerError(f"{error}{again if self.cluster else ''}") from error
            return [node for node in found if node.state == "RUNNING"]
        if not self.cluster:
            return []
        shape = self.cluster.shape
        workers = range(1, shape.workers + 1)
        return [Node(f"worker-{n}", "RUNNING", shape.memory, shape.cores) for n in workers]


def find(spark: Spark, conf: str | None = None, *, ask: bool = True) -> Target:
    """Choose the cluster: the named one, else this prefix's, else that of HADOOP_CONF_DIR.

    Parameters
    ----------
    spark
        Whose own cluster may run.
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
    own = None if conf else running(spark)
    if own:
        master, manager = "yarn", None
        if own.kind == "yarn":
            manager = ResourceManager(own.url)
        else:
            master = f"spark://127.0.0.1:{own.shape.ports[0]}"
        return Target(master, own.conf, own.properties, manager, own)
    folder = conf or os.environ.get("HADOOP_CONF_DIR") or os.environ.get("YARN_CONF_DIR")
    if not folder:
        raise UsageError(
            f"there is no cluster: start one with {called()} spark start yarn, or name the "
            "folder with yours' yarn-site.xml by --hadoop-conf DIR or HADOOP_CONF_DIR"
        )
    path = expanded(folder).absolute()
    if not (path / "yarn-site.xml").is_file():
        raise UsageError(f"{path}: there is no yarn-site.xml in it, HADOOP_CONF_DIR must have one")
    return Target("yarn", path, None, _manager(path) if ask else None, None)


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
