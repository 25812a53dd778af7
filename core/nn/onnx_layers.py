"""Write layers as nodes of an ONNX graph.

Each kind of layer has one function here, which adds the nodes of its `forward` without training.
ONNX's recurrent operators take the gates in another order (LSTM i, o, f, g; GRU z, r, n), and
after the end of a sequence they give zeros where the layers here repeat the last state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from core.nn.activations import ReLU, Sigmoid, Softmax, Tanh
from core.nn.dense import Dense
from core.nn.dropout import Dropout
from core.nn.embedding import EmbeddedDense, Embedding
from core.nn.gru import GRU
from core.nn.lstm import LSTM
from core.nn.norm import LayerNorm
from core.nn.pooling import AttentionPool, LastStep, MeanPool
from core.nn.recurrent import Bidirectional, Recurrent
from core.nn.rnn import RNN
from core.nn.sequential import Sequential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from onnx import ModelProto, NodeProto, ValueInfoProto

    from core.nn.protocols import Array, Layer

__all__ = ["Graph", "Place", "parts", "reads", "write"]

# The first that has layer normalisation, of 2022: older readers know it as well as new ones.
_OPSET, _IR = 17, 8

_KINDS = MappingProxyType(
    {
        "f4": TensorProto.FLOAT,
        "f8": TensorProto.DOUBLE,
        "i4": TensorProto.INT32,
        "i8": TensorProto.INT64,
        "b1": TensorProto.BOOL,
        "str": TensorProto.STRING,
    }
)

# Block i of ONNX's gates is this block of ours.
_GATES: Mapping[type[Recurrent], tuple[int, ...]] = MappingProxyType(
    {RNN: (0,), GRU: (1, 0, 2), LSTM: (0, 3, 1, 2)}
)

# Less than any score, and finite: a softmax of nothing but minus infinity would not be a number.
_LEAST = np.float32(-3e38)


class Graph:
    """Nodes, constants, inputs and outputs of a graph in the making.

    Values are known by name. The kinds of numbers are numpy's: ``"f4"``, ``"i8"`` and so on, or
    ``"str"``.
    """

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []

    def input(self, name: str, kind: str, shape: Sequence[int | str]) -> str:
        """Declare an input; axes of any length have a name."""
        self._inputs.append(helper.make_tensor_value_info(name, _KINDS[kind], shape))
        return name

    def output(self, name: str, value: str, kind: str, shape: Sequence[int | str]) -> None:
        """Make a value an output."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, _KINDS[kind], shape))

    def constant(self, value: Any, kind: str = "f4") -> str:
        """Add a constant."""
        name = f"constant_{len(self._constants)}"
        if kind == "str":
            tensor = numpy_helper.from_array(np.array([*map(str, value)], dtype=object), name)
        else:
            tensor = numpy_helper.from_array(np.array(value, dtype=kind, order="C"), name)
        self._constants.append(tensor)
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output, and return that."""
        return self.add_several(operator, 1, *inputs, **attributes)[0]

    def add_several(
        self, operator: str, count: int, *inputs: str, **attributes: Any
    ) -> tuple[str, ...]:
        """Add an operator with some outputs; an input that it does without is an empty name."""
        name = f"{operator}_{len(self._nodes)}"
        outputs = tuple(f"{name}_{i}" if i else name for i in range(count))
        self._nodes.append(helper.make_node(operator, inputs, outputs, name=name, **attributes))
        return outputs

    def cast(self, value: str, kind: str) -> str:
        """Convert numbers to another kind."""
        return self.add("Cast", value, to=_KINDS[kind])

    def axes(self, operator: str, value: str, *axes: int, **attributes: Any) -> str:
        """Add an operator that takes axes as an input: Squeeze, Unsqueeze or ReduceSum."""
        return self.add(operator, value, self.constant(axes, "i8"), **attributes)

    def model(self, about: Mapping[str, str]) -> ModelProto:
        """Make the model, with some texts about it."""
        graph = helper.make_graph(
            self._nodes, "network", self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(
            graph,
            producer_name="azkaban-jobflow",
            ir_version=_IR,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        helper.set_model_props(model, dict(about))
        return model


@dataclass(frozen=True)
class Place:
    """Where a layer stands.

    Attributes
    ----------
    graph
        What its nodes are added to.
    name
        What comes before the names of its parameters, such as ``"0."``.
    lengths, mask
        Values: steps of each sequence ``(batch,)``, and what `core.nn.protocols.Context` calls the
        mask; None where all sequences are whole.
    states
        If recurrent layers take and give their state: what they give, by name, and its width.
    reverse
        Whether sequences are read from their end.
    """

    graph: Graph
    name: str = ""
    lengths: str | None = None
    mask: str | None = None
    states: dict[str, tuple[str, int]] | None = None
    reverse: bool = False

    def refuse(self, layer: Layer, why: str) -> ValueError:
        """Make the error for a layer that cannot be written."""
        where = f"layer {self.name[:-1]}, " if self.name else ""
        return ValueError(f"{where}{type(layer).__name__}: {why}")


def write(layer: Layer, x: str, at: Place) -> str:
    """Add a layer's nodes and return its output.

    Raises
    ------
    ValueError
        There is no such layer in ONNX; the message names it.
    """
    function = _FUNCTIONS.get(type(layer))
    if function is None:
        known = ", ".join(kind.__name__ for kind in _FUNCTIONS)
        raise at.refuse(layer, f"cannot be written as ONNX; {known} can")
    return function(layer, x, at)


def parts(layer: Layer) -> Iterator[Layer]:
    """List a layer and the layers that it is made of."""
    yield layer
    for part in _made_of(layer):
        yield from parts(part)


def reads(layer: Layer) -> int | str | None:
    """Return how many features a layer reads, ``"symbols"``, or None if it takes anything."""
    if isinstance(layer, Embedding | EmbeddedDense):
        return "symbols"
    if isinstance(layer, Dense):
        return layer.n_in
    if isinstance(layer, LayerNorm | AttentionPool):
        return layer.n
    found = (reads(part) for part in _made_of(layer))
    return next((one for one in found if one is not None), None)


def _made_of(layer: Layer) -> tuple[Layer, ...]:
    if isinstance(layer, Sequential):
        return layer.layers
    if isinstance(layer, Bidirectional):
        return (layer.ahead, layer.back)
    return (layer.project,) if isinstance(layer, Recurrent) else ()


def _sequential(layer: Sequential, x: str, at: Place) -> str:
    for i, part in enumerate(layer.layers):
        x = write(part, x, replace(at, name=f"{at.name}{i}."))
    return x


def _dense(layer: Dense, x: str, at: Place) -> str:
    graph = at.graph
    product = graph.add("MatMul", x, graph.constant(layer.params["W"]))
    return graph.add("Add", product, graph.constant(layer.params["b"]))


def _elementwise(operator: str, **attributes: int) -> Callable[[Layer, str, Place], str]:
    return lambda _layer, x, at: at.graph.add(operator, x, **attributes)


def _embedding(layer: Embedding | EmbeddedDense, x: str, at: Place) -> str:
    table = layer.params["E"]
    if isinstance(layer, EmbeddedDense):
        table = table @ layer.params["W"] + layer.params["b"]
    return at.graph.add("Gather", at.graph.constant(table), x)


def _norm(layer: LayerNorm, x: str, at: Place) -> str:
    gain, shift = (at.graph.constant(layer.params[name]) for name in ("gain", "shift"))
    return at.graph.add("LayerNormalization", x, gain, shift, axis=-1, epsilon=layer.eps)


# --- recurrent layers ---------------------------------------------------------------------------


def _recurrent(layer: Recurrent, x: str, at: Place) -> str:
    graph, order = at.graph, _GATES[type(layer)]
    x, weights, bias = _projection(layer, x, at)
    own = np.zeros(layer.gates * layer.hidden)
    if isinstance(layer, GRU):
        own[2 * layer.hidden :] = layer.params["b_h"]
    inputs = [
        x,
        graph.constant(_blocks(weights, order)),
        graph.constant(_blocks(layer.params["U"], order)),
        graph.constant(np.hstack([_blocks(b[None], order)[..., 0] for b in (bias, own)])),
        at.lengths or "",
    ]
    states = ("h", "c") if isinstance(layer, LSTM) else ("h",)
    if at.states is not None:
        inputs += [_state_before(f"{at.name}{name}", layer, graph) for name in states]
    y, *after = graph.add_several(
        type(layer).__name__,
        1 + len(states),
        *inputs,
        hidden_size=layer.hidden,
        direction="reverse" if at.reverse else "forward",
        **({"linear_before_reset": 1} if isinstance(layer, GRU) else {}),
    )
    y = graph.axes("Squeeze", y, 1)  # of the directions, of which there is one
    if at.states is not None:
        for name, value in zip(states, after, strict=True):
            at.states[f"{at.name}{name}.next"] = (graph.axes("Squeeze", value, 0), layer.hidden)
    if at.mask is None or at.reverse:  # from its end, a sequence begins with what is not in it
        return y
    return graph.add("Where", graph.axes("Unsqueeze", at.mask, 2), y, after[0])


def _projection(layer: Recurrent, x: str, at: Place) -> tuple[str, Array, Array]:
    """Return the operator's input, with the weights and the bias that it multiplies it by."""
    project = layer.project
    if type(project) is Dense:
        return x, project.params["W"], project.params["b"]
    if type(project) is EmbeddedDense:
        rows = at.graph.add("Gather", at.graph.constant(project.params["E"]), x)
        return rows, project.params["W"], project.params["b"]
    width = layer.gates * layer.hidden
    return write(project, x, replace(at, name=f"{at.name}project.")), np.eye(width), np.zeros(width)


