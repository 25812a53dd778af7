"""Losses, which training minimises."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.nn.protocols import Array, Reduction, ShapeError

__all__ = ["CrossEntropy", "NegativeLogLikelihood", "SquaredError", "Weighted"]


@dataclass(frozen=True)
class SquaredError:
    """``E = 1/2 sum (y - t)^2`` per example, with ``dE/dy = y - t``.

    Parameters
    ----------
    reduction
        ``"sum"`` adds the examples up, as the classic full-batch network does; ``"mean"`` divides
        by their number.

    Examples
    --------
    >>> loss = SquaredError()
    >>> value, cache = loss.forward(np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]]))
    >>> value, loss.backward(cache)
    (0.5, array([[-1.,  0.]]))
    """

    reduction: Reduction = "sum"

    def __post_init__(self) -> None:
        _check_reduction(self.reduction)

    def check(self, shape: tuple[int, ...], target: Array) -> None:
        """Check that targets have the output's shape and are finite."""
        if shape != target.shape:
            raise ShapeError(f"SquaredError: outputs are {shape}, targets are {target.shape}")
        if not np.isfinite(target).all():
            raise ValueError(f"SquaredError: target {_first(~np.isfinite(target))} is not finite")

    def forward(
        self, y: Array, target: Array, mask: Array | None = None
    ) -> tuple[float, tuple[Array, float]]:
        """Compare ``y`` ``(..., outputs)`` with targets of the same shape."""
        error = weighted = y - target
        count = error.size // error.shape[-1]
        if mask is not None:
            weighted = error * mask[..., None]
            count = max(int(mask.sum()), 1)
        scale = 1.0 / count if self.reduction == "mean" else 1.0
        return 0.5 * scale * float(np.vdot(error, weighted)), (weighted, scale)

    def backward(self, cache: tuple[Array, float]) -> Array:
        """Return ``y - t``, averaged if the loss is."""
        error, scale = cache
        return error if scale == 1.0 else error * error.dtype.type(scale)


@dataclass(frozen=True)
class CrossEntropy:
    """``E = -log softmax(y)_t`` on logits ``y`` and class numbers ``t``, in nats.

    Softmax and cross entropy are fused: ``E = log sum_j exp(y_j) - y_t`` (with the maximum taken
    out, so that logits of any size give a finite loss) and ``dE/dy_j = softmax(y)_j - [j = t]``.

    Parameters
    ----------
    reduction
        ``"mean"`` over examples, or ``"sum"``.

    Examples
    --------
    >>> loss = CrossEntropy()
    >>> value, cache = loss.forward(np.zeros((1, 4)), np.array([2]))
    >>> round(value, 4), loss.backward(cache)
    (1.3863, array([[ 0.25,  0.25, -0.75,  0.25]]))
    """

    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        _check_reduction(self.reduction)

    def check(self, shape: tuple[int, ...], target: Array) -> None:
        """Check that targets are class numbers, one per row of logits."""
        _check_classes("CrossEntropy", shape, target)

    def forward(
        self, y: Array, target: Array, mask: Array | None = None
    ) -> tuple[float, tuple[Array, Array, Array | None, float]]:
        """Compare logits ``(..., classes)`` with class numbers ``(...)``."""
        classes = target.reshape(-1)
        # One row for each class: numpy reduces few long rows faster than many short ones.
        z = y.reshape(-1, y.shape[-1]).T.copy()
        z -= z.max(axis=0)
        # Where each example's own class stands in z, read as one vector.
        true = np.multiply(classes, len(classes), dtype=np.intp) + np.arange(len(classes))
        picked = z.reshape(-1).take(true)
        np.exp(z, out=z)
        total = z.sum(axis=0)
        nats = np.log(total) - picked
        z /= total
        count, keep = len(classes), None
        if mask is not None:
            keep = mask.reshape(-1)
            nats = nats * keep
            count = max(int(keep.sum()), 1)
        z.reshape(-1)[true] -= 1
        scale = 1.0 / count if self.reduction == "mean" else 1.0
        gap = z.T.copy().reshape(y.shape)
        return scale * float(nats.sum()), (gap, classes, keep, scale)

    def backward(self, cache: tuple[Array, Array, Array | None, float]) -> Array:
        """Return ``softmax(y) - onehot(t)``, averaged if the loss is."""
        gap, _, keep, scale = cache
        if keep is not None:
            gap = gap * keep.reshape(*gap.shape[:-1], 1)
        return gap if scale == 1.0 else gap * gap.dtype.type(scale)


