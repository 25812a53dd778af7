"""The training loop: batches, updates, validation, history."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from core.checks import amount, count
from core.nn.optimisers import clip_norm
from core.nn.parameters import ParameterVector
from core.nn.protocols import Array, Context, Layer, Loss, Optimiser, ShapeError
from core.nn.sequential import parameter_gradients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["History", "Position", "Step", "Trainer", "TrainingError", "take"]


class TrainingError(ArithmeticError):
    """Training cannot continue; the message names the epoch, the batch, and what to change."""


@dataclass(frozen=True)
class Step:
    """What one update saw, before it changed the parameters.

    Attributes
    ----------
    loss
        As the loss reduces it.
    output
        The network's.
    grad_norm
        Euclidean norm of the gradient, before clipping.
    cache
        The network's.
    """

    loss: float
    output: Array
    grad_norm: float
    cache: Any


@dataclass
class History:
    """One row per epoch, kept by columns.

    Examples
    --------
    >>> history = History()
    >>> history.append(loss=1.5, accuracy=0.4)
    >>> history.append(loss=0.5, accuracy=0.9)
    >>> history["loss"], len(history)
    ([1.5, 0.5], 2)
    """

    columns: dict[str, list[float]] = field(default_factory=dict)

    def append(self, **row: float) -> None:
        """Add an epoch."""
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[float]:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return max(map(len, self.columns.values()), default=0)


@dataclass
class Position:
    """How far an epoch has got, for a checkpoint between two of its updates.

    Attributes
    ----------
    size
        Examples of the epoch.
    rng
        The generator's state before it drew their order.
    examples, batches
        How many are done.
    loss, score, norms
        Sums over those, for the history.
    """

    size: int
    rng: dict[str, Any]
    examples: int = 0
    batches: int = 0
    loss: float = 0.0
    score: float = 0.0
    norms: float = 0.0


@dataclass(eq=False, repr=False)
class Trainer:
    """Fits a network to examples.

    Parameters
    ----------
    network, loss, optimiser
        What is trained, by which measure and by which rule.
    rng
        Shuffles the examples and drives random layers: the same generator gives the same run.
    metric
        ``metric(output, target)``, averaged over examples; recorded as ``accuracy``. Of masked
        sequences with an output for each step it gets the steps that count, ``(n, outputs)``.
    clip
        Largest Euclidean norm of a gradient; longer ones are scaled down.
    schedule
        ``schedule(update)`` gives the factor on the learning rate of that update (from 0).
    batch_axis, target_axis
        Where examples are counted in the data and in the targets: 1 for sequences, which are
        time-major, and for targets that have one value per step.
    progress
        Wraps the epochs of `fit`, to show how far training is.
    after_update
        Called after each update of `fit`, where a checkpoint can be saved.

    Examples
    --------
    >>> from core.nn import Adam, CrossEntropy, Dense
    >>> from core.nn.labels import accuracy
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2))
    >>> y = (x[:, 0] > x[:, 1]).astype(int)
    >>> trainer = Trainer(Dense(2, 2, rng=rng), CrossEntropy(), Adam(learning_rate=0.1),
    ...                   rng=rng, metric=accuracy)
    >>> history = trainer.fit(x, y, epochs=20, batch_size=50)
    >>> history["accuracy"][-1] > 0.95
    True
    """

    network: Layer
    loss: Loss
    optimiser: Optimiser
    _: KW_ONLY
    rng: np.random.Generator
    metric: Callable[[Array, Array], float] | None = None
    clip: float | None = None
    schedule: Callable[[int], float] | None = None
    batch_axis: int = 0
    target_axis: int = 0
    progress: Callable[[Iterable[int]], Iterable[int]] = iter
    after_update: Callable[[Trainer], object] = lambda _trainer: None

    def __post_init__(self) -> None:
        if self.clip is not None:
            amount("clip", self.clip)
        for name in ("batch_axis", "target_axis"):
            if getattr(self, name) not in (0, 1):
                raise ValueError(f"{name} = {getattr(self, name)!r}: must be 0 or 1")
        self.parameters = ParameterVector(self.network)
        self.optimiser_state = self.optimiser.init(self.parameters.values)
        self.updates = 0
        self.history = History()
        self.position: Position | None = None  # within an epoch

    def step(
        self, x: Array, target: Array, *, mask: Array | None = None, state: Any = None
    ) -> Step:
        """Make one update on one batch.

        Raises
        ------
        TrainingError
            The loss or the gradient is not finite; the parameters are as they were before.
        """
        ctx = Context(training=True, rng=self.rng, mask=mask, state=state)
        with np.errstate(over="ignore", invalid="ignore"):  # overflows are caught below
            return self._step(x, target, ctx)

    def _step(self, x: Array, target: Array, ctx: Context) -> Step:
        value, output, cache = self._differentiate(x, target, ctx)
        grad = self.parameters.grad
        norm = clip_norm(grad, self.clip if self.clip is not None else math.inf)
        if not (math.isfinite(value) and math.isfinite(norm)):
            what = "loss" if not math.isfinite(value) else "gradient"
            raise TrainingError(
                f"the {what} is not finite at update {self.updates}: "
                "check the data for NaN, lower the learning rate or clip the gradient"
            )
        factor = self.schedule(self.updates) if self.schedule else 1.0
        self.optimiser.step(self.parameters.values, grad, self.optimiser_state, factor)
        self.updates += 1
        return Step(value, output, norm, cache)

    def _differentiate(self, x: Array, target: Array, ctx: Context) -> tuple[float, Array, Any]:
        """Fill the gradient vector; return the loss, the output and the network's cache."""
        output, cache = self.network.forward(x, ctx)
        mask = ctx.mask if output.ndim == 3 else None  # one output per sequence has no steps
        value, loss_cache = self.loss.forward(output, target, mask)
        grads = parameter_gradients(self.network, self.loss.backward(loss_cache), cache)
        self.parameters.set_grad(grads)
        return value, output, cache

    def fit(
        self,
        x: Array,
        y: Array,
        *,
        epochs: int,
        batch_size: int | None = None,
        mask: Array | None = None,
        validation: tuple[Array, ...] | None = None,
        callbacks: Sequence[Callable[[Trainer], bool | None]] = (),
    ) -> History:
        """Train for `epochs` passes over the examples, in a new random order each time.

        An epoch that a checkpoint has interrupted counts as the first.

        Parameters
        ----------
        x
            ``(examples, features)``, or ``(steps, examples, features)`` with ``batch_axis=1``.
        y
            Targets as the loss takes them, one per example.
        epochs
            Passes over the data.
        batch_size
            Examples per update; all of them by default, in their own order.
        mask
            ``(steps, examples)``, true where a step belongs to the sequence.
        validation
            ``(x, y)`` or ``(x, y, mask)`` that is measured after each epoch and not trained on.
        callbacks
            Called after each epoch; true ends the training, after which each that has a method
            `finish` is called by it. See `core.nn.callbacks`.

        Returns
        -------
        History
            Per epoch: ``loss``, ``accuracy`` (with a metric) and ``grad_norm``, seen during the
            epoch before each update; ``validation_loss`` and ``validation_accuracy`` after it.

        Raises
        ------
        ValueError
            Data that are empty, not finite or do not fit the network or the loss.
        TrainingError
            The loss or the gradient is not finite any more.
        """
        count("epochs", epochs, 0)
        if batch_size is not None:
            count("batch_size", batch_size)
        x, y, mask = self.prepare(x, y, mask)
        checked = None if validation is None else self.prepare(*validation)
        for epoch in self.progress(range(epochs)):
            row = self._epoch(x, y, mask, batch_size, epoch)
            if checked is not None:
                for name, value in self._measure(*checked).items():
                    row[f"validation_{name}"] = value
            if not all(map(math.isfinite, row.values())):
                raise TrainingError(f"epoch {epoch}: a loss is not finite: lower the learning rate")
            self.history.append(**row)
            ends = [callback(self) for callback in callbacks]  # all see every epoch
            if any(ends):
                break
        for callback in callbacks:
            if hasattr(callback, "finish"):
                callback.finish(self)
        return self.history

    def _epoch(
        self, x: Array, y: Array, mask: Array | None, batch_size: int | None, epoch: int
    ) -> dict[str, float]:
        n = x.shape[self.batch_axis]
        size = n if batch_size is None else min(batch_size, n)
        try:
            at, order = self._enter(n, shuffled=batch_size is not None)
            while at.examples < n:
                start, stop = at.examples, min(at.examples + size, n)
                rows = slice(start, stop) if order is None else order[start:stop]
                target = take(y, rows, self.target_axis)
                kept = None if mask is None else take(mask, rows, 1)
                try:
                    step = self.step(take(x, rows, self.batch_axis), target, mask=kept)
                except TrainingError as error:
                    raise TrainingError(f"epoch {epoch}, batch {at.batches}: {error}") from None
                share = (stop - start) / n
                at.loss += step.loss * (share if self.loss.reduction == "mean" else 1.0)
                at.norms += step.grad_norm
                if self.metric is not None:
                    at.score += self.metric(*counted(step.output, target, kept)) * share
                at.examples, at.batches = stop, at.batches + 1
                self.after_update(self)
        finally:
            self.position = None  # a later call begins a new epoch
        row = {"loss": at.loss, "grad_norm": at.norms / at.batches}
        if self.metric is not None:
            row["accuracy"] = at.score
        return row

    def _enter(self, n: int, *, shuffled: bool) -> tuple[Position, Array | None]:
        """Begin an epoch, or continue the one that a checkpoint has interrupted."""
        state = self.rng.bit_generator.state
        resumed = self.position is not None
        at = self.position = self.position or Position(n, dict(state))
        if at.size != n:
            raise ValueError(
                f"the checkpoint is of the middle of an epoch of {at.size} examples, not {n}"
            )
        self.rng.bit_generator.state = at.rng
        order = self.rng.permutation(n) if shuffled else None
        if resumed:
            self.rng.bit_generator.state = state
        return at, order

    def prepare(
        self, x: Array, y: Array, mask: Array | None = None
    ) -> tuple[Array, Array, Array | None]:
        """Check data and bring them to the network's dtype; raise ValueError if they are unfit."""
        dtype = self.parameters.values.dtype
        x, y = np.asarray(x), np.asarray(y)
        if x.size == 0:
            raise ValueError("the data are empty: expected at least one example")
        examples, targets = x.shape[self.batch_axis], y.shape[self.target_axis]
        if examples != targets:
            raise ValueError(f"{examples} examples but {targets} targets")
        if x.dtype.kind == "f":
            with np.errstate(over="ignore"):
                given, x = x, x.astype(dtype, copy=False)
            if not np.isfinite(x).all():
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
                raise ValueError(f"x{list(where)} = {given[where]}: data must be finite in {dtype}")
        elif x.dtype.kind not in "iub":
            raise ValueError(f"x is of {x.dtype}: must be numbers")
        if y.dtype.kind == "f":
            y = y.astype(dtype, copy=False)
        self.loss.check(self.network.output_shape(x.shape), y)
        if mask is not None and mask.shape != x.shape[:2]:
            raise ShapeError(f"mask is {mask.shape}, expected {x.shape[:2]}")
        return x, y, None if mask is None else mask.astype(bool)

    def evaluate(self, x: Array, y: Array, mask: Array | None = None) -> dict[str, float]:
        """Return the loss (and accuracy, with a metric) on data, without training."""
        return self._measure(*self.prepare(x, y, mask))

    def _measure(self, x: Array, y: Array, mask: Array | None = None) -> dict[str, float]:
        output, _ = self.network.forward(x, Context(mask=mask))
        steps = mask if output.ndim == 3 else None
        measured = {"loss": self.loss.forward(output, y, steps)[0]}
        if self.metric is not None:
            measured["accuracy"] = self.metric(*counted(output, y, mask))
        return measured


def take(a: Array, rows: Array | slice, axis: int) -> Array:
    """Pick examples, which are counted along the first or the second axis."""
    return a[rows] if axis == 0 else a[:, rows]


def counted(output: Array, target: Array, mask: Array | None) -> tuple[Array, Array]:
    """Select what counts: for masked sequences with an output per step, the existing steps."""
    if mask is None or output.ndim < 3:
        return output, target
    return output[mask], target[mask]
