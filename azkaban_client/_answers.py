"""Read any answer of the server, and recognise every form of failure.

Azkaban answers most failures with HTTP 200: a JSON key ``error``, or ``status: error`` with
``message``, or ``success: false``; a refused session as ``{"error": "session"}``, as the login
page or as plain text; an unknown action as ``{}``; a missing project as an empty body. Other
failures are HTTP 500 with a Java stack in HTML, or a cookie on a redirect.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

from azkaban_client.errors import (
    AlreadyRunning,
    AuthenticationError,
    AzkabanError,
    BadAnswer,
    NotFound,
    NotReady,
    PermissionDenied,
    Refused,
    ServerFault,
    SessionRefused,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from azkaban_client._http import Call

__all__ = ["cookie_message", "is_login_page", "read"]

_JAVA = re.compile(r"^(?:[\w$]+\.)+[\w$]*(?:Exception|Error):\s*")  # the class of an exception
_NOT_READY = re.compile(r"Job log file doesn't exist|Running flow \d+ not found")
_MISSING = re.compile(
    r"does ?n[o']t exist|not found|cannot be found|can't be found|Cannot find|isn't found",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"permission denied|(?:no|have|have \w+) permissions? |permissions on|permission to|"
    r"not an ADMIN|write access|not authorized|access denied",
    re.IGNORECASE,
)
_BUSY = re.compile(r"Error retrieving executable flows|Error fetching execution '")
_RUNNING = re.compile(
    r"already running.*Skipping execution|Skipping execution", re.IGNORECASE | re.DOTALL
)
_FULL = re.compile(
    r"No space left on device|Disk quota exceeded|[Ee]rr(?:or|code:) (?:28|122)\b|"
    r"The table '[^']*' is full"
)
_LOGIN = re.compile(r"\blogin error\b|Incorrect Login", re.IGNORECASE)


def read(status: int, body: str, call: Call, *, expect: Collection[str] = ()) -> dict[str, Any]:
    """Return the JSON object of an answer, or raise the error that it stands for.

    Parameters
    ----------
    status, body
        The answer.
    call
        The request; added to the error.
    expect
        Keys, at least one of which is in a good answer. An old server answers an action that it
        does not know with ``{}``, which would look like success.

    Raises
    ------
    AzkabanError
        The matching class of `azkaban_client.errors`.
    """
    try:
        data = _parse(body)
    except RecursionError:
        raise _make(BadAnswer, "the server's JSON is nested too deeply", status, call) from None
    if data is None:
        raise _not_json(status, body, call)
    message = _failure(data)
    if message is None and status < 400:
        if expect and not any(key in data for key in expect):
            action = call.query.get("ajax") or (call.form or {}).get("ajax") or call.path
            raise _make(
                Unsupported,
                f"this server does not know {action!r}: it needs a newer Azkaban",
                status,
                call,
            )
        return data
    if message is None:
        message = f"HTTP {status}"
    raise _make(_kind(status, message, data), message, status, call)


class _Answer(dict[str, Any]):
    """A JSON object of the server; a key that it lacks is the server's mistake, not ours."""

    def __missing__(self, key: str) -> Any:
        raise BadAnswer(
            f"the server's answer lacks {key!r} (it has: {', '.join(self) or 'nothing'})"
        )


def cookie_message(cookies: Mapping[str, str]) -> tuple[bool, str] | None:
    """Read the result that a redirect carries in a cookie: success, and the message."""
    for name, good in (("azkaban.failure.message", False), ("azkaban.success.message", True)):
        text = cookies.get(name, "")
        if text:
            return good, text
    return None


def is_login_page(body: str) -> bool:
    """Recognise the login page, which a refused session gets instead of any page."""
    return 'id="login-form"' in body or "/view/login.js" in body or "login-submit" in body


