"""Rules of a watch: a TOML file that names who is told of what."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from dataclasses import dataclass, fields, replace
from datetime import time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from azkaban_client._home import expanded
from azkaban_client.config import written_by_others
from azkaban_client.errors import AzkabanError
from azkaban_client.files import read_text
from azkaban_client.mail import check_address
from azkaban_client.times import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "KINDS",
    "Channel",
    "MetricsRule",
    "Rule",
    "Rules",
    "RulesError",
    "parse",
    "read",
    "secret_trouble",
]

KINDS = ("started", "failed", "recovered", "succeeded", "long", "missed", "arrived", "server-down")
"""What can be told, and can start a flow."""

_FORMATS = ("json", "openlineage")
_OF_LINEAGE = {"started", "succeeded", "failed"}
_SECRETS = ("password_file", "webhook_file", "apprise_file", "secret_file")


class RulesError(AzkabanError):
    """A rule is invalid; the message names the file, the place and the fix."""


@dataclass(frozen=True)
class Channel:
    """A way to tell somebody: one of `mail`, `webhook_file`, `apprise_file` and `program`.

    Attributes
    ----------
    mail
        Addresses.
    server
        The mail server, as ``host:port``: TLS from the start on port 465, STARTTLS on others;
        only the machine's own may do without.
    user, password_file, sender
        Account and sender at the mail server; the password is the file's first line.
    webhook_file
        Its first line is the URL, which is a secret in itself.
    format
        What the webhook takes: ``json``, or ``openlineage`` for the events of that standard.
    secret_file
        Its first line signs the webhook: ``X-Azk-Signature: sha256=HMAC``. For ``openlineage`` it
        is the key of the API.
    apprise_file
        Its lines are URLs of Apprise, for chats and the like: ``slack://...``, ``msteams://...``.
    program
        A command line that gets the message as JSON on its standard input.
    quiet
        Hold messages back in these hours, as ``22:00-07:00``, in the time zone of this machine.
    """

    name: str
    mail: tuple[str, ...] = ()
    server: str = "localhost:25"
    user: str = ""
    password_file: str = ""
    sender: str = ""
    webhook_file: str = ""
    format: str = "json"
    secret_file: str = ""
    apprise_file: str = ""
    program: tuple[str, ...] = ()
    quiet: str = ""

    @property
    def quiet_hours(self) -> tuple[time, time] | None:
        """Begin and end of the hours in which nothing is sent."""
        if not self.quiet:
            return None
        begin, _, end = self.quiet.partition("-")
        return time.fromisoformat(begin), time.fromisoformat(end)


@dataclass(frozen=True)
class Rule:
    """Tell channels of kinds of events of some flows, or start a flow.

    Attributes
    ----------
    tell
        Names of channels.
    run
        A flow to start at each event, as ``project/flow``.
    file
        For ``arrived``: a path, or a pattern such as ``/data/in/*.csv``.
    settled
        For how long a file must not have changed, to count as complete.
    on
        Some of `KINDS`.
    project, flow
        Names, or patterns such as ``sales*``.
    longer_than
        When a run counts as ``long``: as ``90m``.
    log_lines
        How many of the last lines of a failed job's log are told.
    """

    tell: tuple[str, ...] = ()
    run: str = ""
    file: str = ""
    settled: str = "60s"
    on: tuple[str, ...] = ("failed",)
    project: str = "*"
    flow: str = "*"
    longer_than: str = ""
    log_lines: int = 20

    def covers(self, project: str, flow: str) -> bool:
        """Tell whether a flow is meant."""
        return self.covers_project(project) and fnmatchcase(flow, self.flow)

    def covers_project(self, project: str) -> bool:
        """Tell whether the rule covers flows of a project."""
        of_flows = set(self.on) - {"arrived", "server-down"}
        return bool(of_flows) and fnmatchcase(project, self.project)

    @property
    def quiet_for(self) -> timedelta:
        """Time for which a file must not have changed."""
        return duration(self.settled)

    @property
    def limit(self) -> timedelta | None:
        """After how long a run counts as long."""
        return duration(self.longer_than) if self.longer_than else None


@dataclass(frozen=True)
class MetricsRule:
    """Where the metrics are served, and of which flows.

    Attributes
    ----------
    listen
        Address and port, as ``127.0.0.1:9464``.
    token_file
        Its first line is the token that a client must send; made if it does not exist.
    project, flow
        Names, or patterns.
    """

    listen: str = "127.0.0.1:9464"
    token_file: str = ""
    project: str = "*"
    flow: str = "*"

    def covers(self, project: str, flow: str) -> bool:
        """Tell whether a flow is meant."""
        return self.covers_project(project) and fnmatchcase(flow, self.flow)

    def covers_project(self, project: str) -> bool:
        """Tell whether flows of a project are meant."""
        return fnmatchcase(project, self.project)


@dataclass(frozen=True)
class Rules:
    """A file of rules.

    Attributes
    ----------
    every
        Time between two rounds.
    down_after
        How long the server must be out of reach before that is told.
    metrics
        For Prometheus; None for none.
    """

    channels: Mapping[str, Channel]
    rules: tuple[Rule, ...]
    every: timedelta = timedelta(seconds=30)
    down_after: timedelta = timedelta(seconds=90)
    metrics: MetricsRule | None = None


def read(path: Path) -> Rules:
    """Read a file of rules.

    Raises
    ------
    RulesError
        The file cannot be read, something in it is invalid, or another account could have written
        it: it names programs to run.
    """
    if reason := written_by_others(path):
        raise RulesError(f"{path}: {reason}; it names programs that run as you")
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from error
    return parse(path, text)


def parse(path: Path, text: str) -> Rules:
    """Read the rules in a text, which is or will be that of a file.

    Raises
    ------
    RulesError
        Something in it is invalid.
    """
    try:
        # Editors on Windows put a byte-order mark first.
        return _rules(tomllib.loads(text.removeprefix("\ufeff")), path)
    except (ValueError, RecursionError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from error
    except _MistakeError as error:
        raise RulesError(f"{path}: {error}") from None


class _MistakeError(Exception):
    pass


def _rules(table: dict[str, Any], path: Path) -> Rules:
    _refuse_unknown(table, {"tell", "rule", "every", "down_after", "metrics"}, "")
    told, listed = table.get("tell", {}), table.get("rule", [])
    if not (isinstance(told, dict) and all(isinstance(one, dict) for one in told.values())):
        raise _MistakeError("tell: expected tables [tell.NAME]")
    if not (isinstance(listed, list) and all(isinstance(one, dict) for one in listed)):
        raise _MistakeError("rule: expected tables [[rule]]")
    if not listed and "metrics" not in table:
        raise _MistakeError("no [[rule]]: nothing would ever be told")
    channels = {name: _channel(name, one, path) for name, one in told.items()}
    rules = tuple(_rule(one, f"rule {n}: ", channels, path) for n, one in enumerate(listed, 1))
    _refuse_circles(rules)
    times = {key: _time(table, key) for key in ("every", "down_after") if key in table}
    return Rules(channels, rules, metrics=_metrics(table.get("metrics"), path), **times)


def _metrics(table: object, path: Path) -> MetricsRule | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise _MistakeError("metrics: expected a table [metrics]")
    found = MetricsRule(**_values(table, MetricsRule, "metrics: "))
    host, _, port = found.listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise _MistakeError(f"metrics: listen = {found.listen!r}: expected 127.0.0.1:9464")
    token = path.parent / expanded(found.token_file or f"{path.stem}.token")
    _check_secret(token, "metrics: token_file")
    return replace(found, token_file=str(token))


def secret_trouble(path: Path) -> str:
    """Return how other accounts can read or write a file with a secret; empty if they cannot."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""  # who uses it says so
    if os.name == "posix" and mode & 0o077:
        return f"{path} may be read by others: chmod 600 {shlex.quote(str(path))}"
    return written_by_others(path)


def _check_secret(path: Path, where: str) -> None:
    if reason := secret_trouble(path):
        raise _MistakeError(f"{where}: {reason}")


def _refuse_circles(rules: Sequence[Rule]) -> None:
    """Refuse rules that start each other's flows: they would go on for ever."""
    next_of = {
        number: [
            other
            for other, one in enumerate(rules)
            if one.run and one.covers(*rule.run.split("/", 1))
        ]
        for number, rule in enumerate(rules)
        if rule.run
    }

    def walk(way: list[int]) -> None:
        for number in next_of[way[-1]]:
            if number in way:
                circle = [*way[way.index(number) :], number]
                names = " -> ".join(f"rule {one + 1} ({rules[one].run})" for one in circle)
                raise _MistakeError(f"{names}: they start each other's flows for ever")
            if number not in done:
                walk([*way, number])
        done.add(way[-1])

    done: set[int] = set()
    for number in next_of:
        if number not in done:
            walk([number])


def _channel(name: str, table: dict[str, Any], path: Path) -> Channel:
    where = f"tell.{name}: "
    values = _values(table, Channel, where, skip="name")
    for key in _SECRETS:
        if values.get(key):
            values[key] = str(path.parent / expanded(values[key]))
            _check_secret(Path(values[key]), f"{where}{key}")
    channel = Channel(name=name, **values)
    ways = [key for key in _WAYS if getattr(channel, key)]
    if len(ways) != 1:
        raise _MistakeError(f"{where}expected one of {_list(_WAYS)}, has {_list(ways)}")
    if channel.format not in _FORMATS:
        raise _MistakeError(
            f"{where}format = {channel.format!r}: expected {' or '.join(_FORMATS)} "
            "(chats are told by apprise_file)"
        )
    try:
        for one in channel.mail:
            check_address(one)
    except ValueError as error:
        raise _MistakeError(f"{where}mail: {error}") from None
    if not re.fullmatch(r"[^\s:/]+:\d{1,5}", channel.server):
        raise _MistakeError(f"{where}server = {channel.server!r}: expected host:port")
    try:
        _ = channel.quiet_hours
    except ValueError:
        raise _MistakeError(f"{where}quiet = {channel.quiet!r}: expected 22:00-07:00") from None
    program = channel.program[0] if channel.program else ""
    if "/" in program and (reason := written_by_others(Path(program))):
        raise _MistakeError(f"{where}program: {reason}; it runs as you")
    return channel


def _rule(table: dict[str, Any], where: str, channels: Mapping[str, Channel], path: Path) -> Rule:
    if not table.get("tell") and not table.get("run"):
        raise _MistakeError(f"{where}neither tell, the names of channels, nor run, a flow")
    values = _values(table, Rule, where)
    if values.get("file"):
        values = {"on": ("arrived",), **values, "file": str(path.parent / expanded(values["file"]))}
    rule = Rule(**values)
    _check_start(rule, table, where)
    if unknown := [name for name in rule.tell if name not in channels]:
        raise _MistakeError(
            f"{where}there is no [tell.{unknown[0]}] (there are: {_list(channels)})"
        )
    if unknown := [kind for kind in rule.on if kind not in KINDS]:
        raise _MistakeError(f"{where}on: {unknown[0]!r} is none of {_list(KINDS)}")
    for name in rule.tell:
        other = [kind for kind in rule.on if kind not in _OF_LINEAGE]
        if channels[name].format == "openlineage" and other:
            raise _MistakeError(
                f"{where}tell.{name} takes {_list(sorted(_OF_LINEAGE))}, not {other[0]}"
            )
    if ("long" in rule.on) != bool(rule.longer_than):
        raise _MistakeError(f'{where}on = ["long"] and longer_than = "90m" belong together')
    if rule.longer_than:
        _time(table, "longer_than", where)
    if not 0 <= rule.log_lines <= 200:
        raise _MistakeError(f"{where}log_lines = {rule.log_lines}: expected 0 to 200")
    return rule


def _check_start(rule: Rule, table: dict[str, Any], where: str) -> None:
    project, slash, flow = rule.run.partition("/")
    if rule.run and not (project and slash and flow):
        raise _MistakeError(f"{where}run = {rule.run!r}: expected project/flow")
    if rule.run and rule.covers(project, flow) and not rule.file:
        raise _MistakeError(
            f"{where}run = {rule.run!r}: the rule covers it, so it would go on for ever"
        )
    if (rule.on == ("arrived",)) != bool(rule.file) or ("arrived" in rule.on and len(rule.on) > 1):
        raise _MistakeError(f'{where}on = ["arrived"] stands alone, together with file = "/path"')
    if "settled" in table:
        _time(table, "settled", where)


def _values(table: dict[str, Any], kind: type, where: str, skip: str = "") -> dict[str, Any]:
    """Check that a table has the keys of a class, each of its type."""
    hints = get_type_hints(kind)
    names = {one.name for one in fields(kind)} - {skip}
    _refuse_unknown(table, names, where)
    found = {}
    for key, value in table.items():
        wanted: Callable[[Any], bool] = _IS[str(hints[key])]
        if not wanted(value):
            words = _WORDS[str(hints[key])]
            raise _MistakeError(f"{where}{key} = {value!r}: expected {words}")
        found[key] = tuple(value) if isinstance(value, list) else value
    return found


_WAYS = ("mail", "webhook_file", "apprise_file", "program")
_LIST, _TEXT, _COUNT = str(tuple[str, ...]), str(str), str(int)
_IS: dict[str, Callable[[Any], bool]] = {
    _LIST: lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    _TEXT: lambda value: isinstance(value, str),
    _COUNT: lambda value: isinstance(value, int) and not isinstance(value, bool),
}
_WORDS = {_LIST: 'a list of texts, as ["a"]', _TEXT: "a text", _COUNT: "a whole number"}


def _refuse_unknown(table: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(set(table) - known):
        raise _MistakeError(f"{where}{unknown[0]}: unknown (known: {_list(sorted(known))})")


def _list(names: Any) -> str:
    return ", ".join(names) or "none"


def _time(table: dict[str, Any], key: str, where: str = "") -> timedelta:
    try:
        found = duration(str(table[key]))
    except ValueError:
        found = timedelta()
    if found < timedelta(seconds=1):
        raise _MistakeError(
            f"{where}{key} = {table[key]!r}: expected a number and one of s m h d, as 90m"
        )
    return found
