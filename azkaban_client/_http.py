"""HTTP to one server: pinned address, timeouts, retries; no knowledge of Azkaban.

A session of servers up to 3.32 belongs to the address that the client connects from, and that
depends on which of the server's addresses it connects to. So the host's name is resolved once
and one address is kept; the Host header, SNI and the certificate check stay with the name.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import ssl
import time
from dataclasses import dataclass, field
from functools import cached_property, partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter

from azkaban_client import _network, certificates, owners
from azkaban_client._deadline import POOLS, Deadline
from azkaban_client.auth import split_url
from azkaban_client.config import written_by_others
from azkaban_client.errors import BadAnswer, NetworkError, OutcomeUnknown, TLSError, WrongAccount
from azkaban_client.secrecy import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests import PreparedRequest

__all__ = ["Call", "Transport", "trusting"]

log = logging.getLogger("azkaban_client")

_IDS = [
    "project",
    "projectName",
    "flow",
    "flowId",
    "flowName",
    "execid",
    "jobId",
    "jobid",
    "jobName",
    "node",
    "scheduleId",
]
_TRANSIENT = {502, 503, 504}  # a proxy in front of the server answers for it
_CONNECT_SECONDS = 10.0  # at most, TLS included
_BUSY = {429, 503}  # with Retry-After: the server did nothing yet, whatever was asked
_LONGEST_WAIT = 10  # seconds; a server that asks for more is told to the user instead
_LARGEST = 256 << 20  # bytes of an answer, unpacked; the graph of 10,000 jobs has some 10 MB


_OF_PROXY = (
    requests.exceptions.ProxyError,
    requests.exceptions.InvalidSchema,  # SOCKS, for which a package is missing
    requests.exceptions.InvalidProxyURL,
)


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes
    ----------
    safe
        May be sent twice: it changes nothing, or the same thing the second time.
    form
        Fields of the body of a POST; `body` is a ready one (a stream with a length).
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    safe: bool = True
    timeout: float | None = None
    ids: Mapping[str, str] = field(default_factory=dict)

    def about(self) -> dict[str, str]:
        """Return what an error reports of this request: its text, redacted, and its ids."""
        fields = {**self.query, **(self.form or {}), **self.ids}
        return {name: fields[name] for name in _IDS if name in fields}

    def __str__(self) -> str:
        fields = {**self.query, **(self.form or {}), **self.ids}
        shown = [f"{name}={'***' if is_secret(name) else text}" for name, text in fields.items()]
        return " ".join([self.method, self.path, *shown])


class _TrustingAdapter(HTTPAdapter):
    """Checks certificates by a context.

    Parameters
    ----------
    context
        Whom to trust besides the authorities of requests; None for the file that a call names.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        options |= {"ssl_context": self._context, "proxy_ssl_context": self._context}
        return super().proxy_manager_for(proxy, **options)


def trusting(context: ssl.SSLContext) -> requests.Session:
    """Make a session for other servers than Azkaban's, which trusts whom a context does."""
    session = requests.Session()
    session.mount("https://", _TrustingAdapter(context))
    return session


