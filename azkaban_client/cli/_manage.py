"""azk sla, permission, server."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli._app import (
    App,
    addresses,
    emit,
    emit_table,
    group,
    json_option,
    pass_app,
    table,
    warn_without_mail,
)

if TYPE_CHECKING:
    from azkaban_client.models import Sla

__all__ = ["COMMANDS"]


@group()
def sla() -> None:
    """List and add time limits of scheduled flows."""


@sla.command("list")
@click.argument("project")
@click.argument("flow")
@json_option
@pass_app
def sla_list(app: App, project: str, flow: str, *, as_json: bool) -> None:
    """List the time limits of a scheduled flow.

    Example:
      azk sla list nn nn
    """
    with app.client() as client:
        limits, emails = client.sla(_schedule_id(client, project, flow))
    emit_table(
        as_json,
        {"limits": limits, "emails": emails},
        ["job", "rule", "within", "then"],
        [[one.job or "(flow)", one.rule, one.within, _then(one)] for one in limits],
    )


@sla.command("add")
@click.argument("project")
@click.argument("flow")
@click.argument("limits", nargs=-1, required=True, metavar="LIMIT...")
@click.option(
    "--email", "emails", multiple=True, metavar="ADDRESS", callback=addresses,
    help="Tell. Repeatable.",
)  # fmt: skip
@click.option("--kill", is_flag=True, help="Kill what exceeds its limit.")
@json_option
@pass_app
def sla_add(
    app: App,
    project: str,
    flow: str,
    *,
    limits: tuple[str, ...],
    emails: tuple[str, ...],
    kill: bool,
    as_json: bool,
) -> None:
    """Add time limits to a scheduled flow, in place of those that it has.

    Examples
    --------
      azk sla add nn nn 1:30 --email me@example.org
      azk sla add nn nn success:2:00 nn_train:0:45 --email me@example.org --kill

    LIMIT is [JOB:][success:]HOURS:MINUTES.
    """
    if not emails and not kill:
        raise click.UsageError("say what to do: --email ADDRESS, --kill, or both")
    parsed = [_limit(text, email=bool(emails), kill=kill) for text in limits]
    warn_without_mail(app, emails)
    with app.client() as client:
        client.set_sla(_schedule_id(client, project, flow), parsed, emails)
    emit(as_json, {"limits": parsed, "emails": emails}, f"{len(parsed)} time limit(s) are set")


def _limit(text: str, *, email: bool, kill: bool) -> Sla:
    from azkaban_client.models import Sla

    found = re.fullmatch(r"(?:(?P<job>.+?):)??(?P<rule>success:|finish:)?(\d+):(\d\d)", text)
    try:
        if found is None:
            raise ValueError("expected [JOB:][success:]HOURS:MINUTES")  # noqa: TRY301
        return Sla(
            job=found["job"],
            rule="success" if found["rule"] == "success:" else "finish",
            within=timedelta(hours=int(found[3]), minutes=int(found[4])),
            email=email,
            kill=kill,
        )
    except ValueError as error:
        raise click.UsageError(f"{text!r}: {error}") from None


def _schedule_id(client: Any, project: str, flow: str) -> int:
    from azkaban_client.errors import NotFound

    found = client.schedule_of(project, flow)
    if found is None:
        raise NotFound(
            f"flow {flow!r} of project {project!r} is not scheduled on the server, which alone has "
            "time limits (azk schedule list shows who keeps a schedule)"
        )
    return int(found.id)


def _then(limit: Sla) -> str:
    return " and ".join(name for name in ("email", "kill") if getattr(limit, name))


@group()
def permission() -> None:
    """List, add and remove permissions on a project."""


@permission.command("list")
@click.argument("project")
@json_option
@pass_app
def permission_list(app: App, project: str, *, as_json: bool) -> None:
    """List the permissions on a project.

    Example:
      azk permission list nn
    """
    with app.client() as client:
        found = client.permissions(project)
    emit_table(
        as_json,
        found,
        ["name", "kind", "may"],
        [[p.name, "group" if p.group else "user", " ".join(p.types).lower()] for p in found],
    )


@permission.command("add")
@click.argument("project")
@click.argument("name")
@click.argument(
    "types",
    nargs=-1,
    required=True,
    type=click.Choice(["admin", "read", "write", "execute", "schedule"]),
)
@click.option("--group", "is_group", is_flag=True, help="NAME is a group.")
@json_option
@pass_app
def permission_add(
    app: App, project: str, name: str, *, types: tuple[Any, ...], is_group: bool, as_json: bool
) -> None:
    """Give a user or a group these permissions, in place of any others.

    Examples
    --------
      azk permission add nn bob read execute
      azk permission add nn analysts read --group
    """
    with app.client() as client:
        client.grant(project, name, types, group=is_group)
    emit(
        as_json,
        {"project": project, "name": name, "types": types},
        f"{name} may {', '.join(types)} {project}",
    )


@permission.command("remove")
@click.argument("project")
@click.argument("name")
@click.option("--group", "is_group", is_flag=True, help="NAME is a group.")
@json_option
@pass_app
def permission_remove(app: App, project: str, name: str, *, is_group: bool, as_json: bool) -> None:
    """Remove all permissions of a user or a group.

    Example:
      azk permission remove nn bob
    """
    with app.client() as client:
        client.revoke(project, name, group=is_group)
    data = {"project": project, "name": name, "types": ()}
    emit(as_json, data, f"{name} has no permission on {project} any more")


@permission.group("proxy")
def proxy() -> None:
    """List, add and remove the users that the jobs of a project may run as."""


@proxy.command("list")
@click.argument("project")
@json_option
@pass_app
def proxy_list(app: App, project: str, *, as_json: bool) -> None:
    """List the proxy users of a project.

    Example:
      azk permission proxy list nn
    """
    with app.client() as client:
        names = client.proxy_users(project)
    emit(as_json, names, "\n".join(names))


@proxy.command("add")
@click.argument("project")
@click.argument("name")
@json_option
@pass_app
def proxy_add(app: App, project: str, name: str, *, as_json: bool) -> None:
    """Let the jobs of a project run as another user (user.to.proxy).

    Example:
      azk permission proxy add nn etl
    """
    with app.client() as client:
        client.add_proxy_user(project, name)
    data = {"project": project, "name": name, "added": True}
    emit(as_json, data, f"jobs of {project} may run as {name}")


@proxy.command("remove")
@click.argument("project")
@click.argument("name")
@json_option
@pass_app
def proxy_remove(app: App, project: str, name: str, *, as_json: bool) -> None:
    """No longer let the jobs of a project run as another user.

    Example:
      azk permission proxy remove nn etl
    """
    with app.client() as client:
        client.remove_proxy_user(project, name)
    data = {"project": project, "name": name, "removed": True}
    emit(as_json, data, f"jobs of {project} may not run as {name}")


@group()
def server() -> None:
    """Show information about the server."""


@server.command("status")
@json_option
@pass_app
def server_status(app: App, *, as_json: bool) -> None:
    """Show what the server is and what it can do.

    Example:
      azk server status --json
    """
    with app.client() as client:
        version, abilities = client.version, client.capabilities
        data = {
            "url": client.url,
            "address": client.address,
            "version": str(version),
            "capabilities": abilities,
        }
    words = {True: "yes", False: "no", None: "depends on its exact version"}
    rows = [[name, words[value]] for name, value in vars(abilities).items()]
    emit(as_json, data, lambda: f"Azkaban {version}\n\n{table(['can', ''], rows)}")


COMMANDS = (sla, permission, server)
