"""Write trained networks as ONNX, which other programs and languages run.

A network is written as it is used, without dropout and without gradients, in float32. So are the
estimators of `core.nn.estimators`, alone or in scikit-learn's pipelines with scalers before them.
Only this needs the package ``onnx``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from core.nn.activations import Softmax
from core.nn.pooling import AttentionPool, LastStep, MeanPool
from core.nn.recurrent import Bidirectional, Recurrent
from core.nn.sequential import Sequential

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.nn.onnx_layers import Graph
    from core.nn.protocols import Array, Layer

__all__ = ["to_onnx"]

# Stand for lengths that are not known yet, where layers say what shape their output has.
_ANY = {"steps": 10**15 + 1, "batch": 10**15 + 2, "features": 10**15 + 3}


def to_onnx(
    model: Any,
    *,
    lengths: bool = False,
    state: bool = False,
    classes: Sequence[str] | None = None,
    scaling: tuple[Array, Array] | None = None,
    about: Mapping[str, str] | None = None,
) -> bytes:
    """Return a trained network as the content of an ``.onnx`` file.

    Its input is ``x``, float32, or int64 for symbols, in the network's own layout: ``(batch,
    features)``, or time-major ``(steps, batch, features)``; symbols are ``(steps, batch)``. Its
    output is ``y``. An estimator of `core.nn.estimators` takes ``x`` as its `predict` does; the
    output of a regressor is ``y``, and a classifier has two, ``label`` and ``probabilities``.

    Parameters
    ----------
    model
        A network of the layers in `core.nn`; or an estimator, a scikit-learn ``Pipeline`` that ends
        in one after scalers, a ``TransformedTargetRegressor`` of one, or a search that found one.
        For estimators there are no further parameters but `about`.
    lengths
        Whether sequences differ in length: a second input ``lengths``, int32 ``(batch,)``, says how
        many of the steps belong to each, and what comes after them does not count.
    state
        Whether recurrent layers continue where a window ended: the inputs ``0.h`` (and ``0.c``) are
        the state before of layer 0, ``(batch, hidden)``, and ``0.h.next`` is that after.
    classes
        What a classifier tells apart: instead of ``y``, the outputs are ``label`` and
        ``probabilities``. If there is one output less than there are classes, these are taken as
        in `core.nn.labels` under "classic", otherwise as logits.
    scaling
        Mean and scale of each feature, ``(x - mean) / scale`` being what the network takes.
    about
        Texts that are kept in the file, such as what the symbols stand for.

    Raises
    ------
    ValueError
        A layer or a step of a pipeline that has no form in ONNX, a number that is too large for
        float32, or an argument that does not fit the network; the message names it.
    TypeError
        Neither a network nor an estimator of this library.
    ImportError
        The package ``onnx`` is not installed.

    Examples
    --------
    >>> from core.nn import LSTM, Dense, LastStep
    >>> rng = np.random.default_rng(0)
    >>> net = Sequential([LSTM(2, 8, rng=rng), LastStep(), Dense(8, 3, rng=rng)])
    >>> content = to_onnx(net, classes=["fall", "stay", "rise"])

    and then, in any program that has an ONNX runtime:

    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(content)
    >>> x = np.ones((50, 4, 2), dtype=np.float32)  # steps, batch, features
    >>> label, probabilities = session.run(None, {"x": x})
    >>> label.shape, probabilities.shape
    ((4,), (4, 3))
    """
    if find_spec("onnx") is None:
        raise ImportError(
            "ONNX files need the package onnx: azkaban-jobflow env --with onnx installs it"
        )
    from core.nn.onnx_layers import Graph

    graph = Graph()
    if hasattr(model, "forward"):
        _network(graph, model, lengths=lengths, state=state, classes=classes, scaling=scaling)
    elif lengths or state or classes is not None or scaling is not None:
        raise ValueError("lengths, state, classes and scaling are for networks, not estimators")
    else:
        _estimator(graph, model)
    content: bytes = graph.model(about or {}).SerializeToString()
    return content


def _network(
    graph: Graph,
    network: Layer,
    *,
    lengths: bool,
    state: bool,
    classes: Sequence[str] | None,
    scaling: tuple[Array, Array] | None,
) -> None:
    from core.nn.onnx_layers import parts, reads

    features, layers = reads(network), list(parts(network))
    recurrent = any(isinstance(layer, Recurrent) for layer in layers)
    pools = Bidirectional | LastStep | MeanPool | AttentionPool
    sequences = recurrent or any(isinstance(layer, pools) for layer in layers)
    if lengths and not sequences:
        raise ValueError("lengths = True: the network reads no sequences")
    if state and not recurrent:
        raise ValueError("state = True: the network has no recurrent layer")
    symbols = features == "symbols"
    shape: list[int | str] = ["steps", "batch"] if sequences or symbols else ["batch"]
    if not symbols:
        shape.append("features" if features is None else features)
    x = graph.input("x", "i8" if symbols else "f4", shape)
    if scaling is not None:
        if symbols or {np.shape(part) for part in scaling} != {(features,)}:
            raise ValueError(f"scaling: expected mean and scale of the {features} that x has")
        x = _scale(graph, x, [scaling])
    states: dict[str, tuple[str, int]] | None = {} if state else None
    y = _run(graph, network, x, lengths=lengths, states=states)
    outputs = network.output_shape(tuple(n if isinstance(n, int) else _ANY[n] for n in shape))
    names = {number: name for name, number in _ANY.items()}
    found = [names.get(n, n) for n in outputs]
    if classes is None:
        graph.output("y", y, "f4", found)
    else:
        _classify(graph, network, y, classes, found)
    for name, (value, hidden) in (states or {}).items():
        graph.output(name, value, "f4", ("batch", hidden))


def _run(
    graph: Graph,
    network: Layer,
    x: str,
    *,
    lengths: bool = False,
    states: dict[str, tuple[str, int]] | None = None,
) -> str:
    """Add the network's nodes, and return its output."""
    from core.nn.onnx_layers import Place, write

    for name, value in network.params.items():
        if not (np.abs(value) <= np.finfo(np.float32).max).all():
            raise ValueError(f"parameter {name}: not finite, or too large for float32")
    if not lengths:
        return write(network, x, Place(graph, states=states))
    ends = graph.input("lengths", "i4", ("batch",))
    count = graph.add("Gather", graph.add("Shape", x), graph.constant(0, "i8"))
    numbers = graph.add("Range", graph.constant(0, "i8"), count, graph.constant(1, "i8"))
    limits = graph.axes("Unsqueeze", graph.cast(ends, "i8"), 0)
    mask = graph.add("Less", graph.axes("Unsqueeze", numbers, 1), limits)
    return write(network, x, Place(graph, lengths=ends, mask=mask, states=states))


