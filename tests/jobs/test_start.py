"""A job starts with what it needs: what only some of its work needs is loaded where that is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from azkaban_client.job.reference import jobs_of
from setup.layout import CHECKOUT

# Each of these takes as long to load as all the rest of a job that needs numpy alone.
_HEAVY = {
    *("concurrent.futures.process", "hashlib", "logging", "matplotlib", "multiprocessing.context"),
    *("numba", "numpy.random", "onnx", "pulp", "rich", "scipy", "subprocess"),
}
_SCRIPT = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name).main.parameters
print(json.dumps(sorted(sys.modules)))
"""


def _loaded(*modules: str) -> set[str]:
    command = [sys.executable, "-c", _SCRIPT, *modules]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_no_job_loads_what_only_its_work_needs() -> None:
    names = [one.module for one in jobs_of("jobs") if not one.module.startswith("jobs.spark.")]
    assert len(names) > 20
    assert _loaded(*names) & _HEAVY == set()


def test_a_job_on_executors_compiles_nothing_before_it_is_there() -> None:
    names = [one.module for one in jobs_of("jobs.spark")]
    assert _loaded(*names) & {"numba", "pyspark", "scipy", "torch"} == set()


def test_a_part_of_a_plan_loads_no_solver() -> None:
    """Executors and the jobs of `routing_parts` improve routes, and prove nothing."""
    script = "import json, sys, core.routing.divide; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout)) & {"highspy", "pulp", "core.routing.exact"} == set()


@pytest.mark.parametrize("package", ["core.decipher", "core.mcmc", "core.nn", "core.routing"])
def test_a_package_that_loads_its_modules_late_has_all_that_it_names(package: str) -> None:
    script = (
        f"import {package} as package, sys\n"
        f"before = [name for name in sys.modules if name.startswith('{package}.')]\n"
        "print(before, all(hasattr(package, name) for name in package.__all__))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] True\n"
