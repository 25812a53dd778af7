"""What jobs declare of their parameters reaches the console: read from their text, sent along."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

import javaproperties
import pytest
import yaml

from azkaban_client.flow.collect import collect
from azkaban_client.flow.form import form_of, with_form
from azkaban_client.flow.loader import load
from azkaban_client.flow.overrides import overridable_here
from azkaban_client.flow.signature import declared
from azkaban_client.flow.zip import Bundle
from azkaban_client.job.params import as_text
from azkaban_client.job.reference import jobs_of
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SALES = """\
from __future__ import annotations
import enum
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Optional
from azkaban_client.job import Param, Run, Secret, job, param
from shapes import Shape, Size as Sizes
import shapes

LEAST = -1
Rows = Annotated[int, Param("Rows to read.", ge=LEAST, lt=1_000)]

class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"

@dataclass(frozen=True, kw_only=True)
class Base:
    seeds: tuple[int, ...] = param((1, 2), doc="Seeds, several.", ge=0)

@dataclass(frozen=True, kw_only=True)
class More(Base):
    cell: str = param("lstm", doc="Recurrent cell.", choices=("lstm", "gru"))
    rate: float | None = param(None, doc="Step.", gt=0)

@job
def main(
    day: date,
    run: Run,
    rows: Rows = 100,
    at: datetime | None = None,
    wait: timedelta = timedelta(minutes=90),
    table: Annotated[Path, "A table."] = Path("sales.csv"),
    dry: bool = False,
    token: Optional["Secret"] = None,
    kind: Literal["a", "b"] = "a",
    colour: Colour = Colour.BLUE,
    shape: Shape = Shape.ROUND,
    sizes: Sizes = "s",
    names: list[str] = [],
    late: int = int("5"),
    size: int = shapes.DAYS,
    more: More = More(),
):
    ...
"""
SHAPES = """\
import enum, typing
class Shape(enum.Enum):
    ROUND = 1
    FLAT = "flat"
