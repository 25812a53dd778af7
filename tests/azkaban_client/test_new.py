"""Projects that `azk new` makes are clean, run, and have tests that pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import javaproperties
import pytest

from azkaban_client.flow.collect import collect
from azkaban_client.flow.lint import lint
from azkaban_client.flow.loader.command_line import split_command
from azkaban_client.job.testing import run_job
from azkaban_client.new import TEMPLATES
from azkaban_client.new.script import read
from azkaban_client.new.wrap import wrap

ROOT = Path(__file__).resolve().parents[2]


def test_every_template_is_clean_and_its_flow_runs(azk, tmp_path) -> None:
    made = {template: f"sales-{template}" for template in TEMPLATES}
    for template, name in made.items():
        result = azk("new", name, "--template", template, "--json")
        assert result.code == 0, result.err
        assert result.json["files"] == sorted(p.name for p in (tmp_path / name).iterdir())
        assert azk("lint", name, "--strict").out == ""
        if template == "spark":  # needs a cluster: tests/live/spark/test_jobs.py
            continue
        result = azk("run", name, name, "--local", "--json")
        assert result.code == 0, result.err
        assert {job["status"] for job in result.json["jobs"]} == {"SUCCEEDED"}
        records = list((tmp_path / "runs").glob(f"{name}/*/*/run.json"))
        assert len(records) == sum(job["type"] == "command" for job in result.json["jobs"])
    assert azk("new", "plain").code == 0
    assert sorted(p.name for p in Path("plain").iterdir()) == [
        "README.md", "azk.toml", "plain.job", "plain.properties", "plain.py", "requirements.txt",
        "test_plain.py",
    ]  # fmt: skip


def test_the_tests_of_every_template_pass(azk, scripts, tmp_path) -> None:
    for template in TEMPLATES:
        azk("new", f"sales-{template}", "--template", template)
    for script in ("fetch.py", "day.py"):
        assert azk("new", "--from", script).code == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "--import-mode=importlib", "--rootdir", ".", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path / 'sales-spark'}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "13 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("2026", "a project's name begins with a letter"),
        ("a b", "a project's name begins with a letter"),
        ("x" * 65, "at most 64"),
        ("json", "would hide Python's own json"),
        ("class", "would hide Python's own class"),
        (".", "begins with a letter"),
    ],
)
def test_a_name_that_cannot_be_used(azk, tmp_path, name, words) -> None:
    before = sorted(tmp_path.iterdir())
    result = azk("new", name)
    assert result.code == 2
    assert words in result.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_that_the_template_needs_itself(azk, tmp_path) -> None:
    result = azk("new", "extract", "--template", "etl")
    assert result.code == 2
    assert "the template has a extract.job of its own" in result.err
    assert not Path("extract").exists()
    assert azk("new", "load", "--template", "etl").code == 0


def test_nothing_is_overwritten(azk, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("full", "file", "link"):
        result = azk("new", name)
        assert (result.code, "exists: nothing is overwritten" in result.err) == (2, True)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "empty").mkdir()
    assert azk("new", "empty").code == 0
    assert azk("new", "deep/er/sales").code == 0
    assert json.loads(azk("lint", "deep/er/sales", "--json").out) == []
    assert not list(tmp_path.glob("**/.azk-*"))


def test_what_is_missing_or_too_much(azk, tmp_path) -> None:
    (tmp_path / "a.py").write_text("")
    (tmp_path / "a.sh").write_text("")
    assert "give a NAME" in azk("new").err
    assert "give one of them" in azk("new", "--from", "a.py", "--template", "etl").err
    assert "does not exist" in azk("new", "--from", "b.py").err
    assert "a script in Python" in azk("new", "--from", "a.sh").err


# -- around a script that exists --------------------------------------------------------------

ARGPARSE = """\
import argparse
import os
import sys

import helper
from tools import deep

try:
    import requests_that_are_not_there
except ImportError:
    pass

TOKEN = os.environ.get("SHOP_TOKEN")


def main():
    parser = argparse.ArgumentParser()
    group = parser.add_argument_group("what")
    group.add_argument("source", help="Where from.")
    group.add_argument("--start-date", "-s", required=True, help="First day.")
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--title", default="all sales", help="On top.")
    parser.add_argument("--command", default="count")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--verbose", action="store_true", help="Say more.")
    parser.add_argument("--tag", action="append", default=["x"])
    parser.add_argument("--when", default=os.getcwd())
    parser.add_argument("--version", action="version", version="1")
    print(sorted(vars(parser.parse_args()).items()), helper.X, deep.Y)


