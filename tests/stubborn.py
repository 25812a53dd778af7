"""Jobs that do not want to end, and where their processes are looked for afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["KINDS", "left", "write"]

# Every process has the test's own word among its arguments, whatever else it hides.
_LOOP = "while :; do sleep 0.3; done"
_STAY = f'sh -c "{_LOOP}" $word'

# A process that is always another one: it forks, and ends; for a minute, if nobody ends it.
_HOPS = """
import os, time
until = time.monotonic() + 60
while time.monotonic() < until:
    if os.fork():
        os._exit(0)
    time.sleep(0.0005)
"""
_DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.chdir("/")
for number in range(3):
    os.close(number)
time.sleep(600)
"""
_CHILDREN = """
import signal, subprocess, sys
def child(*_):
    return subprocess.Popen(["sh", "-c", "while :; do sleep 0.3; done", sys.argv[1]])
children = [child(), child()]
open(sys.argv[2], "w").close()
children[0].wait()
"""

# Shell scripts; the file $ready says that all of it is up. Python scripts are beside them.
KINDS = {
    "ignores": f'trap "" TERM HUP INT; touch $ready; {_LOOP}',
    "children": "exec PYTHON HERE/children.py $word $ready",
    "background": f"{_STAY} & touch $ready; {_LOOP}",
    "nohup": f"nohup {_STAY} >/dev/null 2>&1 & touch $ready; {_LOOP}",
    "session": f"setsid {_STAY} & touch $ready; {_LOOP}",
    "daemon": f"PYTHON HERE/daemon.py $word; touch $ready; {_LOOP}",
    "no-environment": (
        f"(cd /; env -i setsid {_STAY} </dev/null >/dev/null 2>&1 &); touch $ready; {_LOOP}"
    ),
    "elsewhere": f"cd /; touch $ready; {_LOOP}",
    "stopped": f"{_STAY} & kill -STOP $!; touch $ready; kill -STOP $$; {_LOOP}",
    "forks": f"setsid PYTHON HERE/hops.py $word & touch $ready; {_LOOP}",
    "successor": (
        f"trap 'env -i setsid {_STAY} >/dev/null 2>&1 & exit 0' TERM; touch $ready; {_LOOP}"
    ),
    "pipe": f"(env -i setsid {_STAY} &); touch $ready; {_LOOP}",
    "stops-keeper": f"(env -i setsid {_STAY} &); touch $ready; kill -STOP $PPID; {_LOOP}",
    "no-keeper": f"(setsid {_STAY} &); touch $ready; kill -KILL $PPID; {_LOOP}",
}
_PROGRAMS = {"hops.py": _HOPS, "daemon.py": _DAEMON, "children.py": _CHILDREN}


def write(folder: Path) -> None:
    """Write ``KIND.sh WORD READY`` for each kind."""
    for name, text in _PROGRAMS.items():
        (folder / name).write_text(text)
    for kind, text in KINDS.items():
        script = text.replace("PYTHON", sys.executable).replace("HERE", str(folder))
        (folder / f"{kind}.sh").write_text(f"word=$1 ready=$2\n{script}\n")


def left(word: str) -> list[str]:
    """List the processes that have a word among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if word.encode() in words:
            found.append(f"{entry.name}: {b' '.join(words).decode()}")
    return found
