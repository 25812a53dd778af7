"""Let a process and its children change files in some folders only, by the kernel's Landlock.

No root, no setuid program and no LD_PRELOAD: a process takes the right to change other files from
itself. Linux 5.13 or later.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_NO_NEW_PRIVILEGES = 38

# Rights of <linux/landlock.h>: all that change something, by the version that knows them.
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_CHANGES = {1: sum(1 << n for n in (1, *range(4, 13))), 2: 1 << 13, 3: _TRUNCATE}

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def confine(folders: Iterable[Path]) -> None:
    """Give up the right to change files outside of folders, for good; call it in a new process.

    Raises
    ------
    OSError
        When the kernel has no Landlock.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: object) -> int:
        result = int(libc.syscall(number, *arguments))
        if result < 0:
            raise OSError(ctypes.get_errno(), f"Landlock: system call {number}")
        return result

    version = call(_CREATE_RULESET, None, 0, 1)
    changes = sum(rights for since, rights in _CHANGES.items() if since <= version)
    handled = ctypes.c_uint64(changes)
    rules = call(_CREATE_RULESET, ctypes.byref(handled), 8, 0)
    for path, rights in (
        *((str(folder), changes) for folder in folders),
        *((name, changes & (_WRITE_FILE | _TRUNCATE)) for name in _DEVICES),
    ):
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        call(_ADD_RULE, rules, 1, ctypes.byref(_Rule(rights, parent)), 0)
        os.close(parent)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    call(_RESTRICT_SELF, rules, 0)
    os.close(rules)
