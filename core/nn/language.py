"""Language models over characters: alphabet, windows of a text, bits per character, sampling.

A text is read in ``batch`` parallel streams. Each update sees the next ``steps`` characters of
every stream, and the state is carried from window to window, so that a model can use more of the
past than one window (truncated back-propagation through time).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.checks import amount, count
from core.nn.activations import softmax
from core.nn.losses import CrossEntropy
from core.nn.protocols import Array, Context, Layer
from core.nn.recurrent import final_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.nn.trainer import Step, Trainer

__all__ = ["Alphabet", "Reader", "bits_per_symbol", "ngram_bits", "sample", "train"]


@dataclass(frozen=True)
class Alphabet:
    """The characters that a model knows, in order; each is a number.

    Examples
    --------
    >>> alphabet = Alphabet.of("hello")
    >>> alphabet.symbols, alphabet.encode("hole").tolist()
    ('ehlo', [1, 3, 2, 0])
    >>> alphabet.decode(np.array([1, 0]))
    'he'
    >>> alphabet.encode("help")
    Traceback (most recent call last):
        ...
    ValueError: character 'p' at 3 is not in the alphabet of 4 characters
    """

    symbols: str

    @classmethod
    def of(cls, text: str) -> Alphabet:
        """Collect the characters of a text."""
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> Array:
        """Return numbers ``(len(text),)``; raise ValueError for an unknown character."""
        codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        known = np.frombuffer(self.symbols.encode("utf-32-le"), dtype=np.uint32)
        ids = np.searchsorted(known, codes)
        found = known[np.minimum(ids, len(known) - 1)] == codes if len(known) else codes < 0
        if not found.all():
            at = int(np.argmin(found))
            raise ValueError(
                f"character {text[at]!r} at {at} is not in the alphabet of {len(self)} characters"
            )
        return ids

    def decode(self, ids: Array) -> str:
        """Convert numbers back to text."""
        return "".join(self.symbols[i] for i in ids)


class Reader:
    """Reads numbers in parallel streams, window by window, round after round.

    Parameters
    ----------
    ids
        ``(n,)``.
    batch, steps
        Streams, and characters of a window; a stream must hold one window and the character after.

    Attributes
    ----------
    position
        Where the next window starts in each stream.
    state
        The network's after the last window; None at the start of a round.

    Examples
    --------
    >>> reader = Reader(np.arange(10), batch=2, steps=2)
    >>> x, y = reader.window()
    >>> x.T.tolist(), y.T.tolist()
    ([[0, 1], [5, 6]], [[1, 2], [6, 7]])
    """

    def __init__(self, ids: Array, *, batch: int, steps: int) -> None:
        count("batch", batch)
        count("steps", steps)
        length = len(ids) // batch
        if length <= steps:
            raise ValueError(
                f"{len(ids)} characters in {batch} streams leave {length} in each: "
                f"windows of {steps} need {steps + 1}"
            )
        self.steps = steps
        self.streams = np.ascontiguousarray(ids[: length * batch].reshape(batch, length).T)
        self.position = 0
        self.state: Any = None

    def window(self) -> tuple[Array, Array]:
        """Return the next inputs and targets, ``(steps, batch)`` each."""
        if self.position + self.steps >= len(self.streams):
            self.position, self.state = 0, None
        start, stop = self.position, self.position + self.steps
        self.position = stop
        return self.streams[start:stop], self.streams[start + 1 : stop + 1]


def train(
    trainer: Trainer,
    reader: Reader,
    *,
    updates: int,
    after: Callable[[Step], bool] | None = None,
) -> None:
    """Read and update until the trainer has made `updates` in total.

    Parameters
    ----------
    trainer
        Its loss is a `core.nn.losses.CrossEntropy`.
    reader
        Source of the text; trainer and reader together make up a checkpoint.
    updates
        In total, including earlier ones.
    after
        Called after each update; training ends early when it returns true.
    """
    count("updates", updates, 0)
    while trainer.updates < updates:
        x, y = reader.window()
        step = trainer.step(x, y, state=reader.state)
        reader.state = final_state(step.cache)
        if after is not None and after(step):
            return


def bits_per_symbol(network: Layer, ids: Array, *, streams: int = 32, window: int = 200) -> float:
    """Return the mean of ``-log2 p(next symbol)`` over a text, read from the start in long streams.

    Parameters
    ----------
    network
        Symbols to logits.
    ids
        ``(n,)``, n >= 2.
    streams
        Parts that are read in parallel, each from an empty state.
    window
        Symbols at a time; it only affects the memory used.
    """
    count("streams", streams)
    count("window", window)
    streams = max(1, min(streams, len(ids) // 100))
    length = (len(ids) - 1) // streams
    if length < 1:
        raise ValueError(f"{len(ids)} symbols: at least 2 are needed")
    starts = np.arange(streams) * length
    x = ids[starts + np.arange(length)[:, None]]
    y = ids[starts + np.arange(1, length + 1)[:, None]]
    loss, nats, state = CrossEntropy("sum"), 0.0, None
    for start in range(0, length, window):
        logits, cache = network.forward(x[start : start + window], Context(state=state))
        nats += loss.forward(logits, y[start : start + window])[0]
        state = final_state(cache)
    return nats / (math.log(2) * int(x.size))


def sample(
    network: Layer,
    start: Array,
    length: int,
    *,
    rng: np.random.Generator,
    temperature: float = 1.0,
) -> Array:
    """Draw `length` symbols that continue `start` ``(n,)``, n >= 1.

    Parameters
    ----------
    network, start, length
        The model, the text that it continues, and how much it writes.
    rng
        Draws the symbols.
    temperature
        Below 1 prefers likely symbols, above 1 unlikely ones; > 0.
    """
    count("length", length, 0)
    amount("temperature", temperature)
    if len(start) == 0:
        raise ValueError("start: at least one symbol is needed")
    drawn = np.empty(length, dtype=np.int64)
    inputs, state = start[:, None], None
    for i in range(length):
        logits, cache = network.forward(inputs, Context(state=state))
        state = final_state(cache)
        p = softmax(logits[-1, 0].astype(np.float64) / temperature)
        drawn[i] = rng.choice(len(p), p=p / p.sum())
        inputs = drawn[i : i + 1, None]
    return drawn


def ngram_bits(train_ids: Array, test_ids: Array, order: int, vocabulary: int) -> float:
    """Return bits per symbol of the baseline, an interpolated n-gram model (Witten, Bell 1991).

    ``P(w | context) = (count + types * P(w | shorter context)) / (total + types)``, where `types`
    is the number of different symbols seen after the context; the lowest order is uniform.

    Parameters
    ----------
    train_ids, test_ids
        ``(n,)``.
    order
        1 for unigrams, 2 for bigrams, ...; ``vocabulary ** order`` must fit in memory.
    vocabulary
        Number of symbols.

    Examples
    --------
    >>> round(ngram_bits(np.tile([0, 1], 500), np.tile([0, 1], 50), 2, 2), 2)
    0.0
    """
    count("order", order)
    count("vocabulary", vocabulary)
    if len(test_ids) < order or len(train_ids) < order:
        raise ValueError(f"order = {order}: must be at most the number of symbols")
    p = np.full(len(test_ids) - order + 1, 1.0 / vocabulary)
    for n in range(1, order + 1):
        counts = np.bincount(_grams(train_ids, n, vocabulary), minlength=vocabulary**n)
        table = counts.reshape(-1, vocabulary)
        total, types = table.sum(axis=1), (table > 0).sum(axis=1)
        grams = _grams(test_ids[order - n :], n, vocabulary)
        context = grams // vocabulary
        weight = np.maximum(total + types, 1)[context]
        seen = total[context] > 0
        p = np.where(seen, (counts[grams] + types[context] * p) / weight, p)
    return float(-np.log2(p).mean())


def _grams(ids: Array, n: int, vocabulary: int) -> Array:
    code = np.zeros(len(ids) - n + 1, dtype=np.int64)
    for i in range(n):
        code = code * vocabulary + ids[i : len(ids) - n + 1 + i]
    return code
