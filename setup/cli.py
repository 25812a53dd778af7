"""Command line of ``python3 -m setup``."""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING

from azkaban_client.config import ConfigError
from setup import disk, environment, java
from setup.azkaban import Server
from setup.azkaban.options import server_options, wanted
from setup.bundle import product
from setup.called import NAME, as_called, called, speaker
from setup.commands import Commands, Needs
from setup.errors import DownloadError, SetupError, UsageError
from setup.layout import CHECKOUT, Layout
from setup.life import servers, supervise
from setup.life.process import tail
from setup.life.status import show
from setup.messages import confirmed, say, step, table
from setup.numbers import number
from setup.paths import expanded
from setup.python import damage, layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[Layout, argparse.Namespace, list[str]], int]

__all__ = ["main"]

# Commands of rooms of their own, in the order of the help; what one does not ask for is not loaded.
_ROOMS = {
    "update": "setup.life.update",
    "azkaban": "setup.azkaban.commands",
    "users": "setup.azkaban.user_commands",
    "mysql": "setup.mysql.commands",
    "tls": "setup.tls.commands",
    "spark": "setup.spark.commands",
    "schedulers": "setup.schedulers.commands",
    "bundle": "setup.bundle.commands",
    "docs": "setup.docs",
    "shell": "setup.shell.commands",
    "python": "setup.python.commands",
}

# What runs on a user's own Azkaban; the marker "stock" leaves out what 2.5.0 alone does.
_SERVER_BY_HAND = (
    "tests/distribution/test_real.py",
    "tests/distribution/test_client.py",
    *(f"tests/live/test_{name}.py" for name in ("backfill", "cli", "deploy", "flows", "retry")),
    "tests/live/test_watch.py",
)

_EPILOG = """\
examples:
  python3 -m setup demo                  set up everything, run the three flows, show the results
  python3 -m setup up --port 9000        start the server
  python3 -m setup status --json         is it running, and where?
  "$(python3 -m setup env)" -m pytest    the environment's Python

exit codes: 0 done; 1 a flow failed or a server is down; 2 wrong usage; 3 this machine or account
cannot do it; 4 download failed; 5 a server did not come up; 130 interrupted

environment: AZK_HOME (the prefix), AZK_CACHE (shared downloads), AZK_MAVEN_REPO (mirror of Maven
Central), AZK_INSTALLER=pip (install packages without uv), AZK_ALLOW_ROOT=1 (start servers as root),
AZK_TRUST (accounts and groups that may change what runs), JAVA_HOME, HTTPS_PROXY and pip's own
settings
"""


