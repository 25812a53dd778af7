"""Train a multilayer perceptron on a data set that jobs.nn.load wrote.

    python -m jobs.nn.train --data runs/local/local/nn_load/data.npz

model=classic is the network of the original notes: one hidden layer of sigmoid units, n - 1
sigmoid outputs for n classes, squared error summed over the whole training set, plain gradient
descent from weights in [-1, 1). model=default is what one would use today: tanh units, softmax with
cross entropy, mini-batches, Adam, weight decay. Empty parameters take the model's own values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.nn import SGD, Adam, CrossEntropy, SquaredError, Trainer, TrainingError
from core.nn.labels import accuracy, classic_accuracy, to_classic
from core.nn.memory import keep_freed_memory
from core.nn.models import mlp
from core.nn.schedules import falling
from jobs._models import save_model
from jobs._optional import need
from jobs.nn._common import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.nn import Layer, Loss, Optimiser
    from core.nn.protocols import Array

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """The network and how it is trained."""

    data: Path = param(doc="The data.npz of jobs.nn.load.")
    model: str = param("default", doc="Which network.", choices=("classic", "default"))
    hidden: int = param(10, doc="Units of the hidden layer.", ge=1)
    epochs: int | None = param(
        None, doc="Passes over the training data (classic 500, default 100).", ge=1
    )
    learning_rate: float | None = param(
        None, doc="Step size (classic 0.02; default 0.02, falling to 0 in a line).", gt=0
    )
    batch_size: int | None = param(
        None, doc="Examples per update (classic: all, default 16).", ge=1
    )
    validation: float = param(
        0.0, doc="Share of the training data that is kept to choose a model by.", ge=0, lt=1
    )
    repeats: int = param(
        1, doc="Networks that are trained, from other weights; the first is kept.", ge=1, le=100
    )
    label: str | None = param(None, doc="What the report calls it; the model's name if empty.")
    weight_decay: float | None = param(
        None, doc="Pull of the weights towards 0 (classic 0, default 0.003).", ge=0
    )
    onnx: bool = param(False, doc="Write model.onnx as well, which other programs run.")


@dataclass(frozen=True)
class _Split:
    """Examples to learn from, to choose a model by, and to report on, with their targets."""

    train: tuple[Array, Array]
    validation: tuple[Array, Array] | None
    held_out: tuple[Array, Array]


@job
def main(params: Params, run: Run) -> Outputs:
    """Train and save the model."""
    keep_freed_memory()
    if params.onnx:
        need("onnx", "nn.train.onnx")
    data = Dataset.load(params.data)
    # The same random numbers for any share, so that models that keep none do not change.
    kept = run.rng.random(len(data.y_train)) < params.validation
    if kept.all():
        raise InputError(
            f"{run.prefix}.validation = {params.validation}: leaves nothing to train on"
        )
    settings = _network(params, data)
    network = mlp(**settings, rng=run.rng)
    try:
        split = _split(data, kept, classic=params.model == "classic")
        trainer = _trainer(params, network, len(split.train[1]), run.rng)
        trainer.progress = lambda epochs: run.progress(epochs, "epochs")
        trainer.fit(
            *split.train,
            epochs=_epochs(params),
            batch_size=_batch_size(params),
            validation=split.validation,
            callbacks=[_measure_held_out(split.held_out)],
        )
        others = _others(params, split, settings, run.seed)
    except (TrainingError, ValueError) as error:
        raise InputError(f"{run.prefix}.data = {params.data}: {error}") from None
    scores = trainer.evaluate(*split.train)
    if split.validation:
        scores["validation_accuracy"] = trainer.evaluate(*split.validation)["accuracy"]
    path, label = run.dir / "model.npz", params.label or params.model
    meta = {
        "model": params.model,
        "label": label,
        "scores": scores,
        "held_out": [trainer.evaluate(*split.held_out)["accuracy"], *others],
        "features": data.features,
        "classes": data.classes,
        "mean": data.mean.tolist(),
        "scale": data.scale.tolist(),
        "updates": trainer.updates,
        "history": trainer.history.columns,
    }
    onnx = _onnx(data) if params.onnx else None
    files = save_model(path, network, builder="mlp", settings=settings, meta=meta, onnx=onnx)
    run.log(f"{label}: {scores['accuracy']:.1%} of the training examples right")
    # The report's job depends on this one, and Azkaban hands outputs to direct children only.
    return {**files, "data": params.data.absolute(), **scores}


def _onnx(data: Dataset) -> dict[str, Any]:
    """Return what other programs are told of a network: they have rows as they are in the CSV."""
    about = {"features": data.features}
    return {"classes": data.classes, "scaling": (data.mean, data.scale), "about": about}


def _others(params: Params, split: _Split, settings: Mapping[str, Any], seed: int) -> list[float]:
    """Train the networks that are only measured, and return their held-out accuracies."""
    found = []
    for number in range(1, params.repeats):
        rng = np.random.default_rng([seed, number])
        network = mlp(**settings, rng=rng)
        trainer = _trainer(params, network, len(split.train[1]), rng)
        trainer.fit(*split.train, epochs=_epochs(params), batch_size=_batch_size(params))
        found.append(trainer.evaluate(*split.held_out)["accuracy"])
    return found


def _network(params: Params, data: Dataset) -> dict[str, Any]:
    """Return the settings of the network; the classic one has no output for its last class."""
    classic = params.model == "classic"
    outputs = len(data.classes) - (1 if classic else 0)
    return {
        "sizes": [data.x_train.shape[1], params.hidden, outputs],
        "activation": "sigmoid" if classic else "tanh",
        "output": "sigmoid" if classic else "linear",
        "start": "classic" if classic else "glorot",
    }


def _split(data: Dataset, kept: Array, *, classic: bool) -> _Split:
    """Split the training examples; the held-out ones are used neither to train nor to choose."""
    targets, held = data.y_train, data.y_test
    if classic:
        targets, held = (to_classic(y, len(data.classes)) for y in (targets, held))
    check = (data.x_train[kept], targets[kept]) if kept.any() else None
    return _Split((data.x_train[~kept], targets[~kept]), check, (data.x_test, held))


def _epochs(params: Params) -> int:
    return params.epochs or (500 if params.model == "classic" else 100)


def _batch_size(params: Params) -> int | None:
    return params.batch_size or (None if params.model == "classic" else 16)


def _trainer(params: Params, network: Layer, examples: int, rng: np.random.Generator) -> Trainer:
    classic = params.model == "classic"
    batch = min(_batch_size(params) or 1, examples)
    loss: Loss = SquaredError("sum") if classic else CrossEntropy()
    return Trainer(
        network,
        loss,
        _optimiser(params, classic=classic),
        rng=rng,
        metric=classic_accuracy if classic else accuracy,
        schedule=None if classic else falling(_epochs(params) * -(-examples // batch)),
    )


def _measure_held_out(held_out: tuple[Array, Array]) -> Callable[[Trainer], bool]:
    """Make a callback that records the held-out results for the report's curves only."""

    def measure(trainer: Trainer) -> bool:
        trainer.history.append(held_out_accuracy=trainer.evaluate(*held_out)["accuracy"])
        return False

    return measure


def _optimiser(params: Params, *, classic: bool) -> Optimiser:
    rate, decay = params.learning_rate, params.weight_decay
    if classic:
        return SGD(learning_rate=rate or 0.02, weight_decay=decay or 0.0)
    return Adam(learning_rate=rate or 0.02, weight_decay=0.003 if decay is None else decay)


if __name__ == "__main__":
    main.start()
