r"""Measure a text classifier on all texts that were held out, on the executors of a Spark cluster.

    azkaban-jobflow spark submit --py-files core,jobs,azkaban_client \
        --conf spark.pyspark.driver.python=PYTHON -m jobs.spark.evaluate --model model.npz \
        --shards hdfs:///tmp/reviews-1

For models of jobs.spark.train, and shards of jobs.spark.load: jobs.textclass.report compares models
on the sample that is in texts.npz. The model goes to each task, and counts come back.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import islice
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from azkaban_client.job import InputError, Outputs, Page, Run, job, param
from azkaban_client.job.plots import confusion_figure
from core.nn import Context, CrossEntropy
from core.nn.serial import load
from jobs._models import confusion_counts, load_model
from jobs.spark import _shards
from jobs.spark._common import connected, spark_errors
from jobs.spark._numbering import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Params", "main", "measured"]

_BATCH = 256  # texts


@dataclass(frozen=True, kw_only=True)
class Params:
    """Which model, on which texts."""

    model: Path = param(doc="The model.npz of jobs.spark.train.")
    shards: str = param(doc="The folder of jobs.spark.load's shards.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Measure on the executors, report here."""
    _, meta = load_model(params.model)
    if not {"words", "classes", "label"} <= meta.keys():
        raise InputError(f"{run.prefix}.model = {params.model}: no text classifier")
    classes = [str(name) for name in meta["classes"]]
    name, key = _shards.name_of(meta["words"], classes), f"{run.prefix}.shards"
    with connected(run) as context:
        frame = _shards.read(context, params.shards, name, key).where("part = 'test'")
        model = context.broadcast(params.model.read_bytes())
        with spark_errors():
            rows = frame.select("class", "numbers").rdd
            counts, loss = rows.mapPartitions(lambda part: measured(part, model.value)).reduce(
                lambda one, other: tuple(map(add, one, other))
            )
    texts = int(counts.sum())
    scores = {"accuracy": float(np.trace(counts) / texts), "loss": loss / texts}
    run.log(f"{meta['label']}: {scores['accuracy']:.2%} of {texts:,} held-out texts right")
    run.report(_page(str(meta["label"]), classes, counts, scores))
    return {"model": params.model.absolute(), "texts": texts, **scores}


def measured(
    rows: Iterable[tuple[int, bytes]], model: bytes
) -> Iterator[tuple[npt.NDArray[np.int64], float]]:
    """Measure a model on the texts of a task.

    Parameters
    ----------
    rows
        The class of each text, and its numbers.
    model
        The content of a model file.

    Yields
    ------
    tuple
        How often class ``i`` was taken for ``j``, and the sum of the losses.
    """
    network, meta = load(io.BytesIO(model))
    rest, n = iter(rows), len(meta["classes"])
    counts, total = np.zeros((n, n), np.int64), 0.0
    while some := list(islice(rest, _BATCH)):
        y = np.array([label for label, _ in some])
        lengths = np.array([len(numbers) // 4 for _, numbers in some])
        x = np.zeros((lengths.max(), len(some)), np.int32)
        ids = np.frombuffer(b"".join(numbers for _, numbers in some), "<i4")
        fill(x, np.arange(len(some)), lengths, ids)
        output, _ = network.forward(x, Context(mask=x > 0))
        counts += confusion_counts(y, output.argmax(axis=1), n)
        total += CrossEntropy().forward(output, y)[0] * len(some)
    yield counts, total


def _page(
    label: str, classes: list[str], counts: npt.NDArray[np.int64], scores: dict[str, float]
) -> Page:
    page = Page("Held-out texts", f"{label}, {counts.sum():,} texts, {len(classes)} classes.")
    page.facts("Result", [("accuracy", f"{scores['accuracy']:.1%}"), ("loss", scores["loss"])])
    right, true, picked = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    found = np.round(100 * right / np.maximum([true, picked], 1), 1)
    rows: list[list[Any]] = [
        [name, int(n), float(recall), float(precision)]
        for name, n, recall, precision in zip(classes, true, *found, strict=True)
    ]
    page.table("Classes", ["class", "texts", "found, %", "of those said, right, %"], rows)
    figure = confusion_figure(counts, classes)
    page.plot("Confusion matrix", figure, "Held-out texts by true and predicted class.")
    return page


if __name__ == "__main__":
    main.start()
