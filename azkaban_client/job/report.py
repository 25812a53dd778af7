"""Write one-page HTML reports: tables and vector plots in one self-contained file.

The page follows the reader's light or dark scheme; a figure's black becomes the page's text
colour and its background is transparent, so that the same plot is readable in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Number
from typing import TYPE_CHECKING

from azkaban_client.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["Page"]


@dataclass
class Page:
    """A report, built block by block in the order of the calls.

    Parameters
    ----------
    title
        The page's heading.
    subtitle
        One line below it: what was run, on which data.

    Examples
    --------
    >>> page = Page("Routes", "12 stops, 3 dispatchers")
    >>> page.table("Load", ["dispatcher", "stops"], [["1", 4], ["2", 4], ["3", 4]])
    >>> '<td class="number">4</td>' in page.html()
    True
    """

    title: str
    subtitle: str = ""
    _blocks: list[str] = field(default_factory=list)

    def facts(self, title: str, pairs: Iterable[tuple[str, object]]) -> None:
        """Add the key figures, shown large."""
        shown = "\n".join(
            f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in pairs
        )
        self._add(title, f'<dl class="facts">\n{shown}\n</dl>')

    def table(
        self,
        title: str,
        header: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        folded: bool = False,
    ) -> None:
        """Add a table; numbers stand at the right of their columns, rounded to five digits.

        Parameters
        ----------
        title
            The block's heading.
        header
            Names of the columns.
        rows
            As many values in each.
        folded
            Only the heading is shown until a reader opens it.
        """
        body = [list(row) for row in rows]
        if not body:
            self._add(title, '<p class="subtitle">None.</p>')
            return
        columns = zip(header, *body, strict=True)
        aligned = [_aligned(values, named=not at) for at, (_, *values) in enumerate(columns)]
        head, *lines = (
            f"<tr>{''.join(_cell(tag, *cell) for cell in zip(row, aligned, strict=True))}</tr>"
            for tag, row in (("th", header), *(("td", row) for row in body))
        )
        below = "\n".join(lines)
        self._add(
            title,
            f'<div class="scroll" role="region" tabindex="0" aria-label="{_text(title)}"><table>\n'
            f"<thead>{head}</thead>\n<tbody>\n{below}\n</tbody></table></div>",
            folded=folded,
        )

    def plot(self, title: str, fig: Figure, caption: str = "") -> None:
        """Add a figure made by `azkaban_client.job.figure`, as inline SVG.

        Parameters
        ----------
        title
            The block's heading.
        fig
            The figure.
        caption
            What it shows; also read to those who do not see it.
        """
        from azkaban_client.job.plots import svg

        below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
        label = _text(caption or title)
        self._add(
            title,
            f'<figure><div class="scroll" role="img" tabindex="0" aria-label="{label}">'
            f"{svg(fig)}</div>{below}</figure>",
        )

    def text(self, title: str, body: str) -> None:
        """Add a paragraph."""
        self._add(title, f"<p>{_text(body)}</p>")

    def code(self, title: str, body: str) -> None:
        """Add text in a fixed-width font, line breaks kept."""
        self._add(title, f"<pre>{_text(body)}</pre>")

    def html(self) -> str:
        """Return the page."""
        # Only here: a job that is killed outright needs neither.
        from pkgutil import get_data
        from string import Template

        page = get_data(__package__, "page.html") or b""  # also from a zip of modules
        subtitle = f'\n<p class="subtitle">{_text(self.subtitle)}</p>' if self.subtitle else ""
        blocks = "".join(f"<section>\n{block}\n</section>\n" for block in self._blocks)
        return Template(page.decode()).substitute(
            title=_text(self.title), subtitle=subtitle, blocks=blocks
        )

    def write(self, path: Path) -> None:
        """Write the page atomically."""
        write_text(path, self.html())

    def _add(self, title: str, body: str, *, folded: bool = False) -> None:
        heading = f"<h2>{_text(title)}</h2>"
        if folded:
            heading, body = f"<details><summary>{heading}</summary>", f"{body}\n</details>"
        self._blocks.append(f"{heading}\n{body}")


def _text(value: object) -> str:
    from html import escape

    return escape(str(value))


def _aligned(values: Sequence[object], *, named: bool) -> str:
    """Return the class of a column's cells; texts of numbers are names in the first column."""
    numbers = [_is_number(value, named=named) for value in values if value not in (None, "")]
    return ' class="number"' if numbers and all(numbers) else ""


def _is_number(value: object, *, named: bool) -> bool:
    if isinstance(value, str) and not named:
        try:
            float(value.rstrip(" %"))
        except ValueError:
            return False
        return True
    return isinstance(value, Number) and not isinstance(value, bool)


def _cell(tag: str, value: object, kind: str) -> str:
    """Make a cell; truth values and what is absent are written as in properties."""
    plain = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    shown = _rounded(value) if isinstance(value, float) else plain
    exact = f' title="{_text(value)}"' if shown != plain else ""
    return f"<{tag}{kind}{exact}>{_text(shown)}</{tag}>"


def _rounded(value: float) -> str:
    """Write a number in the digits that a reader can use; a large one to the unit."""
    shown = f"{value:.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:.5g}"
    return shown if len(shown) < len(str(value)) else str(value)
