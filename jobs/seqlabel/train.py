"""Train a network that labels each character of a text, on what jobs.seqlabel.load wrote.

    python -m jobs.seqlabel.train --data sequences.npz --cell gru

A recurrent layer reads the whole text in both directions. A tenth of the training texts is kept to
decide when to stop; the model has the parameters of the best epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.nn.memory import keep_freed_memory
from core.nn.models import tagger
from jobs._optional import need
from jobs._texts import Corpus
from jobs._training import prepare, train

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """The network and how it is trained."""

    data: Path = param(doc="The sequences.npz of jobs.seqlabel.load.")
    cell: str = param("lstm", doc="Kind of recurrent layer.", choices=("rnn", "gru", "lstm"))
    embedding: int = param(32, doc="Features of a character.", ge=1)
    hidden: int = param(64, doc="Units of the recurrent layer in each direction.", ge=1)
    dropout: float = param(0.1, doc="Share dropped in training, 0 to 1.", ge=0, lt=1)
    epochs: int = param(6, doc="Most passes over the texts.", ge=1)
    patience: int = param(2, doc="Epochs without improvement before the end.", ge=1)
    batch_size: int = param(32, doc="Texts per update.", ge=1)
    learning_rate: float = param(0.005, doc="Step size of Adam.", gt=0)
    onnx: bool = param(False, doc="Write model.onnx as well, which other programs run.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Train and save."""
    keep_freed_memory()
    if params.onnx:
        need("onnx", "seqlabel.train.onnx")
    corpus = Corpus.load(params.data)
    if corpus.y_train.shape != corpus.x_train.shape:
        raise InputError(f"seqlabel.train.data = {params.data}: has no label for each character")
    network = {
        "embedding": params.embedding,
        "hidden": params.hidden,
        "cell": params.cell,
        "dropout": params.dropout,
    }
    setting = prepare(tagger, network, params, corpus, rng=run.rng)
    return train(run, params, corpus, setting, label=params.cell, what="characters")


if __name__ == "__main__":
    main.start()
