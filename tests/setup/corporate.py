"""A company's network on loopback: the one way out is a proxy that signs every connection anew."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import ssl
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CA", "NAMESPACE", "PASSWORD", "Proxy", "jar", "wheel"]

CA = "Corp Proxy CA"
# Where a test may mount, without root.
NAMESPACE = ("unshare", "--user", "--mount", "--map-current-user", "--keep-caps")
USER, PASSWORD = "me", "p@ss:w/rd"
_DAY = dt.timedelta(days=1)


def wheel(name: str, version: str) -> tuple[str, bytes]:
    """Make a wheel of one module; its file name and content."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return f"{name}-{version}-py3-none-any.whl", stream.getvalue()


def jar() -> bytes:
    """Make a jar."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("hello", "world")
    return stream.getvalue()


class Proxy:
    """The proxy, and behind it every host: an index of packages and a repository of jars.

    Attributes
    ----------
    files
        What each path holds, whatever the host.
    asked
        The hosts that connections were asked for.
    logins
        Hosts that want a login, and which.
    """

    def __init__(self, folder: Path, *, begins: dt.timedelta = -_DAY) -> None:
        self.folder = folder
        self.files: dict[str, bytes] = {}
        self.page: bytes | None = None  # what comes in place of everything
        self.asked: list[str] = []
        self.logins: dict[str, str] = {}
        self._begins = dt.datetime.now(dt.UTC) + begins
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(CA, self._key, host=None)
        self.ca = folder / "corp-ca.pem"
        self.ca.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Outside)
        self._httpd.proxy = self  # type: ignore[attr-defined]
        self._httpd.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()

    @property
    def url(self) -> str:
        """Its URL, with user and password."""
        return f"http://{USER}:p%40ss%3Aw%2Frd@127.0.0.1:{self._httpd.server_port}"

    def offer(self, name: str, content: bytes, package: str) -> str:
        """Put a wheel into the index and return its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"/files/{name}"] = content
        link = f'<a href="/files/{name}#sha256={digest}">{name}</a>'
        page = f"<!DOCTYPE html><html><body>{link}</body></html>"
        self.files[f"/simple/{package}/"] = page.encode()
        return digest

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, host: str | None
    ) -> x509.Certificate:
        issuer = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Corp"),
                x509.NameAttribute(NameOID.COMMON_NAME, CA),
            ]
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) if host else issuer
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), serial)
        builder = builder.not_valid_before(self._begins).not_valid_after(self._begins + 30 * _DAY)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(own, critical=False)
        builder = builder.add_extension(above, critical=False)
        basic = x509.BasicConstraints(ca=host is None, path_length=None)
        builder = builder.add_extension(basic, critical=True)
        if host:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        else:
            usage = x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(self._key, hashes.SHA256())

    def context(self, host: str) -> ssl.SSLContext:
        """Be a host."""
        with self._lock:
            if host not in self._contexts:
                key = ec.generate_private_key(ec.SECP256R1())
                secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                own = self._sign(host, key, host).public_bytes(Encoding.PEM)
                path = self.folder / f"{host}.pem"
                path.write_bytes(secret + own + self.certificate.public_bytes(Encoding.PEM))
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(path)
                self._contexts[host] = context
            return self._contexts[host]


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def proxy(self) -> Proxy:
        found: Proxy = self.server.proxy  # type: ignore[attr-defined]
        return found

    def log_message(self, *_: object) -> None:
        pass

    def login(self, header: str) -> str:
        text = self.headers.get(header, "").removeprefix("Basic ")
        return base64.b64decode(text).decode()

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        kind = "text/html" if body.startswith(b"<") else "application/octet-stream"
        lines = [("Content-Type", kind), ("Content-Length", str(len(body))), *headers]
        for line in lines:
            self.send_header(*line)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Inside(_Quiet):
    """The host that was asked for."""

    def do_GET(self) -> None:
        host = self.headers["Host"].partition(":")[0]
        wanted = self.proxy.logins.get(host)
        if wanted and self.login("Authorization") != wanted:
            self.answer(401, b"who?", ("WWW-Authenticate", 'Basic realm="r"'))
        elif self.proxy.page is not None:
            self.answer(200, self.proxy.page)
        else:
            found = self.proxy.files.get(self.path.partition("?")[0])
            self.answer(200 if found is not None else 404, found or b"none")

    do_HEAD = do_GET  # noqa: N815 (the library's name)


class _Outside(_Quiet):
    """The proxy."""

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        self.proxy.asked.append(host)
        if self.login("Proxy-Authorization") != f"{USER}:{PASSWORD}":
            self.answer(407, b"who?", ("Proxy-Authenticate", 'Basic realm="proxy"'))
            return
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):  # a client that does not trust it hangs up
            inner = self.proxy.context(host).wrap_socket(self.connection, server_side=True)
            with contextlib.closing(inner):
                _Inside(inner, self.client_address, self.server)
