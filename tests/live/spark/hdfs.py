"""An HDFS of one DataNode, on loopback, by the jars that YARN comes from."""

from __future__ import annotations

import grp
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from setup.life.process import Process, free_port
from tests.live.spark.kerberos import REALM
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from setup.spark import Spark
    from tests.live.spark.kerberos import Kdc

FSSHELL = "org.apache.hadoop.fs.FsShell"


@dataclass(frozen=True)
class Hdfs:
    """A file system, and Hadoop's programs that speak to it.

    `options` are those of its Javas, `environ` the variables of its clients.
    """

    spark: Spark
    folder: Path
    url: str
    options: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """Write a command of Hadoop's."""
        jars = f"{self.folder}:{self.spark.hadoop}/*:{self.spark.jars}/*"
        opened = "--add-opens=java.base/java.lang=ALL-UNNAMED"
        return [
            str(self.spark.java.program),
            "-Xmx256m",
            opened,
            *self.options,
            "-cp",
            jars,
            *words,
        ]

    def does(self, *words: str) -> str:
        """Run a command of Hadoop's to its end; return what it says if it fails."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return (done.stdout + done.stderr or "failed") if done.returncode else ""

    def run(self, *words: str) -> None:
        """Run a command of Hadoop's that must succeed."""
        assert self.does(*words) == ""

    def put(self, file: Path) -> str:
        """Copy a file; return its URL."""
        self.run(FSSHELL, "-put", str(file), f"/there/{file.name}")
        return f"{self.url}/there/{file.name}"


@contextmanager
def hdfs_running(spark: Spark, folder: Path, kdc: Kdc | None = None) -> Iterator[Hdfs]:
    """Run an HDFS while the block runs; with Kerberos if there is a KDC."""
    port = free_port("127.0.0.1", 0)
    host = "localhost" if kdc else "127.0.0.1"
    url = f"hdfs://{host}:{port}"
    settings = {
        "fs.defaultFS": url,
        "dfs.namenode.name.dir": f"file://{folder}/names",
        "dfs.datanode.data.dir": f"file://{folder}/data",
        "dfs.replication": "1",
        "dfs.datanode.data.dir.perm": "700",
        **dict.fromkeys(
            (
                "dfs.namenode.http-address",
                "dfs.datanode.address",
                "dfs.datanode.ipc.address",
                "dfs.datanode.http.address",
            ),
            f"{host}:0",
        ),
    }
    found = Hdfs(spark, folder, url)
    if kdc:
        settings |= secured(kdc)
        found = Hdfs(spark, folder, url, (kdc.java,), {"KRB5CCNAME": kdc.environ()["KRB5CCNAME"]})
    rows = [f"<property><name>{k}</name><value>{v}</value></property>" for k, v in settings.items()]
    for name in ("core-site.xml", "hdfs-site.xml"):  # the second holds defaults of its own
        (folder / name).write_text(f"<configuration>{''.join(rows)}</configuration>")
    server = "org.apache.hadoop.hdfs.server"
    found.run(f"{server}.namenode.NameNode", "-format", "-nonInteractive")
    parts = [
        Process.start(
            found.command(f"{server}.{name}"),
            folder=folder,
            log=folder / f"{name.rpartition('.')[2]}.log",
            environ=spark.environ(),
        )
        for name in ("namenode.NameNode", "datanode.DataNode")
    ]
    try:
        # Refused until the first is up, out of its safe mode, and knows the second.
        for words in (("-mkdir", "-p", "/there"), ("-put", "-f", "core-site.xml", "/there/sign")):
            eventually(lambda words=words: found.does(FSSHELL, *words) == "", seconds=240)
        yield found
    finally:
        for part in reversed(parts):
            part.stop()


def secured(kdc: Kdc) -> dict[str, str]:
    """Make the keys of the servers and of this account; return the settings that go with them."""
    keytab = kdc.keytab("nn/localhost", "HTTP/localhost")
    kdc.run("kinit", "-k", "-t", str(kdc.keytab(kdc.user)), kdc.user)
    names = {
        "dfs.namenode.kerberos.principal": "nn",
        "dfs.datanode.kerberos.principal": "nn",
        "dfs.web.authentication.kerberos.principal": "HTTP",
        "yarn.resourcemanager.principal": "rm",  # who may renew the tokens of an application
    }
    keys = ("dfs.namenode.keytab.file", "dfs.datanode.keytab.file")
    return {
        "hadoop.security.authentication": "kerberos",
        "hadoop.security.authorization": "true",
        "ipc.client.fallback-to-simple-auth-allowed": "true",  # the YARN here has no Kerberos
        "ignore.secure.ports.for.testing": "true",  # else a DataNode has a port of root's, or TLS
        "dfs.block.access.token.enable": "true",
        "dfs.permissions.superusergroup": grp.getgrgid(os.getgid()).gr_name,
        **{key: f"{name}/localhost@{REALM}" for key, name in names.items()},
        **dict.fromkeys((*keys, "dfs.web.authentication.kerberos.keytab"), str(keytab)),
    }
