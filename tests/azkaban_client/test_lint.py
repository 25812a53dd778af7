"""Each rule of the linter: what it finds and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from azkaban_client.flow.collect import collect
from azkaban_client.flow.lint import lint
from azkaban_client.flow.zip import Bundle

REPOSITORY = Path(__file__).parents[2]
NOOP = "type=noop\n"
CALL = "job.notification.started"


def problems(known=("python",), **files: str) -> list[str]:
    """Lint files; ``a__job`` stands for ``a.job`` and ``d_b__job`` for ``d/b.job``."""
    named = {
        name.replace("__", ".").replace("_", "/").replace("~", "_"): text.encode("latin-1")
        for name, text in files.items()
    }
    return [str(problem) for problem in lint(Bundle(named), known=known)]


GOOD = {
    "a__job": "type=command\ncommand=${python} -m jobs.load --n ${n}\nretries=2\n",
    "b__job": "type=command\ncommand=echo ${azkaban.flow.execid} ${python}\ndependencies= a , \n",
    "p__properties": "n=${m}\nm=3\n",
    "jobs_load__py": "",
}


def test_a_good_project() -> None:
    assert problems(**GOOD) == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"b__job": NOOP + "dependencies=aa\n", "a__job": NOOP},
         "b.job:2: error: the dependency 'aa' does not exist: there is no aa.job "
         "(did you mean 'a'?)"),
        ({"a__job": NOOP + "dependencies=a\n"},
         "a.job:2: error: the job depends on itself: remove 'a'"),
        ({"a__job": NOOP + "dependencies=c\n", "b__job": NOOP + "dependencies=a\n",
          "c__job": NOOP + "\ndependencies=b\n"},
         "a.job:2: error: a cycle of dependencies: a -> c -> b -> a: remove one"),
        ({"x_a__job": NOOP, "y_a__job": NOOP},
         "y/a.job: error: the job name 'a' is used twice (x/a.job, y/a.job): names are unique "
         "within a project, rename one"),
        ({"a__job": "# nothing\ncommand=x\n"},
         "a.job: error: the job has no type: add type=command (or another)"),
        ({"a__job": "type=command\n"}, "a.job:1: error: type=command needs command=..."),
        ({"a__job": "type=command\ncommand=\n"}, "a.job:2: error: command is empty"),
        ({"a__job": "type=command\ncommand=echo ${epohcs}\n", "p__properties": "epochs=1\n"},
         "a.job:2: error: ${epohcs} is not defined (did you mean ${epochs}?): define it in a "
         ".properties file (or --known epohcs)"),
        ({"a__job": NOOP + "x=${y}\n", "p__properties": "y=${z}\nz=${y}\n"},
         "p.properties:1: error: ${y} refers to itself: y -> z -> y"),
        ({"a__job": NOOP, "p__properties": "# of no use\nx=${nope}\n"},
         "p.properties:2: error: ${nope} is not defined: define it in a .properties file"),
        ({"a__job": NOOP, "p__properties": "x=$(1 + 2)\n"},
         "p.properties:1: warning: '$(' in x begins an expression (JEXL) for servers from 2.6"),
        ({"a__job": NOOP + f"{CALL}.1.url=http://x/?{{job}}\n"},
         f"a.job:2: warning: {CALL}.1.url: a job callback: Azkaban calls it from 2.7 on, azk run "
         "--local does not"),
        ({"a__job": NOOP + f"{CALL}.2.url=http://x\n"},
         f"a.job:2: warning: {CALL}.2.url: Azkaban never calls it: job callbacks are "
         "job.notification.STATE.N.url, STATE one of started, success, failure, completed, N from "
         "1 to 3 without a gap"),
        ({"a__job": NOOP + "job.notification.failed.1.url=http://x\n"},
         "a.job:2: warning: job.notification.failed.1.url: Azkaban never calls it"),
        ({"a__job": NOOP + f"{CALL}.1.url=\n"}, f"a.job:2: warning: {CALL}.1.url is empty"),
        ({"a__job": "type=command\ncommand=${python} -m jobs.lod\n", "jobs_load__py": ""},
         "a.job:2: warning: -m jobs.lod: there is no jobs/lod.py in the project "
         "(did you mean jobs.load?)"),
        ({"a__job": "type=command\ncommand=${python} -m jobs.lod\n", "jobs_~~init~~__py": ""},
         "a.job:2: error: -m jobs.lod: there is no jobs/lod.py in the project"),
        ({"a__job": "type=command\ncommand=python3 -u -m jobs.load\n"},
         "a.job:2: warning: -m jobs.load: the project has no folder jobs/: add it (--with jobs), "
         "or install the module where jobs run"),
        ({"a__job": "type=command\ncommand=/usr/bin/python3.11 -X dev train.py --n 1\n"},
         "a.job:2: error: the script train.py is not in the project (looked for train.py)"),
        ({"d_a__job": "type=command\ncommand=python s.py\n", "s__py": ""},
         "d/a.job:2: error: the script s.py is not in the project (looked for d/s.py)"),
        ({"a__job": "type=command\ncommand=ls\ncommand.1=python no.py\n"},
         "a.job:3: warning: the script no.py is not in the project (looked for no.py)"),
        ({"a__job": NOOP + "retries=two\n"},
         "a.job:2: warning: retries=two: expected a number, 0 or more"),
        ({"a__job": "type=flow\n"},
         "a.job:1: error: type=flow needs flow.name=, the name of the flow to embed"),
        ({"a__job": "type=flow\nflow.name=b\n", "b__job": NOOP, "c__job": NOOP + "dependencies=b"},
         "a.job:2: error: flow.name=b: there is no such flow (flows: a, c); mark its last job "
         "with root.node=true if other jobs depend on it"),
        ({"a__job": NOOP + "x=\\u12\n"}, "a.job: error: cannot be read: "),
        ({"readme__txt": ""}, "(project): error: there is no .job file (files: readme.txt)"),
        ({"a__job": "type=command\ncommand=ls | wc\n"},
         "a.job:2: warning: '|' is passed to the program as it is, there is no shell: write "
         'bash -c "..." if you mean one'),
        ({"a__job": NOOP + "type=noop\n"},
         "a.job:2: warning: 'type' is given twice: the last one counts"),
        ({"a__job": NOOP + "x=é\n"},
         "a.job:2: warning: Azkaban reads this file as Latin-1: write other characters as \\uXXXX"),
        ({"n-a__job": NOOP, "b__job": NOOP + "dependencies=n-a\nx=${n-a.data}\n"},
         "b.job:3: warning: ${n-a.data} is left as it is: Azkaban takes only letters, digits, "
         "'_' and '.' in a reference"),
        ({"a__job": "type=command\ncommand=python -m sometool\n"},
         "a.job:2: warning: -m sometool: the project has no folder sometool/: add it "
         "(--with sometool), or install the module where jobs run"),
        ({"a__job": "type=comand\ncommand=ls\n"},
         "a.job:1: error: type 'comand' is not known (did you mean 'command'?); if the server has "
         "a plugin for it: --job-type comand"),
        ({"a__job": NOOP + "Xmx=3G\n"},
         "a.job:2: error: Xmx=3G: servers allow 2G unless their settings say more"),
        ({"a__job": NOOP + "Xms=much\n"},
         "a.job:2: error: Xms=much: expected a number with G, M or K"),
        ({"a__job": 'type=command\ncommand=bash -c "echo $(date +%F)"\n'},
         "a.job:2: warning: '$(' in command begins an expression (JEXL) for servers from 2.6 on"),
        ({"f__flow": "nodes: []\n"},
         "(project): error: there is no .job file (files: f.flow): .flow files need a .project "
         "file with azkaban-flow-version: 2.0"),
    ],
)  # fmt: skip
def test_each_problem(files, words) -> None:
    found = problems(**files)
    assert len(found) == 1
    assert found[0].startswith(words)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (f"{CALL}.0.url=x\n", f"{CALL}.0.url: callbacks are numbered from 1"),
        (f"{CALL}.1.url=x\n{CALL}.1.method=PUT\n", f"{CALL}.1.method=PUT: expected GET or POST"),
        (f"{CALL}.1.url=x\n{CALL}.1.method=POST\n",
         f"{CALL}.1.method=POST needs {CALL}.1.body=..."),
        (f"{CALL}.1.url=x\n{CALL}.1.method=POST\n{CALL}.1.body={'b' * 5000}\n",
         f"{CALL}.1.body has 5000 characters: expected 4096 at most"),
    ],
)  # fmt: skip
def test_callbacks_that_servers_refuse(lines, words) -> None:
    found = problems(a__job=NOOP + lines)
    assert f"a.job:2: error: {words}" in found
    assert sum(": error: " in line for line in found) == 1


def test_jobs_differ_in_what_they_make_of_a_shared_file() -> None:
    files = {"a__job": NOOP, "b__job": NOOP + "dependencies=a\n", "p__properties": "x=${rows}\n"}
    (found,) = problems(**files)
    assert found.startswith("p.properties:1: error: ${rows} is not defined: define it in")


def test_the_job_that_embeds_a_flow_gives_it_its_properties() -> None:
    files = {
        "train__job": NOOP + "x=${lr} ${load.rows} ${seed}\n",
        "small__job": "type=flow\nflow.name=train\ndependencies=load\nlr=0.1\n",
        "load__job": NOOP,
    }
    assert problems(**files) == [
        "train.job:2: warning: ${seed} is not defined, unless load outputs it: define it in a "
        ".properties file (or --known seed)"
    ]


def test_outputs_reach_direct_children_only() -> None:
    files = {
        "a__job": NOOP,
        "b__job": NOOP + "dependencies=a\nx=${a.path}\n",
        "c__job": NOOP + "dependencies=b\nx=${a.path}\n",
    }
    assert problems(**files) == [
        "c.job:3: error: ${a.path} looks like an output of 'a', which this job does not depend on "
        "directly: outputs reach direct children only"
    ]


def test_an_output_may_have_any_name() -> None:
    files = {"a__job": NOOP, "b__job": NOOP + "dependencies=a\nx=${rows}\n"}
    assert problems(**files) == [
        "b.job:3: warning: ${rows} is not defined, unless a outputs it: define it in a .properties "
        "file (or --known rows)"
    ]


def test_nearer_properties_and_folders() -> None:
    files = {
        "d_a__job": NOOP + "x=${deep} ${top}\n",
        "d_p__properties": "deep=1\n",
        "p__properties": "top=1\n",
        "b__job": NOOP + "x=${deep}\n",
    }
    found = problems(**files)
    assert len(found) == 1
    assert found[0].startswith("b.job:2: error: ${deep} is not defined")


def test_what_is_known() -> None:
    files = {"a__job": NOOP + "x=${python} ${cluster.name} ${azkaban.flow.flowid}\n"}
    assert len(problems(known=(), **files)) == 2
    assert problems(known=("python", "cluster.*"), **files) == []


def test_more_job_types() -> None:
    bundle = Bundle({"a.job": b"type=ours\n"})
    assert [problem.rule for problem in lint(bundle)] == ["unknown-type"]
    assert lint(bundle, job_types=["ours"]) == []


def test_an_embedded_flow_that_leads_back() -> None:
    files = {
        "a__job": "type=flow\nflow.name=b\n",
        "b__job": NOOP + "dependencies=a\nroot.node=true\n",
    }
    assert any("a cycle of dependencies: a -> b -> a" in line for line in problems(**files))


def test_names_longer_than_the_server_s_columns() -> None:
    flow, job = "f" * 129, "j" * 129
    assert problems(**{f"{flow}__job": NOOP}) == [
        f"{flow}.job: error: flow {flow} has a name of 129 characters: the server keeps 128, and "
        "refuses the project; rename it"
    ]
    found = problems(**{f"{job}__job": NOOP, "end__job": f"{NOOP}dependencies={job}\n"})
    assert found == [
        f"end.job: warning: job {job} has a name of 129 characters, and the server keeps 128: "
        "its log would be lost; rename it"
    ]
    inner, outer = "i" * 64, "o" * 64
    files = {f"{inner}__job": NOOP, f"{outer}__job": f"type=flow\nflow.name={inner}\n"}
    assert f"job {outer}:{inner} has a name of 129 characters" in "".join(problems(**files))
    assert problems(**{f"{'f' * 128}__job": NOOP}) == []


def test_a_path_longer_than_the_server_s_column() -> None:
    folder = "d" * 240
    found = [str(one) for one in lint(Bundle({f"{folder}/{'e' * 12}.job": b"type=noop\n"}))]
    assert len(found) == 1
    assert "error: the path has 257 characters: the server keeps 255" in found[0]
    assert lint(Bundle({f"{folder}/{'e' * 10}.job": b"type=noop\n"})) == []


def test_long_names_of_embedded_flows_of_flow_2() -> None:
    inner, outer = "i" * 64, "o" * 64
    flow = f"nodes:\n- name: {outer}\n  type: flow\n  nodes:\n  - name: {inner}\n    type: noop\n"
    found = problems(p__project="azkaban-flow-version: 2.0\n", main__flow=flow)
    assert len(found) == 1
    assert f"warning: job {outer}:{inner} has a name of 129 characters" in found[0]
    assert (
        problems(p__project="azkaban-flow-version: 2.0\n", main__flow=flow.replace("o" * 9, ""))
        == []
    )


def test_a_flow_that_embeds_itself() -> None:
    assert problems(x__job="type=flow\nflow.name=x\n") == [
        "x.job:2: error: a cycle of dependencies: x -> x: remove one"
    ]


def test_hidden_files_are_not_read() -> None:
    assert problems(a__job=NOOP, __hidden__job="x") == []


def test_the_shipped_flows_have_no_errors() -> None:
    projects = sorted((REPOSITORY / "flows").iterdir())
    assert projects
    for project in projects:
        bundle = collect(project, [REPOSITORY / "jobs", REPOSITORY / "core"])
        assert [str(p) for p in lint(bundle) if p.severity == "error"] == []


KIT = "from azkaban_client.job import job\n"


EMBEDDED = """nodes:
  - name: a
    type: flow
    nodes:
      - {name: load, type: noop}
      - {name: sales, type: command, config: {command: python3 sales.py}, dependsOn: [load]}
  - name: b
    type: flow
    nodes:
      - {name: OTHER, type: command, config: {command: python3 SCRIPT}}
  - name: end
    type: command
    config: {command: bash end.sh}
    dependsOn: [a, b]
