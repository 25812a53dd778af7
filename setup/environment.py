"""Build the environment of every program that set-up starts; no other module does.

There are three kinds of program:

- `local`: programs that need no network: servers, compilers. Jobs inherit it from servers, so
  it holds no variable of the user's that may be secret.
- `tool`: programs of set-up itself, such as pip, npm and apt-get. They also get proxies,
  certificates and the place of ``.netrc``, and speak English, because set-up reads their messages.
- `program`: what the user asked to run, such as an application of Spark. It gets everything
  except what would mislead another Python.

Each gets a locale that works on this machine, and never reaches loopback through a proxy.
"""

from __future__ import annotations

import contextlib
import getpass
import locale
import os
import pwd
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from setup import trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "downloading",
    "ensure_home",
    "local",
    "no_proxy",
    "program",
    "temporary",
    "tool",
    "user",
]

_LOCALE = (
    *("LC_ALL", "LC_CTYPE", "LANG", "LC_COLLATE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC"),
    *("LC_TIME", "LC_ADDRESS", "LC_IDENTIFICATION", "LC_MEASUREMENT", "LC_NAME", "LC_PAPER"),
    "LC_TELEPHONE",
)
_KEPT = frozenset(
    {"HOME", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER", *_LOCALE}
    | {"REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"}
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
# What programs that download read besides their own settings.
_NETWORK = frozenset(
    {*_PROXIES, *(name.upper() for name in _PROXIES), "NETRC"}
    | {"XDG_CACHE_HOME", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"}
)
# Python's variables that change no search path and no meaning.
_PYTHON = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONPYCACHEPREFIX"})
_UTF8 = "UTF-8"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def local(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Choose the environment of a program that needs no network; jobs inherit a server's.

    Parameters
    ----------
    extra
        Variables of its own.

    Examples
    --------
    >>> sorted(set(local({"UMASK": "0600"})) & {"HOME", "UMASK", "USER"})
    ['HOME', 'UMASK', 'USER']
    """
    return {**_some(_KEPT), **_working_locale(os.environ), **(extra or {})}


def tool(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Choose the environment of a program of set-up itself.

    Parameters
    ----------
    folder
        Where to keep its temporary files, and the list of certificates that it trusts.
    extra
        Variables of its own.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = {
        "TMPDIR": temporary(folder),
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        "LC_ALL": _english() or "C",
    }
    return {**_some(_KEPT | _NETWORK), **ours, **_reach(folder), **(extra or {})}


def temporary(folder: Path) -> str:
    """Return the folder for temporary files: the user's TMPDIR if it is usable, else `folder`."""
    return _some(frozenset({"TMPDIR"})).get("TMPDIR", str(folder))


@contextlib.contextmanager
def downloading(folder: Path) -> Iterator[None]:
    """Make downloads of this process use the certificates and proxies of its tools.

    Parameters
    ----------
    folder
        Where the list of certificates may lie meanwhile.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        ours = _reach(Path(temporary))
        os.environ.update(ours)
        try:
            yield
        finally:
            for name in ours:
                os.environ.pop(name)
                os.environ |= {name: before[name]} if name in before else {}


def program(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Choose the environment of a program that the user asked to run.

    Parameters
    ----------
    extra
        Variables of its own.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") or name in _PYTHON
    }
    kept |= no_proxy() if any(name in kept for name in _NETWORK) else {}
    return {**kept, **_working_locale(kept), **(extra or {})}


def no_proxy() -> dict[str, str]:
    """Return the variables that keep loopback and this machine's name from any proxy."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in given.split(",") if name.strip()]
    if "*" not in names:
        names += [name for name in (*_LOOPBACK, socket.gethostname()) if name not in names]
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(names))


def _reach(folder: Path) -> dict[str, str]:
    from azkaban_client import authorities

    return authorities.variables(folder) | no_proxy()


def ensure_home() -> None:
    """Give this process a home folder if the account has none: ``/``, as containers do."""
    if not os.environ.get("HOME", "").startswith("/"):  # files would go to the current folder
        os.environ["HOME"] = _home()


def user() -> str:
    """Name the account, even one without an entry in the password file, as containers have.

    Examples
    --------
    >>> bool(user())
    True
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user{os.getuid()}"


def _some(names: frozenset[str]) -> dict[str, str]:
    """Take variables of this process, and add those that every program may rely on."""
    kept = {name: value for name, value in os.environ.items() if name in names}
    if "TMPDIR" in kept and not _is_usable(kept["TMPDIR"]):
        del kept["TMPDIR"]  # of a session that has ended, for example
    return {"HOME": _home(), "LOGNAME": user(), "USER": user(), **kept}


def _is_usable(folder: str) -> bool:
    if not (folder and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return False
    return not trust.trouble(Path(folder, "new"))  # others could exchange what programs put there


def _home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def _working_locale(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which Java and Python do not garble names of files.

    A locale counts only if it is installed: ssh forwards the locale of another machine.
    """
    names = ["LC_ALL"] if environ.get("LC_ALL") else list(_LOCALE)
    given = [environ[name] for name in names if environ.get(name)]
    characters = next((environ[name] for name in _LOCALE[:3] if environ.get(name)), "C")
    if all(map(_codeset, given)) and _codeset(characters) == _UTF8:
        return {}
    return {"LC_ALL": _english() or "C.UTF-8"}


def _english() -> str:
    """Find a locale with UTF-8 whose messages are English; empty where there is none."""
    # The first is missing on systems of before 2021.
    return next((name for name in ("C.UTF-8", "en_US.UTF-8") if _codeset(name) == _UTF8), "")


def _codeset(name: str) -> str:
    """Tell how a locale writes characters; empty when it is not installed here."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
        return locale.nl_langinfo(locale.CODESET).upper()
    except locale.Error:
        return ""
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
