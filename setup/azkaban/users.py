"""Who may log in: read and change ``azkaban-users.xml``, which people edit by hand, too.

A change adds, replaces or cuts one element; every other byte of the file stays as it is.
``Users.java`` reads the file, and reads it again in a running server when it has changed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from azkaban_client import columns
from azkaban_client.files import write_private
from setup.azkaban.passwords import is_hash
from setup.errors import UsageError

__all__ = ["OWN", "ROLES", "User", "Users", "first"]

OWN = "user"  # what who has no role has: Users.java
# Made where the file does not define them.
ROLES = {"admin": "ADMIN", "read": "READ", OWN: "CREATEPROJECTS"}

_START = re.compile(rb"""<[^\s>/]+(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=<>/]+)\s*=\s*("[^"]*"|'[^']*')""")


@dataclass(frozen=True)
class User:
    """One user of the file.

    Attributes
    ----------
    name
        As it is typed to log in.
    password
        As it stands there: a hash, or plain text.
    roles, groups, proxies
        What Azkaban knows about it.
    begin, end
        Where its element stands, in bytes.
    """

    name: str
    password: str = field(repr=False)
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    begin: int = 0
    end: int = 0


class Users:
    """The users' file.

    Parameters
    ----------
    path
        Where it is.

    Raises
    ------
    UsageError
        When it cannot be read, or the server could not read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._read(path.read_bytes())
        except FileNotFoundError:
            raise UsageError(f"{path}: there is no such file") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error

    def _read(self, raw: bytes) -> None:
        found = _Reader(self.path, raw)
        self._raw, self._encoding, self._end = raw, found.encoding, found.end
        self.all = [_user(self.path, each) for each in found.of("user", "username", "password")]
        roles = [each.attributes for each in found.of("role", "name", "permissions")]
        groups = [each.attributes for each in found.of("group", "name")]
        self.roles = {role["name"]: _split(role["permissions"]) for role in roles}
        self._of_groups = {group["name"]: _split(group.get("roles", "")) for group in groups}

    @property
    def admins(self) -> list[str]:
        """The names of those who may do everything, by a role of their own or of a group."""
        return [user.name for user in self.all if self._is_admin(user)]

    def _is_admin(self, user: User) -> bool:
        roles = {*user.roles, *(r for group in user.groups for r in self._of_groups.get(group, ()))}
        return any("ADMIN" in self.roles.get(role, ()) for role in roles)

    def get(self, name: str) -> User:
        """Return a user; of several with one name the last, as the server takes it.

        Raises
        ------
        UsageError
            When there is none.
        """
        found = [user for user in self.all if user.name == name]
        if not found:
            raise UsageError(f"{name!r}: no such user; {self.path} has {self._names()}")
        return found[-1]

    def _names(self) -> str:
        return ", ".join(user.name for user in self.all) or "none"

    def require_new(self, user: User) -> None:
        """Refuse a user that cannot be added.

        Raises
        ------
        UsageError
            When there is one of that name, or a name cannot be used, or a role is not known.
        """
        _require_usable("user", user.name)
        for option in ("roles", "groups", "proxies"):
            for name in getattr(user, option):
                _require_usable(option, name, in_list=True)
        for other in self.all:  # a database may take names for one that differ only in case
            if other.name.casefold() == user.name.casefold():
                raise UsageError(f"{user.name!r}: there is a user {other.name} already")
        for role in user.roles:
            if role not in self.roles and role not in ROLES:
                known = ", ".join(sorted({*self.roles, *ROLES}))
                raise UsageError(f"--role {role}: expected one of {known}")

    def add(self, user: User, password: str) -> None:
        """Add a user, and the definition of a usual role that is not there yet.

        Parameters
        ----------
        user
            Who; see `require_new`.
        password
            As it shall stand in the file.
        """
        self.require_new(user)
        missing = [role for role in user.roles if role not in self.roles]
        lines = [_element("role", name=role, permissions=ROLES[role]) for role in missing]
        lists = {"roles": user.roles, "groups": user.groups, "proxy": user.proxies}
        values = {kind: ",".join(names) for kind, names in lists.items() if names}
        lines.append(_element("user", username=user.name, password=password, **values))
        text = "".join(f"  {line}\n" for line in lines)
        before = self._raw[: self._end].rstrip(b" \t")
        alone = before.endswith(b"\n")  # the root's end has a line to itself
        place = len(before) if alone else self._end
        self._replace(place, place, text if alone else f"\n{text}")

    def set_password(self, name: str, password: str) -> None:
        """Replace a user's password, and leave everything else of the entry."""
        user = self.get(name)
        at = user.begin + len("<user")
        while (found := _ATTRIBUTE.match(self._raw, at)) and found[1] != b"password":
            at = found.end()
        if not found:
            raise UsageError(f"{self.path}: the password of {name} is not in its entry")
        self._replace(*found.span(2), quoteattr(password))

    def remove(self, name: str) -> None:
        """Cut every entry of a user out, with the line where it has one to itself.

        Raises
        ------
        UsageError
            When there is none, or nobody else could do everything.
        """
        self.get(name)
        if set(self.admins) == {name}:
            raise UsageError(f"{name!r} is the only admin: nobody could undo that; add one first")
        while found := [user for user in self.all if user.name == name]:
            begin, end = found[0].begin, found[0].end
            before = self._raw[:begin].rstrip(b" \t")
            if before.endswith(b"\n") and (rest := re.match(rb"[ \t]*\r?\n", self._raw[end:])):
                begin, end = len(before), end + rest.end()
            self._replace(begin, end, "")

    def _replace(self, begin: int, end: int, text: str) -> None:
        """Replace bytes; characters that the file's encoding lacks are written as numbers."""
        data = text.encode(self._encoding, "xmlcharrefreplace")
        self._read(self._raw[:begin] + data + self._raw[end:])

    def write(self) -> None:
        """Write the file; a link stays a link."""
        write_private(Path(os.path.realpath(self.path)), self._raw)