"""


@pytest.mark.parametrize(
    ("other", "script", "found"),
    [("sales", "sales.py", True), ("rates", "sales.py", False), ("sales", "plain.py", False)],
)
def test_outputs_of_one_name_from_two_embedded_flows(other: str, script: str, found: bool) -> None:
    flow = EMBEDDED.replace("OTHER", other).replace("SCRIPT", script)
    texts = {"x.project": "azkaban-flow-version: 2.0\n", "x.flow": flow, "sales.py": KIT}
    texts |= {"plain.py": "print(1)\n", "end.sh": ""}
    told = lint(Bundle({name: text.encode() for name, text in texts.items()}))
    words = "outputs of 'a' and 'b' are both named sales.*, and this job gets those of one alone"
    expected = [("x.flow", 14, "colliding-outputs", words)]
    assert [(one.file, one.line, one.rule, one.message) for one in told] == expected * found


def test_outputs_of_a_flow_that_is_embedded_twice() -> None:
    texts = {"sales.job": "type=command\ncommand=python3 sales.py\n", "sales.py": KIT}
    texts |= {f"{one}.job": "type=flow\nflow.name=sales\n" for one in "ab"}
    texts["end.job"] = "type=command\ncommand=python3 --version\ndependencies=a,b\n"
    told = lint(Bundle({name: text.encode() for name, text in texts.items()}))
    assert [one.rule for one in told if one.file == "end.job"] == ["colliding-outputs"]


@pytest.mark.parametrize(
    ("first", "command", "found"),
    [
        ("sales", "python3 sales.py", True),
        ("sales", "${python} -u ./sales.py", True),
        ("sales.eu", "env A=1 python3 sales.py", True),
        ("nn.train", "python3 -m jobs.nn.train", True),
        ("sales2", "python3 sales.py", False),
        ("train", "python3 -m jobs.nn.train", False),
        ("sales", "python3 plain.py", False),
        ("sales", "bash sales.py", False),
        ("plain", "python3 sales.py", False),
    ],
)
def test_outputs_that_the_next_job_takes_for_parameters(
    first: str, command: str, found: bool
) -> None:
    files = {
        f"{first}.job": "type=command\ncommand=python3 sales.py\n",
        "next.job": f"type=command\ncommand={command}\ndependencies={first}\n",
        "sales.py": KIT,
        "jobs/nn/train.py": KIT,
        "plain.py": "print(1)\n",
    }
    bundle = Bundle({name: text.encode() for name, text in files.items()})
    told = [str(problem) for problem in lint(bundle, known=("python",))]
    words = "next.job:3: warning: outputs of '{0}' are named {0}.*, which this job refuses"
    assert [words.format(first) in text for text in told] == [True] * found
