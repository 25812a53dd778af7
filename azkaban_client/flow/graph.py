"""Draw a flow: as text, as Mermaid, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from azkaban_client.flow.loader import Project
    from azkaban_client.models import Flow

__all__ = ["Graph"]

_SVG_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" width="{total}" '
    'height="{height}" role="img" fill="none" stroke="currentColor" '
    'font-family="system-ui, sans-serif" font-size="13">'
)
_SVG_ARROW = (
    '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
    'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="currentColor" '
    'stroke="none"/></marker></defs>'
)


@dataclass(frozen=True)
class Graph:
    """A directed graph without cycles: jobs and their dependencies.

    Attributes
    ----------
    name
        The flow.
    needs
        The dependencies of each job, in order; each of them is a job of the graph.
    notes
        A remark beside a job's name, for example the flow that it embeds.

    Examples
    --------
    >>> graph = Graph("nn", {"load": (), "a": ("load",), "b": ("load",), "nn": ("a", "b")}, {})
    >>> print(graph.text())
    nn
      load
        a   <- load
        b   <- load
          nn   <- a, b
    >>> print(graph.mermaid())
    flowchart TD
        n0["load"]
        n1["a"]
        n2["b"]
        n3["nn"]
        n0 --> n1
        n0 --> n2
        n1 --> n3
        n2 --> n3
    """

    name: str
    needs: Mapping[str, tuple[str, ...]]
    notes: Mapping[str, str]

    @classmethod
    def of_project(cls, project: Project, flow: str) -> Graph:
        """Make the graph of a flow in a project's files, without missing dependencies.

        An embedded flow is drawn as one job in Flow 1.0, and with its jobs in Flow 2.0, where it is
        written within its flow.
        """
        needs: dict[str, tuple[str, ...]] = {}
        notes: dict[str, str] = {}

        def add(inner: str, prefix: str, before: tuple[str, ...]) -> None:
            jobs = project.flows[inner].jobs
            for name, job in jobs.items():
                here = tuple(prefix + one for one in job.dependencies if one in jobs) or before
                needs[prefix + name] = here
                if job.condition is not None:
                    notes[prefix + name] = f"if {job.condition}"
                if job.embeds is None:
                    continue
                if project.version == 1:
                    notes[prefix + name] = f"flow {job.embeds}"
                elif job.embeds in project.flows:
                    nested = f"{prefix}{name}:"
                    add(job.embeds, nested, here)
                    inside = project.flows[job.embeds].jobs
                    needed = {one for other in inside.values() for one in other.dependencies}
                    ends = tuple(nested + one for one in inside if one not in needed)
                    notes[prefix + name] = "flow"
                    needs[prefix + name] = ends or here

        add(flow, "", ())
        return cls(flow, needs, notes)

    @classmethod
    def of_flow(cls, flow: Flow) -> Graph:
        """Make the graph of a flow on the server."""
        needs = {node.id: node.dependencies for node in flow.nodes}
        notes = {node.id: f"flow {node.embedded}" for node in flow.nodes if node.embedded}
        return cls(flow.id, needs, notes)

    def layers(self) -> list[list[str]]:
        """Sort jobs into layers: each job is one layer below the lowest of its dependencies.

        Within a layer, jobs stand near the middle of their dependencies.
        """
        depth: dict[str, int] = {}

        def place(name: str, above: tuple[str, ...]) -> int:
            if name in above:
                raise ValueError(f"a cycle of dependencies: {' -> '.join((*above, name))}")
            if name not in depth:
                below = [place(one, (*above, name)) for one in self.needs[name]]
                depth[name] = 1 + max(below, default=-1)
            return depth[name]

        for name in self.needs:
            place(name, ())
        layers: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
        for name in sorted(self.needs):
            layers[depth[name]].append(name)
        column: dict[str, float] = {}
        for layer in layers:
            layer.sort(key=lambda name: (_mean(column[one] for one in self.needs[name]), name))
            for index, name in enumerate(layer):
                column[name] = index - (len(layer) - 1) / 2
        return layers

    def text(self) -> str:
        """Draw it as indented lines, in an order in which the jobs can run."""
        lines = [self.name]
        for depth, layer in enumerate(self.layers()):
            for name in layer:
                note = f" ({self.notes[name]})" if name in self.notes else ""
                needs = f"   <- {', '.join(self.needs[name])}" if self.needs[name] else ""
                lines.append(f"{'  ' * (depth + 1)}{name}{note}{needs}")
        return "\n".join(lines)

    def mermaid(self) -> str:
        """Draw it as a Mermaid flowchart."""
        order = [name for layer in self.layers() for name in layer]
        ids = {name: f"n{number}" for number, name in enumerate(order)}
        lines = ["flowchart TD"]
        for name in order:
            note = f"<br/>{self.notes[name]}" if name in self.notes else ""
            label = f"{name}{note}".replace('"', "#quot;")
            lines.append(f'    {ids[name]}["{label}"]')
        for name in order:
            lines += [f"    {ids[one]} --> {ids[name]}" for one in self.needs[name]]
        return "\n".join(lines)

    def svg(self) -> str:
        """Draw it as a picture in the colour of the text around it."""
        layers = self.layers()
        width = {
            name: 24 + 8 * max(len(name), len(self.notes.get(name, ""))) for name in self.needs
        }
        rows = [sum(width[name] + 24 for name in layer) - 24 for layer in layers]
        total = max(rows, default=0) + 40
        centre: dict[str, tuple[float, float]] = {}
        for number, layer in enumerate(layers):
            x = (total - rows[number]) / 2
            for name in layer:
                centre[name] = (x + width[name] / 2, 40 + number * 84)
                x += width[name] + 24
        parts = [
            _SVG_HEAD.format(total=total, height=len(layers) * 84),
            f"<title>Flow {escape(self.name)}</title>",
            _SVG_ARROW,
        ]
        for name, needs in self.needs.items():
            x2, y2 = centre[name]
            for x1, y1 in (centre[one] for one in needs):
                middle = (y1 + y2) / 2
                parts.append(
                    f'<path d="M{x1:g} {y1 + 20:g}C{x1:g} {middle:g} {x2:g} {middle:g} '
                    f'{x2:g} {y2 - 21:g}" opacity="0.6" marker-end="url(#end)"/>'
                )
        for name, (x, y) in centre.items():
            parts.append(
                f'<rect x="{x - width[name] / 2:g}" y="{y - 20:g}" width="{width[name]}" '
                'height="40" rx="8"/>'
            )
            lines = [name, self.notes[name]] if name in self.notes else [name]
            for number, line in enumerate(lines):
                baseline = y + 5 + (number - (len(lines) - 1) / 2) * 15
                parts.append(
                    f'<text x="{x:g}" y="{baseline:g}" text-anchor="middle" fill="currentColor" '
                    f'stroke="none">{escape(line)}</text>'
                )
        return "\n".join([*parts, "</svg>"])


def _mean(numbers: Iterable[float]) -> float:
    values = list(numbers)
    return sum(values) / len(values) if values else 0.0
