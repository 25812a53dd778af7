"""Schedules, time limits (SLA) and flow triggers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from azkaban_client._http import Call
from azkaban_client._projects import ProjectCalls
from azkaban_client.errors import BadAnswer, NotFound, Refused, ServerFault
from azkaban_client.models import Schedule, Sla
from azkaban_client.options import (
    ExecutionOptions,
    execution_fields,
    refuse_unknown_jobs,
    sla_fields,
)
from azkaban_client.times import period

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import time

__all__ = ["ScheduleCalls"]


class ScheduleCalls(ProjectCalls):
    """Calls about schedules."""

    def schedule(
        self,
        project: str,
        flow: str,
        *,
        at: datetime,
        every: str | None = None,
        **options: Unpack[ExecutionOptions],
    ) -> Schedule:
        """Run a flow at a given time, once or repeatedly.

        Parameters
        ----------
        project, flow
            The flow. A schedule that it has already is replaced.
        at
            The first time. It must be aware of its time zone; it is sent in UTC.
        every
            A number and a unit: ``s`` seconds, ``m`` minutes, ``h`` hours, ``d`` days,
            ``w`` weeks, ``M`` months. Once by default.
        options
            Those of `azkaban_client.options.ExecutionOptions`.

        Notes
        -----
        The server looks once a minute, so that a flow starts up to 60 s late.
        """
        if at.tzinfo is None:
            raise ValueError(f"at = {at}: expected a time with its time zone")
        if every is not None:
            try:
                period(every)
            except ValueError as error:
                raise ValueError(f"every = {error}") from None
        if every is None and at <= datetime.now(UTC):
            # The server would say "scheduled" and forget it.
            raise ValueError(f"at = {at}: expected a time to come, or a period to repeat it")
        utc = at.astimezone(UTC)
        when = {"scheduleTime": f"{utc:%I,%M,%p,UTC}", "scheduleDate": f"{utc:%m/%d/%Y}"}
        if every is not None:
            when |= {"is_recurring": "on", "period": every}
        return self._schedule(project, flow, when, options)

    def schedule_daily(
        self, project: str, flow: str, at: time, **options: Unpack[ExecutionOptions]
    ) -> Schedule:
        """Run a flow every day at a time of the server's own clock, summer and winter.

        Parameters
        ----------
        project, flow
            The flow. A schedule that it has already is replaced.
        at
            In the time zone of the server; whole minutes.
        options
            Those of `azkaban_client.options.ExecutionOptions`.
        """
        yesterday = datetime.now(UTC) - timedelta(days=1)
        when = {
            # Any zone but UTC stands for the server's; the period then counts by its clock.
            "scheduleTime": f"{at:%I,%M,%p},SERVER",
            "scheduleDate": f"{yesterday:%m/%d/%Y}",
            "is_recurring": "on",
            "period": "1d",
        }
        return self._schedule(project, flow, when, options)

    def _schedule(
        self, project: str, flow: str, when: dict[str, str], options: ExecutionOptions
    ) -> Schedule:
        form = {
            "ajax": "scheduleFlow",
            "projectName": project,
            "projectId": str(self.project_id(project)),
            "flow": flow,
            **when,
            **self._options(project, flow, options),
        }
        self._ask(Call("POST", "/schedule", form=form, safe=False), expect=("status",))
        return self._scheduled(project, flow)

    def schedule_cron(
        self, project: str, flow: str, cron: str, **options: Unpack[ExecutionOptions]
    ) -> Schedule:
        """Run a flow by a Quartz cron expression (servers from 3.2 on).

        Parameters
        ----------
        project, flow
            The flow. A schedule that it has already is replaced.
        cron
            Seconds, minutes, hours, day of month, month, day of week, for example
            ``0 30 5 ? * MON-FRI``: in the time zone of the server.
        options
            Those of `azkaban_client.options.ExecutionOptions`.
        """
        self._need("cron", "a cron schedule", "3.2")
        form = {
            "ajax": "scheduleCronFlow",
            "projectName": project,
            "flow": flow,
            "cronExpression": cron,
            **self._options(project, flow, options),
        }
        self._ask(Call("POST", "/schedule", form=form, safe=False), expect=("scheduleId",))
        return self._scheduled(project, flow)

    def check_options(self, project: str, flow: str, **options: Unpack[ExecutionOptions]) -> None:
        """Refuse options that no execution of a flow could have; nothing is started.

        Parameters
        ----------
        project, flow
            The flow.
        options
            Those of `azkaban_client.options.ExecutionOptions`.

        Raises
        ------
        NotFound
            There is no such project, flow or job.
        """
        self._options(project, flow, options)

    def _options(self, project: str, flow: str, options: ExecutionOptions) -> dict[str, str]:
        names_jobs = options.get("disabled") or options.get("only") is not None
        if not names_jobs:
            self._refuse_missing_flow(project, flow)
        return execution_fields(self.flow(project, flow) if names_jobs else None, options)

    def _scheduled(self, project: str, flow: str) -> Schedule:
        found = self.schedule_of(project, flow)
        if found is None:
            raise BadAnswer(f"the server accepted the schedule of {project}/{flow} and has none")
        return found

    def schedule_of(self, project: str, flow: str) -> Schedule | None:
        """Return the schedule of a flow, or None."""
        data = self._get(
            "/schedule", ajax="fetchSchedule", projectId=self.project_id(project), flowId=flow
        ).get("schedule")
        if not data:
            return None
        return Schedule(
            id=int(data["scheduleId"]),
            project=project,
            flow=flow,
            user=data.get("submitUser"),
            first=data.get("firstSchedTime"),
            next=data.get("nextExecTime"),
            period=_none(data.get("period")),
            cron=_none(data.get("cronExpression")),
        )

    def schedules(self, project: str | None = None) -> tuple[Schedule, ...]:
        """List all schedules that the server has, or those of one project.

        Notes
        -----
        One request for each schedule, because the server's list does not tell its times. Of a
        project that the user may not read they are missing.
        """
        items = self._get("/schedule", ajax="loadFlow").get("items") or ()
        found = []
        for item in items:
            if project not in (None, item["projectname"]):
                continue
            listed = Schedule(
                id=int(item.get("scheduleId") or item["scheduleid"]),
                project=item["projectname"],
                flow=item["flowname"],
                period=_period(item.get("period")),
                cron=_none(item.get("cron")),
            )
            try:
                whole = self.schedule_of(item["projectname"], item["flowname"])
            except ServerFault:
                raise
            except Refused:
                whole = None
            found.append(whole or listed)
        return tuple(found)

    def unschedule(self, project: str, flow: str) -> str:
        """Remove the schedule of a flow and return the server's message."""
        found = self.schedule_of(project, flow)
        if found is None:
            raise NotFound(
                f"flow {flow!r} of project {project!r} is not scheduled",
                ids={"project": project, "flow": flow},
            )
        return self.remove_schedule(found.id)

    def remove_schedule(self, schedule_id: int) -> str:
        """Remove a schedule by its number and return the server's message."""
        form = {"action": "removeSched", "scheduleId": str(schedule_id)}
        data = self._ask(Call("POST", "/schedule", form=form, safe=False), expect=("status",))
        return str(data["message"])

    # -- time limits ------------------------------------------------------------------------

    def set_sla(self, schedule_id: int, limits: Sequence[Sla], emails: Sequence[str]) -> None:
        """Replace the time limits of a schedule.

        Parameters
        ----------
        schedule_id
            Number of the schedule.
        limits
            At least one.
        emails
            Whom to tell.

        Raises
        ------
        NotFound
            The flow has no such job, whose limit would never be missed.
        """
        if not limits:
            raise ValueError("limits: expected one or more; remove the schedule to remove them")
        fields = sla_fields(limits, emails, "settings")
        known = self._of_schedule(schedule_id, "slaInfo", _expect=("allJobNames",))["allJobNames"]
        jobs = [limit.job for limit in limits if limit.job is not None]
        refuse_unknown_jobs(known, jobs, f"of schedule {schedule_id}")
        self._of_schedule(schedule_id, "setSla", _safe=False, **fields)

    def sla(self, schedule_id: int) -> tuple[tuple[Sla, ...], tuple[str, ...]]:
        """Return the time limits of a schedule, and whom the server notifies."""
        data = self._of_schedule(schedule_id, "slaInfo", _expect=("allJobNames",))
        limits = tuple(
            Sla(
                job=item["id"] or None,
                rule="finish" if item["rule"] == "FINISH" else "success",  # 4.0: SUCCEED
                within=_minutes(item["duration"]),
                email="EMAIL" in item["actions"],
                kill="KILL" in item["actions"],
            )
            for item in data.get("settings") or ()
        )
        return limits, tuple(data.get("slaEmails") or ())

    def _of_schedule(self, schedule_id: int, action: str, **query: Any) -> dict[str, Any]:
        try:
            return self._get("/schedule", ajax=action, scheduleId=schedule_id, **query)
        except ServerFault as error:
            if "is null" in error.message or "NullPointer" in error.message:
                raise NotFound(
                    f"there is no schedule {schedule_id}",
                    request=error.request,
                    status=error.status,
                ) from error
            raise

    # -- flow triggers ----------------------------------------------------------------------

    def flow_trigger(self, project: str, flow: str) -> dict[str, Any] | None:
        """Return the trigger of a Flow 2.0 flow by the server's names (from 3.47 on), or None."""
        return self._trigger(project, flow, "fetchTrigger").get("flowTrigger")

    def pause_trigger(self, project: str, flow: str) -> None:
        """Pause the trigger of a flow.

        Raises
        ------
        NotFound
            The flow has no trigger, or the server does not run triggers.
        """
        self._set_trigger(project, flow, "pauseTrigger")

    def resume_trigger(self, project: str, flow: str) -> None:
        """Resume the trigger of a flow; raises as `pause_trigger` does."""
        self._set_trigger(project, flow, "resumeTrigger")

    def _set_trigger(self, project: str, flow: str, action: str) -> None:
        # The server calls it a success where there is none, and fails where it runs none.
        if self.flow_trigger(project, flow) is None:
            raise NotFound(
                f"flow {flow!r} of project {project!r} has no trigger, or the server runs none "
                "(its setting azkaban.server.schedule.enable_quartz)",
                ids={"project": project, "flow": flow},
            )
        self._trigger(project, flow, action)

    def _trigger(self, project: str, flow: str, action: str) -> dict[str, Any]:
        self._need("flow_trigger", "a flow trigger", "3.47")
        number = self.project_id(project)
        return self._get("/flowtrigger", ajax=action, projectId=number, flowId=flow)


def _none(text: str | None) -> str | None:
    """Return None for the text that Java writes instead."""
    return None if text in (None, "", "null", "n") else text


def _period(milliseconds: int | None) -> str | None:
    return str(timedelta(milliseconds=milliseconds)) if milliseconds else None


def _minutes(text: str) -> timedelta:
    return timedelta(minutes=int(text.rstrip("m")))
