"""Compare what an application requests with what the cluster has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from setup.errors import ServerError, UsageError
from setup.messages import say
from setup.spark import resources, settings
from setup.spark.settings import SIZES, Settings
from setup.spark.submit import client

if TYPE_CHECKING:
    import argparse

    from setup.spark.install import Spark
    from setup.spark.plan import Application
    from setup.spark.resource_manager import Node
    from setup.spark.target import Target

__all__ = ["sized"]


def sized(
    spark: Spark, application: Application, target: Target, options: argparse.Namespace
) -> Application:
    """Compare what is requested with what the cluster has, and choose the options for sizes."""
    everything = Settings()
    if target.properties:
        everything.add(settings.read_file(target.properties, "settings"), str(target.properties))
    for name, value in application.settings.values.items():
        everything.add({name: value}, application.settings.origins[name])
    request = settings.request(everything, application.deploy_mode, yarn=target.yarn)
    given = application.settings
    sizes: dict[str, object] = {
        option: given.values[name]
        for name, option in SIZES.items()
        if given.origins.get(name) == option
    }
    nodes = None if options.dry_run and not options.scale else _nodes(spark, target)
    if options.scale and nodes is None:
        say("note: --scale changes nothing, as nobody tells what the cluster has")
    if options.scale and nodes:
        fitted = resources.fitted(request, nodes)
        changes = _sizes_of(fitted).items() - _sizes_of(request).items()
        if changes:
            said = ", ".join(f"{name} {value}" for name, value in sorted(changes))
            say(f"reduced to what the cluster has (--scale): {said}")
        request, sizes = fitted, {**sizes, **dict(changes)}
        if "--total-executor-cores" in sizes:
            sizes["--total-executor-cores"] = fitted.num_executors * fitted.executor.cores
    if nodes is not None:
        try:
            resources.check(request, nodes)
        except UsageError as error:
            if not options.force:
                hint = "; --scale reduces it to that, --force submits to a cluster that grows"
                raise UsageError(f"{error}{hint}") from error
            say(f"note: {error} (--force: it waits until the cluster has grown)")
    return replace(application, sizes=_for_master(sizes, request, target))


def _nodes(spark: Spark, target: Target) -> list[Node] | None:
    """List the machines of a cluster; None if nobody tells."""
    if not target.kerberos:
        return target.nodes()
    try:
        spark.install()
        return client(spark, target).nodes()
    except ServerError as error:  # with a keytab alone, only spark-submit gets a ticket
        say(f"note: what is requested was not compared with the cluster's nodes: {error}")
        return None


def _sizes_of(request: resources.Request) -> dict[str, object]:
    """Write a request as options of spark-submit."""
    return {
        "--driver-cores": request.driver.cores,
        "--driver-memory": f"{request.driver.memory}m",
        "--executor-cores": request.executor.cores,
        "--executor-memory": f"{request.executor.memory}m",
        "--num-executors": request.num_executors,
    }


def _for_master(
    sizes: dict[str, object], request: resources.Request, target: Target
) -> dict[str, object]:
    """Say a number of executors in the words of a kind of cluster."""
    if target.yarn and "--total-executor-cores" in sizes:
        return {**sizes, "--num-executors": request.num_executors}
    if not (target.yarn or target.local) and "--num-executors" in sizes:
        # a standalone cluster counts cores
        cores = request.executor.cores
        total = request.num_executors * cores
        kept = {name: value for name, value in sizes.items() if name != "--num-executors"}
        return {**kept, "--executor-cores": cores, "--total-executor-cores": total}
    return sizes
