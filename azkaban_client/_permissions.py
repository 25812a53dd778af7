"""Permissions and proxy users of a project."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Literal

from azkaban_client._http import Call
from azkaban_client._projects import ProjectCalls
from azkaban_client.errors import NotFound, Refused
from azkaban_client.models import Permission

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["PermissionCalls", "PermissionType"]

PermissionType = Literal["admin", "read", "write", "execute", "schedule"]
_PROXY_ROW = re.compile(r'<td class="tb-username">\s*([^\s<]+)')
_LOADS_BY_PERMISSIONS = (3, 81)  # from here on a start loads the flows of projects that have some
_TYPES: tuple[PermissionType, ...] = ("admin", "read", "write", "execute", "schedule")


class PermissionCalls(ProjectCalls):
    """Calls about permissions and proxy users of a project."""

    def permissions(self, project: str) -> tuple[Permission, ...]:
        """List the permissions of users, then of groups if the server gives them (3.0)."""
        users = self._project(project, "getPermissions", _expect=("permissions",))
        found = [
            Permission(name=item["username"], group=False, types=tuple(item["permission"]))
            for item in users["permissions"]
        ]
        if self.capabilities.project_list is not False:
            groups = self._project(project, "getGroupPermissions", _expect=("permissions",))
            found += [
                Permission(name=item["username"], group=True, types=tuple(item["permission"]))
                for item in groups["permissions"]
            ]
        return tuple(found)

    def may_write(self, project: str) -> bool:
        """Tell whether the user may upload to a project (servers from 3.69 on)."""
        self._need("write_check", "asking for one's own permission", "3.69")
        expect = ("hasWritePermission",)
        data = self._project(project, "checkForWritePermission", _expect=expect)
        return bool(data["hasWritePermission"])

    def grant(
        self, project: str, name: str, types: Collection[PermissionType], *, group: bool = False
    ) -> None:
        """Give a user or a group these permissions on a project, in place of any others.

        Parameters
        ----------
        project, name
            The project; the user or group.
        types
            Any of admin, read, write, execute, schedule. ``admin`` includes all others.
        group
            `name` is a group.
        """
        unknown = set(types) - set(_TYPES)
        if unknown or not types:
            raise ValueError(f"types = {sorted(types)}: expected some of {', '.join(_TYPES)}")
        known = any(p.name == name and p.group == group for p in self.permissions(project))
        action = "changePermission" if known else "addPermission"
        self._change(project, action, name, group=group, types=types)

    def revoke(self, project: str, name: str, *, group: bool = False) -> None:
        """Take all permissions on a project from a user or a group.

        Raises
        ------
        NotFound
            They have none.
        Refused
            Nobody else has one, and the server would forget the project's flows at its next start.
        """
        found = self.permissions(project)
        if not any(p.name == name and p.group == group for p in found):
            kind = "group" if group else "user"
            raise NotFound(
                f"{kind} {name!r} has no permission on project {project!r}",
                ids={"project": project},
            )
        if len(found) == 1 and self.version.low >= _LOADS_BY_PERMISSIONS:
            raise Refused(
                f"nobody but {name!r} has a permission on project {project!r}, and a server that "
                "starts loads no flows of a project on which nobody has one: give somebody else "
                "one first",
                ids={"project": project},
            )
        self._change(project, "changePermission", name, group=group, types=())

    def proxy_users(self, project: str) -> tuple[str, ...]:
        """List the users that the project's jobs may run as."""
        if self.capabilities.project_list is not False:
            found = self._project(project, "getProxyUsers", _expect=("proxyUsers",))["proxyUsers"]
        else:
            self.project_id(project)  # the page of a project that is not there has no status
            page = self._page("/manager", project=project, permissions="true")
            table = page.partition('id="proxy-user-table"')[2].partition("</table>")[0]
            found = [html.unescape(name) for name in _PROXY_ROW.findall(table)]
        return tuple(sorted(found))

    def add_proxy_user(self, project: str, name: str) -> None:
        """Let the project's jobs run as another user.

        Raises
        ------
        PermissionDenied
            The server's user manager does not let this user do so.
        """
        self._protected(project, "addProxyUser", {"name": name})

    def remove_proxy_user(self, project: str, name: str) -> None:
        """No longer let the project's jobs run as another user.

        Raises
        ------
        NotFound
            They may not run as that user.
        """
        known = self.proxy_users(project)
        if name not in known:
            raise NotFound(
                f"project {project!r} has no proxy user {name!r} (its own: "
                f"{', '.join(known) or 'none'})",
                ids={"project": project},
            )
        self._protected(project, "removeProxyUser", {"name": name})

    def _change(
        self, project: str, action: str, name: str, *, group: bool, types: Collection[str]
    ) -> None:
        fields = {"name": name, "group": str(group).lower()}
        fields |= {f"permissions[{kind}]": str(kind in types).lower() for kind in _TYPES}
        self._protected(project, action, fields)

    def _protected(self, project: str, action: str, fields: dict[str, str]) -> dict[str, Any]:
        """Make a call that servers from 4.0 on protect against forged requests.

        They need a token of the web page, or the session in the body instead of the cookie.
        """
        form = {"ajax": action, "project": project, **fields}
        if self.capabilities.csrf:
            return self._ask(
                Call("POST", "/manager", form={"session.id": "", **form}, safe=False),
                expect=("projectId",),
            )
        return self._ask(Call("GET", "/manager", form, safe=False), expect=("projectId",))