def main(argv: Sequence[str] | None = None, instead: Run | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv
        The command line; that of this process unless it is given.
    instead
        Run in place of every command, after the command line was parsed.
    """
    name = speaker()
    product.hold()
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser(arguments[0] if arguments else "").parse_args(arguments)
    try:
        environment.ensure_home()
        layout = Layout.of(options.prefix)
        command: Run = instead or options.run
        return _written(command(layout, options, arguments))
    except (SetupError, ConfigError) as error:
        say(f"{name}: {error}")
        if isinstance(error, DownloadError) and (held := product.held()):
            say(f"{name}: {held}")
        return error.code if isinstance(error, SetupError) else UsageError.code
    except BrokenPipeError:  # the reader, such as `head`, has seen enough and closed the pipe
        # Python flushes once more at its end and would complain; now it can write somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, UnicodeError) as error:
        say(f"{name}: {_words(error)}")
        return SetupError.code
    except ModuleNotFoundError as error:
        if not damage.lost(layout.env):
            raise
        say(f"{name}: {error}: files of {layout.env} are gone; run {called()} env")
        return SetupError.code
    except KeyboardInterrupt:
        say(f"{name}: interrupted; run the same command again to go on")
        return 130


_WAYS = {
    errno.ENOSPC: "make room, or use --prefix",
    errno.EDQUOT: "make room, or use --prefix",
    errno.EROFS: "nothing can be written there: use --prefix",
    errno.EACCES: "see who owns it and its mode, or use --prefix",
    errno.EPERM: "see who owns it and its mode, or use --prefix",
    errno.ENOLCK: disk.ELSEWHERE,
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.ESTALE: "the file server lost it: mount it again, or use --prefix",
    errno.EIO: "the disk fails: use --prefix, and have it looked at",
    errno.EMFILE: "too many files are open: raise ulimit -n",
    errno.ENFILE: "too many files are open on this machine",
    errno.EAGAIN: "the limit of processes is reached (ulimit -u): end some",
    errno.ENOMEM: "no memory is left: end something, or raise ulimit -v",
}


def _written(code: int) -> int:
    """Flush what was printed; at Python's own end an error would look like a fault of ours."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SetupError(f"standard output: {error.strerror}") from error
    return code


def _words(error: OSError | UnicodeError) -> str:
    """Return one line about what the system refused, where, and what to do."""
    if isinstance(error, UnicodeError):
        return f"a text here is not in UTF-8: {error}"
    if isinstance(error, shutil.Error):  # a folder was copied: a list of files, each with its words
        _, place, words = error.args[0][0]
        number = int(found[1]) if (found := re.match(r"\[Errno (\d+)\]", str(words))) else 0
        error = OSError(number, os.strerror(number) if number else words, str(place))
    if error.errno == errno.ENOENT and not error.filename:
        return "the folder in which this was started was deleted: change to another"
    what = f"{error.filename or type(error).__name__}: {error.strerror or error}"
    return f"{what}; {_WAYS[error.errno]}" if error.errno in _WAYS else what


def _parser(first: str = "") -> argparse.ArgumentParser:
    """Make the parser; if the first argument is a command, that of this command alone."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--prefix", metavar="DIR", help="where everything goes (default: ~/.azkaban-jobflow)"
    )
    parser = argparse.ArgumentParser(
        prog=called(),
        description="Azkaban with its Python jobs on a machine without root.",
        epilog=as_called(_EPILOG),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = Commands(parser, common)
    rooms = [first] if first in _ROOMS else list(_ROOMS)
    if first not in _ROOMS:
        _add_everyday(commands)
        _add_upkeep(commands)
    for room in rooms if first not in commands else ():
        more = (_parser,) if room == "shell" else ()  # its pages show all commands
        import_module(_ROOMS[room]).add_commands(commands, *more)
    return parser


def _add_everyday(commands: Commands) -> None:
    """Register the everyday commands."""
    server = server_options()
    text = "Set up everything and run the flows that ship with it."
    demo = commands.add("demo", _demo, text, server, needs=Needs.JOBS, unprivileged=True)
    demo.add_argument("--logs", action="store_true", help="stream the jobs' logs")
    text = "Start the server, set up first where needed."
    commands.add("up", _up, text, server, needs=Needs.ENVIRONMENT, unprivileged=True)
    text = "Show each server; exit 1 when one is down."
    shown = commands.add("status", _status, text, needs=Needs.IF_THERE)
    shown.add_argument("--json", action="store_true", help="machine-readable")
    text = "Stop the servers and the jobs that they run."
    commands.add("stop", _stop, text, needs=Needs.IF_THERE)
    wipe = commands.add("wipe", _wipe, "Stop the servers and delete everything, results included.")
    wipe.add_argument("--yes", action="store_true", help="do not ask")
    _add_logs(commands)


def _add_upkeep(commands: Commands) -> None:
    """Register the commands for maintenance."""
    _add_test(commands)
    text = "Keep the servers up, in the foreground; restart what crashes."
    policy = _policy_options()
    commands.add("supervise", _supervise, text, policy, needs=Needs.ENVIRONMENT, unprivileged=True)
    text = "Start the servers with this machine, without root."
    service = commands.add("service", _service, text, policy)
    service.add_argument("action", choices=["install", "remove", "show"])
    text = "Look for what is wrong and say what to do; exit 1 if any."
    doctor = commands.add("doctor", _doctor, text, needs=Needs.INSTALLATION)
    doctor.add_argument("--json", action="store_true", help="machine-readable")
    commands.add("bom", _bom, "Print a bill of materials (CycloneDX) of all packages and jars.")
    text = "Make the Python environment and print its interpreter's path."
    env = commands.add("env", _env, text, needs=Needs.ENVIRONMENT)
    env.add_argument(
        "--with", dest="layers", action="append",
        choices=["chat", "jobs", "mysql", "onnx", "routing"],
        help="only these: Apprise, for messages of azk watch to chats, packages of the jobs that "
        "ship with it, the driver of MySQL, ONNX files of trained networks, compiled searches with "
        "SCIP and PyVRP (default: jobs, and in a checkout the tools of developers)",
    )  # fmt: skip


def _policy_options() -> argparse.ArgumentParser:
    """Return the options that say what a supervisor is to do."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--restart-hung",
        action="store_true",
        help=f"end and restart a server that runs but has not answered for "
        f"{supervise.HUNG_SECONDS:.0f} s; its jobs end as well",
    )
    options.add_argument(
        "--alert",
        default="",
        metavar="COMMAND",
        help="a shell command that gets each alert on its standard input, such as a mail program",
    )
    return options


