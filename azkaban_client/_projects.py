"""List, create, delete and upload projects, and read what they contain."""

from __future__ import annotations

import html
import os
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from azkaban_client import columns
from azkaban_client._answers import cookie_message, is_login_page, read
from azkaban_client._http import Call
from azkaban_client._session import SessionBase, cookies_of
from azkaban_client._upload import MultipartStream
from azkaban_client.errors import (
    BadAnswer,
    InvalidProject,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Refused,
    ServerFault,
    Unsupported,
)
from azkaban_client.files import whole
from azkaban_client.flow.zip import members
from azkaban_client.models import Flow, Project, ProjectEvent, Upload, moment
from azkaban_client.options import refuse_unknown_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["ProjectCalls"]

_UPLOAD_TIMEOUT = 600.0  # the server unpacks and checks the project before it answers


class ProjectCalls(SessionBase):
    """Calls about projects."""

    def projects(self, *, mine: bool = False) -> tuple[Project, ...]:
        """List the projects that the user may see, by name.

        Parameters
        ----------
        mine
            Only those that the user has a permission of their own on.

        Notes
        -----
        Servers from 3.1 on answer with ids and creators; older ones have only the web page,
        which tells name, description and the last change.
        """
        if self.capabilities.project_list is False:
            page = self._page("/index", **({} if mine else {"all": ""}))
            found = _projects_of(page)
        else:
            action = "fetchuserprojects" if mine else "fetchallprojects"
            data = self._get("/index", ajax=action, _expect=("projects",))
            found = [
                Project(
                    name=item["projectName"],
                    id=item["projectId"],
                    created_by=item.get("createdBy"),
                    created=moment(item.get("createdTime")),
                )
                for item in data["projects"]
            ]
        return tuple(sorted(found, key=lambda project: project.name.lower()))

    def project(self, name: str) -> Project:
        """Return everything that the server reports of a project (three or four requests).

        Raises
        ------
        NotFound
            There is no such project.
        """
        number = self.project_id(name)
        listed = {one.name: one for one in self.projects()}.get(name, Project(name=name))
        page = self._page("/manager", project=name)
        found = [pattern.search(page) for pattern in _PROJECT_DETAILS]
        said = [one and html.unescape(one[1]).strip() for one in found]
        description, modified, modified_by = said
        return replace(
            listed,
            id=number,
            description=description or None,
            modified=modified,
            modified_by=modified_by,
        )

    def create_project(self, name: str, description: str | None = None) -> None:
        """Create an empty project.

        Parameters
        ----------
        name
            A letter, then letters, digits, ``-`` and ``_``; at most 64.
        description
            The server requires one; the name by default.

        Raises
        ------
        Refused
            It exists already, or the name is not allowed.
        """
        form = {"action": "create", "name": name, "description": description or name}
        try:
            self._ask(Call("POST", "/manager", form=form, safe=False, ids={"project": name}))
        except Refused as error:
            raise _too_long(error, name, description or "") or error from error

    def delete_project(self, name: str) -> str:
        """Delete a project and return the server's message.

        Newer servers remove its schedules along with it; 2.5 wants them removed first.

        Raises
        ------
        NotFound
            There is no such project.
        Refused
            2.5: a flow of it is running or scheduled. Any server: the user is no admin of it.
        """
        result = cookie_message(self._redirect("/manager", project=name, delete="true"))
        if result is None:
            raise BadAnswer(f"the server did not say whether project {name!r} was deleted")
        good, words = result
        if not good:
            kind = NotFound if "doesn't exist" in words else Refused
            raise kind(words, request="GET /manager delete=true", ids={"project": name})
        return words

    def upload(
        self,
        project: str,
        path: str | os.PathLike[str],
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> Upload:
        """Upload a zip as the project's new version; it is streamed from the disk.

        Parameters
        ----------
        project
            Name of the project; it must exist.
        path
            The zip.
        progress
            Called with the bytes sent so far and their number.

        Returns
        -------
        Upload
            Id of the project and its new version.

        Raises
        ------
        InvalidProject
            It is no zip, and nothing was sent; or the server found errors in the flows. Before,
            `azkaban_client.flow.lint.lint` finds these and more in ``Bundle.from_zip(path)``.
        NotFound
            There is no such project.
        OutcomeUnknown
            The connection was lost and the project's log shows no upload since: look at it again
            before you send the zip again.

        Notes
        -----
        When the answer is lost, the project's log is looked up, and the zip is never sent twice.
        An upload found that way has no `version`: the log does not tell it.
        """
        file = Path(path)
        if not zipfile.is_zipfile(file):
            file.stat()  # a file that is not there is another mistake
            raise InvalidProject(f"{file}: not a zip", ids={"project": project})
        members(file)  # what the server cannot unpack, or would unpack elsewhere
        before = self._last_upload(project)
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            name = file.name if file.suffix.lower() == ".zip" else f"{file.name}.zip"
            fields = {"ajax": "upload", "project": project}
            body = MultipartStream(fields, stream, size, name, progress)
            call = Call(
                "POST",
                "/manager",
                body=body,
                headers={"Content-Type": body.content_type},
                safe=False,
                timeout=_UPLOAD_TIMEOUT,
                ids={**fields, "file": name},
            )

            def send() -> dict[str, Any]:
                body.rewind()
                return self._answer(call, expect=("version",), session=True)

            try:
                data = self._in_session(send)
            except OutcomeUnknown as error:
                return self._find_upload(project, before, error)
            except Refused as error:
                kind = _kind_of_refusal(error.message)
                if kind is None:
                    raise
                about = {"project": error.project or ""}
                raise kind(
                    error.message, request=error.request, status=error.status, ids=about
                ) from error
        return Upload(project_id=int(data["projectId"]), version=int(data["version"]))

    def last_upload(self, project: str) -> ProjectEvent | None:
        """Return the newest upload in a project's log; its message names the file."""
        size, skip = 100, 0
        while events := self.project_log(project, size=size, skip=skip):
            for event in events:
                if event.type == "UPLOADED":
                    return event
            if len(events) < size:
                break
            skip += size
        return None

    def _last_upload(self, project: str) -> ProjectEvent | None:
        """Return the newest upload if it can be told; also tells a missing project early."""
        try:
            return self.last_upload(project)
        except (PermissionDenied, Unsupported):
            return None

    def _find_upload(
        self, project: str, before: ProjectEvent | None, error: OutcomeUnknown
    ) -> Upload:
        """Look whether an upload whose answer was lost has arrived."""
        for pause in (0.5, 1.0, 2.0):
            time.sleep(pause)
            last = self._last_upload(project)
            if last is not None and last != before and last.user in (self.username, None):
                return Upload(project_id=self.project_id(project), version=None)
        raise OutcomeUnknown(
            f"{error.message}; the log of project {project} shows no new upload since: look at it "
            "again before you send the zip again",
            request=error.request,
            ids={"project": project},
        ) from error

    def download(
        self, project: str, path: str | os.PathLike[str], *, version: int | None = None
    ) -> Path:
        """Download a project's zip (servers from 2.6.4 on), whole or not at all.

        Parameters
        ----------
        project
            Its name.
        path
            Where to write it; an existing file is replaced once the new one is complete.
        version
            The latest by default.

        Raises
        ------
        Unsupported
            The server is too old.
        NotFound
            There is no such project or version.
        OSError
            The disk is full, the folder not writable ...; nothing is left behind.
        """
        self._need("download", "downloading a project", "2.6.4")
        query = {"project": project, "download": "true"}
        if version is not None:
            query["version"] = str(version)
        target = Path(path)
        with whole(target) as stream:
            self._in_session(lambda: self._fetch_to(stream, Call("GET", "/manager", query)))
        return target

    def _fetch_to(self, stream: IO[bytes], call: Call) -> None:
        stream.seek(0)
        stream.truncate()
        with self._transport.send(call, cookie=self._cookie(), stream=True) as response:
            pieces = self._transport.body(response, call)
            first = next(pieces, b"")
            if response.status_code != 200 or not first.startswith(b"PK"):
                words = cookie_message(cookies_of(response))
                if words is not None:
                    raise NotFound(words[1], request=str(call), ids=call.about())
                rest = (first + b"".join(pieces)).decode("utf-8", "replace")
                if response.status_code != 200 or is_login_page(rest):
                    read(response.status_code, rest, call)
                raise Unsupported(
                    "the server gives no zip: downloads need Azkaban 2.6.4 or later",
                    request=str(call),
                    ids=call.about(),
                )
            stream.write(first)
            for piece in pieces:
                stream.write(piece)

    def describe(self, project: str, description: str) -> None:
        """Change a project's description."""
        try:
            self._project(project, "changeDescription", description=description)
        except Refused as error:
            raise _too_long(error, project, description) or error from error

    def project_log(
        self, project: str, *, size: int = 100, skip: int = 0
    ) -> tuple[ProjectEvent, ...]:
        """List what was done to a project, newest first."""
        data = self._project(
            project, "fetchProjectLogs", size=size, skip=skip, _expect=("logData",)
        )
        return tuple(
            ProjectEvent(user=user, time=moment(time), type=kind, message=message)
            for user, time, kind, message in data["logData"]
        )

    def job_types(self, project: str, flow: str) -> tuple[str, ...]:
        """List the types of a flow's jobs."""
        data = self._flow(project, flow, "fetchflowdetails", _expect=("jobTypes",))
        return tuple(sorted(data["jobTypes"]))

    def job_overrides(self, project: str, flow: str, job: str) -> dict[str, str]:
        """Return the properties that a job runs with in place of its file's; these if not set."""
        data = self._project(
            project, "fetchJobInfo", flowName=flow, jobName=job, _expect=("overrideParams",)
        )
        return {str(key): str(value) for key, value in data["overrideParams"].items()}

    def set_job_overrides(
        self, project: str, flow: str, job: str, properties: Mapping[str, str]
    ) -> None:
        """Replace the properties that a job runs with until the next upload."""
        overrides = {f"jobOverride[{key}]": value for key, value in properties.items()}
        self._project(project, "setJobOverrideProperty", flowName=flow, jobName=job, **overrides)

    def lock_flow(self, project: str, flow: str, *, reason: str = "") -> None:
        """Keep a flow from being started (servers from 3.72 on)."""
        self._lock(project, flow, "true", reason)

    def unlock_flow(self, project: str, flow: str) -> None:
        """Let a locked flow be started again."""
        self._lock(project, flow, "false", "")

    def is_flow_locked(self, project: str, flow: str) -> bool:
        """Tell whether a flow is locked."""
        self._need("flow_lock", "locking a flow", "3.72")
        data = self._project(project, "isFlowLocked", flowName=flow, _expect=("isLocked",))
        return bool(data["isLocked"])

    def _lock(self, project: str, flow: str, locked: str, reason: str) -> None:
        self._need("flow_lock", "locking a flow", "3.72")
        self._project(
            project,
            "setFlowLock",
            flowName=flow,
            isLocked=locked,
            flowLockErrorMessage=reason,
            _expect=("isLocked",),
        )

    def project_id(self, project: str) -> int:
        """Return a project's number."""
        return int(self._project(project, "fetchprojectflows")["projectId"])

    def flows(self, project: str) -> tuple[str, ...]:
        """List the ids of a project's flows, by name."""
        data = self._project(project, "fetchprojectflows", _expect=("flows",))
        return tuple(sorted(item["flowId"] for item in data["flows"]))

    def dependencies(self, project: str, flow: str) -> dict[str, tuple[str, ...]]:
        """Return the jobs of a flow, each with those that it waits for; `flow` tells more."""
        data = self._flow(project, flow, "fetchflowjobs", _expect=("nodes",))
        return {node["id"]: tuple(node["dependencies"]) for node in data["nodes"]}

    def flow(self, project: str, flow: str) -> Flow:
        """Return the graph of a flow, embedded flows included."""
        return Flow.parse(self._flow(project, flow, "fetchflowgraph", _expect=("nodes",)))

    def job_properties(self, project: str, flow: str, job: str) -> dict[str, str]:
        """Return the properties in a job's own file, as written (``${...}`` unresolved)."""
        *outer, name = job.split(":")
        if outer:
            nodes = {node.id: node for node in self.flow(project, flow).walk()}
            refuse_unknown_jobs(nodes, [":".join(outer)], flow, project)
            flow = nodes[":".join(outer)].embedded or flow
        data = self._flow(project, flow, "fetchflownodedata", node=name, _expect=("props",))
        return {str(key): str(value) for key, value in data["props"].items()}

    def shared_properties(
        self, project: str, flow: str, job: str, *, skip: Collection[str] = ()
    ) -> dict[str, dict[str, str]]:
        """Return the ``.properties`` files that a job sees, nearest first, as the web page tells.

        Parameters
        ----------
        project, flow, job
            The job.
        skip
            Files to leave out, because they are known already.
        """
        query = {"project": project, "flow": flow, "job": job}
        links = _PROPERTY_LINK.findall(self._page("/manager", **query))
        return {
            source: _property_table(self._page("/manager", **query, prop=source))
            for source in map(html.unescape, links)
            if source not in skip
        }

    # -- shared with other groups of calls --------------------------------------------------

    def _project(self, project: str, action: str, **query: Any) -> dict[str, Any]:
        return self._get("/manager", ajax=action, project=project, **query)

    def _flow(self, project: str, flow: str, action: str, **query: Any) -> dict[str, Any]:
        """Ask about a flow; servers answer a missing one with a fault of their own."""
        try:
            return self._project(project, action, flow=flow, **query)
        except ServerFault as error:
            self._refuse_missing_flow(project, flow, error)
            raise

    def _refuse_missing_flow(self, project: str, flow: str, error: Exception | None = None) -> None:
        known = self.flows(project)
        if flow not in known:
            names = ", ".join(known) or "none"
            raise NotFound(
                f"project {project!r} has no flow {flow!r} (its flows: {names})",
                ids={"project": project, "flow": flow},
            ) from error


_PROJECT_ROW = re.compile(
    r'<h4><a href="[^"]*manager\?project=(?P<name>[^"&]+)">.*?</h4>'
    r'\s*(?:<p class="project-description">(?P<description>.*?)</p>)?'
    r"(?:.*?Last modified on\s*<strong>(?P<modified>.*?)</strong>"
    r"\s*by\s*<strong>(?P<by>.*?)</strong>)?",
    re.DOTALL,
)
_PROJECT_DETAILS = (
    re.compile(r'<p[^>]*id="project-description"[^>]*>(.*?)</p>', re.DOTALL),
    re.compile(r"<strong>Last modified (?:on|by)</strong>\s*([^<]*)"),  # 2.5 writes "by"
    re.compile(r"<strong>Modified by</strong>\s*([^<]*)"),
)
_PROPERTY_LINK = re.compile(r'href="[^"]*manager\?project=[^"]*&prop=([^"]+)"')
_PROPERTY_ROW = re.compile(r'<td class="property-key">(.*?)</td>\s*<td[^>]*>(.*?)</td>', re.DOTALL)


def _projects_of(page: str) -> list[Project]:
    """Read the list of projects of a server before 3.1 from its page."""
    _, _, rows = page.partition('id="project-list"')
    return [
        Project(
            name=html.unescape(row["name"]),
            description=html.unescape(row["description"] or "").strip() or None,
            modified=row["modified"],
            modified_by=row["by"],
        )
        for chunk in rows.split("<li>")[1:]
        if (row := _PROJECT_ROW.search(chunk))
    ]


def _property_table(page: str) -> dict[str, str]:
    return {
        html.unescape(key.strip()): html.unescape(value.strip())
        for key, value in _PROPERTY_ROW.findall(page)
    }


# What a server says of an upload when it is itself at fault: its disk, its database, its memory.
_SERVERS_OWN = re.compile(
    r"disk is full|Too many open files|Cannot allocate memory|"
    r"Broken pipe|Connection (?:reset|refused|timed out|is closed)|[Cc]ommunications|"
    r"[Ll]ink failure|Deadlock|Lock wait|"
    r"^(?:Error (?:chunking|creating|deleting|fetching|getting|inserting|marking|retrieving|"
    r"updating|uploading|writing)|Md5 Hash failed|Flow Upload failed|Checking for existing|"
    r"Failed to upload|Insert|Query for)",
    re.MULTILINE,
)


def _kind_of_refusal(message: str) -> type[Refused | InvalidProject] | None:
    """Tell a report on bad flows, or on trouble of the server, from other refusals of an upload."""
    if re.search(r"Project '.*doesn't exist|write access", message):
        return None
    flows = re.search(
        r"cannot find dependency|Validator .* reports|Duplicate job names|self cycle|"
        r"Cyclical|doesn't have type|ambiguous dependency|unzipping|Installation Failed\.\n",
        message,
    )
    if not flows:
        return None
    return ServerFault if _SERVERS_OWN.search(message) else InvalidProject


def _too_long(error: Refused, name: str, description: str) -> Refused | None:
    """Name what is too long in a refusal; the server says only that it failed."""
    for what, text, most in (
        ("name", name, columns.PROJECT),
        ("description", description, columns.DESCRIPTION),
    ):
        if len(text) > most:
            words = f"the {what} has {len(text)} characters, and a server may keep {most}"
            return Refused(words, request=error.request, status=error.status)
    return None
