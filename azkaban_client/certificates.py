"""Explain why a server's certificate is not trusted, with only the standard library."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

__all__ = ["DATES", "EXTRA", "distrust", "issuer"]

EXTRA = "AZK_EXTRA_CA_CERTS"  # the one setting for a company's authority

DATES = re.compile(r"expired|not.?(yet.?valid|valid.?yet)", re.IGNORECASE)
_PATIENCE = 5.0
# The types of a name that say who signs, as in a certificate: common name, organisation.
_TYPES = (b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x0a")
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}


def distrust(seen: str, signed_by: str) -> str:
    """Say why a certificate was refused, and what to do about it.

    Parameters
    ----------
    seen
        What the program that refused it says.
    signed_by
        Who signed the certificate; empty if unknown.

    Examples
    --------
    >>> distrust("self-signed certificate in certificate chain", "Corp CA").partition("; ")[0]
    'self-signed certificate in certificate chain, signed by "Corp CA"'
    """
    if DATES.search(seen):
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        return (
            f"{seen}; this machine's clock says {now}: set it (NTP), or have the server's renewed"
        )
    named = f', signed by "{signed_by}"' if signed_by else ""
    return (
        f"{seen}{named}; if your company re-signs all connections, have its CA put into this "
        f"system's store, or name the CA's file: {EXTRA}=FILE"
    )


def issuer(host: str, port: int, *, address: str | None = None, proxy: str | None = None) -> str:
    """Ask a server for its certificate, without checking it, and return who signed it.

    Parameters
    ----------
    host, port
        The server.
    address
        Its IP address, if not that of its name.
    proxy
        URL of the proxy that leads there.

    Returns
    -------
    str
        The common name and organisation of the signer; empty where they cannot be told.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = (
        ssl.CERT_NONE
    )  # nothing is sent, nothing that comes is used but to name it
    try:
        if proxy:
            plain = _through(proxy, host, port)
        else:
            plain = socket.create_connection((address or host, port), timeout=_PATIENCE)
        with plain, context.wrap_socket(plain, server_hostname=host) as sock:
            return signer(sock.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError, http.client.HTTPException):
        return ""


def _through(proxy: str, host: str, port: int) -> socket.socket:
    """Connect through a proxy."""
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    headers = {}
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(login).decode()}"
    tunnel = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_PATIENCE)
    tunnel.set_tunnel(host, port, headers)
    tunnel.connect()
    return tunnel.sock


def signer(der: bytes) -> str:
    """Read who signed a certificate.

    Parameters
    ----------
    der
        The certificate.

    Examples
    --------
    >>> signer(b"")
    ''
    """
    # The signer's name stands before the two dates, the subject's after them.
    head = re.split(rb"\x30.[\x17\x18][\x0d\x0f]", der, maxsplit=1, flags=re.DOTALL)[0]
    found = []
    for kind in _TYPES:
        _, _, rest = head.partition(kind)
        if len(rest) > 2 and rest[0] in _STRINGS:
            found.append(rest[2 : 2 + rest[1]].decode(_STRINGS[rest[0]], "replace"))
    return ", ".join(dict.fromkeys(found))
