"""Find out whether packages and jars can be fetched from their servers, and what is in the way."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from azkaban_client import authorities, certificates
from azkaban_client.package_index import Index
from setup import environment, maven
from setup.network import explain, is_page, opened, page_words, proxy_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Place", "places", "reach"]

_PATIENCE = 5.0


@dataclass(frozen=True)
class Place:
    """A server, and a file to ask it for.

    Attributes
    ----------
    setting
        The setting that names this server, such as ``AZK_MAVEN_REPO``.
    url
        URL of a file.
    page
        Whether that is a page, such as those of an index.
    """

    setting: str
    url: str
    page: bool

    @property
    def host(self) -> str:
        """Its name."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True)
class Reached:
    """The result of asking a `Place`.

    Attributes
    ----------
    ok
        Whether the file came.
    detail
        What was seen.
    fix
        What to do; empty if nothing.
    clock
        Whether this machine's clock may be the cause.
    """

    ok: bool
    detail: str
    fix: str = ""
    clock: bool = False


def places(*, missing: bool) -> Iterator[Place]:
    """List the places that the user's settings name, and those from which something is missing.

    Parameters
    ----------
    missing
        Whether jars are missing.
    """
    index = Index.of().settings.get("index-url", "").rstrip("/")
    if index.startswith("http"):
        yield Place("PIP_INDEX_URL", f"{index}/uv/", page=True)
    repository, named = maven.repository()
    path = maven.pinned("agent")[0].path
    if repository and (named or missing or proxy_to(urlsplit(repository).hostname or "")):
        yield Place("AZK_MAVEN_REPO", f"{repository}/{path}", page=False)


def reach(place: Place, folder: Path) -> Reached:
    """Ask a place for its file; nothing is kept.

    Parameters
    ----------
    place
        Which one.
    folder
        Where to keep the list of certificates meanwhile.
    """
    advice = f"{place.setting} names a mirror"
    try:
        with (
            environment.downloading(folder),
            opened(place.url, _PATIENCE) as answer,
        ):
            start = answer.read(20_000)
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = f"https://{urlsplit(place.url).netloc.rpartition('@')[2]} {error}"
        clock = bool(certificates.DATES.search(str(error)))
        with environment.downloading(folder):
            fix = explain(said, advice)
        return Reached(ok=False, detail=f"{place.host}: {error}", fix=fix, clock=clock)
    wrong = b"uv-" not in start if place.page else is_page(start)
    if wrong:
        seen = f"{place.host} sends a page in place of a file: {page_words(start)}"
        way = proxy_to(place.host)
        return Reached(
            ok=False,
            detail=seen,
            fix=f"ask who runs {f'the proxy {way}' if way else 'that mirror'}; {advice}",
        )
    return _trusted(place)


def _trusted(place: Place) -> Reached:
    """Find an authority that this system trusts but Python's packages do not."""
    if not place.url.startswith("https:"):
        return Reached(ok=True, detail=f"{place.host} answers")
    context = ssl.create_default_context(cadata="\n".join(authorities.mozilla()) or None)
    try:
        opened(place.url, _PATIENCE, context).close()
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            port = urlsplit(place.url).port or 443
            signer = certificates.issuer(place.host, port, proxy=proxy_to(place.host))
            return Reached(
                ok=True,
                detail=f'{place.host} is signed by "{signer}", which this system trusts and '
                "Python's own packages do not",
                fix="nothing for set-up and azk; for programs of your own, set SSL_CERT_FILE and "
                "REQUESTS_CA_BUNDLE to the system's list",
            )
    except OSError:
        pass
    return Reached(ok=True, detail=f"{place.host} answers")
