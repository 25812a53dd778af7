"""Find cycles of dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["rings"]


def rings(edges: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield cycles of a graph, each once, and at least one of each connected group of cycles.

    A cycle begins and ends with the smallest of its names.

    Examples
    --------
    >>> list(rings({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["a"]}))
    [['a', 'c', 'b', 'a']]
    """
    reported: set[frozenset[str]] = set()
    done: set[str] = set()
    for root in sorted(edges):
        # An explicit stack: chains of jobs can be longer than Python's own.
        path: list[str] = []
        stack = [(root, iter(edges[root]))] if root not in done else []
        path = [root] if stack else []
        while stack:
            name, rest = stack[-1]
            other = next(rest, None)
            if other is None:
                stack.pop()
                path.pop()
                done.add(name)
            elif other in path:
                cycle = path[path.index(other) :]
                if frozenset(cycle) not in reported:
                    reported.add(frozenset(cycle))
                    start = cycle.index(min(cycle))
                    yield [*cycle[start:], *cycle[:start], cycle[start]]
            elif other not in done:
                stack.append((other, iter(edges[other])))
                path.append(other)
