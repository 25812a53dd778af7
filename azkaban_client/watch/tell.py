"""Send a message: by mail, to a webhook, or to a program."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import smtplib
import socket
import ssl
import subprocess
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Any

from azkaban_client import owners
from azkaban_client.cli.display import duration_text
from azkaban_client.errors import AzkabanError
from azkaban_client.files import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azkaban_client.watch.rules import Channel

__all__ = ["Message", "Undelivered", "message", "send"]

_PATIENCE = 20.0  # seconds for a receiver
_ROOTS_PORTS = 1023  # root alone listens there
_MOST_TEXT = 1_900  # characters; Discord takes 2,000
_WORDS = {
    "failed": "failed",
    "recovered": "works again",
    "succeeded": "succeeded",
    "long": "takes long",
    "missed": "was not run",
    "arrived": "has arrived",
    "server-down": "the server does not answer",
    "server-up": "the server answers again",
}


class Undelivered(AzkabanError):  # noqa: N818 (a state, not a mistake)
    """A receiver could not be reached, or refused the message."""


@dataclass(frozen=True)
class Message:
    """What a channel is told.

    Attributes
    ----------
    id
        The same at each attempt.
    events
        As JSON.
    """

    id: str
    subject: str
    text: str
    events: Sequence[dict[str, Any]]


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
        lines += [_headline(event), *_details(url, event), ""]
    subject = _headline(events[0])
    if len(events) > 1:
        subject = f"{subject}, and {len(events) - 1} more"
    return Message(identity, subject, "\n".join(lines).rstrip() + "\n", events)


def _headline(event: dict[str, Any]) -> str:
    words = _WORDS[event["kind"]]
    if event["file"]:
        return f"{event['file']} {words}"
    if not event["flow"]:
        return f"Azkaban: {words}"
    return f"{event['project']}/{event['flow']} {words}"


def _details(url: str, event: dict[str, Any]) -> list[str]:
    lines = []
    if event["execid"] is not None:
        spent = f" after {duration_text(event['seconds'])}" if event["seconds"] else ""
        lines.append(f"execution {event['execid']} {event['status'] or 'RUNNING'}{spent}")
    if event["kind"] == "missed":
        lines.append(f"it was due at {event['due']} (time of the server)")
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
        else:
            _program(channel, told)
    except (OSError, smtplib.SMTPException, subprocess.SubprocessError, ValueError) as error:
        raise Undelivered(f"{channel.name}: {error}") from error


def _mail(channel: Channel, told: Message) -> None:
    host, _, port = channel.server.rpartition(":")
    mail = EmailMessage()
    mail["Subject"] = told.subject.replace("\n", " ").replace("\r", " ")
    mail["From"] = channel.sender or f"azk@{socket.getfqdn()}"
    mail["To"] = ", ".join(channel.mail)
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(idstring=told.id, domain="azk")
    mail.set_content(told.text)
    context = ssl.create_default_context()
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
            server.login(channel.user, first_line(channel.password_file))
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

    short = told.text if len(told.text) <= _MOST_TEXT else told.text[:_MOST_TEXT] + " …"
    # Nobody is pinged, and nothing is a link, because a job has printed it.
    escaped = short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    contents = {
        "slack": {"text": escaped},
        "discord": {"content": short, "allowed_mentions": {"parse": []}},
        "json": _content(told),
    }
    body = json.dumps(contents[channel.format]).encode()
    headers = {"Content-Type": "application/json", "X-Azk-Id": told.id}
    if channel.secret_file:
        key = first_line(channel.secret_file).encode()
        headers["X-Azk-Signature"] = f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
    try:
        answer = requests.post(
            first_line(channel.webhook_file),
            data=body,
            headers=headers,
            timeout=_PATIENCE,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        # The URL is a secret, and its messages name it.
        raise Undelivered(f"{channel.name}: {type(error).__name__} at the webhook") from None
    if not answer.ok:
        raise Undelivered(f"{channel.name}: the webhook answers HTTP {answer.status_code}")


def _program(channel: Channel, told: Message) -> None:
    result = subprocess.run(  # noqa: S603 (the user's own program)
        channel.program,
        input=json.dumps(_content(told)),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if result.returncode:
        words = result.stderr.strip().split("\n")[-1][:300]
        raise Undelivered(
            f"{channel.name}: {channel.program[0]} ended with {result.returncode}: {words}"
        )
