"""The job kit: a function is a job, its signature its parameters, its record however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from azkaban_client.flow.collect import collect
from azkaban_client.flow.zip import extract
from azkaban_client.job import InputError, JobFunction, Outputs, Param, Run, Secret, job, param
from azkaban_client.job.params import as_text

ROOT = Path(__file__).resolve().parents[2]
SALES = '''\
"""Count the sales of a day."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING, Annotated

from azkaban_client.job import Param, Run, Secret, job

if TYPE_CHECKING:
    from nowhere import Answer


@job
def main(
    day: date,
    run: Run,
    rows: Annotated[int, Param("Rows to count.", ge=1)] = 100,
    names: tuple[str, ...] = (),
    how: str = "",
    dry: bool = False,
    token: Secret | None = None,
) -> Answer:
    run.log(f"{day} {rows} {'+'.join(names)} {dry}")
    if token:
        run.log(f"token {token} of {len(token.reveal())} characters")
    if how == "exit 0":
        sys.exit()
    if how == "exit 3":
        sys.exit(3)
    return {"total": rows * 2, "day": day}


if __name__ == "__main__":
    main.start()
'''


def sales(
    folder: Path, *options: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script as its user does, with a Python that has this package."""
    (folder / "sales.py").write_text(SALES)
    return subprocess.run(
        [sys.executable, "sales.py", *options],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_that_calls_its_function_in_place_of_starting_it(tmp_path: Path) -> None:
    """As scripts of click and typer do; no property would reach it."""
    text = SALES.replace("main.start()", "main()")
    (tmp_path / "called.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "called.py"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("a script starts its job by main.start()\n")


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "runs/local/local/sales/run.json").read_text())


def test_a_script_takes_options(tmp_path: Path) -> None:
    done = sales(tmp_path, "--day", "2026-11-30", "--rows", "3", "--names=a, b", "--dry")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2026-11-30 3 a+b True\nsales.total = 6\nsales.day = 2026-11-30\n"
    assert record(tmp_path)["metrics"] == {"total": 6}
    assert record(tmp_path)["parameters"] == {
        "sales.day": "2026-11-30",
        "sales.rows": 3,
        "sales.names": "a,b",
        "sales.how": "",
        "sales.dry": True,
        "sales.token": None,
    }


def test_the_same_script_is_a_job_of_azkaban(tmp_path: Path) -> None:
    props, out = tmp_path / "props", tmp_path / "out.json"
    props.write_text(
        "sales.day=2026-11-30\nsales.names=\\u00e4\nazkaban.flow.execid=7\n"
        f"azkaban.flow.flowid=f\nazkaban.job.attempt=2\noutput.dir={tmp_path}\nother.day=x\n"
    )
    env = {"JOB_PROP_FILE": str(props), "JOB_NAME": "count", "JOB_OUTPUT_PROP_FILE": str(out)}
    done = sales(tmp_path, env={**env, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2026-11-30 100 ä False\n"
    assert json.loads(out.read_text()) == {"count.total": "200", "count.day": "2026-11-30"}
    left = json.loads((tmp_path / "f" / "7" / "count" / "run.json").read_text())
    assert (left["status"], left["attempt"], left["execution"]) == ("succeeded", 2, "7")


def test_all_bad_parameters_are_named_at_once(tmp_path: Path) -> None:
    done = sales(tmp_path, "--rows=0", "--dry=perhaps", "--prop=sales.nmes=x", "--prop=sale.x=y")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "sales: sales.day: required, expected a date (2026-11-30, today, yesterday)",
        "sales: sales.rows = '0': expected an integer >= 1",
        "sales: sales.dry = 'perhaps': expected true or false",
        "sales: sales.nmes = 'x': no such parameter (did you mean sales.names?)",
    ]
    assert not (tmp_path / "runs").exists()


def test_help_says_what_each_parameter_is(tmp_path: Path) -> None:
    done = sales(tmp_path, "--help")
    text = " ".join(done.stdout.split())
    assert done.returncode == 0
    assert text.startswith("usage: python sales.py ")
    assert "Count the sales of a day." in text
    assert "--rows ROWS Rows to count (an integer >= 1; default: 100)" in text
    assert "--day DAY (a date (2026-11-30, today, yesterday); required)" in text


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", "²"])
def test_a_bad_seed_is_refused(tmp_path: Path, seed: str) -> None:
    done = sales(tmp_path, "--day=today", f"--seed={seed}")
    assert done.returncode == 2
    assert done.stderr == f"sales: seed = {seed!r}: expected an integer >= 0\n"


@pytest.mark.parametrize(
    ("how", "code", "status", "error"),
    [("exit 0", 0, "succeeded", None), ("exit 3", 3, "failed", "exit code 3")],
)
def test_a_job_that_leaves_early_has_its_record(
    tmp_path: Path, how: str, code: int, status: str, error: str | None
) -> None:
    done = sales(tmp_path, "--day=today", f"--how={how}")
    assert done.returncode == code, done.stderr
    left = record(tmp_path)
    assert (left["status"], left.get("error")) == (status, error)
    assert "ended" in left


SWALLOWS = """\
import gc, sys, time
from azkaban_client.job import Run, job

class Finaliser:
    def __del__(self):
        print("waiting", flush=True)
        time.sleep(60)  # what is raised here, Python drops

@job
def main(run: Run, where: str):
    if where == "finaliser":
        Finaliser()
    elif where == "once":
        try:
            print("waiting", flush=True)
            time.sleep(60)
        except BaseException:
            pass
    else:
        print("waiting", flush=True)
        while where == "always":
            try:
                time.sleep(60)
            except BaseException:
                pass
    time.sleep(60)
    return {"not": "killed"}

main.start()
"""


@pytest.mark.parametrize("where", ["finaliser", "once", "always", "nowhere"])
def test_a_kill_cannot_be_swallowed(tmp_path: Path, where: str) -> None:
    (tmp_path / "wait.py").write_text(SWALLOWS)
    with subprocess.Popen(
        [sys.executable, "wait.py", f"--where={where}"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=50)
    assert process.returncode == 143
    assert errors.count("killed (SIGTERM)") == 1
    assert out == ""
    left = json.loads((tmp_path / "runs/local/local/wait/run.json").read_text())
    # One that catches all without end may have to be ended outright: its record has no end then.
    assert left["status"] in ({"killed", "running"} if where == "always" else {"killed"})


def test_a_secret_is_nowhere_but_in_the_job(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret-s3cret\n")
    secret.chmod(0o600)
    done = sales(tmp_path, "--day=today", f"--token=file:{secret}")
    assert f"token file:{secret} of 13 characters" in done.stdout, done.stderr
    done = sales(tmp_path, "--day=today", "--token=env:TOKEN", env={"TOKEN": "s3cret-s3cret"})
    assert "token env:TOKEN of 13 characters" in done.stdout, done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != secret]
    assert len(files) >= 3
    assert not [path for path in files if b"s3cret" in path.read_bytes()]


@pytest.mark.parametrize("given", ["s3cret", "file:s3cret-none", "env:s3cret", "file:open"])
def test_a_secret_as_a_value_is_refused_and_not_shown(tmp_path: Path, given: str) -> None:
    (tmp_path / "open").write_text("s3cret")
    (tmp_path / "open").chmod(0o644)
    executions = ("--prop=azkaban.flow.execid=9", f"--prop=sales.tokn={given}")
    done = sales(tmp_path, "--day=today", f"--token={given}", *executions)
    assert done.returncode == 2
    assert "sales.token: expected file:PATH or env:NAME, where the secret is" in done.stderr
    assert "sales.tokn: no such parameter (did you mean sales.token?)" in done.stderr
    if ":" not in given:
        assert given not in done.stdout + done.stderr
        left = (tmp_path / "runs/local/9/sales/run.json").read_text()
        assert '"sales.token": "(not shown)"' in left
        assert given not in left.replace('"sales.tokn": "s3cret"', "")


class Colour(Enum):
    """Two of them."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Parameters of several jobs."""

    colour: Colour = Colour.RED
    size: float = param(1.0, doc="How large.", gt=0)


@job
def kinds(
    shared: Shared,
    run: Run,
    *,
    path: Path = Path("a"),
    at: datetime | None = None,
    wait: timedelta = timedelta(minutes=90),
    word: Literal["one", "two"] = "one",
    counts: Annotated[list[int], Param("Some.", ge=1)] = [1, 2],  # noqa: B006 (shown, not changed)
) -> Outputs:
    """Show values."""
    del run
    return {"values": [shared.colour, shared.size, path, at, wait, word, counts]}


def read(work: JobFunction[Any, Any], **texts: str) -> dict[str, Any]:
    return {one.name: one.read(texts[one.name]) for one in work.parameters if one.name in texts}


def test_parameters_have_many_types() -> None:
    assert [one.name for one in kinds.parameters] == [
        "colour", "size", "path", "at", "wait", "word", "counts",
    ]  # fmt: skip
    defaults = [as_text(one) for one in kinds.parameters]
    assert defaults == ["red", "1.0", "a", "", "1h30m", "one", "1,2"]
    found = read(
        kinds, colour="blue", size="2", path="~/b", at="2026-11-30T06:00", wait="2d 3h 500ms",
        word="two", counts="3, 4,",
    )  # fmt: skip
    assert found == {
        "colour": Colour.BLUE,
        "size": 2.0,
        "path": Path.home() / "b",
        "at": datetime(2026, 11, 30, 6),  # noqa: DTZ001 (as it was written)
        "wait": timedelta(days=2, hours=3, milliseconds=500),
        "word": "two",
        "counts": [3, 4],
    }
    assert read(_day, day="yesterday")["day"] < read(_day, day="today")["day"]


@job
def _day(day: date) -> None:
    del day


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("colour", "green"), ("size", "0"), ("size", "nan"), ("size", "1e999"), ("at", "soon"),
        ("path", "~no-such-user-here/x"),
        ("wait", "90"), ("wait", "1h x"), ("wait", "-1s"), ("word", "three"), ("counts", "1,0"),
        ("counts", "1;2"),
    ],
)  # fmt: skip
def test_a_text_of_another_type_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any message: the caller says what was expected)
        read(kinds, **{name: text})


def test_a_signature_that_cannot_be_given_is_refused() -> None:
    @job
    def anything(*rows: int) -> None:
        del rows

    @job
    def strange(of: dict[str, int]) -> None:
        del of

    @job
    def twice(shared: Shared, size: int) -> None:
        del shared, size

    @job
    def taken(prop: str = "") -> None:
        del prop

    with pytest.raises(TypeError, match="the parameters of a job have names"):
        assert anything.parameters
    with pytest.raises(TypeError, match="of: a job parameter cannot be of type dict"):
        assert strange.parameters
    with pytest.raises(TypeError, match="two parameters are called size"):
        assert twice.parameters
    with pytest.raises(TypeError, match="prop is an option of every job: rename it"):
        assert taken.parameters


def test_a_function_can_be_called_as_it_is(tmp_path: Path) -> None:
    run = Run("m", "m", "p", "f", "1", tmp_path, 3, {})
    outputs = kinds(Shared(size=2.0), run, counts=[5])
    assert outputs["values"] == [
        Colour.RED, 2.0, Path("a"), None, timedelta(hours=1, minutes=30), "one", [5],
    ]  # fmt: skip
    assert run.rng.random() == Run("m", "m", "p", "f", "1", tmp_path, 3, {}).rng.random()
    assert isinstance(InputError("x"), ValueError)
    assert repr(Secret("env:PATH")) == "Secret('env:PATH')"


def test_the_kit_loads_the_standard_library_alone() -> None:
    code = (
        "import sys; old = set(sys.modules); import azkaban_client.job; "
        "print(*{n.partition('.')[0] for n in set(sys.modules) - old} - sys.stdlib_module_names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["azkaban_client"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose one job uses the kit."""
    folder = tmp_path / "sold"
    folder.mkdir()
    (folder / "sales.py").write_text(SALES)
    (folder / "sales.job").write_text("type=command\ncommand=python3 sales.py\nsales.day=today\n")
    return folder


def test_the_kit_travels_with_a_project_that_uses_it(project: Path, tmp_path: Path) -> None:
    bundle = collect(project)
    assert [name for name in bundle.names if name.count("/") == 1 and "azkaban" in name] == [
        "azkaban_client/__init__.py",
        "azkaban_client/files.py",
        "azkaban_client/secrecy.py",
        "azkaban_client/times.py",
    ]
    extract(bundle.write(tmp_path / "a.zip"), tmp_path / "there")
    assert (tmp_path / "a.zip").read_bytes() == collect(project).write(
        tmp_path / "b.zip"
    ).read_bytes()
    (tmp_path / "props").write_text("sales.day=2026-11-30\n")
    done = subprocess.run(
        [sys.executable, "-S", "-E", "sales.py"],  # has no packages at all
        cwd=tmp_path / "there",
        env={"JOB_PROP_FILE": str(tmp_path / "props"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sales.total = 200" in done.stdout
    report = tmp_path / "there/runs/local/local/sales/report.html"
    assert "<h2>Metrics</h2>" in report.read_text()


def test_what_else_is_installed_is_found_behind_the_kit(project: Path, tmp_path: Path) -> None:
    extract(collect(project).write(tmp_path / "a.zip"), tmp_path / "there")
    code = "import azkaban_client.job, azkaban_client.errors as e; print(e.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "there",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()
    assert not done.stdout.startswith(str(tmp_path))


def test_a_project_without_the_kit_is_left_alone(project: Path) -> None:
    assert collect(project, exclude=["azkaban_client"]).names == ("sales.job", "sales.py")
    (project / "sales.py").write_text("# azkaban_client.job is not used\nprint()\n")
    assert collect(project).names == ("sales.job", "sales.py")


BAR = """\
from azkaban_client.job import Run, job
@job
def main(run: Run, rows: int = 3):
    return {"total": sum(run.progress(range(rows), "rows"))}
main.start()
"""


@pytest.mark.parametrize(
    ("closed", "rows", "code", "printed"),
    [
        ("2>&-", "3", 0, "bar.total = 3"),
        ("2>&-", "x", 2, ""),
        (">&-", "3", 0, ""),
        (">&- 2>&-", "3", 0, ""),
        ("<&- >&- 2>&-", "x", 2, ""),
    ],
)
def test_a_job_whose_output_or_errors_are_closed(
    tmp_path: Path, closed: str, rows: str, code: int, printed: str
) -> None:
    (tmp_path / "bar.py").write_text(BAR)
    done = subprocess.run(
        ["sh", "-c", f'"$0" bar.py --rows {rows} {closed}', sys.executable],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert printed in done.stdout
    assert "x" not in done.stdout
    written = tmp_path / "runs/local/local/bar/run.json"
    assert written.is_file() is (code == 0)
