"""Write the authorities that a server trusts for its own TLS connections, such as to send mail.

Java has a list of its own, which system settings do not affect. A server gets a list with the
authorities of its Java and all those that downloads trust (see `azkaban_client.authorities`). It is
in Java's old format, which needs no password and which every Java since 8 reads.
"""

from __future__ import annotations

import hashlib
import ssl
import struct
from typing import TYPE_CHECKING

from azkaban_client import authorities
from azkaban_client.files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["options", "write"]

_MAGIC = b"\xfe\xed\xfe\xed"
_PASSWORD = "changeit"  # noqa: S105 (Java's own for lists of what everybody may know)
# Of ours: Java's own programs give none and skip the check, MySQL's driver gives an empty one.
_NONE = ""


def options(path: Path) -> list[str]:
    """Return the options that make a Java trust a list; none if there is no list.

    Parameters
    ----------
    path
        Where `write` put it.
    """
    if not path.is_file():
        return []
    return [f"-Djavax.net.ssl.trustStore={path}", "-Djavax.net.ssl.trustStoreType=JKS"]


def write(path: Path, java: Path) -> None:
    """Write the list, unless it would be empty.

    Parameters
    ----------
    path
        Where it goes.
    java
        The ``java`` whose own authorities remain trusted.
    """
    found = [*map(ssl.PEM_cert_to_DER_cert, authorities.certificates()), *_own(java)]
    if not found:
        return
    content = _packed(dict.fromkeys(found))
    if not path.is_file() or path.read_bytes() != content:
        write_private(path, content)  # like everything beside it, which `doctor` checks


def _packed(certificates: Iterable[bytes]) -> bytes:
    entries = [
        struct.pack(">I", 2) + _text(f"ca{number}") + bytes(8) + _text("X.509") + _counted(der)
        for number, der in enumerate(certificates)
    ]
    content = _MAGIC + struct.pack(">II", 2, len(entries)) + b"".join(entries)
    salted = _NONE.encode("utf-16-be") + b"Mighty Aphrodite" + content
    return content + hashlib.sha1(salted).digest()  # noqa: S324 (the format's own)


def _own(java: Path) -> Iterator[bytes]:
    """Read the list that came with a Java, or that this system's administrators made for it."""
    home = java.resolve().parents[1]
    for path in (home / "lib/security/cacerts", home / "jre/lib/security/cacerts"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        yield from _of_jks(content) if content.startswith(_MAGIC) else _of_pkcs12(content)
        return


def _of_jks(content: bytes) -> Iterator[bytes]:
    place = 12
    for _ in range(struct.unpack_from(">I", content, 8)[0]):
        if content[place : place + 4] != struct.pack(">I", 2):
            return  # a key, which does not belong in a list of authorities
        place += 4
        place += 2 + struct.unpack_from(">H", content, place)[0] + 8
        place += 2 + struct.unpack_from(">H", content, place)[0]
        size = struct.unpack_from(">I", content, place)[0]
        yield content[place + 4 : place + 4 + size]
        place += 4 + size


def _of_pkcs12(content: bytes) -> Iterator[bytes]:
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

    for password in (None, _PASSWORD.encode()):
        try:
            found = pkcs12.load_pkcs12(content, password)
        except ValueError:
            continue
        for each in found.additional_certs:
            yield each.certificate.public_bytes(Encoding.DER)
        return


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
