"""Ask YARN's ResourceManager over HTTP."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from setup import environment
from setup.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENDED", "ApplicationReport", "KerberosError", "Node", "ResourceManager"]

ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})


@dataclass(frozen=True)
class Node:
    """One machine of a cluster.

    Attributes
    ----------
    name
        ``host:port``.
    state
        ``RUNNING``, ``LOST``, ``UNHEALTHY`` ...
    memory, cores
        What it offers: MB, virtual cores.
    """

    name: str
    state: str
    memory: int
    cores: int


@dataclass(frozen=True)
class ApplicationReport:
    """One application.

    Attributes
    ----------
    state
        ``ACCEPTED``, ``RUNNING``, ``FINISHED`` ...
    final
        ``UNDEFINED`` until it has ended, then ``SUCCEEDED``, ``FAILED`` or ``KILLED``.
    progress
        0 to 100.
    containers
        How many it has at present.
    diagnostics
        Why it ended as it did, or why it does not run yet.
    pending
        How many more containers it asks for.
    memory, cores
        Of the first of these: MB, virtual cores.
    """

    id: str
    state: str
    final: str
    progress: float
    containers: int
    diagnostics: str
    pending: int = 0
    memory: int = 0
    cores: int = 0


class KerberosError(ServerError):
    """The ResourceManager answers only those who show a Kerberos ticket."""

    def __init__(self, manager: ResourceManager) -> None:
        super().__init__(
            f"the ResourceManager at {manager.url} asks for Kerberos: get a ticket by kinit, or "
            "name --principal and --keytab"
        )
        self.manager = manager


@dataclass(frozen=True)
class ResourceManager:
    """The HTTP interface of a ResourceManager.

    Parameters
    ----------
    url
        Such as ``http://127.0.0.1:8088``.
    timeout
        For each request, in seconds.
    """

    url: str
    timeout: float = 10.0

    def nodes(self) -> list[Node]:
        """List the cluster's machines.

        Raises
        ------
        ServerError
            When it cannot be reached.
        """
        found = (self._ask("nodes").get("nodes") or {}).get("node") or []
        return [
            Node(
                node["id"],
                node["state"],
                int(node["usedMemoryMB"]) + int(node["availMemoryMB"]),
                int(node["usedVirtualCores"]) + int(node["availableVirtualCores"]),
            )
            for node in found
        ]

    def application(self, application: str) -> ApplicationReport:
        """Look at one application.

        Raises
        ------
        ServerError
            When it cannot be reached, or does not know the application.
        """
        app = self._ask(f"apps/{application}")["app"]
        # Each is there three times: for a machine, for its rack, for any.
        asked = [
            one
            for one in app.get("resourceRequests") or ()
            if one["resourceName"] == "*" and one["numContainers"] > 0
        ]
        size = asked[0]["capability"] if asked else {}
        return ApplicationReport(
            app["id"],
            app["state"],
            app["finalStatus"],
            float(app["progress"]),
            max(0, int(app.get("runningContainers", 0))),
            app.get("diagnostics") or "",
            sum(one["numContainers"] for one in asked),
            int(size.get("memory", 0)),
            int(size.get("vCores", 0)),
        )

    def tagged(self, tag: str) -> list[str]:
        """List the ids of the unfinished applications with a tag.

        Raises
        ------
        ServerError
            When it cannot be reached.
        """
        found = (self._ask("apps", query={"applicationTags": tag}).get("apps") or {}).get("app")
        return [app["id"] for app in found or () if app["state"] not in ENDED]

    def kill(self, application: str) -> None:
        """Ask it to end an application.

        Raises
        ------
        ServerError
            When it cannot be reached, or refuses.
        """
        self._ask(f"apps/{application}/state", {"state": "KILLED"})

    def _ask(
        self,
        path: str,
        put: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        user = urllib.parse.urlencode({"user.name": environment.user(), **(query or {})})
        request = urllib.request.Request(  # noqa: S310 (http or https: the configuration says which)
            f"{self.url}/ws/v1/cluster/{path}?{user}",
            data=json.dumps(put).encode() if put else None,
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            method="PUT" if put else "GET",
        )
        host = urllib.parse.urlsplit(self.url).hostname or ""
        proxies: dict[str, str] | None = {} if host in ("127.0.0.1", "localhost", "::1") else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
        try:
            with opener.open(request, timeout=self.timeout) as answer:
                content = answer.read()
            found: dict[str, Any] = json.loads(content) if content else {}
        except urllib.error.HTTPError as error:
            asked = error.headers.get_all("WWW-Authenticate") or []
            if error.code == 401 and any(one.lower().startswith("negotiate") for one in asked):
                raise KerberosError(self) from error
            said = error.read().decode("utf-8", "replace").strip()[:200]
            raise ServerError(
                f"the ResourceManager at {self.url} answers {error.code} to {path}: {said}"
            ) from error
        except ValueError as error:
            raise ServerError(
                f"the ResourceManager at {self.url} answers {path} with a page instead of JSON (a "
                "log-in, or one that stands by)"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ServerError(
                f"the ResourceManager at {self.url} cannot be reached: {reason}"
            ) from error
        return found
