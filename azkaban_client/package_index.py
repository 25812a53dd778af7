"""Read where packages come from, and pass that to pip and uv as each expects it."""

from __future__ import annotations

import math
import os
import re
import sys
import tomllib
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client._home import expanded
from azkaban_client.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Index"]

# pip's name of each setting that says how packages are reached, and uv's variable for it. What else
# is set (user, target, require-hashes, pre, ...) would change what is installed, or where.
_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "",  # one of those whose certificates are gathered: see azkaban_client.authorities
    "client-cert": "SSL_CLIENT_CERT",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "proxy": "HTTPS_PROXY",
    "no-index": "UV_NO_INDEX",
    "no-cache-dir": "UV_NO_CACHE",
    "cache-dir": "",
}
_FLAGS = ("no-index", "no-cache-dir")

# uv's variables that mean the same as one of pip's, for those who set nothing for pip.
_UV = (
    ("UV_DEFAULT_INDEX", "index-url"),
    ("UV_INDEX_URL", "index-url"),
    ("UV_INDEX", "extra-index-url"),
    ("UV_EXTRA_INDEX_URL", "extra-index-url"),
    ("UV_FIND_LINKS", "find-links"),
)


@dataclass(frozen=True)
class Index:
    """How packages are reached.

    Attributes
    ----------
    settings
        Those of pip that say so, by pip's names; lists are separated by spaces.
    damaged
        What is wrong with configuration files, of which nothing could be read.

    Examples
    --------
    >>> index = Index.of({"PIP_INDEX_URL": "https://mirror/simple", "PIP_CONFIG_FILE": "/dev/null"})
    >>> index.for_uv({})["UV_DEFAULT_INDEX"]
    'https://mirror/simple'
    """

    settings: Mapping[str, str]
    damaged: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Index:
        """Read pip's settings: its variables, else uv's, else pip's configuration files."""
        found: dict[str, str] = {}
        damaged = []
        for read, paths in ((_read_uv, _uv_files(environ)), (_read, _files(environ))):
            for path in paths:
                try:
                    found |= read(path)
                except (Error, ValueError) as error:
                    damaged.append(f"{path}: {' '.join(str(error).split())}")
        for variable, name in reversed(_UV):
            if value := environ.get(variable):
                found[name] = " ".join(
                    part.partition("=")[2] if "=" in part.partition("://")[0] else part
                    for part in value.replace(",", " ").split()  # NAME=URL is uv's way
                )
        for variable, value in environ.items():
            if variable.startswith("PIP_"):
                found[_normal(variable.removeprefix("PIP_"))] = value
        kept = {name: found[name] for name in _NAMES if found.get(name, "").strip()}
        settings = {k: v for k, v in kept.items() if k not in _FLAGS or _true(v)}
        return cls(settings, "; ".join(damaged))

    def only(self, folder: Path) -> Index:
        """Return an index that is a folder of wheels and nothing else."""
        kept = {k: v for k, v in self.settings.items() if k in ("cache-dir", "no-cache-dir")}
        return Index({**kept, "no-index": "1", "find-links": str(folder)})

    def uncached(self) -> Index:
        """Return the same index, without a cache."""
        return Index({**self.settings, "no-cache-dir": "1"}, self.damaged)

    @property
    def folders(self) -> list[Path]:
        """The folders of wheels among its places."""
        places = [
            expanded(place.removeprefix("file://"))
            for place in self.settings.get("find-links", "").split()
        ]
        return [place.absolute() for place in places if place.is_dir()]

    def for_pip(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Choose pip's environment: these settings, and none of the user's others."""
        self._require_sound()
        ours = {f"PIP_{k.upper().replace('-', '_')}": v for k, v in self.settings.items()}
        ours |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        ours |= {"PIP_CERT": environ["PIP_CERT"]} if "PIP_CERT" in environ else {}
        return {**_others(environ), "PIP_RETRIES": "2", **ours, "PIP_NO_INPUT": "1"}

    def for_uv(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Choose uv's environment: the same, in uv's words."""
        self._require_sound()
        ours = {_NAMES[k]: v for k, v in self.settings.items() if _NAMES[k]}
        if timeout := ours.get("UV_HTTP_TIMEOUT"):  # pip takes a part of a second as well
            ours["UV_HTTP_TIMEOUT"] = str(math.ceil(float(timeout)))
        links = re.findall(r"(?<!\S)(?!file:)\w+://\S+", ours.pop("UV_FIND_LINKS", ""))
        if places := [*links, *map(str, self.folders)]:  # it stops at a folder that is not there
            ours["UV_FIND_LINKS"] = ",".join(places)
        if proxy := ours.get("HTTPS_PROXY"):
            ours |= dict.fromkeys(("https_proxy", "HTTP_PROXY", "http_proxy"), proxy)
        # All is pinned by hash, so any index may have it, as with pip.
        ours = {"UV_HTTP_RETRIES": "2", "UV_INDEX_STRATEGY": "unsafe-best-match", **ours}
        return {**_others(environ), **ours}

    def _require_sound(self) -> None:
        """Refuse a file of settings that pip or uv could not read, naming it."""
        if self.damaged:
            raise ConfigError(
                f"settings of pip or uv cannot be read: {self.damaged}. Correct the file; or "
                "PIP_CONFIG_FILE and UV_CONFIG_FILE name others, /dev/null for none"
            )
        for name, pattern, what in (
            ("timeout", r"\d+(\.\d*)?|\.\d+", "seconds"),
            ("retries", r"\d+", "tries"),
        ):
            value = self.settings.get(name, "0").strip()
            if not re.fullmatch(pattern, value, re.ASCII):
                raise ConfigError(
                    f"pip's setting {name} (PIP_{name.upper()} or pip.conf) is {value!r}: expected "
                    f"a number of {what}"
                )


def _others(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out the variables that control pip, uv and Python themselves."""
    prefixes = ("PIP_", "UV_", "PYTHON")
    names = ("VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")
    return {
        k: v
        for k, v in environ.items()
        if k == "PYTHONPYCACHEPREFIX" or not (k.startswith(prefixes) or k in names)
    }


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """List pip's configuration files, as pip does, the strongest last."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = Path(environ.get("HOME") or "/")
    for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    yield Path(sys.base_prefix, "pip.conf")
    if named:
        yield Path(named)


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """List uv's configuration files, the strongest last."""
    if named := environ.get("UV_CONFIG_FILE"):
        yield Path(named)
    elif not environ.get("UV_NO_CONFIG"):
        for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
            yield Path(folder, "uv", "uv.toml")
        yield Path("/etc/uv/uv.toml")
        home = Path(environ.get("HOME") or "/")
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "uv", "uv.toml")


def _read_uv(path: Path) -> dict[str, str]:
    """Read where packages come from in a configuration file of uv, by pip's names."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return {}
    pip = settings.get("pip")
    settings |= pip if isinstance(pip, dict) else {}
    found = {
        "index-url": _joined(settings.get("index-url")),
        "extra-index-url": _joined(settings.get("extra-index-url")),
        "find-links": _joined(settings.get("find-links")),
        "trusted-host": _joined(settings.get("allow-insecure-host")),
    }
    indexes = settings.get("index")
    for index in indexes if isinstance(indexes, list) else []:
        url = _joined(index.get("url")) if isinstance(index, dict) else ""
        if url and index.get("default"):
            found["index-url"] = url
        else:
            found["extra-index-url"] = f"{found['extra-index-url']} {url}".strip()
    return {name: value for name, value in found.items() if value}


def _joined(value: object) -> str:
    """Write a text or a list of texts in one line; empty for anything else."""
    values = value if isinstance(value, list) else [value]
    return " ".join(text for text in values if isinstance(text, str))


def _read(path: Path) -> dict[str, str]:
    parser = RawConfigParser()
    parser.read(path, encoding="utf-8")  # a file that is not there has no settings
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            items = parser.items(section)
            found |= {_normal(name): " ".join(value.split()) for name, value in items}
    return found


def _normal(name: str) -> str:
    """Write a setting as pip's long option: PIP_DEFAULT_TIMEOUT and default_timeout are one."""
    return name.lower().replace("_", "-").replace("default-timeout", "timeout")


def _true(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on", "y", "t")
