"""The networks as scikit-learn estimators, for pipelines, cross validation and grid search.

This is the only module here that needs scikit-learn.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from core.checks import amount, count, share
from core.nn.activations import softmax
from core.nn.callbacks import EarlyStopping
from core.nn.dense import Dense
from core.nn.gru import GRU
from core.nn.labels import accuracy
from core.nn.losses import CrossEntropy, SquaredError, Weighted
from core.nn.lstm import LSTM
from core.nn.models import mlp
from core.nn.optimisers import Adam
from core.nn.pooling import LastStep
from core.nn.rnn import RNN
from core.nn.schedules import falling
from core.nn.sequential import Sequential
from core.nn.trainer import History, Trainer, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.nn.protocols import Array, Layer

__all__ = ["MLPClassifier", "MLPRegressor", "SequenceClassifier"]


@dataclass(eq=False, repr=False, kw_only=True)
class _Estimator(BaseEstimator):  # type: ignore[misc]
    """Training; subclasses define the network, the loss and what its targets are."""

    learning_rate: float = 0.02
    epochs: int = 100
    batch_size: int = 16
    weight_decay: float = 0.0
    clip: float | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    tol: float = 1e-4
    random_state: Any = None
    _three_d: ClassVar[bool] = False
    _loss: ClassVar[CrossEntropy | SquaredError]

    def _network(self, shape: tuple[int, ...], outputs: int, rng: np.random.Generator) -> Layer:
        raise NotImplementedError

    def _metric(self) -> Callable[[Array, Array], float] | None:
        return None

    def _check(self) -> None:
        """Raise ValueError for an argument that is out of range, before any work."""
        count("epochs", self.epochs)
        count("batch_size", self.batch_size)
        amount("learning_rate", self.learning_rate)
        amount("weight_decay", self.weight_decay, zero=True)
        if self.clip is not None:
            amount("clip", self.clip)
        if not isinstance(self.early_stopping, bool | np.bool_):
            raise ValueError(  # noqa: TRY004 (as for every argument)
                f"early_stopping = {self.early_stopping!r}: must be True or False"
            )
        count("n_iter_no_change", self.n_iter_no_change)
        amount("tol", self.tol, zero=True)
        share("validation_fraction", self.validation_fraction)
        amount("validation_fraction", self.validation_fraction)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def _arrange(self, x: Array) -> Array:
        """Convert scikit-learn's order of axes to the network's."""
        return x

    def _trainer(
        self, rng: np.random.Generator, *, weighted: bool, schedule: Any = None
    ) -> Trainer:
        return Trainer(
            self.network_,
            Weighted(self._loss) if weighted else self._loss,
            Adam(learning_rate=self.learning_rate, weight_decay=self.weight_decay),
            rng=rng,
            metric=None if weighted else self._metric(),
            clip=self.clip,
            schedule=schedule,
            batch_axis=1 if self._three_d else 0,
        )

    def _begin(self, shape: tuple[int, ...], outputs: int) -> None:
        """Make the network, and the generator that all its randomness comes from."""
        self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        self.network_ = self._network(shape, outputs, self._rng)
        self.history_ = History()
        self._optimiser_state: Any = None

    def _train(self, x: Array, targets: Array, weights: Array | None) -> Self:
        """Train from the start, on targets as the loss takes them."""
        held_out = None
        if weights is not None:
            weights = weights / weights.mean()
        parts = self._parts(targets, weights) if self.early_stopping else None
        targets = _with(targets, weights)
        if parts is not None:
            x, held_out = x[parts[0]], (x[parts[1]], targets[parts[1]])
            targets = targets[parts[0]]
        batches = -(-len(x) // min(self.batch_size, len(x)))
        trainer = self._trainer(
            self._rng, weighted=weights is not None, schedule=falling(batches * self.epochs)
        )
        stop = EarlyStopping(self.n_iter_no_change, min_delta=self.tol)
        try:
            trainer.fit(
                self._arrange(x),
                targets,
                epochs=self.epochs,
                batch_size=self.batch_size,
                validation=None if held_out is None else (self._arrange(held_out[0]), held_out[1]),
                callbacks=[stop] if self.early_stopping else [],
            )
        except TrainingError:
            del self.network_  # so that nobody predicts by what is no result
            raise
        self.history_, self.n_iter_ = trainer.history, len(trainer.history)
        return self

    def _parts(self, targets: Array, weights: Array | None) -> list[Array]:
        """Draw which examples are for training and which are held out, for early stopping."""
        n = len(targets)
        try:
            parts: list[Array] = train_test_split(
                np.arange(n),
                test_size=self.validation_fraction,
                stratify=targets if isinstance(self._loss, CrossEntropy) else None,
                random_state=int(self._rng.integers(2**31)),
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping: cannot hold out {self.validation_fraction} (validation_fraction) "
                f"of {n} examples: {error}"
            ) from None
        for part, name in zip(parts, ("training", "held-out"), strict=True):
            if weights is not None and not weights[part].any():
                raise ValueError(f"sample_weight: all {name} examples weigh 0")
        return parts

    def _train_on(self, x: Array, targets: Array, weights: Array | None) -> Self:
        """Go on training for one pass over `x`, with the optimiser's memory of earlier calls."""
        # A trainer of its own each time: the network may have been copied or pickled since.
        trainer = self._trainer(self._rng, weighted=weights is not None)
        if self._optimiser_state is not None:
            trainer.optimiser_state = self._optimiser_state
        trainer.history = self.history_
        trainer.fit(self._arrange(x), _with(targets, weights), epochs=1, batch_size=self.batch_size)
        self._optimiser_state = trainer.optimiser_state
        self.n_iter_ = len(self.history_)
        return self

    def _weights(self, sample_weight: Any, x: Array) -> Array | None:
        """Check the weights of examples; None if there are none."""
        if sample_weight is None:
            return None
        weights: Array = _check_sample_weight(
            sample_weight, x, dtype=np.float64, ensure_non_negative=True
        )
        with np.errstate(over="ignore"):
            total = weights.sum()
        if not np.isfinite(total):
            raise ValueError("sample_weight: the weights are too large: their sum is not finite")
        return weights

    def _read(self, X: Any, *, reset: bool) -> Array:
        x: Array = validate_data(self, X, dtype=np.float64, allow_nd=self._three_d, reset=reset)
        self._check_shape(x, reset=reset)
        return x

    def _check_shape(self, x: Array, *, reset: bool) -> None:
        """Check what scikit-learn does not."""


