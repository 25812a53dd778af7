"""Plots that several reports have in common, vector graphics all of them."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs._report import COLOURS, figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

__all__ = ["cells", "colour_bar", "confusion", "confusion_figure", "loss_curves"]


def cells(axes: Axes, values: npt.ArrayLike, *, cmap: str, vmin: float, vmax: float) -> QuadMesh:
    """Draw a matrix as coloured cells, its first row on top, cell ``i, j`` centred on ``j, i``.

    ``imshow`` would leave a raster image in the SVG.
    """
    shown = np.asarray(values)
    edges = [np.arange(n + 1) - 0.5 for n in reversed(shown.shape)]
    style: dict[str, Any] = {"edgecolors": "face", "linewidth": 0.3}  # no seams between cells
    mesh = axes.pcolormesh(*edges, shown, cmap=cmap, vmin=vmin, vmax=vmax, **style)
    axes.invert_yaxis()
    axes.grid(visible=False)
    return mesh


def colour_bar(fig: Figure, mesh: QuadMesh, label: str) -> None:
    """Add a colour bar that is no raster image either."""
    bar = fig.colorbar(mesh, label=label)
    if bar.solids is not None:
        bar.solids.set(rasterized=False, edgecolor="face")


def confusion(axes: Axes, counts: npt.NDArray[np.int64], names: Sequence[str], what: str) -> None:
    """Draw a confusion matrix with its counts, coloured by each row's shares.

    Parameters
    ----------
    axes
        Where.
    counts
        How many of class ``i`` were said to be ``j``, shape ``(n, n)``.
    names
        Of the classes.
    what
        The word for a class in the labels of the axes.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells(axes, share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(*counts.shape):
        colour = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=f"predicted {what}", ylabel=f"true {what}", aspect="equal")


def confusion_figure(
    counts: npt.NDArray[np.int64], names: Sequence[str], what: str = "class"
) -> Figure:
    """Make a figure of one confusion matrix."""
    fig = figure(2.0 + 0.7 * len(names), 1.2 + 0.6 * len(names))
    axes = fig.subplots()
    confusion(axes, counts, names, what)
    axes.tick_params(axis="x", rotation=30)
    return fig


def loss_curves(histories: Iterable[tuple[str, Mapping[str, Any]]]) -> Figure:
    """Draw the loss by epoch, dotted on validation texts, of pairs of a label and a history."""
    fig = figure(7.0, 3.4)
    axes = fig.subplots()
    for (label, history), colour in zip(histories, cycle(COLOURS), strict=False):
        epochs = np.arange(1, len(history["loss"]) + 1)
        axes.plot(epochs, history["loss"], color=colour, label=label)
        axes.plot(epochs, history["validation_loss"], color=colour, linestyle=":")
    axes.set(xlabel="epoch", ylabel="cross entropy, nats", yscale="log")
    axes.legend()
    return fig
