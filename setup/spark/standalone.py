"""Run Spark's own cluster: a master and workers."""

from __future__ import annotations

import json
import secrets
import urllib.request
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup.life.daemons import Daemon
from setup.spark.shape import HEAP, Shape, log_settings, write_properties
from setup.spark.yarn import common_properties

if TYPE_CHECKING:
    from pathlib import Path

    from setup.spark.install import Spark

__all__ = ["Standalone"]

_PACKAGE = "org.apache.spark.deploy"


class Standalone:
    """The kind of cluster that needs nothing but Spark."""

    ports = (7077, 8080)  # applications, pages

    def url(self, shape: Shape) -> str:
        """Return the address of the master's pages."""
        return f"http://127.0.0.1:{shape.ports[1]}"

    def missing(self, shape: Shape) -> str:
        """Ask the master which workers are missing."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url(shape)}/json/", timeout=10) as answer:
                found = json.loads(answer.read())
        except (OSError, ValueError):
            return "the master does not answer"
        ready = sum(worker["state"] == "ALIVE" for worker in found["workers"])
        return "" if ready >= shape.workers else f"{ready} of {shape.workers} workers are ready"

    def write(self, spark: Spark, home: Path, shape: Shape) -> list[Daemon]:
        """Write the settings of master, workers and clients."""
        guard = f"-javaagent:{spark.guard}"
        master = f"spark://127.0.0.1:{shape.ports[0]}"
        settings = {
            "spark.master": master,
            "spark.master.rest.enabled": "false",
            "spark.authenticate.secret": secrets.token_hex(32),
            "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
            "spark.port.maxRetries": 0,  # a master on another port than ours would not be found
            "spark.worker.cleanup.enabled": "true",
            "spark.worker.cleanup.appDataTtl": 86400,
            **common_properties(guard),
        }
        conf = home / "conf"
        write_properties(conf / "spark-defaults.conf", settings)
        write_private(conf / "log4j2.properties", log_settings("WARN"))
        server = home / "server"
        server.mkdir(exist_ok=True, mode=0o700)
        write_private(server / "log4j2.properties", log_settings("INFO"))
        java = (
            f"-Xmx{HEAP}",
            guard,
            f"-Djava.io.tmpdir={home / 'tmp'}",
            *("-cp", f"{server}:{spark.jars}/*"),
        )
        ends = ("--host", "127.0.0.1", "--properties-file", str(conf / "spark-defaults.conf"))
        ports = ("--port", str(shape.ports[0]), "--webui-port", str(shape.ports[1]))
        daemons = [Daemon("master", (*java, f"{_PACKAGE}.master.Master", *ends, *ports))]
        # Spark's scripts set this; without it a worker writes no command for an executor
        library = next(spark.jars.glob("scala-library-*.jar")).name
        scala = {"SPARK_SCALA_VERSION": ".".join(library.split("-")[2].split(".")[:2])}
        for number in range(1, shape.workers + 1):
            size = ("--cores", str(shape.cores), "--memory", f"{shape.memory}m")
            work = ("--webui-port", "0", "--work-dir", str(home / "work" / str(number)))
            command = (*java, f"{_PACKAGE}.worker.Worker", *ends, *size, *work, master)
            daemons.append(Daemon(f"worker-{number}", command, variables=scala))
        return daemons