class _PinnedAdapter(_TrustingAdapter):
    """Connects to `address`, whatever the URL's host; the certificate must be for that host."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.address: str | None = None
        super().__init__(context)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def build_connection_pool_key_attributes(
        self,
        request: PreparedRequest,
        verify: bool | str,  # noqa: FBT001 (requests' own signature)
        cert: str | tuple[str, str] | None = None,
    ) -> Any:
        attributes = super().build_connection_pool_key_attributes(request, verify, cert)
        host: dict[str, Any] = dict(attributes[0])
        pool: dict[str, Any] = dict(attributes[1])
        if self.address is not None:
            if host["scheme"] == "https":
                pool |= {"server_hostname": host["host"], "assert_hostname": host["host"]}
            host = {**host, "host": self.address}
        return host, pool


class Transport:
    """Sends calls to one server.

    Parameters
    ----------
    url
        Base URL, with the server's real host name: ``http://azkaban.example:8081``.
    address
        IP address to connect to instead of resolving the host's name.
    verify
        True, or the path of a file of CA certificates; False switches the check off.
    timeout
        Seconds to wait for a connection, and for each answer.
    retries
        How often a call that may be repeated is repeated after a lost connection.
    account
        Whose the server is where it runs on this machine; this process's own by default.
    sleep
        Waits between retries.
    """

    def __init__(
        self,
        url: str,
        *,
        address: str | None,
        verify: bool | str,
        timeout: float,
        retries: int,
        account: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = split_url(url)
        if parts.username or parts.password:
            raise ValueError("the URL holds credentials: pass them as auth=(user, password)")
        self.port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        self.host = parts.hostname or ""
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._netloc = parts.netloc
        self._timeout, self._retries, self._sleep = timeout, retries, sleep
        self._account = account
        self._proved = parts.scheme == "https" and _proves(verify)
        self._candidates = [_parsed(address)] if address else []
        if parts.scheme == "https" and isinstance(verify, str):
            _require_certificates(verify)
        trusts_system = parts.scheme == "https" and verify is True
        self._adapter = _PinnedAdapter(_network.authorities() if trusts_system else None)
        self._http = requests.Session()
        self._http.trust_env = False  # no surprises from ~/.netrc; see `_proxy`
        self._http.cookies.set_policy(_NoCookies())
        self._http.verify = verify
        self._http.mount("http://", self._adapter)
        self._http.mount("https://", self._adapter)
        self.requests_made = 0
        self._answered = False

    @property
    def address(self) -> str | None:
        """The address in use, once a connection has been made."""
        return self._adapter.address

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call, *, cookie: str | None = None, stream: bool = False) -> Any:
        """Send one call and return the `requests.Response`, whatever its status.

        Raises
        ------
        NetworkError
            After the retries, where the call allowed any.
        OutcomeUnknown
            The call may not be repeated, it was sent, and the answer was lost.
        """
        attempts = self._retries + 1
        wait = 0.0
        for attempt in range(attempts):
            if attempt:
                self._sleep(max(wait, min(0.2 * 2 ** (attempt - 1), 5.0)))
                if hasattr(call.body, "rewind"):
                    call.body.rewind()
            last = attempt + 1 == attempts
            try:
                response = self._send(call, cookie, stream=stream)
            except NetworkError as error:
                unsure = isinstance(error, OutcomeUnknown)
                # A call that was never sent has certainly had no effect, whatever it was.
                again = call.safe or isinstance(error, _NeverLeftError)
                final = last or not again or isinstance(error, (TLSError, WrongAccount))
                if final or _timed_out(error):
                    if unsure and call.safe:
                        raise self._error(NetworkError, call, error.message) from error.__cause__
                    raise
                log.debug("%s: %s; trying again", call, error.message)
                continue
            wait = _asked_to_wait(response)
            if not last and (wait or (call.safe and response.status_code in _TRANSIENT)):
                response.close()
                continue
            return response
        raise AssertionError("unreachable: the last attempt returns or raises")

    def body(self, response: Any, call: Call) -> Iterator[bytes]:
        """Read the body of a streamed response piece by piece."""
        with self._translated(call):
            yield from response.iter_content(1 << 18)

    def _send(self, call: Call, cookie: str | None, *, stream: bool) -> Any:
        if self._proxy:
            self._http.proxies = {urlsplit(self.url).scheme: self._proxy}
            return self._send_to(None, call, cookie, stream=stream)
        if self.address is not None:
            return self._send_to(self.address, call, cookie, stream=stream)
        failure: NetworkError | None = None
        for address in self._resolve(call):
            try:
                response = self._send_to(address, call, cookie, stream=stream)
            except OutcomeUnknown:
                raise
            except NetworkError as error:
                failure = failure or error
                self._adapter.address = None
            else:
                return response
        assert failure is not None
        raise failure

    @cached_property
    def _proxy(self) -> str | None:
        return _network.proxy(self.url, pinned=bool(self._candidates))

    def _resolve(self, call: Call) -> list[str]:
        if not self._candidates:
            try:
                found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise self._error(
                    NetworkError,
                    call,
                    f"unknown host {self.host!r}: {error.strerror or error}; check the URL, "
                    "or give the server's address (--address)",
                ) from error
            self._candidates = list(dict.fromkeys(str(item[4][0]) for item in found))
        return self._candidates

    def _send_to(self, address: str | None, call: Call, cookie: str | None, *, stream: bool) -> Any:
        self._adapter.address = address
        headers = {"X-Requested-With": "XMLHttpRequest", **call.headers, "Host": self._netloc}
        if cookie:
            headers["Cookie"] = cookie
        url = self.url + call.path
        if call.query:
            url += "?" + urlencode(call.query)
        self.requests_made += 1
        started = time.monotonic()
        seconds = call.timeout or self._timeout
        # A body from a file may take its time, and so may a download; each wait has a limit.
        endless = stream or call.body is not None
        deadline = Deadline(
            None if endless else seconds * 1.1 + 0.2,
            None if self._proved or self._proxy else partial(self._admit, call=call),
        )
        with self._translated(call, deadline), deadline:
            response = self._http.request(
                call.method,
                url,
                data=call.body if call.body is not None else call.form,
                headers=headers,
                timeout=(min(self._timeout, _CONNECT_SECONDS), seconds),
                allow_redirects=False,
                stream=True,
            )
            if not stream:
                self._read_whole(response, call)
            if deadline.passed:  # where the length is not known, the end looks like a whole answer
                raise requests.exceptions.ReadTimeout
        self._answered = True
        log.debug("%s -> %d, %.3f s", call, response.status_code, time.monotonic() - started)
        return response

    def _admit(self, connected: socket.socket, *, call: Call) -> None:
        """Refuse a connection to a server on this machine that another account runs."""
        if reason := owners.refusal(connected, self._account):
            words = (
                f"{self.host}:{self.port}: {reason}. Is your server down, and has somebody taken "
                "its port? If another account runs the server that you mean, name it: "
                "--server-account NAME, or server_account in azk.toml"
            )
            raise self._error(WrongAccount, call, words)

    @staticmethod
    def _read_whole(response: Any, call: Call) -> None:
        """Read the body, up to a size that no answer of Azkaban has."""
        content = bytearray()
        for piece in response.iter_content(1 << 16):
            content += piece
            if len(content) > _LARGEST:
                response.close()
                raise BadAnswer(
                    f"the server's answer is larger than {_LARGEST >> 20} MB",
                    request=str(call),
                    status=response.status_code,
                    ids=call.about(),
                )
        response._content = bytes(content)  # noqa: SLF001 (where requests itself would put it)

    @contextlib.contextmanager
    def _translated(self, call: Call, deadline: Deadline | None = None) -> Iterator[None]:
        """Turn the library's exceptions into ours."""
        where = f"{self.host}:{self.port}"
        if self.address and self.address != self.host:
            where += f" ({self.address})"
        seconds = call.timeout or self._timeout
        try:
            yield
        except requests.exceptions.RequestException as error:
            if deadline is not None and deadline.passed:
                words = f"{where}: no whole answer within {seconds:g} s"
                late = requests.exceptions.ReadTimeout(words)
                late.__cause__ = error
                error = late
            if isinstance(error, requests.exceptions.ReadTimeout) and deadline is not None:
                if not deadline.sent:
                    limit = min(self._timeout, _CONNECT_SECONDS)
                    words = f"{where}: connected, but TLS was not set up within {limit:g} s"
                    raise self._error(_NeverLeftError, call, words) from error
                words = (
                    str(error)
                    if deadline.passed
                    else (f"{where}: connected, but no answer within {seconds:g} s")
                )
                raise self._error(OutcomeUnknown, call, words) from error
            sent = deadline is None or deadline.sent
            raise self._translate(error, call, where, sent=sent) from error

    def _translate(
        self, error: requests.exceptions.RequestException, call: Call, where: str, *, sent: bool
    ) -> NetworkError:
        kind: type[NetworkError] = OutcomeUnknown
        if isinstance(error, requests.exceptions.SSLError) and not _cut(error):
            kind, words = TLSError, _tls_words(error, where, self._signer)
        elif isinstance(error, requests.exceptions.ConnectTimeout):
            kind, words = _NeverLeftError, f"{where}: no connection within the time limit"
        elif isinstance(error, _OF_PROXY) and self._proxy:
            kind, words = NetworkError, self._proxy_words(where, error)
        elif isinstance(error, requests.exceptions.ReadTimeout):
            seconds = call.timeout or self._timeout
            words = f"{where}: the answer broke off: nothing more within {seconds:g} s"
        elif not isinstance(error, requests.exceptions.ConnectionError):
            words = f"{where}: the answer broke off: {_innermost(error)}"
        elif _never_connected(error):
            kind = _NeverLeftError
            words = f"{where}: cannot connect: {_innermost(error)}; is the server running?"
        elif self._speaks_tls(error):
            kind, words = TLSError, f"{where}: this port speaks TLS: use https://{self._netloc}"
        elif not sent:  # a server with too many connections, or HTTP where TLS was expected
            kind = _NeverLeftError
            words = f"{where}: the connection was cut before TLS was set up; is this port HTTP?"
        else:
            words = f"{where}: the connection was cut before the answer: {_innermost(error)}"
        return self._error(kind, call, words)

    def _speaks_tls(self, error: BaseException) -> bool:
        """Tell whether plain HTTP was sent to a TLS port: by its alert, or by asking it."""
        if self._answered or self.url.startswith("https:"):
            return False
        if any("\x15\x03" in str(item) or "\\x15\\x03" in str(item) for item in _chain(error)):
            return True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # nothing is sent: it is only asked whether it is TLS
        try:
            plain = socket.create_connection((self.address or self.host, self.port), timeout=3)
            with plain, context.wrap_socket(plain, server_hostname=self.host):
                return True
        except OSError:
            return False

    def _signer(self) -> str:
        """Tell who signed the certificate that was refused."""
        return certificates.issuer(self.host, self.port, address=self.address, proxy=self._proxy)

    def _proxy_words(self, where: str, error: BaseException) -> str:
        """Name the proxy without its user and password."""
        named = self._proxy or ""
        name = urlsplit(named if "//" in named else f"//{named}").netloc.rpartition("@")[2]
        return (
            f"{where}: the proxy {name} failed: {_innermost(error)}; a server that is reached "
            f"without it belongs into NO_PROXY: NO_PROXY={self.host}"
        )

    @staticmethod
    def _error(kind: type[NetworkError], call: Call, message: str) -> NetworkError:
        return kind(message, request=str(call), ids=call.about())


