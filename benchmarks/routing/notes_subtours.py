"""Draw docs/explanation/routing-subtours.svg: the notes' model beside the one that is put right.

    python benchmarks/routing/notes_subtours.py docs/explanation/routing-subtours.svg

Both are solved here and now by CBC; the loops that no dispatcher reaches are drawn dashed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from azkaban_client.job import COLOURS, figure
from core.routing import Problem
from core.routing.exact import backend, solve_three_index, three_index


def main(target: Path) -> None:
    rng = np.random.default_rng(4)
    towns = np.array([[0, 0], [6, 5], [-6, 5], [0, -8]])
    points = np.vstack([[0, 1], *(town + rng.normal(0, 1.1, (3, 2)) for town in towns)])
    problem = Problem(points=points, dispatchers=2)

    model, x = three_index.build(problem, subtours="allowed")
    found = backend.run(model)
    arcs = [arc for arc, variable in x.items() if found.values[variable.name] > 0.5]
    routes, loops = three_index.trace_arcs(arcs)
    assert loops, "the picture should show a loop"
    right = solve_three_index(problem)

    fig = figure(9.0, 4.4)
    axes = fig.subplots(1, 2, sharex=True, sharey=True)
    for ax, title, good, bad in (
        (axes[0], f"as in the notes: {found.objective:.1f}", routes, loops),
        (axes[1], f"with subtour elimination: {right.cost:.1f}", right.routes, []),
    ):
        for number, route in enumerate(good):
            _line(ax, points, [0, *route, 0], COLOURS[number], "-", f"dispatcher {number + 1}")
        for number, loop in enumerate(bad):
            label = "no dispatcher" if number == 0 else None
            _line(ax, points, [*loop, loop[0]], COLOURS[6], "--", label)
        ax.plot(*points[0], "s", markersize=9, color=COLOURS[7], label="depot", zorder=5)
        ax.set_title(title)
        ax.set_xlabel("x")
        ax.set_aspect("equal")
        ax.legend(loc="lower right", fontsize=8)
    axes[0].set_ylabel("y")
    # On its own in a browser the picture has no page colour to follow: give it one of its own.
    fig.set_facecolor("white")
    fig.savefig(target, format="svg", metadata={"Date": None}, facecolor="white")
    print(f"{target}: {len(loops)} loops without a dispatcher")


def _line(
    ax: object, points: np.ndarray, path: list[int], colour: str, dash: str, label: str | None
) -> None:
    x, y = points[path].T
    ax.plot(x, y, dash, color=colour, marker="o", markersize=4, label=label)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
