"""azk dev."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli import _env
from azkaban_client.cli._app import App, command, json_option, note, pass_app
from azkaban_client.cli._executions import parse_props, run_here
from azkaban_client.cli._following import Following, raw_option
from azkaban_client.cli._projects import Content, content_options, stop_on_errors
from azkaban_client.errors import AzkabanError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azkaban_client.options import ExecutionOptions

__all__ = ["COMMANDS", "of_project"]

_LOOK_SECONDS = 0.3

_Seen = dict[Path, tuple[int, int]] | str


@command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("flow", required=False)
@click.option("--prop", "props", multiple=True, metavar="KEY=VALUE", help="Set. Repeatable.")
@click.option("--logs", is_flag=True, help="Print the log lines of all jobs.")
@raw_option
@content_options
@json_option
@pass_app
def dev(
    app: App,
    /,
    folder: Path,
    flow: str | None,
    *,
    props: tuple[str, ...],
    content: Content,
    as_json: bool,
    **shown: bool,
) -> None:
    """Run a flow on this machine, again at each change of a file.

    Examples
    --------
      azk dev sales
      azk dev sales --prop rows=5 --logs

    It runs as azk run --local does, after the checks of azk lint, until Ctrl-C ends it. With
    --json, one document for each run.
    """
    from azkaban_client.config import ConfigError
    from azkaban_client.deploy import table
    from azkaban_client.flow.loader import load

    try:
        content = of_project(folder, content, table.read(folder))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    chosen: ExecutionOptions = {"properties": parse_props(props)}
    following = Following(logs=shown["logs"], raw=shown["raw"])
    while True:
        seen = _seen(content, folder)
        try:
            bundle = content.bundle(folder)
            _env.ensure(folder)
            seen = _seen(content, folder)  # with the lock that this may have written
            stop_on_errors(content.problems(app, bundle, folder), "it does not run")
            run_here(
                bundle, folder, load(bundle).choose(flow), chosen, following=following,
                as_json=as_json,
            )  # fmt: skip
        except click.UsageError as error:
            note(error.message, colour="red")
        except (AzkabanError, OSError) as error:
            note(f"azk: {getattr(error, 'message', error)}", colour="red")
        except click.exceptions.Exit:
            pass  # the run failed, which was shown
        note("waiting for a change of a file; Ctrl-C ends")
        _wait(content, folder, seen)


def of_project(folder: Path, content: Content, kept: Mapping[str, Any]) -> Content:
    """Add what the ``[deploy]`` of a project says of its files; paths count from its folder."""
    beside = (one.rpartition("=") for one in kept.get("with", ()))
    extra = tuple(f"{name}{equals}{folder / path}" for name, equals, path in beside)
    return replace(
        content,
        extra=content.extra or extra,
        exclude=(*content.exclude, *kept.get("exclude", ())),
        known=(*content.known, *kept.get("known", ())),
    )


def _seen(content: Content, folder: Path) -> _Seen:
    """Return a fingerprint of the files; a message if the folder cannot be read."""
    try:
        states = {path: path.stat() for path in content.files(folder).values()}
    except (AzkabanError, OSError) as error:
        return str(error)
    return {path: (state.st_mtime_ns, state.st_size) for path, state in states.items()}


def _wait(content: Content, folder: Path, before: _Seen) -> None:
    """Wait for a change, and then until nothing changes any more: editors save in steps."""
    now = before
    while now == before:
        time.sleep(_LOOK_SECONDS)
        now = _seen(content, folder)
    last = before
    while now != last:
        time.sleep(_LOOK_SECONDS)
        last, now = now, _seen(content, folder)


COMMANDS = (dev,)
