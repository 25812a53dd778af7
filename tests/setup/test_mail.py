"""Mail is accepted at set-up only when it can be sent; what the server sends is in tests/live."""

from __future__ import annotations

import pytest

from setup.azkaban import Mail
from setup.azkaban.mail import trouble
from tests.mailbox import mailbox


def test_a_mail_server_that_takes_it_is_told_nothing_unless_asked() -> None:
    with mailbox() as box:
        mail = Mail(host="127.0.0.1", port=box.port, sender="azkaban@example.org", tls=False)
        assert trouble(mail, "") == ""
        assert (box.letters, "MAIL" in {one[:4].upper() for one in box.commands}) == ([], True)
        assert trouble(mail, "", "me@example.org") == ""
        (letter,) = box.letters
        assert "To: me@example.org\r\n" in letter
        assert "Subject: Azkaban can send mail\r\n" in letter


@pytest.mark.parametrize(
    ("offers", "answers", "user", "tls", "words"),
    [
        ((), {}, "", True, "--no-mail-tls sends mail in clear"),
        (("STARTTLS",), {"STARTTLS": "454 not now"}, "", True, "it answers 454 not now"),
        (("AUTH PLAIN",), {"AUTH": "535 wrong password"}, "me", False, "535 wrong password"),
        ((), {}, "me", False, "SMTP AUTH extension not supported"),
        ((), {"MAIL": "550 who is that"}, "", False, "refused as sender: who is that"),
        ((), {"RCPT": "550 nobody"}, "", False, "to@example.org is refused as recipient"),
    ],
)
def test_what_keeps_mail_from_being_sent_is_said(
    offers: tuple[str, ...], answers: dict[str, str], user: str, tls: bool, words: str
) -> None:
    with mailbox(offers, answers) as box:
        mail = Mail(host="127.0.0.1", port=box.port, sender="a@example.org", user=user, tls=tls)
        found = trouble(mail, "swordfish", "to@example.org" if "RCPT" in answers else "")
        assert words in found
        assert "swordfish" not in found
        assert box.letters == []
        assert not [one for one in box.commands if "swordfish" in one]
    gone = Mail(host="127.0.0.1", port=box.port, sender="a@example.org", tls=False)
    assert "refused" in trouble(gone, "")
