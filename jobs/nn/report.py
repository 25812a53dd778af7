"""Evaluate trained networks on the held-out examples and write the report.

    python -m jobs.nn.report --data DATA.npz --models A/model.npz,B/model.npz

Compares any number of models on the same data set: accuracy, confusion matrix, training curves and,
for data with up to 30 features, the decision regions over the two that tell the classes apart best.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from azkaban_client.job import COLOURS, Outputs, Page, Run, figure, job, param
from azkaban_client.job.plots import confusion
from core.nn.labels import from_classic
from jobs._models import Trained, confusion_counts, load_trained
from jobs.nn._common import Dataset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What is compared."""

    data: Path = param(doc="The data.npz of jobs.nn.load.")
    models: tuple[Path, ...] = param(doc="The model.npz of several jobs.nn.train.")


class _Model(Trained):
    """A network with the class numbers that it gives."""

    def classes(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the class numbers of standardised examples."""
        y, _ = self.network.forward(x)
        picked: npt.NDArray[np.int64] = (
            from_classic(y) if self.meta["model"] == "classic" else y.argmax(axis=-1)
        )
        return picked


@job
def main(params: Params, run: Run) -> Outputs:
    """Measure, plot, report."""
    data = Dataset.load(params.data)
    same = {"classes": data.classes, "features": data.features}
    needs = {"label", "history", *same}
    found = load_trained(params.models, run.prefix, needs=needs, same=same)
    models = [_Model(one.name, one.network, one.meta) for one in found]
    validated = all("validation_accuracy" in model.meta["scores"] for model in models)
    page = Page(
        f"Neural networks on {data.name}",
        f"{len(data.y_train)} examples to train, {len(data.y_test)} held out, "
        f"{len(data.classes)} classes, seed {run.seed}",
    )
    accuracies = _table(page, models, data, validated=validated)
    for name, accuracy in accuracies.items():
        run.log(f"{name}: {accuracy:.1%} of the held-out examples right")
    if all(len(model.meta.get("held_out", ())) > 1 for model in models):
        _starts(page, models)
    _plot(page, models, data)
    merit = "validation_accuracy" if validated else "accuracy"  # the held-out examples stay unseen
    best = max(models, key=lambda model: float(model.meta["scores"][merit])).name
    where = "validation" if validated else "training"
    page.text("Chosen", f"{best}: the most {where} examples right.")
    scores = {f"accuracy.{name}": value for name, value in accuracies.items()}
    return {"report": run.report(page), "best": best, "accuracy": accuracies[best], **scores}


def _table(page: Page, models: list[_Model], data: Dataset, *, validated: bool) -> dict[str, float]:
    """Show the accuracy of each model; return that on the held-out examples."""
    accuracies, rows = {}, []
    for model in models:
        right = model.classes(data.x_test) == data.y_test
        accuracies[model.name] = float(right.mean())
        shares = [(model.classes(data.x_train) == data.y_train).mean(), right.mean()]
        if validated:
            shares.insert(1, model.meta["scores"]["validation_accuracy"])
        percent = [round(100 * float(share), 1) for share in shares]
        rows.append([model.name, *percent, int(right.sum()), model.meta["updates"]])
    page.facts("Held-out accuracy", [(name, f"{a:.1%}") for name, a in accuracies.items()])
    parts = ["training, %", *(["validation, %"] if validated else []), "held out, %"]
    page.table("Models", ["model", *parts, "right", "updates"], rows)
    return accuracies


def _starts(page: Page, models: list[_Model]) -> None:
    """Show how right the models are over several starts, and whether the difference is more."""
    found = {model.name: np.array(model.meta["held_out"]) for model in models}
    rows = [
        [name, len(a), *(f"{100 * v:.1f}" for v in (a.mean(), a.std(ddof=1), a.min(), a.max()))]
        for name, a in found.items()
    ]
    page.table(
        "Held-out accuracy by the mean over starts, %",
        ["model", "starts", "mean", "standard deviation", "least", "most"],
        rows,
    )
    (first, best), *rest = sorted(found.items(), key=lambda one: -one[1].mean())
    for name, other in rest:
        gain = best.mean() - other.mean()
        error = float(np.sqrt(best.var(ddof=1) / len(best) + other.var(ddof=1) / len(other)))
        verdict = (
            "more than other starting weights explain"
            if gain > 2 * error
            else "which other starting weights may explain as well: a tie"
        )
        page.text(
            f"{first} and {name}",
            f"{first} gets {100 * gain:.1f} percentage points more of the held-out examples right, "
            f"with a standard error of {100 * error:.1f}: {verdict}.",
        )


def _plot(page: Page, models: list[_Model], data: Dataset) -> None:
    page.plot(
        "Training",
        _curves(models),
        "Loss, accuracy and the gradient's norm by epoch. Losses differ in kind (squared error is "
        "a sum, cross entropy a mean): compare their shapes, not their heights.",
    )
    page.plot(
        "Confusion matrices",
        _confusion(data, models),
        "Held-out examples by true and predicted class.",
    )
    if len(data.features) <= 30:
        page.plot(
            "Decision regions",
            _regions(data, models),
            "Predicted class over the two features that separate the classes best, the others at "
            "their mean; the points are the held-out examples.",
        )


def _curves(models: list[_Model]) -> Figure:
    fig = figure(9.0, 5.6)
    grid = fig.subplot_mosaic([["loss", "right"], ["norm", "right"]])
    left, right, norm = grid["loss"], grid["right"], grid["norm"]
    for model, colour in zip(models, cycle(COLOURS), strict=False):
        history = model.meta["history"]
        epochs = np.arange(1, len(history["loss"]) + 1)
        left.plot(epochs, history["loss"], color=colour, label=model.name)
        right.plot(epochs, history["accuracy"], color=colour, label=f"{model.name}, training")
        right.plot(
            epochs,
            history["held_out_accuracy"],
            color=colour,
            linestyle=":",
            label=f"{model.name}, held out",
        )
        norm.plot(epochs, history["grad_norm"], color=colour, label=model.name)
    left.set(xlabel="epoch", ylabel="training loss", yscale="log")
    norm.set(xlabel="epoch", ylabel="norm of the gradient", yscale="log")
    right.set(xlabel="epoch", ylabel="share of examples right", ylim=(0, 1.02))
    left.legend()
    right.legend(loc="lower right")
    return fig


def _confusion(data: Dataset, models: list[_Model]) -> Figure:
    columns = min(2, len(models))
    rows = -(-len(models) // columns)
    size = 1.6 + 0.35 * len(data.classes)
    fig = figure(columns * (size + 1.2), rows * (size + 0.6))
    panels = np.atleast_1d(fig.subplots(rows, columns)).ravel()
    for model, axes in zip(models, panels, strict=False):
        _matrix(axes, data, model)
    for axes in panels[len(models) :]:
        axes.set_visible(False)
    return fig


def _matrix(axes: Axes, data: Dataset, model: _Model) -> None:
    counts = confusion_counts(data.y_test, model.classes(data.x_test), len(data.classes))
    confusion(axes, counts, data.classes, "class")
    axes.set(title=model.name)


def _regions(data: Dataset, models: list[_Model]) -> Figure:
    first, second = _telling(data)
    fig = figure(4.0 * len(models), 3.6)
    panels = np.atleast_1d(fig.subplots(1, len(models), sharey=True))
    spans = [
        np.linspace(data.x_test[:, f].min() - 0.5, data.x_test[:, f].max() + 0.5, 160)
        for f in (first, second)
    ]
    grid = np.meshgrid(*spans)
    points = np.zeros((grid[0].size, data.x_test.shape[1]))
    points[:, first], points[:, second] = grid[0].ravel(), grid[1].ravel()
    units = [spans[i] * data.scale[f] + data.mean[f] for i, f in enumerate((first, second))]
    raw = data.x_test * data.scale + data.mean
    for model, axes in zip(models, panels, strict=True):
        regions = model.classes(points).reshape(grid[0].shape)
        axes.contourf(
            *units,
            regions,
            levels=np.arange(len(data.classes) + 1) - 0.5,
            colors=COLOURS[: len(data.classes)],
            alpha=0.25,
        )
        for number, name in enumerate(data.classes):
            rows = data.y_test == number
            axes.scatter(
                raw[rows, first],
                raw[rows, second],
                s=14,
                color=COLOURS[number % len(COLOURS)],
                label=name,
            )
        axes.set(title=model.name, xlabel=data.features[first])
    panels[0].set(ylabel=data.features[second])
    panels[0].legend()
    return fig


def _telling(data: Dataset) -> tuple[int, int]:
    """Find the two features with the largest spread of class means (in standard deviations)."""
    means = [data.x_train[data.y_train == c].mean(axis=0) for c in range(len(data.classes))]
    order = np.argsort(-np.var(means, axis=0), kind="stable")
    return int(order[0]), int(order[min(1, len(order) - 1)])


if __name__ == "__main__":
    main.start()
