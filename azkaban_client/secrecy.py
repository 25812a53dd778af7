"""What is secret by its looks or its name, and must be neither shown nor sent."""

from __future__ import annotations

import re

__all__ = ["is_secret", "is_secret_file", "masked"]

_CREDENTIALS = re.compile(r"(\w://)[^/\s'\"]*@")
_NAMES = re.compile(
    r"passw|secret|token|session\.id|credential|api_?key|private_?key", re.IGNORECASE
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
