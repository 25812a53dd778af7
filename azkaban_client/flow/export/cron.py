"""A flow as a line for cron, and as a service and a timer of systemd."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from azkaban_client.cron import MONTHS
from azkaban_client.errors import InvalidProject
from azkaban_client.flow.export.common import note_common, note_mails, note_schedule
from azkaban_client.flow.export.plan import word
from azkaban_client.flow.export.program import NAME
from azkaban_client.flow.times import LostError, to_cron

if TYPE_CHECKING:
    from azkaban_client.flow.export.plan import Plan
    from azkaban_client.flow.losses import Losses

__all__ = ["write"]

_CRONTAB = """\
# Flow {flow} of the project {project}, exported from Azkaban.
# Add it by: (crontab -l; cat {name}.crontab) | crontab -
{settings}{when} {command}
"""
_SERVICE = """\
[Unit]
Description=Flow {flow} of the project {project}, exported from Azkaban

[Service]
Type=oneshot
ExecStart=/bin/sh -c {command}
"""
_TIMER = """\
# To ~/.config/systemd/user with the .service; then: systemctl --user enable --now {name}.timer
[Unit]
Description=When flow {flow} of the project {project} runs

[Timer]
OnCalendar={calendar}

[Install]
WantedBy=timers.target
"""
_ZONE = (
    "in CRON_TZ, which cronie knows (Red Hat, SUSE, Arch); the cron of Debian and Ubuntu counts in "
    "the machine's time zone. The timer counts in this one"
)


def write(plan: Plan, losses: Losses) -> dict[str, bytes]:
    """Return a line for a crontab, and the two units of systemd that do the same."""
    if plan.schedule is None:
        raise InvalidProject(
            f"{plan.flow} has no schedule, and cron is nothing but one: give --daily 06:00, "
            "--cron or another, or a trigger in its .flow file"
        )
    try:
        when = to_cron(plan.schedule)
    except LostError as error:
        raise InvalidProject(f"{plan.flow}: schedule {plan.schedule}: {error}") from error
    name = word(plan.flow, set())
    runs = shlex.quote(f"{plan.options.home}/runs")
    step = shlex.join(
        [plan.options.python, f"{plan.options.home}/{NAME}", f"{plan.options.home}/{plan.project}"]
    )
    lock = f"flock -n {runs}/{name}.lock " if plan.options.concurrency == "skip" else ""
    flow = shlex.quote(plan.flow)
    command = f"mkdir -p {runs} && {lock}{step} {flow} >> {runs}/{name}.log 2>&1"
    mail = plan.mails.get("failure") or plan.mails.get("both")
    if mail:  # cron writes what a command prints
        command += f" || {{ tail -n 50 {runs}/{name}.log; exit 1; }}"
    settings = f"CRON_TZ={plan.schedule.zone}\n" if plan.schedule.zone else ""
    settings += f"MAILTO={mail.replace(' ', '')}\n" if mail else ""
    _note(plan, losses, when)
    known = {"flow": plan.flow, "project": plan.project, "name": name}
    in_unit = {key: text.replace("%", "%%") for key, text in known.items()}
    return {
        f"{name}.crontab": _CRONTAB.format(
            **known, settings=settings, when=when, command=command.replace("%", r"\%")
        ).encode(),
        f"{name}.service": _SERVICE.format(**in_unit, command=_unit_word(command)).encode(),
        f"{name}.timer": _TIMER.format(
            **in_unit, calendar=calendar(when, plan.schedule.zone)
        ).encode(),
    }


def _unit_word(command: str) -> str:
    r"""Quote a command for a unit, in which ``%`` and ``$`` mean something.

    Examples
    --------
    >>> print(_unit_word('date +%d "$HOME"'))
    "date +%%d \"$$HOME\""
    """
    for sign, meant in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        command = command.replace(sign, meant)
    return f'"{command}"'


def calendar(line: str, zone: str | None = None) -> str:
    """Return the time of a timer of systemd for the fields of cron.

    Examples
    --------
    >>> calendar("*/15 6-8 * * MON-FRI", "Europe/Berlin")
    'Mon..Fri *-*-* 6..8:0/15:00 Europe/Berlin'
    """
    minute, hour, day, month, weekday = line.split()
    month = re.sub("|".join(MONTHS), lambda found: str(MONTHS.index(found[0]) + 1), month)
    fields = [_unit_field(one, low) for one, low in ((month, 1), (day, 1), (hour, 0), (minute, 0))]
    days = re.sub(r"[A-Z]{3}", lambda found: found[0].capitalize(), weekday).replace("-", "..")
    days = "" if days == "*" else f"{days.replace('0', 'Sun')} "
    words = f"{days}*-{fields[0]}-{fields[1]} {fields[2]}:{fields[3]}:00"
    return f"{words} {zone}" if zone else words


def _unit_field(text: str, low: int) -> str:
    return text.replace("*/", f"{low}/").replace("-", "..")


def _note(plan: Plan, losses: Losses, when: str) -> None:
    note_common(plan, losses, by_step="as azk run --local tries again")
    losses.exact("parameters and ${}", "--prop KEY=VALUE in the command")
    losses.exact("outputs", "as azk run --local passes them on")
    of_zone = plan.schedule is not None and plan.schedule.zone is not None
    note_schedule(plan, losses, when, but=_ZONE if of_zone else "")
    if any(node.condition for node in plan.jobs):
        losses.exact("conditions", "as azk run --local looks at them")
    if plan.options.concurrency == "skip":
        losses.exact("concurrency: skip", "flock")
    elif plan.options.concurrency == "pipeline":
        losses.lost("concurrency: pipeline", "runs do not wait for each other's jobs")
    if plan.options.on_failure != "finish-running":
        words = "as with finish-running: no other job is started"
        losses.approximated(f"on failure: {plan.options.on_failure}", words)
    note_mails(plan, losses, failure="MAILTO: cron sends the last lines of a run that failed")
