"""Train a network that labels each character of a text, on what seqlabel_load wrote.

    python -m jobs.seqlabel_train --prop label.data=sequences.npz --prop label.cell=gru

A recurrent layer in both directions reads the whole text. A tenth of the training texts is kept to
tell when to stop; the parameters of the best epoch are the model.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)
from typing import Any

import numpy as np

from core.nn import Adam, CrossEntropy, Trainer, TrainingError
from core.nn.callbacks import EarlyStopping
from core.nn.memory import keep_freed_memory
from core.nn.models import tagger
from jobs._nn import save_model
from jobs._nn_text import Corpus
from jobs._params import param
from jobs._runtime import InputError, Job, Outputs, Spec, main

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """The network and how it is trained."""

    data: Path = param(doc="The sequences.npz of seqlabel_load.")
    cell: str = param("lstm", doc="Kind of recurrent layer.", choices=("rnn", "gru", "lstm"))
    embedding: int = param(32, doc="Features of a character.", ge=1)
    hidden: int = param(64, doc="Units of the recurrent layer in each direction.", ge=1)
    dropout: float = param(0.1, doc="Share dropped in training, 0 to 1.", ge=0, lt=1)
    epochs: int = param(6, doc="Most passes over the texts.", ge=1)
    patience: int = param(2, doc="Epochs without improvement before the end.", ge=1)
    batch_size: int = param(32, doc="Texts per update.", ge=1)
    learning_rate: float = param(0.005, doc="Step size of Adam.", gt=0)


def run(params: Params, job: Job) -> Outputs:
    """Train and save."""
    keep_freed_memory()
    corpus = Corpus.load(params.data)
    x, y = corpus.x_train, corpus.y_train
    if y.shape != x.shape:
        raise InputError(f"label.data = {params.data}: has no label for each character")
    settings: dict[str, Any] = {
        "vocabulary": len(corpus.words),
        "classes": len(corpus.classes),
        "embedding": params.embedding,
        "hidden": params.hidden,
        "cell": params.cell,
        "dropout": params.dropout,
    }
    trainer = Trainer(
        tagger(**settings, rng=job.rng),
        CrossEntropy(),
        Adam(learning_rate=params.learning_rate),
        rng=job.rng,
        clip=1.0,
        batch_axis=1,
        target_axis=1,
    )
    order = job.rng.permutation(x.shape[1])
    cut = max(1, len(order) // 10)
    check, rest = order[:cut], order[cut:]
    try:
        history = trainer.fit(
            x[:, rest],
            y[:, rest],
            mask=x[:, rest] > 0,
            epochs=params.epochs,
            batch_size=params.batch_size,
            validation=(x[:, check], y[:, check], x[:, check] > 0),
            callbacks=[EarlyStopping(patience=params.patience)],
            progress=lambda epochs: job.progress(epochs, "epochs"),
        )
    except (TrainingError, ValueError) as error:
        raise InputError(f"label.data = {params.data}: {error}") from None
    loss = min(history["validation_loss"])
    path = job.dir / "model.npz"
    save_model(
        path,
        trainer.network,
        builder="tagger",
        settings=settings,
        meta={
            "label": params.cell,
            "words": corpus.words,
            "classes": corpus.classes,
            "validation_loss": loss,
            "parameters": trainer.parameters.values.size,
            "best_epoch": int(np.argmin(history["validation_loss"])) + 1,
            "history": history.columns,
        },
    )
    job.log(f"{params.cell}: {loss:.4f} nats per character on the validation texts")
    return {"model": path, "data": params.data.absolute(), "loss": loss}


JOB = Spec(prefix="label", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