def _blocks(a: Array, order: tuple[int, ...]) -> Array:
    """Turn ``(rows, gates * hidden)`` into ONNX's ``(1, gates * hidden, rows)``."""
    return a.reshape(len(a), len(order), -1)[:, order].reshape(len(a), -1).T[None]


def _state_before(name: str, layer: Recurrent, graph: Graph) -> str:
    return graph.axes("Unsqueeze", graph.input(name, "f4", ("batch", layer.hidden)), 0)


def _bidirectional(layer: Bidirectional, x: str, at: Place) -> str:
    if at.states is not None:
        raise at.refuse(layer, "reads whole sequences, so it takes no state")
    ahead = write(layer.ahead, x, replace(at, name=f"{at.name}ahead."))
    back = write(layer.back, x, replace(at, name=f"{at.name}back.", reverse=not at.reverse))
    return at.graph.add("Concat", ahead, back, axis=-1)


# --- from sequences to vectors ------------------------------------------------------------------


def _last(layer: LastStep, x: str, at: Place) -> str:
    _whole(layer, at)
    return at.graph.add("Gather", x, at.graph.constant(-1, "i8"), axis=0)


def _mean(layer: MeanPool, x: str, at: Place) -> str:
    _whole(layer, at)
    graph = at.graph
    if at.mask is None or at.lengths is None:
        return graph.add("ReduceMean", x, axes=[0], keepdims=0)
    kept = graph.add("Mul", x, _kept(at.mask, graph))
    count = graph.add("Max", graph.cast(at.lengths, "f4"), graph.constant(1.0))
    total = graph.axes("ReduceSum", kept, 0, keepdims=0)
    return graph.add("Div", total, graph.axes("Unsqueeze", count, 1))


