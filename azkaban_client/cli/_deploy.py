"""azk deploy, undeploy."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from azkaban_client.cli import _env
from azkaban_client.cli._app import NO_MAIL, App, command, emit, json_option, note, pass_app
from azkaban_client.cli._dev import of_project
from azkaban_client.cli._projects import (
    Content,
    content_options,
    refuse_where_unread,
    send,
    stop_on_errors,
)
from azkaban_client.cli._schedule import beside, read_when, tell_keeper, when_options
from azkaban_client.errors import AzkabanError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.client import Client
    from azkaban_client.deploy.contents import Changes, Sent
    from azkaban_client.environments import Environment
    from azkaban_client.flow.zip import Bundle
    from azkaban_client.models import ProjectEvent, Schedule
    from azkaban_client.options import ExecutionOptions
    from azkaban_client.schedules.book import Book, CatchUp, Entry
    from azkaban_client.schedules.listing import Listed
    from azkaban_client.schedules.place import Place, Wanted
    from azkaban_client.when import When

__all__ = ["COMMANDS"]


@dataclass(frozen=True)
class Deployment:
    """What is to be deployed and how.

    Attributes
    ----------
    folder
        The project's.
    project, flow
        Their names on the server.
    flows
        All flows that the project has.
    bundle
        Its files.
    sent
        Their hashes.
    notify
        Whom the server mails of failures.
    tells
        What `azk watch` tells of them: kind and file of each channel; None leaves it as it is.
    when
        When it runs; None leaves the schedule as it is.
    catch_up
        What becomes of runs that are missed.
    environment
        The packages of its own that its jobs use.
    """

    folder: Path
    project: str
    flow: str
    flows: tuple[str, ...]
    bundle: Bundle
    sent: Sent
    notify: tuple[str, ...]
    when: When | None
    tells: tuple[tuple[str, str], ...] | None = None
    catch_up: CatchUp = "none"
    environment: Environment | None = None

    @property
    def wanted(self) -> Wanted | None:
        """The schedule that is asked for."""
        from azkaban_client.schedules.place import Wanted

        options: ExecutionOptions = {"failure_emails": self.notify} if self.notify else {}
        if self.when is None:
            return None
        return Wanted(self.project, self.flow, self.when, "", self.catch_up, options)


@dataclass(frozen=True)
class Found:
    """What the server has, and what it would be told."""

    last: ProjectEvent | None
    changes: Changes
    schedule: Schedule | None
    entry: Entry | None
    place: Place | None
    reschedule: bool
    stray: tuple[str, ...]  # flows that are scheduled and would no longer be there

    @property
    def upload(self) -> bool:
        """Whether the files differ."""
        one = self.changes
        return bool(one.added or one.changed or one.removed)

    @property
    def listed(self) -> Listed | None:
        """The schedule that there is, as it is shown."""
        from azkaban_client.schedules.listing import shown

        entry = self.entry
        of_server = entry is not None and entry.kept_by == "server" and not entry.paused
        if entry and of_server and (self.schedule is None or self.schedule.id != entry.server_id):
            entry = None  # it was changed elsewhere since
        return shown(entry, self.schedule) if entry or self.schedule else None


@command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@when_options
@click.option(
    "--notify", multiple=True, metavar="KIND:WHERE", help="Of failures: see below. Repeatable."
)
@click.option("--project", metavar="NAME", help="The folder's name by default.")
@click.option("--flow", metavar="NAME", help="Which to schedule, where the project has several.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@_env.pack_option
@content_options
@json_option
@pass_app
def deploy(
    app: App, /, folder: Path, *, content: Content, dry_run: bool, as_json: bool, **options: Any
) -> None:
    """Send a project's folder to the server and schedule its flow.

    Examples
    --------
      azk deploy sales --daily 06:00 --notify mail:me@example.org
      azk deploy sales --dry-run
      azk deploy sales --weekdays 7:30 --timezone Europe/Berlin

    --notify mail:ADDRESS has the server send mail. azk watch, which runs beside a server of set-up,
    tells chat:FILE, slack:FILE and webhook:FILE. FILE holds the address, which is a secret: for a
    chat any URL of Apprise's.

    Done again, it changes what has changed, and shows it first. Without a time, a schedule stays
    as it is. The table [deploy] of FOLDER/azk.toml may hold the same options. Files are checked as
    azk lint does; azk.toml and what runs have left in runs/ are not sent.
    """
    from azkaban_client.watch import deployed

    plan = _read(app, folder, content, options, make=not dry_run)
    with app.client() as client:
        book = _book(client)
        found = _look(client, book, plan, zone=app.settings["timezone"])
        for line in _difference(plan, found):
            note(line)
        if plan.tells is not None and deployed.changed(_rules(app), *_told(plan)) is not None:
            note(f"rules of azk watch: {', '.join(':'.join(one) for one in plan.tells) or 'none'}")
        version, schedule = None, found.listed
        if not dry_run:
            version = _upload(client, plan) if found.upload else None
            _remember(client, plan)
            _env.uploaded(plan.environment, folder, plan.project, client.url)
            state = "the schedule is not changed"
            try:
                schedule = _schedule(client, book, plan, found, app.settings["timezone"])
                state = "the schedule is as asked, but not whom azk watch tells"
                if plan.tells is not None:
                    deployed.change(_rules(app), *_told(plan))
            except (AzkabanError, OSError):
                note(f"{plan.project}: the files are on the server, {state}")
                raise
        url = f"{client.url}/manager?project={quote(plan.project)}&flow={quote(plan.flow)}"
    warnings = [*_warnings(app, plan, found, schedule)]
    if found.place and found.place.timing is None:
        warnings += filter(None, [tell_keeper(book, found.place.reason)])
    data = {
        "project": plan.project,
        "flow": plan.flow,
        "dry_run": dry_run,
        "files": len(plan.sent.files),
        "changes": found.changes,
        "uploaded": found.upload and not dry_run,
        "version": version,
        "scheduled": found.reschedule and not dry_run,
        "schedule": schedule,
        "notify": plan.notify,
        "tells": [f"{kind}:{path}" for kind, path in plan.tells or ()],
        "warnings": warnings,
        "url": url,
    }
    emit(as_json, data, lambda: _summary(app, plan, data))
    for line in warnings:
        note(f"warning: {line}", colour="yellow")


def _read(
    app: App, folder: Path, content: Content, options: dict[str, Any], *, make: bool
) -> Deployment:
    """Read what is asked for; anything wrong with it is said before a server is asked."""
    from azkaban_client.config import ConfigError
    from azkaban_client.deploy import contents, notify, table
    from azkaban_client.flow.loader import load
    from azkaban_client.new.create import check_name

    try:
        kept = table.read(folder)
        asked = beside(kept, options)
        name = asked.get("project") or folder.resolve().name
        check_name(name)
        wanted = read_when(asked)
        mails, tells = notify.read(asked.get("notify", ()))
    except (ConfigError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    if tells:
        _rules(app)  # there must be one
    if (mails or tells) and wanted is None:
        raise click.UsageError("--notify tells of scheduled runs: give --daily or the like too")
    content = of_project(folder, content, kept)
    pack = bool(asked.get("pack"))
    bundle, environment = _env.for_upload(
        app, folder, lambda: content.bundle(folder), pack=pack, make=make
    )
    stop_on_errors(content.problems(app, bundle, folder), "nothing is deployed")
    bundle = _env.as_sent(bundle, environment, pack=pack)
    sent = contents.Sent(contents.files_of(bundle))
    flows = load(bundle).names
    flow = asked.get("flow") or _only(flows)
    if flow not in flows:
        raise NotFound(f"the project has no flow {flow!r} (its flows: {', '.join(flows)})")
    told = tells if asked.get("notify") and app.settings["watch"] is not None else None
    late: CatchUp = asked.get("catch_up", "none")
    return Deployment(
        folder, name, flow, flows, bundle, sent, mails, wanted, told, late, environment
    )


def _only(flows: tuple[str, ...]) -> str:
    if len(flows) != 1:
        raise NotFound(f"which flow? The project has {', '.join(flows) or 'none'}: --flow NAME")
    return flows[0]


def _told(plan: Deployment) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return plan.project, plan.flow, plan.tells or ()


def _rules(app: App) -> Path:
    """Return the file that `azk watch` of the server reads."""
    path = app.settings["watch"]
    if path is None:
        raise click.UsageError(
            "--notify: this server sends nothing but mail itself; azk watch tells chats and "
            "webhooks: name the file with its rules as watch = ... in azk.toml"
        )
    return Path(path)


def _book(client: Client) -> Book:
    from azkaban_client.schedules.book import Book

    return Book(client.url)


def _look(client: Client, book: Book, plan: Deployment, *, zone: str | None) -> Found:
    """Ask the server what it has; refuse what it cannot do before anything is changed."""
    from azkaban_client.deploy import contents
    from azkaban_client.schedules import place

    refuse_where_unread(
        client, plan.project, plan.bundle, "Nothing is deployed; write it as .job files instead"
    )
    wanted = plan.wanted
    decided = place.decide(client, wanted, zone) if wanted else None
    try:
        last = client.last_upload(plan.project)
        schedules = client.schedules(plan.project)
    except NotFound:
        last, schedules = None, ()
    entries = [one for one in book.read() if one.is_of(plan.project)]
    schedule = next((one for one in schedules if one.flow == plan.flow), None)
    entry = next((one for one in entries if one.is_of(plan.project, plan.flow, "")), None)
    flows = [*(str(one.flow) for one in schedules), *(one.flow for one in entries)]
    stray = tuple(dict.fromkeys(one for one in flows if one not in plan.flows))
    old = contents.recall(client.url, plan.project)
    changes = contents.changes(old, contents.digest_in(last.message if last else None), plan.sent)
    kept = wanted is not None and place.is_made(wanted, decided, entry, schedule)
    return Found(last, changes, schedule, entry, decided, wanted is not None and not kept, stray)


def _difference(plan: Deployment, found: Found) -> Iterator[str]:
    """Say what will change."""
    one, last = found.changes, found.last
    if found.upload and last is None:
        yield f"{plan.project}: new, {len(plan.sent.files)} files"
    elif last is not None and not one.known:
        yield (
            f"{plan.project}: other files than those of the last upload "
            f"({last.message}, by {last.user})"
        )
    for sign, names in (("+", one.added), ("~", one.changed), ("-", one.removed)):
        yield from (f"  {sign} {name}" for name in (names if one.known else ()))
    if found.reschedule:
        before = found.listed
        old = f" (before: {before.when}, next {before.next})" if before else ""
        yield f"schedule of {plan.flow}: {plan.when}{old}"


def _upload(client: Client, plan: Deployment) -> int | None:
    with plan.bundle.temporary(f"{plan.project}-{plan.sent.digest}.zip") as path:
        return send(client, plan.project, path, create=True).version


def _schedule(
    client: Client, book: Book, plan: Deployment, found: Found, zone: str | None
) -> Listed | None:
    """Schedule the flow unless it is so already; time limits of the old schedule are kept."""
    from azkaban_client.schedules import listing, place

    wanted = plan.wanted
    if wanted is None or found.place is None or not found.reschedule:
        return found.listed
    entry = place.make(client, book, wanted, found.place, zone)
    of_server = entry.kept_by == "server"
    return listing.shown(entry, client.schedule_of(plan.project, plan.flow) if of_server else None)


def _remember(client: Client, plan: Deployment) -> None:
    """Keep which files the server has now."""
    from azkaban_client.deploy import contents

    try:
        contents.remember(client.url, plan.project, plan.sent)
    except OSError as error:
        note(f"warning: what was deployed is not kept: {error}", colour="yellow")


def _warnings(app: App, plan: Deployment, found: Found, schedule: Listed | None) -> Iterator[str]:
    """Say what will not work, or not as one may expect."""
    settings = app.settings
    for flow in found.stray:
        yield (
            f"{flow} is scheduled, but no flow of the project any more: "
            f"azk schedule remove {plan.project} {flow}"
        )
    if plan.when is None and schedule is None:
        yield "it is not scheduled: --daily 06:00, --every 15m ..."
        return
    of_server = found.place.timing if found.place else None
    yield from of_server.warnings if of_server else ()
    if plan.when is not None and plan.when.kind != "every" and settings["timezone"] is None:
        yield "the time is that of the server's clock, whose time zone is not known here"
    if words := _other_clock(plan, settings["timezone"]):
        yield words
    yield from _alerts(app, plan)
    if settings["service"] is False:
        yield (
            "after a restart of its machine this server does not run, and so nothing on it: "
            "azkaban-jobflow service install"
        )


def _alerts(app: App, plan: Deployment) -> Iterator[str]:
    """Say so where nobody would hear of a failure."""
    from importlib.util import find_spec

    from azkaban_client.watch.chat import MISSING

    notify, mail = plan.notify, app.settings["mail"]
    if plan.when is not None and not notify and not plan.tells:
        yield "nobody is told when it fails: --notify mail:ADDRESS, chat:FILE ..."
    if notify and mail is False:
        yield NO_MAIL
    if notify and mail is None:
        yield "whether this server sends mail is not known here (azk.toml: mail = true)"
    if any(kind != "webhook" for kind, _ in plan.tells or ()) and find_spec("apprise") is None:
        yield MISSING
    if plan.tells and not (rules := _rules(app)).with_name("watch.pid").exists():
        yield (
            "azk watch, which tells chats and webhooks, does not run: azkaban-jobflow supervise or "
            f"service install runs it with the servers, elsewhere azk watch {rules}"
        )


def _other_clock(plan: Deployment, server_zone: str | None) -> str | None:
    """Say so where a time without a zone may be meant by this machine's clock."""
    from datetime import UTC, datetime

    from azkaban_client.times import zone

    if server_zone is None or plan.when is None or plan.when.zone or plan.when.kind == "every":
        return None
    now = datetime.now(UTC)
    try:
        there = now.astimezone(zone(server_zone, server_zone)).utcoffset()
    except ValueError:
        return None
    if there == now.astimezone().utcoffset():
        return None
    return (
        f"the time is that of the server's clock, {server_zone}, and this machine has another "
        "time: --timezone NAME"
    )


