"""Give jobs to a Chronos, by the four requests of its REST API that it takes.

No package registry has Chronos, so no test runs one. What is sent follows its documentation and
the source of its resources: see the tests.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from netrc import NetrcParseError
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests

from azkaban_client._http import trusting
from azkaban_client._network import authorities
from azkaban_client.auth import from_netrc
from azkaban_client.errors import (
    AuthenticationError,
    AzkabanError,
    BadAnswer,
    NetworkError,
    Refused,
    TLSError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Chronos", "Posted"]

_SECONDS = 30.0  # for each request
_LONGEST = 300  # characters of an answer that an error shows
_Job = dict[str, Any]


@dataclass(frozen=True)
class Posted:
    """What became of jobs.

    Attributes
    ----------
    new, replaced
        Names of jobs that were not there before, and that were.
    left
        Of the same program, and not among them: Chronos still runs them.
    """

    new: tuple[str, ...]
    replaced: tuple[str, ...]
    left: tuple[str, ...]


class Chronos:
    """A running Chronos.

    Parameters
    ----------
    url
        Where its leader is; a password comes from ``~/.netrc``.

    Raises
    ------
    ValueError
        The URL is none of HTTP, or holds a password; or ``.netrc`` cannot be read.
    """

    def __init__(self, url: str) -> None:
        _check(url)
        self.url = url.rstrip("/")
        try:
            login = from_netrc(url)
        except (OSError, NetrcParseError) as error:
            raise ValueError(f"{url}: .netrc cannot be used: {error}") from error
        self._session = trusting(authorities())
        # Without an account, requests would send what .netrc has for any server.
        self._session.auth = (
            (login.username or "", str(login.password)) if login else lambda request: request
        )

    def post(self, jobs: Sequence[Mapping[str, Any]], *, own: Callable[[str], bool]) -> Posted:
        """Add jobs, or replace those of an earlier time; if one is refused, take the new ones back.

        Parameters
        ----------
        jobs
            What a job waits for comes before it.
        own
            Tells by the command of a job that is there whether it may be replaced.

        Raises
        ------
        NetworkError, AuthenticationError, BadAnswer
            It does not answer, does not know the account, or is no Chronos.
        Refused
            A job of somebody else has one of the names, or a job is refused.
        """
        there = {str(job["name"]): str(job.get("command")) for job in self._jobs()}
        names = [str(job["name"]) for job in jobs]
        if others := [name for name in names if name in there and not own(there[name])]:
            raise Refused(
                f"{self.url}: has another job {others[0]!r}, which stays as it is: nothing was "
                "sent; rename the flow, or delete that job"
            )
        new: list[str] = []
        replaced: list[str] = []
        for job, name in zip(jobs, names, strict=True):
            kind = "dependency" if "parents" in job else "iso8601"
            (replaced if name in there else new).append(name)
            try:
                self._send("POST", f"scheduler/{kind}", what=f"job {name!r}", json=dict(job))
            except AzkabanError as error:
                words = self._take_back(new, unsure=name)
                if done := [one for one in replaced if one != name]:
                    words += f"; replaced already: {', '.join(done)}"
                raise type(error)(
                    f"{error}; {words}", request=error.request, status=error.status
                ) from error
        left = [name for name, command in there.items() if own(command) and name not in names]
        return Posted(tuple(new), tuple(replaced), tuple(left))

    def _jobs(self) -> list[_Job]:
        answer = self._send("GET", "scheduler/jobs", what="the list of jobs")
        with contextlib.suppress(ValueError, TypeError, KeyError):
            found = answer.json()
            if isinstance(found, list) and all(job["name"] for job in found):
                return found
        raise BadAnswer(f"{self.url}: no answer of a Chronos to GET /v1/scheduler/jobs")

    def _take_back(self, names: Sequence[str], *, unsure: str) -> str:
        """Delete jobs, those first that no other waits for; say what is there now.

        Parameters
        ----------
        unsure
            The one that was refused, or whose answer was lost: it may not be there.
        """
        left = list(names)
        while left:
            try:
                path = f"scheduler/job/{quote(left[-1], safe='')}"
                self._send("DELETE", path, what=f"job {left[-1]!r}")
            except NetworkError:
                break
            except AzkabanError:
                if left[-1] != unsure:
                    break
            left.pop()
        return f"delete there: {', '.join(left)}" if left else "no new job is left there"

    def _send(self, method: str, path: str, *, what: str, **options: Any) -> requests.Response:
        request = f"{method} /v1/{path}"
        try:
            answer = self._session.request(
                method, f"{self.url}/v1/{path}", timeout=_SECONDS, allow_redirects=False, **options
            )
        except requests.exceptions.SSLError as error:
            raise TLSError(f"{self.url}: {error}", request=request) from error
        except requests.RequestException as error:
            words = type(error).__name__
            raise NetworkError(f"{self.url}: no answer ({words})", request=request) from error
        if answer.is_redirect:
            leader = answer.headers["Location"].partition("/v1/")[0]
            raise Refused(f"{self.url}: is not the leader, which is {leader}: name that")
        if answer.status_code in (401, 403):
            raise AuthenticationError(
                f"{self.url}: HTTP {answer.status_code}: put the account into ~/.netrc",
                request=request,
                status=answer.status_code,
            )
        if not answer.ok:
            raise Refused(
                f"{self.url}: {what} is refused (HTTP {answer.status_code}): {_words(answer)}",
                request=request,
                status=answer.status_code,
            )
        return answer


def _check(url: str) -> None:
    """Refuse what is no URL of HTTP, or holds a password."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        good = False
    if "@" in url:
        raise ValueError(
            f"{url.rpartition('@')[2]}: others can read a password in a command: put it into "
            "~/.netrc (machine HOST login NAME password PASSWORD)"
        )
    if not good or parts.query or parts.fragment:
        raise ValueError(f"{url}: expected http://HOST:PORT of a Chronos")


def _words(answer: requests.Response) -> str:
    """Return an error's message: text, or JSON with a ``message``; of a stack, its first line."""
    text = answer.text
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = str(answer.json()["message"])
    return (text.strip().splitlines() or ["no reason is given"])[0][:_LONGEST]
