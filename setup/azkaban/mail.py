"""Try out a mail server before the server relies on it."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

from azkaban_client.authorities import certificates

if TYPE_CHECKING:
    from setup.azkaban.settings import Mail

__all__ = ["trouble"]

_PATIENCE = 20.0  # seconds for each answer
_NOT_ASCII = "user, password or address has letters beyond ASCII, which cannot be sent"


def trouble(mail: Mail, password: str, to: str = "") -> str:
    """Say why no mail can be sent; empty if it can.

    Parameters
    ----------
    mail
        How it is to be sent: as the server would, connection, encryption, login and sender are
        tried.
    password
        Of the account at the mail server, if there is one.
    to
        Also send a test mail to this address.
    """
    try:
        with smtplib.SMTP(mail.host, mail.port, timeout=_PATIENCE) as server:
            server.ehlo()
            if mail.tls:
                server.starttls(context=_context())
                server.ehlo()
            if mail.user:
                server.login(mail.user, password)
            if to:
                server.send_message(_letter(mail, to), mail.sender, [to])
            else:
                code, words = server.mail(mail.sender)
                if code != 250:
                    return f"{mail.sender} is refused as sender: {words.decode(errors='replace')}"
                server.rset()
    except smtplib.SMTPNotSupportedError as error:
        return f"{error} (--no-mail-tls sends mail in clear)" if mail.tls else str(error)
    except smtplib.SMTPResponseException as error:
        return f"it answers {error.smtp_code} {_text(error.smtp_error)}"
    except smtplib.SMTPRecipientsRefused:
        return f"{to} is refused as recipient"
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        # Python's own words would show a letter of the password.
        return _NOT_ASCII if isinstance(error, UnicodeError) else str(error) or type(error).__name__
    return ""


def _text(words: object) -> str:
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)


def _context() -> ssl.SSLContext:
    """Return a context that trusts the server's authorities."""
    return ssl.create_default_context(cadata="\n".join(certificates()) or None)


def _letter(mail: Mail, to: str) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = "Azkaban can send mail"
    letter["From"] = mail.sender
    letter["To"] = to
    letter["Date"] = formatdate(localtime=True)
    letter["Message-ID"] = make_msgid(domain="azkaban")
    letter.set_content("This is the test mail of a server that was set up just now.\n")
    return letter
