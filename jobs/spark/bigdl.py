r"""Train a text classifier by BigDL on the executors of a Spark cluster.

    azkaban-jobflow spark submit --bigdl --num-executors 2 --py-files core,jobs,azkaban_client \
        -m jobs.spark.bigdl --data texts.npz

The network is that of jobs.textclass.train with --cell lstm, --pool mean and no dropout; with the
same seed it begins at the same weights, and keeps the same tenth of the texts to measure on.
BigDL's DistriOptimizer trains it by the same rule (Adam, gradients clipped to norm 1); the texts of
each batch are drawn by BigDL. The model file is one of jobs.textclass.train's. Texts
must be equally long, since BigDL's layers know no padding: jobs.textclass.load with --min-words as
large as --max-words.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from azkaban_client.job import InputError, Outputs, Page, Run, job, param
from jobs.spark import _library
from jobs.spark._bigdl_weights import classifier, from_bigdl, to_bigdl
from jobs.spark._common import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.nn.protocols import Array

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params(_library.Params):
    """The network, and how it is trained."""

    label: str = param("BigDL", doc="What the report calls it.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Train on the executors, save here."""
    training = _library.LibraryTraining.begin(params, run)
    if not find_spec("bigdl"):
        raise InputError(
            "there is no BigDL here: run it by azkaban-jobflow spark submit --bigdl "
            "--py-files core,jobs,azkaban_client -m jobs.spark.bigdl"
        )
    network, corpus = training.setting.trainer.network, training.corpus
    (x, y, _), (held_x, held_y, _) = training.setting.train, training.setting.held
    with connected(run) as context:
        cores = _start()
        if params.batch_size % cores:
            raise InputError(
                f"spark.bigdl.batch_size = {params.batch_size}: no multiple of the executors' "
                f"{cores} cores, use {max(1, params.batch_size // cores) * cores}"
            )
        model = classifier(len(corpus.words), len(corpus.classes), params.embedding, params.hidden)
        model.set_weights(to_bigdl(network.params))
        optimiser = _optimiser(params, model, _samples(context, x, y, cores))
        held = _samples(context, held_x, held_y, cores)
        with tempfile.TemporaryDirectory(dir=run.dir) as folder:
            losses = _watch(optimiser, folder, held, params.batch_size)
            begin = time.monotonic()
            trained = optimiser.optimize()
            seconds = time.monotonic() - begin
            training.take(
                from_bigdl(trained.get_weights()), losses(-(-y.size // params.batch_size))
            )
        logits = trained.forward(_rows(held_x[:, : _library.CHECKED]))
    page = Page("Training by BigDL", f"{cores} cores, batches of {params.batch_size}")
    return training.finish(run, page, seconds, logits)


def _start() -> int:
    """Start BigDL; return the number of the executors' cores."""
    from bigdl.dllib.utils.common import (
        get_node_and_core_number,
        init_engine,
    )

    init_engine()
    nodes, cores = get_node_and_core_number()
    return int(nodes) * int(cores)


def _rows(x: Array) -> Array:
    """Turn columns of word numbers into rows of numbers from 1 on."""
    rows: Array = x.T.astype(np.float32) + 1
    return rows


def _samples(context: Any, x: Array, y: Array, cores: int) -> Any:
    """Spread texts over the cores."""

    def sample(row: tuple[Array, Array]) -> Any:
        from bigdl.dllib.utils.common import Sample

        return Sample.from_ndarray(*row)

    rows = list(zip(_rows(x), y.astype(np.float32)[:, None] + 1, strict=True))
    return context.parallelize(rows, cores).map(sample)


def _optimiser(params: Params, model: Any, samples: Any) -> Any:
    from bigdl.dllib.nn.criterion import ClassNLLCriterion
    from bigdl.dllib.optim.optimizer import Adam, MaxEpoch, Optimizer

    optimiser = Optimizer(
        model=model,
        training_rdd=samples,
        criterion=ClassNLLCriterion(),
        optim_method=Adam(learningrate=params.learning_rate),
        end_trigger=MaxEpoch(params.epochs),
        batch_size=params.batch_size,
    )
    optimiser.set_gradclip_l2norm(1.0)
    return optimiser


def _watch(
    optimiser: Any, folder: str, held: Any, batch_size: int
) -> Callable[[int], Iterator[dict[str, float]]]:
    """Have losses recorded; return what reads them, given the updates of an epoch."""
    from bigdl.dllib.nn.criterion import ClassNLLCriterion
    from bigdl.dllib.optim.optimizer import (
        EveryEpoch,
        Loss,
        TrainSummary,
        ValidationSummary,
    )

    train, kept = TrainSummary(folder, "bigdl"), ValidationSummary(folder, "bigdl")
    optimiser.set_validation(batch_size, held, EveryEpoch(), [Loss(ClassNLLCriterion())])
    optimiser.set_train_summary(train)
    optimiser.set_val_summary(kept)

    def read(updates: int) -> Iterator[dict[str, float]]:
        losses = [float(value) for _, value, *_ in train.read_scalar("Loss")]
        for epoch, (_, value, *_) in enumerate(kept.read_scalar("Loss")):
            part = losses[epoch * updates : (epoch + 1) * updates]
            yield {"loss": sum(part) / len(part), "validation_loss": float(value)}

    return read


if __name__ == "__main__":
    main.start()
