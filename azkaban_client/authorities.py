"""The certificate authorities that downloads trust: the system's, and the company's.

Each tool looks in a different place: pip, requests and Node use their own lists, OpenSSL the path
that it was built with. So one list is gathered and passed to all of them. It holds

- the operating system's, wherever this distribution keeps them;
- those in ``AZK_EXTRA_CA_CERTS``, the one setting for a company's authority;
- those that variables of tools name (``SSL_CERT_FILE``, ``SSL_CERT_DIR``, ``PIP_CERT`` and so on),
  and pip's configuration files;
- Mozilla's, as they came with Python packages.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client._home import expanded
from azkaban_client.certificates import EXTRA
from azkaban_client.config import ConfigError
from azkaban_client.files import write_private
from azkaban_client.package_index import Index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["PLACES", "bundle", "certificates", "mozilla", "remember", "variables"]

# Where Linux distributions keep the authorities' certificates.
PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# OpenSSL's and uv's, requests', curl's, pip's and Node's.
_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
)
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def remember(prefix: Path) -> None:
    """Keep a company's authorities in a prefix: a start from cron has none of the user's variables.

    What ``AZK_EXTRA_CA_CERTS`` names is kept. Where it is not set, it is set to what was kept; set
    to nothing, it makes the prefix forget.

    Parameters
    ----------
    prefix
        Prefix of an installation.
    """
    kept = prefix / "extra-authorities.pem"
    given = os.environ.get(EXTRA)
    if given is None:
        if kept.is_file():
            os.environ[EXTRA] = str(kept)
    elif not given:
        kept.unlink(missing_ok=True)
    elif expanded(given) != kept:
        text = "".join(f"{pem}\n" for pem in _in([expanded(given)]))
        if text and not (kept.is_file() and kept.read_text(encoding="ascii") == text):
            write_private(kept, text)


def variables(folder: Path) -> dict[str, str]:
    """Return the variables that pass the gathered list to each tool; none if there is no list.

    Parameters
    ----------
    folder
        Where the list may be kept.
    """
    path = bundle(folder)
    return dict.fromkeys(_VARIABLES, str(path)) if path else {}


def bundle(folder: Path) -> Path | None:
    """Write the gathered list into a folder and return its path; None if there is none.

    Raises
    ------
    ConfigError
        When ``AZK_EXTRA_CA_CERTS`` names no file of certificates.
    """
    found = certificates()
    if not found:
        return None
    path = folder / "authorities.pem"
    text = "".join(f"{pem}\n" for pem in found)
    if not path.is_file() or path.read_text(encoding="ascii") != text:
        write_private(path, text)
    return path


def certificates() -> tuple[str, ...]:
    """Gather the certificates, each once.

    Raises
    ------
    ConfigError
        When ``AZK_EXTRA_CA_CERTS`` names no file of certificates.
    """
    extra = os.environ.get(EXTRA, "")
    named = tuple(os.environ.get(name, "") for name in (*_VARIABLES, "SSL_CERT_DIR"))
    named += (Index.of().settings.get("cert", ""),)
    return _gathered(extra, named)


@functools.cache
def _gathered(extra: str, named: tuple[str, ...]) -> tuple[str, ...]:
    own = list(_in([expanded(extra)])) if extra else []
    if extra and not own:
        raise ConfigError(
            f"{EXTRA}={extra}: there is no certificate in it; expected a file in PEM form "
            "(lines from BEGIN CERTIFICATE to END CERTIFICATE)"
        )
    places = [Path(part) for text in named for part in text.split(os.pathsep) if part]
    return tuple(dict.fromkeys([*own, *_in(places), *_in(_system()), *mozilla()]))


def _system() -> Iterator[Path]:
    """List the places of the system's authorities: its files, or else OpenSSL's folder."""
    built = ssl.get_default_verify_paths()
    files = [Path(built.openssl_cafile), *map(Path, PLACES)]
    found = [path for path in files if path.is_file()]
    yield from found or [Path(built.openssl_capath), Path("/etc/ssl/certs")]


def mozilla() -> tuple[str, ...]:
    """Return the authorities that came with Python packages."""
    return tuple(_in(_packaged()))


def _packaged() -> Iterator[Path]:
    for name in ("certifi", "pip"):
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield Path(folder, "_vendor/certifi/cacert.pem" if name == "pip" else "cacert.pem")


def _in(places: Iterable[Path]) -> Iterator[str]:
    """Read the certificates in files and folders; ignore those that do not exist."""
    for place in places:
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        for file in files:
            try:
                content = file.read_bytes()
            except OSError:
                continue
            for pem in _PEM.findall(content):
                yield pem.decode("ascii").replace("\r\n", "\n")
