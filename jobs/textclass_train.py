"""Train a text classifier on texts that textclass_load wrote.

    python -m jobs.textclass_train --prop classify.data=texts.npz --prop classify.cell=lstm

Word embeddings, a recurrent layer in both directions, attention over its outputs. A tenth of the
training texts is kept to tell when to stop; the parameters of the best epoch are the model.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)
from typing import Any

import numpy as np

from core.nn import Adam, CrossEntropy, Trainer, TrainingError
from core.nn.callbacks import EarlyStopping
from core.nn.labels import accuracy
from core.nn.memory import keep_freed_memory
from core.nn.models import textclass
from jobs._nn import save_model
from jobs._nn_text import Corpus
from jobs._params import param
from jobs._runtime import InputError, Job, Outputs, Spec, main

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """The network and how it is trained."""

    data: Path = param(doc="The texts.npz of textclass_load.")
    cell: str = param(
        "lstm",
        doc="Recurrent layer; none takes the embeddings alone.",
        choices=("none", "rnn", "gru", "lstm"),
    )
    pool: str = param(
        "attention", doc="How steps become one.", choices=("attention", "mean", "last")
    )
    embedding: int = param(64, doc="Features of a word.", ge=1)
    hidden: int = param(64, doc="Units of the recurrent layer in each direction.", ge=1)
    dropout: float = param(0.5, doc="Share dropped in training, 0 to 1.", ge=0, lt=1)
    epochs: int = param(20, doc="Most passes over the texts.", ge=1)
    patience: int = param(4, doc="Epochs without improvement before the end.", ge=1)
    batch_size: int = param(32, doc="Texts per update.", ge=1)
    learning_rate: float = param(0.003, doc="Step size of Adam.", gt=0)
    label: str | None = param(None, doc="What the report calls it; the cell if empty.")


def run(params: Params, job: Job) -> Outputs:
    """Train and save."""
    keep_freed_memory()
    corpus = Corpus.load(params.data)
    settings: dict[str, Any] = {
        "vocabulary": len(corpus.words),
        "classes": len(corpus.classes),
        "embedding": params.embedding,
        "hidden": params.hidden,
        "cell": params.cell,
        "pool": params.pool,
        "dropout": params.dropout,
    }
    network = textclass(**settings, rng=job.rng)
    order = job.rng.permutation(len(corpus.y_train))
    cut = max(1, len(order) // 10)
    check, rest = order[:cut], order[cut:]
    trainer = Trainer(
        network,
        CrossEntropy(),
        Adam(learning_rate=params.learning_rate),
        rng=job.rng,
        metric=accuracy,
        clip=1.0,
        batch_axis=1,
    )
    x, y = corpus.x_train, corpus.y_train
    held = (x[:, check], y[check], x[:, check] > 0)
    try:
        history = trainer.fit(
            x[:, rest],
            y[rest],
            mask=x[:, rest] > 0,
            epochs=params.epochs,
            batch_size=params.batch_size,
            validation=held,
            callbacks=[EarlyStopping(patience=params.patience)],
            progress=lambda epochs: job.progress(epochs, "epochs"),
        )
    except (TrainingError, ValueError) as error:
        raise InputError(f"classify.data = {params.data}: {error}") from None
    scores = trainer.evaluate(*held)
    label = params.label or params.cell
    path = job.dir / "model.npz"
    save_model(
        path,
        network,
        builder="textclass",
        settings=settings,
        meta={
            "label": label,
            "words": corpus.words,
            "classes": corpus.classes,
            "validation": scores,
            "parameters": trainer.parameters.values.size,
            "best_epoch": int(np.argmin(history["validation_loss"])) + 1,
            "history": history.columns,
        },
    )
    job.log(f"{label}: {scores['accuracy']:.1%} of the validation texts right")
    return {"model": path, "data": params.data.absolute(), **scores}


JOB = Spec(prefix="classify", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