def _classify(
    graph: Graph,
    network: Layer,
    y: str,
    classes: Sequence[Any] | Array,
    shape: Sequence[int | str],
) -> None:
    """Add the outputs ``label`` and ``probabilities``."""
    if shape[-1] == len(classes) - 1:
        total = graph.axes("ReduceSum", y, -1, keepdims=1)
        y = graph.add("Concat", y, graph.add("Sub", graph.constant(1.0), total), axis=-1)
    elif shape[-1] != len(classes):
        raise ValueError(f"classes: {len(classes)} for a network with {shape[-1]} outputs")
    elif not isinstance(_last_of(network), Softmax):
        y = graph.add("Softmax", y, axis=-1)
    kind = {"i": "i8", "u": "i8", "b": "b1", "f": "f8"}.get(np.asarray(classes).dtype.kind, "str")
    number = graph.add("ArgMax", y, axis=-1, keepdims=0)
    label = graph.add("Gather", graph.constant(classes, kind), number)
    graph.output("label", label, kind, shape[:-1])
    graph.output("probabilities", y, "f4", (*shape[:-1], len(classes)))


def _last_of(network: Layer) -> Layer:
    return _last_of(network.layers[-1]) if isinstance(network, Sequential) else network


def _scale(graph: Graph, x: str, scales: Sequence[tuple[Array, Array]]) -> str:
    """Subtract and divide, in float64: float32 would lose what years or prices differ by."""
    if not scales:
        return x
    x = graph.cast(x, "f8")
    for offset, divisor in scales:
        x = graph.add("Sub", x, graph.constant(offset, "f8"))
        x = graph.add("Div", x, graph.constant(divisor, "f8"))
    return graph.cast(x, "f4")


