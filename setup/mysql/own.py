"""Check the user's own options in ``my.local.cnf``; bad ones are refused by name before a start."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from azkaban_client.programs import captured
from setup.called import called
from setup.errors import UsageError
from setup.mysql import config

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from setup.mysql.config import Files
    from setup.mysql.program import Build

__all__ = ["check"]

_OURS = {
    "port": f"choose it with {called()} mysql init --port N",
    **dict.fromkeys(
        ("socket", "datadir", "pid-file", "log-error", "basedir", "lc-messages-dir"),
        "set-up finds the server by it; another prefix (--prefix) puts all of it elsewhere",
    ),
    "skip-networking": "Azkaban connects over TCP, on this machine's loopback alone",
    "skip-grant-tables": "everybody on this machine would get in without a password",
    "require-secure-transport": "Azkaban connects over loopback, without TLS",
    "user": "the server runs as you",
    "daemonize": "set-up starts it",
    "initialize": "set-up makes the data folder",
    "initialize-insecure": "set-up makes the data folder",
}
_COMPARED = ("port", "socket", "datadir", "pid-file")  # includes may set them, too
_REACHED_BY = {"127.0.0.1", "localhost", "0.0.0.0", "*", "::"}  # noqa: S104 (the user's choice)
_READ = re.compile(r"mysqld|server|mysqld-\d+\.\d+")  # groups
_PREFIXES = ("loose-", "skip-", "disable-", "enable-", "maximum-")
_OFFSET = re.compile(r"system|[+-]\d?\d:\d\d", re.IGNORECASE)
_EMPTY_TABLE = 96 << 10  # bytes of an InnoDB table without rows


class _Option(NamedTuple):
    line: int
    name: str
    value: str


def check(files: Files, program: Build, port: int) -> None:
    """Refuse options with which the server would not start, or not where set-up looks for it.

    Parameters
    ----------
    files
        The server's; ``my.cnf`` is written again.
    program
        Which knows its options.
    port
        On which the server is to listen.

    Raises
    ------
    UsageError
        Naming the file, the line, the option, and what to do instead.
    """
    config.write(files, program, port)
    own = files.own_options
    if not own.is_file():
        return
    try:
        text = own.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{own} is not in UTF-8 ({error})") from error
    if own.read_bytes().startswith(b"\xef\xbb\xbf"):
        raise UsageError(f"{own} begins with a byte order mark, which MySQL cannot read: save it "
                         "as plain UTF-8")  # fmt: skip
    options = list(_options(own, text))
    for option in options:
        if reason := _refusal(files, option):
            raise UsageError(f"{own}, line {option.line}: {option.name}: {reason}")
    shown = _help(files, program)
    _known(own, options, shown.stdout)
    _effective(files, port, shown.stdout)
    if found := re.search(r"\[ERROR\] (?:\S*mysqld: )?(?!Aborting)(.*)", shown.stderr):
        raise UsageError(f"{own}: {found[1]}")


def _options(own: Path, text: str) -> Iterator[_Option]:
    """Read the options that the server reads."""
    group, ignored = "", []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;!":
            continue
        if line.startswith("["):
            if not line.endswith("]"):
                raise UsageError(f"{own}, line {number}: {line}: a ] is missing")
            group = line[1:-1].strip().lower()
            continue
        if not group:
            raise UsageError(
                f"{own}, line {number}: {line}: it belongs to no group, so MySQL would not read "
                "it; write [mysqld] on a line above"
            )
        name, _, value = line.partition("=")
        name = name.strip().lower().replace("_", "-").removeprefix("--")
        if _READ.fullmatch(group):
            yield _Option(number, name, re.sub(r"\s+#.*", "", value).strip().strip("'\""))
        else:
            ignored.append(f"[{group}] {name}")
    if ignored and not any(
        _READ.fullmatch(g.lower()) for g in re.findall(r"(?m)^\s*\[(.*)\]", text)
    ):
        raise UsageError(
            f"{own}: the server reads nothing of it ({', '.join(ignored)}): its group is [mysqld]"
        )


def _refusal(files: Files, option: _Option) -> str:
    """Say why an option is not allowed; empty if it is."""
    name = option.name.removeprefix("loose-")
    if name in _OURS and option.value.lower() not in ("0", "off", "false"):
        return _OURS[name]
    if name == "bind-address" and option.value not in _REACHED_BY:
        return f"Azkaban connects to {config.ADDRESS}; add others with 0.0.0.0, or leave it out"
    if name == "default-time-zone" and not _OFFSET.fullmatch(option.value):
        names = files.data / "mysql" / "time_zone_name.ibd"
        if not names.is_file() or names.stat().st_size <= _EMPTY_TABLE:
            return (
                f"this server has no names of time zones such as {option.value}: write an offset "
                "such as +02:00, or SYSTEM"
            )
    if option.value.startswith("/"):
        place = Path(option.value)
        folder = place if place.is_dir() or name.endswith("dir") else place.parent
        if not folder.is_dir():
            return f"{folder}: there is no such folder"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"{folder}: you may not write there"
    return ""


def _help(files: Files, program: Build) -> subprocess.CompletedProcess[str]:
    """Let the server read its options, print them, and stop."""
    command = [str(program.mysqld), f"--defaults-file={files.options}", "--verbose", "--help"]
    return captured(command, cwd=files.home, env={**program.environ, "LC_ALL": "C"})


def _known(own: Path, options: list[_Option], shown: str) -> None:
    """Refuse options that the server does not know; options of plugins cannot be checked."""
    known = set(re.findall(r"^ +(?:-\S, )?--([a-z][a-z0-9-]*)", shown, re.MULTILINE))
    if not known or any(option.name.startswith("plugin-load") for option in options):
        return
    for option in options:
        plain = option.name
        for prefix in _PREFIXES:
            plain = plain.removeprefix(prefix)
        meant = [name for name in known if name.startswith((option.name, plain))]
        if option.name.startswith("loose-") or meant:
            continue
        close = difflib.get_close_matches(option.name, known, n=3)
        raise UsageError(
            f"{own}, line {option.line}: {option.name}: this server has no such option"
            + (f"; {', '.join(close)} may be meant" if close else "")
        )


def _effective(files: Files, port: int, shown: str) -> None:
    values = dict(re.findall(r"^([a-z-]+) +(\S.*)$", shown, re.MULTILINE))
    written = dict(re.findall(r'(?m)^(\S+) = "(.*)"$', files.options.read_text(encoding="utf-8")))
    wanted = {**{name: written[name] for name in _COMPARED}, "port": str(port)}
    for name, value in wanted.items():
        found = values.get(name, value).rstrip("/")
        if found != value.rstrip("/"):
            raise UsageError(
                f"{files.own_options}, or a file that it includes, sets {name} to {found}: "
                f"{_OURS[name]}"
            )
