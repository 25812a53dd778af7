"""azk console."""

from __future__ import annotations

from pathlib import Path

import click

from azkaban_client.cli._app import emit, group, json_option, note

__all__ = ["COMMANDS"]


@group()
def console() -> None:
    """Add the web console to a server's own pages.

    Examples
    --------
      azk console add /opt/azkaban-web-server
    """


@console.command("add")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def add(folder: Path, *, as_json: bool) -> None:
    """Add the console to the pages of a server, or update it.

    Examples
    --------
      azk console add /opt/azkaban-web-server

    FOLDER is where the server is: the folder that holds conf, lib and web, or the one that its
    web.resource.dir names. Run this as the account that owns it; no restart is needed.
    """
    from azkaban_client import console_files

    try:
        page = console_files.add(folder)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    emit(as_json, {"page": str(page), "address": f"/{console_files.ADDRESS}"}, str(page))
    note(f"it is at /{console_files.ADDRESS} of that server")


COMMANDS = [console]
