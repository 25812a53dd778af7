"""Drawing flows."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azkaban_client.flow.graph import Graph
from azkaban_client.flow.loader import load
from azkaban_client.flow.zip import Bundle
from azkaban_client.models import Flow


def graph(needs: dict[str, tuple[str, ...]], **notes: str) -> Graph:
    return Graph("f", needs, notes)


DIAMOND = {"load": (), "left": ("load",), "right": ("load",), "end": ("left", "right")}


def test_from_files() -> None:
    files = {
        "a.job": b"type=noop",
        "b.job": b"type=flow\nflow.name=g\ndependencies=a,nosuch",
        "g.job": b"type=noop",
    }
    project = load(Bundle(files))
    found = Graph.of_project(project, "b")
    assert (found.needs, found.notes) == ({"a": (), "b": ("a",)}, {"b": "flow g"})
    assert found.text() == "b\n  a\n    b (flow g)   <- a"


def test_from_the_server() -> None:
    nodes = [
        {"id": "a", "type": "command"},
        {
            "id": "e",
            "type": "flow",
            "flowId": "g",
            "flow": "g",
            "nodes": [{"id": "x"}],
            "in": ["a"],
        },
    ]
    flow = Flow.parse({"flow": "f", "project": "p", "nodes": nodes})
    assert Graph.of_flow(flow) == graph({"a": (), "e": ("a",)}, e="flow g")


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.sets(st.integers(0, n)), max_size=n)))
def test_every_job_is_below_what_it_waits_for(sets) -> None:
    needs = {f"j{i}": tuple(f"j{one}" for one in sorted(s) if one < i) for i, s in enumerate(sets)}
    layers = graph(needs).layers()
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    assert set(depth) == set(needs)
    assert all(depth[one] < depth[name] for name, ups in needs.items() for one in ups)
    assert all(depth[name] == 0 for name, ups in needs.items() if not ups)


def test_a_cycle_is_named() -> None:
    with pytest.raises(ValueError, match="a -> b -> a"):
        graph({"a": ("b",), "b": ("a",)}).layers()


def test_mermaid_escapes_quotes() -> None:
    assert 'n0["a#quot;b"]' in graph({'a"b': ()}).mermaid()


def test_svg_has_a_box_for_each_job_and_an_arrow_for_each_dependency() -> None:
    drawn = graph({**DIAMOND, "a<&>b": ("end",)}, end="flow g").svg()
    root = ET.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}rect")) == 5
    assert len(root.findall(f"{space}path")) == 5
    texts = [element.text for element in root.findall(f"{space}text")]
    assert texts == ["load", "left", "right", "end", "flow g", "a<&>b"]
    width, height = float(root.get("width")), float(root.get("height"))
    for box in root.findall(f"{space}rect"):
        assert 0 <= float(box.get("x")) <= width - float(box.get("width"))
        assert 0 <= float(box.get("y")) <= height - 40
    assert "#" not in drawn.replace("url(#end)", "")  # no colour of its own
