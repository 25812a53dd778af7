"""One-page HTML reports: tables and vector plots in one self-contained file.

The page follows the reader's light or dark scheme; a figure's black becomes the page's text
colour and its background is transparent, so that the same plot is readable in both.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cycler import cycler
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from jobs._runtime import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["COLOURS", "Page", "figure"]

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
    "axes.prop_cycle": cycler(color=COLOURS),
}


def figure(width: float = 7.0, height: float = 3.6) -> Figure:
    """Make an empty figure in the report's style (inches); add axes with ``fig.subplots()``."""
    import matplotlib as mpl  # noqa: PLC0415 (slow to load, and not every report has plots)
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def _svg(fig: Figure) -> str:
    buffer = io.StringIO()
    fig.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor")


@dataclass
class _Block:
    kind: str
    title: str
    body: object = None
    header: Sequence[str] = ()


@dataclass
class Page:
    """A report, block by block, in the order of the calls.

    Parameters
    ----------
    title
        The page's heading.
    subtitle
        One line below it: what was run, on what.

    Examples
    --------
    >>> page = Page("Routes", "12 stops, 3 dispatchers")
    >>> page.table("Load", ["dispatcher", "stops"], [["1", 4], ["2", 4], ["3", 4]])
    >>> '<td class="number">4</td>' in page.html()
    True
    """

    title: str
    subtitle: str = ""
    _blocks: list[_Block] = field(default_factory=list)

    def facts(self, title: str, pairs: Iterable[tuple[str, object]]) -> None:
        """Add the key figures, shown large."""
        self._blocks.append(_Block("facts", title, list(pairs)))

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table; numbers are aligned to the right."""
        self._blocks.append(_Block("table", title, [list(row) for row in rows], header))

    def plot(self, title: str, fig: Figure, caption: str = "") -> None:
        """Add a figure made by `figure`, as inline SVG with `caption` as its description."""
        self._blocks.append(_Block("plot", title, (Markup(_svg(fig)), caption)))  # noqa: S704 (our own SVG)

    def text(self, title: str, body: str) -> None:
        """Add a paragraph."""
        self._blocks.append(_Block("text", title, body))

    def code(self, title: str, body: str) -> None:
        """Add text in a fixed-width font, line breaks kept."""
        self._blocks.append(_Block("code", title, body))

    def html(self) -> str:
        """Render the page."""
        env = Environment(
            loader=PackageLoader("jobs", "templates"),
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return env.get_template("report.html").render(page=self, blocks=self._blocks)

    def write(self, path: Path) -> None:
        """Write the page whole or not at all."""
        write_text(path, self.html())
