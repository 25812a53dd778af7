"""What a TLS scanner does, in a few lines: offers of our own making, and what is taken of them."""

from __future__ import annotations

import ctypes
import secrets
import socket
import ssl
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SSL3, TLS10, TLS11, TLS12 = 0x0300, 0x0301, 0x0302, 0x0303

HANDSHAKE, ALERT = 22, 21


_CURVES = (0x1D, 0x17, 0x18, 0x19, 0x1E)  # X25519, P-256, P-384, P-521, X448


def accepted(
    address: tuple[str, int],
    host: str,
    version: int,
    suites: Sequence[int],
) -> int | None:
    """Offer cipher suites of one version of TLS (up to 1.2); return the suite that is taken.

    Parameters
    ----------
    address
        Where the server listens.
    host
        The name that is asked for.
    version
        Such as 0x0303 for TLS 1.2.
    suites
        Numbers of cipher suites, at most 8000 (a record has room for 16 KB).
    """
    with socket.create_connection(address, timeout=20) as plain:
        plain.sendall(_hello(host, version, suites))
        answer = plain.makefile("rb")
        head = answer.read(5)
        if len(head) < 5 or head[0] != HANDSHAKE:
            return None  # an alert, or the end
        body = answer.read(struct.unpack(">H", head[3:])[0])
        assert body[0] == 2, "the first message is a ServerHello"
        chosen, session = struct.unpack(">H", body[4:6])[0], body[38]
        assert chosen == version
        return int(struct.unpack_from(">H", body, 39 + session)[0])


def _hello(host: str, version: int, suites: Sequence[int]) -> bytes:
    name = host.encode()
    groups = b"".join(struct.pack(">H", curve) for curve in _CURVES)
    extensions = {
        0: struct.pack(">HBH", len(name) + 3, 0, len(name)) + name,  # server name
        10: struct.pack(">H", len(groups)) + groups,
        11: bytes.fromhex("0100"),  # points, not compressed
        13: bytes.fromhex("00140403050306030804080508060401050106010201"),  # signatures
    }
    offered = b"".join(struct.pack(">HH", k, len(v)) + v for k, v in extensions.items())
    chosen = b"".join(struct.pack(">H", suite) for suite in suites)
    body = struct.pack(">H", version) + secrets.token_bytes(32) + b"\0"
    body += struct.pack(">H", len(chosen)) + chosen + b"\1\0"
    body += struct.pack(">H", len(offered)) + offered
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", HANDSHAKE, min(version, TLS10), len(message)) + message


def renegotiates(address: tuple[str, int], host: str) -> bool:
    """Ask for a second handshake on a connection with TLS 1.2; tell whether the server does it.

    Python has no call for it: its own OpenSSL is called.
    """
    libssl = ctypes.CDLL(_library())
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(libssl, name).restype = ctypes.c_void_p
    context = ctypes.c_void_p(libssl.SSL_CTX_new(ctypes.c_void_p(libssl.TLS_client_method())))
    libssl.SSL_CTX_ctrl(context, 124, ctypes.c_long(TLS12), None)  # SET_MAX_PROTO_VERSION
    with socket.create_connection(address, timeout=20) as plain:
        plain.settimeout(None)
        timeout = struct.pack("ll", 5, 0)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        connection = ctypes.c_void_p(libssl.SSL_new(context))
        libssl.SSL_set_fd(connection, plain.fileno())
        libssl.SSL_ctrl(connection, 55, ctypes.c_long(0), host.encode())  # SET_TLSEXT_HOSTNAME
        assert libssl.SSL_connect(connection) == 1, "the first handshake"
        assert libssl.SSL_renegotiate(connection) == 1
        done = libssl.SSL_do_handshake(connection) == 1
        again = done and libssl.SSL_renegotiate_pending(connection) == 0
        if done:  # the request was sent: does the server answer with a handshake or an end?
            buffer = ctypes.create_string_buffer(16)
            libssl.SSL_write(connection, b"GET / HTTP/1.0\r\n\r\n", 18)
            again = libssl.SSL_read(connection, buffer, 16) > 0
        libssl.SSL_free(connection)
        libssl.SSL_CTX_free(context)
    return bool(again)


def _library() -> str:
    """Find the OpenSSL that Python itself uses."""
    ssl.create_default_context()
    mapped = Path("/proc/self/maps").read_text().split()
    return next(word for word in mapped if Path(word).name.startswith("libssl"))