class _NeverLeftError(NetworkError):
    """The request was not sent."""


class _NoCookies(DefaultCookiePolicy):
    """Keeps no cookies: only the client decides which session is sent."""

    def set_ok(self, _cookie: Any, _request: Any) -> bool:
        return False


def _proves(verify: bool | str) -> bool:  # noqa: FBT001 (requests' own form)
    """Tell whether a certificate proves a server: if nobody else can say whom to trust."""
    if verify is False:
        return False
    files = [verify] if isinstance(verify, str) else _network.authority_files()
    return not any(written_by_others(Path(file)) for file in files)


def _timed_out(error: NetworkError) -> bool:
    """Recognise a server that does not answer: asking again would only wait as long again."""
    return not isinstance(error, _NeverLeftError) and isinstance(
        error.__cause__, requests.exceptions.ReadTimeout
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception of requests and its causes, however urllib3 keeps them."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        item = todo.pop(0)
        if item in seen:
            continue
        seen.append(item)
        yield item
        nested = [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
        todo += [cause for cause in nested if isinstance(cause, BaseException)]


def _never_connected(error: BaseException) -> bool:
    from urllib3.exceptions import NewConnectionError

    return any(isinstance(item, NewConnectionError) for item in _chain(error))


def _cut(error: BaseException) -> bool:
    """Tell a connection of TLS that the other end closed from one that failed by itself."""
    ends = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError)
    return any(isinstance(item, ends) for item in _chain(error))


def _asked_to_wait(response: requests.Response) -> float:
    """Return the seconds after which a server that did nothing wants to be asked again, or 0."""
    text = response.headers.get("Retry-After", "")
    number = text.isascii() and text.isdecimal() and len(text) < 10  # Python reads no endless one
    asked = response.status_code in _BUSY and number
    return max(float(text), 0.1) if asked and int(text) <= _LONGEST_WAIT else 0.0


def _parsed(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise ValueError(f"address {address!r}: expected an IP address") from None


def _require_certificates(file: str) -> None:
    """Refuse a file of authorities that holds none, before TLS fails in words of its own."""
    try:
        if not Path(file).is_dir():  # one as OpenSSL's c_rehash makes it is used as it is
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as error:
        words = getattr(error, "reason", None) or error.strerror or error
        raise ValueError(f"ca_cert {file}: no file of certificates in PEM form ({words})") from None


def _innermost(error: BaseException) -> str:
    for item in _chain(error):
        if isinstance(item, OSError) and item.strerror:
            return item.strerror
    *_, last = _chain(error)
    return str(last) or type(last).__name__


def _tls_words(error: BaseException, where: str, signer: Callable[[], str]) -> str:
    advice = "use the host name that it was issued for, or give its CA (--ca-cert)"
    for item in _chain(error):
        if isinstance(item, ssl.SSLCertVerificationError):
            words = certificates.distrust(item.verify_message, signer())
            return f"{where}: the server's certificate is not trusted (--ca-cert FILE): {words}"
        if isinstance(item, ssl.CertificateError) or type(item).__name__ == "CertificateError":
            return f"{where}: the server's certificate is not for this name: {item}; {advice}"
    return f"{where}: TLS failed: {_innermost(error)}; is this port HTTP (http://)?"
