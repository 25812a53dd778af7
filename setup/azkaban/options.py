"""Command-line options that describe a server."""

from __future__ import annotations

import argparse
import re

from azkaban_client.mail import check_address
from setup.azkaban import timezone
from setup.azkaban.passwords import first_line
from setup.azkaban.settings import LEAST_HEAP_MB, MOST_EXECUTORS, Mail, Wanted
from setup.errors import UsageError
from setup.numbers import megabytes, number

__all__ = ["server_options", "wanted"]

_MAIL_PORT = 25


def server_options() -> argparse.ArgumentParser:
    """Make the options that `up`, `demo` and the steps of `azkaban` share."""
    server = argparse.ArgumentParser(add_help=False)
    add = server.add_argument
    add(
        "--profile",
        choices=["solo", "server"],
        help="solo: one process (default); server: web and executor, on MySQL",
    )
    add(
        "--mysql",
        action=argparse.BooleanOptionalAction,
        help="keep projects and history in MySQL 5.7 instead of the embedded H2",
    )
    add(
        "--tls",
        action=argparse.BooleanOptionalAction,
        help="serve the pages over TLS, with a certificate of a local authority",
    )
    add(
        "--port",
        type=number(1, 65535),
        metavar="N",
        help="port of the web pages (default: a free one)",
    )
    add("--listen", metavar="ADDRESS", help="address to serve (default: this machine only)")
    add("--host", metavar="NAME", help="name in its URL (default: this machine's)")
    _add_program(server)
    _add_mail(server)
    return server


def _add_program(server: argparse.ArgumentParser) -> None:
    add = server.add_argument
    add(
        "--java",
        metavar="WHICH",
        help="auto, private, or the path of a java; kept for later starts (default: auto)",
    )
    add(
        "--distribution",
        nargs="+",
        default=[],
        metavar="FILE-or-DIR",
        help="your own Azkaban 3.x or 4.x: archives of its build, or folders unpacked from them",
    )
    add(
        "--executors",
        type=number(1, MOST_EXECUTORS),
        metavar="N",
        help="executors of the profile server (Azkaban 3 and later; default: 1)",
    )
    add(
        "--heap",
        type=_heap,
        metavar="SIZE",
        help="most memory of each Java process (default: 1g, an executor of its own 512m)",
    )
    add(
        "--timezone",
        type=_timezone,
        metavar="NAME",
        help="of schedules, such as Europe/Berlin (default: this machine's)",
    )


def _add_mail(server: argparse.ArgumentParser) -> None:
    add = server.add_argument
    add("--mail-host", metavar="HOST[:PORT]", help="mail server for notices (default: none)")
    add("--mail-sender", metavar="ADDRESS", help="sender of mail (default: USER@HOST of this one)")
    add("--mail-user", metavar="NAME", help="account at the mail server")
    add("--mail-password-file", metavar="FILE", help="its password; - reads standard input")
    add(
        "--mail-tls",
        action=argparse.BooleanOptionalAction,
        help="send mail encrypted only (default, unless the mail server is this machine)",
    )
    add("--mail-test", metavar="ADDRESS", help="also send a test mail there")


def _heap(text: str) -> str:
    if not re.fullmatch(r"\d{1,6}[mMgG]", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a size such as 768m or 2g")
    if megabytes(text) < LEAST_HEAP_MB:
        raise argparse.ArgumentTypeError(
            f"{text!r}: at least {LEAST_HEAP_MB}m are needed, uploads of a few MB fail with less"
        )
    return text.lower()


def _timezone(text: str) -> str:
    try:
        return timezone.resolve(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def wanted(options: argparse.Namespace) -> Wanted:
    """Read the options.

    Raises
    ------
    UsageError
        When options do not fit together, or a file cannot be read.
    """
    return Wanted(
        profile=options.profile,
        mysql=options.mysql,
        tls=options.tls,
        port=options.port,
        listen=options.listen,
        host=options.host,
        executors=options.executors,
        heap=options.heap,
        timezone=options.timezone,
        mail=_mail(options),
        mail_password=_mail_password(options.mail_password_file),
        mail_test=_address("--mail-test", options.mail_test) if options.mail_test else "",
    )


def _address(option: str, text: str) -> str:
    try:
        check_address(text)
    except ValueError:
        raise UsageError(
            f"{option} {text}: expected an address such as azkaban@example.org"
        ) from None
    return text


def _mail_password(file: str | None) -> str | None:
    return first_line(file, "--mail-password-file") if file else None


def _mail(options: argparse.Namespace) -> Mail | None:
    names = ("mail_sender", "mail_user", "mail_password_file", "mail_tls", "mail_test")
    if options.mail_host is None:
        for name in names:
            if getattr(options, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} belongs to --mail-host")
        return None
    host, _, number = options.mail_host.rpartition(":")
    host, number = (host, number) if host else (number, str(_MAIL_PORT))
    if not re.fullmatch(r"[A-Za-z0-9.-]+", host) or not number.isdigit():
        raise UsageError(f"--mail-host {options.mail_host}: expected a name, or NAME:PORT")
    if not 1 <= int(number) <= 65535:
        raise UsageError(f"--mail-host {options.mail_host}: ports go from 1 to 65535")
    sender = options.mail_sender or f"azkaban@{host}"
    _address("--mail-sender", sender)
    if bool(options.mail_user) != bool(options.mail_password_file):
        raise UsageError("--mail-user and --mail-password-file belong together")
    local = host == "localhost" or host.startswith("127.")
    tls = not local if options.mail_tls is None else options.mail_tls
    if options.mail_user and not tls and not local:
        raise UsageError(
            f"--no-mail-tls with --mail-user would send the password in the clear to {host}"
        )
    return Mail(host=host, port=int(number), sender=sender, user=options.mail_user or "", tls=tls)
