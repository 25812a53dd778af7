"""Start, ask and stop a small cluster on this machine."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from setup.called import called
from setup.errors import ServerError, UsageError
from setup.java import OPTIONS
from setup.life import orphans, probe
from setup.life.daemons import Daemon, Daemons
from setup.life.process import Process, free_port, living, refuse_root, stop_all
from setup.life.status import Status
from setup.messages import say, step
from setup.spark.shape import Shape, choose
from setup.spark.standalone import Standalone
from setup.spark.yarn import Yarn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from setup.spark.install import Spark

__all__ = ["KINDS", "Cluster", "running"]

START_SECONDS = 300.0  # seconds, for busy machines; an idle one needs 8 s
START_TRIES = 3
ADDRESS = "127.0.0.1"


class _PortTakenError(ServerError):
    """Another program, such as a cluster that also starts, has taken a port that was free."""


class Kind(Protocol):
    """What `Cluster` needs to know about a kind of cluster."""

    @property
    def ports(self) -> Sequence[int]:
        """The ports that it prefers."""

    def write(self, spark: Spark, home: Path, shape: Shape) -> list[Daemon]:
        """Write its settings and return its processes, in the order of their start."""

    def missing(self, shape: Shape) -> str:
        """Ask it what is still missing; empty when it accepts applications."""

    def url(self, shape: Shape) -> str:
        """Return the address of its pages."""


KINDS: dict[str, Kind] = {"standalone": Standalone(), "yarn": Yarn()}


class Cluster:
    """One cluster of a prefix.

    Parameters
    ----------
    spark
        The installation to run.
    kind
        ``standalone`` or ``yarn``.
    """

    def __init__(self, spark: Spark, kind: str) -> None:
        self.spark = spark
        self.kind = kind
        self.home = spark.home / kind
        self._daemons = Daemons(self.home, last=_HEADS)  # workers sign off from them

    @property
    def conf(self) -> Path:
        """Settings for its clients: HADOOP_CONF_DIR and SPARK_CONF_DIR."""
        return self.home / "conf"

    @property
    def properties(self) -> Path:
        """The settings for spark-submit."""
        return self.conf / "spark-defaults.conf"

    @property
    def shape(self) -> Shape:
        """The size with which it was started."""
        return Shape.read(self._shape_file)

    @property
    def url(self) -> str:
        """Where its pages are."""
        return KINDS[self.kind].url(self.shape)

    def log(self, daemon: str) -> Path:
        """Return the log file of a process."""
        return self._daemons.log(daemon)

    def running(self) -> dict[str, Process]:
        """Find its processes, by the names of the daemons."""
        return self._daemons.running()

    def start(self, workers: int = 1, cores: int | None = None, memory: int | None = None) -> Shape:
        """Start it and wait until it accepts applications; leave a running one as it is.

        Parameters
        ----------
        workers
            Number of simulated machines.
        cores, memory
            What each offers: virtual cores, MB.

        Raises
        ------
        UsageError
            When another cluster runs, or the machine is too small.
        SetupError
            For root.
        ServerError
            When it does not start; with the tail of the log. Nothing is left running.
        """
        refuse_root()
        orphans.end(self.spark.layout.prefix)
        for other in KINDS:
            cluster = Cluster(self.spark, other)
            if other != self.kind and cluster.running():
                raise UsageError(
                    f"a {other} cluster runs under this prefix: {called()} spark stop first"
                )
        alive = self.running()
        if alive and len(alive) == len(self._daemons.names()):
            return self._reuse(alive, workers, cores, memory)
        self._end()
        with step(f"starting {self.kind}") as shown:
            for tries_left in reversed(range(START_TRIES)):
                shape = choose(workers, cores, memory, self._free_ports())
                try:
                    self._try(shape, shown.update)
                    break
                except _PortTakenError:
                    if not tries_left:
                        raise
                    shown.again("another program took one of its ports meanwhile")
            what = f"{shape.workers} x {shape.cores} cores, {shape.memory} MB"
            shown.done(f"{KINDS[self.kind].url(shape)} ({what})")
        return shape

    def statuses(self) -> list[Status]:
        """Report the state of each process, and whether the cluster accepts applications."""
        names = self._daemons.names()
        if not names:
            return [Status(f"spark {self.kind}", "down", None, None, self.spark.version, None)]
        shape, alive = self.shape, self.running()
        missing = KINDS[self.kind].missing(shape) if alive else ""
        found = []
        for name in names:
            process = alive.get(name)
            state = ("unresponsive" if missing else "running") if process else "down"
            url = KINDS[self.kind].url(shape) if process and name in _HEADS else None
            port = shape.ports[-1] if url else None
            pid = process.pid if process else None
            found.append(Status(name, state, pid, port, self.spark.version, url))
        return found

    def can_work(self, names: Collection[str]) -> bool:
        """Tell whether applications can go on with these of its processes."""
        return any(name in _HEADS for name in names) and any(name not in _HEADS for name in names)

    def clear(self) -> list[str]:
        """Delete what applications of its dead processes left, and end what still runs of them.

        Returns
        -------
        list
            The names of the dead processes.
        """
        alive = self.running()
        dead = [name for name in self._daemons.names() if name not in alive]
        if dead and not self.can_work(alive):
            self._delete(*_LEFT)
        elif dead:
            # a NodeManager's folder has its name, a worker's its number
            self._delete(*(f"local/{name}" for name in dead))
            self._delete(*(f"work/{name.rpartition('-')[2]}" for name in dead if "worker" in name))
        return dead

    def _delete(self, *names: str) -> int:
        """Delete folders of applications and end the processes that work in them; count these."""
        folders = tuple(f"{os.path.realpath(self.home / name)}/" for name in names)
        left = [process for process in living() if f"{process.folder}/".startswith(folders)]
        ended = stop_all(left) if left else []
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return len(ended)

    def stop(self) -> bool:
        """Stop it and what it runs; return False if there was nothing to stop."""
        alive = self.running()
        if not alive and self.clear():
            say(f"the {self.kind} cluster had died; what its applications left was deleted")
            self._daemons.forget()
            return True
        if alive:
            with step(f"stopping {self.kind}") as shown:
                ended = self._end()
                shown.done(
                    f"stopped, {ended} processes of applications ended" if ended else "stopped"
                )
        self._daemons.forget()
        return bool(alive)

    # Steps of these

    def _free_ports(self) -> list[int]:
        ports: list[int] = []
        for preferred in KINDS[self.kind].ports:
            ports.append(free_port(ADDRESS, preferred, *ports))
        return ports

    def _try(self, shape: Shape, update: Callable[[str], None]) -> None:
        """Start all daemons, and end them if one fails."""
        for folder in ("", "conf", "logs", "tmp"):
            (self.home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        daemons = KINDS[self.kind].write(self.spark, self.home, shape)
        shape.write(self._shape_file)
        try:
            java = (str(self.spark.java.program), *OPTIONS)
            for daemon in daemons:
                command = (*java, *daemon.command)
                self._daemons.start(replace(daemon, command=command), self.spark.environ())
            self._wait(shape, update)
            self._check_addresses()
        except BaseException:
            self._end()
            raise

    @property
    def _shape_file(self) -> Path:
        return self.home / "cluster.json"

    def _reuse(
        self, alive: dict[str, Process], workers: int, cores: int | None, memory: int | None
    ) -> Shape:
        shape = self.shape
        wanted = (workers, cores or shape.cores, memory or shape.memory)
        if wanted != (shape.workers, shape.cores, shape.memory):
            raise UsageError(
                f"the cluster runs with {shape.workers} x {shape.cores} cores and {shape.memory} "
                f"MB: run {called()} spark stop before you change that"
            )
        with step(self.kind) as shown:
            self._wait(shape, shown.update)
            pids = ", ".join(str(process.pid) for process in alive.values())
            shown.done(f"already running, {KINDS[self.kind].url(shape)} (pids {pids})")
        return shape

    def _wait(self, shape: Shape, update: Callable[[str], None]) -> None:
        """Wait until it accepts applications: an open port is not yet a working cluster."""
        deadline = time.monotonic() + START_SECONDS
        watches = {name: probe.Watch(p.pid, self.log(name)) for name, p in self.running().items()}
        while missing := KINDS[self.kind].missing(shape):
            names = set(self._daemons.names())
            last = max(names, key=lambda name: name in _HEADS)
            what = ""
            if ended := sorted(names - self.running().keys()):
                what, last = f"{ended[0]} ended", ended[0]
            elif trouble := _trouble(watches):
                last, words = trouble
                what = f"{last} does not come up: {words}"
            elif time.monotonic() > deadline:
                what = f"{missing} after {START_SECONDS:.0f} s"
            if what:
                log = self.log(last)
                printed = probe.printed(log)
                kind = _PortTakenError if "Address already in use" in printed else ServerError
                end = "\n".join(printed.splitlines()[-20:])
                raise kind(f"{what}; the end of {log}:\n{end}")
            update(missing)
            time.sleep(0.2)

    def _check_addresses(self) -> None:
        """Check that no other machine can reach it, whatever the settings say."""
        for name, process in self.running().items():
            ends = process.listening()
            if strange := {end for end in ends if not end[0].startswith(("127.", "::1"))}:
                raise ServerError(
                    f"{name} listens on {sorted(strange)}, beyond this machine; it was stopped"
                )

    def _end(self) -> int:
        """End servers and what they started; return the number of the latter."""
        return self._daemons.end(patience=10.0) + self._delete(*_LEFT)


_HEADS = ("master", "resourcemanager")
_LEFT = ("local", "work", "staging", "tmp")  # what applications leave


def _trouble(watches: Mapping[str, probe.Watch]) -> tuple[str, str] | None:
    """Find a process that will not come up; one that waits for another may be idle."""
    for name, watch in watches.items():
        watch.look()
        if words := watch.trouble(waits=any(other.idle < watch.idle for other in watches.values())):
            return name, words
    return None


def running(spark: Spark) -> Cluster | None:
    """Find the cluster that runs under a prefix."""
    clusters = (Cluster(spark, kind) for kind in KINDS)
    return next((cluster for cluster in clusters if cluster.running()), None)
