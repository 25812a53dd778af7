"""Find the executions that a stop would lose, with only the standard library."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from setup.errors import ServerError

if TYPE_CHECKING:
    from setup.azkaban.server import Server

__all__ = ["executions", "listed", "with_processes"]

# Azkaban's own page has two tables of executions, those that run first.
_PAGE = "/executor"
_TABLE = re.compile(r'id="executingJobs".*?id="recentlyFinished"', re.DOTALL)
_EXECUTION = re.compile(r"/executor\?execid=(\d+)")


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
    place = Path(os.path.realpath(server.home))
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            folder = (entry / "cwd").readlink()
        except OSError:  # another account's, or it ended meanwhile
            continue
        names = folder.relative_to(place).parts if folder.is_relative_to(place) else ()
        if "executions" in names[:-1]:  # each further executor has such a folder of its own
            name = names[names.index("executions") + 1]
            found |= {int(name)} if name.isdigit() else set()
    return found
