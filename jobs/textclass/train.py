"""Train a text classifier on texts that jobs.textclass.load wrote.

    python -m jobs.textclass.train --data texts.npz --cell lstm

The network has word embeddings, a recurrent layer in both directions, and attention over its
outputs. A tenth of the training texts is kept to decide when to stop; the model has the parameters
of the best epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.job import Outputs, Run, job, param
from core.nn import Trainer
from core.nn.memory import keep_freed_memory
from core.nn.models import textclass
from jobs import _training
from jobs._optional import need
from jobs._texts import Corpus
from jobs._training import Setting, train

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["Params", "main", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """The network and how it is trained."""

    data: Path = param(doc="The texts.npz of jobs.textclass.load.")
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
    onnx: bool = param(False, doc="Write model.onnx as well, which other programs run.")

    @property
    def name(self) -> str:
        """The name of the model in the report."""
        return self.label or self.cell


def prepare(
    params: Params,
    corpus: Corpus,
    rng: np.random.Generator,
    make: Callable[..., Trainer] = Trainer,
) -> Setting:
    """Make the network and split the texts; `make` makes the trainer."""
    network = {
        "embedding": params.embedding,
        "hidden": params.hidden,
        "cell": params.cell,
        "pool": params.pool,
        "dropout": params.dropout,
        "dtype": params.dtype,
    }
    return _training.prepare(textclass, network, params, corpus, rng=rng, make=make)


@job
def main(params: Params, run: Run) -> Outputs:
    """Train and save."""
    keep_freed_memory()
    if params.onnx:
        need("onnx", "textclass.train.onnx")
    corpus = Corpus.load(params.data)
    setting = prepare(params, corpus, run.rng)
    return train(run, params, corpus, setting, label=params.name, what="texts")


if __name__ == "__main__":
    main.start()
