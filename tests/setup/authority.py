"""A company's authority, and a client that shakes hands with what it signed."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import NameOID

from setup.tls import certificates as module

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from setup.tls.certificates import Certificates

__all__ = ["Company", "handshake"]


def handshake(certificates: Certificates, name: str, ca: Path | None = None) -> str:
    """Shake hands in memory, as a client that trusts our authority alone."""
    store = pkcs12.load_pkcs12(
        certificates.keystore.read_bytes(), certificates._password().encode()
    )
    pem = certificates.home / "test.pem"
    assert store.key is not None
    assert store.cert is not None
    text = module.pem(store.key).encode()  # type: ignore[arg-type]
    chain = [store.cert.certificate, *(c.certificate for c in store.additional_certs)]
    pem.write_bytes(text + b"".join(c.public_bytes(Encoding.PEM) for c in chain))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cafile=str(ca or certificates.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    (to_client, to_server) = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    version = ends[0].version()
    assert version is not None
    return version


class Company:
    """An authority with a root and one that signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root_key, self.key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
        self.root = self.authority("root", self.root_key)
        self.issuer = self.authority("issuer", self.key)

    def authority(self, name: str, key: Any, *, begin: int = -1, end: int = 98) -> Any:
        """Make a certificate of an authority, signed by the root."""
        subject, root = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, "root")
        )
        now = dt.datetime.now(dt.UTC)
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(begin))
            .not_valid_after(now + dt.timedelta(end))
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(aki, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(module.usage(sign=True), critical=True)
            .sign(self.root_key, hashes.SHA384())
        )

    def sign(
        self,
        public: Any,
        names: Sequence[str],
        *extensions: Any,
        begin: int = -100,
        end: int = 90,
    ) -> Any:
        """Make a certificate of a server."""
        now = dt.datetime.now(dt.UTC)
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(module.subject_name("server"))
            .issuer_name(self.issuer.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(begin))
            .not_valid_after(now + dt.timedelta(end))
            .add_extension(aki, critical=False)
        )
        alternative = x509.SubjectAlternativeName(module.general_names(names))
        for extension in [*([alternative] if names else []), *extensions]:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def answer(
        self, request: Path, *extensions: Any, names: list[str] | None = None, **more: Any
    ) -> Any:
        """Sign a request."""
        csr = x509.load_pem_x509_csr(request.read_bytes())
        assert csr.is_signature_valid
        wanted = module.names_of(csr.extensions) if names is None else names
        return self.sign(csr.public_key(), wanted, *extensions, **more)

    def write(self, name: str, *certificates: Any) -> Path:
        """Write certificates to a file in PEM."""
        path = self.folder / name
        path.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
        return path
