"""What scripts import and their Python lacks, and which Python jobs get."""

from __future__ import annotations

from pathlib import Path

import pytest

from azkaban_client.environments import store
from azkaban_client.errors import InvalidProject
from azkaban_client.flow.interpreter import with_python
from azkaban_client.flow.lint import lint
from azkaban_client.flow.lint.context import OF_SERVER
from azkaban_client.flow.loader import load
from azkaban_client.flow.zip import Bundle

HERE = {"${python}": frozenset({"numpy", "yaml"})}
PYTHON = Path("/my env/bin/python")
PROJECT = b"azkaban-flow-version: 2.0\n"


def found(
    files: dict[str, str], *, job: str = "command=${python} a.py", modules: object = HERE
) -> list[tuple[str, int | None, str, str]]:
    texts = {"a.job": f"type=command\n{job}\n", **files}
    problems = lint(Bundle({k: v.encode() for k, v in texts.items()}), modules=modules)
    return [(one.file, one.line, one.rule, one.severity) for one in problems]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import json, numpy.linalg\nfrom yaml import load\n", []),
        ("import os\nimport pandas\n", [("a.py", 2, "error")]),
        ("from pandas.core import frame, series\n", [("a.py", 1, "error")]),
        ("try:\n    import pandas\nexcept ImportError:\n    pandas = None\n", []),
        ("try:\n    pass\nfinally:\n    import pandas\n", [("a.py", 4, "error")]),
        ("def f():\n    import pandas\n", [("a.py", 2, "warning")]),
        ("class A:\n    import pandas\n", [("a.py", 2, "error")]),
        ("with open('x'):\n    import pandas\n", [("a.py", 2, "error")]),
        ("for x in y:\n    import pandas\n", [("a.py", 2, "warning")]),
        ("import sys\nsys.path.append('/x')\nimport pandas\n", [("a.py", 3, "warning")]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n", []),
        ("import typing\nif typing.TYPE_CHECKING:\n    import pandas\nelse:\n    import x\n",
         [("a.py", 5, "error")]),
        ("if __name__ == '__main__':\n    import pandas\n", [("a.py", 2, "warning")]),
        ("from . import helper\n", []),
        ("import broken(\n", []),
        ("from __future__ import annotations\n", []),
    ],
)  # fmt: skip
def test_imports_of_a_script(script: str, expected: list[tuple[str, int, str]]) -> None:
    problems = found({"a.py": script})
    assert problems == [(file, line, "missing-package", s) for file, line, s in expected]


@pytest.mark.parametrize(
    ("job", "script", "helper"),
    [
        ("command=${python} a.py", "a.py", "helper.py"),
        ("command=${python} -u in/a.py", "in/a.py", "in/helper.py"),
        ("command=${python} -m pack.a", "pack/a.py", "helper.py"),
        ("command=${python} -m pack", "pack/__main__.py", "helper.py"),
        ("command=${python} pack", "pack/__main__.py", "pack/helper.py"),
    ],
)
def test_modules_of_the_project_are_followed(job: str, script: str, helper: str) -> None:
    files = {script: "import helper\n", helper: "import helper\nimport pandas\n"}
    files |= {"pack/__init__.py": ""} if script.startswith("pack") else {}
    assert found(files, job=job) == [(helper, 2, "missing-package", "error")]


def test_packages_and_relative_imports_are_followed() -> None:
    files = {
        "pack/__init__.py": "",
        "pack/a.py": "from . import one\nfrom .sub import two\nfrom ..up import x\n",
        "pack/one.py": "import pandas\n",
        "pack/sub/__init__.py": "from .two import y\n",
        "pack/sub/two.py": "from ..three import z\n",
        "pack/three.py": "import polars\n",
        "names/space.py": "import requests\n",
    }
    problems = found(files, job="command=${python} -m pack.a")
    assert [file for file, *_ in problems] == ["pack/one.py", "pack/three.py"]
    files["pack/a.py"] = "import names.space\nimport native\nimport data\n"
    files |= {"native.cpython-311-x86_64-linux-gnu.so": "", "data/x.csv": ""}
    problems = found(files, job="command=${python} -m pack.a")
    assert [(file, line) for file, line, *_ in problems] == [
        ("names/space.py", 1),
        ("pack/a.py", 3),
    ]


@pytest.mark.parametrize(
    "job",
    [
        "command=${python} -I a.py",
        "command=python3 a.py",
        "command=${python} -c 'import pandas'",
        "command=${python} a.py\nworking.dir=/srv",
        "command=bash a.sh",
    ],
)
def test_what_another_python_or_folder_decides_is_not_checked(job: str) -> None:
    problems = found({"a.py": "import pandas\n", "a.sh": ""}, job=job)
    assert [rule for _, _, rule, _ in problems if rule == "missing-package"] == []


def test_what_the_python_of_the_server_lacks_is_a_warning() -> None:
    files = {"a.job": "type=command\ncommand=${python} a.py\n"}
    files |= {"b.job": "type=command\ncommand=${python} b.py\n", "b.py": "import pandas\n"}
    files["a.py"] = "import numpy\nimport pandas\nimport azkaban_client.job\nimport pandas.io\n"
    bundle = Bundle({name: text.encode() for name, text in files.items()})

    def rules(**given: object) -> list[tuple[str, int | None, str, str]]:
        problems = lint(bundle, **given)
        assert all("the server's Python lacks it" in one.message for one in problems)
        return [(one.file, one.line, one.rule, one.severity) for one in problems]

    known = frozenset({"numpy", "azkaban_client"})
    expected = [
        (name, line, "missing-package", "warning") for name, line in (("a.py", 2), ("b.py", 1))
    ]
    assert rules(modules={OF_SERVER: known}) == expected
    assert rules(modules={}) == rules(modules=None) == []
    own = Bundle({**bundle.files, "x.properties": b"python=/bin/sh\n"})
    assert lint(own, modules={OF_SERVER: known}) == []


