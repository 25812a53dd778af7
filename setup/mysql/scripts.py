"""The scripts `start`, `stop`, `status`, `use`: plain sh, they work without this project."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from setup.mysql.config import Files
    from setup.mysql.program import Program

__all__ = ["write_scripts"]

_COMMON = """\
#!/bin/sh
# {title}
# Generated; works without the project that made it.
home={home}
mysqld={mysqld}
python={python}
options="--defaults-file=$home/my.cnf"
libraries={libraries}
UMASK=0600 UMASK_DIR=0700
MYSQL_HISTFILE=/dev/null # else the client keeps what was typed, passwords included, in your home
export UMASK UMASK_DIR MYSQL_HISTFILE
umask 077

running() {{ # prints the pid of this very server
    pid=$(cat "$home/mysql_files/mysqld.pid" 2>/dev/null) || return 1
    tr '\\0' '\\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -e "$options" && echo "$pid"
}}
client() {{ # prints the first of some programs that runs here
    for name in "$@"; do
        for path in "$(dirname "$mysqld")/$name" "$name"; do
            "$path" --version >/dev/null 2>&1 && echo "$path" && return
        done
    done
    return 1
}}
sql() {{ # from mysql_files, because a long path of the socket is relative to it
    cd "$home/mysql_files" || return 1
    if found=$(client mysql mariadb); then
        "$found" --defaults-file="$home/root.cnf" "$@"
    else
        "$python" -I "$home/prompt.py" "$home/root.cnf" "$@"
    fi
}}
"""

_START = """
for file in my.cnf my.local.cnf; do
    if [ -n "$(find "$home/$file" -perm /022 2>/dev/null)" ]; then
        echo "$home/$file can be changed by others; see what is in it, then: chmod 600" >&2
        exit 3
    fi
done
exec 9>>"$home/.lock"
flock 9 2>/dev/null # one start at a time, where the system has flock
if pid=$(running); then
    echo "already running (pid $pid)" >&2
    exit 0
fi
cd "$home" || exit 3
[ -d mysql_data ] || mv mysql_data.old mysql_data 2>/dev/null # a restore was killed just there
# Left by a server that was killed; mysqld refuses to start if the pid in them is in use again.
rm -f mysql_files/mysql.sock mysql_files/mysql.sock.lock mysql_files/mysqld.pid
LC_ALL=C LD_LIBRARY_PATH="$libraries" nohup "$mysqld" "$options" </dev/null \\
    >>mysql_files/mysqld.out 2>&1 9>&- &
child=$!
tries=0
while ! (sql -e "SELECT 1") >/dev/null 2>&1; do
    tries=$((tries + 1))
    if ! kill -0 "$child" 2>/dev/null || [ "$tries" -gt 300 ]; then
        echo "mysqld did not come up; the end of $home/mysql_files/mysqld.log:" >&2
        tail -n 20 mysql_files/mysqld.out mysql_files/mysqld.log >&2
        exit 5
    fi
    sleep 0.2
done
echo "running (pid $child)" >&2
"""

_STOP = """
if ! pid=$(running); then
    echo "not running" >&2
    exit 0
fi
# SIGTERM makes mysqld close its tables just as the statement does.
(sql -e "SHUTDOWN") >/dev/null 2>&1 || kill -TERM "$pid"
tries=0
while running >/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ]; then
        echo "mysqld (pid $pid) still runs; see $home/mysql_files/mysqld.log" >&2
        exit 5
    fi
    sleep 0.2
done
echo "stopped" >&2
"""

_STATUS = """
if ! pid=$(running); then
    echo "down"
    exit 1
fi
if ! (sql -e "SELECT 1") >/dev/null 2>&1; then
    echo "unresponsive (pid $pid)"
    exit 1
fi
echo "running (pid $pid), $(sed -n 's/^port = "\\(.*\\)"/port \\1/p' "$home/my.cnf")"
"""

_USE = """
if ! running >/dev/null; then
    echo "not running: $home/start" >&2
    exit 1
fi
sql "$@"
"""

_SCRIPTS = {
    "start": ("Start this MySQL server and wait until it answers a query.", _START),
    "stop": ("Stop this MySQL server.", _STOP),
    "status": ("Show this MySQL server; exit 1 when it does not answer.", _STATUS),
    "use": ("SQL as root: use [-e STATEMENTS] [DATABASE].", _USE),
}


def write_scripts(files: Files, program: Program) -> None:
    """Write the scripts into a server's folder."""
    for name, (title, body) in _SCRIPTS.items():
        text = _COMMON.format(
            title=title,
            home=shlex.quote(str(files.home)),
            mysqld=shlex.quote(str(program.mysqld)),
            python=shlex.quote(sys.executable),
            libraries=shlex.quote(str(program.libraries)),
        )
        path = files.home / name
        path.write_text(text + body, encoding="utf-8")
        path.chmod(0o700)
    source = Path(__file__).with_name("prompt.py").read_text(encoding="utf-8")
    (files.home / "prompt.py").write_text(source, encoding="utf-8")
