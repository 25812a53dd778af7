"""How commands follow an execution to its end, and exit by its result."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli._app import note, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from azkaban_client.client import Client
    from azkaban_client.models import Execution

__all__ = ["Following", "follow_options", "follow_to_end", "raw_option", "show_result"]


@dataclass(frozen=True)
class Following:
    """How a command follows an execution."""

    logs: bool = False
    wait: float | None = None
    raw: bool = False


raw_option = click.option(
    "--raw", is_flag=True, help="Pass control codes of logs on to a terminal as they are."
)


def follow_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a command that follows an execution; it gets them as `following`."""

    @functools.wraps(function)
    def gather(*args: Any, **options: Any) -> Any:
        following = Following(**{one.name: options.pop(one.name) for one in fields(Following)})
        return function(*args, following=following, **options)

    logs = click.option("--logs", is_flag=True, help="Print the log lines of all jobs.")
    wait = click.option(
        "--wait",
        type=click.FloatRange(0),
        metavar="SECONDS",
        help="Give up after this time (exit code 7).",
    )
    return logs(wait(raw_option(gather)))


def follow_to_end(client: Client, execid: int, following: Following, *, as_json: bool) -> None:
    """Follow an execution, show its result, and exit by it."""
    from azkaban_client.cli import display

    logs = following.logs and not as_json
    try:
        execution = display.follow(
            client, execid, logs=logs, raw=following.raw, timeout=following.wait
        )
    except KeyboardInterrupt:
        note(f"\ndetached: execution {execid} goes on")
        note(f"  follow it again:  azk follow {execid}\n  cancel it:        azk cancel {execid}")
        raise click.exceptions.Exit(130) from None
    show_result(
        execution,
        as_json=as_json,
        failed_logs=None if logs else lambda: display.print_failed_log(client, execution),
    )


def show_result(
    execution: Execution, *, as_json: bool, failed_logs: Callable[[], None] | None
) -> None:
    """Show how an execution ended, and exit by it."""
    from azkaban_client.cli import display

    if as_json:
        print_json(execution)
    else:
        display.print_result(execution)
        if not execution.succeeded and failed_logs is not None:
            failed_logs()
    if not execution.succeeded:
        raise click.exceptions.Exit(1)
