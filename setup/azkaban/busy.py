"""Find the executions that a stop would lose, with only the standard library."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from setup.azkaban import jobs
from setup.errors import ServerError, UsageError
from setup.messages import step

if TYPE_CHECKING:
    import argparse

    from setup.azkaban.server import Server

__all__ = ["add_options", "executions", "listed", "settle", "with_processes"]

LOOK_SECONDS = 2.0

# Azkaban's own page has two tables of executions, those that run first.
_PAGE = "/executor"
_TABLE = re.compile(r'id="executingJobs".*?id="recentlyFinished"', re.DOTALL)
_EXECUTION = re.compile(r"/executor\?execid=(\d+)")


def add_options(parser: argparse.ArgumentParser) -> Any:
    """Add the options for executions to a command that stops the server; return the group."""
    executions = parser.add_mutually_exclusive_group()
    executions.add_argument("--wait", action="store_true", help="wait until no execution runs")
    executions.add_argument("--force", action="store_true", help="end executions that run")
    return executions


def settle(server: Server, *, wait: bool, force: bool) -> set[int]:
    """Make sure that a stop loses no execution; return those that --force ends.

    Parameters
    ----------
    server
        Is about to be stopped.
    wait
        Wait until no execution runs.
    force
        Let it end what runs.

    Raises
    ------
    UsageError
        When executions run, and neither was asked for.
    ServerError
        When the server runs and does not say.
    """
    found = _found(server, force=force)
    if found and wait and not force:
        with step("waiting for executions") as shown:
            while found := _found(server, force=False):
                shown.update(listed(found))
                time.sleep(LOOK_SECONDS)
            shown.done("all have ended")
    if found and not force:
        raise UsageError(
            f"{listed(found)} would be lost: nothing was changed. Add --wait to wait for "
            "their end, or --force to end them"
        )
    return found


def _found(server: Server, *, force: bool) -> set[int]:
    try:
        return executions(server)
    except ServerError:
        if not force:
            raise
        return with_processes(server)


def executions(server: Server) -> set[int]:
    """Find the executions that have not ended, including those that wait or are paused.

    Raises
    ------
    ServerError
        When the server runs and does not say.
    """
    found = with_processes(server)
    settings = server.settings if server.installed else None
    pages = next((part for part in settings.parts if part.pages), None) if settings else None
    if not settings or not pages or pages.name not in server.running():
        return found
    endpoint = server.endpoint(settings, pages)
    session = endpoint.login()
    page = endpoint.ask(_PAGE, session=session).decode("utf-8", "replace") if session else ""
    table = _TABLE.search(page)
    if not table:
        raise ServerError(
            f"{settings.browser_url} does not say which executions run; is it hanging? Its log: "
            f"{server.log()}"
        )
    return found | {int(number) for number in _EXECUTION.findall(table[0])}


def listed(executions: set[int]) -> str:
    """Name executions in a message.

    Examples
    --------
    >>> listed({7}), listed({12, 3})
    ('execution 7', 'executions 3, 12')
    """
    one = "execution" if len(executions) == 1 else "executions"
    return f"{one} {', '.join(map(str, sorted(executions)))}"


def with_processes(server: Server) -> set[int]:
    """Find the executions whose programs run: they work in folders named after them."""
    return {int(name) for _, name in jobs.working(server.home) if name.isdigit()}
