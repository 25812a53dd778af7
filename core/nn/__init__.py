"""Neural networks in numpy: small, exact, and made to be read.

A network is layers (`Dense`, `Sigmoid`, ...) in a `Sequential`; a `Trainer` fits it by a loss and
an optimiser. See `core.nn.protocols` for what each of these is, and for how to write your own.
"""

from core.nn.activations import ReLU, Sigmoid, Softmax, Tanh, sigmoid, softmax
from core.nn.dense import Dense
from core.nn.dropout import Dropout
from core.nn.embedding import EmbeddedDense, Embedding
from core.nn.gru import GRU
from core.nn.losses import CrossEntropy, NegativeLogLikelihood, SquaredError
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
    "final_state",
    "sigmoid",
    "softmax",
]
