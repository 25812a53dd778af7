"""Flow 2.0: reading, each rule of the linter, drawing, and running without a server."""

from __future__ import annotations

import pytest

from azkaban_client import Bundle, Event, LogLine
from azkaban_client.errors import InvalidProject
from azkaban_client.flow.graph import Graph
from azkaban_client.flow.lint import lint
from azkaban_client.flow.loader import load
from azkaban_client.flow.local import run
from azkaban_client.flow.overrides import _overridable

PROJECT = b"azkaban-flow-version: 2.0\n"
A = "nodes:\n- name: a\n  type: noop\n"


def bundle(flow: str, **more: str) -> Bundle:
    """Make a project; ``d_f__flow`` stands for ``d/f.flow``."""
    files = {k.replace("__", ".").replace("_", "/"): v.encode() for k, v in more.items()}
    return Bundle({"p.project": PROJECT, "f.flow": flow.encode(), **files})


def problems(flow: str, **more: str) -> list[str]:
    return [str(problem) for problem in lint(bundle(flow, **more))]


GOOD = """\
config:
  n: 010          # text, not eight
  who: yes
  base: data/${n}
trigger:
  maxWaitMins: 10
  schedule: {type: cron, value: '0 0/5 6-18 ? * MON-FRI'}
  triggerDependencies:
  - {name: t, type: kafka, params: {topic: x}}
nodes:
- name: load
  type: command
  config:
    command: ${python} -m jobs.load --n ${n}
    retries: 2
- name: inner
  type: flow
  dependsOn: [load]
  config: {deep: 1}
  nodes:
  - name: x
    type: command
    config:
      command: echo ${deep} ${base} ${load.path} ${azkaban.flow.execid}
  - {name: y, type: noop, dependsOn: [x], condition: "!(${x:rows} < 10) && one_success"}
- name: end
  type: noop
  dependsOn: [load, inner]
  condition: ALL_DONE
"""


