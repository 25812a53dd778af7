"""Keep a session with a server: log in, renew the login, and find the server's version."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from azkaban_client._answers import is_login_page, read
from azkaban_client._http import Call, Transport
from azkaban_client.auth import Login, from_netrc
from azkaban_client.errors import (
    AuthenticationError,
    BadAnswer,
    SessionRefused,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import requests

__all__ = ["Capabilities", "SessionBase", "Version", "cookies_of", "nameless"]

log = logging.getLogger("azkaban_client")

COOKIE = "azkaban.browser.session.id"


@dataclass(frozen=True)
class Version:
    """What is known of the server's version: it is in ``[low, high)``; `text` if it reports one.

    Only servers from 3.33 on report their version.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    text: str | None = None

    def __str__(self) -> str:
        if self.text:
            return self.text
        return f"{'.'.join(map(str, self.low))} or later, before {'.'.join(map(str, self.high))}"


@dataclass(frozen=True)
class Capabilities:
    """What the server can do; None where its version does not decide.

    Attributes
    ----------
    cron
        Cron schedules (3.2).
    download
        Download of a project's zip (2.6.4).
    project_list
        Projects as JSON (3.1); otherwise they are read from the web page.
    session_bound
        A session belongs to the client's address (up to 3.32).
    csrf
        Changes of permissions need a CSRF token, or a session outside the cookie (4.0).
    sla_settings
        Setting an SLA with ``slaSettings[]`` as well as ``settings[]`` (4.0).
    flow_lock
        Locking of flows (3.72).
    flow_trigger
        Flow triggers (3.47).
    write_check
        Asking whether one may upload to a project (3.69).
    flow2
        Flow 2.0 projects (3.43): older servers take them and find no flows.
    """

    cron: bool | None
    download: bool | None
    project_list: bool | None
    session_bound: bool | None
    csrf: bool | None
    sla_settings: bool | None
    flow_lock: bool | None
    flow_trigger: bool | None
    write_check: bool | None
    flow2: bool | None

    @classmethod
    def of(cls, version: Version) -> Capabilities:
        """Derive the capabilities from what is known of the version."""

        def since(*release: int) -> bool | None:
            if version.low >= release:
                return True
            return False if version.high <= release else None

        bound = since(3, 33, 0)
        return cls(
            cron=since(3, 2, 0),
            download=since(2, 6, 4),
            project_list=since(3, 1, 0),
            session_bound=None if bound is None else not bound,
            csrf=since(4, 0, 0),
            sla_settings=since(4, 0, 0),
            flow_lock=since(3, 72, 0),
            flow_trigger=since(3, 47, 0),
            write_check=since(3, 69, 0),
            flow2=since(3, 43, 0),
        )


