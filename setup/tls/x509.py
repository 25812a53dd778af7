"""Keys, names and certificates: what `setup.tls.certificates` is made of."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from setup import hosts
from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Key",
    "builder",
    "checked",
    "constrained",
    "constraints",
    "general_names",
    "names_of",
    "new_key",
    "pem",
    "same_key",
    "subject_name",
    "usage",
]

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

SKEW = dt.timedelta(30)  # for clocks that are slow, or are set back


def checked(names: Iterable[str]) -> list[str]:
    """Normalise host names (lower case, IDNA) and addresses, duplicates left out.

    Raises
    ------
    UsageError
        When clients could not use one in TLS; with the reason.
    """
    found: dict[str, None] = {}
    for name in names:
        if reason := hosts.trouble(name.removeprefix("*."), tls=True):
            raise UsageError(
                f"{name!r} is no host name that TLS can use: {reason}. Name another with "
                "--host or --san"
            )
        found[hosts.normalised(name)] = None
    if not found:
        raise UsageError("a certificate needs at least one host name")
    return list(found)


def general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Write names as a certificate has them: DNS names and addresses."""
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def constraints(names: list[str]) -> x509.NameConstraints:
    """Allow an authority only these names and their subdomains."""
    permitted: list[x509.GeneralName] = []
    excluded: list[x509.GeneralName] = []
    for name in names:
        general = _general_name(name.removeprefix("*."))
        if isinstance(general, x509.IPAddress):
            general = x509.IPAddress(ipaddress.ip_network(name))
        permitted.append(general)
    if not any(isinstance(general, x509.IPAddress) for general in permitted):
        everywhere = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
        excluded = [x509.IPAddress(network) for network in everywhere]
    return x509.NameConstraints(permitted, excluded or None)


def constrained(allowed: x509.NameConstraints) -> list[str]:
    """List the names that an authority may sign for, as `_constraints` was given them."""
    values = [general.value for general in allowed.permitted_subtrees or ()]
    return [str(value).removesuffix("/32").removesuffix("/128") for value in values]


def names_of(extensions: x509.Extensions) -> list[str]:
    """List the alternative names of a certificate or request."""
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(value) for value in names.get_values_for_type(x509.IPAddress)]
    return [*(name.lower() for name in names.get_values_for_type(x509.DNSName)), *addresses]


def subject_name(name: str) -> x509.Name:
    """Write a subject."""
    # A common name has room for 64 characters; clients read the alternative names only.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def builder(
    name: str, issuer: x509.Name, key: Key, days: int, subject: x509.Name | None = None
) -> x509.CertificateBuilder:
    """Begin a certificate that has been valid for `SKEW` and is for some days."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject or subject_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + dt.timedelta(days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def usage(*, sign: bool) -> x509.KeyUsage:
    """Say what a key is for: to sign certificates, or for a handshake."""
    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def new_key(kind: str) -> Key:
    """Make a key: ``rsa`` (3072 bits) or ``ec`` (P-256)."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 3072)


def pem(key: Key) -> str:
    """Write a key for a file that only its owner can read."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def same_key(certificate: x509.Certificate, key: Key) -> bool:
    """Tell whether a certificate is for a key."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
