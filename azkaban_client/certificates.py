"""Why a server's certificate is not trusted, in words; the standard library alone."""

from __future__ import annotations

import re
import socket
import ssl
from datetime import UTC, datetime

__all__ = ["EXTRA", "distrust", "issuer"]

EXTRA = "AZK_EXTRA_CA_CERTS"  # the one setting for a company's authority

_DATES = ("certificate has expired", "certificate is not yet valid")
_PATIENCE = 5.0
# The types of a name that say who signs, as in a certificate: common name, organisation.
_TYPES = (b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x0a")
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}


def distrust(error: ssl.SSLCertVerificationError, signer: str) -> str:
    """Say why a certificate was refused, and what to do about it.

    Parameters
    ----------
    error
        Of the handshake.
    signer
        Who signed the certificate; empty where nobody knows.
    """
    seen = error.verify_message
    if seen in _DATES:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        return f"{seen}, by this machine's clock: it says {now}; set it (NTP), or have it renewed"
    named = f'it is signed by "{signer}"; ' if signer else ""
    return (
        f"{seen}; {named}if your company signs all connections anew, have its CA put into this "
        f"system's store, or name the CA's file: {EXTRA}=FILE"
    )


def issuer(address: str, port: int, name: str) -> str:
    """Ask a server for its certificate, unchecked, and tell who signed it.

    Parameters
    ----------
    address, port
        Where it is.
    name
        The host that is asked for.

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
        with (
            socket.create_connection((address, port), timeout=_PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=name) as sock,
        ):
            return signer(sock.getpeercert(binary_form=True) or b"")
    except OSError:
        return ""


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
