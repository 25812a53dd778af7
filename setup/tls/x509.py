"""Keys, names and certificates: what `setup.tls.certificates` is made of."""

from __future__ import annotations

import datetime as dt
import ipaddress
import warnings
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs7,
)
from cryptography.x509.oid import NameOID

from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "Key",
    "as_key",
    "builder",
    "checked",
    "constrained",
    "constraints",
    "general_names",
    "load_key",
    "names_of",
    "new_key",
    "ordered_chain",
    "pem",
    "read_certificates",
    "same_key",
    "subject_name",
    "usage",
]

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

SKEW = dt.timedelta(hours=1)  # clocks of clients that are late


def checked(names: Iterable[str]) -> list[str]:
    """Normalise host names (lower case, IDNA) and addresses, duplicates left out."""
    found: dict[str, None] = {}
    for name in names:
        try:
            found[str(ipaddress.ip_address(name))] = None
            continue
        except ValueError:
            pass
        try:
            ascii_name = name.encode("idna").decode().lower()
        except UnicodeError:
            ascii_name = ""
        labels = ascii_name.removeprefix("*.").split(".")
        if len(ascii_name) > 253 or not all(_is_label(label) for label in labels):
            raise UsageError(f"{name!r} is no host name and no IP address")
        found[ascii_name] = None
    if not found:
        raise UsageError("a certificate needs at least one host name")
    return list(found)


def _is_label(label: str) -> bool:
    plain = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= 63 and plain.isalnum() and "-" not in (label[0], label[-1])


def general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Write names as a certificate has them: DNS names and addresses."""
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def constraints(names: list[str]) -> x509.NameConstraints:
    """Allow an authority these names and their subdomains, and no other."""
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
    """Begin a certificate that holds from an hour ago for some days."""
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


def load_key(path: Path, passphrase: str = "") -> Key:
    """Read a key in PEM, as `pem` or openssl wrote it.

    Raises
    ------
    UsageError
        When it cannot be read, or not with this passphrase.
    """
    try:
        return as_key(load_pem_private_key(path.read_bytes(), passphrase.encode() or None))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except TypeError as error:  # one was needed, or is not
        raise UsageError(f"{path}: {error}") from error
    except ValueError as error:
        what = "its passphrase is another, or it is" if passphrase else "it is"
        raise UsageError(f"{path} cannot be read: {what} no key in PEM") from error


def as_key(key: object) -> Key:
    """Take a key of a kind that Jetty can use."""
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UsageError("an RSA or EC key is needed")
    return key


def same_key(certificate: x509.Certificate, key: Key) -> bool:
    """Tell whether a certificate is for a key."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Read a file of certificates: PEM, DER, or PKCS7 in either form."""
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    readers = (
        x509.load_pem_x509_certificates,
        lambda text: [x509.load_der_x509_certificate(text)],
        pkcs7.load_pem_pkcs7_certificates,
        pkcs7.load_der_pkcs7_certificates,
    )
    for reader in readers:
        try:
            with warnings.catch_warnings():  # openssl's PKCS7 is in the older encoding (BER)
                warnings.simplefilter("ignore", UserWarning)
                return list(reader(data))
        except ValueError:
            continue
    raise UsageError(f"{path} holds no certificate (PEM, DER or PKCS7)")


def ordered_chain(
    leaf: x509.Certificate, others: list[x509.Certificate], *, alone: bool = False
) -> list[x509.Certificate]:
    """Order a chain from a certificate to its root; each is checked to be issued by the next.

    Parameters
    ----------
    leaf
        The server's certificate.
    others
        Where its issuers are looked for.
    alone
        Whether it may be signed by itself.
    """
    chain = [leaf]
    while not _issued(chain[-1], chain[-1]):
        issuer = next((c for c in others if c not in chain and _issued(chain[-1], c)), None)
        if issuer is None:
            raise UsageError(
                f"the chain is not complete: the certificate of its issuer "
                f"{chain[-1].issuer.rfc4514_string()!r} is missing. Name its file too, or the "
                "authority's root with --ca"
            )
        chain.append(issuer)
    if len(chain) == 1 and not alone:
        raise UsageError("the certificate is signed by itself, not by an authority")
    return chain


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 (names that differ, signatures that are wrong, keys unknown)
        return False
    return True
