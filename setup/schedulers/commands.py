"""``setup schedulers ...``: the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup.commands import Commands, Needs
from setup.life.process import tail
from setup.life.status import show
from setup.messages import confirmed, say
from setup.schedulers.scheduler import KINDS, Scheduler

if TYPE_CHECKING:
    import argparse

    from setup.layout import Layout

__all__ = ["add_commands"]

_EPILOG = """\
examples:
  python3 -m setup schedulers up airflow       Airflow on a PostgreSQL of its own
  python3 -m setup schedulers up luigi
  python3 -m setup schedulers status
  python3 -m setup schedulers stop airflow
  python3 -m setup schedulers wipe airflow --yes

What they run, azk export writes.
"""


def add_commands(commands: Commands) -> None:
    """Add ``schedulers`` to the commands of setup."""
    group = commands.group(
        "schedulers", "Luigi and Airflow, to run what azk export writes.", _EPILOG
    )
    up = group.add(
        "up", _up, "Install and start one; running already, it stays.",
        needs=Needs.ENVIRONMENT, locked=True, unprivileged=True,
    )  # fmt: skip
    status = group.add("status", _status, "Show their processes; exit 1 when one is down.",
                       needs=Needs.IF_THERE)  # fmt: skip
    stop = group.add("stop", _stop, "Stop one, or all.", needs=Needs.IF_THERE, locked=True)
    wipe = group.add("wipe", _wipe, "Stop one and delete it, its data included.",
                     needs=Needs.IF_THERE, locked=True)  # fmt: skip
    logs = group.add("logs", _logs, "Show the ends of its logs.", needs=Needs.IF_THERE)
    for parser in (up, wipe, logs):
        parser.add_argument("name", choices=[*KINDS])
    for parser in (stop, status):
        parser.add_argument("name", choices=[*KINDS], nargs="?")
    status.add_argument("--json", action="store_true", help="machine-readable")
    wipe.add_argument("--yes", action="store_true", help="do not ask")


def _chosen(layout: Layout, options: argparse.Namespace) -> list[Scheduler]:
    return [Scheduler(layout, name) for name in ([options.name] if options.name else KINDS)]


def _up(layout: Layout, options: argparse.Namespace) -> int:
    scheduler = Scheduler(layout, options.name)
    scheduler.start()
    say(scheduler.about())
    return 0


def _status(layout: Layout, options: argparse.Namespace) -> int:
    found = [one for scheduler in _chosen(layout, options) for one in scheduler.statuses()]
    if not options.name:  # those that nobody has asked for are not missing
        found = [one for one in found if one.state != "not installed"] or found
    return show(found, as_json=options.json)


def _stop(layout: Layout, options: argparse.Namespace) -> int:
    if not any([scheduler.stop() for scheduler in _chosen(layout, options)]):  # noqa: C419 (all)
        say("no other scheduler was running")
    return 0


def _wipe(layout: Layout, options: argparse.Namespace) -> int:
    scheduler = Scheduler(layout, options.name)
    if not confirmed(f"{scheduler.home}: {options.name} and its runs", yes=options.yes):
        return 1
    scheduler.wipe()
    say("deleted")
    return 0


def _logs(layout: Layout, options: argparse.Namespace) -> int:
    logs = sorted((Scheduler(layout, options.name).home / "logs").glob("*.log"))
    if not logs:
        say(f"{options.name} has left no logs")
    for log in logs:
        say(f"== {log}")
        print(tail(log))
    return 0
