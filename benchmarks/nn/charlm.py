r"""Character models side by side with PyTorch: bits per character on held-out text.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
        python -m benchmarks.nn.charlm TEXT --json benchmarks/nn/figures.json [--seeds 3]

Both read the same streams in the same order with the state carried over, embedding = hidden = 128,
batch 32, 50 steps, clip 5, 2000 updates of Adam; once with a constant rate of 0.002 and once with
the rate of the job (0.008, for the RNN 0.004, falling to 0 in a line). Needs torch.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmarks.nn.keep import arguments, keep
from core.nn import Adam, CrossEntropy, Trainer
from core.nn.language import Alphabet, Reader, bits_per_symbol, ngram_bits, train
from core.nn.models import charlm

if TYPE_CHECKING:
    from collections.abc import Callable

HIDDEN, BATCH, STEPS, CLIP = 128, 32, 50, 5.0


class Text(NamedTuple):
    """What is read, what is held out, and how many characters there are to tell apart."""

    ids: np.ndarray
    test: np.ndarray
    symbols: int


def rates(cell: str, updates: int) -> dict[str, tuple[float, Callable[[int], float]]]:
    """Learning rate and its schedule by name."""
    first = 0.004 if cell == "rnn" else 0.008
    return {
        "constant": (0.002, lambda _: 1.0),
        "falling": (first, lambda update: 1 - update / updates),
    }


def ours(text: Text, cell: str, rate: str, *, updates: int, seed: int) -> tuple[float, float]:
    """Bits per character and CPU seconds of training."""
    rng = np.random.default_rng(seed)
    net = charlm(vocabulary=text.symbols, hidden=HIDDEN, cell=cell, rng=rng)
    first, schedule = rates(cell, updates)[rate]
    rule = Adam(learning_rate=first)
    trainer = Trainer(net, CrossEntropy(), rule, rng=rng, clip=CLIP, schedule=schedule)
    start = time.process_time()
    train(trainer, Reader(text.ids, batch=BATCH, steps=STEPS), updates=updates)
    return bits_per_symbol(net, text.test), time.process_time() - start


class Peer(torch.nn.Module):
    """The same network in torch."""

    def __init__(self, cell: str, symbols: int) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(symbols, HIDDEN)
        self.cell = getattr(torch.nn, cell.upper())(HIDDEN, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, symbols)

    def forward(self, x, state):
        y, state = self.cell(self.table(x), state)
        return self.out(y), state


def theirs(text: Text, cell: str, rate: str, *, updates: int, seed: int) -> tuple[float, float]:
    """Do what `ours` does, in torch."""
    torch.manual_seed(seed)
    net = Peer(cell, text.symbols)
    first, schedule = rates(cell, updates)[rate]
    rule = torch.optim.Adam(net.parameters(), first)
    falling = torch.optim.lr_scheduler.LambdaLR(rule, schedule)
    reader = Reader(text.ids, batch=BATCH, steps=STEPS)
    start = time.process_time()
    for _ in range(updates):
        x, y = (torch.from_numpy(np.ascontiguousarray(part)) for part in reader.window())
        logits, state = net(x, reader.state)
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, text.symbols), y.reshape(-1))
        rule.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        rule.step()
        falling.step()
        reader.state = tuple(part.detach() for part in state) if cell == "lstm" else state.detach()
    return _bits(net, text.test), time.process_time() - start


def _bits(net: Peer, ids: np.ndarray, streams: int = 32) -> float:
    length = (len(ids) - 1) // streams
    starts = np.arange(streams) * length
    x = torch.from_numpy(ids[starts + np.arange(length)[:, None]])
    y = torch.from_numpy(ids[starts + np.arange(1, length + 1)[:, None]])
    with torch.no_grad():
        logits, _ = net(x, None)
        nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
    return float(nats) / math.log(2)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    words = options.text.read_text(encoding="utf-8")
    alphabet = Alphabet.of(words)
    ids = alphabet.encode(words).astype(np.int64)
    cut = round(len(ids) * 0.9)
    text = Text(ids[:cut], ids[cut:], len(alphabet))
    grams = [ngram_bits(text.ids, text.test, order, text.symbols) for order in (1, 2, 3)]
    rows = []
    for cell in ("lstm", "gru", "rnn"):
        for rate in ("constant", "falling"):
            row = {"cell": cell, "rate": rate}
            for peer, run in (("here", ours), ("torch", theirs)):
                runs = [
                    run(text, cell, rate, updates=options.updates, seed=seed)
                    for seed in range(options.seeds)
                ]
                bits, seconds = np.mean(runs, axis=0)
                row[peer] = {"bits": round(bits, 3), "seconds": round(seconds, 1)}
            print(row, flush=True)
            rows.append(row)
    found = {"characters": len(text.test), "updates": options.updates, "seeds": options.seeds}
    found |= {"grams": [round(bits, 2) for bits in grams], "rows": rows}
    keep(options.json, "charlm", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
