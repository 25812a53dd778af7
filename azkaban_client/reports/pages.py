"""Pages about past runs: HTML without scripts, with vector plots that follow the colour scheme."""

from __future__ import annotations

import functools
import io
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from azkaban_client.errors import AzkabanError
from azkaban_client.reports import records
from azkaban_client.times import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jinja2 import Environment

    from azkaban_client.reports.records import Run, Trend

__all__ = ["flow", "index", "link", "summary"]

_PLOTTING = threading.Lock()  # matplotlib's settings are those of the process
_SHOWN = 40  # executions in a plot
_INK, _LINE = "#010203", "#1b86c9"  # the ink becomes the page's text colour
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "azk",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK
    ),
}


def link(*parts: str) -> str:
    """Make a relative link, each part encoded.

    >>> link("run", "a b", "7/x")
    'run/a%20b/7%2Fx'
    """
    return "/".join(quote(part, safe="") for part in parts)


def index(history: Sequence[Run]) -> str:
    """Make the first page: each flow with its latest runs, then all runs.

    Parameters
    ----------
    history
        The runs, newest first.
    """
    flows = []
    for project, name in records.tally(history):
        own = [run for run in history if (run.project, run.flow) == (project, name)]
        count = len({run.first for run in own})
        trend = _headline(own)
        flows.append(
            {"project": project, "flow": name, "last": own[0], "count": count, "trend": trend}
        )
    return _render("index.html", root="", flows=flows, history=history[:200])


def _headline(history: Sequence[Run]) -> Trend | None:
    """Choose the metric of a flow's trend: of its last job, the first that changed."""
    last = next((run.jobs[-1].name for run in history if run.status == "succeeded"), None)
    followed = (trend for trend in records.trends(history) if trend.job == last)
    return next((trend for trend in followed if _moves(trend)), None)


def _moves(trend: Trend) -> bool:
    return len({value for _, value in trend.points}) > 1


def _spark(trend: Trend) -> str:
    """Give the points of a line in a box of 100 by 20, the last executions of a trend.

    >>> _spark(records.Trend("fit", "loss", (("1", 3.0), ("2", 1.0), ("3", 2.0))))
    '0.0,2.0 50.0,18.0 100.0,10.0'
    """
    values = [value for _, value in trend.points[-_SHOWN:]]
    low, span = min(values), (max(values) - min(values)) or 1.0
    places = ((100 * i / max(len(values) - 1, 1), (v - low) / span) for i, v in enumerate(values))
    return " ".join(f"{x:.1f},{18 - 16 * y:.1f}" for x, y in places)


def flow(project: str, name: str, history: Sequence[Run]) -> str:
    """Make the page of a flow: how its metrics changed from run to run, and the runs.

    Parameters
    ----------
    project, name
        Which flow.
    history
        Its runs, newest first.
    """
    seconds = _seconds(history)
    duration = records.Trend("all jobs", "duration (s)", seconds)
    followed = [duration, *records.trends(history)] if seconds else records.trends(history)
    moving = [trend for trend in followed if _moves(trend)]
    return _render(
        "flow.html",
        root="../../",
        project=project,
        flow=name,
        history=history,
        plots=[(trend, _plot(trend)) for trend in moving],
        still=[trend for trend in followed if trend not in moving],
    )


def _seconds(history: Sequence[Run]) -> tuple[tuple[str, float], ...]:
    """Return how long each run took that succeeded in the end: all its attempts together."""
    spent: dict[str, float] = {}
    last: dict[str, Run] = {}
    for run in sorted(history, key=lambda run: run.age_key):
        if run.duration is not None:
            spent[run.first] = spent.get(run.first, 0.0) + run.duration.total_seconds()
            last[run.first] = run
    return tuple(
        (run.execution, spent[first]) for first, run in last.items() if run.status == "succeeded"
    )


def summary(run: Run, history: Sequence[Run]) -> str:
    """Make the page of an execution: each job with its metrics, beside those of the run before.

    Parameters
    ----------
    run
        The execution.
    history
        Runs of the same flow, newest first.
    """
    before = next((r for r in history if r.age_key < run.age_key and r.status == "succeeded"), None)
    earlier = {job.name: job.metrics for job in before.jobs} if before else {}
    return _render("run.html", root="../../", run=run, before=before, earlier=earlier)


def _plot(trend: Trend) -> Any:
    import matplotlib as mpl
    from markupsafe import Markup
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    points = trend.points[-_SHOWN:]
    with _PLOTTING, mpl.rc_context(_STYLE):
        fig = Figure(figsize=(4.2, 2.1), layout="constrained", facecolor="none")
        axes = fig.subplots()
        axes.set_facecolor("none")
        axes.plot(range(len(points)), [value for _, value in points], "o-", ms=4, color=_LINE)
        axes.grid(alpha=0.25, color="#808080")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.xaxis.set_major_formatter(lambda at, _: _execution(points, at))
        axes.set_xlabel("execution")
        # Names are the project's: a $ in one starts no formula.
        axes.set_ylabel(trend.metric[:40], parse_math=False)
        buffer = io.StringIO()
        fig.savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    return Markup(svg[svg.index("<svg") :].replace(_INK, "currentColor"))  # noqa: S704 (our own SVG, names escaped by matplotlib)


def _execution(points: Sequence[tuple[str, float]], at: float) -> str:
    number = round(at)
    return points[number][0] if number == at and 0 <= number < len(points) else ""


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> Environment:
    try:
        import jinja2
        import matplotlib as mpl  # noqa: F401 (of the extra "report")
    except ImportError as error:
        raise AzkabanError(
            f"azk report needs {error.name}: azkaban-jobflow env --with jobs installs it, "
            "elsewhere pip install 'azkaban-jobflow[report]'"
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("azkaban_client.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["link"] = link
    environment.filters |= {"when": _when, "took": _took, "value": _value, "spark": _spark}
    return environment


def _when(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else "–"


def _took(length: timedelta | float | None) -> str:
    """Write a duration; that of a very short job in milliseconds.

    >>> [_took(x) for x in (75, 0.84, 0.039, None)]
    ['1 min 15 s', '0.8 s', '39 ms', '–']
    """
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds and seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    return in_words(seconds) or "–"


def _value(number: float) -> str:
    """Show a metric in few digits.

    >>> [_value(x) for x in (0.93333333, 1234567.0, 42.0, 1e-9)]
    ['0.93333', '1,234,567', '42', '1e-09']
    """
    if number.is_integer() and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:.5g}"
