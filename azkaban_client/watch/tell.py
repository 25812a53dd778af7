"""Send a message: by mail, to a webhook, a chat or a program."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import smtplib
import socket
import subprocess
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azkaban_client import _home, owners
from azkaban_client._network import authorities
from azkaban_client.config import ConfigError
from azkaban_client.errors import AzkabanError, NetworkError, Refused
from azkaban_client.files import first_line
from azkaban_client.programs import captured
from azkaban_client.times import in_words
from azkaban_client.watch import lineage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azkaban_client.watch.rules import Channel

__all__ = ["Message", "Undelivered", "Unreachable", "headline", "message", "printable", "send"]

_PATIENCE = 20.0  # seconds for a receiver
_CHAT_PATIENCE = 60.0  # for all receivers of a channel of Apprise
_ROOTS_PORTS = 1023  # root alone listens there
_WORDS = {
    "started": "has started",
    "failed": "failed",
    "recovered": "works again",
    "succeeded": "succeeded",
    "long": "takes long",
    "missed": "was not run",
    "arrived": "has arrived",
    "server-down": "the server does not answer",
    "server-up": "the server answers again",
    "given-up": "messages that could not be delivered for two days",
}


class Undelivered(AzkabanError):  # noqa: N818 (a state, not a mistake)
    """A receiver could not be reached, or refused the message."""


class Unreachable(Undelivered, NetworkError):  # noqa: N818 (a state, not a mistake)
    """A receiver could not be reached."""


class Rejected(Undelivered, Refused):
    """A receiver refused the message."""


@dataclass(frozen=True)
class Message:
    """What a channel is told.

    Attributes
    ----------
    id
        The same at each attempt.
    events
        As JSON.
    url
        The server's.
    """

    id: str
    subject: str
    text: str
    events: Sequence[dict[str, Any]]
    url: str = ""


def message(url: str, events: Sequence[dict[str, Any]], identity: str) -> Message:
    """Write a message about events.

    Parameters
    ----------
    url
        URL of the server, for links.
    events
        As `azkaban_client.watch.look.Event.plain` gives them, with ``logs`` if there are any.
    identity
        The message's own.
    """
    lines: list[str] = []
    for event in events:
        lines += [headline(event), *_details(url, event), ""]
    subject = headline(events[0])
    if len(events) > 1:
        subject = f"{subject}, and {len(events) - 1} more"
    text = "\n".join(lines).rstrip() + "\n"
    # What a server or a log has that is half a character could be sent nowhere.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return Message(identity, subject, text, events, url)


def headline(event: dict[str, Any]) -> str:
    """Say in a line what happened; a name with a line break in it stays in the line."""
    words = _WORDS[event["kind"]]
    what = event["file"] or (f"{event['project']}/{event['flow']}" if event["flow"] else "Azkaban:")
    return f"{printable(what)} {words}"


def printable(name: str) -> str:
    r"""Write line breaks and control codes as ``\n`` and the like.

    Examples
    --------
    >>> print(printable("a\nb"))
    a\nb
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)


def _details(url: str, event: dict[str, Any]) -> list[str]:
    lines = []
    if event["execid"] is not None:
        spent = f" after {in_words(event['seconds'])}" if event["seconds"] else ""
        lines.append(f"execution {event['execid']} {event['status'] or 'RUNNING'}{spent}")
    if event["kind"] == "missed":
        # What the server keeps is in its time; what azk watch keeps has an offset, after a T.
        of_server = "" if "T" in event["due"] else " (time of the server)"
        lines.append(f"it was due at {event['due']}{of_server}")
    lines += event.get("about") or ()
    for job, log in event.get("logs") or ():
        lines += [f"--- the end of the log of {job}:", *log]
    path = f"/executor?execid={event['execid']}" if event["execid"] is not None else ""
    return [*lines, f"{url}{path}"]


