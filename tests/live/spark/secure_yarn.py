"""A YARN that asks for Kerberos, its pages too: one NodeManager, on loopback, beside an HDFS."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from setup.errors import ServerError
from setup.life.process import Process, free_port
from setup.spark.resource_manager import KerberosError, ResourceManager
from setup.spark.shape import write_xml
from tests.live.spark.kerberos import REALM
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.spark import Spark
    from tests.live.spark.hdfs import Hdfs
    from tests.live.spark.kerberos import Kdc


@dataclass(frozen=True)
class SecureYarn:
    """Its settings for clients are in `conf`, which HADOOP_CONF_DIR must name."""

    conf: Path
    manager: ResourceManager
    parts: tuple[Process, ...]


def asks(manager: ResourceManager) -> bool:
    """Tell whether the pages are there, and ask for a ticket."""
    try:
        manager.nodes()
    except KerberosError:
        return True
    except ServerError:
        return False
    raise AssertionError("its pages answer everybody")


@contextmanager
def running(spark: Spark, folder: Path, kdc: Kdc, hdfs: Hdfs) -> Iterator[SecureYarn]:
    """Run it while the block runs."""
    ports: list[int] = []
    for _ in range(5):
        ports.append(free_port("127.0.0.1", 0, *ports))
    secret = folder / "signature"
    secret.write_text("of a test")
    secret.chmod(0o600)
    keys = kdc.keytab("rm/localhost", "nm/localhost")
    pages = kdc.folder / "nn-localhost.keytab"  # has HTTP/localhost, for the NameNode's
    conf = folder / "conf"
    conf.mkdir()
    write_xml(conf / "core-site.xml", _settings_of(hdfs) | _core(pages, secret, folder))
    write_xml(conf / "hdfs-site.xml", _settings_of(hdfs))
    write_xml(conf / "yarn-site.xml", _yarn(ports, keys, pages, folder))
    root = "yarn.scheduler.capacity.root"
    queue = {f"{root}.queues": "default", f"{root}.default.capacity": 100}
    queue["yarn.scheduler.capacity.maximum-am-resource-percent"] = 0.8
    write_xml(conf / "capacity-scheduler.xml", queue)
    server = "org.apache.hadoop.yarn.server"
    jars = f"{conf}:{spark.hadoop}/*:{spark.jars}/*"
    parts = tuple(
        Process.start(
            [
                *(str(spark.java.program), "-Xmx256m", "-Djava.net.preferIPv4Stack=true"),
                *("--add-opens=java.base/java.lang=ALL-UNNAMED", kdc.java, "-cp", jars),
                f"{server}.{name}",
            ],
            folder=folder,
            log=folder / f"{name.rpartition('.')[2]}.log",
            environ={**spark.environ(), "HADOOP_CONF_DIR": str(conf)},
        )
        for name in ("resourcemanager.ResourceManager", "nodemanager.NodeManager")
    )
    manager = ResourceManager(f"http://localhost:{ports[4]}")
    try:
        eventually(lambda: asks(manager), seconds=240)
        yield SecureYarn(conf, manager, parts)
    finally:
        for part in reversed(parts):
            part.stop()


def _settings_of(hdfs: Hdfs) -> dict[str, object]:
    found = ET.parse(hdfs.folder / "core-site.xml").iter("property")
    return {str(one.findtext("name")): one.findtext("value") or "" for one in found}


def _core(pages: Path, secret: Path, folder: Path) -> dict[str, object]:
    """Choose the settings of pages that answer those with a ticket alone."""
    page = "hadoop.http.authentication"
    filters = "org.apache.hadoop.security.AuthenticationFilterInitializer"
    return {
        "hadoop.tmp.dir": folder / "tmp",
        "hadoop.http.filter.initializers": filters,
        f"{page}.type": "kerberos",
        f"{page}.kerberos.principal": f"HTTP/localhost@{REALM}",
        f"{page}.kerberos.keytab": pages,
        f"{page}.signature.secret.file": secret,
        f"{page}.simple.anonymous.allowed": "false",
    }


def _yarn(ports: list[int], keys: Path, pages: Path, folder: Path) -> dict[str, object]:
    """Choose its settings; with Kerberos, collecting logs would take Hadoop's native library."""
    names = ("scheduler.address", "resource-tracker.address", "address", "admin.address")
    ends = zip((*names, "webapp.address"), ports, strict=True)
    parts = {"resourcemanager": "rm", "nodemanager": "nm"}
    return {
        **{f"yarn.resourcemanager.{name}": f"localhost:{port}" for name, port in ends},
        **{f"yarn.{part}.principal": f"{name}/localhost@{REALM}" for part, name in parts.items()},
        **{f"yarn.{part}.keytab": keys for part in parts},
        **{f"yarn.{part}.webapp.spnego-principal": f"HTTP/localhost@{REALM}" for part in parts},
        **{f"yarn.{part}.webapp.spnego-keytab-file": pages for part in parts},
        **{f"yarn.{part}.bind-host": "127.0.0.1" for part in parts},
        "yarn.resourcemanager.hostname": "localhost",
        "yarn.node-attribute.fs-store.root-dir": (folder / "attributes").as_uri(),
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 500,
        "yarn.resourcemanager.am.max-attempts": 1,
        "yarn.scheduler.minimum-allocation-mb": 128,
        "yarn.nodemanager.hostname": "localhost",
        **{
            f"yarn.nodemanager.{name}": "localhost:0"
            for name in ("address", "localizer.address", "webapp.address")
        },
        "yarn.nodemanager.resource.memory-mb": 3072,
        "yarn.nodemanager.resource.cpu-vcores": 4,
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 99,
        "yarn.nodemanager.local-dirs": folder / "local",
        "yarn.nodemanager.log-dirs": folder / "containers",
        "yarn.nodemanager.localizer.cache.target-size-mb": 0,
    }