def _parse(body: str) -> dict[str, Any] | None:
    try:
        data = json.loads(body, object_hook=_Answer)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _failure(data: dict[str, Any]) -> str | None:
    """Return the server's message for a failure, or None for a good answer."""
    if data.get("error"):
        return _clean(str(data["error"]))
    if data.get("status") == "error":
        return _clean(str(data.get("message") or "refused without a reason"))
    if isinstance(data.get("resume"), str):
        return _clean(data["resume"])
    return None


def _clean(text: str) -> str:
    """Convert the HTML fragments in the server's messages to plain text."""
    text = re.sub(r"<br\s*/?>", "\n", text)
    text = re.sub(r"</?(font|li|ul|b|p)\b[^>]*>", "", text)
    text = _JAVA.sub("", text)
    text = re.sub(r"in project azkaban\.project\.Project@\w+", "in this project", text)
    return "\n".join(line.strip() for line in html.unescape(text).splitlines() if line.strip())


def _kind(status: int, message: str, data: dict[str, Any]) -> type[AzkabanError]:
    asks_for_login = message == "session" or data.get("action") == "login" or "re-login" in message
    kinds: tuple[tuple[object, type[AzkabanError]], ...] = (
        (asks_for_login, SessionRefused),
        (status == 401 or _LOGIN.search(message), AuthenticationError),
        (_RUNNING.search(message), AlreadyRunning),
        (message.startswith("Error retrieving stats for job"), NotReady),
        (_BUSY.search(message), ServerFault),  # its database did not answer in time
        (status == 403 or _DENIED.search(message), PermissionDenied),
        (status in (404, 410) or _MISSING.search(message.partition("\n")[0]), NotFound),
        (status >= 500 and "error" not in data, ServerFault),
    )
    return next((kind for fits, kind in kinds if fits), Refused)


def _not_json(status: int, body: str, call: Call) -> AzkabanError:
    text, title = body.strip(), _title(body.strip())
    kind: type[AzkabanError] = BadAnswer
    if is_login_page(text) and status < 500:
        kind, words = SessionRefused, "the server asks for a login"
    elif text.lower().startswith("login error"):
        kind, words = AuthenticationError, text
        if "Need username" in text:
            kind = SessionRefused
    elif status >= 500:
        words = _stack_words(text) or f"HTTP {status}"
        kind = NotReady if _NOT_READY.search(words) else ServerFault
    elif status in (401, 403, 404, 410):
        kind = {401: AuthenticationError, 403: PermissionDenied}.get(status, NotFound)
        words = f"HTTP {status}: {title or 'no reason given'}"
    elif not text and status < 400 and (project := call.about().get("project")):
        kind, words = NotFound, f"project {project!r} doesn't exist"
    elif not text and status < 400:
        words = "the server's answer is empty"
    elif text.startswith(("{", "[")):
        words = f"the server's JSON breaks off after {len(body)} characters"
    else:
        what = f"a page titled {title!r}" if title else repr(text[:60])
        words = f"this is not an answer of Azkaban's API (HTTP {status}): {what}; check the URL"
    return _make(kind, words, status, call)


def _title(text: str) -> str:
    found = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return html.unescape(" ".join(found[1].split())) if found else ""


def _stack_words(text: str) -> str:
    """Find the message in a servlet container's error page, without the Java stack."""
    for pattern in (r"Caused by:\s*([^\n<]+)", r"<pre>\s*([^\n<]+)", r"<title>(.*?)</title>"):
        found = re.findall(pattern, text, re.IGNORECASE | re.DOTALL)
        if found:
            words = html.unescape(" ".join(found[-1].split()))
            words = _JAVA.sub("", words)
            words = re.sub(r"^Error 500\s*(?=\S)", "", words)
            if words and words != "Error 500":
                return words
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())[:300]


def _make(kind: type[AzkabanError], message: str, status: int, call: Call) -> AzkabanError:
    if _FULL.search(message) and "disk is full" not in message:
        message = f"The server's disk is full: {message}"
    return kind(message, request=str(call), status=status, ids=call.about())