# --- scikit-learn -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chain:
    """An estimator with the scalers of its features and of its targets, from the inside out."""

    estimator: Any
    before: tuple[tuple[Array, Array], ...] = ()
    after: tuple[tuple[Array, Array], ...] = ()

    @classmethod
    def of(cls, model: Any) -> _Chain:
        """Unpack pipelines, searches and transformed targets."""
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.pipeline import Pipeline
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(model)
        if isinstance(model, Pipeline):
            *steps, last = (step for _, step in model.steps)
            chain = cls.of(last)
            scalers = [_affine(step) for step in steps if step not in (None, "passthrough")]
            return replace(chain, before=(*scalers, *chain.before))
        if isinstance(model, TransformedTargetRegressor):
            chain = cls.of(model.regressor_)
            return replace(chain, after=(*chain.after, _affine(model.transformer_)))
        if hasattr(model, "best_estimator_"):
            return cls.of(model.best_estimator_)
        return cls(model)


def _affine(transformer: Any) -> tuple[Array, Array]:
    """Return ``(a, b)`` of a scaler whose result is ``(x - a) / b``."""
    from sklearn import preprocessing as known

    one, clips = transformer, getattr(transformer, "clip", False)
    kind = None if clips else type(one)
    if kind is known.StandardScaler:
        found = (one.mean_ if one.with_mean else 0, one.scale_ if one.with_std else 1)
    elif kind is known.RobustScaler:
        found = (one.center_ if one.with_centering else 0, one.scale_ if one.with_scaling else 1)
    elif kind is known.MinMaxScaler:
        found = (-one.min_ / one.scale_, 1 / one.scale_)
    elif kind is known.MaxAbsScaler:
        found = (0, one.scale_)
    elif kind is known.FunctionTransformer and one.func is one.inverse_func is None:
        found = (0, 1)  # what TransformedTargetRegressor does if it is told nothing
    else:
        raise ValueError(
            f"{type(one).__name__}{'(clip=True)' if clips else ''}: cannot be written as ONNX; "
            "StandardScaler, RobustScaler, MinMaxScaler and MaxAbsScaler can, without clip"
        )
    return np.asarray(found[0]), np.asarray(found[1])


def _estimator(graph: Graph, model: Any) -> None:
    from core.nn.estimators import MLPClassifier, MLPRegressor, SequenceClassifier
    from core.nn.onnx_layers import reads

    chain = _Chain.of(model)
    fitted = chain.estimator
    if not isinstance(fitted, MLPClassifier | MLPRegressor | SequenceClassifier):
        raise TypeError(
            f"{type(fitted).__name__}: neither a network of core.nn nor an estimator of "
            "core.nn.estimators"
        )
    sequences = isinstance(fitted, SequenceClassifier)
    features = reads(fitted.network_)
    several = sequences and features != 1  # a table counts as one feature
    shape = ["batch", fitted.n_features_in_, *([features] if several else [])]
    x = _scale(graph, graph.input("x", "f4", shape), chain.before)
    if sequences:
        x = graph.add("Transpose", x, perm=[1, 0, 2] if several else [1, 0])
        x = x if several else graph.axes("Unsqueeze", x, 2)
    y = _run(graph, fitted.network_, x)
    if not isinstance(fitted, MLPRegressor):
        classes = fitted.classes_
        _classify(graph, fitted.network_, y, classes, ["batch", len(classes)])
        return
    y = _scale(graph, y, [(-a / b, 1 / b) for a, b in chain.after])  # and back
    if model.predict(np.zeros((1, fitted.n_features_in_))).ndim == 1:
        graph.output("y", graph.axes("Squeeze", y, 1), "f4", ["batch"])
    else:
        graph.output("y", y, "f4", ["batch", fitted.n_outputs_])
