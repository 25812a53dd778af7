"""Compare text classifiers on the held-out texts and make the report.

    python -m jobs.textclass.report --data texts.npz --models A/model.npz

Several models are separated by commas. They are compared with naive Bayes on word counts, the
baseline to beat. The report has a confusion matrix of the best model by validation loss and, if the
model has attention, shows what it looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from azkaban_client.job import Outputs, Page, Run, job, param
from azkaban_client.job.plots import confusion_figure
from core.nn import AttentionPool, Context, Sequential, softmax
from jobs._models import Trained, confusion_counts, load_trained
from jobs._plots import loss_curves
from jobs._texts import Corpus

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What is compared."""

    data: Path = param(doc="The texts.npz of jobs.textclass.load.")
    models: tuple[Path, ...] = param(doc="The model.npz of several jobs.textclass.train.")
    note: str = param("", doc="What the report says of models that are missing.")
    examples: int = param(8, doc="Texts to show with their attention.", ge=0)


class _Model(Trained):
    """A classifier with its results on the texts."""

    def logits(self, x: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.float64], Any]:
        """Return the outputs for texts ``(steps, texts)``, and the caches."""
        y, caches = self.network.forward(x, Context(mask=x > 0))
        return y.astype(np.float64), caches


@job
def main(params: Params, run: Run) -> Outputs:
    """Measure, show, report."""
    corpus = Corpus.load(params.data)
    same = {"words": corpus.words, "classes": corpus.classes}
    needs = {"label", "validation", *same}
    found = load_trained(params.models, run.prefix, needs=needs, same=same)
    models = [_Model(one.name, one.network, one.meta) for one in found]
    picked = {model.name: model.logits(corpus.x_test)[0].argmax(axis=1) for model in models}
    picked["naive Bayes"] = _naive_bayes(corpus)
    accuracy = {name: float((p == corpus.y_test).mean()) for name, p in picked.items()}
    best = min(models, key=lambda model: model.meta["validation"]["loss"])
    page = Page(
        "Text classification",
        f"{len(corpus.y_train)} texts to train, {len(corpus.y_test)} held out, "
        f"{len(corpus.classes)} classes, {len(corpus.words)} words, seed {run.seed}",
    )
    if params.note:
        page.text("Left out", params.note)
    page.facts("Held-out accuracy", [(name, f"{a:.1%}") for name, a in accuracy.items()])
    _table(page, models, accuracy)
    curves = loss_curves((model.name, model.meta["history"]) for model in models)
    page.plot("Learning curves", curves, "Loss by epoch; dotted on validation texts.")
    counts = confusion_counts(corpus.y_test, picked[best.name], len(corpus.classes))
    page.plot(
        f"Confusion matrix: {best.name}",
        confusion_figure(counts, corpus.classes),
        "Held-out texts by true and predicted class.",
    )
    _show_attention(page, best, corpus, params.examples)
    for name, value in accuracy.items():
        run.log(f"{name}: {value:.1%} of the held-out texts right")
    return {"report": run.report(page), "best": best.name, "accuracy": accuracy[best.name]}


def _table(page: Page, models: list[_Model], accuracy: dict[str, float]) -> None:
    rows = [
        [
            model.name,
            model.meta["parameters"],
            model.meta["best_epoch"],
            round(100 * model.meta["validation"]["accuracy"], 1),
            round(100 * accuracy[model.name], 1),
            round(model.meta["texts_per_second"]),
        ]
        for model in models
    ]
    header = ["model", "parameters", "best epoch", "validation, %", "held out, %", "texts/s"]
    page.table("Models", header, rows)


def _naive_bayes(corpus: Corpus) -> npt.NDArray[np.int64]:
    """Predict by multinomial naive Bayes with add-one smoothing."""
    size, classes = len(corpus.words), len(corpus.classes)
    counts = np.ones((classes, size))
    np.add.at(counts, (np.broadcast_to(corpus.y_train, corpus.x_train.shape), corpus.x_train), 1)
    counts[:, 0] = 1
    words = np.log(counts / counts.sum(axis=1, keepdims=True))
    words[:, 0] = 0  # padding carries no information
    prior = np.log(np.bincount(corpus.y_train, minlength=classes) + 1.0)
    picked: npt.NDArray[np.int64] = (words[:, corpus.x_test].sum(axis=1) + prior[:, None]).argmax(
        axis=0
    )
    return picked


def _show_attention(page: Page, model: _Model, corpus: Corpus, count: int) -> None:
    """List some held-out texts with the words that got the most attention."""
    layers = model.network.layers if isinstance(model.network, Sequential) else []
    places = [i for i, layer in enumerate(layers) if isinstance(layer, AttentionPool)]
    if not places or count == 0:
        return
    x = corpus.x_test[:, :: max(1, corpus.x_test.shape[1] // count)][:, :count]
    truth = corpus.y_test[:: max(1, corpus.x_test.shape[1] // count)][:count]
    logits, caches = model.logits(x)
    weights = caches[places[0]][2][..., 0]
    p = softmax(logits)
    rows = []
    for column in range(x.shape[1]):
        ids = x[x[:, column] > 0, column]
        top = np.argsort(-weights[: len(ids), column])[:5]
        rows.append(
            [
                " ".join(corpus.words[i] for i in ids)[:160],
                ", ".join(corpus.words[ids[i]] for i in top),
                corpus.classes[truth[column]],
                f"{corpus.classes[p[column].argmax()]} ({p[column].max():.0%})",
            ]
        )
    page.table(f"What {model.name} looks at", ["text", "most attention", "true", "said"], rows)


if __name__ == "__main__":
    main.start()
