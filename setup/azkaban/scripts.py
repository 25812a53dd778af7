"""The scripts `start`, `stop`, `status`, `use`: plain sh, they work without this project."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from setup import environment, probe
from setup.layout import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.layout import Layout
    from setup.probe import Target

__all__ = ["write"]

_COMMON = """\
#!/bin/sh
# {title}
# Generated; works without the project that made it.
home={home}
python={python}
parts={parts}
umask 077

pid_of() {{ # prints the pid of a part that runs
    [ -r "$home/$1.pid" ] || return 1
    pid=$(sed 's/.*"pid": *\\([0-9]*\\).*/\\1/' "$home/$1.pid")
    began=$(sed 's/.*"started": *\\([0-9]*\\).*/\\1/' "$home/$1.pid")
    [ "$(ticks "$pid")" = "$began" ] && echo "$pid"
}}
ticks() {{ # prints when a process began: its pid may be another one's by now
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    threads=$(ls "/proc/$1/task" 2>/dev/null | wc -l)
    set -- ${{line##*)}}
    # One that has ended holds its ports and files until its last thread is gone.
    [ "$1" != Z ] || [ "$threads" -gt 1 ] || return 1
    echo "${{20}}"
}}
probe() {{
    "$python" -I "$home/probe.py" "$@"
}}
"""

_START = """
if [ "$(id -u)" = 0 ] && [ "$AZK_ALLOW_ROOT" != 1 ]; then
    echo "servers are not started as root" >&2
    exit 3
fi
{database}cd "$home" || exit 3
exec 9>>"$home/.start.lock"
flock 9 2>/dev/null # one start at a time, where the system has flock
start() {{ # NAME COMMAND...
    name=$1
    shift
    if pid=$(pid_of "$name"); then
        echo "$name: already running (pid $pid)" >&2
        return
    fi
    rm -f "logs/$name.out"
    # Jobs inherit the environment, so environment.py leaves out secrets that may stand in it.
    nohup "$python" -I "$home/environment.py" "$@" </dev/null >>"logs/$name.out" 2>&1 9>&- &
    pid=$!
    echo "{{\\"pid\\": $pid, \\"started\\": $(ticks "$pid")}}" >"$name.pid"
    if ! probe wait "$name" "$pid"; then
        kill "$pid" 2>/dev/null
        rm -f "$name.pid"
        echo "the end of $home/logs/$name.log:" >&2
        tail -n 20 "logs/$name.log" "logs/$name.out" >&2
        exit 5
    fi
    echo "$name: running (pid $pid)" >&2
}}
{starts}
"""

_STOP = """
children() { # prints the processes that one has started, and theirs
    for entry in /proc/[0-9]*/stat; do
        line=$(cat "$entry" 2>/dev/null) || continue
        child=${line%% *}
        set -- "$1" ${line##*)}
        if [ "$3" = "$1" ]; then
            echo "$child"
            children "$child"
        fi
    done
}
none=1
for name in $(for part in $parts; do echo "$part"; done | sed '1!G;h;$!d'); do
    pid=$(pid_of "$name") || continue
    none=
    jobs=$(children "$pid")
    kill "$pid"
    tries=0
    while pid_of "$name" >/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -eq 200 ] && kill -KILL "$pid"
        sleep 0.1
    done
    rm -f "$home/$name.pid"
    for job in $jobs; do # the server leaves the programs of its jobs behind
        kill "$job" 2>/dev/null
    done
    echo "$name: stopped" >&2
done
[ -z "$none" ] || echo "not running" >&2
"""

_STATUS = """
code=0
for name in $parts; do
    if ! pid=$(pid_of "$name"); then
        echo "$name: down"
        code=1
    elif probe answers "$name"; then
        echo "$name: running (pid $pid)"
    else
        echo "$name: unresponsive (pid $pid)"
        code=1
    fi
done
exit $code
"""

_USE = """
# use              where the server is, who logs in, and where the password stands
# use PATH         ask the API within a session: use '/manager?ajax=fetchprojectflows&project=NAME'
probe use "$@"
"""

_TITLES = {
    "start": "Start Azkaban and wait until a login works.",
    "stop": "Stop Azkaban and the programs of its jobs.",
    "status": "Show each part of Azkaban; exit 1 when one does not answer.",
    "use": "Where Azkaban is; or one call of its API.",
}


def write(layout: Layout, parts: Sequence[tuple[Target, Sequence[str]]], *, database: str) -> None:
    """Write the scripts into the server's folder.

    Parameters
    ----------
    layout
        Whose server.
    parts
        How each process is asked, and the command with which it starts, in their order.
    database
        ``h2`` or ``mysql``; MySQL is started first.
    """
    home = layout.azkaban
    starts = "\n".join(f"start {target.name} {shlex.join(command)}" for target, command in parts)
    mysql = shlex.quote(str(layout.prefix / "mysql/start"))
    bodies = {
        "start": _START.format(
            starts=starts,
            database=f"{mysql} || exit\n" if database == "mysql" else "",
        ),
        "stop": _STOP,
        "status": _STATUS,
        "use": _USE,
    }
    for name, body in bodies.items():
        text = _COMMON.format(
            title=_TITLES[name],
            home=shlex.quote(str(home)),
            python=shlex.quote(sys.executable),
            parts=shlex.quote(" ".join(target.name for target, _ in parts)),
        )
        path = home / name
        path.write_text(text + body, encoding="utf-8")
        path.chmod(0o700)
    for source in map(Path, (environment.__file__, probe.__file__)):
        shutil.copyfile(source, home / source.name)
    targets = json.dumps([asdict(target) for target, _ in parts], indent=1)
    write_private(home / "parts.json", targets + "\n")
