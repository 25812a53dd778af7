"""``setup tls ...``: the command line."""

from __future__ import annotations

import argparse
import getpass
import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from setup import hosts
from setup.called import called
from setup.commands import Commands, Needs
from setup.errors import UsageError
from setup.life.process import refuse_root
from setup.messages import say
from setup.numbers import number
from setup.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.layout import Layout
    from setup.tls.certificates import Certificates

    _Run = Callable[[Certificates, argparse.Namespace], int]

__all__ = ["add_commands"]

_EPILOG = """\
examples:
  python3 -m setup tls init                           a certificate for this machine's name
  python3 -m setup tls init --host jobs.example.org --key ec
  python3 -m setup tls show                           exit 1 when it ends within 30 days
  python3 -m setup tls csr                            for a company's authority ...
  python3 -m setup tls import answer.pem chain.pem --ca root.pem
  python3 -m setup tls import jetty.crt --key-file jetty.key   made by openssl
  python3 -m setup tls import jetty.pfx               key, certificate and chain in one file
"""


def add_commands(commands: Commands) -> None:
    """Add ``tls`` to the commands of setup."""
    text = "Certificates for the web server: a local authority, or a company's."
    tls = commands.group("tls", text, _EPILOG)
    names = argparse.ArgumentParser(add_help=False)
    names.add_argument("--host", metavar="NAME", help="default: the name of this machine")
    names.add_argument(
        "--san", action="append", default=[], metavar="NAME", help="one more name or address"
    )
    text = "default: ec for a local certificate, rsa for a request"
    names.add_argument("--key", choices=("ec", "rsa"), help=text)

    def add(
        name: str, run: _Run, text: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        def step(layout: Layout, options: argparse.Namespace) -> int:
            from setup.tls.certificates import Certificates

            return run(Certificates(layout), options)

        return tls.add(name, step, text, *parents, needs=Needs.ENVIRONMENT, locked=True)

    init = add("init", _init, "Make a certificate, signed by a local authority.", names)
    init.add_argument(
        "--days",
        type=number(1, 3650),
        default=365,
        metavar="N",
        help="how long it holds (default: 365)",
    )
    text = "delete a certificate of another authority with its key, if there is one"
    init.add_argument("--replace", action="store_true", help=text)
    add("csr", _csr, "Write a request for a company's authority.", names)
    answer = add("import", _import, "Take the certificate that a company's authority made.")
    answer.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="certificate and chain, in PEM, DER, PKCS7 or PKCS12",
    )
    answer.add_argument("--ca", metavar="FILE", help="the authority's own (root) certificate")
    text = "a key of your own, made by openssl genrsa, instead of the request's"
    answer.add_argument("--key-file", metavar="FILE", help=text)
    text = "holds the passphrase of the key or of a PKCS12 file (default: asked for)"
    answer.add_argument("--passphrase-file", metavar="FILE", help=text)
    show = add("show", _show, "Describe the certificate; exit 1 when it ends within 30 days.")
    show.add_argument("--json", action="store_true", help="machine-readable")
    add("renew", _renew, "Make a new certificate for the same names; a server that runs uses it.")


def _names(options: argparse.Namespace) -> list[str]:
    return [options.host or socket.gethostname(), *options.san]


def _init(certificates: Certificates, options: argparse.Namespace) -> int:
    certificates.init(_names(options), options.key or "ec", options.days, replace=options.replace)
    return _made(certificates)


def _csr(certificates: Certificates, options: argparse.Namespace) -> int:
    print(certificates.csr(_names(options), options.key or "rsa"))
    say(
        f"send this file to the authority; then: {called()} tls import ANSWER [CHAIN...] [--ca "
        "ROOT]"
    )
    return 0


def _import(certificates: Certificates, options: argparse.Namespace) -> int:
    from setup.azkaban import Server
    from setup.tls.files import load_key

    files = [Path(name) for name in options.files]
    ca = Path(options.ca) if options.ca else None
    ask = _passphrase(options)
    key = load_key(expanded(options.key_file), ask) if options.key_file else None
    server = Server(certificates.layout)
    host = server.settings.host if server.installed else socket.gethostname()
    in_use = bool(server.running()) and server.settings.tls
    certificates.import_answer(files, ca, key, host=host if in_use else "", ask=ask)
    names = certificates.settings.names
    if not any(hosts.covers(name, host) for name in names):
        say(
            f"the certificate is for {', '.join(names)}, and this server would be called {host}: "
            f"start it with {called()} up --tls --host NAME"
        )
    return _made(certificates)


def _passphrase(options: argparse.Namespace) -> Callable[[Path], str]:
    """Find passphrases: in the file that was named, else by asking."""

    def ask(path: Path) -> str:
        from setup.tls.files import nobody

        if not options.passphrase_file:
            if not sys.stdin.isatty():
                return nobody(path)
            return getpass.getpass(f"passphrase of {path}: ")
        given = expanded(options.passphrase_file)
        try:
            return given.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--passphrase-file {given}: cannot be read ({error})") from error

    return ask


def _renew(certificates: Certificates, _options: argparse.Namespace) -> int:
    certificates.renew()
    return _made(certificates)


def _made(certificates: Certificates) -> int:
    summary = certificates.summary()
    say(f"{certificates.keystore}: {', '.join(summary.names)} until {summary.ends[:10]}")
    say(f"clients trust {certificates.ca}")
    _use(certificates)
    return 0


def _use(certificates: Certificates) -> None:
    """Bring the certificate into use where a server runs with TLS."""
    from setup import java
    from setup.azkaban import Server
    from setup.tls import renewal

    server = Server(certificates.layout)
    if server.running() and server.settings.tls:
        refuse_root()
        renewal.restart(server, java.ensure(certificates.layout))


def _show(certificates: Certificates, options: argparse.Namespace) -> int:
    if not certificates.exists:
        raise UsageError(f"there is no certificate yet; run {called()} tls init")
    summary = certificates.summary()
    if options.json:
        print(json.dumps(asdict(summary), indent=2))
    else:
        for name, value in asdict(summary).items():
            print(f"{name:<10} {', '.join(value) if isinstance(value, list) else value}")
    return 0 if summary.days_left >= 30 else 1
