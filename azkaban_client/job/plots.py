"""Draw figures in the style of reports as vector graphics; needs matplotlib and numpy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "cells", "colour_bar", "confusion", "confusion_figure", "figure", "svg"]

# Readable on white and on near-black, and for the colour-blind (after Okabe and Ito, 2008).
COLOURS = ("#1b86c9", "#d1700a", "#0e9a70", "#c2569a", "#8a7a00", "#7a6ff0", "#c23b3b", "#5b8f22")

# Stands for the page's text colour until the SVG is written.
_INK = "#010203"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: searchable, in the page's font
    "svg.hashsalt": "azkaban-jobflow",  # same plot, same bytes
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.titlecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.framealpha": 0,
    "legend.edgecolor": "none",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.color": "#808080",
}


def figure(width: float = 7.0, height: float = 3.6) -> Figure:
    """Make an empty figure in the report's style (inches); add axes with ``fig.subplots()``."""
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    mpl.rcParams.update({**_STYLE, "axes.prop_cycle": cycler(color=COLOURS)})
    return Figure(figsize=(width, height), layout="constrained")


def svg(fig: Figure) -> str:
    """Return a figure as SVG in the page's text colour."""
    buffer = io.StringIO()
    fig.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor")


def cells(axes: Axes, values: npt.ArrayLike, *, cmap: str, vmin: float, vmax: float) -> QuadMesh:
    """Draw a matrix as coloured cells, first row on top, with cell ``i, j`` centred on ``j, i``.

    ``imshow`` would leave a raster image in the SVG.
    """
    import numpy as np

    shown = np.asarray(values)
    edges = [np.arange(n + 1) - 0.5 for n in reversed(shown.shape)]
    style: dict[str, Any] = {"edgecolors": "face", "linewidth": 0.3}  # no seams between cells
    mesh = axes.pcolormesh(*edges, shown, cmap=cmap, vmin=vmin, vmax=vmax, **style)
    axes.invert_yaxis()
    axes.grid(visible=False)
    return mesh


def colour_bar(fig: Figure, mesh: QuadMesh, label: str) -> None:
    """Add a colour bar that is a vector graphic too."""
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
        How often class ``i`` was taken for ``j``, shape ``(n, n)``.
    names
        The names of the classes.
    what
        The word for a class in the labels of the axes.
    """
    import numpy as np

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
