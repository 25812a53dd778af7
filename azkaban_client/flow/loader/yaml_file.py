"""Read YAML as Azkaban's parser does (YAML 1.1), with the line of every value.

The text is composed into nodes and read from them. Unlike plain Python values, nodes keep the
lines, show duplicate keys, and give ``010`` or ``yes`` as the text that the server gets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

import yaml

from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from yaml.nodes import Node

__all__ = ["Value", "YamlFile"]

_CORE = "tag:yaml.org,2002:"
_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")
_MOST_PARTS = 1_000_000
_TAGS = {_CORE + kind for kind in _KINDS}


class Value(NamedTuple):
    """A value of a mapping, and the line of its key."""

    node: Node
    line: int


@dataclass
class YamlFile:
    """One file; what is wrong with it is collected in `problems`."""

    name: str
    problems: list[Problem] = field(default_factory=list)

    def error(self, node: Node | int | None, rule: str, message: str) -> None:
        """Note an error at a node or a line."""
        line = node if node is None or isinstance(node, int) else node.start_mark.line + 1
        self.problems.append(Problem(self.name, line, rule, message))

    def warn(self, line: int | None, rule: str, message: str) -> None:
        """Note a warning."""
        self.problems.append(Problem(self.name, line, rule, message, "warning"))

    def compose(self, data: bytes) -> Node | None:
        """Parse the file; None if it is empty or cannot be parsed, which is noted."""
        try:
            loader = yaml.SafeLoader(data)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            words = " ".join(str(error).split())
            self.error(None, "syntax", f"not UTF-8 text: {words}: save the file as UTF-8")
            return None
        try:
            root = loader.get_single_node()
            if root is not None:
                _check_size(root)
                self._check_keys(root, loader, set())
        except RecursionError:
            self.error(None, "syntax", "no YAML that a server reads: it is nested too deeply")
            return None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            words = " ".join(filter(None, [error.context, error.problem]))
            self.error(mark.line + 1 if mark else None, "syntax", f"no YAML: {words}")
            return None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self.error(None, "syntax", f"no YAML: {' '.join(str(error).split())}")
            return None
        finally:
            loader.dispose()
        return root

    def _check_keys(self, node: Node, loader: yaml.SafeLoader, seen: set[int]) -> None:
        """Find duplicate keys and foreign tags, and merge what ``<<`` names."""
        if id(node) in seen:
            return
        if node.tag not in _TAGS:
            self.error(node, "yaml-tag", f"the tag {node.tag}: plain YAML has none of these")
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in keys:
                    line = key.start_mark.line + 1
                    words = f"{key.value!r} is given twice: the last one counts"
                    self.warn(line, "repeated-key", words)
                keys.add(str(key.value))
            children = [value for _, value in node.value]
        else:
            children = node.value if isinstance(node, yaml.SequenceNode) else []
        for child in children:
            self._check_keys(child, loader, seen)
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            loader.flatten_mapping(node)

    # -- reading ----------------------------------------------------------------------------

    def mapping(
        self, node: Node, what: str, keys: Collection[str] | None = None
    ) -> dict[str, Value] | None:
        """Read a mapping; a key that is not in `keys` is an error."""
        if not isinstance(node, yaml.MappingNode):
            self.error(node, "wrong-kind", f"{what}: expected keys with values, got {show(node)}")
            return None
        found: dict[str, Value] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.error(line, "wrong-kind", f"{what}: a key is {show(key)}, expected a name")
                continue
            if keys is not None and key.value not in keys:
                close = get_close_matches(key.value, keys, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                known = ", ".join(keys)
                self.error(
                    line, "unknown-key", f"{what}: {key.value!r} is not known{hint}; known: {known}"
                )
                continue
            found[key.value] = Value(value, line)
        return found

    def items(self, node: Node, what: str) -> Iterator[Node]:
        """Read a list."""
        if isinstance(node, yaml.SequenceNode):
            yield from node.value
        else:
            self.error(node, "wrong-kind", f"{what}: expected a list, got {show(node)}")

    def text(self, value: Value | None, what: str) -> str | None:
        """Read a scalar as the text that it is written with; None for nothing, or ``~``."""
        if value is None or is_null(value.node):
            return None
        if not isinstance(value.node, yaml.ScalarNode):
            self.error(value.node, "wrong-kind", f"{what}: expected a text, got {show(value.node)}")
            return None
        return str(value.node.value)

    def texts(self, value: Value | None, what: str) -> dict[str, Value]:
        """Read a mapping of texts; note and drop other values."""
        if value is None or is_null(value.node):
            return {}
        found = self.mapping(value.node, what) or {}
        good = {}
        for key, one in found.items():
            if isinstance(one.node, yaml.ScalarNode):
                good[key] = one
            else:
                self.text(one, f"{what}: {key}")
        return good


def _check_size(root: Node) -> None:
    """Refuse a document that contains itself, or whose aliases of aliases grow without bound."""
    counted: dict[int, int] = {}
    unfinished: set[int] = set()

    def count(node: Node) -> int:
        if id(node) in unfinished:
            raise yaml.MarkedYAMLError(problem="a part holds itself", problem_mark=node.start_mark)
        if id(node) not in counted:
            unfinished.add(id(node))
            if isinstance(node, yaml.MappingNode):
                children = [one for pair in node.value for one in pair]
            else:
                children = node.value if isinstance(node, yaml.SequenceNode) else []
            counted[id(node)] = 1 + sum(map(count, children))
            unfinished.remove(id(node))
        return counted[id(node)]

    if count(root) > _MOST_PARTS:
        words = f"with its aliases written out it has more than {_MOST_PARTS:,} parts"
        raise yaml.MarkedYAMLError(problem=words)


def is_null(node: Node) -> bool:
    """Tell whether a node is empty, ``~`` or ``null``."""
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_CORE}null"


def show(node: Node) -> str:
    """Say what a node is."""
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if is_null(node) else repr(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "keys with values"


def integer(node: Node) -> int | None:
    """Read a whole number as YAML 1.1 writes it (``010`` is eight), or give None."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        return int(yaml.SafeLoader("").construct_yaml_int(node))
    except (ValueError, yaml.YAMLError):
        return None