def _add_test(commands: Commands) -> None:
    text = "Set up everything and run all tests."
    test = commands.add("test", _test, text, needs=Needs.TOOLS, unprivileged=True)
    test.add_argument(
        "--browser", action="store_true", help="the tests of the pages, in a Chromium, instead"
    )
    test.add_argument(
        "--faults", action="store_true", help="kill each server at each stage, instead"
    )
    test.add_argument("--spark", action="store_true", help="run the longer tests of Spark instead")
    test.add_argument("--long", action="store_true", help="run longer forms of tests instead")
    test.add_argument(
        "--distribution",
        nargs="+",
        default=[],
        metavar="FILE-or-DIR",
        help="the tests of a server, or with --browser of its pages, on these archives",
    )
    test.add_argument("pytest", nargs="*", help="arguments for pytest, after --")


def _add_logs(commands: Commands) -> None:
    logs = commands.add("logs", _logs, "Show the end of the server's log.")
    logs.add_argument(
        "-n",
        type=number(1, what="a number of lines"),
        default=40,
        metavar="N",
        help="lines (default: 40)",
    )
    logs.add_argument(
        "--part", default="", metavar="NAME", help="web, executor, executor-2 of the profile server"
    )
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")


def _up(layout: Layout, options: argparse.Namespace) -> int:
    from setup.azkaban.commands import tell

    with layout.locked():
        server = Server(layout)
        asked = wanted(options)
        settings = server.up(java.ensure(layout, options.java), asked, options.distribution)
    tell(server, settings)
    if called() == NAME and not shutil.which(NAME):
        from setup.shell import program

        say(f"{NAME} and azk: {program.place(layout).parent}; shell install puts them on PATH")
    return 0


def _demo(layout: Layout, options: argparse.Namespace) -> int:
    code = _up(layout, options)
    from setup import demo

    return code or demo.run(layout, logs=options.logs)


def _test(layout: Layout, options: argparse.Namespace) -> int:
    from setup import maven

    sections = ["azkaban", "agent", "jetty", "compiler", "loader", "hadoop"]
    paths = _tests(options)
    environ = environment.program(
        {
            "AZK_CACHE": str(layout.cache),
            "NUMBA_CACHE_DIR": str(layout.cache / "numba"),
            "OPENBLAS_NUM_THREADS": "1",
        }
    )
    if options.distribution:
        environ["AZK_DISTRIBUTION"] = ":".join(_archives(options.distribution))
    if environ.get("TMPDIR") == str(layout.temporary):
        del environ["TMPDIR"]  # tests ask for short paths: pytest's own folder
    if options.browser:
        program = os.environ.get("CHROMIUM") or shutil.which("chromium")
        if not program or not shutil.which(program):
            raise SetupError(
                f"{program or 'chromium'}: no such program, and the tests of the pages need it: "
                "install Debian's package chromium, or name a Chromium or Chrome in CHROMIUM"
            )
        environ["CHROMIUM"] = program
        sections.append("web-tests")
        with layout.locked():
            layers.ensure(layout, "browser", "docs")
    with layout.locked(), step("jars") as shown:
        jars = [jar for section in sections for jar in maven.pinned(section)]
        maven.fetch(jars, layout.cache, shown.update)
    command = [str(layout.python), "-m", "pytest", *paths, *options.pytest]
    return subprocess.run(command, cwd=CHECKOUT, env=environ, check=False).returncode


