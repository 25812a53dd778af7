"""Convert classes to outputs and back, in both conventions.

- **softmax**: n outputs for n classes; the largest wins. Targets are class numbers.
- **classic**: n - 1 sigmoid outputs for n classes ("1 neuron can classify 2 classes, 2 neurons 3");
  the last class gets what the others leave, ``1 - sum``. Targets are rows of 0 and 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.nn.protocols import Array

__all__ = ["accuracy", "classic_accuracy", "from_classic", "to_classic"]


def to_classic(classes: Array, n_classes: int) -> Array:
    """Turn class numbers ``(n,)`` into targets ``(n, n_classes - 1)``.

    Raises
    ------
    ValueError
        A class number lies outside ``0..n_classes - 1``.

    Examples
    --------
    >>> to_classic(np.array([0, 1, 2]), 3)
    array([[1., 0.],
           [0., 1.],
           [0., 0.]])
    """
    wrong = (classes < 0) | (classes >= n_classes)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(f"class {classes[i]} of example {i} is outside 0..{n_classes - 1}")
    return np.eye(n_classes, n_classes - 1)[classes]


def from_classic(outputs: Array) -> Array:
    """Turn sigmoid outputs ``(..., n - 1)`` into class numbers ``(...)``.

    Examples
    --------
    >>> from_classic(np.array([[0.9, 0.2], [0.1, 0.2]]))
    array([0, 2])
    """
    rest = 1.0 - outputs.sum(axis=-1, keepdims=True)
    classes: Array = np.concatenate([outputs, rest], axis=-1).argmax(axis=-1)
    return classes


def accuracy(logits: Array, classes: Array) -> float:
    """Return the share of rows whose largest logit is that of their class, in 0..1."""
    return float((logits.argmax(axis=-1) == classes).mean())


def classic_accuracy(outputs: Array, targets: Array) -> float:
    """Return the share of correct classes in 0..1, with the classic convention."""
    return float((from_classic(outputs) == from_classic(targets)).mean())