def test_a_good_project() -> None:
    assert problems(GOOD, jobs_load__py="") == []


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("", "f.flow: error: the file is empty: expected nodes: ..."),
        ("nodes:\n", "f.flow:1: error: flow f has no nodes: expected nodes: ..."),
        ("nodes: []\n", "f.flow: warning: flow f has no nodes: it cannot run"),
        ("- a\n", "f.flow:1: error: flow f: expected keys with values, got a list"),
        ("nodes: {a: 1}\n", "f.flow:1: error: nodes of f: expected a list, got keys with values"),
        ("nodes: [a]\n", "f.flow:1: error: a node of f: expected keys with values, got 'a'"),
        ("nodes:\n\t- a\n", "f.flow:2: error: no YAML: while scanning for the next token found "
         "character '\\t' that cannot start any token"),
        (A + "---\n" + A, "f.flow:4: error: no YAML: expected a single document"),
        ("nodes: &x [*x]\n", "f.flow:1: error: no YAML: a part holds itself"),
        ("nodes:\n- type: noop\n", "f.flow:2: error: a node of f has no name"),
        ("nodes:\n- name: a\n", "f.flow:2: error: node a has no type: expected type: command"),
        ("nodes:\n- {name: 'a:b', type: noop}\n", "f.flow:2: error: the name 'a:b' holds ':'"),
        (A + "  dependson: [b]\n",
         "f.flow:4: error: a node of f: 'dependson' is not known (did you mean 'dependsOn'?)"),
        (A + "- {name: b, type: noop, dependsOn: [aa]}\n",
         "f.flow:4: error: b depends on 'aa': flow f has no such node (did you mean 'a'?)"),
        (A + "- {name: b, type: noop, dependsOn: a}\n",
         "f.flow:4: error: dependsOn of b: expected a list, got 'a'"),
        (A + "- {name: b, type: noop, dependsOn: [~]}\n",
         "f.flow:4: error: dependsOn of b: a name is empty"),
        (A + "  dependsOn: [a]\n", "f.flow:4: error: a cycle of dependencies: a -> a: remove one"),
        ("nodes:\n- {name: b, type: noop, dependsOn: [a]}\n- {name: a, type: noop, dependsOn: [b]}",
         "f.flow:3: error: a cycle of dependencies: a -> b -> a: remove one"),
        (A + A.removeprefix("nodes:\n"), "f.flow:4: error: the name 'a' is used twice in flow f"),
        (A + "- name: e\n  type: flow\n  nodes:\n  - {name: x, type: noop}\n"
         "  - {name: x, type: noop}\n",
         "f.flow:8: error: the name 'x' is used twice in flow f:e: rename one"),
        (A + "- name: e\n  type: flow\n  nodes:\n  - {name: x, type: noop, dependsOn: [a]}\n",
         "f.flow:7: error: x depends on 'a': flow f:e has no such node"),
        (A + "- {name: e, type: flow}\n", "f.flow: error: flow f:e has no nodes"),
        (A + "  nodes:\n  - {name: b}\n",
         "f.flow:4: warning: nodes of a have no effect: its type is noop, not flow"),
        ("name: x\n" + A, "f.flow:1: warning: 'name' of the whole flow has no effect"),
        (A + "  config: {x: 1, x: 2}\n",
         "f.flow:4: warning: 'x' is given twice: the last one counts"),
        (A + "  config: {x: [1]}\n",
         "f.flow:4: error: config of a: x: expected a text, got a list"),
        (A + "  config: x\n", "f.flow:4: error: config of a: expected keys with values, got 'x'"),
        (A + "  config: {x: !!binary aGk=}\n", "f.flow:4: error: the tag tag:yaml.org,2002:binary"),
        (A + "  config: {x: '${y}'}\n",
         "f.flow:4: error: ${y} is not defined: define it in the config of the flow"),
        ("nodes:\n- {name: a, type: comand}\n",
         "f.flow:2: error: type 'comand' is not known (did you mean 'command'?)"),
        ("nodes:\n- {name: a, type: command}\n", "f.flow:2: error: type=command needs command="),
        ("nodes:\n- {name: a, type: command, config: {command: python d/s.py}}\n",
         "f.flow:2: error: the script d/s.py is not in the project (looked for d/s.py)"),
        (A + "  config: {Xmx: 4G}\n", "f.flow:4: error: Xmx=4G: servers allow 2G unless"),
        (A + "  trigger: {}\n", "f.flow:4: warning: trigger of a has no effect"),
        ("trigger: {maxWaitMins: 5}\n" + A, "f.flow:1: error: a trigger needs schedule:"),
        ("trigger: {schedule: {type: cron, value: '5 0 0 ? * *'}}\n" + A,
         "f.flow:1: error: schedule: '5 0 0 ? * *': the first field, seconds, must be 0"),
        ("trigger: {schedule: {type: cron, value: '0 0 0 * * *'}}\n" + A,
         "f.flow:1: error: schedule: '0 0 0 * * *' is no cron expression: one of day of month and "
         "day of week is '?', and the other is not"),
        ("trigger: {schedule: {type: daily, value: '0 0 0 ? * *'}}\n" + A,
         "f.flow:1: error: schedule: type is daily: expected type: cron"),
        ("trigger: {maxWaitMins: x, schedule: {type: cron, value: '0 0 0 ? * *'}}\n" + A,
         "f.flow:1: error: maxWaitMins: 'x': expected a whole number, 1 or more"),
    ],
)  # fmt: skip
def test_each_problem(flow: str, words: str) -> None:
    found = problems(flow)
    assert len(found) == 1, found
    assert found[0].startswith(words)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("", "it ends where a value is expected"),
        ("${a:x} ==", "it ends where a value is expected"),
        ("(${a:x} == 1", "a parenthesis is not closed"),
        ("${a:x} = 1", "'= 1' cannot be read"),
        ("${a:x} == 1.5", "'1.5' cannot be read"),
        ("${a:x} 1", "'1' is left over"),
        ("== 1", "'==' stands where a value is expected"),
        ("one_success && all_done", "only one of all_success"),
        ("one_sucess", "'one_sucess' is none of all_success"),
        ("!one_success", "'!' cannot stand before 'one_success'"),
        ("!!${a:x}", "'!' cannot stand before '!'"),
        ("${a:x} == '>'", "'>' cannot stand within quotes"),
        ("${a:x} == 'all_done'", "the server replaces names within quotes"),
        ("${a:x} >= 1", "the server cannot read '>=': write !(a < b)"),
        ("${a:x} && 'b'", "it compares nothing, so it is never true"),
        ("${aa:x} == 1", "flow f has no node 'aa' (did you mean 'a'?)"),
        ("${b:x} == 1", "'b' has not run by then"),
        ("${c:x} == 1", "'c' has not run by then"),
        ("${d:x} == 1", "'d' need not have run by then: depend on it"),
    ],
)
def test_bad_conditions(condition: str, words: str) -> None:
    flow = A + (
        f'- {{name: b, type: noop, dependsOn: [a], condition: "{condition}"}}\n'
        "- {name: c, type: noop, dependsOn: [b]}\n- {name: d, type: noop}\n"
    )
    (found,) = problems(flow)
    assert found.startswith("f.flow:4: ")
    assert words in found


