"""Jobs in processes of their own, as Azkaban starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


def command(module: str, props: Mapping[str, object]) -> list[str]:
    """Return the command line of a job; a name without a dot is one of its own parameters."""
    whole = ("seed", "output.dir")
    keys = {key: key if "." in key or key in whole else f"{module}.{key}" for key in props}
    pairs = [part for key, value in props.items() for part in ("--prop", f"{keys[key]}={value}")]
    return [sys.executable, "-m", f"jobs.{module}", *pairs]


def run(
    module: str,
    props: Mapping[str, object],
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a job to its end."""
    return subprocess.run(
        command(module, props),
        cwd=ROOT,
        env={**ENV, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def outputs(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return what a job that succeeded hands on."""
    assert done.returncode == 0, done.stderr
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)


def refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    """Check that a job refused its input in one line."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