def test_the_modules_of_the_servers_python(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AZK_HOME", str(tmp_path))
    (tmp_path / ".azkaban-jobflow").touch()
    assert store.modules_of_server() is None
    (tmp_path / "env/lib/python3.11/site-packages/pandas").mkdir(parents=True)
    assert store.modules_of_server() == {"__main__", "pandas", "azkaban_client"}


def test_a_python_that_is_not_the_environment_s_is_named() -> None:
    job = "command=python3 a.py"
    assert found({"a.py": ""}, job=job) == [("a.job", 2, "other-python", "warning")]
    assert found({"a.py": ""}, job=job, modules={}) == []
    assert found({"a.py": ""}, job="command=/bin/sh a.py") == []


@pytest.mark.parametrize("job", ["command.1=${python} a.py\ncommand=make a", "env.PYTHONPATH=/x"])
def test_what_something_else_may_put_there_is_a_warning(job: str) -> None:
    job = job if "command" in job else f"{job}\ncommand=${{python}} a.py"
    problems = found({"a.py": "import pandas\n"}, job=job)
    assert ("a.py", 1, "missing-package", "warning") in problems


@pytest.mark.parametrize(
    ("program", "there"),
    [
        ("/nowhere/bin/python3", False),
        ("python3.99", False),
        ("/bin/sh", True),
        ("${python}", True),
        ("./bin/python", True),
    ],
)
def test_an_interpreter_that_is_not_there(program: str, there: bool) -> None:
    job = f"command={program} a.py"
    files = {"a.py": "", "bin/python": ""}
    rules = [rule for _, _, rule, _ in found(files, job=job, modules={})]
    assert ("missing-interpreter" in rules) is not there
    assert "missing-interpreter" not in [r for _, _, r, _ in found(files, job=job, modules=None)]
    # A property that says where it is.
    assert ("missing-interpreter" in [
        rule for _, _, rule, _ in found({**files, "x.properties": f"py={program}\n"},
                                        job="command=${py} a.py", modules={})
    ]) is (not there)  # fmt: skip


def _python(files: dict[str, bytes], flow: str) -> list[str | None]:
    project = load(with_python(Bundle(files), PYTHON))
    assert [one for one in project.problems if one.severity == "error"] == []
    return [job.get("python") for job in project.flows[flow].jobs.values()]


def test_jobs_of_flow_1_get_the_python() -> None:
    files = {"in/a.job": b"type=noop", "b.job": b"type=noop\ndependencies=a"}
    assert _python(files, "b") == ['"/my env/bin/python"'] * 2
    own = {**files, "x.properties": b"python=/own\n"}
    assert _python(own, "b") == ["/own"] * 2
    nearer = {**files, "in/x.properties": b"python=/own\n"}
    assert _python(nearer, "b") == ["/own", '"/my env/bin/python"']


@pytest.mark.parametrize(
    "text",
    [
        "nodes:\n  - {name: a, type: noop}\n",
        "config:\n  x: 1\nnodes:\n  - {name: a, type: noop}\n",
        "---\n# a comment\nconfig:\n    # another\n    x: 1\nnodes:\n  - {name: a, type: noop}",
        "nodes:\n- {name: a, type: noop}\nconfig:\n",
        "nodes:\n- {name: a, type: noop}\nconfig:",
        "config: # none\nnodes:\n- name: a\n  type: noop\n",
        "  nodes:\n  - {name: a, type: noop}\n",
        "nodes: [{name: a, type: noop}]\nconfig: &c\n  x: 1\n",
    ],
)
def test_jobs_of_flow_2_get_the_python(text: str) -> None:
    files = {"p.project": PROJECT, "f.flow": text.encode()}
    assert _python(files, "f") == ['"/my env/bin/python"']
    kept = "".join(with_python(Bundle(files), PYTHON).read("f.flow").decode().split())
    for line in text.splitlines():
        assert "".join(line.split()) in kept


def test_a_python_of_the_flow_s_own_stays() -> None:
    text = b"config:\n  python: /own\nnodes:\n- {name: a, type: noop}\n"
    assert _python({"p.project": PROJECT, "f.flow": text}, "f") == ["/own"]


@pytest.mark.parametrize(
    "text",
    ["{nodes: [{name: a, type: noop}]}", "config: {x: 1}\nnodes:\n- {name: a, type: noop}\n"],
)
def test_a_config_in_braces_is_refused(text: str) -> None:
    with pytest.raises(InvalidProject, match=r"f\.flow: nothing can be added to a config in brac"):
        with_python(Bundle({"p.project": PROJECT, "f.flow": text.encode()}), PYTHON)


@pytest.mark.parametrize("text", [b"nodes: [", b"- a\n", b"", b"\xff\xfe"])
def test_what_cannot_be_read_is_left_to_lint(text: bytes) -> None:
    files = {"p.project": PROJECT, "f.flow": text}
    assert with_python(Bundle(files), PYTHON).read("f.flow") == text
