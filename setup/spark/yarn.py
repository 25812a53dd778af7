"""Run Hadoop YARN: a ResourceManager and NodeManagers of this account, without HDFS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup import environment
from setup.errors import ServerError
from setup.java import LANGUAGE
from setup.life.daemons import Daemon
from setup.spark.resource_manager import ResourceManager
from setup.spark.shape import HEAP, Shape, log_settings, write_properties, write_xml

if TYPE_CHECKING:
    from pathlib import Path

    from setup.spark.install import Spark

__all__ = ["Yarn"]

_PACKAGE = "org.apache.hadoop.yarn.server"


class Yarn:
    """The kind of cluster that companies have."""

    # scheduler, resource tracker, applications, administration, pages
    ports = (8030, 8031, 8032, 8033, 8088)

    def url(self, shape: Shape) -> str:
        """Return the address of the ResourceManager's pages."""
        return f"http://127.0.0.1:{shape.ports[4]}"

    def missing(self, shape: Shape) -> str:
        """Ask the ResourceManager which nodes are missing."""
        try:
            nodes = ResourceManager(self.url(shape)).nodes()
        except ServerError:
            return "the ResourceManager does not answer"
        ready = sum(node.state == "RUNNING" for node in nodes)
        return "" if ready >= shape.workers else f"{ready} of {shape.workers} nodes are ready"

    def write(self, spark: Spark, home: Path, shape: Shape) -> list[Daemon]:
        """Write the settings of each process, and of clients."""
        daemons = [self._daemon(spark, home, "resourcemanager", "resourcemanager.ResourceManager")]
        self._write_conf(home, home / "conf", shape, {})
        write_xml(home / "conf" / "capacity-scheduler.xml", _scheduler())
        for number in range(1, shape.workers + 1):
            name = f"nodemanager-{number}"
            own = {
                "yarn.nodemanager.local-dirs": home / "local" / name,
                "yarn.nodemanager.log-dirs": home / "containers" / name,
            }
            self._write_conf(home, home / name, shape, own)
            daemons.append(self._daemon(spark, home, name, "nodemanager.NodeManager"))
        write_properties(home / "conf" / "spark-defaults.conf", _properties(spark, home))
        write_private(home / "conf" / "log4j2.properties", log_settings("WARN"))
        return daemons

    def _daemon(self, spark: Spark, home: Path, name: str, main: str) -> Daemon:
        conf = home / ("conf" if name == "resourcemanager" else name)
        server = home / "server"  # its log settings come before those of clients
        server.mkdir(exist_ok=True, mode=0o700)
        write_private(server / "log4j2.properties", log_settings("INFO"))
        classes = ":".join(map(str, (server, conf, spark.hadoop / "*", spark.jars / "*")))
        command = (
            f"-Xmx{HEAP}",
            f"-javaagent:{spark.guard}",
            "-Djava.net.preferIPv4Stack=true",
            f"-Djava.io.tmpdir={home / 'tmp'}",
            *("-cp", classes),
            f"{_PACKAGE}.{main}",
        )
        return Daemon(name, command, variables={"HADOOP_CONF_DIR": str(conf)})

    def _write_conf(self, home: Path, conf: Path, shape: Shape, own: dict[str, Path]) -> None:
        conf.mkdir(exist_ok=True, mode=0o700)
        core = {
            "fs.defaultFS": "file:///",
            "fs.permissions.umask-mode": "077",
            "hadoop.tmp.dir": home / "tmp",
        }
        write_xml(conf / "core-site.xml", core)
        # By default below /tmp, where another account could keep it from starting.
        attributes = {"yarn.node-attribute.fs-store.root-dir": (home / "attributes").as_uri()}
        write_xml(conf / "yarn-site.xml", {**_yarn(shape), **attributes, **own})


