"""Train a network on labelled texts, for jobs.textclass.train and jobs.seqlabel.train."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from azkaban_client.job import InputError
from core.nn import Adam, CrossEntropy, Trainer, TrainingError
from core.nn.callbacks import EarlyStopping
from core.nn.labels import accuracy
from core.nn.trainer import take
from jobs._models import save_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from azkaban_client.job import Outputs, Run
    from core.nn import Layer
    from core.nn.protocols import Array
    from jobs._texts import Corpus

__all__ = ["Setting", "TrainingParams", "fit", "prepare", "save", "train"]


class TrainingParams(Protocol):
    """The parameters of a job that concern the training."""

    @property
    def data(self) -> Path:
        """File of the texts, for messages."""

    @property
    def epochs(self) -> int:
        """Maximum number of passes over the texts."""

    @property
    def patience(self) -> int:
        """Passes without improvement before the end."""

    @property
    def batch_size(self) -> int:
        """Texts per update."""

    @property
    def learning_rate(self) -> float:
        """Step size of Adam."""

    @property
    def onnx(self) -> bool:
        """Whether to write the network for other programs as well."""


@dataclass(frozen=True)
class Setting:
    """A training that is about to begin.

    Attributes
    ----------
    trainer
        With a new network.
    builder, network
        The function of `core.nn.models` that made it, and its settings.
    train, held
        Words, classes and mask of the texts to learn from, and of the tenth that is kept for
        validation.
    """

    trainer: Trainer
    builder: str
    network: dict[str, Any]
    train: tuple[Array, Array, Array]
    held: tuple[Array, Array, Array]


def prepare(
    build: Callable[..., Layer],
    network: Mapping[str, Any],
    params: TrainingParams,
    corpus: Corpus,
    *,
    rng: np.random.Generator,
    make: Callable[..., Trainer] = Trainer,
) -> Setting:
    """Make the network and split the texts.

    Parameters
    ----------
    build
        A function of `core.nn.models`.
    network
        Its settings beside the sizes of the vocabulary and of the classes.
    params, corpus, rng
        How to train, on which texts, with which random numbers.
    make
        Makes the trainer.
    """
    sizes = {"vocabulary": len(corpus.words), "classes": len(corpus.classes), **network}
    x, y = corpus.x_train, corpus.y_train
    axis = y.ndim - 1  # one class for each text, or one for each step
    built = build(**sizes, rng=rng)
    order = rng.permutation(x.shape[1])
    cut = max(1, len(order) // 10)

    def part(columns: Array) -> tuple[Array, Array, Array]:
        return x[:, columns], take(y, columns, axis), x[:, columns] > 0

    trainer = make(
        built,
        CrossEntropy(),
        Adam(learning_rate=params.learning_rate),
        rng=rng,
        metric=accuracy,
        clip=1.0,
        batch_axis=1,
        target_axis=axis,
    )
    return Setting(trainer, build.__name__, sizes, part(order[cut:]), part(order[:cut]))


def train(
    run: Run, params: TrainingParams, corpus: Corpus, setting: Setting, *, label: str, what: str
) -> Outputs:
    """Train until the texts kept for validation gain no more, and write the model.

    Parameters
    ----------
    run, params, corpus, setting
        The job, and the training that is about to begin.
    label
        What reports call the model.
    what
        What it tells the classes of, for the log.
    """
    begin = time.monotonic()
    stopping = EarlyStopping(patience=params.patience)
    scores = fit(setting, params, [stopping], lambda epochs: run.progress(epochs, "epochs"))
    path = run.dir / "model.npz"
    seconds = time.monotonic() - begin
    files = save(path, setting, label, corpus, scores, seconds=seconds, onnx=params.onnx)
    run.log(f"{label}: {scores['accuracy']:.2%} of the validation {what} right")
    return {**files, "data": params.data.absolute(), **scores}


def fit(
    setting: Setting,
    params: TrainingParams,
    callbacks: Sequence[Callable[[Trainer], bool | None]],
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[str, float]:
    """Train for the remaining epochs; return the measures on the texts kept for validation.

    Raises
    ------
    InputError
        When training cannot continue; the message names the data.
    """
    x, y, mask = setting.train
    setting.trainer.progress = progress
    try:
        setting.trainer.fit(
            x,
            y,
            mask=mask,
            epochs=params.epochs - len(setting.trainer.history),
            batch_size=params.batch_size,
            validation=setting.held,
            callbacks=callbacks,
        )
    except (TrainingError, ValueError) as error:
        raise InputError(f"texts {params.data}: {error}") from None
    return setting.trainer.evaluate(*setting.held)


def save(
    path: Path,
    setting: Setting,
    label: str,
    corpus: Corpus,
    scores: Mapping[str, float],
    *,
    seconds: float,
    onnx: bool = False,
) -> dict[str, Path]:
    """Write the model file, and return the job's outputs.

    Parameters
    ----------
    path
        Where it goes.
    setting, corpus
        What was trained, and on which texts.
    label
        What reports call the model.
    scores
        Measures on the texts kept for validation.
    seconds
        Duration of the training.
    onnx
        Whether to write an ONNX file as well.
    """
    history = setting.trainer.history
    texts = setting.train[0].shape[1]
    options = {"classes": corpus.classes, "lengths": True, "about": {"words": corpus.words}}
    return save_model(
        path,
        setting.trainer.network,
        builder=setting.builder,
        settings=setting.network,
        meta={
            "label": label,
            "words": corpus.words,
            "classes": corpus.classes,
            "validation": dict(scores),
            "parameters": setting.trainer.parameters.values.size,
            "best_epoch": int(np.argmin(history["validation_loss"])) + 1,
            "history": history.columns,
            "texts_per_second": texts * len(history) / max(seconds, 1e-9),
        },
        onnx=options if onnx else None,
    )
