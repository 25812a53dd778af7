"""List every path that a command and its children change outside of given folders.

Needs strace. For example, from the top of the checkout::

    python3 tests/trace_writes.py --allow ~/.azkaban-jobflow -- python3 -m setup up

Exit code 1 when there is one. Failed calls are listed too, marked with their error: a program that
tries to write where it may not is one that writes where it may.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

CALLS = (
    "open,openat,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,unlink,unlinkat,rmdir,"
    "link,linkat,symlink,symlinkat,truncate,chmod,fchmodat,chown,lchown,fchownat,utime,utimes,"
    "utimensat,setxattr"
)
DEVICES = ("/dev/null", "/dev/tty", "/dev/zero", "/dev/full", "/dev/pts/", "/dev/ptmx", "/proc/")
HARMLESS = {"ENOENT", "EEXIST", "ENOTDIR"}  # nothing was there to change, or it was there already

_CALL = re.compile(r"(?:\[pid\s+)?\d*\]?\s*(\w+)\((.*)\)\s+= (-?\d+|\?)(?: (E\w+))?")
_PATH = re.compile(r'(?:(AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')


def changes(lines: list[str], allowed: list[str]) -> Counter[str]:
    """Count the paths that calls in a log of ``strace -f -y`` change outside of folders.

    Examples
    --------
    >>> log = ['7 openat(AT_FDCWD</work>, "a", O_WRONLY|O_CREAT, 0666) = 3</work/a>',
    ...        '7 openat(AT_FDCWD</work>, "b", O_RDONLY) = 3</work/b>',
    ...        '8 unlink("/in/x") = 0', '8 mkdir("/out", 0777) = -1 EACCES (Permission denied)']
    >>> dict(changes(log, ["/in"]))
    {'/work/a': 1, '/out (EACCES)': 1}
    """
    found: Counter[str] = Counter()
    for line in lines:
        call = _CALL.match(line)
        if not call:
            continue
        name, arguments, _, error = call.groups()
        if name in ("open", "openat") and not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", arguments):
            continue
        if error in HARMLESS:
            continue
        for _, folder, path in _PATH.findall(arguments):
            whole = os.path.normpath(str(Path(folder or "/(relative)") / path))
            if whole.startswith(DEVICES) or any(
                whole == root or whole.startswith(f"{root}/") for root in allowed
            ):
                continue
            found[whole + (f" ({error})" if error else "")] += 1
    return found


def main() -> int:
    """Run strace and print what it saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--allow", action="append", default=[], metavar="DIR")
    parser.add_argument("--log", metavar="FILE", help="keep strace's output")
    parser.add_argument("command", nargs="+", help="what to run, after --")
    options = parser.parse_args()
    allowed = [str(Path(folder).expanduser().resolve()) for folder in options.allow]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(options.log or f"{folder}/strace")
        strace = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}", "--signal=none"]
        code = subprocess.run([*strace, "-o", str(log), *options.command], check=False).returncode
        lines = log.read_text("utf-8", "replace").splitlines()
    found = changes(lines, allowed)
    for path, times in sorted(found.items()):
        print(f"{times:6d}  {path}")
    summary = f"exit code {code}, {len(lines)} calls, {len(found)} paths elsewhere"
    print(summary, file=sys.stderr)
    return 1 if found or code else 0


if __name__ == "__main__":
    raise SystemExit(main())
