r"""Updates until an LSTM solves recall (T = 200) and adding (T = 100), and peak memory.

    OPENBLAS_NUM_THREADS=1 \
        python -m benchmarks.nn.tasks --json benchmarks/nn/figures.json [--seeds 5]

Hidden 128, batch 32, Adam, clip 1, chrono biases. Recall counts as solved when the last 10 batches
are 99% right, adding when the mean squared error of the last 20 is below 0.01. Peak memory is that
of a process of its own which makes 20 updates of the character model; with torch installed, of one
that does so in torch as well.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.nn.keep import arguments, keep
from core.nn import (
    LSTM,
    Adam,
    CrossEntropy,
    Dense,
    EmbeddedDense,
    LastStep,
    Sequential,
    SquaredError,
    Trainer,
)
from core.nn.lstm import chrono_bias
from tests.core.nn.problems import RECALL_SYMBOLS, adding, recall

ROOT = Path(__file__).resolve().parents[2]
HIDDEN, BATCH = 128, 32

MEMORY = """
import resource
import numpy as np
x, y = np.random.default_rng(0).integers(65, size=(2, {steps}, {batch}))
{setup}
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
OURS = """
from core.nn import Adam, CrossEntropy, Trainer
from core.nn.models import charlm
rng = np.random.default_rng(0)
net = charlm(vocabulary=65, hidden={hidden}, embedding=128, rng=rng)
trainer = Trainer(net, CrossEntropy(), Adam(), rng=rng, clip=5.0)
step = lambda: trainer.step(x, y)
"""
TORCH = """
from benchmarks.nn import speed
step = speed.theirs({hidden}, x, y)
"""


def until_recall(seed: int, steps: int = 200, limit: int = 1000) -> int:
    """Count the updates until recall is solved."""
    rng, data = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    project = EmbeddedDense(RECALL_SYMBOLS, 16, 4 * HIDDEN, rng=rng, dtype="float32")
    layer = LSTM(RECALL_SYMBOLS, HIDDEN, project=project, rng=rng, dtype="float32")
    chrono_bias(layer, steps, rng)
    net = Sequential([layer, LastStep(), Dense(HIDDEN, 8, rng=rng, dtype="float32")])
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=5e-3), rng=rng, clip=1.0)
    right: list[float] = []
    while trainer.updates < limit and (len(right) < 10 or np.mean(right[-10:]) < 0.99):
        x, y = recall(data, steps=steps, batch=BATCH)
        right.append(float((trainer.step(x, y).output.argmax(axis=1) == y).mean()))
    return trainer.updates


def until_adding(seed: int, steps: int = 100, limit: int = 3000) -> int:
    """Count the updates until adding is solved."""
    rng, data = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    layer = LSTM(2, HIDDEN, rng=rng, dtype="float32")
    chrono_bias(layer, steps, rng)
    net = Sequential([layer, LastStep(), Dense(HIDDEN, 1, rng=rng, dtype="float32")])
    trainer = Trainer(net, SquaredError("mean"), Adam(learning_rate=3e-3), rng=rng, clip=1.0)
    errors: list[float] = []
    while trainer.updates < limit and (len(errors) < 20 or np.mean(errors[-20:]) >= 0.01):
        errors.append(2 * trainer.step(*adding(data, steps=steps, batch=BATCH)).loss)
    return trainer.updates


def peak(setup: str, hidden: int, batch: int, steps: int) -> int:
    """Peak resident memory in MB of a process that trains."""
    code = MEMORY.format(
        steps=steps,
        batch=batch,
        setup=setup.format(hidden=hidden),
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    ways = {"numpy": OURS, "numba": OURS.replace("rng=rng)", "rng=rng, compiled=True)", 1)}
    if importlib.util.find_spec("torch"):
        ways["torch"] = TORCH
    memory = []
    for hidden, batch, steps in ((128, 32, 50), (256, 64, 100)):
        # The lesser of two processes: the first one may have to compile.
        mb = {
            way: min(peak(setup, hidden, batch, steps) for _ in range(2))
            for way, setup in ways.items()
        }
        memory.append({"hidden": hidden, "batch": batch, "steps": steps, "mb": mb})
        print(memory[-1], flush=True)
    keep(options.json, "memory", memory)
    for name, run in (("recall", until_recall), ("adding", until_adding)):
        updates = sorted(run(seed) for seed in range(options.seeds))
        print(f"{name} solved after {updates}", flush=True)
        keep(options.json, "tasks", updates, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
