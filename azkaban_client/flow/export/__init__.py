"""Write a flow for another scheduler: Luigi, Airflow, Chronos, or cron and systemd.

The file of the other scheduler is what its users would write: it says which job waits for which,
when the flow runs, and how often a job is tried again. Each job is started by one program beside
it, `azkaban_client.flow.step`, which gives it what Azkaban gives it. What the other scheduler does
not do, or does in another way, is listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.export.plan import Options, Target, make_plan
from azkaban_client.flow.export.program import NAME, program
from azkaban_client.flow.losses import Loss, Losses, is_exact
from azkaban_client.flow.zip import Bundle

if TYPE_CHECKING:
    from azkaban_client.flow.export.plan import Plan

__all__ = ["TARGETS", "Export", "Loss", "Options", "export"]

TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True)
class Export:
    """A flow as another scheduler takes it.

    Attributes
    ----------
    flow
        Id of the flow.
    bundle
        What to write; the project's own files are below its name.
    start
        The file that the scheduler reads.
    losses
        What becomes of each feature that the flow uses.
    """

    flow: str
    bundle: Bundle
    start: str
    losses: tuple[Loss, ...]

    @property
    def is_exact(self) -> bool:
        """Whether the other scheduler does all that Azkaban would."""
        return is_exact(self.losses)


def export(
    bundle: Bundle,
    target: Target,
    *,
    project: str,
    flow: str | None = None,
    options: Options | None = None,
) -> Export:
    r"""Write a flow for another scheduler.

    Parameters
    ----------
    bundle
        The project's files, from `azkaban_client.collect` or `Bundle.from_zip`.
    target
        ``luigi``, ``airflow``, ``chronos`` or ``cron``.
    project
        The project's name.
    flow
        Id of the flow; may be left out if the project has one.
    options
        When it runs, and how.

    Raises
    ------
    NotFound
        There is no such flow, or several and none was named.
    InvalidProject
        A file cannot be read, a dependency is missing, or a job is of a type that needs a server.

    Examples
    --------
    >>> from azkaban_client.flow.zip import Bundle
    >>> files = {"a.job": b"type=noop", "b.job": b"type=noop\ndependencies=a\nretries=2"}
    >>> made = export(Bundle(files), "chronos", project="p")
    >>> made.start, [loss.feature for loss in made.losses if loss.degree != "exact"]
    ('b.json', ['run', 'outputs', 'concurrency: skip'])
    """
    from azkaban_client.flow.export import airflow, chronos, cron, luigi

    plan = make_plan(bundle, project, flow, options or Options())
    _check_names(plan)
    losses = Losses()
    write = {
        "airflow": airflow.write,
        "chronos": chronos.write,
        "cron": cron.write,
        "luigi": luigi.write,
    }[target]
    files = write(plan, losses)
    own = {f"{project}/{name}": place for name, place in bundle.files.items()}
    return Export(
        flow=plan.flow,
        bundle=Bundle({**own, NAME: program(), **files}),
        start=next(iter(files)),
        losses=tuple(losses.found),
    )


def _check_names(plan: Plan) -> None:
    """Refuse what would go on in the next line of a crontab, a unit or a program."""
    for text in (plan.project, plan.flow, *(node.id for node in plan.jobs)):
        if not text.isprintable():
            raise InvalidProject(
                f"{text!r}: a name with a line break, or another character that cannot be printed: "
                "no file of another scheduler can hold it"
            )
