"""Compare sequence labellers on the held-out texts and make the report.

    python -m jobs.seqlabel.report --data sequences.npz --models A/model.npz

Several models are separated by commas. They are compared with two counting baselines: the most
frequent label of a character, and of a character given its two neighbours. For the best model by
validation loss the report has a table of labels, a confusion matrix, and examples in colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from azkaban_client.job import COLOURS, InputError, Outputs, Page, Run, figure, job, param
from azkaban_client.job.plots import confusion_figure
from core.nn import Context
from jobs._models import confusion_counts, load_trained
from jobs._plots import loss_curves
from jobs._texts import Corpus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from core.nn.protocols import Array

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What is compared."""

    data: Path = param(doc="The sequences.npz of jobs.seqlabel.load.")
    models: tuple[Path, ...] = param(doc="The model.npz of several jobs.seqlabel.train.")
    examples: int = param(12, doc="Texts to show with their labels.", ge=1)


@job
def main(params: Params, run: Run) -> Outputs:
    """Measure, show, report."""
    corpus = Corpus.load(params.data)
    if corpus.y_test.shape != corpus.x_test.shape:
        raise InputError(f"{run.prefix}.data = {params.data}: has no label for each character")
    same = {"words": corpus.words, "classes": corpus.classes}
    needs = {"label", "validation", *same}
    models = load_trained(params.models, run.prefix, needs=needs, same=same)
    kept = corpus.x_test > 0
    picked = {
        model.name: model.network.forward(corpus.x_test, Context(mask=kept))[0].argmax(axis=-1)
        for model in models
    }
    picked["neighbours"] = _by_context(corpus, (-1, 0, 1))
    picked["character alone"] = _by_context(corpus, (0,))
    page = Page(
        "Sequence labelling",
        f"{corpus.x_train.shape[1]} texts to train, {corpus.x_test.shape[1]} held out, "
        f"{len(corpus.classes)} labels, seed {run.seed}",
    )
    accuracy = _shares(page, corpus, picked)
    best = min(models, key=lambda model: model.meta["validation"]["loss"]).name
    _show_labels(page, corpus, best, picked[best])
    page.plot(
        "Learning curves",
        loss_curves((model.name, model.meta["history"]) for model in models),
        "Loss by epoch; dotted on validation texts.",
    )
    page.plot(
        f"Held-out texts as {best} sees them",
        _coloured(corpus, picked[best], params.examples),
        "The colour of a character is its predicted label; wrong ones are underlined.",
    )
    for name, value in accuracy.items():
        run.log(f"{name}: {value:.2%} of the held-out characters right")
    return {"report": run.report(page), "best": best, "accuracy": accuracy[best]}


def _shares(page: Page, corpus: Corpus, picked: dict[str, Array]) -> dict[str, float]:
    """Show the shares of correct characters and of correct texts; return the former."""
    kept = corpus.x_test > 0
    right = {name: guess == corpus.y_test for name, guess in picked.items()}
    accuracy = {name: float(hits[kept].mean()) for name, hits in right.items()}
    page.facts("Held-out characters right", [(name, f"{a:.2%}") for name, a in accuracy.items()])
    rows = [
        [name, round(100 * accuracy[name], 2), round(100 * (hits | ~kept).all(axis=0).mean(), 1)]
        for name, hits in right.items()
    ]
    page.table("Characters and whole texts", ["by", "characters, %", "whole texts, %"], rows)
    return accuracy


def _show_labels(page: Page, corpus: Corpus, name: str, picked: Array) -> None:
    kept = corpus.x_test > 0
    counts = confusion_counts(corpus.y_test[kept], picked[kept], len(corpus.classes))
    page.table(
        f"Labels: {name}",
        ["label", "characters", "precision, %", "recall, %", "F1, %"],
        _scores(counts, corpus.classes),
    )
    page.plot(
        f"Confusion matrix: {name}",
        confusion_figure(counts, corpus.classes, "label"),
        "Held-out characters by true and predicted label.",
    )


def _by_context(corpus: Corpus, offsets: tuple[int, ...]) -> Array:
    """Predict the most frequent label of the characters at `offsets`, or of all for new ones."""
    size = len(corpus.words)
    train, test = (_codes(x, offsets, size) for x in (corpus.x_train, corpus.x_test))
    kept = corpus.x_train > 0
    known, rows = np.unique(train[kept], return_inverse=True)
    counts = np.zeros((len(known), len(corpus.classes)), dtype=np.int64)
    np.add.at(counts, (rows, corpus.y_train[kept]), 1)
    at = np.minimum(np.searchsorted(known, test), len(known) - 1)
    picked: Array = np.where(
        known[at] == test, counts.argmax(axis=1)[at], counts.sum(axis=0).argmax()
    )
    return picked


def _codes(x: Array, offsets: tuple[int, ...], size: int) -> Array:
    padded = np.pad(x.astype(np.int64), ((1, 1), (0, 0)))
    code = np.zeros(x.shape, dtype=np.int64)
    for offset in offsets:
        code = code * size + padded[1 + offset : 1 + offset + len(x)]
    return code


def _scores(counts: Array, classes: tuple[str, ...]) -> list[list[object]]:
    """Return per label how many, precision, recall and their harmonic mean, in percent."""
    hits, said, true = counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)
    measures = (hits / np.maximum(said, 1), hits / np.maximum(true, 1))
    f1 = 2 * hits / np.maximum(said + true, 1)
    return [
        [name, int(true[i]), *(round(100 * float(part[i]), 1) for part in (*measures, f1))]
        for i, name in enumerate(classes)
    ]


def _coloured(corpus: Corpus, picked: Array, count: int) -> Figure:
    """Write texts character by character, each in the colour of its label."""
    columns = range(min(count, corpus.x_test.shape[1]))
    length = int((corpus.x_test[:, : len(columns)] > 0).sum(axis=0).max())
    fig = figure(max(4.0, 1.0 + 0.085 * length), 1.1 + 0.22 * len(columns))
    axes = fig.subplots()
    ink = axes.xaxis.label.get_color()
    for row in columns:
        ids = corpus.x_test[corpus.x_test[:, row] > 0, row]
        for place, symbol in enumerate(ids):
            label = picked[place, row]
            colour = COLOURS[label % len(COLOURS)]
            text = corpus.words[symbol].replace("$", r"\$")
            axes.text(place, -row, text, color=colour, family="monospace", ha="center")
            if label != corpus.y_test[place, row]:
                axes.hlines(-row - 0.25, place - 0.5, place + 0.5, colors=ink)
    for label, name in enumerate(corpus.classes):
        axes.plot([], [], "s", color=COLOURS[label % len(COLOURS)], label=name)
    axes.set(xlim=(-1, length), ylim=(-len(columns), 1))
    axes.axis("off")
    fig.legend(loc="outside lower left", ncols=4)
    return fig


if __name__ == "__main__":
    main.start()
