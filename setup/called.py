"""How the user calls the command, for messages that name a command to type."""

from __future__ import annotations

import os
import sys

__all__ = ["NAME", "as_called", "called", "speaker"]

NAME = "azkaban-jobflow"
_CHECKOUT = "python3 -m setup"


def called() -> str:
    """Return the words that this user types before a command's name.

    A checkout is started by ``python3 -m setup``. The one-file archive and the command
    `azkaban-jobflow` start the folder ``setup`` itself.

    Examples
    --------
    >>> f"run {called()} up"
    'run python3 -m setup up'
    """
    return NAME if os.path.basename(sys.argv[0]) == "setup" else _CHECKOUT  # noqa: PTH119 (starts quickly)


def speaker() -> str:
    """Return the words that begin a message about the end of a command."""
    return NAME if called() == NAME else "setup"


def as_called(text: str, name: str = "") -> str:
    """Write the commands of a text, such as the examples of a help, as this user types them.

    Parameters
    ----------
    text
        The text, as for a checkout.
    name
        What is typed instead of the name by which this process was called.
    """
    return text.replace(_CHECKOUT, name or called())