@pytest.mark.parametrize(
    ("project", "words"),
    [
        (b"", "p.project: error: the file is empty: expected azkaban-flow-version: 2.0"),
        (b"x: 1", "p.project: error: azkaban-flow-version is missing"),
        (b"azkaban-flow-version: 2", "p.project:1: error: azkaban-flow-version: '2' is not taken"),
        (b"azkaban-flow-version: '2.0'", "p.project:1: error: azkaban-flow-version: '2.0' is not"),
        (b"azkaban-flow-version: [2.0]", "p.project:1: error: azkaban-flow-version: "),
        (b"- 2.0", "p.project:1: error: the project: expected keys with values, got a list"),
    ],
)
def test_project_files(project: bytes, words: str) -> None:
    found = [str(p) for p in lint(Bundle({"p.project": project, "f.flow": A.encode()}))]
    assert found[-1].startswith(words)


def test_several_files() -> None:
    assert problems(A, g__flow=A, d_h__flow=A) == []
    (found,) = problems(A, d_f__flow=A)
    assert "f.flow: error: the flow 'f' is there twice (d/f.flow, f.flow)" in found
    (found,) = problems(A, q__project=PROJECT.decode())
    assert found == "q.project: error: p.project is there already: a project has one .project file"
    (found,) = problems(A, x__job="type=nonsense")
    assert found.startswith("x.job: warning: not read")
    assert lint(Bundle({"p.project": PROJECT}))[0].rule == "no-flows"


def test_a_chain_longer_than_the_stack() -> None:
    nodes = [f"- {{name: j{i}, type: noop, dependsOn: [j{i - 1}]}}" for i in range(1, 1500)]
    flow = "nodes:\n- {name: j0, type: noop}\n" + "\n".join(reversed(nodes))
    assert problems(flow) == []
    assert next(iter(load(bundle(flow)).flows["f"].jobs)) == "j0"


def test_values_are_the_text_that_stands_there() -> None:
    """As the server's parser gives them, whatever YAML 1.1 makes of a number or a date."""
    flow = A + "  config: {a: 010, b: yes, c: 1.50, d: 2001-01-01, e: ~, f: 1_000, g: 0x1F, h: ''}"
    own = load(bundle(flow)).flows["f"].jobs["a"].own
    assert {key: entry.value for key, entry in own.entries.items()} == {
        "a": "010", "b": "yes", "c": "1.50", "d": "2001-01-01", "e": "", "f": "1_000",
        "g": "0x1F", "h": "",
    }  # fmt: skip


def test_anchors_and_merges() -> None:
    flow = "nodes:\n- name: a\n  type: noop\n  config: &c {x: 1, y: 1}\n"
    flow += "- name: b\n  type: noop\n  config: {<<: *c, y: 2}\n"
    assert problems(flow) == []
    own = load(bundle(flow)).flows["f"].jobs["b"].own
    assert (own.get("x"), own.get("y")) == ("1", "2")


def test_the_graph_shows_embedded_flows_and_conditions() -> None:
    graph = Graph.of_project(load(bundle(GOOD)), "f")
    assert graph.needs == {
        "load": (),
        "inner:x": ("load",),
        "inner:y": ("inner:x",),
        "inner": ("inner:y",),
        "end": ("load", "inner"),
    }
    assert graph.notes["inner:y"] == "if !(${x:rows} < 10) && one_success"
    assert "inner:y (if !(${x:rows}" in graph.text()


# -- without a server ------------------------------------------------------------------------


def play(flow: str, *, files: dict[str, str] | None = None, **properties: str) -> list[Event]:
    whole = Bundle({**bundle(flow).files, **{k: v.encode() for k, v in (files or {}).items()}})
    return list(run(whole, "f", properties=properties))


def outcome(events: list[Event]) -> dict[str, str]:
    found = {job.id: job.status.value for job in events[-1].execution.walk()}
    return {**found, "": events[-1].execution.status.value}


def node(name: str, command: str, *needs: str, condition: str | None = None) -> str:
    when = f"\n  condition: {condition}" if condition else ""
    return (
        f"- name: {name}\n  type: command\n  dependsOn: [{', '.join(needs)}]{when}\n"
        f"  config:\n    command: {command}\n"
    )


def test_the_order_of_properties() -> None:
    flow = (
        "config: {a: flow, b: flow, c: flow, d: flow, e: flow}\nnodes:\n"
        + node("first", "bash out.sh")
        + "- name: in\n  type: flow\n  dependsOn: [first]\n  config: {c: in, e: in}\n  nodes:\n"
        + "  - name: x\n    type: command\n    config: {command: 'echo ${a} ${b} ${c} ${d} ${e}'}\n"
    )
    script = 'echo "{\\"d\\": 1, \\"c\\": 1}" > $JOB_OUTPUT_PROP_FILE'
    events = play(flow, files={"out.sh": script}, b="given", e="given")
    seen = [e.text for e in events if isinstance(e, LogLine) and e.job.id == "in:x"]
    assert seen == ["flow given in 1 in"]