def send(channel: Channel, told: Message) -> None:
    """Send a message.

    Raises
    ------
    Undelivered
        It can be tried again.
    """
    try:
        if channel.mail:
            _mail(channel, told)
        elif channel.webhook_file:
            _webhook(channel, told)
        elif channel.apprise_file:
            _chat(channel, told)
        else:
            _program(channel, told)
    except smtplib.SMTPResponseException as error:
        raise Rejected(f"{channel.name}: {error}") from error
    except subprocess.TimeoutExpired as error:  # its words have the whole command line
        raise Undelivered(f"{channel.name}: took more than {error.timeout:g} s") from None
    except (
        ConfigError,
        FileNotFoundError,
        PermissionError,
        ValueError,
        subprocess.SubprocessError,
    ) as error:
        raise Undelivered(f"{channel.name}: {error}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable(f"{channel.name}: {error}") from error


def _mail(channel: Channel, told: Message) -> None:
    host, _, port = channel.server.rpartition(":")
    mail = EmailMessage()
    mail["Subject"] = told.subject
    mail["From"] = channel.sender or f"azk@{socket.getfqdn()}"
    mail["To"] = ", ".join(channel.mail)
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(idstring=told.id, domain="azk")
    mail.set_content(told.text)
    context = authorities()
    if port == "465":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(host, 465, timeout=_PATIENCE, context=context)
    else:
        connection = smtplib.SMTP(host, int(port), timeout=_PATIENCE)
    with connection as server:
        if port != "465":
            server.ehlo()
            if _is_here(host) and not channel.user:
                # Its certificate is hardly ever one for localhost, and nothing leaves the machine.
                _refuse_strangers(channel, int(port), server.sock)
            elif server.has_extn("starttls"):
                server.starttls(context=context)
            elif not _is_here(host):
                raise ValueError(
                    f"{channel.server} offers no encryption: mail is not sent in clear"
                )
            else:
                _refuse_strangers(channel, int(port), server.sock)
        if channel.user:
            server.login(channel.user, first_line(channel.password_file).strip())
        server.send_message(mail)


def _refuse_strangers(channel: Channel, port: int, connected: socket.socket | None) -> None:
    """Refuse a port of this machine that another account has; mail servers have one below 1024."""
    certain = not channel.user and port <= _ROOTS_PORTS
    if connected and not certain and (reason := owners.refusal(connected)):
        raise ValueError(f"{channel.server}: {reason}")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _content(told: Message) -> dict[str, Any]:
    return {
        "id": told.id,
        "subject": told.subject,
        "text": told.text,
        "events": list(told.events),
    }


def _webhook(channel: Channel, told: Message) -> None:
    import requests

    from azkaban_client._http import trusting

    url = first_line(channel.webhook_file).strip()
    headers = {"Content-Type": "application/json", "X-Azk-Id": told.id}
    if channel.format == "openlineage":
        body = json.dumps(lineage.run_event(told.url, told.events[0])).encode()
    else:
        body = json.dumps(_content(told)).encode()
    if channel.secret_file:
        key = first_line(channel.secret_file).strip()
        if channel.format == "openlineage":
            _refuse_clear(url)
            headers["Authorization"] = f"Bearer {key}"
        else:
            signed = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Azk-Signature"] = f"sha256={signed}"
    try:
        with trusting(authorities()) as session:
            answer = session.post(
                url, data=body, headers=headers, timeout=_PATIENCE, allow_redirects=False
            )
    except requests.RequestException as error:
        # The URL is a secret, and its messages name it.
        raise Unreachable(f"{channel.name}: {type(error).__name__} at the webhook") from None
    if not answer.ok:
        raise Rejected(f"{channel.name}: the webhook answers HTTP {answer.status_code}")


def _refuse_clear(url: str) -> None:
    """Refuse to send a key in clear to another machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not _is_here(parts.hostname or ""):
        raise ValueError("its URL begins with http: a key is not sent in clear")


def _chat(channel: Channel, told: Message) -> None:
    """Send by Apprise, in a process of its own: it needs memory, and knows no time limit."""
    from azkaban_client.authorities import bundle

    text = Path(channel.apprise_file).read_text(encoding="utf-8-sig")
    lines = [line.strip() for line in text.splitlines()]
    urls = [line for line in lines if line and not line.startswith("#")]
    folder = _home.state("watch")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    trusted = bundle(folder)
    environ = {**os.environ, **({"REQUESTS_CA_BUNDLE": str(trusted)} if trusted else {})}
    content = {"urls": urls, "title": told.subject, "body": told.text}
    result = captured(
        [sys.executable, "-P", "-m", "azkaban_client.watch.chat"],
        input=json.dumps(content),
        env=environ,
        timeout=_CHAT_PATIENCE,
    )
    if result.returncode:
        words = result.stderr.strip().split("\n")[-1][:300] or "Apprise could not deliver it"
        kind = Undelivered if result.returncode == 2 else Unreachable
        raise kind(f"{channel.name}: {words}")


def _program(channel: Channel, told: Message) -> None:
    result = captured(channel.program, input=json.dumps(_content(told)), timeout=_PATIENCE)
    if result.returncode:
        words = result.stderr.strip().split("\n")[-1][:300]
        raise Rejected(
            f"{channel.name}: {channel.program[0]} ended with {result.returncode}: {words}"
        )
