"""Make, request, import and renew the certificates of one installation."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from azkaban_client import authorities
from azkaban_client.files import write_bytes, write_private
from setup import hosts
from setup.called import called
from setup.errors import SetupError, UsageError
from setup.messages import say
from setup.tls.files import as_key, load_key, nobody, read, read_certificates
from setup.tls.verify import accepted, ordered_chain
from setup.tls.x509 import (
    Key,
    builder,
    checked,
    constrained,
    constraints,
    general_names,
    names_of,
    new_key,
    pem,
    same_key,
    subject_name,
    usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from setup.java import Java
    from setup.layout import Layout

__all__ = ["Certificates", "Keystore", "Summary"]

SERVER_DAYS = 365  # with SKEW: browsers refuse certificates of more than 398 days
AUTHORITY_DAYS = 3650
RENEW_DAYS = 30
ALIAS = b"jetty"


@dataclass(frozen=True)
class Keystore:
    """What a server needs to serve over TLS.

    Attributes
    ----------
    path
        PKCS12 keystore.
    password
        Password of the store and of the key in it.
    ca
        Certificates that a client trusts to check the server's.
    """

    path: Path
    password: str
    ca: Path


@dataclass(frozen=True)
class Summary:
    """A certificate as `show` prints it."""

    names: list[str]
    issuer: str
    key: str
    begins: str
    ends: str
    days_left: int
    sha256: str
    authority: str


@dataclass(frozen=True)
class _Settings:
    names: list[str]
    key: str
    local: bool
    old_java: bool = False


class Certificates:
    """The certificates of one installation, in ``<prefix>/tls``.

    Parameters
    ----------
    layout
        Where they live.

    Examples
    --------
    >>> import tempfile
    >>> from setup.layout import Layout
    >>> with tempfile.TemporaryDirectory() as prefix:
    ...     keystore = Certificates(Layout.of(prefix)).ensure("build7.example.org")
    ...     keystore.path.name, keystore.ca.name, keystore.path.stat().st_mode & 0o077
    ('keystore.p12', 'ca.pem', 0)
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.home = layout.prefix / "tls"
        self.keystore = self.home / "keystore.p12"
        self.truststore = self.home / "truststore.p12"
        self.password_file = self.home / "keystore.password"
        self.ca = layout.ca
        self.request = self.home / "server.csr"
        self._ca_key = self.home / "ca.key"
        self._request_key = self.home / "request.key"
        self._settings_file = self.home / "settings.json"

    @property
    def exists(self) -> bool:
        """Tell whether there is a certificate."""
        return self.keystore.is_file() and self._settings_file.is_file()

    @property
    def due(self) -> bool:
        """Tell whether a renewal is due, and possible without a company's authority."""
        if not (self.exists and self.settings.local):
            return False
        return self.summary().days_left < RENEW_DAYS

    @property
    def settings(self) -> _Settings:
        """What was chosen."""
        try:
            return _Settings(**json.loads(self._settings_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise SetupError(
                f"{self._settings_file} cannot be read ({error}); run {called()} tls init"
            ) from error

    def ensure(self, host: str, java: Java | None = None) -> Keystore:
        """Ensure a certificate for a host: make it if there is none, renew it before it expires.

        Parameters
        ----------
        host
            The name in the server's URL.
        java
            What reads the keystore: an old one needs an older encryption.

        Raises
        ------
        SetupError
            When a company's certificate has expired or is for another host.
        """
        self.accept(host)
        if not self.exists:
            self.init([host])
        settings, left = self.settings, self.summary().days_left
        if java and java.reads_new_keystores == settings.old_java:
            settings = replace(settings, old_java=not settings.old_java)
            self._keep(settings)
            self._rewrite()
        if not settings.local and left < RENEW_DAYS:
            say(f"the certificate ends in {left} days; see {called()} tls csr")
        if not _covered(settings.names, host):
            self.init([host, *_usable(settings.names)], settings.key)
        elif self.due:
            self.renew()
        return Keystore(self.keystore, self._password(), self.ca)

    def init(
        self,
        names: Sequence[str],
        key: str = "ec",
        days: int = SERVER_DAYS,
        *,
        replace: bool = False,
    ) -> None:
        """Make a key and a certificate, signed by a local authority.

        The authority is made if there is none. It can sign only for these names (a name
        constraint), so a client that trusts it trusts it for nothing else.

        Parameters
        ----------
        names
            Host names or addresses that the certificate is for.
        key
            ``ec`` (P-256) or ``rsa`` (3072 bits), with which each new connection costs the server
            some 20 ms of processor time more.
        days
            How long it is valid.
        replace
            Whether the certificate of another authority may be deleted with its key.

        Raises
        ------
        UsageError
            When a name is not a host name, or that certificate would be lost without `replace`.
        """
        names = checked(names)
        if self.exists and not self.settings.local and not replace:
            raise UsageError(
                f"{self.keystore} holds a certificate of another authority "
                f"({self.summary().issuer}) with its only key, which would be lost; add --replace "
                "to put a local one in its place"
            )
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, authority_key = self._authority(names, key, days)
        server_key = new_key(key)
        certificate = (
            builder(names[0], authority.subject, server_key, days)
            .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
            .sign(authority_key, hashes.SHA256())
        )
        self._write(server_key, [certificate], [authority])
        self._keep(_Settings(names, key, local=True, old_java=self._old_java))

    def renew(self) -> None:
        """Make a new key and certificate for the same names.

        Raises
        ------
        UsageError
            When there is none yet, or a company's authority has to sign it.
        """
        if not self.exists:
            raise UsageError(f"there is no certificate yet; run {called()} tls init")
        settings = self.settings
        if not settings.local:
            raise UsageError(
                f"this certificate was signed by another authority: run {called()} tls csr, have "
                f"the request signed, and run {called()} tls import"
            )
        self.init(_usable(settings.names) or settings.names, settings.key)

    def accept(self, host: str) -> None:
        """Refuse a host that the certificate in use is not for, or none can be for.

        Raises
        ------
        SetupError
            When a company's certificate is for another host or is refused by clients, or when TLS
            has no such names.
        """
        if not self.exists or self.settings.local:
            checked([host])
            return
        names = self.settings.names
        if not _covered(names, host):
            raise SetupError(
                f"the certificate in {self.keystore} is for {', '.join(names)}, not for {host}; "
                f"run {called()} tls csr --host {host}, or name the server as the certificate "
                f"does, with {called()} up --host NAME"
            )
        self.check()

    def check(self) -> None:
        """Make sure that clients accept the certificate in use, with its chain.

        Raises
        ------
        SetupError
            Naming what has expired, or is refused for another reason.
        """
        key, chain = self._chain()
        try:
            accepted(key, chain)
        except UsageError as error:
            way = f"tls csr, have it signed, and run {called()} tls import"
            raise SetupError(
                f"{self.keystore}: {error}. Run {called()} "
                f"{'tls renew' if self.settings.local else way}"
            ) from error

    def csr(self, names: Sequence[str], key: str = "rsa") -> Path:
        """Write a request for a company's authority; the certificate in use stays meanwhile.

        Parameters
        ----------
        names
            Host names or addresses that the certificate is for.
        key
            ``rsa`` or ``ec``.

        Returns
        -------
        Path
            The file to send.
        """
        names = checked(names)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        request_key = new_key(key)
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(subject_name(names[0]))
            .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
            .sign(request_key, hashes.SHA256())
        )
        write_private(self._request_key, pem(request_key))
        write_bytes(self.request, request.public_bytes(Encoding.PEM))
        return self.request

    def import_answer(
        self,
        files: Sequence[Path],
        ca: Path | None = None,
        own_key: Key | None = None,
        *,
        host: str = "",
        ask: Callable[[Path], str] = nobody,
    ) -> None:
        """Take the certificate that an authority made from our request, with its chain.

        Parameters
        ----------
        files
            PEM, DER, PKCS7 or PKCS12 files that hold the certificate and its chain, in any order;
            a key in them is used where the certificate is for it.
        ca
            The authority's own (root) certificate, where neither the files nor this machine's
            authorities hold it.
        own_key
            The certificate's key, where it was made by other means than our request; the
            certificate may then be signed by itself.
        host
            The name of a server that will use it at once.
        ask
            Finds the passphrase of a file.

        Raises
        ------
        UsageError
            When no request waits, a client would not accept the files, or they do not fit the
            request; nothing is changed.
        """
        given = read(files, ask)
        found = given.certificates
        own = [key for key in (own_key or given.key,) if key]
        waiting = [load_key(self._request_key)] if self._request_key.is_file() else []
        if not own and not waiting:
            raise UsageError(
                f"no request waits for an answer; run {called()} tls csr first, or name the key "
                "of a certificate of your own with --key-file"
            )
        tried = own if own_key else [*own, *waiting]
        fitting = ((key, each) for key in tried for each in found if same_key(each, key))
        key, leaf = next(fitting, (None, None))
        if key is None or leaf is None:
            raise UsageError(
                f"none of the {len(found)} certificates in {', '.join(map(str, files))} is for "
                + ("the key" if own else f"the key of the request {self.request}")
                + "; was the right request signed?"
            )
        names = names_of(leaf.extensions)
        self._refuse_names(names, host, ours=key not in own)
        others = [*found, *(read_certificates(ca) if ca else []), *_known()]
        chain = ordered_chain(leaf, others, alone=key in own)
        accepted(key, chain)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(key, chain[:-1] or chain, chain[-1:])
        kind = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ec"
        self._keep(_Settings(names, kind, local=False, old_java=self._old_java))
        for path in (self._request_key, self.request, self._ca_key):
            path.unlink(missing_ok=True)

    def _refuse_names(self, names: list[str], host: str, *, ours: bool) -> None:
        """Refuse a certificate that is not for the names of the request, or of the server."""
        if not names:
            raise UsageError(
                "the certificate has no subject alternative names, and clients have ignored "
                "common names since 2017: make it again with openssl req ... -addext "
                "subjectAltName=DNS:NAME, or ask the authority to keep those of the request"
            )
        if ours:
            request = x509.load_pem_x509_csr(self.request.read_bytes())
            wanted = names_of(request.extensions)
            if missing := [name for name in wanted if not _covered(names, name)]:
                raise UsageError(
                    f"the certificate is for {', '.join(names)}, the request was for "
                    f"{', '.join(wanted)}: {', '.join(missing)} is missing. Ask the authority to "
                    "keep the subject alternative names of the request"
                )
        if host and not _covered(names, host):
            raise UsageError(
                f"the certificate is for {', '.join(names)}, not for {host}, the name of the "
                f"server that runs here; start it under another with {called()} up --host NAME"
            )

    def summary(self) -> Summary:
        """Describe the certificate in use.

        Raises
        ------
        UsageError
            When there is none yet.
        """
        if not self.exists:
            raise UsageError(f"there is no certificate yet; run {called()} tls init")
        key, chain = self._chain()
        leaf = chain[0]
        kind = "RSA " if isinstance(key, rsa.RSAPrivateKey) else "EC P-"
        ends = min(certificate.not_valid_after_utc for certificate in chain)
        return Summary(
            names=names_of(leaf.extensions),
            issuer=leaf.issuer.rfc4514_string(),
            key=f"{kind}{key.key_size}",
            begins=leaf.not_valid_before_utc.isoformat(),
            ends=ends.isoformat(),
            days_left=(ends - dt.datetime.now(dt.UTC)).days,
            sha256=leaf.fingerprint(hashes.SHA256()).hex(":"),
            authority="local" if self.settings.local else "imported",
        )

    def _load(self) -> pkcs12.PKCS12KeyAndCertificates:
        try:
            return pkcs12.load_pkcs12(self.keystore.read_bytes(), self._password().encode())
        except ValueError as error:
            raise SetupError(
                f"{self.keystore} cannot be opened with the password in {self.password_file} "
                f"({error}); run {called()} tls init for a new one"
            ) from error

    def _chain(self) -> tuple[Key, list[x509.Certificate]]:
        """Read the key in use, and its chain up to the root."""
        store = self._load()
        if store.cert is None or store.key is None:
            raise SetupError(f"{self.keystore} holds no key; run {called()} tls init")
        others = [other.certificate for other in store.additional_certs]
        chain = [store.cert.certificate, *others]
        roots = [root for root in read_certificates(self.ca) if root not in chain]
        return as_key(store.key), chain + roots

    def _password(self) -> str:
        if not self.password_file.is_file():
            write_private(self.password_file, secrets.token_urlsafe(24) + "\n")
        return self.password_file.read_text(encoding="utf-8").strip()

    def _authority(self, names: list[str], key: str, days: int) -> tuple[x509.Certificate, Key]:
        """Return the local authority, or a new one if it may not sign for all names that long."""
        if self._ca_key.is_file() and self.ca.is_file():
            old = x509.load_pem_x509_certificate(self.ca.read_bytes())
            allowed = old.extensions.get_extension_for_class(x509.NameConstraints).value
            covered = all(name.removeprefix("*.") in constrained(allowed) for name in names)
            lasts = old.not_valid_after_utc > dt.datetime.now(dt.UTC) + dt.timedelta(days)
            if covered and lasts:
                return old, load_key(self._ca_key)
            say(f"a new authority was made; give {self.ca} to the clients again")
        authority_key = new_key(key)
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"Local authority of {names[0]}"[:64])]
        )
        certificate = (
            builder("", name, authority_key, max(AUTHORITY_DAYS, days + 1), subject=name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(sign=True), critical=True)
            .add_extension(constraints(names), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        write_private(self._ca_key, pem(authority_key))
        return certificate, authority_key

    def _write(
        self, key: Key, chain: list[x509.Certificate], roots: list[x509.Certificate]
    ) -> None:
        """Write what clients trust, then the keystore, each whole or not at all."""
        encryption = self._encryption()
        trusted = [pkcs12.PKCS12Certificate(root, b"ca-%d" % n) for n, root in enumerate(roots)]
        write_bytes(self.ca, b"".join(root.public_bytes(Encoding.PEM) for root in roots))
        write_private(self.truststore, pkcs12.serialize_java_truststore(trusted, encryption))
        others = [other for other in (*chain[1:], *roots) if other != chain[0]]
        write_private(
            self.keystore,
            pkcs12.serialize_key_and_certificates(ALIAS, key, chain[0], others, encryption),
        )

    @property
    def _old_java(self) -> bool:
        return self.exists and self.settings.old_java

    def _encryption(self) -> KeySerializationEncryption:
        """Choose what the server's Java can read: AES, or Triple DES before 8u301 and 11.0.12."""
        digest: hashes.HashAlgorithm = hashes.SHA256()
        kind = pkcs12.PBES.PBESv2SHA256AndAES256CBC
        if self._old_java:
            kind, digest = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA1()  # noqa: S303 (all that it reads; the file is private)
        return (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(50_000)
            .key_cert_algorithm(kind)
            .hmac_hash(digest)
            .build(self._password().encode())
        )

    def _rewrite(self) -> None:
        """Write the present keystore with another encryption."""
        key, chain = self._chain()
        self._write(key, chain[:-1] or chain, chain[-1:])

    def _keep(self, settings: _Settings) -> None:
        write_private(self._settings_file, json.dumps(asdict(settings), indent=2) + "\n")


def _known() -> list[x509.Certificate]:
    """Read the authorities that this machine trusts, which may include one that the files lack."""
    found = []
    for text in authorities.certificates():
        with suppress(ValueError), warnings.catch_warnings():  # old roots have odd serial numbers
            warnings.simplefilter("ignore")
            found.append(x509.load_pem_x509_certificate(text.encode()))
    return found


def _covered(names: Sequence[str], host: str) -> bool:
    return any(hosts.covers(name, host) for name in names)


def _usable(names: Sequence[str]) -> list[str]:
    """Leave out names that earlier releases accepted but no client can use."""
    return [n for n in names if not hosts.trouble(n.removeprefix("*."), tls=True)]
