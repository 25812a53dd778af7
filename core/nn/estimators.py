"""The networks as scikit-learn estimators, for pipelines, cross validation and grid search.

This is the only module here that needs scikit-learn.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from core.checks import amount, count
from core.nn.activations import softmax
from core.nn.dense import Dense
from core.nn.gru import GRU
from core.nn.labels import accuracy
from core.nn.losses import CrossEntropy
from core.nn.lstm import LSTM
from core.nn.models import mlp
from core.nn.optimisers import Adam
from core.nn.pooling import LastStep
from core.nn.rnn import RNN
from core.nn.schedules import falling
from core.nn.sequential import Sequential
from core.nn.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.nn.protocols import Array, Layer

__all__ = ["MLPClassifier", "SequenceClassifier"]


class _Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Training and prediction by softmax and cross entropy; subclasses define the network."""

    learning_rate: float
    epochs: int
    batch_size: int
    weight_decay: float
    clip: float | None
    random_state: Any
    _three_d: ClassVar[bool] = False

    def _network(self, shape: tuple[int, ...], classes: int, rng: np.random.Generator) -> Layer:
        raise NotImplementedError

    def _check(self) -> None:
        """Raise ValueError for an argument that is out of range, before any work."""
        count("epochs", self.epochs)
        count("batch_size", self.batch_size)
        amount("learning_rate", self.learning_rate)
        amount("weight_decay", self.weight_decay, zero=True)
        if self.clip is not None:
            amount("clip", self.clip)

    def _arrange(self, x: Array) -> Array:
        """Convert scikit-learn's order of axes to the network's."""
        return x

    def fit(self, X: Any, y: Any) -> Self:
        """Train on ``X`` (examples first) and labels ``y``, of any type, one per example.

        Returns
        -------
        self
        """
        self._check()
        X, y = validate_data(
            self, X, y, dtype=np.float64, allow_nd=self._three_d, ensure_min_samples=2
        )
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: {self.classes_[0]!r}"
            )
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        rng = np.random.default_rng(seed)
        self.network_ = self._network(X.shape[1:], len(self.classes_), rng)
        batches = -(-len(X) // min(self.batch_size, len(X)))
        updates = batches * self.epochs
        trainer = Trainer(
            self.network_,
            CrossEntropy(),
            Adam(learning_rate=self.learning_rate, weight_decay=self.weight_decay),
            rng=rng,
            metric=accuracy,
            clip=self.clip,
            schedule=falling(updates),
            batch_axis=1 if self._three_d else 0,
        )
        trainer.fit(self._arrange(X), codes, epochs=self.epochs, batch_size=self.batch_size)
        self.history_ = trainer.history
        self.n_iter_ = self.epochs
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return class probabilities, ``(examples, classes)``, in the order of ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, allow_nd=self._three_d, reset=False)
        logits, _ = self.network_.forward(self._arrange(X))
        return softmax(logits)

    def predict(self, X: Any) -> Array:
        """Return the label of each example, ``(examples,)``."""
        picked: Array = self.predict_proba(X).argmax(axis=1)
        labels: Array = self.classes_[picked]
        return labels


@dataclass(eq=False, repr=False)
class MLPClassifier(_Classifier):
    """The default network of flow nn; put a ``StandardScaler`` before it.

    The learning rate falls linearly to 0 during the training.

    Parameters
    ----------
    hidden
        Units of each hidden layer.
    activation
        ``"tanh"``, ``"sigmoid"`` or ``"relu"``.
    learning_rate, weight_decay
        Settings of Adam.
    epochs, batch_size
        Passes over the data and examples per update.
    clip
        Largest norm of a gradient, or None.
    random_state
        Seed of weights and order.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(epochs=50, random_state=0))
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    hidden: Sequence[int] = (10,)
    _: KW_ONLY
    activation: str = "tanh"
    learning_rate: float = 0.02
    epochs: int = 100
    batch_size: int = 16
    weight_decay: float = 0.003
    clip: float | None = None
    random_state: Any = None

    def _network(self, shape: tuple[int, ...], classes: int, rng: np.random.Generator) -> Layer:
        return mlp(
            sizes=[shape[0], *self._hidden(), classes],
            activation=self.activation,
            start="he" if self.activation == "relu" else "glorot",
            rng=rng,
        )

    def _hidden(self) -> tuple[int, ...]:
        try:
            sizes = tuple(self.hidden)
        except TypeError:
            raise ValueError(f"hidden = {self.hidden!r}: must be a sequence of integers") from None
        for size in sizes:
            count("hidden", size)
        return sizes


@dataclass(eq=False, repr=False)
class SequenceClassifier(_Classifier):
    """A recurrent layer, its last output, and a dense layer on top.

    ``X`` is ``(examples, steps, features)``; a table ``(examples, steps)`` counts as one feature.

    Parameters
    ----------
    cell
        ``"rnn"``, ``"gru"`` or ``"lstm"``.
    hidden
        Units of the recurrent layer.
    learning_rate, epochs, batch_size, weight_decay, clip, random_state
        As for `MLPClassifier`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 12))
    >>> y = np.where(X.sum(axis=1) > 0, "rise", "fall")
    >>> model = SequenceClassifier(hidden=8, epochs=40, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    cell: str = "lstm"
    _: KW_ONLY
    hidden: int = 32
    learning_rate: float = 0.01
    epochs: int = 60
    batch_size: int = 16
    weight_decay: float = 0.0
    clip: float | None = 1.0
    random_state: Any = None
    _three_d: ClassVar[bool] = True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _network(self, shape: tuple[int, ...], classes: int, rng: np.random.Generator) -> Layer:
        kinds: dict[str, type[RNN | GRU | LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
        if self.cell not in kinds:
            raise ValueError(f"cell = {self.cell!r}: expected one of {', '.join(kinds)}")
        n_in = shape[1] if len(shape) == 2 else 1
        layer = kinds[self.cell](n_in, self.hidden, rng=rng)
        return Sequential([layer, LastStep(), Dense(self.hidden, classes, rng=rng)])

    def _arrange(self, x: Array) -> Array:
        three = x if x.ndim == 3 else x[:, :, None]
        return np.ascontiguousarray(three.swapaxes(0, 1))
