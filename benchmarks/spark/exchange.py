"""Gradients exchanged by hundreds of processes: our code in as many threads, and a simulation.

    python benchmarks/spark/exchange.py [--ranks 128 512] [--json FILE]

The first table runs what executors run, `Ring` and `Mailbox`, with a thread for each rank on this
machine's loopback: all join, the first asks the mailbox for a checkpoint and shares it with all,
and they add up a vector twice. What it shows is that they all find each other, that every sum is
exact, and how much processor time a message costs; the seconds say nothing of a cluster, where each
rank has a processor of its own.

The second simulates a cluster, message by message: each rank begins when its own gradient is ready
(later by a random 5%), a message takes the latency, which varies, and its share of the bandwidth,
and a rank goes on when both its own work and the message that it waits for are done. Three ways to
add up are compared: our ring, a binary tree (up, then down), and halving and doubling, which needs
a power of two. Beside each stands the bound on paper, without what is random.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import record

from jobs.spark._allreduce import Ring, Seat
from jobs.spark._mailbox import Mailbox

SECRET = b"of this benchmark"
NUMBERS = 570_629  # of the network of run.py; float32
HOP_US, GBIT = 50.0, 10.0  # assumed, as in page.py
JITTER, LATE = 0.05, 0.2  # at random: of the computing before a sum; of a message's latency, mean
COMPUTE_MS = 20.0


class Gather:
    """Give each thread's text to all, as Spark's all-gather does."""

    def __init__(self, size: int) -> None:
        self._cards = [""] * size
        self._barrier = threading.Barrier(size, timeout=300)

    def of(self, rank: int) -> Callable[[str], list[str]]:
        def gather(text: str) -> list[str]:
            self._cards[rank] = text
            self._barrier.wait()
            return list(self._cards)

        return gather


def together(size: int, work: Callable[[int], None]) -> None:
    """Run a thread for each rank; raise what the first of them raises."""
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            work(rank)
        except BaseException as error:  # noqa: BLE001 (raised again below)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def real(size: int, numbers: int = 4096) -> dict[str, Any]:
    """Run the ring and the mailbox with a thread for each rank."""
    gather, times = Gather(size), dict.fromkeys(("join", "share", "sum", "cpu"), 0.0)
    expected = np.full(numbers, size * (size - 1) / 2)
    meet = threading.Barrier(size, timeout=300)

    def work(rank: int) -> None:
        begin = time.monotonic()
        seat = Seat(rank=rank, size=size, host="127.0.0.1", secret=SECRET, gather=gather.of(rank))
        with Ring.join(seat) as ring:
            times["join"] = max(times["join"], time.monotonic() - begin)
            meet.wait()
            begin = time.monotonic()
            found = ring.share(box.mail.fetch(1) if rank == 0 else b"")
            assert found == data, f"rank {rank}: another checkpoint"
            times["share"] = max(times["share"], time.monotonic() - begin)
            for _ in range(2):
                meet.wait()
                begin, cpu = time.monotonic(), time.process_time()
                vector = np.full(numbers, float(rank))
                ring.all_reduce(vector)
                assert (vector == expected).all(), f"rank {rank}: a sum is wrong"
                meet.wait()
                if rank == 0:
                    times["sum"], times["cpu"] = time.monotonic() - begin, time.process_time() - cpu

    data = np.random.default_rng(0).bytes(3 * 4 * NUMBERS)  # parameters, both moments of Adam
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "checkpoint.npz"
        file.write_bytes(data)
        with Mailbox("127.0.0.1", SECRET, file, lambda _: None) as box:
            together(size, work)
    messages = 2 * (size - 1) * size
    seconds = {name: times[name] for name in ("join", "share", "sum")}
    return {"ranks": size, **seconds, "message_us": times["cpu"] / messages * 1e6}


def ready(size: int, rng: np.random.Generator) -> Any:
    """Draw when each rank's gradient is ready, in seconds."""
    return COMPUTE_MS / 1e3 * (1 + JITTER * np.abs(rng.standard_normal(size)))


def message(part: float) -> float:
    """Return the seconds for a part (0 to 1) of the gradient, at least."""
    return HOP_US / 1e6 + part * NUMBERS * 4 * 8 / (GBIT * 1e9)


def late(rng: np.random.Generator, count: int) -> Any:
    """Draw by how much messages come later than that."""
    return rng.exponential(LATE * HOP_US / 1e6, count)


def ring(t: Any, rng: np.random.Generator) -> Any:
    """Each step waits for the previous rank's last one."""
    n = len(t)
    for _ in range(2 * (n - 1)):
        t = np.maximum(t, np.roll(t, 1)) + message(1 / n) + late(rng, n)
    return t


def tree(t: Any, rng: np.random.Generator) -> Any:
    """Whole gradients go up a binomial tree and down again."""
    n, t = len(t), t.copy()
    levels = [2**k for k in range(math.ceil(math.log2(n)))]
    for span in levels:
        low = np.arange(0, n - span, 2 * span)
        t[low] = np.maximum(t[low], t[low + span]) + message(1) + late(rng, len(low))
    for span in reversed(levels):
        low = np.arange(0, n - span, 2 * span)
        t[low + span] = t[low] + message(1) + late(rng, len(low))
        t[low] += message(1)
    return t


def halving(t: Any, rng: np.random.Generator) -> Any:
    """Pairs exchange halves, then quarters, and so on, and back (Rabenseifner)."""
    n = len(t)
    levels = range(int(math.log2(n)))
    for k in (*levels, *reversed(levels)):
        pair = t[np.arange(n) ^ 2**k]
        t = np.maximum(t, pair) + message(2.0 ** -(k + 1)) + late(rng, n)
    return t


WAYS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[int], float]]] = {
    "ring": (ring, lambda n: 2 * (n - 1) * message(1 / n)),
    "tree": (tree, lambda n: 2 * math.ceil(math.log2(n)) * message(1)),
    "halving": (
        halving,
        lambda n: 2 * math.log2(n) * message(0) + 2 * (1 - 1 / n) * (message(1) - message(0)),
    ),
}


def simulated(size: int, rounds: int = 50) -> dict[str, Any]:
    """Simulate sums; milliseconds after the last gradient was ready, medians, and the bounds."""
    row: dict[str, Any] = {"ranks": size}
    for name, (way, bound) in WAYS.items():
        rng, found = np.random.default_rng(0), []
        for _ in range(rounds):
            t = ready(size, rng)
            found.append(way(t, rng).max() - t.max())
        row[name] = float(np.median(found)) * 1e3
        row[f"{name}_bound"] = bound(size) * 1e3
    return row


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 8, 32, 128, 512])
    record.add_option(parser)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rows = []
    for size in options.ranks:
        row = {**real(size), **simulated(size)}
        print(", ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
        rows.append(row)
    record.keep(
        options.json, "exchange", rows, numbers=NUMBERS, hop_us=HOP_US, gbit=GBIT,
        jitter=JITTER, late=LATE, compute_ms=COMPUTE_MS,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
