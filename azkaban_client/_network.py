"""Reach a server in a company's network: through which proxy, trusting which authorities."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from azkaban_client._home import expanded
from azkaban_client.certificates import EXTRA
from azkaban_client.owners import is_here

__all__ = ["authorities", "authority_files", "proxy"]

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def proxy(url: str, *, pinned: bool) -> str | None:
    """Choose the proxy for a URL, as ``HTTPS_PROXY``, ``NO_PROXY`` and so on say.

    A proxy's loopback is not ours, and a proxy cannot be told which address to use. So a pinned
    address is connected to directly, and so is a name or address of this machine.

    Parameters
    ----------
    url
        The server's.
    pinned
        Whether the address to connect to is given.

    Examples
    --------
    >>> proxy("http://localhost:8081", pinned=False) is None
    True
    """
    chosen: str | None = select_proxy(url, get_environ_proxies(url))
    if chosen is None or pinned:
        return None
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, type=socket.SOCK_STREAM)
    except OSError:
        return chosen  # a name that only the proxy can resolve
    return None if all(is_here(str(entry[4][0])) for entry in found) else chosen


def authority_files() -> list[str]:
    """List the files and folders of authorities that the environment names."""
    names = (EXTRA, *_BUNDLES, "SSL_CERT_FILE", "SSL_CERT_DIR")
    return [str(expanded(os.environ[name])) for name in names if os.environ.get(name)]


def authorities() -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those of the company's setting.

    Requests itself also trusts those that came with Python packages.

    Raises
    ------
    ValueError
        ``AZK_EXTRA_CA_CERTS`` names no file of certificates.
    """
    import truststore

    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if extra := os.environ.get(EXTRA):
        try:
            context.load_verify_locations(str(expanded(extra)))
        except OSError as error:
            raise ValueError(
                f"{EXTRA}={extra}: no file of certificates in PEM form ({error.strerror or error})"
            ) from None
    for place in (Path(os.environ[name]) for name in _BUNDLES if os.environ.get(name)):
        if place.is_dir():
            context.load_verify_locations(capath=place)
        elif place.is_file():
            context.load_verify_locations(cafile=place)
    return context
