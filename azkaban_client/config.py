"""Settings of ``azk``, and where each came from.

Strongest first: command-line options, ``AZK_*`` variables, ``azk.toml`` in this folder or one
above it, the user's configuration file (``~/.config/azk/config.toml``, or the file that AZK_CONFIG
names), defaults. A file holds settings at its top, and may hold named servers::

    url = "http://azkaban.example:8081"
    username = "me"
    password_file = "~/.azkaban-password"

    [servers.test]
    url = "http://test.example:8081"

Address, user, password and CA belong to a server: those of a source that names another URL than
the one in use are not used, so that no password goes to a server that it was not meant for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client._home import base, expanded
from azkaban_client.files import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["ConfigError", "Setting", "Settings", "load", "written_by_others"]

_VARIABLES = {
    "server": "AZK_SERVER",
    "url": "AZK_URL",
    "address": "AZK_ADDRESS",
    "username": "AZK_USER",
    "password_file": "AZK_PASSWORD_FILE",
    "ca_cert": "AZK_CA_CERT",
    "insecure": "AZK_INSECURE",
    "server_account": "AZK_SERVER_ACCOUNT",
    "timeout": "AZK_TIMEOUT",
    "known": "AZK_KNOWN",
    "runs": "AZK_RUNS",
    "job_types": "AZK_JOB_TYPES",
    "server_version": "AZK_SERVER_VERSION",
    "dense_flows": "AZK_DENSE_FLOWS",
    "timezone": "AZK_TIMEZONE",
    "mail": "AZK_MAIL",
    "service": "AZK_SERVICE",
    "watch": "AZK_WATCH",
}
_OF_A_SERVER = (
    "address",
    "username",
    "password_file",
    "ca_cert",
    "insecure",
    "server_account",
    "server_version",
    "dense_flows",
    "timezone",
    "mail",
    "service",
    "watch",
)
_PATHS = ("password_file", "ca_cert", "runs", "watch")


class ConfigError(Exception):
    """A setting that cannot be used; the message names it, its source and the fix."""


@dataclass(frozen=True)
class Setting:
    """A value and where it came from."""

    value: Any
    source: str


@dataclass(frozen=True)
class Settings:
    """All settings, each with its source."""

    values: Mapping[str, Setting]
    files: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value


def config_file(env: Mapping[str, str]) -> Path:
    """Return the place of the user's configuration file."""
    if name := env.get("AZK_CONFIG"):
        return expanded(name)
    return base("XDG_CONFIG_HOME", "~/.config", env) / "azk" / "config.toml"


