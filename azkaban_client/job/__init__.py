"""The job kit, which any job on Azkaban can import.

A job is a function. Its signature declares the parameters: properties on Azkaban, options on the
command line, entries in the reference. What it returns is passed to the jobs that depend on it;
returned numbers are metrics::

    from datetime import date
    from typing import Annotated

    from azkaban_client.job import Param, Run, job

    @job
    def main(day: date, run: Run, rows: Annotated[int, Param("Rows to count.", ge=1)] = 100):
        \"\"\"Count the sales of a day.\"\"\"
        run.log(f"counting {rows} rows of {day}")
        return {"total": 42}

    if __name__ == "__main__":
        main.start()

It runs as ``python sales.py --day yesterday``, and on Azkaban with ``command=python sales.py`` and
``sales.day=2026-11-30``. Each run leaves ``run.json`` and ``report.html`` in its folder, however it
ends.

Importing the kit needs only the standard library. It needs javaproperties to run on Azkaban, and
matplotlib for plots.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from azkaban_client.files import write_bytes, write_text
from azkaban_client.job.kinds import Secret
from azkaban_client.job.params import Param, ParamError, param
from azkaban_client.job.report import Page
from azkaban_client.job.run import InputError, Run
from azkaban_client.job.runtime import JobFunction, Outputs, job

if TYPE_CHECKING:
    from azkaban_client.job.plots import COLOURS, figure

__all__ = [
    "COLOURS",
    "InputError",
    "JobFunction",
    "Outputs",
    "Page",
    "Param",
    "ParamError",
    "Run",
    "Secret",
    "figure",
    "job",
    "param",
    "write_bytes",
    "write_text",
]


def __getattr__(name: str) -> Any:
    if name in {"COLOURS", "figure"}:
        return getattr(import_module("azkaban_client.job.plots"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
