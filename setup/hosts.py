"""Check which host names a URL and a certificate can have, and which a certificate covers."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["covers", "is_address", "normalised", "trouble"]

_NAME_BYTES, _LABEL_BYTES = 253, 63


def is_address(name: str) -> bool:
    """Tell whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def normalised(name: str) -> str:
    """Return a name as certificates and DNS write it: lower case, ASCII, without a final dot.

    Examples
    --------
    >>> normalised("Bücher.Example.org."), normalised("2001:DB8:0::1")
    ('xn--bcher-kva.example.org', '2001:db8::1')
    """
    if is_address(name):
        return str(ipaddress.ip_address(name))
    try:
        return name.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:  # too long a label, or an empty one: `trouble` tells
        return name.lower().removesuffix(".")


def trouble(name: str, *, tls: bool) -> str:
    """Say why clients could not call a server by a name; empty when they can.

    Parameters
    ----------
    name
        A host name, or an IP address.
    tls
        Whether they use TLS, in which Java refuses names with underscores.

    Examples
    --------
    >>> trouble("build7.example.org", tls=True)
    ''
    >>> trouble("my_host9", tls=True)
    "TLS allows letters, digits and hyphens in 'my_host9', and no '_'"
    """
    if is_address(name):
        return ""
    host = normalised(name)
    labels = host.split(".")
    found = [_label_trouble(label, tls=tls) for label in labels]
    if len(host) > _NAME_BYTES:
        found.append(f"it has {len(host)} characters, and at most {_NAME_BYTES} are allowed")
    if labels[-1].isdigit():
        found.append("its last part is a number, so that clients take it for an address")
    return next(filter(None, found), "")


def _label_trouble(label: str, *, tls: bool) -> str:
    strange = sorted(set(re.sub("[a-z0-9-]" if tls else "[a-z0-9_-]", "", label)))
    if not label:
        return "there is nothing where a part of it should be"
    if len(label) > _LABEL_BYTES:
        return f"{label!r} has {len(label)} characters, and at most {_LABEL_BYTES} are allowed"
    if strange:
        kind = "TLS" if tls else "a URL"
        which = ", ".join(map(repr, strange))
        return f"{kind} allows letters, digits and hyphens in {label!r}, and no {which}"
    if "-" in (label[0], label[-1]):
        return f"{label!r} begins or ends with a hyphen"
    return ""


def covers(name: str, host: str) -> bool:
    """Tell whether clients accept a certificate's name for a host.

    An asterisk stands for the whole first part of a host name, and for that one part only; at least
    two more must follow.

    Examples
    --------
    >>> covers("*.corp.example", "build7.corp.example")
    True
    >>> covers("*.corp.example", "a.build7.corp.example"), covers("*.example", "corp.example")
    (False, False)
    """
    name, host = normalised(name), normalised(host)
    if not name.startswith("*.") or is_address(host):
        return name == host
    _, _, parent = host.partition(".")
    return "." in parent and name == f"*.{parent}"
