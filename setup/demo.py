"""The main job: upload the flows that ship with the checkout, run them, show the results."""

from __future__ import annotations

import json
import sys
import tomllib
from contextlib import nullcontext
from typing import TYPE_CHECKING

from azkaban_client import Client, collect
from azkaban_client.cli import display
from azkaban_client.errors import AzkabanError, NetworkError
from azkaban_client.flow.form import with_form
from azkaban_client.flow.lint import lint
from setup.azkaban import Server
from setup.errors import ServerError, SetupError
from setup.layout import CHECKOUT
from setup.life.process import tail
from setup.messages import say, step

if TYPE_CHECKING:
    from setup.layout import Layout

__all__ = ["FLOWS", "run"]

# Each project's flow has the project's name.
FLOWS = {
    "nn": "Two neural networks on digits: the first one drawn on paper, and a better one",
    "mcmc": "A substitution cipher broken by Markov chain Monte Carlo",
    "routing": "Delivery routes for several dispatchers",
}

PATIENCE = 20.0  # seconds without an answer after which the server counts as gone


def run(layout: Layout, *, logs: bool = False) -> int:
    """Run every flow to its end.

    Parameters
    ----------
    layout
        Whose server runs them.
    logs
        Stream the jobs' logs.

    Returns
    -------
    int
        0 when every flow succeeded, else 1.

    Raises
    ------
    ServerError
        When the server stops answering.
    """
    server = Server(layout)
    settings = server.settings
    try:
        with Client(
            settings.url,
            auth=(settings.user, server.password),
            address=settings.address,
            verify=tomllib.loads(layout.client_config.read_text()).get("ca_cert", True),
        ) as client:
            good = [_run_flow(client, layout, name, logs=logs) for name in FLOWS]
    except NetworkError as error:
        log = server.log()
        raise ServerError(
            f"the server no longer answers: {error}\nThe end of {log}:\n{tail(log)}\n"
            "Run the same command again: it starts the server and the flows again"
        ) from error
    except AzkabanError as error:
        raise SetupError(str(error)) from error
    say(f"\nthe web page: {settings.browser_url}, user {settings.user}")
    say(f"its password: {server.password_file}")
    return 0 if all(good) else 1


def _run_flow(client: Client, layout: Layout, name: str, *, logs: bool) -> bool:
    say(f"\n== {name}: {FLOWS[name]}")
    bundle = collect(CHECKOUT / "flows" / name, [CHECKOUT / "jobs", CHECKOUT / "core"])
    if errors := [problem for problem in lint(bundle) if problem.severity == "error"]:
        raise SetupError("\n".join(map(str, errors)))
    if name not in {project.name for project in client.projects()}:
        client.create_project(name, FLOWS[name])
    with with_form(bundle).temporary(f"{name}.zip") as archive:
        version = client.upload(name, archive).version
    # Allow other runs: after a crash the server takes a lost execution for a running one.
    execid = client.execute(name, name, concurrency="concurrent")
    say(f"uploaded version {version}, execution {execid}")
    # On a terminal the display itself is alive.
    with nullcontext() if sys.stderr.isatty() else step(f"execution {execid}") as shown:
        execution = display.follow(client, execid, logs=logs, patience=PATIENCE)
        if shown:
            shown.done(execution.status.value)
    display.print_result(execution)
    sys.stdout.flush()  # in step with the messages, also in a file
    if not execution.succeeded:
        display.print_failed_log(client, execution)
        return False
    folder = layout.runs / name / str(execid) / name
    for key, value in json.loads((folder / "run.json").read_text())["outputs"].items():
        print(f"{key}: {value}", flush=True)
    return True
