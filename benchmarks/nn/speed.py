"""Training speed side by side: LSTM against PyTorch, MLP against scikit-learn.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m benchmarks.nn.speed [--rounds N] [--keep]

Run it in the checkout; it needs torch, scikit-learn and numba. The peers take turns in one
process, so that a busy machine slows all of them alike; the best round counts, in CPU time. With
--keep freed memory is kept (`core.nn.memory`), as the jobs do it; torch gains by that too.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from core.nn import Adam, CrossEntropy, Trainer
from core.nn.memory import keep_freed_memory
from core.nn.models import charlm, mlp

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = ((128, 32, 50), (128, 64, 100), (256, 32, 50), (256, 64, 100))
VOCABULARY, EMBEDDING = 65, 128
RATIOS = ("numpy/emb", "numpy/1hot", "numba/emb", "numba/1hot")


def ours(hidden: int, x: np.ndarray, y: np.ndarray, *, compiled: bool = False) -> Callable[[], Any]:
    """One update: forward, backward, clip, Adam."""
    rng = np.random.default_rng(0)
    net = charlm(
        vocabulary=VOCABULARY, hidden=hidden, embedding=EMBEDDING, rng=rng, compiled=compiled
    )
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=2e-3), rng=rng, clip=5.0)
    return lambda: trainer.step(x, y)


def theirs(hidden: int, x: np.ndarray, y: np.ndarray, *, onehot: bool) -> Callable[[], Any]:
    """Do the same in torch, from an embedding or from one-hot vectors."""
    table = torch.nn.Embedding(VOCABULARY, EMBEDDING)
    lstm = torch.nn.LSTM(VOCABULARY if onehot else EMBEDDING, hidden)
    out = torch.nn.Linear(hidden, VOCABULARY)
    weights = [*([] if onehot else table.parameters()), *lstm.parameters(), *out.parameters()]
    rule = torch.optim.Adam(weights, 2e-3)
    ids, target = torch.from_numpy(x), torch.from_numpy(y).reshape(-1)

    def step() -> None:
        rule.zero_grad()
        inputs = torch.nn.functional.one_hot(ids, VOCABULARY).float() if onehot else table(ids)
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


def lstm(rounds: int) -> None:
    print("LSTM training, thousands of tokens per CPU second (hidden / batch / steps)")
    header = ("numpy", "numba", "torch emb", "torch 1hot", *RATIOS, "numpy/sgemm", "numba/sgemm")
    print(f"{'':>12}" + "".join(f"{name:>12}" for name in header))
    for hidden, batch, steps in SIZES:
        rng = np.random.default_rng(0)
        x, y = rng.integers(VOCABULARY, size=(2, steps, batch))
        square = np.ones((1024, 1024), dtype=np.float32)
        peers = {
            "numpy": ours(hidden, x, y),
            "numba": ours(hidden, x, y, compiled=True),
            "emb": theirs(hidden, x, y, onehot=False),
            "1hot": theirs(hidden, x, y, onehot=True),
            "product": lambda square=square: square @ square,
        }
        took = best(peers, rounds, 0.1)
        rate = {name: steps * batch / seconds / 1000 for name, seconds in took.items()}
        # what cannot be left out: state to gates forward and back, both outer products, the output
        flops = 2 * 3 * (4 * hidden * hidden + hidden * VOCABULARY)
        sgemm = 2 * 1024**3 / took["product"]
        row = f"{f'{hidden}/{batch}/{steps}':>12}"
        row += "".join(f"{rate[name]:>12.1f}" for name in ("numpy", "numba", "emb", "1hot"))
        for ratio in RATIOS:
            first, _, second = ratio.partition("/")
            row += f"{rate[first] / rate[second]:>12.2f}"
        row += "".join(f"{rate[way] * 1000 * flops / sgemm:>12.0%}" for way in ("numpy", "numba"))
        print(row, flush=True)


def digits(rounds: int) -> None:
    print("\nMLP on digits (1347 examples, 100 hidden ReLU units), ms of CPU per epoch")
    print(f"{'batch':>16}{'ours f32':>11}{'ours f64':>11}{'sklearn':>11}{'f64/sklearn':>13}")
    x, y = load_digits(return_X_y=True)
    x, y = x[:1347] / 16, y[:1347]
    epochs = 5
    for batch in (32, 200):
        peers: dict[str, Callable[[], Any]] = {}
        for dtype in ("float32", "float64"):
            rng = np.random.default_rng(0)
            net = mlp(sizes=[64, 100, 10], activation="relu", start="he", dtype=dtype, rng=rng)
            trainer = Trainer(net, CrossEntropy(), Adam(), rng=rng)
            peers[dtype] = partial(trainer.fit, x, y, epochs=epochs, batch_size=batch)
        peer = MLPClassifier((100,), batch_size=batch, max_iter=epochs, alpha=0, tol=0)
        peers["sklearn"] = partial(peer.fit, x, y)
        took = {name: 1000 * s / epochs for name, s in best(peers, rounds, 0.3).items()}
        print(
            f"{batch:>16}{took['float32']:>11.2f}{took['float64']:>11.2f}{took['sklearn']:>11.2f}"
            f"{took['float64'] / took['sklearn']:>13.2f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", action="store_true", help="keep freed memory, for all peers")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if options.keep:
        keep_freed_memory()
    print(f"numpy {np.__version__}, torch {torch.__version__}, one thread\n")
    lstm(options.rounds)
    digits(options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
