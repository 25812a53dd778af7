"""Train a multilayer perceptron on a data set that jobs.nn.load wrote.

    python -m jobs.nn.train --data runs/local/local/nn_load/data.npz

model=classic is the network as first drawn on paper: one hidden layer of sigmoid units, n - 1
sigmoid outputs for n classes, squared error summed over the whole training set, plain gradient
descent from weights in [-1, 1). model=default is what one would take today: tanh units, softmax
with cross entropy, mini-batches, Adam, weight decay. Parameters left empty take the model's own
values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.nn import SGD, Adam, CrossEntropy, SquaredError, Trainer, TrainingError
from core.nn.labels import accuracy, classic_accuracy, to_classic
from core.nn.memory import keep_freed_memory
from core.nn.models import mlp
from core.nn.schedules import falling
from jobs._files import Dataset, save_model

if TYPE_CHECKING:
    from core.nn import Loss, Optimiser

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
    label: str | None = param(None, doc="What the report calls it; the model's name if empty.")
    weight_decay: float | None = param(
        None, doc="Pull of the weights towards 0 (classic 0, default 0.003).", ge=0
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Train and save the model."""
    keep_freed_memory()
    data = Dataset.load(params.data)
    chosen_by = run.rng.random(len(data.y_train)) < params.validation
    if chosen_by.all():
        raise InputError(f"nn.train.validation = {params.validation}: leaves nothing to train on")
    x_train, x_check = data.x_train[~chosen_by], data.x_train[chosen_by]
    classic = params.model == "classic"
    outputs = len(data.classes) - (1 if classic else 0)
    settings: dict[str, Any] = {
        "sizes": [data.x_train.shape[1], params.hidden, outputs],
        "activation": "sigmoid" if classic else "tanh",
        "output": "sigmoid" if classic else "linear",
        "start": "classic" if classic else "glorot",
    }
    network = mlp(**settings, rng=run.rng)
    epochs = params.epochs or (500 if classic else 100)
    batch = params.batch_size or (None if classic else 16)
    updates = epochs * -(-len(x_train) // min(batch or 1, len(x_train)))
    loss: Loss = SquaredError("sum") if classic else CrossEntropy()
    trainer = Trainer(
        network,
        loss,
        _optimiser(params, classic=classic),
        rng=run.rng,
        metric=classic_accuracy if classic else accuracy,
        schedule=None if classic else falling(updates),
    )
    y_train, y_test = data.y_train, data.y_test
    try:
        if classic:
            y_train = to_classic(y_train, len(data.classes))
            y_test = to_classic(y_test, len(data.classes))
        y_train, y_check = y_train[~chosen_by], y_train[chosen_by]
        trainer.fit(
            x_train,
            y_train,
            epochs=epochs,
            batch_size=batch,
            validation=(data.x_test, y_test),
            progress=lambda epochs: run.progress(epochs, "epochs"),
        )
    except (TrainingError, ValueError) as error:
        raise InputError(f"nn.train.data = {params.data}: {error}") from None
    scores = trainer.evaluate(x_train, y_train)
    if len(x_check):
        scores["validation_accuracy"] = trainer.evaluate(x_check, y_check)["accuracy"]
    path = run.dir / "model.npz"
    save_model(
        path,
        network,
        builder="mlp",
        settings=settings,
        meta={
            "model": params.model,
            "label": params.label or params.model,
            "scores": scores,
            "features": data.features,
            "classes": data.classes,
            "mean": data.mean.tolist(),
            "scale": data.scale.tolist(),
            "updates": trainer.updates,
            "history": trainer.history.columns,
        },
    )
    label = params.label or params.model
    run.log(f"{label}: {scores['accuracy']:.1%} of the training examples right")
    # The report's job depends on this one, and Azkaban hands outputs to direct children only.
    return {"model": path, "data": params.data.absolute(), **scores}


def _optimiser(params: Params, *, classic: bool) -> Optimiser:
    rate, decay = params.learning_rate, params.weight_decay
    if classic:
        return SGD(learning_rate=rate or 0.02, weight_decay=decay or 0.0)
    return Adam(learning_rate=rate or 0.02, weight_decay=0.003 if decay is None else decay)


if __name__ == "__main__":
    main.start()
