"""Ask for passwords, make them, and hash them as ``Users.java`` checks them."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import re
import secrets
import sys
from base64 import b64decode, b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING

from azkaban_client import files
from azkaban_client.files import open_private
from setup.errors import UsageError
from setup.paths import expanded

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = [
    "chosen",
    "first_line",
    "generated",
    "hashed",
    "is_hash",
    "matches",
    "password_options",
]

LEAST = 8
_ITERATIONS = 600_000  # what OWASP asks for with this hash; a quarter of a second
_KIND = "pbkdf2-sha256"
_HASH = re.compile(rf"{_KIND}\$(\d{{1,8}})\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)")


def password_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a password comes from."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--password-file", metavar="FILE", help="its first line; - reads standard input"
    )
    one.add_argument(
        "--generate", metavar="FILE", help="make one and write it there; - shows it, this once"
    )


@contextmanager
def chosen(options: argparse.Namespace, name: str) -> Iterator[str]:
    """Yield the password that the options name, or that is typed twice on a terminal.

    A file that is made for it is removed again when the block fails.

    Raises
    ------
    UsageError
        When it is too short or has characters that a login could not send, a file cannot be read
        or is there already, the two differ, or nobody can be asked.
    """
    if options.generate:
        password = _made(options.generate)
        try:
            yield password
        except BaseException:
            if options.generate != "-":
                expanded(options.generate).unlink(missing_ok=True)
            raise
        return
    if options.password_file:
        password = first_line(options.password_file, "--password-file")
    elif sys.stdin and sys.stdin.isatty():
        password = getpass.getpass(f"password of {name}: ")
        if getpass.getpass("again: ") != password:
            raise UsageError("the two passwords differ; nothing was changed")
    else:
        raise UsageError(
            "there is no terminal on which to ask for the password: name a file with "
            "--password-file (- reads standard input), or have one made with --generate"
        )
    if len(password) < LEAST:
        raise UsageError(f"the password has {len(password)} characters, {LEAST} are the least")
    if password != password.strip() or not password.isprintable():
        raise UsageError("the password begins or ends with a space, or has a control character")
    yield password


def first_line(name: str, option: str) -> str:
    """Read the secret that an option names: the first line of a file, or of standard input."""
    try:
        return files.first_line(name)
    except OSError as error:
        raise UsageError(f"{option} {name}: cannot be read ({error})") from error
    except ValueError as error:
        raise UsageError(f"{option} {name}: {error}") from error


def _made(file: str) -> str:
    password = generated()
    if file == "-":
        print(password, flush=True)
        return password
    try:
        with open_private(expanded(file), "x") as stream:
            stream.write(f"{password}\n")
    except OSError as error:
        raise UsageError(f"--generate {file}: cannot be made ({error.strerror})") from error
    return password


def generated() -> str:
    """Make a password that nobody can guess."""
    return secrets.token_urlsafe(18)


def hashed(password: str) -> str:
    """Hash a password with a salt of its own, for the users' file.

    Examples
    --------
    >>> matches("correct horse", hashed("correct horse"))
    True
    >>> matches("correct horse", "correct horse")  # in plain text, as Azkaban's own files have it
    True
    >>> matches("battery staple", hashed("correct horse"))
    False
    """
    salt = secrets.token_bytes(16)
    derived = _derived(password, salt, _ITERATIONS)
    return f"{_KIND}${_ITERATIONS}${b64encode(salt).decode()}${b64encode(derived).decode()}"


def is_hash(stored: str) -> bool:
    """Tell whether a stored password is a hash.

    Raises
    ------
    ValueError
        When it is the beginning of one.
    """
    found = _HASH.fullmatch(stored)
    if not found and stored.startswith(f"{_KIND}$"):
        raise ValueError("the password's hash is damaged")
    return found is not None


def matches(password: str, stored: str) -> bool:
    """Tell whether a password is the stored one."""
    found = _HASH.fullmatch(stored)
    if not found:
        return hmac.compare_digest(password.encode(), stored.encode())
    derived = _derived(password, b64decode(found[2]), int(found[1]))
    return hmac.compare_digest(derived, b64decode(found[3]))


def _derived(password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