FAILS, WORKS = "bash -c 'exit 1'", "bash -c 'exit 0'"


@pytest.mark.parametrize(
    ("macro", "first", "second", "last", "whole"),
    [
        (None, WORKS, WORKS, "SUCCEEDED", "SUCCEEDED"),
        (None, WORKS, FAILS, "CANCELLED", "FAILED"),
        ("one_success", WORKS, FAILS, "SUCCEEDED", "SUCCEEDED"),
        ("one_success", FAILS, FAILS, "CANCELLED", "KILLED"),
        ("one_failed", WORKS, FAILS, "SUCCEEDED", "SUCCEEDED"),
        ("one_failed", WORKS, WORKS, "CANCELLED", "KILLED"),
        ("all_failed", FAILS, FAILS, "SUCCEEDED", "SUCCEEDED"),
        ("all_failed", WORKS, FAILS, "CANCELLED", "KILLED"),
        ("ALL_DONE", FAILS, WORKS, "SUCCEEDED", "SUCCEEDED"),
        ("all_done && 1 == 2", FAILS, WORKS, "CANCELLED", "KILLED"),
    ],
)
def test_conditions_on_status(macro, first, second, last, whole) -> None:
    flow = "nodes:\n" + node("a", first) + node("b", second)
    found = outcome(play(flow + node("c", WORKS, "a", "b", condition=macro)))
    assert (found["c"], found[""]) == (last, whole)


def test_a_failure_that_only_some_can_use_fails_the_flow() -> None:
    flow = "nodes:\n" + node("a", FAILS) + node("b", WORKS, "a", condition="all_done")
    assert outcome(play(flow))["b"] == "SUCCEEDED"
    found = outcome(play(flow + node("c", WORKS, "a")))
    assert found == {"a": "FAILED", "b": "CANCELLED", "c": "CANCELLED", "": "FAILED"}


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("${a:n} > 9", True),
        ("${a:n} > '9'", False),  # two texts are compared as texts
        ("${a:n} == 10 && ${a:s} != ''", True),
        ("!(${a:s} == 'x y') || 1 > 2", False),
        ("${a:nosuch} == 1 || 1 == 1", False),  # the engine cannot read what is not replaced
        ("${a:quote} == 1 || 1 == 1", False),
        ("${a:e} == 0", True),
        ("${a:s} < 1 || ${a:s} > 0", False),
    ],
)
def test_conditions_on_outputs(condition: str, runs: bool) -> None:
    values = '{"n": 10, "s": "x y", "quote": "it\'s", "e": ""}'
    files = {"out.sh": f"cat > $JOB_OUTPUT_PROP_FILE <<'E'\n{values}\nE\n"}
    quoted = "'" + condition.replace("'", "''") + "'"
    flow = "nodes:\n" + node("a", "bash out.sh") + node("b", WORKS, "a", condition=quoted)
    assert problems(flow, out__sh="") == []
    assert outcome(play(flow, files=files))["b"] == ("SUCCEEDED" if runs else "CANCELLED")


def test_an_embedded_flow_that_does_not_run_and_one_that_fails() -> None:
    inner = "  nodes:\n  - {name: x, type: noop}\n  - {name: y, type: noop, dependsOn: [x]}\n"
    flow = "nodes:\n" + node("a", WORKS)
    flow += f"- name: e\n  type: flow\n  dependsOn: [a]\n  condition: one_failed\n{inner}"
    found = outcome(play(flow + node("z", WORKS, "e", condition="all_done")))
    assert found == {
        "a": "SUCCEEDED", "e": "CANCELLED", "e:x": "CANCELLED", "e:y": "CANCELLED",
        "z": "SUCCEEDED", "": "SUCCEEDED",
    }  # fmt: skip
    broken = inner.replace(
        "name: x, type: noop", f'name: x, type: command, config: {{command: "{FAILS}"}}'
    )
    found = outcome(play(f"nodes:\n- name: e\n  type: flow\n{broken}{node('z', WORKS, 'e')}"))
    assert found == {
        "e": "FAILED", "e:x": "FAILED", "e:y": "CANCELLED", "z": "CANCELLED", "": "FAILED",
    }  # fmt: skip


@pytest.mark.parametrize(
    "flow", ["nodes: [", A + "  dependsOn: [b]\n", A + "  condition: nonsense\n"]
)
def test_what_cannot_run(flow: str) -> None:
    with pytest.raises(InvalidProject, match=r"f\.flow"):
        play(flow)


def test_what_the_file_says_of_the_flow_is_no_parameter() -> None:
    found = _overridable({"a": {"command": "echo ${n}"}}, {"type": "flow", "n": "1"})
    assert found.defaults == {"n": "1"}
    assert found.refusals(["type"])
