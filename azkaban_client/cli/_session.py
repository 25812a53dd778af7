"""azk login, logout, whoami, config, completion."""

from __future__ import annotations

import click

from azkaban_client.cli._app import App, command, emit, group, json_option, note, pass_app, table

__all__ = ["COMMANDS"]


@command()
@json_option
@pass_app
def login(app: App, *, as_json: bool) -> None:
    """Log in and keep the session.

    Examples
    --------
      azk --url http://azkaban.example:8081 --user me login
      azk --password-file - login < password.txt

    The password comes from --password-file, AZK_PASSWORD_FILE, the configuration, the desktop's
    keyring, ~/.netrc or a prompt. The session is kept under ~/.local/state/azk (XDG_STATE_HOME),
    for you alone.
    """
    from azkaban_client._session import nameless

    with app.client(fresh=True) as client:
        client.login()
        data = {"url": client.url, "username": client.username}
        if nameless(client.url):
            _ = client.capabilities  # warns where a session belongs to an address
    emit(as_json, data, f"{data['username']} is logged in to {data['url']}")


@command()
@json_option
@pass_app
def logout(app: App, *, as_json: bool) -> None:
    """End the session on the server and forget it.

    Example:
      azk logout
    """
    from azkaban_client import state

    saved = state.recall(app.url)
    if saved is not None:
        with app.client() as client:
            client.logout()
    emit(
        as_json,
        {"url": app.url, "was_logged_in": saved is not None},
        f"logged out of {app.url}" if saved else f"there was no session with {app.url}",
    )


@command()
@json_option
@pass_app
def whoami(app: App, *, as_json: bool) -> None:
    """Show the server, the user and whether the session holds.

    Example:
      azk whoami --json
    """
    with app.client() as client:
        version = client.version
        client.projects(mine=True)
        data = {
            "url": client.url,
            "address": client.address,
            "username": client.username,
            "server_version": str(version),
        }
    emit(
        as_json,
        data,
        f"{data['username']} on {data['url']} ({data['address']}), Azkaban {version}",
    )


@group()
def config() -> None:
    """Show the settings."""


@config.command("show")
@json_option
@pass_app
def config_show(app: App, *, as_json: bool) -> None:
    """Show each setting and where it came from.

    Example:
      azk config show
    """
    values = app.settings.values
    data = {
        name: {"value": setting.value, "source": setting.source} for name, setting in values.items()
    }
    emit(
        as_json,
        data,
        lambda: table(
            ["setting", "value", "source"],
            [
                [name, "" if s.value in (None, ()) else s.value, s.source]
                for name, s in values.items()
            ],
        ),
    )


@command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(shell: str, *, as_json: bool) -> None:
    """Print the completion script of a shell.

    Examples
    --------
      azk completion bash > ~/.local/share/bash-completion/completions/azk
      azk completion zsh > ~/.zfunc/_azk
      azk completion fish > ~/.config/fish/completions/azk.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        note(f"no completion for {shell}")
        raise click.exceptions.Exit(2)
    azk = click.get_current_context().find_root().command
    source = kind(azk, {}, "azk", "_AZK_COMPLETE").source()
    emit(as_json, {"shell": shell, "script": source}, source)


COMMANDS = (login, logout, whoami, config, completion)