def _summary(app: App, plan: Deployment, data: dict[str, Any]) -> str:
    schedule = data["schedule"]
    if data["dry_run"]:
        wanted = data["changes"].added or data["changes"].changed or data["changes"].removed
        same = "" if wanted else "the server has these files; "
        return f"{plan.project}: {same}nothing was changed (--dry-run)"
    version = "" if data["version"] is None else f" as version {data['version']}"
    sent = f"{data['files']} files uploaded{version}" if data["uploaded"] else "files unchanged"
    lines = [f"{plan.project}: {sent}"]
    if schedule is not None:
        zone = app.settings["timezone"]
        words = plan.when if plan.when is not None else schedule.when
        clock = f" ({zone or 'time of the server'})" if schedule.id is not None else ""
        lines.append(f"runs {words}; next {schedule.next}{clock}")
    if told := [*plan.notify, *data["tells"]]:
        lines.append(f"tells {', '.join(told)} when it fails")
    return "\n".join([*lines, data["url"]])


@command()
@click.argument("project", metavar="FOLDER|PROJECT")
@click.option("--delete", is_flag=True, help="Delete the project as well, with all its versions.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_app
def undeploy(app: App, project: str, *, delete: bool, yes: bool, as_json: bool) -> None:
    """Remove the schedules of a project; the project stays.

    Examples
    --------
      azk undeploy sales
      azk undeploy sales --delete --yes
    """
    from azkaban_client.watch import deployed

    name = _name_of(project)
    if delete and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"deleting project {name} needs --yes without a terminal")
        click.confirm(f"Delete project {name} and all its versions?", abort=True, err=True)
    with app.client() as client:
        client.project_id(name)
        removed = [one for one in client.schedules(name) if one.flow is not None]
        for one in removed:
            client.remove_schedule(one.id)
        of_watch = _forget_schedules(_book(client), name)
        if delete:
            client.delete_project(name)
            _env.forget(name, client.url)
    if app.settings["watch"] is not None:
        deployed.forget(Path(app.settings["watch"]), name)
    flows = [*(one.flow for one in removed), *of_watch]
    words = f"no longer scheduled: {', '.join(map(str, flows))}" if flows else "was not scheduled"
    data = {"project": name, "unscheduled": flows, "deleted": delete}
    emit(as_json, data, f"{name}: {words}{'; deleted' if delete else ''}")


def _forget_schedules(book: Book, project: str) -> list[str]:
    """Forget the schedules of a project; return those that no server kept."""
    if not any(one.is_of(project) for one in book.read()):
        return []
    with book.changing() as entries:
        mine = [one for one in entries if one.is_of(project)]
        entries[:] = [one for one in entries if one not in mine]
    of_watch = [one for one in mine if one.kept_by == "watch" or one.paused]
    return ["/".join(filter(None, (one.flow, one.name))) for one in of_watch]


def _name_of(text: str) -> str:
    """Return the project's name, where a folder may be given in place of it."""
    from azkaban_client.config import ConfigError
    from azkaban_client.deploy import table

    folder = Path(text)
    if not folder.is_dir():
        return text
    try:
        return str(table.read(folder).get("project") or folder.resolve().name)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


COMMANDS = (deploy, undeploy)
