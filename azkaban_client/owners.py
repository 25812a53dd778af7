"""Find out which account is at the other end of a connection within this machine.

Any account can listen on a port while the server that belongs there is down, and would be sent what
was meant for it. Linux knows the owner of every socket, so that is asked before anything is sent.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["described", "is_here", "owners", "refusal", "taken_by", "uid_of"]

_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")
_LISTEN = "0A"
_LOOKS = 3  # the tables change while they are read, so that a line can be missed
_ROOT = 0


class _Row(NamedTuple):
    """A socket of the kernel's tables; its ends are in the tables' own form."""

    local: str
    remote: str
    listens: bool
    uid: int
    held: bool  # by a process: a connection that nobody has accepted yet is said to be root's


def refusal(connected: socket.socket, account: str | None = None) -> str:
    """Say why nothing may be sent over a connection; empty if it may.

    Connections to other machines are not looked at: only TLS proves who is there. Neither is
    anything refused where the kernel does not tell, as on macOS and Windows.

    Parameters
    ----------
    connected
        Connected TCP socket, within this machine or not.
    account
        Whose the other end must be, by name or number; this process's own by default. Root's will
        do as well, who can take over either of them.
    """
    if not hasattr(os, "geteuid"):
        return ""
    address, port = connected.getpeername()[:2]
    if not is_here(address) or (found := owners(connected)) is None:
        return ""
    try:
        expected = os.geteuid() if account is None else uid_of(account)
    except ValueError as error:
        return str(error)
    if found and found <= {expected, _ROOT}:
        return ""
    there = " and ".join(described(uid) for uid in sorted(found)) or "no account of this machine"
    return (
        f"on this machine, {address} port {port} belongs to {there}, not to "
        f"{described(expected)}: nothing was sent"
    )


def owners(connected: socket.socket) -> set[int] | None:
    """Return the accounts (uids) that have the other end of a connection within this machine.

    Parameters
    ----------
    connected
        Connected TCP socket.

    Returns
    -------
    set of int or None
        That of the socket at the other end. Before a process has accepted the connection, those
        which listen for it: several if it cannot be told who will get it. None where the kernel
        does not tell.
    """
    here, there = _texts(connected.getsockname()), _texts(connected.getpeername())
    port = connected.getpeername()[1]
    for _ in range(_LOOKS):
        rows = list(_rows(port))
        if any(row.local in here and row.remote in there for row in rows):
            has = (row for row in rows if row.local in there and row.remote in here and row.held)
            return {row.uid for row in has} or _listening(rows, there, port)
    return None


def taken_by(address: str, port: int) -> str:
    """Return the words of a message about whose program listens on a port.

    Parameters
    ----------
    address
        Where somebody else would like to listen.
    port
        TCP port.
    """
    rows = list(_rows(port))
    found = _listening(rows, _texts((address, port)), port)
    if not found:  # on one address, and all are wanted
        found = {row.uid for row in rows if row.listens and row.local.endswith(f":{port:04X}")}
    others = sorted(found - {os.geteuid()})
    return f"a program of {' and '.join(map(described, others))}" if others else "another program"


def _listening(rows: list[_Row], there: set[str], port: int) -> set[int]:
    """Find who listens: a socket of the very address gets a connection before one of all."""
    anywhere = {f"{'0' * 8}:{port:04X}", f"{'0' * 32}:{port:04X}"}
    exact = {row.uid for row in rows if row.listens and row.local in there}
    return exact or {row.uid for row in rows if row.listens and row.local in anywhere}


def _rows(port: int) -> Iterator[_Row]:
    """Read the sockets with a port at one of their ends."""
    end = f":{port:04X}"
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as stream:  # noqa: PTH123 (each login waits for it)
                lines = [line.split() for line in stream if end in line]
        except OSError:  # no such table, as without IPv6
            continue
        for words in lines:
            yield _Row(words[1], words[2], words[3] == _LISTEN, int(words[7]), words[9] != "0")


def _texts(name: Any) -> set[str]:
    """Write an end as the tables do; one of IPv4 can stand in both."""
    address = ipaddress.ip_address(name[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    forms = [address.packed]
    if address.version == 4:
        forms.append(bytes(10) + b"\xff\xff" + address.packed)
    return {f"{_words(form)}:{name[1]:04X}" for form in forms}


def _words(packed: bytes) -> str:
    """Write bytes as the kernel does: words of four in this machine's order."""
    words = (packed[i : i + 4] for i in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def is_here(address: str) -> bool:
    """Tell whether an IP address is one of this machine's.

    Examples
    --------
    >>> is_here("127.0.0.1"), is_here("192.0.2.1")
    (True, False)
    """
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped:
        return is_here(str(number.ipv4_mapped))
    if number.is_loopback:
        return True
    family = socket.AF_INET6 if number.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def uid_of(account: str) -> int:
    """Return the number of an account.

    Raises
    ------
    ValueError
        This machine has no such account.

    Examples
    --------
    >>> uid_of("root"), uid_of("1000")
    (0, 1000)
    """
    if account.isdecimal():
        return int(account)
    import pwd

    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        raise ValueError(f"{account!r}: this machine has no such account") from None


def described(uid: int) -> str:
    """Name an account for a message.

    Examples
    --------
    >>> described(0)
    'the account root'
    """
    import pwd

    try:
        return f"the account {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the account {uid}"
