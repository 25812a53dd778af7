"""Find out who else could change what is at a path, and so what this account runs.

Anybody who may write there, or rename one of the folders above, could replace a program, or name
another server in ``azk.toml``. Root can do so anyway and is trusted, and so are the accounts and
groups that ``AZK_TRUST`` names.

Access lists of Linux (POSIX ACLs) are read; those of NFS 4 cannot be.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["trouble", "trusted"]

_MOST_LINKS = 40  # as many as the kernel follows
_USER, _GROUP_OBJ, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10  # the tags of an ACL's entries


def trouble(path: Path) -> str:
    """Return who could change what is at a path, and how to stop that; empty if nobody could.

    Every folder on the way is checked, also along symbolic links. A folder above may be open to all
    if it is sticky, as ``/tmp`` is: there, nobody can rename another account's files.

    Examples
    --------
    >>> trouble(Path("/usr/bin"))
    ''
    """
    here, links = Path("/"), 0
    pending = list(reversed(path.absolute().parts[1:]))
    while pending:
        name = pending.pop()
        if name == "..":
            here = here.parent
            continue
        below = here / name
        try:
            status = os.lstat(below)
        except OSError:  # not there yet, or out of reach: whoever wants to use it will be told
            return _open_to(here)
        if reason := _open_to(here):
            return reason
        if stat.S_ISLNK(status.st_mode) and not _is_trusted(status.st_uid):
            return _belongs(below, status)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                return f"{path} is a circle of links"
            target = below.readlink()
            here = Path("/") if target.is_absolute() else here
            pending += [part for part in reversed(target.parts) if part != "/"]
        else:
            here = below
    return _open_to(here, last=True)


def _belongs(place: Path, status: os.stat_result) -> str:
    return f"{place} belongs to the account {_account(status.st_uid)}"


def _open_to(place: Path, *, last: bool = False) -> str:
    """Return who could change a folder or rename its entries; empty if nobody could."""
    status = os.lstat(place)
    if not _is_trusted(status.st_uid):
        return _belongs(place, status)
    if status.st_mode & stat.S_ISVTX and stat.S_ISDIR(status.st_mode) and not last:
        return ""  # what lies in it is looked at next, and must be of a trusted account
    flag = "-R " if last and stat.S_ISDIR(status.st_mode) else ""
    if status.st_mode & stat.S_IWOTH:
        return f"{place} may be changed by everybody (chmod {flag}o-w {place} ends that)"
    for name, way in _writers(place, status, last=last):
        return f"{place} may be changed by {name} ({way} ends that)"
    return ""


def _writers(place: Path, status: os.stat_result, *, last: bool) -> Iterator[tuple[str, str]]:
    """List the groups and accounts that may write, each with the command that revokes it."""
    access = _acl(place, "system.posix_acl_access")
    if not access and status.st_mode & stat.S_IWGRP and (shared := _shared(status.st_gid)):
        flag = "-R " if last and stat.S_ISDIR(status.st_mode) else ""
        yield shared, f"chmod {flag}g-w {place}"
    later = _acl(place, "system.posix_acl_default") if last else []  # of what will be made in it
    for entries in (access, later):
        mask = next((rights for tag, rights, _ in entries if tag == _MASK), 0o7)
        for tag, rights, number in entries:
            if not rights & mask & 0o2:
                continue
            name = ""
            if tag == _USER and not _is_trusted(number):
                name = f"the account {_account(number)}"
            elif tag in (_GROUP_OBJ, _GROUP):
                name = _shared(status.st_gid if tag == _GROUP_OBJ else number)
            if name:
                yield name, f"setfacl -R -b -k {place}"


def _acl(place: Path, name: str) -> list[tuple[int, int, int]]:
    """Read an access list: tag, rights and number of each entry; empty where there is none."""
    try:
        value = os.getxattr(place, name, follow_symlinks=False)
    except OSError:
        return []
    return list(struct.iter_unpack("<HHI", value[4:]))  # after the number of the version


def _is_trusted(uid: int) -> bool:
    return uid in (0, os.geteuid()) or _account(uid) in trusted() or _is_outer_root(uid)


def _is_outer_root(uid: int) -> bool:
    """Tell whether this is how a container without a root of its own sees the machine's root."""
    try:
        unmapped = int(Path("/proc/sys/kernel/overflowuid").read_text())
        whole = Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2**32 - 1)]
    except (OSError, ValueError):
        return False
    return uid == unmapped and not whole


def trusted() -> set[str]:
    """Return the names of accounts and groups that the user trusts like root (``AZK_TRUST``)."""
    return {name.strip() for name in os.environ.get("AZK_TRUST", "").split(",") if name.strip()}


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _shared(gid: int) -> str:
    """Name a group that has other members than this account and root; empty for a private one.

    Accounts of a directory service often cannot be listed: a main group is private only if it
    has its account's name, as most systems arrange it.
    """
    own, user = gid == os.getegid(), _account(os.geteuid())
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return "" if own else f"the group {gid}"
    if group.gr_name in trusted():
        return ""
    members = {account.pw_name for account in pwd.getpwall() if account.pw_gid == gid}
    others = (members | set(group.gr_mem)) - {user, "root"} - trusted()
    if others or (own and group.gr_name != user and gid):
        return f"the group {group.gr_name}"
    return ""
