"""Cut a process and its children off from every network but this machine's own, without root.

The process moves into a network namespace of its own, which has a loopback device and nothing else;
an account that is not root makes a user namespace for that, in which it stays who it is. Where the
kernel allows neither, `cut` says so, and `DEAD` is left: all ways lead to a port that nobody has.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

__all__ = ["DEAD", "cut", "possible"]

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # <sched.h>
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1  # <net/if.h>

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_NOBODY = "http://127.0.0.1:9"
DEAD = dict.fromkeys((*_PROXIES, *map(str.lower, _PROXIES)), _NOBODY)
DEAD |= {"PIP_INDEX_URL": f"{_NOBODY}/simple", "AZK_MAVEN_REPO": f"{_NOBODY}/maven2"}


def cut() -> None:
    """Leave the network, for good; call it in a new process.

    Raises
    ------
    OSError
        When the kernel does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NET | (_NEW_USER if user else 0)):
        raise OSError(ctypes.get_errno(), "no network namespace")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack("16sH22x", answer)[1] | _UP
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH22x", b"lo", flags))


def possible() -> bool:
    """Tell whether `cut` works here."""
    child = os.fork()
    if not child:
        try:
            cut()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