def load(
    flags: Mapping[str, Any],
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Merge all sources.

    Parameters
    ----------
    flags
        Options of the command line; None where not given.
    env
        The environment; the process's own by default.
    folder
        Where to begin to look for ``azk.toml``; the current folder by default.

    Raises
    ------
    ConfigError
        A file cannot be read, has an unknown key, or a value is of the wrong kind; or another
        account could have written it.
    """
    env = os.environ if env is None else env
    files = list(_files(env, folder or _current_folder()))
    tables = [(f"file {path}", _read(path)) for path in files]
    layers = [
        ("option", {key: value for key, value in flags.items() if value is not None}),
        ("environment", {key: env[name] for key, name in _VARIABLES.items() if env.get(name)}),
    ]
    server = next((t["server"] for _, t in (*layers, *tables) if t.get("server")), None)
    for source, table in tables:
        named = table.pop("servers", {})
        if server is not None and server in named:
            layers.append((f"{source} [servers.{server}]", named[server]))
        layers.append((source, table))
    if server is not None and not any(f"[servers.{server}]" in source for source, _ in layers):
        places = ", ".join(map(str, files)) or "any file"
        raise ConfigError(f"server {server!r}: no [servers.{server}] in {places}")
    values: dict[str, Setting] = {
        "server": Setting(server, "default" if server is None else "option, variable or file"),
        "url": Setting(None, "default"),
        **{name: Setting(None, "default") for name in _OF_A_SERVER},
        "insecure": Setting(value=False, source="default"),
        "dense_flows": Setting(value=False, source="default"),
        "timeout": Setting(60.0, "default"),
        "known": Setting((), "default"),
        "runs": Setting("runs", "default"),
        "job_types": Setting((), "default"),
    }
    url = next((layer["url"] for _, layer in layers if layer.get("url")), None)
    for source, layer in reversed(layers):
        foreign = layer.get("url") not in (None, url)
        for name, value in layer.items():
            if name == "server" or (foreign and name in _OF_A_SERVER):
                continue
            where = f"environment {_VARIABLES[name]}" if source == "environment" else source
            values[name] = Setting(_checked(name, value, where), where)
    return Settings(values, tuple(map(str, files)))


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder was deleted: change to another one") from None


def _files(env: Mapping[str, str], folder: Path) -> Iterator[Path]:
    for path in (place / "azk.toml" for place in (folder, *folder.parents)):
        if path.is_file():
            # Who names settings of their own is not kept from working in a folder of others.
            if not (env.get("AZK_CONFIG") and written_by_others(path)):
                yield path
            if not _only_deploys(path):
                break
    user = config_file(env)
    if user.is_file():
        yield user
    elif env.get("AZK_CONFIG"):
        raise ConfigError(f"AZK_CONFIG={env['AZK_CONFIG']}: no such file")


def _only_deploys(path: Path) -> bool:
    """Tell whether a file has no settings but how a project is deployed, as `azk new` writes it."""
    import tomllib

    try:
        return tomllib.loads(read_text(path)).keys() == {"deploy"}
    except (OSError, ValueError, RecursionError):
        return False  # `_read` says what is wrong with it


def written_by_others(path: Path) -> str:
    """Say which other account could have written a file; empty if none, or it cannot be told."""
    if not hasattr(os, "geteuid"):
        return ""
    from azkaban_client.trust import trouble

    return trouble(path)


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    if reason := written_by_others(path):
        raise ConfigError(
            f"{path}: {reason}, who could have your password sent to another server. If you trust "
            "them, name the account or group: AZK_TRUST=NAME; or use settings of your own instead: "
            "AZK_CONFIG=FILE"
        )
    try:
        table = tomllib.loads(read_text(path))
    except RecursionError as error:
        raise ConfigError(f"{path}: cannot be read: it is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    table.pop("deploy", None)  # of azk deploy alone, which reads it by itself
    servers = table.get("servers", {})
    if not isinstance(servers, dict) or not all(isinstance(t, dict) for t in servers.values()):
        raise ConfigError(f"{path}: servers: expected tables [servers.NAME]")
    for where, part in (("", table), *((f"[servers.{n}] ", t) for n, t in servers.items())):
        unknown = set(part) - set(_VARIABLES) - ({"servers"} if not where else set())
        if "password" in unknown:
            raise ConfigError(
                f"{path}: {where}password: no password is kept in this file; write it to a file "
                "of its own and name that: password_file = ..."
            )
        if unknown:
            raise ConfigError(
                f"{path}: {where}{', '.join(sorted(unknown))}: unknown "
                f"(known: {', '.join(_VARIABLES)}, servers)"
            )
        for name in _PATHS:
            if isinstance(value := part.get(name), str):
                part[name] = str(path.parent / expanded(value))
    return table


def _boolean(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    return words[str(value).lower()]


def _seconds(value: Any) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(value)
    return number


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) else tuple(map(str, value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


_KINDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "timeout": ("a number of seconds above 0", _seconds),
    "insecure": ("true or false", _boolean),
    "dense_flows": ("true or false", _boolean),
    "mail": ("true or false", _boolean),
    "service": ("true or false", _boolean),
    "known": ("a list of names", _names),
    "job_types": ("a list of names", _names),
}


def _checked(name: str, value: Any, source: str) -> Any:
    expected, convert = _KINDS.get(name, ("text", _text))
    try:
        value = convert(value)
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{name} = {value!r} ({source}): expected {expected}") from None
    return str(expanded(value)) if name in _PATHS and value != "-" else value
