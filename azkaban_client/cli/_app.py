"""What the commands share: settings, the client, output, exit codes."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC as _UTC
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from azkaban_client import errors
from azkaban_client._home import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta, tzinfo

    from azkaban_client.auth import Login
    from azkaban_client.client import Client
    from azkaban_client.config import Settings

__all__ = [
    "NO_MAIL",
    "App",
    "Command",
    "Group",
    "addresses",
    "command",
    "emit",
    "emit_table",
    "for_terminal",
    "group",
    "json_option",
    "local_time",
    "note",
    "pass_app",
    "print_json",
    "runs_folder",
    "runs_option",
    "seconds",
    "table",
    "time_zone",
    "visible",
    "warn_without_mail",
]


_SERVER_TIMES = {"first", "next", "modified"}  # texts, in a zone that the server does not name
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Command(click.Command):
    """A command whose help keeps the line breaks of its examples."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = _keep_examples(self.help)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and say where an option belongs that stands in the wrong place."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            root, name = ctx.find_root(), error.option_name
            if any(name in option.opts for option in root.command.params):
                words = f"{name} stands before the command: {root.info_name} {name} ... "
                raise click.UsageError(words + str(ctx.info_name), ctx) from error
            raise


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type  # of this class as well

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = _keep_examples(self.help)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; who reads no further (``azk logs 42 | head``) has had what it wanted."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # for which click's exit code is 1: that a run has failed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


def _keep_examples(text: str | None) -> str | None:
    """Turn the examples of a docstring into a paragraph that is not wrapped."""
    if text is None:
        return None
    text = inspect.cleandoc(text)
    return re.sub(r"^(Examples?):?(\n-+)?$", "\b\n\\1:", text, flags=re.MULTILINE)


