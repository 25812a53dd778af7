"""What needs no Spark: the script that looks at a node before Python starts there, figures."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.spark import page
from setup.layout import CHECKOUT
from setup.spark import logs
from setup.spark.nodes import launcher

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, script: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run a script on a "node" whose programs say other things than this machine's."""
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["sh", "-c", script, "python", "-c", "print('it runs')"],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("base", ["", sys.executable])
def test_a_node_like_this_machine_runs_python(tmp_path: Path, base: str) -> None:
    script = launcher(sys.executable, platform.python_version(), base=base, glibc="2.5")
    done = run(tmp_path, script)
    assert (done.returncode, done.stdout) == (0, "it runs\n")


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({"uname": "echo riscv64"}, "processor is riscv64, what was packed is for"),
        ({"getconf": "echo glibc 2.9"}, "it has glibc 2.9, 2.17 or newer is needed"),
        ({"getconf": "exit 1"}, "it has no glibc"),
        ({"base": "echo 2.7"}, "/base is 2.7, Python 3.11 is needed: pack with --kind whole"),
        ({}, "/base is missing, Python 3.11 is needed: pack with --kind whole"),
    ],
)  # fmt: skip
def test_another_node_says_in_one_line_what_is_wrong(
    tmp_path: Path, programs: dict[str, str], said: str
) -> None:
    base = str(tmp_path / "base") if "/base" in said else ""
    done = run(tmp_path, launcher("/none", "3.11.9", base=base, glibc="2.17"), **programs)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    why = logs.cause(f"Error from python worker:\n  {done.stderr}PYTHONPATH was: /x")
    assert why.startswith("a node cannot run the shipped environment: ")
    assert said in why


def test_figures_on_the_page_are_those_that_were_measured() -> None:
    measured = json.loads((CHECKOUT / "benchmarks/spark/figures.json").read_text())
    shown = (CHECKOUT / "docs/reference/spark-figures.md").read_text()
    assert shown == page.page(measured), (
        "run: python benchmarks/spark/page.py > docs/reference/spark-figures.md"
    )


def test_costs_of_an_update_are_found_again() -> None:
    text, update = 0.0004, 0.012
    rows = [
        {"batch": b, "processes": n, "updates": 40, "cpu": 40 * (text * b / n + update)}
        for b in (128, 1024)
        for n in (1, 2)
    ]
    costs = page.Costs.fit({"rows": rows, "numbers": 10**6})
    assert (costs.text, costs.update) == pytest.approx((text, update))
    assert costs.seconds(128, 2) == pytest.approx(64 * text + update + 2 * (50e-6 + 16e6 / 10e9))
    assert costs.speed_up(128, 1) == 1
    best = costs.best(128)
    assert costs.seconds(128, best) < min(costs.seconds(128, n) for n in (best - 1, best + 1))
    assert costs.speed_up(128, costs.half(128)) >= costs.half(128) / 2
