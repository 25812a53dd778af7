"""Check a chain of certificates as a client would, before a server uses it."""

from __future__ import annotations

import datetime as dt
import secrets
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from setup.errors import UsageError
from setup.messages import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from setup.tls.x509 import Key

__all__ = ["accepted", "ordered_chain"]

LEAST_RSA_BITS = 2048
_OLD_DIGESTS = ("md5", "sha1")


def accepted(key: Key, chain: Sequence[x509.Certificate]) -> None:
    """Make sure that clients accept a chain, up to its names.

    Parameters
    ----------
    key
        Key of the first certificate.
    chain
        The server's certificate, those of its issuers, and the root, which clients trust.

    Raises
    ------
    UsageError
        Naming the certificate, what is wrong with it, and what to ask of the authority.
    """
    leaf, *issuers = chain
    now = dt.datetime.now(dt.UTC)
    for place, certificate in enumerate(chain):
        who = "the certificate" if place == 0 else f"the issuer {_name(certificate)}"
        _holds(certificate, who, now)
        _strong(certificate, who, signed=certificate is not chain[-1])
    _for_servers(leaf, alone=not issuers)
    if trouble := _handshake(key, chain, strict=False):
        raise UsageError(f"a client refuses the chain: {trouble}")
    if trouble := _handshake(key, chain, strict=True):
        say(f"clients on Python 3.13 and later will refuse the chain: {trouble}")


def _holds(certificate: x509.Certificate, who: str, now: dt.datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= now < end:
        late = now >= end
        raise UsageError(
            f"{who} is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, and today is {now:%Y-%m-%d}"
            + ("; ask the authority for its present one" if late else "; is this clock right?")
        )


def _strong(certificate: x509.Certificate, who: str, *, signed: bool) -> None:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < LEAST_RSA_BITS:
        raise UsageError(
            f"the key of {who} has {public.key_size} bits: clients want {LEAST_RSA_BITS} or more"
        )
    digest = _digest(certificate)
    if signed and digest in _OLD_DIGESTS:
        raise UsageError(
            f"{who} is signed with {digest.upper()}, which clients have refused since 2017: "
            "ask the authority for SHA-256"
        )


def _for_servers(leaf: x509.Certificate, *, alone: bool) -> None:
    """Refuse a certificate that is not for servers."""
    if purposes := _extension(leaf, x509.ExtendedKeyUsage):
        good = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
        if not good & set(purposes):
            shown = ", ".join(getattr(purpose, "_name", str(purpose)) for purpose in purposes)
            raise UsageError(
                f"the certificate is for {shown} only, and serverAuth is needed: ask the authority "
                "for a certificate of a web server"
            )
    usage = _extension(leaf, x509.KeyUsage)
    if usage and not usage.digital_signature:
        raise UsageError(
            "the key usage of the certificate lacks digitalSignature, which every handshake of TLS "
            "1.3 needs: ask the authority for a certificate of a web server"
        )
    basic = _extension(leaf, x509.BasicConstraints)
    if basic and basic.ca and not alone:
        raise UsageError(
            "the certificate is that of an authority (CA:TRUE), which browsers refuse for a "
            "server: ask for one of a web server"
        )


T = TypeVar("T", bound=x509.ExtensionType)


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _handshake(key: Key, chain: Sequence[x509.Certificate], *, strict: bool) -> str:
    """Shake hands in memory as a client that trusts the root; return what it objects to."""
    passphrase = secrets.token_urlsafe(24)
    own = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    pems = [certificate.public_bytes(Encoding.PEM) for certificate in chain]
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.create_default_context(cadata=pems[-1].decode())
    client.check_hostname = False  # the names are looked at elsewhere
    if strict:
        client.verify_flags |= ssl.VERIFY_X509_STRICT
    with tempfile.TemporaryDirectory() as folder:  # 0700; OpenSSL reads keys from files only
        path = Path(folder) / "server.pem"
        path.write_bytes(own + b"".join(pems))
        try:
            server.load_cert_chain(path, password=passphrase)
        except ssl.SSLError as error:
            return _reason(error)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(5):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return _reason(error)
    return ""


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()


def ordered_chain(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], *, alone: bool = False
) -> list[x509.Certificate]:
    """Order a chain from a certificate to its root; each is checked to be issued by the next.

    Of several ways to a root, as an old and a renewed certificate of one issuer give, that is taken
    which holds longest.

    Parameters
    ----------
    leaf
        The server's certificate.
    others
        Where its issuers are looked for.
    alone
        Whether it may be signed by itself.

    Raises
    ------
    UsageError
        When one is missing, or the certificate is signed by itself and must not be.
    """
    chains = list(_chains([leaf], others))
    whole = [chain for chain in chains if _issued(chain[-1], chain[-1])]
    if not whole:
        last = max(chains, key=len)[-1]
        raise UsageError(
            "the chain is not complete: the certificate of its issuer "
            f"{last.issuer.rfc4514_string()!r} is missing. Name its file too, or the authority's "
            "root with --ca"
        )
    chain = max(whole, key=lambda each: min(c.not_valid_after_utc for c in each))
    if len(chain) == 1 and not alone:
        raise UsageError("the certificate is signed by itself, not by an authority")
    return chain


def _chains(
    chain: list[x509.Certificate], others: Sequence[x509.Certificate]
) -> Iterator[list[x509.Certificate]]:
    """Follow every path from a certificate to its end."""
    issuers = [c for c in others if c not in chain and _issued(chain[-1], c)]
    if _issued(chain[-1], chain[-1]) or not issuers:
        yield chain
        return
    for issuer in issuers:
        yield from _chains([*chain, issuer], others)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    if _digest(certificate) in _OLD_DIGESTS:  # not verified here: fine for a root, else refused
        return True
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 (signatures that are wrong, keys unknown)
        return False
    return True


def _digest(certificate: x509.Certificate) -> str:
    try:
        found = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return found.name if found else ""


def _name(certificate: x509.Certificate) -> str:
    return repr(certificate.subject.rfc4514_string())