def _with(targets: Array, weights: Array | None) -> Array:
    """Put the weights of examples in a last column, where there are any."""
    return targets if weights is None else np.column_stack([targets, weights])


def _labels(classes: Any) -> Array:
    """Sort the labels that there will be."""
    try:
        with np.errstate(invalid="ignore"):
            found: Array = unique_labels(classes)
    except ValueError as error:
        raise ValueError(f"classes = {classes!r}: {error}") from None
    if len(found) < 2:
        raise ValueError(f"classes = {classes!r}: must be at least two")
    return found


class _Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """Prediction by softmax and cross entropy."""

    class_weight: Any
    _loss = CrossEntropy()

    def _check(self) -> None:
        super()._check()
        if isinstance(self.class_weight, dict):
            for label, weight in self.class_weight.items():
                amount(f"class_weight[{label!r}]", weight, zero=True)
        elif self.class_weight is not None and not self._balanced:
            raise ValueError(
                f"class_weight = {self.class_weight!r}: must be a dict {{label: weight}}, "
                "'balanced' or None"
            )

    @property
    def _balanced(self) -> bool:
        return isinstance(self.class_weight, str) and self.class_weight == "balanced"

    def _metric(self) -> Callable[[Array, Array], float]:
        return accuracy

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on ``X`` (examples first) and labels ``y``, of any type, one per example.

        Parameters
        ----------
        X, y
            The examples and their labels.
        sample_weight
            How much each example counts, ``(examples,)``; `class_weight` multiplies it.

        Returns
        -------
        self
        """
        self._check()
        X, y = validate_data(
            self, X, y, dtype=np.float64, allow_nd=self._three_d, ensure_min_samples=2
        )
        self._check_shape(X, reset=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: {self.classes_[0]!r}"
            )
        weights = self._all_weights(sample_weight, X, y)
        self._begin(X.shape[1:], len(self.classes_))
        return self._train(X, codes, weights)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train on for one pass over some examples, at the full learning rate.

        Parameters
        ----------
        X, y
            The examples and their labels.
        classes
            All labels that there will be, for the first call.
        sample_weight
            How much each example counts, ``(examples,)``.

        Returns
        -------
        self
        """
        self._check()
        first = not hasattr(self, "network_")
        X, y = validate_data(self, X, y, dtype=np.float64, allow_nd=self._three_d, reset=first)
        self._check_shape(X, reset=first)
        check_classification_targets(y)
        if self._balanced:
            raise ValueError(
                "class_weight = 'balanced': partial_fit does not see all labels; give the weights "
                "as {label: weight}"
            )
        if first:
            if classes is None:
                raise ValueError("classes is None: the first partial_fit needs all labels")
            self.classes_ = _labels(classes)
        elif classes is not None and not np.array_equal(_labels(classes), self.classes_):
            raise ValueError(f"classes = {classes!r}: the first call's were {self.classes_!r}")
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(
                f"label {unknown.tolist()[0]!r} is not among the classes of the first call"
            )
        weights = self._all_weights(sample_weight, X, y)
        if first:
            self._begin(X.shape[1:], len(self.classes_))
        return self._train_on(X, np.searchsorted(self.classes_, y), weights)

    def _all_weights(self, sample_weight: Any, x: Array, y: Array) -> Array | None:
        weights = self._weights(sample_weight, x)
        if self.class_weight is None:
            return weights
        if self._balanced:
            by_class = compute_sample_weight("balanced", y)
        else:
            known = self.classes_.tolist()
            for label in self.class_weight:
                if label not in known:
                    raise ValueError(f"class_weight: no class {label!r} among {known}")
            given = np.array([self.class_weight.get(label, 1.0) for label in known], dtype=float)
            by_class = given[np.searchsorted(self.classes_, y)]
        with np.errstate(over="ignore"):
            product = by_class if weights is None else weights * by_class
            total = product.sum()
        if not (np.isfinite(total) and total > 0):
            what = "too large" if total else "all 0"
            raise ValueError(f"class_weight: the weights of these examples are {what}")
        return self._weights(product, x)

    def predict_proba(self, X: Any) -> Array:
        """Return class probabilities, ``(examples, classes)``, in the order of ``classes_``."""
        check_is_fitted(self)
        logits, _ = self.network_.forward(self._arrange(self._read(X, reset=False)))
        return softmax(logits)

    def predict(self, X: Any) -> Array:
        """Return the label of each example, ``(examples,)``."""
        picked: Array = self.predict_proba(X).argmax(axis=1)
        labels: Array = self.classes_[picked]
        return labels


