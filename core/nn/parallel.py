"""Share a training among processes: synchronous data parallelism.

Each process has the whole data, the same generator and the same parameters, and takes its share of
each batch. The gradients are added up over all processes before any of them makes the update. So
all continue with the same parameters, which are those of a single process up to the rounding of
sums.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.nn.trainer import Trainer, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.nn.protocols import Array, Context, Layer, Loss, Optimiser

__all__ = ["ParallelTrainer"]

_MEASURED = 512  # examples that are measured at a time: a share may be large


class ParallelTrainer(Trainer):
    """A trainer in one of several processes that fit a network together with the same calls.

    Dropout draws other random numbers than in a single process: they depend on update and process.

    Parameters
    ----------
    network, loss, optimiser, rng, options
        As for `core.nn.trainer.Trainer`, and the same in each process.
    rank
        Number of this process, from 0.
    size
        Number of processes.
    all_reduce
        Adds up a vector over all processes, in place: each gets the same bytes.

    Examples
    --------
    One process alone, and the first of two whose other half is zero:

    >>> from core.nn import SGD, CrossEntropy, Dense
    >>> x, y = np.eye(4), np.arange(4) % 2
    >>> def fitted(make, **options):
    ...     rng = np.random.default_rng(0)
    ...     trainer = make(Dense(4, 2, rng=rng), CrossEntropy(), SGD(learning_rate=1.0), rng=rng,
    ...                    **options)
    ...     trainer.fit(x, y, epochs=3, batch_size=3)
    ...     return trainer.parameters.values
    >>> alone = fitted(ParallelTrainer, rank=0, size=1, all_reduce=lambda vector: None)
    >>> bool((alone == fitted(Trainer)).all())
    True
    """

    def __init__(
        self,
        network: Layer,
        loss: Loss,
        optimiser: Optimiser,
        *,
        rng: np.random.Generator,
        rank: int,
        size: int,
        all_reduce: Callable[[Array], None],
        **options: Any,
    ) -> None:
        if not 0 <= rank < size:
            raise ValueError(f"rank = {rank}: must be in 0..{size - 1}")
        super().__init__(network, loss, optimiser, rng=rng, **options)
        self.rank = rank
        self.size = size
        self.all_reduce = all_reduce
        # the state identifies the training: a restart has the same one, and no draw is consumed
        seeds: Any = rng.bit_generator.seed_seq
        self._entropy = [int(word) for word in seeds.generate_state(4)]

    def _share(self, x: Array) -> Array:
        """Return the numbers of this process's examples; shares differ by one at most."""
        n = x.shape[self.batch_axis]
        return np.arange(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def _pick(self, a: Array, rows: Array, axis: int) -> Array:
        """Take some of this process's examples."""
        return take(a, rows, axis)

    def _differentiate(self, x: Array, target: Array, ctx: Context) -> tuple[float, Array, Any]:
        """Add up the gradients of all shares, their losses, and their outputs side by side."""
        if ctx.state is not None:
            raise ValueError("ParallelTrainer: a state from batch to batch cannot be shared out")
        n = x.shape[self.batch_axis]
        rows = self._share(x)
        grad = self.parameters.grad
        shape = self.network.output_shape(x.shape)
        sums = np.zeros(grad.size + 1 + int(np.prod(shape)), dtype=grad.dtype)
        if rows.size:
            noise = np.random.default_rng([*self._entropy, self.updates, self.rank])
            mask = None if ctx.mask is None else self._pick(ctx.mask, rows, 1)
            own = replace(ctx, rng=noise, mask=mask)
            value, output, _ = super()._differentiate(
                self._pick(x, rows, self.batch_axis), take(target, rows, self.target_axis), own
            )
            weight = self._weight(ctx.mask, mask, rows.size / n, len(shape))
            np.multiply(grad, grad.dtype.type(weight), out=sums[: grad.size])
            sums[grad.size] = weight * value
            whole = sums[grad.size + 1 :].reshape(shape)
            if len(shape) == 3:
                whole[:, rows] = output
            else:
                whole[rows] = output
        self.all_reduce(sums)
        grad[...] = sums[: grad.size]
        return float(sums[grad.size]), sums[grad.size + 1 :].reshape(shape), None

    def _weight(self, mask: Array | None, own: Array | None, part: float, axes: int) -> float:
        """Return the weight of this share's mean in the mean over all."""
        if self.loss.reduction == "sum":
            return 1.0
        return self._part(mask, own, part, axes)

    def _part(self, mask: Array | None, own: Array | None, part: float, axes: int) -> float:
        """Return the fraction of what counts that lies in a share of `part` examples, in 0..1."""
        if mask is None or own is None or axes < 3:
            return part
        return float(own.sum()) / max(float(mask.sum()), 1.0)

    def _measure(self, x: Array, y: Array, mask: Array | None = None) -> dict[str, float]:
        """Measure the shares, some examples at a time, and put them together."""
        n = x.shape[self.batch_axis]
        share = self._share(x)
        axes = len(self.network.output_shape(x.shape))
        sums = np.zeros(2)
        for start in range(0, share.size, _MEASURED):
            rows = share[start : start + _MEASURED]
            own = None if mask is None else self._pick(mask, rows, 1)
            measured = super()._measure(
                self._pick(x, rows, self.batch_axis), take(y, rows, self.target_axis), own
            )
            part = rows.size / n
            sums[0] += measured["loss"] * self._weight(mask, own, part, axes)
            sums[1] += measured.get("accuracy", 0.0) * self._part(mask, own, part, axes)
        self.all_reduce(sums)
        found = {"loss": float(sums[0])}
        return found if self.metric is None else {**found, "accuracy": float(sums[1])}