class _Element(NamedTuple):
    """An element below the root, and where it stands, in bytes."""

    kind: str
    attributes: dict[str, str]
    begin: int
    end: int


class _Reader:
    """The elements below the root, and where the root ends."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path, self.encoding, self.end = path, "utf-8", 0
        self._raw, self._depth = raw, 0
        self._found: list[_Element] = []
        parser = self._parser = expat.ParserCreate()
        parser.XmlDeclHandler = self._declared
        parser.StartElementHandler = self._started
        parser.EndElementHandler = self._ended
        if b"\0" in raw:
            raise UsageError(f"{path}: is not in UTF-8")
        try:
            parser.Parse(raw, True)  # noqa: FBT003 (the last piece)
        except expat.ExpatError as error:
            raise UsageError(f"{path} is not XML: {error}") from error
        except (LookupError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from error

    def of(self, kind: str, *needed: str) -> list[_Element]:
        """List the elements of a kind."""
        found = [element for element in self._found if element.kind == kind]
        for element in found:
            if missing := [name for name in needed if name not in element.attributes]:
                line = self._raw.count(b"\n", 0, element.begin) + 1
                raise UsageError(f"{self.path}, line {line}: {kind} without {missing[0]}")
        return found

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self.encoding = encoding or "utf-8"

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        begin = self._parser.CurrentByteIndex
        tag = _START.match(self._raw, begin)
        empty = tag is not None and tag[0].endswith(b"/>")
        if self._depth < 2 and (tag is None or (empty and not self._depth)):
            line = self._parser.CurrentLineNumber
            raise ValueError(f"line {line}: {name} is empty, or made by an entity")
        if self._depth == 1 and tag:
            self._found.append(_Element(name, attributes, begin, tag.end() if empty else 0))
        self._depth += 1

    def _ended(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == 1 and not self._found[-1].end:
            end = self._raw.index(b">", self._parser.CurrentByteIndex) + 1
            self._found[-1] = self._found[-1]._replace(end=end)
        elif self._depth == 0:
            self.end = self._parser.CurrentByteIndex


def _user(path: Path, element: _Element) -> User:
    found = element.attributes
    try:
        is_hash(found["password"])
    except ValueError as error:
        raise UsageError(f"{path}: user {found['username']}: {error}") from error
    roles, groups, proxies = (_split(found.get(kind, "")) for kind in ("roles", "groups", "proxy"))
    places = {"begin": element.begin, "end": element.end}
    return User(found["username"], found["password"], roles, groups, proxies, **places)


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"\s*,\s*", text.strip())))


def _element(kind: str, **attributes: str) -> str:
    values = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{kind}{values}/>"


def _require_usable(what: str, name: str, *, in_list: bool = False) -> None:
    """Refuse a name that the file, a login or the database could not carry."""
    reason = ""
    if not name or name != name.strip() or not name.isprintable():
        reason = "is empty, begins or ends with a space, or has a control character"
    elif len(name) > columns.USER:
        reason = f"has {len(name)} characters, {columns.USER} are the most"
    elif in_list and "," in name:
        reason = "has a comma, which separates names in Azkaban's file"
    if reason:
        raise UsageError(f"{what} {name!r}: {reason}")


def first(name: str, password: str) -> str:
    """Return the file of a new server, with its one administrator."""
    return (
        "<azkaban-users>\n"
        f"  {_element('user', username=name, password=password, roles='admin')}\n"
        f"  {_element('role', name='admin', permissions=ROLES['admin'])}\n"
        "</azkaban-users>\n"
    )
