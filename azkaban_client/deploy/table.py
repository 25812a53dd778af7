"""The table ``[deploy]`` in the ``azk.toml`` of a project's folder."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from azkaban_client.config import ConfigError
from azkaban_client.files import read_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read"]

_TEXTS = {"project", "flow", "daily", "weekdays", "every", "cron", "at", "timezone", "until"} | {
    "catch_up"
}
_SWITCHES = {"pack"}
_LISTS = {"exclude", "known", "notify", "with"}


def read(folder: Path) -> dict[str, Any]:
    """Read how a folder is deployed; empty where nothing says so.

    Raises
    ------
    ConfigError
        The file cannot be read, or has a key or a value that means nothing.
    """
    path = folder / "azk.toml"
    try:
        whole = tomllib.loads(read_text(path))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    table = whole.get("deploy", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: deploy: expected a table [deploy]")
    for key, value in table.items():
        if key not in _TEXTS | _LISTS | _SWITCHES:
            known = ", ".join(sorted(_TEXTS | _LISTS | _SWITCHES))
            raise ConfigError(f"{path}: [deploy] {key}: unknown (known: {known})")
        if key in _SWITCHES:
            if not isinstance(value, bool):
                raise ConfigError(f"{path}: [deploy] {key} = {value!r}: expected true or false")
            continue
        texts = value if key in _LISTS else [value]
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            expected = "a list of texts" if key in _LISTS else "text"
            raise ConfigError(f"{path}: [deploy] {key} = {value!r}: expected {expected}")
    return table