class _MLP(_Estimator):
    """Dense layers with an activation between them."""

    hidden: Sequence[int]
    activation: str

    def _network(self, shape: tuple[int, ...], outputs: int, rng: np.random.Generator) -> Layer:
        return mlp(
            sizes=[shape[0], *self._hidden(), outputs],
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
class MLPClassifier(_Classifier, _MLP):
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
    class_weight
        Weights ``{label: weight}``, ``"balanced"`` (all classes count the same), or None.
    early_stopping
        Hold out `validation_fraction` of the examples, end the training after `n_iter_no_change`
        epochs in which their loss did not fall by `tol`, and keep the best network.
    validation_fraction, n_iter_no_change, tol
        See `early_stopping`.
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
    weight_decay: float = 0.003
    class_weight: Any = None


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, _MLP):  # type: ignore[misc]
    """A network for numbers; scale the inputs, and targets that are far from 0 or 1.

    ``TransformedTargetRegressor`` scales targets. Several targets, ``y`` of shape ``(examples,
    targets)``, share the hidden layers.

    Parameters
    ----------
    hidden, activation, learning_rate, weight_decay, epochs, batch_size, clip, random_state
        As for `MLPClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As for `MLPClassifier`.

    Examples
    --------
    >>> x = np.linspace(-2, 2, 200)[:, None]
    >>> model = MLPRegressor((20,), epochs=60, random_state=0).fit(x, np.sin(2 * x[:, 0]))
    >>> model.score(x, np.sin(2 * x[:, 0])) > 0.97
    True
    """

    hidden: Sequence[int] = (32,)
    _: KW_ONLY
    activation: str = "tanh"
    _loss: ClassVar[SquaredError] = SquaredError(reduction="mean")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on ``X`` and targets ``y``, ``(examples,)`` or ``(examples, targets)``.

        Parameters
        ----------
        X, y
            The examples and their targets.
        sample_weight
            How much each example counts, ``(examples,)``.

        Returns
        -------
        self
        """
        self._check()
        X, targets, weights = self._targets(X, y, sample_weight, first=True)
        self._begin(X.shape[1:], targets.shape[1])
        return self._train(X, targets, weights)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on for one pass over some examples, at the full learning rate; see `fit`."""
        self._check()
        first = not hasattr(self, "network_")
        X, targets, weights = self._targets(X, y, sample_weight, first=first)
        if first:
            self._begin(X.shape[1:], targets.shape[1])
        return self._train_on(X, targets, weights)

    def _targets(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool
    ) -> tuple[Array, Array, Array | None]:
        X, y = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, reset=first
        )
        targets = y.astype(np.float64).reshape(len(X), -1)
        if first:
            self.n_outputs_, self._flat = targets.shape[1], y.ndim == 1
        elif targets.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {targets.shape[1]} targets: the first call's had {self.n_outputs_}"
            )
        return X, targets, self._weights(sample_weight, X)

    def predict(self, X: Any) -> Array:
        """Return the targets of each example, of the shape that ``y`` had."""
        check_is_fitted(self)
        found: Array = self.network_.forward(self._read(X, reset=False))[0]
        return found[:, 0] if self._flat else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


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
    class_weight, early_stopping, validation_fraction, n_iter_no_change, tol
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
    clip: float | None = 1.0
    class_weight: Any = None
    _three_d: ClassVar[bool] = True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _check_shape(self, x: Array, *, reset: bool) -> None:
        if x.ndim > 3 or 0 in x.shape:
            raise ValueError(
                f"X is of shape {x.shape}: expected (examples, steps) or (examples, steps, "
                "features), none of them 0"
            )
        if reset:
            return
        width, network = x.shape[2] if x.ndim == 3 else 1, cast("Sequential", self.network_)
        n_in = cast("RNN | GRU | LSTM", network.layers[0]).n_in
        if width != n_in:
            raise ValueError(
                f"X has {width} features for each step: the network was trained with {n_in}"
            )

    def _network(self, shape: tuple[int, ...], outputs: int, rng: np.random.Generator) -> Layer:
        kinds: dict[str, type[RNN | GRU | LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
        if not isinstance(self.cell, str) or self.cell not in kinds:
            raise ValueError(f"cell = {self.cell!r}: expected one of {', '.join(kinds)}")
        n_in = shape[1] if len(shape) == 2 else 1
        layer = kinds[self.cell](n_in, self.hidden, rng=rng)
        return Sequential([layer, LastStep(), Dense(self.hidden, outputs, rng=rng)])

    def _arrange(self, x: Array) -> Array:
        three = x if x.ndim == 3 else x[:, :, None]
        return np.ascontiguousarray(three.swapaxes(0, 1))
