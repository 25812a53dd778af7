"""The command line ``azk``.

Libraries for HTTP and for the terminal are imported by the commands that need them, so that
``azk --help`` and completion are quick.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import click

from azkaban_client import __version__
from azkaban_client.cli import (
    _backfill,
    _console,
    _control,
    _deploy,
    _dev,
    _env,
    _executions,
    _export,
    _import,
    _manage,
    _new,
    _projects,
    _report,
    _schedule,
    _session,
    _watch,
)
from azkaban_client.cli._app import App, group, note
from azkaban_client.cli.exit_codes import EXIT_CODES, exit_code
from azkaban_client.descriptors import open_closed
from azkaban_client.errors import AzkabanError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["azk", "main"]

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4}{text}" for code, text in EXIT_CODES.items())


@group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.option("--server", metavar="NAME", help="A [servers.NAME] of the configuration.")
@click.option("--url", help="The server, by its real host name: http://HOST:PORT.")
@click.option("--address", metavar="IP", help="Connect to this address; TLS checks the name.")
@click.option("--user", "username", help="Who logs in.")
@click.option(
    "--password-file", metavar="FILE", help="Its first line is the password; - for stdin."
)
@click.option("--ca-cert", metavar="FILE", help="Trust the CA certificates in this file.")
@click.option("--insecure", is_flag=True, default=None, help="Do not check TLS certificates.")
@click.option(
    "--server-account", metavar="NAME", help="Who runs the server on this machine, if not you."
)
@click.option("--timeout", type=float, metavar="SECONDS", help="Wait this long for an answer.")
@click.option("--debug", is_flag=True, help="Show each request on standard error.")
@click.version_option(__version__, prog_name="azk")
@click.pass_context
def azk(context: click.Context, /, *, debug: bool, **flags: Any) -> None:
    """Run flows on an Azkaban server.

    Examples
    --------
      azk login --help
      azk project create nn "Neural networks"
      azk upload nn flows/nn --with jobs --with core
      azk run nn nn --prop epochs=50 --follow
      azk logs 42 nn_train

    Settings: options, AZK_* variables, azk.toml, ~/.config/azk/config.toml; see azk config show.
    """
    context.obj = App(flags, debug=debug)
    context.call_on_close(context.obj.close)


_MODULES = (
    *(_session, _new, _dev, _deploy, _projects, _executions, _control, _backfill),
    *(_schedule, _manage, _env, _export, _import, _report, _watch, _console),
)
for _module in _MODULES:
    for _command in _module.COMMANDS:
        azk.add_command(_command)


def main(args: list[str] | None = None) -> None:
    """Run ``azk`` and exit with its code."""
    open_closed()
    with _unwound_by_signals():
        _main(args)


@contextlib.contextmanager
def _unwound_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does: temporary folders are deleted."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _main(args: list[str] | None) -> None:
    debug = "--debug" in (sys.argv[1:] if args is None else args)
    try:
        # Outside of its standalone mode, click returns the code of an Exit.
        code = azk.main(args, prog_name="azk", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        note("interrupted")
        sys.exit(130)
    except AzkabanError as error:
        note(f"azk: {error.message}", colour="red")
        if debug and error.request:
            note(f"  request: {error.request} -> HTTP {error.status}")
        sys.exit(exit_code(error))
    except BrokenPipeError:  # azk ... | head
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        note(f"azk: {_words(error)}", colour="red")
        sys.exit(2)
    except UnicodeError as error:  # what was typed, a variable or a file
        note(f"azk: a text here is not in UTF-8: {error}", colour="red")
        sys.exit(2)


def _words(error: OSError) -> str:
    """Return one line about what the system refused, where, and what to do."""
    place = error.filename
    try:
        sys.stdout.flush()
    except OSError:
        place = "standard output"
        # Python would flush once more at its end and complain in its way.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    what = f"{error.strerror or error}{'; the disk is full: make room' if full else ''}"
    return f"{place}: {what}" if place else what
