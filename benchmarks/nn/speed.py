r"""Training speed side by side: LSTM against PyTorch, MLP against scikit-learn.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
        python -m benchmarks.nn.speed --json benchmarks/nn/figures.json [--rounds N]
    python benchmarks/page.py nn docs/reference/nn-figures.md

Run it in the checkout; it needs torch, scikit-learn and numba. The peers take turns in one
process, so that a busy machine slows all of them alike; the best round counts, in CPU time. All
keep freed memory (`core.nn.memory`), as the jobs do it; torch gains by that too. Figures of other
processors stay in the file.
"""

from __future__ import annotations

import sys
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from benchmarks.nn.keep import arguments, keep, machine, processor
from core.nn import LSTM, Adam, CrossEntropy, Dense, Sequential, Trainer
from core.nn.memory import keep_freed_memory
from core.nn.models import charlm, mlp

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.nn import Layer

SIZES = ((128, 32, 50), (128, 64, 100), (256, 32, 50), (256, 64, 100), (512, 32, 50), (512, 64, 50))
VOCABULARY, EMBEDDING, FEATURES = 65, 128, 64


def ours(hidden: int, x: np.ndarray, y: np.ndarray, *, compiled: bool = False) -> Callable[[], Any]:
    """One update: forward, backward, clip, Adam; from symbols, or from vectors of features."""
    rng = np.random.default_rng(0)
    net: Layer
    if x.ndim == 2:
        net = charlm(
            vocabulary=VOCABULARY, hidden=hidden, embedding=EMBEDDING, rng=rng, compiled=compiled
        )
    else:
        layer = LSTM(FEATURES, hidden, rng=rng, dtype="float32", compiled=compiled)
        net = Sequential([layer, Dense(hidden, VOCABULARY, rng=rng, dtype="float32")])
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=2e-3), rng=rng, clip=5.0)
    return lambda: trainer.step(x, y)


def theirs(hidden: int, x: np.ndarray, y: np.ndarray, *, onehot: bool = False) -> Callable[[], Any]:
    """Do the same in torch: from an embedding, from one-hot vectors, or from features."""
    table = torch.nn.Embedding(VOCABULARY, EMBEDDING) if x.ndim == 2 and not onehot else None
    width = EMBEDDING if table else VOCABULARY if onehot else FEATURES
    lstm, out = torch.nn.LSTM(width, hidden), torch.nn.Linear(hidden, VOCABULARY)
    weights = [p for part in (table, lstm, out) if part is not None for p in part.parameters()]
    rule = torch.optim.Adam(weights, 2e-3)
    given, target = torch.from_numpy(x), torch.from_numpy(y).reshape(-1)

    def step() -> None:
        rule.zero_grad()
        inputs = given if table is None else table(given)
        if onehot:
            inputs = torch.nn.functional.one_hot(given, VOCABULARY).float()
        logits = out(lstm(inputs)[0]).reshape(-1, VOCABULARY)
        torch.nn.functional.cross_entropy(logits, target).backward()
        torch.nn.utils.clip_grad_norm_(weights, 5.0)
        rule.step()

    return step


def best(peers: dict[str, Callable[[], Any]], rounds: int, seconds: float) -> dict[str, float]:
    """Seconds of one call of each, the least of all rounds."""
    least, count = {}, {}
    for name, call in peers.items():
        call()
        start = time.process_time()
        call()
        count[name] = max(1, round(seconds / (time.process_time() - start)))
        least[name] = float("inf")
    for _ in range(rounds):
        for name, call in peers.items():
            start = time.process_time()
            for _ in range(count[name]):
                call()
            least[name] = min(least[name], (time.process_time() - start) / count[name])
    return least


def lstm(rounds: int) -> list[dict[str, Any]]:
    """Thousands of tokens per CPU second, and the rate of one large product in GFLOP per second."""
    square = np.ones((1024, 1024), dtype=np.float32)
    rows = []
    for hidden, batch, steps in SIZES:
        rng = np.random.default_rng(0)
        x, y = rng.integers(VOCABULARY, size=(2, steps, batch))
        dense = rng.normal(size=(steps, batch, FEATURES)).astype(np.float32)
        peers = {
            "numpy": ours(hidden, x, y),
            "numba": ours(hidden, x, y, compiled=True),
            "embedding": theirs(hidden, x, y),
            "one-hot": theirs(hidden, x, y, onehot=True),
            "dense numpy": ours(hidden, dense, y),
            "dense numba": ours(hidden, dense, y, compiled=True),
            "dense torch": theirs(hidden, dense, y),
            "product": lambda: square @ square,
        }
        took = best(peers, rounds, 0.1)
        product = 2 * 1024**3 / took.pop("product") / 1e9
        rates = {name: steps * batch / seconds / 1000 for name, seconds in took.items()}
        # what cannot be left out: state to gates forward and back, both outer products, the output
        flops = 2 * 3 * (4 * hidden * hidden + hidden * VOCABULARY)
        share = {way: rates[way] * flops / product / 1e6 for way in ("numpy", "numba")}
        row = {"hidden": hidden, "batch": batch, "steps": steps}
        row |= {"rates": rounded(rates), "product": round(product), "share": rounded(share)}
        print(row, flush=True)
        rows.append(row)
    return rows


def digits(rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of CPU per epoch of an MLP, from new weights each time, as scikit-learn does."""
    x, y = load_digits(return_X_y=True)
    x, y = x[:1347] / 16, y[:1347]
    epochs = 5
    rows = []

    def train(dtype: str, batch: int) -> None:
        rng = np.random.default_rng(0)
        net = mlp(sizes=[64, 100, 10], activation="relu", start="he", dtype=dtype, rng=rng)
        Trainer(net, CrossEntropy(), Adam(), rng=rng).fit(x, y, epochs=epochs, batch_size=batch)

    for batch in (32, 200):
        peer = MLPClassifier((100,), batch_size=batch, max_iter=epochs, alpha=0, tol=0)
        peers: dict[str, Callable[[], Any]] = {
            "float32": partial(train, "float32", batch),
            "float64": partial(train, "float64", batch),
            "scikit-learn": partial(peer.fit, x, y),
        }
        took = best(peers, rounds, 0.3)
        row = {"batch": batch, "ms": rounded({k: 1000 * s / epochs for k, s in took.items()})}
        print(row, flush=True)
        rows.append(row)
    return rows


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Keep four digits."""
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    keep_freed_memory()
    found = machine() | {"rounds": options.rounds}
    found |= {"lstm": lstm(options.rounds), "digits": digits(options.rounds)}
    keep(options.json, "speed", found, processor())
    return 0


if __name__ == "__main__":
    sys.exit(main())