Size = typing.Literal["s", "m"]
DAYS = 7
"""


def test_a_signature_is_read_with_all_that_it_refers_to() -> None:
    found = {one.name: one for one in declared(SALES, {"shapes": SHAPES}.get)}
    told = {
        name: (one.kind, one.several, one.choices, one.bounds, one.default, one.required)
        for name, one in found.items()
    }
    assert told == {
        "day": ("date", False, (), {}, None, True),
        "rows": ("integer", False, (), {"ge": -1, "lt": 1000}, "100", False),
        "at": ("time", False, (), {}, "", False),
        "wait": ("duration", False, (), {}, "1h30m", False),
        "table": ("path", False, (), {}, "sales.csv", False),
        "dry": ("boolean", False, (), {}, "false", False),
        "token": ("secret", False, (), {}, "", False),
        "kind": ("text", False, ("a", "b"), {}, "a", False),
        "colour": ("text", False, ("red", "blue"), {}, "blue", False),
        "shape": ("text", False, ("1", "flat"), {}, "1", False),
        "sizes": ("text", False, ("s", "m"), {}, "s", False),
        "names": ("text", True, (), {}, "", False),
        "late": ("integer", False, (), {}, None, False),
        "size": ("integer", False, (), {}, "7", False),
        "seeds": ("integer", True, (), {"ge": 0}, "1,2", False),
        "cell": ("text", False, ("lstm", "gru"), {}, "lstm", False),
        "rate": ("number", False, (), {"gt": 0}, "", False),
    }
    assert (found["rows"].doc, found["table"].doc) == ("Rows to read.", "A table.")


def test_of_several_bases_the_first_one_wins_as_in_dataclasses() -> None:
    text = (
        "@dataclass\nclass A:\n    a: int = 1\n    both: int = 1\n"
        "@dataclass\nclass B:\n    b: int = 2\n    both: int = 2\n"
        "@dataclass\nclass C(A, B):\n    c: int = 3\n"
        "@job\ndef f(params: C): ...\n"
    )
    bases = (dataclasses.make_dataclass("A", [("a", int, 1), ("both", int, 1)]),)
    bases += (dataclasses.make_dataclass("B", [("b", int, 2), ("both", int, 2)]),)
    made = dataclasses.make_dataclass("C", [("c", int, 3)], bases=bases)
    fields = [(field.name, str(field.default)) for field in dataclasses.fields(made)]
    assert [(one.name, one.default) for one in declared(text)] == fields


@pytest.mark.parametrize(
    "text", ["", "def f(:", "x = 1", "A = B\nB = A\n@job\ndef f(a: A): ...", "\0"]
)
def test_what_cannot_be_told_is_left_out(text: str) -> None:
    assert [one.kind for one in declared(text)] in ([], [""])


def test_our_own_jobs_are_read_as_they_are() -> None:
    """The text says what a run would: of every parameter of every job in jobs/."""

    def module(name: str) -> str | None:
        path = CHECKOUT / name.replace(".", "/")
        places = (path.with_suffix(".py"), path / "__init__.py")
        return next((one.read_text(encoding="utf-8") for one in places if one.is_file()), None)

    seen = 0
    for job in jobs_of("jobs"):
        read = {one.name: one for one in declared(module(job.module) or "", module)}
        assert list(read) == [one.name for one in job.parameters], job.module
        for one in job.parameters:
            text = read[one.name]
            limits = {key: getattr(one.rule, key) for key in ("ge", "gt", "le", "lt")}
            assert text.bounds == {key: limit for key, limit in limits.items() if limit is not None}
            assert text.choices == one.choices, one
            assert (text.doc, text.required) == (one.rule.doc, one.default is MISSING)
            assert text.several == (one.kind.part is not None)
            assert text.kind, (job.module, one.name)
            assert text.default == as_text(one), (job.module, one.name)
            seen += 1
    assert seen > 150


KIT = "from azkaban_client.job import Param, Run, job\nfrom typing import Annotated\n"
ONE = KIT + (
    "@job\ndef main(day: date, table: str, rows: Annotated[int, Param('<b>${x} & Ü', ge=0)] = 5,\n"
    "         dry: bool = False): ...\n"
)
TWO = KIT + "@job\ndef main(rows: Annotated[int, Param('Other words.', ge=0)] = 7): ...\n"
FILES = {
    "one.py": ONE,
    "two.py": TWO,
    "first.job": "type=noop",
    "one.job": "type=command\ncommand=python one.py\ndependencies=first\none.day=${day}\n"
    "one.table=${first.table}\none.rows=${rows}",
    "two.job": "type=command\ncommand=${python} -u two.py\ndependencies=one\ntwo.rows=${rows}\\",
    "shared.properties": "rows=3",
}


def test_the_kit_that_travels_along_changes_nothing(tmp_path: Path) -> None:
    names = {
        "sales.py": SALES,
        "shapes.py": SHAPES,
        "sales.job": "type=command\ncommand=python sales.py",
    }
    for name, text in names.items():
        (tmp_path / name).write_text(text)
    whole = collect(tmp_path)
    assert "azkaban_client/job/kinds.py" in whole.files
    form = form_of(load(whole), "sales", whole)
    alone = _bundle(names)
    assert form == form_of(load(alone), "sales", alone)
    assert form["sales.token"]["type"] == "secret"


def _bundle(files: dict[str, str]) -> Bundle:
    return Bundle({name: text.encode() for name, text in files.items()})


def _properties(bundle: Bundle, name: str) -> dict[str, str]:
    return dict(javaproperties.loads(bundle.read(name).decode("ascii")))


def test_the_last_job_tells_what_can_be_set_and_nothing_else_changes() -> None:
    before = _bundle(FILES)
    after = with_form(before)
    assert {name for name in FILES if after.read(name) != before.read(name)} == {"two.job"}
    properties = _properties(after, "two.job")
    form = json.loads(properties.pop("azk.form"))
    assert properties == _properties(before, "two.job")  # also of a line that goes on
    assert form == {
        "day": {"type": "date", "required": True},
        # What the two say differently is left out, and outputs of jobs are no parameters.
        "rows": {"type": "integer", "ge": 0},
        "one.dry": {"type": "boolean", "default": "false"},
    }
    assert with_form(after).read("two.job") == after.read("two.job")


def test_the_server_finds_nothing_of_its_own_in_it() -> None:
    text = _properties(with_form(_bundle({**FILES, "two.py": ""})), "two.job")["azk.form"]
    assert json.loads(text)["rows"]["doc"] == "<b>${x} & Ü"
    assert not set("$<>&") & set(text)
    assert text.isascii()


@pytest.mark.parametrize("config", ["", "config:\n  rows: 3\n", "config: {rows: 3}\n"])
def test_a_flow_of_2_0_tells_it_in_its_config(config: str) -> None:
    nodes = (
        "nodes:\n  - name: one\n    type: command\n    config:\n"
        "      command: python one.py\n      one.day: ${day}\n      one.rows: ${rows}\n"
    )
    files = {"p.project": "azkaban-flow-version: 2.0", "f.flow": config + nodes, "one.py": ONE}
    after = with_form(_bundle(files))
    read = yaml.safe_load(after.read("f.flow"))
    if "{" in config:  # nothing can be added to it: it runs without a form
        assert after.read("f.flow") == files["f.flow"].encode()
        return
    form = json.loads(read["config"].pop("azk.form"))
    assert form["rows"] == {
        "type": "integer", "ge": 0, "doc": "<b>${x} & Ü", "default": "5",
    }  # fmt: skip
    assert read["nodes"] == yaml.safe_load(nodes)["nodes"]
    assert read["config"] == (yaml.safe_load(config) or {}).get("config", {})
    assert load(after).problems == ()


@pytest.mark.parametrize(
    "change",
    [
        {"one.py": "print(1)", "two.py": "print(2)"},  # no job of the kit
        {"two.job": FILES["two.job"] + "\n\nazk.form=mine"},
        {"one.py": "def f(:", "two.py": KIT + "def f(:"},
        {"one.job": "type=command\ncommand=python one.py\ndependencies=two", "one.py": "\0"},
    ],
)
def test_what_has_no_form_stays_as_it_is(change: dict[str, str]) -> None:
    before = _bundle({**FILES, **change})
    assert with_form(before).files == before.files


def test_a_flow_of_ours_has_a_form_of_every_parameter_that_its_file_sets() -> None:
    bundle = collect(CHECKOUT / "flows" / "nn", [CHECKOUT / "jobs", CHECKOUT / "core"])
    project = load(bundle)
    form = form_of(project, "nn", bundle)
    assert form["dataset"]["choices"] == ["iris", "digits"]
    assert form["held_out"].items() >= {"type": "number", "gt": 0, "lt": 1}.items()
    can = overridable_here(project, "nn")
    assert set(can.defaults) - set(form) <= {"project.name", "python", "seed"}


def test_a_declared_parameter_can_be_set_though_no_file_names_it(azk: Any, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "one.py").write_text(
        KIT + "@job\ndef main(run: Run, rows: int = 5, dry: bool = False): run.log(f'dry: {dry}')\n"
        "if __name__ == '__main__': main.start()\n"
    )
    (tmp_path / "one.job").write_text("type=command\ncommand=${python} one.py\none.rows=${rows}")
    (tmp_path / "two.job").write_text("type=noop\ndependencies=one")
    run = ["run", str(tmp_path), "two", "--local", "--logs"]
    result = azk(*run, "--prop", "one.dry=true")
    assert result.code == 0, result.err
    assert "dry: True" in result.out + result.err
    result = azk(*run, "--prop", "one.drry=true")
    assert result.code == 2, result.err
    assert "one.drry: no job of the flow uses it (did you mean one.dry?)" in result.err
