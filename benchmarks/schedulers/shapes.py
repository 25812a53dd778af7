"""The flows that are run on each scheduler: which program each job runs, and what it waits for."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azkaban_client import Bundle, collect
from azkaban_client.flow.export import export
from azkaban_client.flow.export.plan import Options, make_plan
from azkaban_client.flow.export.program import NAME
from azkaban_client.flow.zip import unpack
from setup.layout import CHECKOUT

FLOWS = Path(__file__).parent / "flows"
LAST = "last"  # the job that all others come before


@dataclass(frozen=True)
class Shape:
    """A flow.

    Attributes
    ----------
    name
        What it is called; no job has the same name.
    jobs
        Commands and needs by the names of the jobs; what a job needs comes before it.
    project
        The same for Azkaban, if it is more than these commands.
    """

    name: str
    jobs: dict[str, dict[str, Any]]
    project: Bundle | None = None

    @property
    def flow(self) -> str:
        """What Azkaban calls it: the name of its last job."""
        return [*self.jobs][-1]

    def bundle(self) -> Bundle:
        """Return the project for Azkaban."""
        if self.project is not None:
            return self.project
        return Bundle(
            {
                f"{name}.job": (
                    f"type=command\ncommand={' '.join(about['command'])}\n"
                    f"dependencies={','.join(about['needs'])}\n"
                ).encode()
                for name, about in self.jobs.items()
            }
        )

    def write(self, folder: Path, kind: str) -> Path:
        """Write it for another scheduler into a folder of its name; return the file."""
        place = folder / self.name
        place.mkdir(parents=True)
        (place / "jobs.json").write_text(json.dumps(self.jobs))
        file = shutil.copy(FLOWS / f"{kind}_flow.py", place)
        return Path(file)


def chain(count: int, name: str, command: list[str]) -> Shape:
    """Make jobs one after the other; each is told its name if the command has a ``{}``."""
    names = [*(f"job{number}" for number in range(1, count)), LAST]
    return Shape(
        name,
        {
            one: {
                "command": [word.replace("{}", one) for word in command],
                "needs": [names[number - 1]] if number else [],
            }
            for number, one in enumerate(names)
        },
    )


def fan(count: int, name: str) -> Shape:
    """Make a job, so many that wait for it, and one that waits for them."""
    middle = [f"job{number}" for number in range(1, count + 1)]
    jobs = {"first": {"command": ["true"], "needs": []}}
    jobs |= {one: {"command": ["true"], "needs": ["first"]} for one in middle}
    return Shape(name, {**jobs, LAST: {"command": ["true"], "needs": middle}})


def real(folder: Path, run: str) -> Shape:
    """Make the flow nn; elsewhere its jobs get from `azk export` what Azkaban gives them."""
    files = collect(CHECKOUT / "flows" / "nn", [CHECKOUT / "jobs", CHECKOUT / "core"])
    unpack(export(files, "luigi", project="nn").bundle, folder)
    step = ["env", f"AZKABAN_RUN={run}", sys.executable, str(folder / NAME), str(folder / "nn")]
    jobs = {
        node.id: {"command": [*step, "nn", node.id], "needs": [one.id for one in node.needs]}
        for node in make_plan(files, "nn", None, Options()).jobs
    }
    return Shape("networks", jobs, files)
