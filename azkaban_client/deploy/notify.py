"""Whom `azk deploy` has told of failures: by the server's mail, or by `azk watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client._home import expanded
from azkaban_client.mail import check_address
from azkaban_client.watch.deployed import KINDS
from azkaban_client.watch.rules import secret_trouble

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read"]


def read(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Read addresses of mail, and the kind and file of each channel that `azk watch` tells.

    Parameters
    ----------
    texts
        ``mail:ADDRESS``, or ``chat:FILE`` and the like.

    Raises
    ------
    ValueError
        With the text that is none of them.

    Examples
    --------
    >>> read(["mail:me@example.org"])
    (('me@example.org',), ())
    >>> read(["slack:https://hooks.slack.com/services/T/B/X"])
    Traceback (most recent call last):
    ...
    ValueError: --notify slack: the address is a secret: write it to a file that only you can read \
(chmod 600), and name that: --notify slack:~/.slack
    """
    mails: list[str] = []
    tells: list[tuple[str, str]] = []
    for text in dict.fromkeys(texts):
        kind, _, where = text.partition(":")
        if kind in KINDS:
            tells.append((kind, _file(kind, where)))
            continue
        try:
            check_address(where if kind == "mail" else "")
        except ValueError:
            others = " or ".join(f"{one}:FILE" for one in KINDS)
            raise ValueError(
                f"--notify {text}: expected mail:ADDRESS, one address, or {others}, where FILE "
                "holds the address"
            ) from None
        mails.append(where)
    return tuple(mails), tuple(tells)


def _file(kind: str, where: str) -> str:
    """Return the file that holds an address, which no command line may."""
    if not where or "://" in where:
        raise ValueError(
            f"--notify {kind}: the address is a secret: write it to a file that only you can read "
            f"(chmod 600), and name that: --notify {kind}:~/.{kind}"
        )
    path = expanded(where).absolute()
    if not path.is_file():
        raise ValueError(f"--notify {kind}:{where}: there is no file {path}")
    if reason := secret_trouble(path):
        raise ValueError(f"--notify {kind}:{where}: {reason}")
    return str(path)