def _yarn(shape: Shape) -> dict[str, object]:
    """Choose the settings of all processes and of clients."""
    names = ("scheduler.address", "resource-tracker.address", "address", "admin.address")
    ends = {
        f"yarn.resourcemanager.{name}": f"127.0.0.1:{port}"
        for name, port in zip((*names, "webapp.address"), shape.ports, strict=True)
    }
    return {
        "yarn.resourcemanager.hostname": "127.0.0.1",
        "yarn.resourcemanager.bind-host": "127.0.0.1",
        **ends,
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 500,
        # A node that died is given up after a minute, not ten: until then nothing replaces its
        # executors. An application's master may take longer than that to start on a busy machine;
        # its death, its node tells at once.
        "yarn.nm.liveness-monitor.expiry-interval-ms": 60_000,
        "yarn.am.liveness-monitor.expiry-interval-ms": 180_000,
        "yarn.resourcemanager.am.max-attempts": 1,
        "yarn.scheduler.minimum-allocation-mb": 128,
        "yarn.scheduler.maximum-allocation-mb": shape.memory,
        "yarn.scheduler.maximum-allocation-vcores": shape.cores,
        "yarn.nodemanager.hostname": "127.0.0.1",
        "yarn.nodemanager.bind-host": "127.0.0.1",
        "yarn.nodemanager.address": "127.0.0.1:0",
        "yarn.nodemanager.localizer.address": "127.0.0.1:0",
        "yarn.nodemanager.webapp.address": "127.0.0.1:0",
        "yarn.nodemanager.collector-service.address": "127.0.0.1:0",
        "yarn.nodemanager.resource.memory-mb": shape.memory,
        "yarn.nodemanager.resource.cpu-vcores": shape.cores,
        "yarn.nodemanager.vmem-check-enabled": "false",  # a JVM reserves far more than it uses
        # By default control groups limit the memory. They need root, and without them nothing does.
        # With this setting the NodeManager adds up the memory of a container's processes and ends
        # it.
        "yarn.nodemanager.resource.memory.enforced": "false",
        "yarn.nodemanager.container-monitor.interval-ms": 1000,
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 99,
        # an application's environment goes when it ends, not when the disk is full
        "yarn.nodemanager.localizer.cache.target-size-mb": 0,
        "yarn.nodemanager.localizer.cache.cleanup.interval-ms": 2000,
        "yarn.nodemanager.delete.debug-delay-sec": 0,
        "yarn.nodemanager.log.retain-seconds": 86400,
    }


def _scheduler() -> dict[str, object]:
    """Make one queue whose drivers may take most of the memory, as there may be only one node."""
    root = "yarn.scheduler.capacity.root"
    resources = "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator"
    return {
        f"{root}.queues": "default",
        f"{root}.default.capacity": 100,
        f"{root}.default.acl_submit_applications": environment.user(),
        "yarn.scheduler.capacity.resource-calculator": resources,  # counts cores as well as memory
        "yarn.scheduler.capacity.maximum-am-resource-percent": 0.8,
    }


def _properties(spark: Spark, home: Path) -> dict[str, object]:
    """Choose Spark's settings for applications."""
    guard = f"-javaagent:{spark.guard}"
    return {
        "spark.master": "yarn",
        "spark.yarn.jars": f"local:{spark.jars}/*",
        "spark.yarn.stagingDir": (home / "staging").as_uri(),
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.yarn.scheduler.heartbeat.interval-ms": 500,
        "spark.yarn.am.extraJavaOptions": " ".join((*LANGUAGE, guard)),
        **common_properties(guard),
    }


def common_properties(guard: str) -> dict[str, object]:
    """Choose Spark's settings for applications on any cluster of this machine.

    Parameters
    ----------
    guard
        Java option that reserves its ports for this account.
    """
    options = " ".join((*LANGUAGE, guard))
    return {
        "spark.authenticate": "true",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.defaultJavaOptions": options,
        "spark.executor.defaultJavaOptions": options,
        # the guard looks at sockets of java.nio, not at those of Netty's native library
        "spark.rpc.io.mode": "NIO",
        "spark.shuffle.io.mode": "NIO",
        "spark.ui.port": 0,
        "spark.ui.showConsoleProgress": "false",
    }