@dataclass(frozen=True)
class NegativeLogLikelihood:
    """``E = -log y_t`` on probabilities ``y``, as a `Softmax` layer gives them, in nats.

    ``dE/dy_j = -[j = t] / y_j``: with the softmax's Jacobian behind it this is `CrossEntropy`,
    which is faster and stays exact where a probability is too small for a float. Here such a one
    counts as the smallest positive number.

    Parameters
    ----------
    reduction
        ``"mean"`` over examples, or ``"sum"``.

    Examples
    --------
    >>> loss = NegativeLogLikelihood()
    >>> value, cache = loss.forward(np.array([[0.25, 0.75]]), np.array([0]))
    >>> round(value, 4), loss.backward(cache)
    (1.3863, array([[-4., -0.]]))
    """

    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        _check_reduction(self.reduction)

    def check(self, shape: tuple[int, ...], target: Array) -> None:
        """Check that targets are class numbers, one per row of probabilities."""
        _check_classes("NegativeLogLikelihood", shape, target)

    def forward(
        self, y: Array, target: Array, mask: Array | None = None
    ) -> tuple[float, tuple[Array, Array]]:
        """Compare probabilities ``(..., classes)`` with class numbers ``(...)``."""
        chosen = np.zeros_like(y)
        np.put_along_axis(chosen, target[..., None], 1, axis=-1)
        count = target.size
        if mask is not None:
            chosen *= mask[..., None]
            count = max(int(mask.sum()), 1)
        if self.reduction == "mean":
            chosen /= count
        safe = np.maximum(y, np.finfo(y.dtype).tiny)
        return -float((chosen * np.log(safe)).sum()), (chosen, safe)

    def backward(self, cache: tuple[Array, Array]) -> Array:
        """Return ``-1 / y`` at the true class."""
        chosen, safe = cache
        return -chosen / safe


@dataclass(frozen=True)
class Weighted:
    """A loss by example, ``E = 1/n sum w_i E_i``: the weights are the targets' last column.

    With weights that average 1 over all examples, batches of any size have the gradient of the
    whole in the mean.

    Parameters
    ----------
    loss
        `SquaredError`, or `CrossEntropy` with the class numbers as the first column.

    Examples
    --------
    >>> loss = Weighted(SquaredError())
    >>> value, cache = loss.forward(np.zeros((2, 1)), np.array([[1.0, 0.5], [2.0, 1.5]]))
    >>> value, loss.backward(cache).ravel().tolist()
    (1.625, [-0.25, -1.5])
    """

    loss: SquaredError | CrossEntropy

    @property
    def reduction(self) -> Reduction:
        """Always the mean."""
        return "mean"

    def check(self, shape: tuple[int, ...], target: Array) -> None:
        """Check the targets as the loss does, and that weights are finite numbers >= 0."""
        wrong = ~(np.isfinite(target[:, -1]) & (target[:, -1] >= 0))
        if wrong.any():
            where = _first(wrong)[0]
            raise ValueError(
                f"Weighted: the weight of example {where} is {target[where, -1]}: "
                "must be a finite number >= 0"
            )
        self.loss.check(shape, self._bare(target))

    def _bare(self, target: Array) -> Array:
        """Return the targets that the loss takes."""
        if isinstance(self.loss, CrossEntropy):
            return target[:, 0].astype(np.int64)
        return target[:, :-1]

    def forward(
        self, y: Array, target: Array, mask: Array | None = None
    ) -> tuple[float, tuple[Array, float]]:
        """Compare ``y`` ``(examples, outputs)`` with targets whose last column is weights."""
        if mask is not None:
            raise ValueError("Weighted: takes no mask: it weighs whole examples")
        loss = replace(self.loss, reduction="sum")
        value, cache = loss.forward(y, self._bare(target), target[:, -1])
        return value / len(y), (loss.backward(cache), 1.0 / len(y))  # type: ignore[arg-type]

    def backward(self, cache: tuple[Array, float]) -> Array:
        """Return the loss's gradient times the weights, over the number of examples."""
        gradient, share = cache
        shared: Array = gradient * gradient.dtype.type(share)
        return shared


def _check_classes(name: str, shape: tuple[int, ...], target: Array) -> None:
    if shape[:-1] != target.shape:
        raise ShapeError(
            f"{name}: outputs are {shape}, so targets must be {shape[:-1]}, got {target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise ValueError(f"{name}: targets are class numbers, got {target.dtype}")
    wrong = (target < 0) | (target >= shape[-1])
    if wrong.any():
        where = _first(wrong)
        raise ValueError(f"{name}: target {where} = {target[where]} is outside 0..{shape[-1] - 1}")


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _check_reduction(reduction: str) -> None:
    if reduction not in ("sum", "mean"):
        raise ValueError(f"reduction = {reduction!r}: must be 'sum' or 'mean'")
