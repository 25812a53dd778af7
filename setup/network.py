"""Explain why something cannot be downloaded; passwords in URLs are never shown."""

from __future__ import annotations

import base64
import contextlib
import netrc
import os
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from azkaban_client import certificates
from azkaban_client.secrecy import masked

if TYPE_CHECKING:
    import ssl

__all__ = ["explain", "is_page", "opened", "page_words", "proxy_to"]

# How OpenSSL (pip, requests), rustls (uv) and Node (npm) say that they do not trust a certificate.
_DISTRUST = re.compile(
    r"certificate verify failed: (?P<openssl>[^(\n'\"\]]+)"
    r"|invalid peer certificate: (?P<rustls>[^\n,)]+)"
    r"|(?P<node>SELF_SIGNED_CERT\w*|UNABLE_TO_(?:GET|VERIFY)\w+|CERT_(?:HAS|NOT)\w+)"
)
_HOST = re.compile(
    r"host='(?P<a>[^']+)', port=(?P<b>\d+)|https://(?:[^/@\s]*@)?(?P<c>[\w.-]+)(?::(?P<d>\d+))?"
)
_PROXY = re.compile(r"ProxyError|[Pp]roxy|Tunnel connection failed|tunnel error|\b407\b")


def explain(said: str, otherwise: str) -> str:
    """Explain a download that failed, and what to do about it.

    Parameters
    ----------
    said
        The whole output of the program that failed to download.
    otherwise
        Where else it could come from, such as ``AZK_MAVEN_REPO names a mirror``.

    Examples
    --------
    >>> explain("Connection refused", "--from takes a file as well")
    'Check the network, HTTPS_PROXY and NO_PROXY; --from takes a file as well'
    """
    host, port = _host(said)
    if match := _DISTRUST.search(said):
        seen = next(text for text in match.groups() if text).strip()
        words = certificates.distrust(seen, certificates.issuer(host, port, proxy=proxy_to(host)))
        return f"{host}: its certificate is not trusted: {words}"
    if _PROXY.search(said) and (proxy := proxy_to(host)):
        return (
            f"The proxy {masked(proxy)} did not pass this on: is HTTPS_PROXY right? Hosts that are "
            f"reached without it belong into NO_PROXY; {otherwise}"
        )
    return f"Check the network, HTTPS_PROXY and NO_PROXY; {otherwise}"


def is_page(content: bytes) -> bool:
    """Tell whether an HTML page came instead of a file."""
    return bool(re.match(rb"\s*<(!doctype html|html|head|body)", content[:200], re.IGNORECASE))


def page_words(content: bytes) -> str:
    """Return the first words of a page, its title where it has one.

    Examples
    --------
    >>> page_words(b"<html><title>Log in, please</title>")
    'Log in, please'
    """
    text = content[:20_000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    words = title[1] if title else re.sub(r"<[^>]*>", " ", text)
    return " ".join(words.split())[:100]


def opened(url: str, timeout: float, context: ssl.SSLContext | None = None) -> Any:
    """Open a URL, with the login in it, or the one for its host in ``.netrc``.

    Parameters
    ----------
    url
        With http or https.
    timeout
        Seconds to wait for a connection, and for each piece of the answer.
    context
        Whom to trust; by default what the environment says.
    """
    # Not the library's own opener, which keeps the proxies that were set when it was first used.
    handlers = [urllib.request.HTTPSHandler(context=context)] if context else []
    return urllib.request.build_opener(*handlers).open(_request(url), timeout=timeout)


def _request(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    if not parts.username:
        path = Path(os.environ.get("NETRC") or Path(os.environ.get("HOME", "/"), ".netrc"))
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc(path).hosts.get(parts.hostname or "")
            login = f"{found[0]}:{found[2]}" if found else ":"
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    asked = urllib.request.Request(place)  # noqa: S310 (the caller looks at its scheme)
    if login != ":":
        text = base64.b64encode(login.encode()).decode()
        asked.add_unredirected_header("Authorization", f"Basic {text}")
    return asked


def _host(said: str) -> tuple[str, int]:
    """Find the host that an error message names."""
    match = _HOST.search(said)
    if not match:
        return "", 443
    return match["a"] or match["c"], int(match["b"] or match["d"] or 443)


def proxy_to(host: str) -> str:
    """Tell which proxy leads to a host; empty for none."""
    if not host or urllib.request.proxy_bypass(host):
        return ""
    found = urllib.request.getproxies()
    return found.get("https") or found.get("all") or ""
