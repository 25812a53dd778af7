"""Read what another scheduler runs, and write it as flows of Azkaban.

A crontab, a DAG of Airflow, tasks of Luigi, a workflow of Oozie. The files are read and never run,
so that only what stands in them is seen: tasks that a loop or a call makes are not, and are listed
as lost, as is all else that Azkaban does not do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.imports.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azkaban_client.flow.losses import Loss
    from azkaban_client.when import When

__all__ = ["Imported", "read"]

Source = Literal["cron", "airflow", "luigi", "oozie"]


@dataclass(frozen=True)
class Imported:
    """Flows that were read from elsewhere.

    Attributes
    ----------
    files
        The files of the project (Flow 1.0), by name.
    flows
        Its flows.
    schedules
        When they run.
    losses
        What became of each feature.
    """

    files: Mapping[str, bytes]
    flows: tuple[str, ...]
    schedules: Mapping[str, When]
    losses: tuple[Loss, ...]


def read(text: str, source: Source, *, name: str) -> Imported:
    r"""Read what another scheduler runs.

    Parameters
    ----------
    text
        The file.
    source
        Whose it is: ``cron``, ``airflow``, ``luigi`` or ``oozie``.
    name
        What the file is called, without its ending; for messages, and for the flow if it names
        none.

    Raises
    ------
    InvalidProject
        It cannot be read, or has nothing to run.

    Examples
    --------
    >>> made = read("30 6 * * 1-5 python3 /home/me/fetch.py --all", "cron", name="mine")
    >>> made.flows, str(made.schedules["fetch"])
    (('fetch',), 'cron 0 30 6 ? * MON-FRI')
    >>> print(made.files["fetch.job"].decode())
    type=command
    command=sh -c 'cd; python3 /home/me/fetch.py --all'
    <BLANKLINE>
    """
    from azkaban_client.flow.imports import airflow, crontab, luigi, oozie

    draft = Draft(name)
    readers = {
        "airflow": airflow.read,
        "cron": crontab.read,
        "luigi": luigi.read,
        "oozie": oozie.read,
    }
    if "\0" in text:
        raise InvalidProject(f"{name}: cannot be read: it holds zero bytes, so it is no text")
    try:
        readers[source](text, draft)
    except SyntaxError as error:
        raise InvalidProject(
            f"{name}: cannot be read: {error.msg} (line {error.lineno})"
        ) from error
    except (RecursionError, MemoryError) as error:  # Python's own parser says the second, too
        raise InvalidProject(f"{name}: cannot be read: it is nested too deeply") from error
    if not draft.jobs:
        raise InvalidProject(f"{name}: nothing of {source} is found in it that Azkaban could run")
    return Imported(draft.files(), draft.flows(), draft.schedules, tuple(draft.losses.found))
