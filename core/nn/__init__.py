"""Neural networks in numpy: small, exact and easy to read.

A network is a `Sequential` of layers (`Dense`, `Sigmoid`, ...); a `Trainer` fits it with a loss and
an optimiser. `core.nn.protocols` defines each of these, and shows how to write your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazily

if TYPE_CHECKING:
    from core.nn.activations import ReLU, Sigmoid, Softmax, Tanh, sigmoid, softmax
    from core.nn.dense import Dense
    from core.nn.dropout import Dropout
    from core.nn.embedding import EmbeddedDense, Embedding
    from core.nn.gru import GRU
    from core.nn.losses import CrossEntropy, NegativeLogLikelihood, SquaredError, Weighted
    from core.nn.lstm import LSTM
    from core.nn.norm import LayerNorm
    from core.nn.optimisers import SGD, Adam, Momentum
    from core.nn.parameters import ParameterVector
    from core.nn.pooling import AttentionPool, LastStep, MeanPool
    from core.nn.protocols import EVAL, Context, Layer, Loss, Optimiser, ShapeError
    from core.nn.recurrent import Bidirectional, final_state
    from core.nn.rnn import RNN
    from core.nn.sequential import Sequential
    from core.nn.trainer import History, Trainer, TrainingError

__all__ = [
    "EVAL",
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Adam",
    "AttentionPool",
    "Bidirectional",
    "Context",
    "CrossEntropy",
    "Dense",
    "Dropout",
    "EmbeddedDense",
    "Embedding",
    "History",
    "LastStep",
    "Layer",
    "LayerNorm",
    "Loss",
    "MeanPool",
    "Momentum",
    "NegativeLogLikelihood",
    "Optimiser",
    "ParameterVector",
    "ReLU",
    "Sequential",
    "ShapeError",
    "Sigmoid",
    "Softmax",
    "SquaredError",
    "Tanh",
    "Trainer",
    "TrainingError",
    "Weighted",
    "final_state",
    "sigmoid",
    "softmax",
]

__getattr__ = lazily(
    __name__,
    {
        "activations": ("ReLU", "Sigmoid", "Softmax", "Tanh", "sigmoid", "softmax"),
        "dense": ("Dense",),
        "dropout": ("Dropout",),
        "embedding": ("EmbeddedDense", "Embedding"),
        "gru": ("GRU",),
        "losses": ("CrossEntropy", "NegativeLogLikelihood", "SquaredError", "Weighted"),
        "lstm": ("LSTM",),
        "norm": ("LayerNorm",),
        "optimisers": ("SGD", "Adam", "Momentum"),
        "parameters": ("ParameterVector",),
        "pooling": ("AttentionPool", "LastStep", "MeanPool"),
        "protocols": ("EVAL", "Context", "Layer", "Loss", "Optimiser", "ShapeError"),
        "recurrent": ("Bidirectional", "final_state"),
        "rnn": ("RNN",),
        "sequential": ("Sequential",),
        "trainer": ("History", "Trainer", "TrainingError"),
    },
)