class SessionBase:
    """The part of `azkaban_client.Client` that sends calls and keeps the session."""

    def __init__(
        self,
        url: str,
        *,
        auth: Login | tuple[str, str | Callable[[], str]] | None = None,
        verify: bool | str = True,
        timeout: float = 60.0,
        retries: int = 3,
        address: str | None = None,
        server_account: str | None = None,
    ) -> None:
        self._transport = Transport(
            url,
            address=address,
            verify=verify,
            timeout=timeout,
            retries=retries,
            account=server_account,
        )
        if not isinstance(auth, Login):
            auth = Login(*auth) if auth else from_netrc(self.url) or Login()
        self.username = auth.username
        self._password = auth.password
        self._session_id = auth.session_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The session stays valid on the server: see `logout`."""
        self._transport.close()

    @property
    def url(self) -> str:
        """The server's base URL."""
        return self._transport.url

    @property
    def address(self) -> str | None:
        """The IP address that this client keeps to, once it has connected."""
        return self._transport.address

    @property
    def session_id(self) -> str | None:
        """The session's id after a login. It is a secret."""
        return self._session_id

    @property
    def requests_made(self) -> int:
        """Number of HTTP requests so far."""
        return self._transport.requests_made

    def login(self) -> str:
        """Log in now (otherwise the first call does) and return the session's id.

        Raises
        ------
        AuthenticationError
            The server refused user or password, or there are none.
        """
        if self.username is None or self._password is None:
            raise AuthenticationError(
                "the server wants a login, and there is no user name and password to log in with"
            )
        password = self._password() if callable(self._password) else self._password
        form = {"action": "login", "username": self.username, "password": password}
        data = self._answer(Call("POST", "/", form=form))
        if not data.get("session.id"):
            raise BadAnswer("the server accepted the login and gave no session id")
        self._password = password
        self._session_id = str(data["session.id"])
        return self._session_id

    def logout(self) -> None:
        """End the session on the server."""
        if self._session_id:
            self._transport.send(Call("GET", "/", {"logout": "true"}), cookie=self._cookie())
            self._session_id = None

    @cached_property
    def version(self) -> Version:
        """What can be told of the server's version (one or two requests, once)."""
        response = self._transport.send(Call("GET", "/status"))
        try:
            text = str(response.json()["version"])
            numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
        except (ValueError, KeyError, TypeError, RecursionError):
            numbers = ()
        if numbers:
            return Version(numbers, (*numbers[:-1], numbers[-1] + 1), text)
        try:
            self._get("/index", ajax="fetchuserprojects", _expect=("projects",))
        except BadAnswer:
            return Version((2, 5, 0), (3, 1, 0))
        return Version((3, 1, 0), (3, 33, 0))

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the server can do, by its version."""
        found = Capabilities.of(self.version)
        if found.session_bound and nameless(self.url):
            log.warning(
                "%s: this server binds a session to the address that you connect from: give its "
                "host name, other programs that use it cannot share this session",
                self.url,
            )
        return found

    def _need(self, capability: str, what: str, since: str) -> None:
        """Raise if this server is known to lack something."""
        if getattr(self.capabilities, capability) is False:
            raise Unsupported(
                f"{what} needs Azkaban {since} or later; this server is {self.version}"
            )

    # -- sending ----------------------------------------------------------------------------

    def _get(
        self, path: str, *, _safe: bool = True, _expect: Collection[str] = (), **query: object
    ) -> dict[str, Any]:
        """Ask with GET; parameters that are None are left out."""
        texts = {name: str(value) for name, value in query.items() if value is not None}
        return self._ask(Call("GET", path, texts, safe=_safe), expect=_expect)

    def _ask(self, call: Call, *, expect: Collection[str] = ()) -> dict[str, Any]:
        """Send a call within the session and read its answer; log in (again) where needed."""
        answer: dict[str, Any] = self._in_session(
            lambda: self._answer(call, expect=expect, session=True)
        )
        return answer

    def _in_session(self, work: Callable[[], Any]) -> Any:
        """Do `work`; when the session is refused, log in once and do it again.

        A refused request was not carried out, so this holds for any call.
        """
        fresh = self._session_id is None
        if fresh:
            self.login()
        try:
            return work()
        except SessionRefused as error:
            if self._password is None:
                raise SessionRefused(
                    f"{error.message}: the session has ended; log in again",
                    request=error.request,
                    status=error.status,
                ) from error
            if not fresh:
                log.info("the session was refused; logging in again")
                self.login()
                try:
                    return work()
                except SessionRefused as again:
                    error = again
            raise SessionRefused(
                f"the server refused the session right after a login ({error.message}). Servers "
                f"up to 3.32 bind a session to the client's address: use the server's real host "
                f"name instead of {self._transport.host!r}, and no proxy with several addresses",
                request=error.request,
                status=error.status,
            ) from error

    def _answer(
        self, call: Call, *, expect: Collection[str] = (), session: bool = False
    ) -> dict[str, Any]:
        if session and call.form is not None and "session.id" in call.form:
            call = replace(call, form={**call.form, "session.id": self._session_id or ""})
            response = self._transport.send(call)
        else:
            response = self._transport.send(call, cookie=self._cookie() if session else None)
        return read(response.status_code, _text(response), call, expect=expect)

    def _page(self, path: str, **query: str) -> str:
        """Fetch a page of the web interface, for what an old server tells nowhere else."""
        call = Call("GET", path, query)

        def fetch() -> str:
            response = self._transport.send(call, cookie=self._cookie())
            text = _text(response)
            if response.status_code != 200 or is_login_page(text):
                read(response.status_code, text, call)
            return text

        return str(self._in_session(fetch))

    def _redirect(self, path: str, **query: str) -> dict[str, str]:
        """Make a call whose result comes in the cookies of a redirect."""
        call = Call("GET", path, query, safe=False)

        def fetch() -> dict[str, str]:
            response = self._transport.send(call, cookie=self._cookie())
            if response.status_code not in (301, 302, 303):
                read(response.status_code, _text(response), call)
                raise BadAnswer(
                    f"expected a redirect, got HTTP {response.status_code}",
                    request=str(call),
                    status=response.status_code,
                )
            return cookies_of(response)

        return dict(self._in_session(fetch))

    def _cookie(self) -> str:
        return f"{COOKIE}={self._session_id}"


def nameless(url: str) -> bool:
    """Tell whether a URL names its server by an address, or as localhost."""
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _text(response: requests.Response) -> str:
    """Decode an answer: UTF-8, which Azkaban does not always declare."""
    try:
        return response.content.decode("utf-8")
    except UnicodeDecodeError:
        return response.content.decode(response.encoding or "iso-8859-1", errors="replace")


def cookies_of(response: requests.Response) -> dict[str, str]:
    """Read the cookies that an answer sets; a later one of a name wins if it says something."""
    found: dict[str, str] = {}
    for line in response.raw.headers.getlist("Set-Cookie"):
        try:
            for name, morsel in SimpleCookie(line).items():
                if morsel.value:
                    found[name] = morsel.value
        except CookieError:
            log.debug("unreadable cookie: %r", line)
    return found
