"""Train a text classifier on texts that textclass_load wrote.

    python -m jobs.textclass_train --prop classify.data=texts.npz --prop classify.cell=lstm

Word embeddings, a recurrent layer in both directions, attention over its outputs. A tenth of the
training texts is kept to tell when to stop; the parameters of the best epoch are the model.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.nn.protocols import Array

__all__ = ["JOB", "Params", "Setting", "fit", "prepare", "run", "save"]


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
    dtype: str = param("float32", doc="Of numbers.", choices=("float32", "float64"))
    label: str | None = param(None, doc="What the report calls it; the cell if empty.")


@dataclass(frozen=True)
class Setting:
    """A training about to begin.

    Attributes
    ----------
    trainer
        With a new network.
    network
        What `core.nn.models.textclass` was told.
    train, held
        Words, classes and mask: of the texts to learn from, and of a tenth that is kept.
    """

    trainer: Trainer
    network: dict[str, Any]
    train: tuple[Array, Array, Array]
    held: tuple[Array, Array, Array]


def prepare(
    params: Params,
    corpus: Corpus,
    rng: np.random.Generator,
    make: Callable[..., Trainer] = Trainer,
) -> Setting:
    """Make the network and split the texts; `make` makes the trainer."""
    settings: dict[str, Any] = {
        "vocabulary": len(corpus.words),
        "classes": len(corpus.classes),
        "embedding": params.embedding,
        "hidden": params.hidden,
        "cell": params.cell,
        "pool": params.pool,
        "dropout": params.dropout,
        "dtype": params.dtype,
    }
    network = textclass(**settings, rng=rng)
    order = rng.permutation(len(corpus.y_train))
    cut = max(1, len(order) // 10)
    check, rest = order[:cut], order[cut:]
    trainer = make(
        network,
        CrossEntropy(),
        Adam(learning_rate=params.learning_rate),
        rng=rng,
        metric=accuracy,
        clip=1.0,
        batch_axis=1,
    )
    x, y = corpus.x_train, corpus.y_train
    return Setting(
        trainer,
        settings,
        (x[:, rest], y[rest], x[:, rest] > 0),
        (x[:, check], y[check], x[:, check] > 0),
    )


def fit(
    setting: Setting,
    params: Params,
    callbacks: Sequence[Callable[[Trainer], bool | None]],
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[str, float]:
    """Train for the epochs that are left; return the measures on the texts kept.

    Raises
    ------
    InputError
        Naming the data, where training cannot go on.
    """
    x, y, mask = setting.train
    try:
        setting.trainer.fit(
            x,
            y,
            mask=mask,
            epochs=params.epochs - len(setting.trainer.history),
            batch_size=params.batch_size,
            validation=setting.held,
            callbacks=callbacks,
            progress=progress,
        )
    except (TrainingError, ValueError) as error:
        raise InputError(f"classify.data = {params.data}: {error}") from None
    return setting.trainer.evaluate(*setting.held)


def save(
    path: Path,
    setting: Setting,
    params: Params,
    corpus: Corpus,
    scores: Mapping[str, float],
    *,
    seconds: float,
) -> str:
    """Write the model file; return what the model is called.

    Parameters
    ----------
    path
        Where it goes.
    setting, params, corpus
        What was trained, how, on what.
    scores
        Measures on the texts kept.
    seconds
        That training took.
    """
    label = params.label or params.cell
    history = setting.trainer.history
    save_model(
        path,
        setting.trainer.network,
        builder="textclass",
        settings=setting.network,
        meta={
            "label": label,
            "words": corpus.words,
            "classes": corpus.classes,
            "validation": dict(scores),
            "parameters": setting.trainer.parameters.values.size,
            "best_epoch": int(np.argmin(history["validation_loss"])) + 1,
            "history": history.columns,
            "texts_per_second": setting.train[1].size * len(history) / max(seconds, 1e-9),
        },
    )
    return label


def run(params: Params, job: Job) -> Outputs:
    """Train and save."""
    keep_freed_memory()
    corpus = Corpus.load(params.data)
    setting = prepare(params, corpus, job.rng)
    begin = time.monotonic()
    scores = fit(
        setting,
        params,
        [EarlyStopping(patience=params.patience)],
        lambda epochs: job.progress(epochs, "epochs"),
    )
    path = job.dir / "model.npz"
    label = save(path, setting, params, corpus, scores, seconds=time.monotonic() - begin)
    job.log(f"{label}: {scores['accuracy']:.1%} of the validation texts right")
    return {"model": path, "data": params.data.absolute(), **scores}


JOB = Spec(prefix="classify", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
