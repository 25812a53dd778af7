"""Hides from our own modules what only POSIX systems have; the rest of Python keeps it.

Python imports this file at its start where the folder is on its path, in child processes too.
"""

from __future__ import annotations

import builtins
import os
import signal
import socket
import time
from types import ModuleType
from typing import Any

OURS = ("azkaban_client", "jobs")

MODULES = {
    *("crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource"),
    *("spwd", "syslog", "termios", "tty"),
}
_NAMES = {
    os: {
        *("WNOHANG", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH"),
        *("chown", "confstr", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid"),
        *("getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getsid", "getuid"),
        *("getxattr", "killpg", "lchown", "listxattr", "mkfifo", "mknod", "nice", "openpty"),
        *("posix_spawn", "pread", "pwrite", "register_at_fork", "sched_getaffinity"),
        *("sched_setaffinity", "setgid", "setpgid", "setsid", "setuid", "setxattr", "statvfs"),
        *("sync", "sysconf", "ttyname", "uname", "wait", "wait3", "wait4", "waitid"),
    },
    signal: {
        *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP"),
        *("SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pause", "pthread_kill"),
        *("pthread_sigmask", "setitimer", "sigwait"),
    },
    socket: {"AF_UNIX"},
    time: {"tzset"},
}


class _Elsewhere(ModuleType):
    """A module as another system has it."""

    def __init__(self, module: ModuleType, hidden: set[str]) -> None:
        vars(self).update(__name__=module.__name__, _module=module, _hidden=hidden)

    def __getattr__(self, name: str) -> Any:
        if name in self._hidden:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} here")
        return getattr(self._module, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._module, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._module, name)


_modules = {module.__name__: _Elsewhere(module, names) for module, names in _NAMES.items()}
_real = builtins.__import__


def _import(
    name: str, space: Any = None, local: Any = None, fromlist: Any = (), level: int = 0
) -> Any:
    spec = (space or {}).get("__spec__")
    module = getattr(spec, "name", None) or (space or {}).get("__name__") or ""
    if module.partition(".")[0] in OURS and not level:
        if name.partition(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r} here", name=name)
        if name in _modules:
            return _modules[name]
    return _real(name, space, local, fromlist, level)


builtins.__import__ = _import
