"""Freed memory is used again: a training step makes no new pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

CODE = """
import resource
import numpy as np
from core.nn.memory import keep_freed_memory
assert keep_freed_memory()

def step():
    parts = [np.ones(500_000) for _ in range(4)]
    return sum(float(part[0]) for part in parts)

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 50)
"""


def test_steps_make_no_page_faults() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 50  # of the 3,900 pages that a step fills