def command(name: str | None = None) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function."""
    return click.command(name, cls=Command)


def group(name: str | None = None, **attributes: Any) -> Callable[[Callable[..., Any]], Group]:
    """Make a group of commands of a function."""
    return click.group(name, cls=Group, **attributes)


def note(text: str, *, colour: str | None = None) -> None:
    """Say something to the user: standard error; in colour on a terminal unless NO_COLOR is set."""
    text = for_terminal(text, sys.stderr)
    click.secho(text, err=True, fg=None if os.environ.get("NO_COLOR") else colour)


def visible(text: str) -> str:
    r"""Show what a terminal would obey: control codes, and marks that turn the reading direction.

    Examples
    --------
    >>> visible("a\x1b]52;c;aGk=\x07b\r\n")
    'a^[]52;c;aGk=^Gb\n'
    """
    return _CONTROL.sub(lambda found: _shown(found[0]), text.replace("\r\n", "\n"))


def _shown(character: str) -> str:
    code = ord(character)
    return f"^{chr(code ^ 64)}" if code < 0x80 else f"\\u{code:04x}"


def for_terminal(text: str, stream: IO[str]) -> str:
    """Show control codes if the stream is a terminal; a file or a pipe gets the text as it is."""
    return visible(text) if stream.isatty() else text


def plain(value: Any) -> Any:
    """Make JSON of dataclasses: times in UTC to the millisecond, durations in seconds."""
    if is_dataclass(value) and not isinstance(value, type):
        data = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        for name in _SERVER_TIMES & data.keys():
            data[name] = data[name] and data[name].replace(" ", "T", 1)
        if hasattr(value, "duration"):
            data["duration"] = plain(value.duration)
        return data
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return json_time(value)
    if hasattr(value, "total_seconds"):
        return round(value.total_seconds(), 3)
    return value


def json_time(time: datetime) -> str:
    """Write a time as every answer does.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> json_time(datetime(2027, 1, 31, 5, 30, tzinfo=UTC))
    '2027-01-31T05:30:00.000Z'
    """
    return time.astimezone(_UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def emit(as_json: bool, data: Any, text: str | Callable[[], str]) -> None:  # noqa: FBT001
    """Print a result on standard output: JSON, or text for people."""
    if as_json:
        print_json(data)
        return
    shown = text if isinstance(text, str) else text()
    if shown:
        click.echo(for_terminal(shown, sys.stdout))


def emit_table(as_json: bool, data: Any, header: list[str], rows: list[list[Any]]) -> None:  # noqa: FBT001
    """Print a list on standard output: JSON, or a table for people."""
    emit(as_json, data, lambda: table(header, rows))


def print_json(data: Any) -> None:
    """Print data on standard output as JSON."""
    click.echo(json.dumps(plain(data), indent=2, ensure_ascii=False))


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Align rows in columns; easy to read and to cut."""
    cells = [header, *[["" if c is None else str(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def time_zone(name: str, said: str) -> tzinfo:
    """Return a time zone; refuse what was `said` if this machine does not know it."""
    from azkaban_client.times import zone

    try:
        return zone(name, said)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def local_time(time: datetime | None) -> str | None:
    """Write a time in the time zone of this machine."""
    return None if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def seconds(duration: timedelta | None) -> str | None:
    """Write a duration as a plain number."""
    return None if duration is None else f"{duration.total_seconds():.1f}"


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


def addresses(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    """Check the addresses of an option; for click's ``callback``."""
    from azkaban_client.mail import check_address

    for text in texts:
        try:
            check_address(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return texts


class App:
    """The settings of this call, and the client that they lead to."""

    def __init__(self, flags: dict[str, Any], *, debug: bool) -> None:
        self.flags = flags
        self.debug = debug
        self._at_end = ExitStack()

    @functools.cached_property
    def settings(self) -> Settings:
        """All settings."""
        from azkaban_client.config import ConfigError, load

        try:
            return load(self.flags)
        except ConfigError as error:
            raise click.UsageError(str(error)) from error

    @property
    def url(self) -> str:
        """The server's URL."""
        url = self.settings["url"]
        if not url:
            raise click.UsageError(
                "no server: give --url, set AZK_URL, or write url = ... to azk.toml or "
                "~/.config/azk/config.toml"
            )
        from azkaban_client.auth import split_url

        try:
            split_url(str(url))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        return str(url).rstrip("/")

    @contextmanager
    def client(self, *, fresh: bool = False) -> Iterator[Client]:
        """Connect; keep the session for the next call.

        Parameters
        ----------
        fresh
            Log in even if a session is kept.
        """
        from azkaban_client import state
        from azkaban_client.auth import Login
        from azkaban_client.client import Client

        settings = self.settings
        self._show_log()
        saved = None if fresh else state.recall(self.url)
        user = settings["username"]
        if saved and user and saved.username != user:
            saved = None
        user = user or (saved.username if saved else None) or self._netrc.username
        if settings["insecure"]:
            note("warning: TLS certificates are not checked (--insecure)", colour="yellow")
            import urllib3

            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if settings["ca_cert"] and not Path(settings["ca_cert"]).is_file():
            raise click.UsageError(f"--ca-cert {settings['ca_cert']}: no such file")
        address = settings["address"] or (saved.address if saved else None)
        try:
            client = Client(
                self.url,
                auth=Login(
                    username=user or "",
                    password=lambda: self._password(client),
                    session_id=saved.session_id if saved else None,
                ),
                address=address,
                verify=False if settings["insecure"] else settings["ca_cert"] or True,
                timeout=settings["timeout"],
                server_account=settings["server_account"],
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        with client:
            try:
                yield client
            finally:
                self._keep(client, saved.session_id if saved else None)

    def _show_log(self) -> None:
        """Show the library's warnings, and with --debug each request, on standard error."""
        import logging

        logger = logging.getLogger("azkaban_client")
        handler = logging.StreamHandler(sys.stderr)
        handler.setLevel(logging.DEBUG if self.debug else logging.WARNING)
        words = "%(message)s" if self.debug else "warning: %(message)s"
        handler.setFormatter(logging.Formatter(words))
        if self.debug:
            logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
        self._at_end.callback(logger.removeHandler, handler)

    def close(self) -> None:
        """Undo what this call set up."""
        self._at_end.close()

    @staticmethod
    def _keep(client: Client, before: str | None) -> None:
        from azkaban_client import state

        if client.session_id == before:
            return
        if client.session_id is None:
            state.forget(client.url)
            return
        try:
            state.remember(
                state.Saved(client.url, client.username, client.session_id, client.address)
            )
        except OSError as error:
            note(f"warning: the session is not kept: {error}", colour="yellow")

    @functools.cached_property
    def _netrc(self) -> Login:
        from netrc import NetrcParseError

        from azkaban_client.auth import Login, from_netrc

        try:
            return from_netrc(self.url) or Login()
        except (NetrcParseError, OSError) as error:
            note(f"warning: .netrc is not used: {error}", colour="yellow")
            return Login()

    def _password(self, client: Client) -> str:
        """Find the password when it is needed: file or stdin, keyring, netrc, prompt."""
        from azkaban_client.auth import from_keyring

        if name := self.settings["password_file"]:
            return _read_password(name)
        if client.username and (kept := from_keyring(client.url, client.username)):
            return kept
        found = self._netrc
        if isinstance(found.password, str) and client.username in ("", None, found.username):
            client.username = client.username or found.username
            return found.password
        if not sys.stdin.isatty():
            raise errors.AuthenticationError(
                f"{self.url} wants a login and there is no password: use --password-file FILE "
                "('-' for standard input), AZK_PASSWORD_FILE, a keyring, ~/.netrc, or a terminal"
            )
        if not client.username:
            client.username = click.prompt("User", err=True)
        return str(click.prompt(f"Password of {client.username}", hide_input=True, err=True))


def _read_password(name: str) -> str:
    from azkaban_client.config import written_by_others
    from azkaban_client.files import first_line

    if name != "-" and (reason := written_by_others(Path(name))):
        raise click.UsageError(
            f"password file {name}: {reason}, who could have another file of yours sent instead"
        )
    try:
        return first_line(name)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"password file {name}: {error}") from error


NO_MAIL = (
    "this server sends no mail: azkaban-jobflow azkaban restart --mail-host HOST gives it a mail "
    "server; azk watch tells people without it"
)


runs_option = click.option(
    "--runs", metavar="DIR", help="Where jobs leave their results (default: the setting, or runs)."
)


def runs_folder(app: App, given: str | None) -> Path | None:
    """Return where jobs leave their results: None if that is not here."""
    folder = expanded(given or app.settings["runs"])
    if given and not folder.is_dir():
        raise click.UsageError(f"--runs {given}: no such folder")
    return folder if folder.is_dir() else None


def warn_without_mail(app: App, *addresses: Any) -> None:
    """Warn where a server that sends no mail is asked to."""
    if any(addresses) and app.settings["mail"] is False:
        note(f"warning: {NO_MAIL}", colour="yellow")


pass_app = click.make_pass_decorator(App)
