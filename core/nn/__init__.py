"""Neural networks in numpy: small, exact, and made to be read.

A network is layers (`Dense`, `Sigmoid`, ...) in a `Sequential`; a `Trainer` fits it by a loss and
an optimiser. See `core.nn.protocols` for what each of these is, and for how to write your own.
"""

from core.nn.activations import ReLU, Sigmoid, Softmax, Tanh, sigmoid, softmax
from core.nn.dense import Dense
from core.nn.losses import CrossEntropy, SquaredError
from core.nn.optimisers import SGD, Adam, Momentum
from core.nn.parameters import ParameterVector
from core.nn.protocols import EVAL, Context, Layer, Loss, Optimiser, ShapeError
from core.nn.sequential import Sequential
from core.nn.trainer import History, Trainer, TrainingError

__all__ = [
    "EVAL",
    "SGD",
    "Adam",
    "Context",
    "CrossEntropy",
    "Dense",
    "History",
    "Layer",
    "Loss",
    "Momentum",
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
    "sigmoid",
    "softmax",
]
