"""Build networks from a name and settings, as a model file states them in JSON."""

from __future__ import annotations

import itertools
from types import MappingProxyType
from typing import TYPE_CHECKING, NotRequired, TypedDict, TypeVar, Unpack

from core.checks import count, share
from core.nn.activations import ReLU, Sigmoid, Tanh
from core.nn.dense import Dense
from core.nn.dropout import Dropout
from core.nn.embedding import EmbeddedDense, Embedding
from core.nn.gru import GRU
from core.nn.initial import Initial, glorot_uniform, he_normal, uniform, zeros
from core.nn.lstm import LSTM
from core.nn.pooling import AttentionPool, LastStep, MeanPool
from core.nn.recurrent import Bidirectional
from core.nn.rnn import RNN
from core.nn.sequential import Sequential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from core.nn.protocols import Layer

__all__ = ["BUILDERS", "charlm", "mlp", "tagger", "textclass"]

T = TypeVar("T")


class Weights(TypedDict):
    """How the first weights of a network are made."""

    rng: np.random.Generator
    dtype: NotRequired[str]


_ACTIVATIONS: dict[str, Callable[[], Layer]] = {"sigmoid": Sigmoid, "tanh": Tanh, "relu": ReLU}
_CELLS: dict[str, type[RNN | GRU | LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
_START: dict[str, tuple[Initial, Initial]] = {
    "glorot": (glorot_uniform, zeros),
    "he": (he_normal, zeros),
    "classic": (uniform(1.0), uniform(1.0)),
}


def mlp(
    *,
    sizes: Sequence[int],
    activation: str = "tanh",
    output: str = "linear",
    start: str = "glorot",
    dtype: str = "float64",
    rng: np.random.Generator,
) -> Sequential:
    """Build a multilayer perceptron.

    Parameters
    ----------
    sizes
        Features of the input, units of each hidden layer, outputs.
    activation
        Activation of the hidden layers: ``"sigmoid"``, ``"tanh"`` or ``"relu"``.
    output
        ``"linear"`` for logits, or ``"sigmoid"`` for the classic convention.
    start
        ``"glorot"``, ``"he"``, or ``"classic"``: weights and biases uniform in [-1, 1).
    dtype
        ``"float64"`` or ``"float32"``.
    rng
        Draws the initial weights.

    Raises
    ------
    ValueError
        A name that does not exist, or fewer than two sizes.

    Examples
    --------
    >>> import numpy as np
    >>> mlp(sizes=[4, 10, 3], rng=np.random.default_rng(0))
    Sequential(Dense(4, 10), Tanh(), Dense(10, 3))
    """
    for size in sizes:
        count("sizes", size)
    if len(sizes) < 2:
        raise ValueError(f"sizes = {list(sizes)}: needs the inputs and the outputs at least")
    gate = _lookup("activation", activation, _ACTIVATIONS)
    weights, bias = _lookup("start", start, _START)
    final = _lookup("output", output, {"linear": [], "sigmoid": [Sigmoid()]})
    layers: list[Layer] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        if i:
            layers.append(gate())
        layers.append(Dense(n_in, n_out, rng=rng, weights=weights, bias=bias, dtype=dtype))
    return Sequential([*layers, *final])


def charlm(
    *,
    vocabulary: int,
    hidden: int,
    cell: str = "lstm",
    embedding: int | None = None,
    layers: int = 1,
    dropout: float = 0.0,
    compiled: bool = False,
    **weights: Unpack[Weights],
) -> Sequential:
    """Build a language model: symbols ``(steps, batch)`` to logits ``(steps, batch, vocabulary)``.

    Parameters
    ----------
    vocabulary
        Number of symbols.
    hidden
        Units of each recurrent layer.
    cell
        ``"rnn"``, ``"gru"`` or ``"lstm"``.
    embedding
        Features of a symbol; as many as `hidden` by default.
    layers
        Recurrent layers on top of each other.
    dropout
        Share of outputs dropped after each of them in training.
    compiled
        As for `core.nn.recurrent.Recurrent`.
    **weights
        ``rng`` and ``dtype``, as for `mlp`; the default is ``"float32"``.

    Examples
    --------
    >>> import numpy as np
    >>> net = charlm(vocabulary=65, hidden=8, cell="gru", rng=np.random.default_rng(0))
    >>> net.output_shape((50, 32))
    (50, 32, 65)
    """
    kind = _lookup("cell", cell, _CELLS)
    features = hidden if embedding is None else embedding
    _check(dropout, vocabulary=vocabulary, hidden=hidden, layers=layers, embedding=features)
    weights = {"dtype": "float32", **weights}
    stack: list[Layer] = []
    for i in range(layers):
        width = kind.gates * hidden
        project = None
        if i == 0:
            project = EmbeddedDense(vocabulary, features, width, **weights)
        n_in = hidden if i else vocabulary
        layer = kind(n_in, hidden, project=project, **weights, compiled=compiled)
        stack.append(layer)
        if dropout:
            stack.append(Dropout(dropout))
    return Sequential([*stack, Dense(hidden, vocabulary, **weights)])


def textclass(
    *,
    vocabulary: int,
    classes: int,
    embedding: int = 64,
    hidden: int = 64,
    cell: str = "lstm",
    pool: str = "attention",
    dropout: float = 0.3,
    **weights: Unpack[Weights],
) -> Sequential:
    """Build a text classifier: words ``(steps, batch)`` to logits ``(batch, classes)``.

    Embedding, dropout, a recurrent layer in both directions, pooling, dropout, dense.

    Parameters
    ----------
    vocabulary, classes
        Number of words and of classes.
    embedding, hidden
        Features of a word, and units of the recurrent layer in each direction.
    cell
        ``"rnn"``, ``"gru"``, ``"lstm"``, or ``"none"``: the pooled embeddings alone, whose order
        does not matter.
    pool
        ``"attention"``, ``"mean"`` or ``"last"``.
    dropout, **weights
        As for `charlm`.

    Examples
    --------
    >>> import numpy as np
    >>> net = textclass(vocabulary=99, classes=3, cell="gru", rng=np.random.default_rng(0))
    >>> net.output_shape((20, 8))
    (8, 3)
    """
    _check(dropout, vocabulary=vocabulary, classes=classes, embedding=embedding, hidden=hidden)
    weights = {"dtype": "float32", **weights}
    layers: list[Layer] = [
        Embedding(vocabulary, embedding, weights=uniform(0.1), **weights),
        Dropout(dropout),
    ]
    width = embedding
    if cell != "none":
        kind = _lookup("cell", cell, {**_CELLS, "none": RNN})
        ahead, back = (kind(embedding, hidden, **weights) for _ in range(2))
        layers.append(Bidirectional(ahead, back))
        width = 2 * hidden
    if pool == "attention":
        layers.append(AttentionPool(width, hidden, **weights))
    else:
        pools: dict[str, Callable[[], Layer]] = {"mean": MeanPool, "last": LastStep}
        layers.append(_lookup("pool", pool, {"attention": MeanPool, **pools})())
    layers += [Dropout(dropout), Dense(width, classes, **weights)]
    return Sequential(layers)


def tagger(
    *,
    vocabulary: int,
    classes: int,
    embedding: int = 32,
    hidden: int = 64,
    cell: str = "lstm",
    dropout: float = 0.1,
    **weights: Unpack[Weights],
) -> Sequential:
    """Build a sequence labeller: symbols ``(steps, batch)`` to logits ``(steps, batch, classes)``.

    Embedding, a recurrent layer in both directions, dropout, dense: each step's label can depend on
    everything before and after it.

    Parameters
    ----------
    vocabulary, classes
        Number of symbols and of labels.
    embedding, hidden
        Features of a symbol, and units of the recurrent layer in each direction.
    cell
        ``"rnn"``, ``"gru"`` or ``"lstm"``.
    dropout, **weights
        As for `charlm`.

    Examples
    --------
    >>> import numpy as np
    >>> net = tagger(vocabulary=99, classes=3, cell="gru", rng=np.random.default_rng(0))
    >>> net.output_shape((20, 8))
    (20, 8, 3)
    """
    _check(dropout, vocabulary=vocabulary, classes=classes, embedding=embedding, hidden=hidden)
    weights = {"dtype": "float32", **weights}
    kind = _lookup("cell", cell, _CELLS)
    ahead, back = (kind(embedding, hidden, **weights) for _ in range(2))
    return Sequential(
        [
            Embedding(vocabulary, embedding, weights=uniform(0.1), **weights),
            Bidirectional(ahead, back),
            Dropout(dropout),
            Dense(2 * hidden, classes, **weights),
        ]
    )


# The builders that a model file may name.
BUILDERS: Mapping[str, Callable[..., Layer]] = MappingProxyType(
    {"mlp": mlp, "charlm": charlm, "tagger": tagger, "textclass": textclass}
)


def _check(dropout: float, **sizes: int) -> None:
    """Raise ValueError for a number that is out of range, with its name."""
    share("dropout", dropout)
    for name, value in sizes.items():
        count(name, value)


def _lookup(what: str, name: str, known: dict[str, T]) -> T:
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{what} = {name!r}: expected one of {', '.join(known)}")
    return known[name]
