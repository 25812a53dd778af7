"""Recognise secrets by their form or their name, so that they are neither shown nor sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_secret", "is_secret_file", "masked", "masked_words"]

_CREDENTIALS = re.compile(r"(\w://)[^/\s'\"]*@")
_NAMES = re.compile(
    r"passw|passphrase|secret|token|session\.id|credential|(?:api|access|private)[._-]?key",
    re.IGNORECASE,
)
_PLACES = ("file", "path", "dir", "env", "name")  # an option that says where a secret is
_SAID = re.compile(r"(\bauthorization:\s*(?:\w+\s+)?|\bbearer\s+)\S+", re.IGNORECASE)
_IN_TEXT = re.compile(
    rf"((?:^|[?&;,\s])[\w.-]*(?:{_NAMES.pattern})[\w.-]*[=:]\s*)[^&;,\s]+", re.IGNORECASE
)
_FILES = re.compile(
    r"(?:^|/)(?:\.env(?:\..+)?|\.netrc|\.pgpass|id_(?:rsa|dsa|ecdsa|ed25519)|[^/]+\.(?:pem|key|p12))$"
)


def masked(text: str) -> str:
    """Hide user and password of URLs, such as those of proxies and mirrors.

    Examples
    --------
    >>> masked("http://me:secret@proxy:3128 failed")
    'http://***@proxy:3128 failed'
    """
    return _CREDENTIALS.sub(r"\1***@", text)


def masked_words(words: Sequence[str]) -> list[str]:
    """Hide the values of a command's words that are secrets by the names of their options.

    Examples
    --------
    >>> masked_words(["fetch.py", "--token", "abc", "--api-key=abc", "PASSWORD=abc", "--rows", "3"])
    ['fetch.py', '--token', '***', '--api-key=***', 'PASSWORD=***', '--rows', '3']
    >>> masked_words(["-H", "Authorization: Bearer abc", "http://x/?a=1&access_token=abc"])
    ['-H', 'Authorization: Bearer ***', 'http://x/?a=1&access_token=***']
    >>> masked_words(["--token", "--dry-run", "--token-file", "/home/me/token"])
    ['--token', '--dry-run', '--token-file', '/home/me/token']
    """
    found: list[str] = []
    before = ""
    for word in words:
        named = before.startswith("-") and is_secret(before) and not before.endswith(_PLACES)
        if named and "=" not in before and not word.startswith("-"):
            found.append("***")
        else:
            found.append(_masked_word(word))
        before = word
    return found


def _masked_word(word: str) -> str:
    name, equals, value = word.partition("=")
    if equals and value and is_secret(name) and not name.endswith(_PLACES) and "?" not in name:
        return f"{name}=***"
    return _IN_TEXT.sub(r"\1***", _SAID.sub(r"\1***", masked(word)))


def is_secret(name: str) -> bool:
    """Tell whether a field, an option or a property holds a secret, by its name.

    Examples
    --------
    >>> is_secret("db_password"), is_secret("API_KEY"), is_secret("rows")
    (True, True, False)
    """
    return bool(_NAMES.search(name))


def is_secret_file(name: str) -> bool:
    """Tell whether a file usually holds passwords or private keys, by its name.

    Examples
    --------
    >>> is_secret_file("conf/.env"), is_secret_file("conf/id_rsa"), is_secret_file("keys.py")
    (True, True, False)
    """
    return bool(_FILES.search(name))
