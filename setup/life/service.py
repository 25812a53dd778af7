"""Start the servers with the machine, without root: a systemd user unit, else a crontab line."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.programs import captured, runs
from setup import environment, trust
from setup.called import called
from setup.errors import SetupError, UsageError
from setup.layout import Layout
from setup.messages import say
from setup.shell import program

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["crontab_line", "install", "installed", "remove", "unit", "unit_name"]

LOOK_SECONDS = 3.0  # after which a supervisor that finds something wrong has ended
_MARK = "# azkaban-jobflow"
_AS_IT_IS = "surrogateescape"  # lines of the user's may be in any encoding


def unit_name(layout: Layout) -> str:
    """Name the unit; the servers under each prefix have their own.

    Examples
    --------
    >>> from setup.layout import Layout
    >>> unit_name(Layout.of("~/.azkaban-jobflow")), unit_name(Layout.of("/srv/azk"))
    ('azkaban-jobflow.service', 'azkaban-jobflow-7272b3ce.service')
    """
    if layout.prefix == Layout.of(environ={}).prefix:
        return "azkaban-jobflow.service"
    digest = hashlib.sha256(os.fsencode(layout.prefix)).hexdigest()[:8]
    return f"azkaban-jobflow-{digest}.service"


def unit(layout: Layout, options: Sequence[str] = ()) -> str:
    """Write the systemd unit.

    Parameters
    ----------
    layout
        Whose servers it keeps up.
    options
        Options of ``supervise``.

    Notes
    -----
    The servers outlive a supervisor that crashes (``KillMode``), and the next one finds them; when
    the unit is stopped, the supervisor stops them, which may take a while if MySQL is writing.

    Examples
    --------
    >>> from setup.layout import Layout
    >>> "Restart=on-failure" in unit(Layout.of("/srv/azk"))
    True
    """
    command = " ".join(map(_quoted, _command(layout, options)))
    return f"""\
[Unit]
Description=Azkaban in {layout.prefix}

[Service]
ExecStart={command}
KillMode=process
TimeoutStopSec=180
Restart=on-failure
RestartSec=60

[Install]
WantedBy=default.target
"""


def crontab_line(layout: Layout, options: Sequence[str] = ()) -> str:
    """Write the crontab line, marked so that `remove` finds it."""
    log = layout.prefix / "supervisor.log"
    command = shlex.join(_command(layout, options)).replace(
        "%", r"\%"
    )  # else cron ends the command there
    return f"@reboot {command} >> {log} 2>&1 {_MARK} {layout.prefix}"


def _command(layout: Layout, options: Sequence[str]) -> list[str]:
    for option in options:
        if not option.isprintable():
            raise UsageError(f"{option!r}: a service's command has one line of printable text")
    return [str(program.place(layout)), "supervise", "--prefix", str(layout.prefix), *options]


def _quoted(word: str) -> str:
    """Write a word as systemd reads it, which replaces specifiers and variables even in quotes."""
    text = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", text):
        return text
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def installed(layout: Layout) -> bool:
    """Tell whether the servers start with the machine."""
    if _unit_path(layout).is_file():
        return True
    return bool(shutil.which("crontab")) and any(_is_ours(line, layout) for line in _crontab()[0])


def install(layout: Layout, options: Sequence[str] = ()) -> None:
    """Make the servers start with the machine; a second call changes nothing but the options.

    Parameters
    ----------
    layout
        Whose servers.
    options
        Options of ``supervise``.

    Raises
    ------
    SetupError
        When this account has neither a user systemd nor a crontab, or the supervisor ends at once.
    """
    trust.require(Path.home(), "home folder", "let nobody else write there")
    name, path = unit_name(layout), _unit_path(layout)
    if _systemctl("daemon-reload"):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = unit(layout, options)
        changed = path.is_file() and path.read_text() != text
        path.write_text(text)
        _systemctl("daemon-reload")
        if not _systemctl("enable", "--now", name):
            raise SetupError(f"systemctl --user enable --now {name} failed; {path} is in place")
        time.sleep(LOOK_SECONDS)
        if not _systemctl("is-active", "--quiet", name):
            raise SetupError(
                f"{path} is enabled, but the supervisor ended at once; journalctl --user -u {name} "
                f"shows why, and so does {called()} supervise in a terminal"
            )
        say(f"{path} is enabled; systemctl --user status {name} shows it")
        if changed:
            say(
                "a supervisor that ran before keeps its options until it is restarted, which stops "
                f"the servers for a moment: systemctl --user restart {name}"
            )
        say('for a start without login an administrator says once: loginctl enable-linger "$USER"')
    elif shutil.which("crontab"):
        lines, trouble = _crontab()
        if trouble:
            raise SetupError(f"crontab -l fails, so nothing is written there: {trouble}")
        kept = [line for line in lines if not _is_ours(line, layout)]
        _write_crontab([*kept, crontab_line(layout, options)])
        say("a line in your crontab starts the servers with the machine; crontab -l shows it")
    else:
        raise SetupError(
            "this account has neither a user systemd nor crontab. What would be run at start:\n"
            + crontab_line(layout, options).removeprefix("@reboot ")
        )
    _tell_azk(layout)


def remove(layout: Layout) -> None:
    """Undo `install`."""
    name, path = unit_name(layout), _unit_path(layout)
    if path.is_file():
        _systemctl("disable", "--now", name)
        path.unlink()
        say(f"{name} removed, its servers are stopped")
    if shutil.which("crontab"):
        lines, _ = _crontab()
        kept = [line for line in lines if not _is_ours(line, layout)]
        if kept != lines:
            _write_crontab(kept)
            say("the line in your crontab is removed")
    _tell_azk(layout)


def _tell_azk(layout: Layout) -> None:
    """Keep true what `azk deploy` reads of it, which is written when the server starts."""
    path = layout.client_config
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith("service = ")]
        # A table of the user's own takes in whatever follows it.
        tables = (at for at, line in enumerate(kept) if line.lstrip().startswith("["))
        kept.insert(next(tables, len(kept)), f"service = {str(installed(layout)).lower()}")
        write_private(path, "".join(f"{line}\n" for line in kept))


def _unit_path(layout: Layout) -> Path:
    return Path("~/.config/systemd/user").expanduser() / unit_name(layout)


def _is_ours(line: str, layout: Layout) -> bool:
    return line.endswith(f"{_MARK} {layout.prefix}")


def _systemctl(*words: str) -> bool:
    return runs(["systemctl", "--user", *words], env=environment.program())


def _crontab() -> tuple[list[str], str]:
    """Read the lines of the user's crontab, and the error if that fails."""
    result = captured(["crontab", "-l"], env=environment.program(), errors=_AS_IT_IS)
    if not result.returncode:
        return result.stdout.splitlines(), ""
    if re.search("no crontab|No such file", result.stderr):
        return [], ""
    return [], result.stderr.strip() or f"exit code {result.returncode}"


def _write_crontab(lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    result = captured(["crontab", "-"], env=environment.program(), input=text, errors=_AS_IT_IS)
    if result.returncode:
        raise SetupError(f"crontab refused the line: {result.stderr.strip()}")
