"""Who logs in, and where the password comes from."""

from __future__ import annotations

import netrc
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from azkaban_client._home import expanded

if TYPE_CHECKING:
    from collections.abc import Callable
    from urllib.parse import SplitResult

__all__ = ["Login", "from_keyring", "from_netrc", "split_url"]


@dataclass(frozen=True)
class Login:
    """Who logs in.

    Attributes
    ----------
    username
        Who.
    password
        It, or a function that gives it when it is needed.
    session_id
        A session from an earlier login, to go on with.
    """

    username: str | None = None
    password: str | Callable[[], str] | None = field(default=None, repr=False)
    session_id: str | None = field(default=None, repr=False)


def split_url(url: str) -> SplitResult:
    """Split a server's URL; ``http://`` may be missing.

    Raises
    ------
    ValueError
        It is none of HTTP, or names no host.

    Examples
    --------
    >>> split_url("host:8081").port
    8081
    """
    words = f"url {url!r}: expected http://HOST[:PORT] or https://HOST[:PORT]"
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
    except ValueError as error:  # "http://[::1"
        raise ValueError(words) from error
    try:
        port = parts.port
    except ValueError as error:  # ":abc", ":99999"
        raise ValueError(f"url {url!r}: {error}") from None
    odd = port == 0 or re.search(r"[\s\x00-\x1f\x7f]", url)
    if parts.scheme not in ("http", "https") or not parts.hostname or odd:
        raise ValueError(words)
    return parts


def from_netrc(url: str) -> Login | None:
    """Look the host of a server up in ``~/.netrc``, or the file that NETRC names.

    Only an entry of the host's own counts: that of ``default`` is not meant for any server.

    Raises
    ------
    OSError, netrc.NetrcParseError
        The file is there and cannot be used.
    """
    path = expanded(os.environ.get("NETRC") or "~/.netrc")
    host = split_url(url).hostname or ""
    try:
        found = netrc.netrc(str(path)).hosts.get(host)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise netrc.NetrcParseError(f"not UTF-8: {error.reason}", str(path)) from error
    return Login(found[0] or None, found[2]) if found else None


def from_keyring(url: str, username: str) -> str | None:
    """Ask the desktop's keyring (the extra ``keyring``) for a password.

    It is kept under the server's URL: ``keyring set http://azkaban.example:8081 me``.

    Returns
    -------
    str or None
        None if there is none, or no keyring.
    """
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        return keyring.get_password(url, username)
    except keyring.errors.KeyringError:
        return None
