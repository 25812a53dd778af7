"""Send a message to chats and the like by Apprise: a program that reads it on standard input.

``{"urls": [...], "title": ..., "body": ...}``; the URLs are secrets, and stand in no message. It
exits with 0 when all have it, 1 when one could not be reached, 2 when it cannot be done at all.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from importlib.util import find_spec

__all__ = ["MISSING", "main", "quiet"]

MISSING = (
    "chats need apprise: azkaban-jobflow env --with chat installs it, elsewhere "
    "pip install 'azkaban-jobflow[chat]'"
)


def quiet(text: str) -> str:
    """Defuse what would ping people in a text that a job printed.

    Examples
    --------
    >>> quiet("@here <!channel> a@b.c <@U12>").replace("\u200b", "|")
    '@|here <|!channel> a@|b.c <@|U12>'
    """
    return re.sub(r"@|<(?=!)", "\\g<0>\u200b", text)


def main() -> int:
    """Send one message, and return the exit code."""
    if find_spec("apprise") is None:
        return _refuse(MISSING)
    import apprise

    logging.disable()  # it logs URLs
    told = json.load(sys.stdin)
    chats = apprise.Apprise()
    for number, url in enumerate(told["urls"], 1):
        if not chats.add(url):
            kind, colon, _ = url.partition("://")
            shown = f"{kind}://..." if colon else "without ://"  # all of it may be secret
            return _refuse(f"its URL {number} ({shown}) is none of Apprise's")
    if not len(chats):
        return _refuse("its file has no URL")
    title, body = quiet(told["title"]), quiet(told["body"])
    return 0 if chats.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT) else 1


def _refuse(words: str) -> int:
    sys.stderr.write(f"{words}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
