"""Draw plots that several reports share."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

from azkaban_client.job import COLOURS, figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.figure import Figure

__all__ = ["loss_curves"]


def loss_curves(histories: Iterable[tuple[str, Mapping[str, Any]]]) -> Figure:
    """Draw the loss by epoch for pairs of a label and a history; validation losses are dotted."""
    fig = figure(7.0, 3.4)
    axes = fig.subplots()
    for (label, history), colour in zip(histories, cycle(COLOURS), strict=False):
        epochs = range(1, len(history["loss"]) + 1)
        axes.plot(epochs, history["loss"], color=colour, label=label)
        axes.plot(epochs, history["validation_loss"], color=colour, linestyle=":")
    axes.set(xlabel="epoch", ylabel="cross entropy, nats", yscale="log")
    axes.legend()
    return fig
