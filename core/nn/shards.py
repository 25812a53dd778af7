"""Train on data that no process holds as a whole: each has its own part of the sequences.

The batches are those of a single process. Of each, a process differentiates what it holds; the
gradients are added up, as in `core.nn.parallel`. So who holds what changes nothing but rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.nn.parallel import ParallelTrainer
from core.nn.trainer import take

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.nn.protocols import Array

__all__ = ["Shard", "ShardTrainer"]


@dataclass(frozen=True)
class Shard:
    """Sequences ``(steps, sequences)``, of which this process holds some.

    It is picked from by ``shard[:, columns]``, as arrays are, and copies nothing then.

    Attributes
    ----------
    values
        What this process holds, ``(steps, held)``.
    place
        Column of each sequence in `values`, ``(sequences,)``; -1 for those of other processes.
    later
        ``later(epoch)`` gives other sequences for an epoch after the first (from 1), and the
        targets of those that are held, 0 for all others; None when each epoch is on the same.

    Examples
    --------
    >>> shard = Shard(np.array([[7, 9]]), np.array([-1, 0, -1, 1]))
    >>> shard.shape, shard[:, [3, 2, 1]].held, (shard > 8).values
    ((1, 4), array([0, 2]), array([[False,  True]]))
    """

    values: Array
    place: Array
    later: Callable[[int], tuple[Shard, Array]] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """That of the whole."""
        return self.values.shape[0], self.place.size

    @property
    def held(self) -> Array:
        """The numbers of the sequences that this process holds."""
        return np.flatnonzero(self.place >= 0)

    def __getitem__(self, key: tuple[slice, Any]) -> Shard:
        """Pick sequences."""
        return replace(self, place=self.place[key[1]])

    def __gt__(self, other: int) -> Shard:
        """Compare what is held, as for a mask."""
        return replace(self, values=self.values > other)


class ShardTrainer(ParallelTrainer):
    """A trainer in one of several processes, each of which holds a `Shard` of the sequences.

    All processes know all the targets, one for each sequence. When a shard has others for `later`
    epochs, these know their targets from each other, and are masked where they are 0. The
    parameters are those of `ParallelTrainer`.

    Examples
    --------
    The first of two processes, whose other half is not there:

    >>> from core.nn import SGD, CrossEntropy, Embedding, MeanPool, Sequential
    >>> rng = np.random.default_rng(0)
    >>> network = Sequential([Embedding(5, 2, rng=rng), MeanPool()])
    >>> trainer = ShardTrainer(network, CrossEntropy(), SGD(learning_rate=0.1), rng=rng,
    ...                        rank=0, size=2, all_reduce=lambda vector: None, batch_axis=1)
    >>> x = Shard(np.array([[1, 2], [3, 4]]), np.array([0, -1, 1]))
    >>> history = trainer.fit(x, np.array([0, 1, 1]), epochs=1, batch_size=2, mask=x > 0)
    >>> len(history)
    1
    """

    def prepare(self, x: Any, y: Array, mask: Any = None) -> tuple[Any, Array, Any]:
        """Check that the targets fit the network."""
        y = np.asarray(y)
        if x.shape[1] != y.shape[0]:
            raise ValueError(f"{x.shape[1]} examples but {y.shape[0]} targets")
        self.loss.check(self.network.output_shape(x.shape), y)
        return x, y, mask

    def _epoch(
        self, x: Any, y: Array, mask: Any, batch_size: int | None, epoch: int
    ) -> dict[str, float]:
        if x.later and len(self.history):
            x, y = self._exchanged(*x.later(len(self.history)))
            mask = None if mask is None else x > 0
        return super()._epoch(x, y, mask, batch_size, epoch)

    def _exchanged(self, x: Shard, y: Array) -> tuple[Shard, Array]:
        """Tell all processes the targets of what each of them holds."""
        sums = np.stack([y, x.place >= 0]).astype(np.int64)
        self.all_reduce(sums.reshape(-1))
        if (sums[1] != 1).any():
            raise ValueError("sequences are missing, or there twice")
        return x, sums[0]

    def _share(self, x: Any) -> Array:
        held: Array = x.held
        return held

    def _pick(self, a: Any, rows: Array, axis: int) -> Array:
        return take(a.values, a.place[rows], axis)