def _tests(options: argparse.Namespace) -> list[str]:
    """Say to pytest which tests are asked for, and how many processes run them."""
    if options.spark:
        return ["-m", "spark"]
    if options.faults and not options.browser:
        return ["-m", "", "tests/live/faults"]
    folders: tuple[str, ...] = ()
    if options.browser:
        folders = ("tests/browser",)
    elif options.distribution:
        folders = _SERVER_BY_HAND
    if any(option.startswith("tests/") for option in options.pytest):
        folders = ()
    # Two processes, as tests of servers mostly wait; those that share servers stay in one.
    chosen = ["-n", "2"] if options.browser else ["-n", "2", "--dist", "loadscope"]
    if options.long:
        chosen += ["-m", "long"]
    elif options.distribution:
        chosen += ["-m", "not spark and not faults and not long and not stock"]
    return [*chosen, *folders]


def _archives(given: Sequence[str]) -> list[str]:
    """Return the whole paths of the user's own Azkaban."""
    paths = [expanded(text).absolute() for text in given]
    for path in paths:
        if not path.exists():
            raise UsageError(f"--distribution {path}: there is no such file or folder")
        if ":" in str(path):
            raise UsageError(f"--distribution {path}: tests take no path with a colon")
    return [str(path) for path in paths]


def _env(layout: Layout, options: argparse.Namespace) -> int:
    with layout.locked():
        everything = "dev" if (CHECKOUT / "tests").is_dir() else "jobs"
        layers.ensure(layout, *(options.layers or [everything]))
    print(layout.python)
    return 0


def _status(layout: Layout, options: argparse.Namespace) -> int:
    code = show(servers.statuses(layout), as_json=options.json)
    if words := supervise.trouble(layout.prefix):
        say(f"the supervisor says, {words}")
    return code


def _stop(layout: Layout, _options: argparse.Namespace) -> int:
    if not servers.stop(layout):
        say("nothing was running")
    return 0


def _supervise(layout: Layout, options: argparse.Namespace) -> int:
    policy = supervise.Policy(restart_hung=options.restart_hung, alert=options.alert)
    servers.keep_up(layout, policy=policy)
    return 0


def _service(layout: Layout, options: argparse.Namespace) -> int:
    from setup.life import service

    given = ["--restart-hung"] if options.restart_hung else []
    given += ["--alert", options.alert] if options.alert else []
    if options.action == "show":
        print(f"{service.unit(layout, given)}\nor, without a user systemd, in the crontab:\n")
        print(service.crontab_line(layout, given))
    elif options.action == "install":
        if not layout.python.exists():
            raise UsageError(f"there is nothing to start yet: run {called()} up first")
        service.install(layout, given)
    else:
        service.remove(layout)
    return 0


def _doctor(layout: Layout, options: argparse.Namespace) -> int:
    from setup import doctor

    findings = doctor.examine(layout)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        rows = [[f.check, "ok" if f.ok else "WRONG", f.detail, f.fix] for f in findings]
        table(["check", "", "seen", "what to do"], rows)
    return 0 if all(finding.ok for finding in findings) else 1


def _bom(_layout: Layout, _options: argparse.Namespace) -> int:
    from setup import bom

    print(json.dumps(bom.document(), indent=2))
    return 0


def _wipe(layout: Layout, options: argparse.Namespace) -> int:
    if not layout.exists():
        servers.stop(layout)
        say(f"{layout.prefix}: no installation there, nothing to delete")
        return 0
    content = "server, projects, history, schedules, results, downloads"
    if not confirmed(f"{layout.prefix}: {content}", yes=options.yes):
        return 1
    from setup.shell import commands as shell

    servers.stop(layout)
    shell.forget(layout)
    with step(f"deleting {layout.prefix}") as shown:
        shutil.rmtree(layout.prefix)
        shown.done("deleted")
    return 0


def _logs(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    names = [part.name for part in server.settings.parts] if server.installed else []
    if options.part and names and options.part not in names:
        raise UsageError(f"--part {options.part}: this server has {', '.join(names)}")
    if not server.installed or not (log := server.log(options.part)).is_file():
        raise UsageError(f"there is no log: the server was never started; run {called()} up")
    print(tail(log, options.n))
    if options.follow:
        with log.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(0, os.SEEK_END)
            while True:
                print(stream.read(), end="", flush=True)
                time.sleep(0.5)
    return 0