def _attention(layer: AttentionPool, x: str, at: Place) -> str:
    _whole(layer, at)
    graph, params = at.graph, layer.params
    weighted = graph.add("MatMul", x, graph.constant(params["W"]))
    keys = graph.add("Tanh", graph.add("Add", weighted, graph.constant(params["b"])))
    score = graph.add("MatMul", keys, graph.constant(params["v"][:, None]))
    if at.mask is not None:
        mask = graph.axes("Unsqueeze", at.mask, 2)
        score = graph.add("Where", mask, score, graph.constant(_LEAST))
    weight = graph.add("Softmax", score, axis=0)
    if at.mask is not None:
        weight = graph.add("Mul", weight, _kept(at.mask, graph))
    return graph.axes("ReduceSum", graph.add("Mul", x, weight), 0, keepdims=0)


def _kept(mask: str, graph: Graph) -> str:
    return graph.axes("Unsqueeze", graph.cast(mask, "f4"), 2)


def _whole(layer: Layer, at: Place) -> None:
    if at.reverse:
        raise at.refuse(layer, "cannot be written as ONNX within the layer Bidirectional")


_FUNCTIONS: Mapping[type, Callable[[Any, str, Place], str]] = MappingProxyType(
    {
        Sequential: _sequential,
        Dense: _dense,
        Sigmoid: _elementwise("Sigmoid"),
        Tanh: _elementwise("Tanh"),
        ReLU: _elementwise("Relu"),
        Softmax: _elementwise("Softmax", axis=-1),
        Dropout: lambda _layer, x, _at: x,  # acts in training only
        LayerNorm: _norm,
        Embedding: _embedding,
        EmbeddedDense: _embedding,
        RNN: _recurrent,
        GRU: _recurrent,
        LSTM: _recurrent,
        Bidirectional: _bidirectional,
        LastStep: _last,
        MeanPool: _mean,
        AttentionPool: _attention,
    }
)
