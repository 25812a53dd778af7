"""Callbacks of `core.nn.trainer.Trainer.fit`: functions of the trainer, called after each epoch.

A callback ends the training by returning true. If it has a method `finish`, that is called with the
trainer when training has ended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.checks import amount, count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.nn.protocols import Array
    from core.nn.trainer import Trainer

__all__ = ["EarlyStopping"]


@dataclass
class EarlyStopping:
    """Stop when a column of the history no longer improves, and keep the best parameters.

    Parameters
    ----------
    patience
        Epochs without a new best before training ends; >= 1.
    column
        Smaller is better.
    min_delta
        Smallest change that counts as an improvement.

    Examples
    --------
    >>> import numpy as np
    >>> from core.nn import Adam, CrossEntropy, Dense, Trainer
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(40, 2)), rng.integers(2, size=40)
    >>> trainer = Trainer(Dense(2, 2, rng=rng), CrossEntropy(), Adam(learning_rate=0.5), rng=rng)
    >>> history = trainer.fit(x[:20], y[:20], epochs=1000, validation=(x[20:], y[20:]),
    ...                       callbacks=[EarlyStopping(patience=5)])
    >>> len(history) < 1000
    True
    >>> trainer.evaluate(x[20:], y[20:])["loss"] == min(history["validation_loss"])
    True
    """

    patience: int
    column: str = "validation_loss"
    min_delta: float = 0.0
    best: float = math.inf
    _waited: int = 0
    _values: Array | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        count("patience", self.patience)
        amount("min_delta", self.min_delta, zero=True)

    def __call__(self, trainer: Trainer) -> bool:
        """Check the last epoch."""
        if self.column not in trainer.history:
            raise ValueError(f"EarlyStopping: no column {self.column!r} in the history")
        now = trainer.history[self.column][-1]
        if now < self.best - self.min_delta:
            self.best, self._waited = now, 0
            self._values = trainer.parameters.values.copy()
            return False
        self._waited += 1
        return self.done

    @property
    def done(self) -> bool:
        """Whether it has ended the training."""
        return self._waited >= self.patience

    def state(self) -> dict[str, Any]:
        """Return its state, for a checkpoint."""
        return {"best": self.best, "waited": self._waited, "values": self._values}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.best, self._waited = state["best"], state["waited"]
        self._values = state["values"]

    def finish(self, trainer: Trainer) -> None:
        """Restore the best parameters; `fit` calls this at the end."""
        if self._values is not None:
            trainer.parameters.values[...] = self._values