if __name__ == "__main__":
    main()
"""

CLICK = """\
import click


@click.command()
@click.argument("source")
@click.option("--rows", "-r", default=3, show_default=True, help="How many.")
@click.option("--day", required=True)
@click.option("--loud/--quiet", default=False)
@click.option("--all", is_flag=True)
@click.option("--tag", multiple=True)
@click.option("--name", "who", default="Zoë")
def main(source, rows, day, loud, all, tag, who):
    print(source, rows, day, loud, all, tag, who)


main()
"""

KIT = '''\
"""Count a day."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from azkaban_client.job import Param, Run, job, param


@dataclass(frozen=True, kw_only=True)
class Params:
    epochs: int = param(20, doc="Passes over the data.", ge=1)


@job
def main(day: date, run: Run, params: Params, table: Path = Path("sales.csv"),
         least: Annotated[float, Param("No less.", ge=0)] = 0.5, note: str | None = None,
         dry: bool = False):
    return {"day": day}


if __name__ == "__main__":
    main.start()
'''


@pytest.fixture
def scripts(tmp_path) -> Path:
    texts = {
        "helper.py": "X = 1\nimport second, colorsys\n", "colorsys.py": "", "second.py": "",
        "tools/__init__.py": "",
        "tools/deep.py": "Y = 2\n", "tools/data.bin": "", "unused.py": "",
        "fetch.py": ARGPARSE, "click_fetch.py": CLICK, "day.py": KIT,
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def properties(path: Path) -> dict[str, str]:
    return javaproperties.loads(path.read_bytes().decode("iso-8859-1"))


def test_a_script_with_argparse(azk, scripts) -> None:
    result = azk("new", "--from", "fetch.py", "--json")
    assert result.code == 0, result.err
    made = scripts / "fetch"
    assert (made / "fetch.py").read_bytes() == (scripts / "fetch.py").read_bytes()
    assert {"helper.py", "second.py", "tools/deep.py", "colorsys.py"} < set(result.json["files"])
    assert not {"unused.py", "tools/data.bin"} & set(result.json["files"])
    assert result.json["missing"] == ["source", "start_date"]
    assert properties(made / "fetch.properties") == {
        "project.name": "fetch", "n": "5", "title": "all sales", "fetch_command": "count",
        "arguments": "",
    }  # fmt: skip
    text = (made / "fetch.properties").read_text()
    assert "# source=" in text
    assert "#   --verbose  Say more." in text
    notes = "\n".join(result.json["notes"])
    assert "requests_that_are_not_there" in notes
    assert "SHOP_TOKEN" in notes
    found = azk("lint", "fetch")
    assert found.code == 2
    assert "start_date" in found.out
    with (made / "fetch.properties").open("a") as stream:
        stream.write("source=a b\nstart_date=-1\n")
    assert azk("lint", "fetch", "--strict").out == ""
    ran = azk(
        "run", "fetch", "fetch", "--local", "--logs", "--prop", "arguments=--verbose --limit 7"
    )
    assert ran.code == 0, ran.out + ran.err
    for words in (
        "('source', 'a b')", "('start_date', '-1')", "('title', 'all sales')", "('limit', 7)",
        "('verbose', True)", "('command', 'count')", "('n', 5)", "1 2",
    ):  # fmt: skip
        assert words in ran.out


def test_a_secret_becomes_no_property(azk, tmp_path) -> None:
    (tmp_path / "s.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\n"
        "p.add_argument('--password', default='pw1')\n"
        "p.add_argument('--api-key', required=True)\np.add_argument('--rows', default=1)\n"
    )
    result = azk("new", "--from", "s.py", "made", "--json")
    assert (result.json["parameters"], result.json["missing"]) == (["rows"], [])
    assert "--password, --api-key: a secret by its name" in result.json["notes"][0]
    texts = [p.read_text() for p in (tmp_path / "made").iterdir() if p.name != "s.py"]
    assert not any("pw1" in text for text in texts)


def test_a_script_with_click(azk, scripts) -> None:
    result = azk("new", "click-fetch", "--from", "click_fetch.py", "--json")
    assert result.json["missing"] == ["source", "day"]
    assert result.json["parameters"] == ["source", "rows", "day", "who"]
    with (scripts / "click-fetch/click-fetch.properties").open("a") as stream:
        stream.write("source=here\nday=2026-11-30\n")
    ran = azk("run", "click-fetch", "click-fetch", "--local", "--logs")
    assert ran.code == 0, ran.out + ran.err
    assert "here 3 2026-11-30 False False () Zoë" in ran.out


def test_a_job_of_the_kit(azk, scripts) -> None:
    result = azk("new", "--from", "day.py", "--json")
    assert result.json["missing"] == []
    assert properties(scripts / "day/day.properties") == {
        "project.name": "day", "day": "yesterday", "epochs": "20", "table": "sales.csv",
        "least": "0.5", "note": "", "dry": "false",
    }  # fmt: skip
    assert "day.least=${least}" in (scripts / "day/day.job").read_text()
    assert azk("lint", "day", "--strict").out == ""
    ran = azk("run", "day", "day", "--local", "--prop", "epochs=5")
    assert ran.code == 0, ran.err


def test_the_kit_travels_with_what_uses_it_and_not_with_tests(azk, scripts) -> None:
    for script in ("fetch.py", "day.py"):
        azk("new", "--from", script)
        assert "azkaban_client/job/run.py" in collect(scripts / script[:-3]).names
    job = scripts / "fetch/fetch.job"
    job.write_text(job.read_text().replace("-m azkaban_client.job.plain ", ""))
    assert not any(n.startswith("azkaban_client/") for n in collect(scripts / "fetch").names)


PLAIN = "import sys\nprint('hello', sys.argv[1:])\n"


def test_the_environment_of_a_job_is_no_surprise(tmp_path) -> None:
    names = ("JOB_NAME", "JOB_PROP_FILE", "JOB_OUTPUT_PROP_FILE", "OUTPUT_DIR", "SHOP_TOKEN")
    text = "".join(f"print(os.environ['{name}'])\n" for name in names)
    (tmp_path / "a.py").write_text(f"import os\n{text}")
    assert read(tmp_path / "a.py").environment == ("SHOP_TOKEN",)


def test_a_plain_script(azk, tmp_path) -> None:
    (tmp_path / "my script.py").write_text(PLAIN)
    result = azk("new", "--from", "my script.py", "--json")
    assert result.json["project"] == "my-script"
    assert "no parameters that could be read" in result.json["notes"][0]
    assert azk("lint", "my-script", "--strict").out == ""
    ran = azk("run", "my-script", "my-script", "--local", "--logs", "--prop", "arguments=a 'b c'")
    assert "hello ['a', 'b c']" in ran.out


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("import argparse\np = argparse.ArgumentParser()\ns = p.add_subparsers()\n"
         "s.add_parser('a').add_argument('--x', default=1)\n", "${arguments}"),
        ("import argparse as a\nfor n in 'xy':\n    a.ArgumentParser().add_argument('--' + n)\n",
         "${arguments}"),
        ("from argparse import ArgumentParser\np = ArgumentParser()\n"
         "p.add_argument('--x', default='${y}')\np.add_argument('--y', default='$(z)')\n"
         "p.add_argument('--z', default='a\"b')\n", "${arguments}"),
        ("import argparse\np = argparse.ArgumentParser()\np.add_argument('a', nargs='*')\n"
         "p.add_argument('b', nargs='?', default='c')\n", "${arguments} -- ${b}"),
        ("import argparse\np = argparse.ArgumentParser()\n"
         "p.add_argument('--n', type=int, default=1e3)\n"
         "p.add_argument('--m', type=int, default=-3)\n"
         "p.add_argument('--f', type=float, default=1e3)\n",
         "--m=${m} --f=${f} ${arguments}"),
        ("import argparse\np = argparse.ArgumentParser()\n"
         "p.add_argument('--on', action=argparse.BooleanOptionalAction, default=True)\n"
         "p.add_argument('--dest-ination', dest='to', default='x')\n",
         "--dest-ination=${to} ${arguments}"),
        ("import click\n@click.group()\ndef main(): pass\n@main.command()\n"
         "@click.option('--x', default=1)\ndef one(x): pass\n", "${arguments}"),
        ("import click\n@click.command()\n@click.option('-x', default=1)\n"
         "@click.option('--pw', prompt=True)\ndef one(x, pw): pass\n",
         "-x ${x} --pw=${pw} ${arguments}"),
        ("import typer\n\ndef main(x: int = 1): pass\n\ntyper.run(main)\n", "${arguments}"),
    ],
)  # fmt: skip
def test_what_the_command_becomes(tmp_path, text, command) -> None:
    (tmp_path / "s.py").write_text(text)
    wrap(tmp_path / "made", tmp_path / "s.py")
    line = properties(tmp_path / "made/made.job")["command"]
    assert (
        " ".join(split_command(line)) == f"${{python}} -m azkaban_client.job.plain s.py {command}"
    )
    problems = lint(collect(tmp_path / "made"), known=("python", "pw"))
    assert [str(one) for one in problems] == []


def test_values_that_begin_with_a_dash(azk, tmp_path) -> None:
    (tmp_path / "s.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('a')\n"
        "p.add_argument('--n', default='x')\nprint(vars(p.parse_args()))\n"
    )
    assert azk("new", "--from", "s.py").code == 0
    ran = azk("run", "s", "s", "--local", "--logs", "--prop", "a=-x y", "--prop", "n=-1")
    assert "{'a': '-x y', 'n': '-1'}" in ran.out


def test_a_script_that_hides_a_module_of_python(azk, tmp_path) -> None:
    (tmp_path / "json.py").write_text("print(1)\n")
    result = azk("new", "--from", "json.py")
    assert result.code == 2
    assert "json.py: a script of this name would hide Python's own json: rename it" in result.err
    assert not (tmp_path / "json").exists()


def test_what_stays_behind_is_told(tmp_path) -> None:
    for name in ("own/__init__.py", "own/table.csv", "own/__pycache__/x.pyc", "queue.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "requirements.txt").write_text("yaml2==1\n")
    (tmp_path / "s.py").write_text("import own, queue\nimport yaml2\nfrom . import near\n")
    notes = "\n".join(wrap(tmp_path / "made", tmp_path / "s.py").notes)
    assert "requirements.txt (that beside the script stayed there)" in notes
    assert "that are no modules stayed there: own/table.csv\n" in notes
    assert "queue beside it: the name of a module of Python's own" in notes
    assert "line 3 is an import relative to a package" in notes
    either = "try:\n    from . import near\nexcept ImportError:\n    import near\n"
    (tmp_path / "s.py").write_text(either)
    assert "relative" not in "".join(wrap(tmp_path / "again", tmp_path / "s.py").notes)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"print 'python 2'\n", ":1: not Python of today"),
        (b"x = (\n", ":1: not Python of today"),
        (b"# coding: nosuch\n", "not Python of today"),
        (b"x = '\xff'\n", "not Python of today"),
        (b"\0", "s.py"),
    ],
)
def test_what_is_no_python(azk, tmp_path, data, words) -> None:
    (tmp_path / "s.py").write_bytes(data)
    result = azk("new", "--from", "s.py")
    assert result.code == 2
    assert words in result.err
    assert not (tmp_path / "s").exists()


def test_a_script_is_read_and_never_run(tmp_path) -> None:
    (tmp_path / "s.py").write_text(
        f"# -*- coding: latin-1 -*-\nopen({str(tmp_path / 'ran')!r}, 'w')\nopen('table.csv')\n"
        "open('.env')\ninput('name?')\nimport os\nos.environ['A']; os.getenv('B')\n"
    )
    for name in ("table.csv", ".env"):
        (tmp_path / name).write_text("x")
    found = read(tmp_path / "s.py")
    assert (found.files, found.environment, found.asks) == (("table.csv",), ("A", "B"), True)
    assert not (tmp_path / "ran").exists()


# -- the helper for tests of jobs --------------------------------------------------------------


def test_a_job_runs_in_a_test_as_on_azkaban(tmp_path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        "import json, os, sys\nprint(os.getcwd(), sys.argv[1:], sys.stdin.read())\n"
        "print(open(os.environ['JOB_PROP_FILE']).read(), file=sys.stderr)\n"
        "out = {'a.n': 1, 'a.yes': True, 'a.text': 'x'}\n"
        "json.dump(out, open(os.environ['JOB_OUTPUT_PROP_FILE'], 'w'))\n"
        "sys.exit(len(sys.argv) - 1)\n"
    )
    (tmp_path / "out").mkdir()
    ran = run_job(script, {"a.b": "ä"}, tmp_path / "out", options=["x"], name="a")
    assert (ran.code, ran.succeeded, ran.record) == (1, False, {})
    assert ran.outputs == {"a.n": "1", "a.yes": "true", "a.text": "x"}
    assert f"{tmp_path} ['x']" in ran.log
    assert "a.b=\\u00e4" in ran.log
    ran = run_job("jobs.nn.load", {"nn.load.name": "nosuch"}, tmp_path / "out")
    assert ran.code == 2
    assert "nn.load.name" in ran.log
    script.write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    with pytest.raises(TimeoutError, match="killed after 1 s; its log:\nbegun"):
        run_job(script, {}, tmp_path / "out", timeout=1)
