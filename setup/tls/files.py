"""Read certificates and keys in the formats in which authorities and administrators supply them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

from setup.errors import UsageError
from setup.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from setup.tls.x509 import Key

    Ask = Callable[[Path], str]

__all__ = ["Given", "as_key", "load_key", "nobody", "read", "read_certificates"]

_JKS = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")  # of keytool before Java 9, and JCEKS
_CURVES = ("secp256r1", "secp384r1")  # what both browsers and the server's Java know
_BEGIN = b"-----BEGIN "


def nobody(path: Path) -> str:
    """Refuse a file that needs a passphrase, where nobody can be asked for it.

    Raises
    ------
    UsageError
        Always.
    """
    raise UsageError(f"{path} has a passphrase: name a file that holds it, --passphrase-file")


@dataclass
class Given:
    """What files hold.

    Attributes
    ----------
    certificates
        In the order of the files.
    key
        A private key among them; None when there is none.
    """

    certificates: list[x509.Certificate] = field(default_factory=list)
    key: Key | None = None


def read(paths: Iterable[Path], ask: Ask = nobody) -> Given:
    """Read certificates, and a key that comes with them.

    Parameters
    ----------
    paths
        Files in PEM, DER, PKCS7 or PKCS12 (``.pfx``, ``.p12``).
    ask
        Finds the passphrase of a file.

    Raises
    ------
    UsageError
        When one cannot be read, or holds something else; with what it is and how to convert it.
    """
    given = Given()
    for path in paths:
        data = _content(path)
        if found := _pkcs12(path, data, ask):
            given.certificates += found.certificates
            given.key = given.key or found.key
            continue
        given.certificates += _certificates(path, data)
        if b"PRIVATE KEY-----" in data:
            given.key = given.key or _key(path, data, ask)
    return given


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Read a file of certificates: PEM, DER, or PKCS7 in either form."""
    return _certificates(path, _content(path))


def load_key(path: Path, ask: Ask = nobody) -> Key:
    """Read a key in PEM, DER or PKCS12.

    Raises
    ------
    UsageError
        When it cannot be read, or not with this passphrase.
    """
    data = _content(path)
    if found := _pkcs12(path, data, ask):
        if not found.key:
            raise UsageError(f"{path} holds no private key")
        return found.key
    return _key(path, data, ask)


def as_key(key: object, where: object = "the key") -> Key:
    """Return the key if the server's Java and all browsers can use its kind."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    kind = f"on the curve {key.curve.name}" if isinstance(key, ec.EllipticCurvePrivateKey) else ""
    found = kind or f"of the kind {type(key).__name__.strip('_').removesuffix('PrivateKey')}"
    raise UsageError(
        f"{where}: it is {found}, and an RSA key or an EC key on P-256 or P-384 is needed: "
        "Java and browsers serve and accept no other here"
    )


def _content(path: Path) -> bytes:
    try:
        data = expanded(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # Windows writes texts so
        data = data.decode("utf-16", "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def _certificates(path: Path, data: bytes) -> list[x509.Certificate]:
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
        except (ValueError, UnsupportedAlgorithm):
            continue
    raise UsageError(f"{path} holds no certificate: {_what(path, data)}")


def _what(path: Path, data: bytes) -> str:
    """Say what a file is, and how a certificate comes out of it."""
    if data.startswith(_JKS):
        return (
            "it is a Java keystore (JKS); convert it with keytool -importkeystore -srckeystore "
            f"{path} -destkeystore {path.stem}.p12 -deststoretype PKCS12"
        )
    if _BEGIN + b"TRUSTED CERTIFICATE" in data:
        return f"it is in openssl's own form; convert it with openssl x509 -in {path}"
    kinds = {
        b"CERTIFICATE REQUEST-----": "it is a request, which an authority has to sign",
        b"PRIVATE KEY-----": "it is a private key; name it with --key-file",
        b"BEGIN PGP": "it is for PGP",
    }
    known = (words for mark, words in kinds.items() if mark in data)
    return next(known, "it is neither PEM nor DER, PKCS7 or PKCS12")


def _pkcs12(path: Path, data: bytes, ask: Ask) -> Given | None:
    """Read a PKCS12 file; None if it is not one."""
    if not _is_pkcs12(data):
        return None
    found, passphrase = None, b""
    for attempt in (None, b""):  # some have no passphrase, some an empty one
        try:
            found = pkcs12.load_pkcs12(data, attempt)
            break
        except (ValueError, UnsupportedAlgorithm):
            continue
    if found is None:
        passphrase = ask(path).encode()
        try:
            found = pkcs12.load_pkcs12(data, passphrase)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UsageError(
                f"{path} cannot be read ({str(error).rstrip('.')}): its passphrase is wrong, or "
                "its encryption is too old. openssl pkcs12 -legacy -nodes -in FILE -out FILE.pem "
                "converts it; delete that file afterwards, it holds the key unencrypted"
            ) from error
    own = [found.cert.certificate] if found.cert else []
    key = as_key(found.key, path) if found.key else None
    return Given([*own, *(c.certificate for c in found.additional_certs)], key)


def _is_pkcs12(data: bytes) -> bool:
    """Look for the version 3 that a PKCS12 file begins with, inside its outermost sequence."""
    if data[:1] != b"\x30" or len(data) < 16:
        return False
    header = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    return data[header : header + 3] == b"\x02\x01\x03"


def _key(path: Path, data: bytes, ask: Ask) -> Key:
    pem = _BEGIN in data
    load = load_pem_private_key if pem else load_der_private_key
    encrypted = b"ENCRYPTED" in data
    passphrase = ask(path).encode() if encrypted else None
    try:
        return as_key(load(data, passphrase or None), path)
    except TypeError:  # DER does not say beforehand that a passphrase is needed
        try:
            return as_key(load(data, ask(path).encode()), path)
        except (ValueError, TypeError) as error:
            raise _unread(path, given=True) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unread(path, given=bool(passphrase)) from error


def _unread(path: Path, *, given: bool) -> UsageError:
    what = "the passphrase is wrong, or it is" if given else "it is"
    return UsageError(f"{path} cannot be read: {what} no private key in PEM, DER or PKCS12")
