"""Flows in Python: a flow.py gives the files of its flows, and every finding names its line."""

from __future__ import annotations

import os
import textwrap
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client import collect
from azkaban_client.errors import InvalidProject
from azkaban_client.flow import script
from azkaban_client.flow.lint import lint
from azkaban_client.flow.loader import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azkaban_client.flow.zip import Bundle

NIGHTLY = """\
from azkaban_client.flow import Flow
from cities import CITIES

nightly = Flow("nightly", properties={"rows": 1000, "dry": False})
load = nightly.job("load", "${python} load.py", properties={"load.rows": "${rows}"})
trained = [
    nightly.job(f"train_{x}", "${python} train.py", depends=load, properties={"train.city": x})
    for x in CITIES
]
nightly.job("report", ["${python} report.py", "echo done"], depends=trained)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "sales"
    found.mkdir()
    for name in ("load", "train", "report"):
        (found / f"{name}.py").write_text(f"print({name!r})\n")
    (found / "cities.py").write_text('CITIES = ["berlin", "paris"]\n')
    return found


def _write(folder: Path, text: str) -> Path:
    (folder / "flow.py").write_text(textwrap.dedent(text))
    return folder


def _fails(folder: Path, text: str) -> str:
    with pytest.raises(InvalidProject) as caught:
        collect(_write(folder, text))
    return str(caught.value)


def _text(bundle: Bundle, name: str) -> str:
    return bundle.read(name).decode()


def test_a_loop_gives_the_files_of_flow_1(folder: Path) -> None:
    bundle = collect(_write(folder, NIGHTLY))
    made = {name for name in bundle.names if not name.endswith(".py")}
    assert made == {
        "load.job",
        "train_berlin.job",
        "train_paris.job",
        "report.job",
        "nightly.job",
        "nightly.properties",
    }
    assert _text(bundle, "train_berlin.job") == (
        "# Made from flow.py; do not edit.\ntype=command\ncommand=${python} train.py\n"
        "train.city=berlin\ndependencies=load\n"
    )
    assert "command.1=echo done" in _text(bundle, "report.job")
    assert "rows=1000\ndry=false\n" in _text(bundle, "nightly.properties")
    project = load(bundle)
    assert project.names == ("nightly",)
    assert project.flows["nightly"].jobs["report"].dependencies == ("train_berlin", "train_paris")
    assert lint(bundle) == []


def test_the_same_file_gives_the_same_zip(folder: Path, tmp_path: Path) -> None:
    _write(folder, NIGHTLY.replace("in CITIES", "in set(CITIES)"))
    zips = []
    for seed in ("1", "2", "random"):
        os.environ["PYTHONHASHSEED"] = seed
        try:
            zips.append(collect(folder).write(tmp_path / f"{seed}.zip").read_bytes())
        finally:
            del os.environ["PYTHONHASHSEED"]
    assert zips[0] == zips[1] == zips[2]
    assert "flow.py" in zipfile.ZipFile(tmp_path / "1.zip").namelist()


def test_the_last_job_may_have_the_flow_s_name(folder: Path) -> None:
    bundle = collect(_write(folder, NIGHTLY.replace('"report", [', '"nightly", [')))
    assert "type=command" in _text(bundle, "nightly.job")
    assert load(bundle).names == ("nightly",)


def test_a_condition_makes_it_flow_2(folder: Path) -> None:
    text = NIGHTLY.replace("depends=trained)", 'depends=trained, condition="one_success")')
    bundle = collect(_write(folder, text))
    assert {"flow.project", "nightly.flow"} <= set(bundle.names)
    assert not any(name.endswith((".job", ".properties")) for name in bundle.names)
    project = load(bundle)
    job = project.flows["nightly"].jobs["report"]
    assert job.condition == "one_success"
    assert job.get("rows") == "1000"
    assert job.get("command.1") == "echo done"
    assert lint(bundle) == []
    [found] = lint(bundle, version=(2, 5))
    assert (found.file, found.line, found.severity) == ("flow.py", 10, "error")
    assert "Flow 2.0 needs Azkaban 3.43 or later" in found.message


def test_values_survive_both_formats(folder: Path) -> None:
    values = {"a": 'quo"te \\ back', "b": "ünïcode ☂", "c": "x: y # z", "d": " lead", "e": [1, 2]}
    text = f"""\
        from azkaban_client.flow import Flow
        f = Flow("f", properties={values!r})
        f.job("a", "true", properties={values!r})
        """
    shown = {**{k: v for k, v in values.items() if k != "e"}, "e": "1,2"}
    for more in ("", '\nf.job("b", "true", depends=f.jobs["a"], condition="all_done")\n'):
        job = load(collect(_write(folder, textwrap.dedent(text) + more))).flows["f"].jobs["a"]
        assert {key: job.own.get(key) for key in values} == shown
        assert {key: job.shared[-1].get(key) for key in values} == shown


def test_embedded_flows(folder: Path) -> None:
    text = """\
        from azkaban_client.flow import Flow
        inner = Flow("inner", properties={"x": 1})
        inner.job("inner", "${python} load.py")
        outer = Flow("outer")
        before = outer.job("before", "true")
        outer.embed("middle", inner, depends=before, properties={"y": 2})
        """
    bundle = collect(_write(folder, text))
    assert "flow.name=inner" in _text(bundle, "middle.job")
    assert load(bundle).names == ("inner", "outer")
    assert lint(bundle) == []
    conditional = (
        textwrap.dedent(text)
        + 'outer.job("last", "true", depends=outer.jobs["middle"], condition="all_done")\n'
    )
    project = load(collect(_write(folder, conditional)))
    assert project.names == ("inner", "outer")
    assert project.flows["outer:middle"].jobs["inner"].get("y") == "2"
    assert lint(collect(folder)) == []


def test_findings_name_the_line_of_flow_py(folder: Path) -> None:
    text = """\
        from azkaban_client.flow import Flow

        f = Flow("f", properties={"rows": "${nothing}"})
        a = f.job("a", "${python} missing.py")
        f.job(
            "b",
            "${python} load.py",
            depends=a,
            properties={"retries": "x", "z": "${rows}"},
        )
        """

    def places(bundle: Bundle) -> set[tuple[str, int | None, str]]:
        return {(one.file, one.line, one.rule) for one in lint(bundle)}

    expected = {
        ("flow.py", 3, "undefined-property"),
        ("flow.py", 4, "missing-script"),
        ("flow.py", 5, "not-a-number"),
    }
    assert expected <= places(collect(_write(folder, text)))
    more = 'f.job("c", "true", depends=a, condition="${x:y} > 1")\n'
    found = places(collect(_write(folder, textwrap.dedent(text) + more)))
    assert expected | {("flow.py", 11, "condition")} <= found
    assert {file for file, _, _ in found} == {"flow.py"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('f.job("a", "x")\nf.job("a", "y")', "flow.py:4: flow 'f' has a job 'a' already (line 3)"),
        ('f.job("a/b", "x")', "flow.py:3: job 'a/b': a name has letters"),
        ('f.job(7, "x")', "flow.py:3: job 7: a name has letters"),
        ('f.job("a", "x", depends="b")', "flow.py:3: 'a' depends on 'b': expected what flow.job"),
        ('f.job("a", "x", depends=[None])', "flow.py:3: 'a' depends on None"),
        (
            'g = Flow("g")\nb = g.job("b")\nf.job("a", depends=b)',
            "flow.py:5: 'a' depends on 'b' of",
        ),
        ('f.embed("a", f)', "flow.py:3: 'a': flow 'f' would contain itself"),
        ("", "flow.py:2: flow 'f' has no jobs"),
        (
            'f.job("a")\ng = Flow("f")\ng.job("b")',
            "flow.py:4: there is a flow 'f' already (line 2)",
        ),
        ('f.job("a")\ng = Flow("g")\ng.job("a")', "flow.py:5: the job 'a' of flow 'g' is there in"),
        (
            'f.job("f")\nf.job("b")',
            "flow.py:3: 'f' is a job of the flow 'f', but not its only last",
        ),
        ('f.job("a")\ng = Flow("g", properties={"x": 1})\ng.job("b")', "two names"),
        ("1 / 0", "flow.py:3: ZeroDivisionError: division by zero"),
        ("def broken(:\n    pass", "flow.py:3: SyntaxError"),
        ("import nothing_of_this_name", "flow.py:3: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", "flow.py:3: it ended with the exit code 3"),
        ('raise SystemExit("no")', "flow.py:3: it ended with the exit code no"),
        ("import os\nos._exit(7)", "flow.py: its process ended with exit code 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ended with signal 11"),
        ('f.job("a", "x", properties=5)', "flow.py:3: "),
        ('f.job("a", properties={"dependencies": "b"})', "is said with depends"),
    ],
)
def test_what_is_wrong_in_it_is_named_without_a_traceback(
    text: str, expected: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    properties = ', properties={"x": 2}' if "two names" in expected else ""
    head = f'from azkaban_client.flow import Flow\nf = Flow("f"{properties})\n'
    said = _fails(folder, head + text)
    assert expected in said
    assert "Traceback" not in said + capfd.readouterr().err


def test_errors_in_helpers_name_who_called(folder: Path) -> None:
    (folder / "cities.py").write_text("def cities(n):\n    return [1][n]\n")
    said = _fails(
        folder,
        """\
        from azkaban_client.flow import Flow
        from cities import cities

        Flow("f").job("a", properties={"x": cities(5)})
        """,
    )
    assert said == ("cities.py:2: IndexError: list index out of range\n  called from flow.py:4")


def test_endless_recursion_is_told_in_a_few_lines(folder: Path) -> None:
    text = "from azkaban_client.flow import Flow\ndef f():\n    f()\nf()\n"
    said = _fails(folder, text).splitlines()
    assert said[0].startswith("flow.py:3: RecursionError")
    assert len(said) == 6


def test_one_that_never_ends_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from azkaban_client.flow import Flow\nimport time\ntime.sleep(600)\n"
    with pytest.raises(InvalidProject, match=r"flow\.py: it did not end within 1 s"):
        script.run(_write(folder, text), seconds=1)


def test_a_flow_py_without_flows(folder: Path) -> None:
    assert "it makes no flow" in _fails(folder, "from azkaban_client.flow import Flow\n")
    # One that is a script of the project is left alone.
    _write(folder, "raise SystemExit(9)\n")
    (folder / "a.job").write_text("type=command\ncommand=${python} flow.py\n")
    assert lint(collect(folder)) == []


def test_a_file_that_is_there_twice(folder: Path) -> None:
    (folder / "load.job").write_text("type=noop\n")
    assert "load.job: flow.py makes this file" in _fails(folder, NIGHTLY)
    (folder / "load.job").unlink()
    (folder / "other.job").write_text("type=noop\n")
    assert load(collect(folder)).names == ("nightly", "other")


@pytest.mark.parametrize("name", ["jobs.py", "flow.py", "project.py"])
def test_a_project_of_another_package_is_recognised(name: str, folder: Path) -> None:
    (folder / name).write_text("from azkaban import Job, Project\nproject = Project('x')\n")
    with pytest.raises(InvalidProject, match=r"mtth's.*flow\.job\(NAME, C"):
        collect(folder)
    (folder / "a.job").write_text("type=noop\n")
    assert lint(collect(folder)) == []


def test_a_project_of_the_hadoop_dsl_is_recognised(folder: Path) -> None:
    (folder / "build.gradle").write_text("hadoop {\n  workflow('x') { }\n}\n")
    with pytest.raises(InvalidProject, match="Hadoop DSL"):
        collect(folder)


def test_what_it_prints_is_no_data(folder: Path, azk: Callable[..., Any]) -> None:
    _write(folder, NIGHTLY + "print('hello from', __file__)\n")
    result = azk("graph", str(folder), "--json")
    assert result.json[0]["flow"] == "nightly"
    assert "hello from" in result.err


def test_a_local_run_of_it(folder: Path, azk: Callable[..., Any]) -> None:
    result = azk("run", str(_write(folder, NIGHTLY)), "nightly", "--local", "--prop", "rows=5")
    assert result.code == 0, result.err
    assert "train_paris" in result.out + result.err
    assert "train_berlin.job" not in (path.name for path in folder.iterdir())


def test_a_broken_one_ends_azk_with_2(folder: Path, azk: Callable[..., Any]) -> None:
    _write(folder, "from azkaban_client.flow import Flow\nFlow('f').job('a', x=1)\n")
    for args in (("lint", str(folder)), ("run", str(folder), "f", "--local")):
        result = azk(*args)
        assert result.code == 2
        assert "flow.py:2: TypeError" in result.err
        assert "Traceback" not in result.err
