"""A flow for another scheduler: what is written, and what its one program does."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import pytest
from click.testing import CliRunner

from azkaban_client.cli import azk
from azkaban_client.errors import InvalidProject, NotFound
from azkaban_client.flow.export import TARGETS, Options, export
from azkaban_client.flow.export.cron import calendar
from azkaban_client.flow.local import run
from azkaban_client.flow.step import main
from azkaban_client.flow.times import LostError, iso_repeat, to_cron
from azkaban_client.flow.zip import unpack
from azkaban_client.when import When
from tests.exported import FLOW_1, FLOW_2, bundle, records

if TYPE_CHECKING:
    from pathlib import Path

STATES = {"count", "breaks", "many", "few", "repair", "after", "end"}


def write(files, target, folder: Path, flow=None, **options) -> Path:
    made = export(bundle(files), target, project="p", flow=flow, options=Options(**options))
    folder.mkdir(exist_ok=True)
    unpack(made.bundle, folder)
    return folder / made.start


def elsewhere(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """Start the program by a Python that has nothing of this project."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", folder / "azkaban_step.pyz", *words],
        cwd=folder, env={"PATH": os.environ["PATH"], **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def step(folder: Path, project: str, *words: str, **environment: str) -> Done:
    """Run what the program runs, without the start of a process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        code = main([str(folder / project), *words])
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture
def luigi_folder(tmp_path: Path) -> Path:
    write(FLOW_1, "luigi", tmp_path, flow="end")
    return tmp_path


def test_jobs_get_what_azkaban_gives_them(luigi_folder: Path) -> None:
    for job in ("load", "again", "part:inner_a", "part:inner", "end"):
        words = (job, "--run", "a/b", "--prop", "day=tue")
        with elsewhere(luigi_folder, "p", "end", *words) as process:
            out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, ""), (job, out)
    found = {job: out for job, (_, out) in records(luigi_folder / "runs/end/a%2Fb").items()}
    assert found == {
        "load": {"load.rows": "7"},
        "again": {"again.attempt": "1"},  # the second attempt ends well
        "part:inner_a": {"inner_a.seen": "7tue-x"},
        "part:inner": {"inner.seen": "7tue-x!"},
        "end": {"end.all": "1/7tue-x!"},
    }


def test_conditions_end_as_in_a_local_run(tmp_path: Path) -> None:
    write(FLOW_2, "airflow", tmp_path)
    codes = {}
    for job in ("count", "breaks", "many", "few", "repair", "after", "end"):
        done = step(tmp_path, "p", "f", job, "--attempt", "0", "--skipped", "99", AZKABAN_RUN="r")
        codes[job] = done.returncode
    assert codes == {
        "count": 0, "breaks": 1, "many": 0, "few": 99, "repair": 0, "after": 99, "end": 0,
    }  # fmt: skip
    events = list(run(bundle(FLOW_2), "f"))
    local = {job.id: job.status.name for job in events[-1].execution.walk()}
    assert {job: status for job, (status, _) in records(tmp_path / "runs/f/r").items()} == local
    assert local.keys() == STATES


def test_a_job_ends_with_the_program(tmp_path: Path) -> None:
    files = {"a.job": "type=command\ncommand=bash -c 'echo $$; exec sleep 600'\n"}
    write(files, "luigi", tmp_path)
    with elsewhere(tmp_path, "p", "a", "a", "--run", "r") as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.terminate()
        assert process.wait(60) == 128 + 15
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert records(tmp_path / "runs/a/r") == {}


def test_a_job_is_not_run_before_those_that_it_waits_for(luigi_folder: Path) -> None:
    done = step(luigi_folder, "p", "end", "again", "--run", "r", "--skipped", "42")
    assert (done.returncode, done.stdout) == (42, "again: its condition is not met: not run\n")


def test_an_accepted_failure_and_an_attempt_of_the_other_scheduler(luigi_folder: Path) -> None:
    def again(*options: str) -> int:
        return step(luigi_folder, "p", "end", "again", "--run", "r", *options).returncode

    assert step(luigi_folder, "p", "end", "load", "--run", "r").returncode == 0
    assert [again("--attempt", "0"), again("--attempt", "0", "--accept")] == [1, 0]
    ended = {job: status for job, (status, _) in records(luigi_folder / "runs/end/r").items()}
    assert ended == {"load": "SUCCEEDED", "again": "FAILED"}
    assert again("--attempt", "1") == 0


def test_runs_that_a_scheduler_cannot_name(luigi_folder: Path) -> None:
    done = step(luigi_folder, "p", "end", "load")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--begin" in done.stderr
    assert step(luigi_folder, "p", "end", "--begin").returncode == 0
    assert step(luigi_folder, "p", "end", "load").returncode == 0
    assert step(luigi_folder, "p", "end", "--begin").returncode == 0
    assert step(luigi_folder, "p", "end", "again").stdout.startswith("again: its condition")
    assert len([one for one in (luigi_folder / "runs/end").iterdir() if one.is_dir()]) == 2


def test_jobs_that_begin_a_run_together_share_it(luigi_folder: Path) -> None:
    words = ("p", "end", "load", "--run", "r")
    started = [elsewhere(luigi_folder, *words) for _ in range(4)]
    for process in started:
        process.communicate(timeout=120)
    assert [process.returncode for process in started] == [0] * 4
    assert [path.name for path in (luigi_folder / "runs/end").iterdir()] == ["r"]


def test_a_parameter_at_its_default_changes_nothing(tmp_path: Path) -> None:
    files = {
        "a.properties": "where=top\n",
        "d/b.properties": "where=nested\n",
        "d/a.job": "type=command\ncommand=echo ${where} ${word}\nword=x\n",
    }
    write(files, "airflow", tmp_path)
    given = json.dumps({"where": "nested", "unset": None})
    done = step(tmp_path, "p", "a", "a", "--run", "r", AZKABAN_OVERRIDES=given)
    assert done.stdout == "nested x\n"
    done = step(tmp_path, "p", "a", "a", "--run", "s", AZKABAN_OVERRIDES='{"where": "here"}')
    assert done.stdout == "here x\n"


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["p", "nothing", "load", "--run", "r"], {}, "no flow 'nothing'"),
        (["p", "end", "nothing", "--run", "r"], {}, "no job 'nothing' (its jobs: load"),
        (["q", "end", "load", "--run", "r"], {}, "q: no such folder"),
        (["p", "end", "load", "--run", ".."], {}, "--run '..'"),
        (["p", "end", "load", "--run", "r", "--prop", "x"], {}, "expected KEY=VALUE"),
        (["p", "end", "load"], {"AZKABAN_OVERRIDES": "[1]", "AZKABAN_RUN": "r"}, "a JSON object"),
    ],
)
def test_what_cannot_be_run_is_said(luigi_folder: Path, words, environment, said) -> None:
    done = step(luigi_folder, *words, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("azkaban_step: ")
    assert said in done.stderr


def test_the_whole_flow_for_cron(tmp_path: Path) -> None:
    start = write(FLOW_1, "cron", tmp_path, flow="end", schedule=When("cron", "0 0 6 ? * MON"),
                  home=str(tmp_path), python=sys.executable)  # fmt: skip
    lines = start.read_text().splitlines()
    assert lines[-2:][0] == "MAILTO=me@example.org"
    when, command = lines[-1][:11], lines[-1][12:]
    assert when == "0 6 * * MON"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "runs/end.log").read_text().splitlines()[-1] == "end: SUCCEEDED"
    (tmp_path / "p/say.sh").write_text("echo broken; exit 3")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "load: broken" in done.stdout  # which cron sends
    assert "Mon *-*-* 6:0:00" in (tmp_path / "end.timer").read_text()


def test_names_that_are_no_names_elsewhere(tmp_path: Path) -> None:
    files = {
        "class.job": "type=noop\n",
        "größe-1.job": "type=noop\ndependencies=class\n",
        "größe_1.job": "type=noop\ndependencies=class\n",
        'a "quoted" job.job': "type=noop\n"
        "dependencies=gr\\u00f6\\u00dfe-1,gr\\u00f6\\u00dfe_1\nx=${a.b} ${a-b}\n",
    }
    for target in ("luigi", "airflow"):
        start = write(files, target, tmp_path / target)
        tree = ast.parse(start.read_text())
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        assert len(names) == len(set(names))
    made = json.loads(write(files, "chronos", tmp_path / "chronos").read_text())
    assert len({job["name"] for job in made}) == 5
    assert all(job["name"].replace("_", "").replace("-", "").isascii() for job in made)


@pytest.mark.parametrize("target", ["luigi", "airflow"])
def test_a_name_cannot_end_the_text_that_it_stands_in(tmp_path: Path, target: str) -> None:
    name = '"""+evil()+"""'
    options = Options(schedule=When("daily", "06:00"))
    made = export(bundle({f"{name}.job": "type=noop\n"}), target, project=name, options=options)
    tree = ast.parse(made.bundle.read(made.start))
    assert "evil" not in {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
    assert "+evil()+" in (ast.get_docstring(tree) or "")


def test_a_percent_sign_of_a_name_in_a_unit() -> None:
    options = Options(schedule=When("daily", "06:00"))
    made = export(bundle({"a%b.job": "type=noop\n"}), "cron", project="p%h", options=options)
    unit = made.bundle.read("a_b.service").decode()
    assert "Flow a%%b of the project p%%h," in unit
    assert "Flow a%b of the project p%h," in made.bundle.read("a_b.crontab").decode()


@pytest.mark.parametrize("target", TARGETS)
def test_no_name_adds_a_line_to_another_scheduler_s_file(target) -> None:
    options = Options(schedule=When("daily", "06:00"))
    files = bundle({"a\n* * * * * touch x #.job": "type=noop\n"})
    with pytest.raises(InvalidProject, match="line break"):
        export(files, target, project="p", options=options)


def test_fields_of_chronos(tmp_path: Path) -> None:
    options = {"schedule": When("cron", "0 30 6 ? * *", zone="Europe/Berlin"), "home": "/x y",
               "since": date(2026, 11, 30)}  # fmt: skip
    jobs = json.loads(write(FLOW_1, "chronos", tmp_path, flow="end", **options).read_text())
    first, *others = jobs
    assert (first["schedule"], first["scheduleTimeZone"]) == (
        "R/2026-11-30T06:30:00Z/P1D",
        "Europe/Berlin",
    )
    assert first["command"] == "python3 '/x y/azkaban_step.pyz' '/x y/p' end --begin"
    assert {job["name"]: job["parents"] for job in others} == {
        "end_load": ["end"],
        "end_again": ["end_load"],
        "end_part_inner_a": ["end_load"],
        "end_part_inner": ["end_part_inner_a"],
        "end_end": ["end_again", "end_part_inner"],
    }
    assert all("schedule" not in job and job["owner"] == "me@example.org" for job in others)
    assert not any("parents" in job for job in (first,))


def test_what_is_lost_is_listed() -> None:
    found = {}
    for target in TARGETS:
        made = export(bundle(FLOW_1), target, project="p", flow="end",
                      options=Options(schedule=When("cron", "0 0 6 ? * *"),
                                      concurrency="pipeline"))  # fmt: skip
        found[target] = {one.feature for one in made.losses if one.degree == "lost"}
        assert not made.is_exact
    assert found == {
        "luigi": {"concurrency: pipeline"},
        "airflow": {"concurrency: pipeline"},
        "chronos": {"concurrency: pipeline", "parameters"},
        "cron": {"concurrency: pipeline"},
    }
    chain = {"a.job": "type=noop", "b.job": "type=noop\ndependencies=a\nretries=1"}
    for target, exact in (("luigi", True), ("airflow", False), ("chronos", False)):
        assert export(bundle(chain), target, project="p").is_exact is exact


@pytest.mark.parametrize(
    ("quartz", "cron"),
    [
        ("0 30 6 ? * MON-FRI", "30 6 * * MON-FRI"),
        ("0 0 6 ? * 2-6", "0 6 * * MON-FRI"),
        ("0 0 6 ? * 1,7", "0 6 * * SUN,SAT"),
        ("0 0 6 ? * FRI-MON", "0 6 * * FRI,SAT,SUN,MON"),
        ("0 0 6 ? * 2/2", "0 6 * * MON,WED,FRI"),
        ("0 5/15 * * * ?", "5-59/15 * * * *"),
        ("0 0 22-2 * * ?", "0 22-23,0-2 * * *"),
        ("0 0 0 1 JAN ?", "0 0 1 JAN *"),
        ("0 0 0 ? * L", "0 0 * * SAT"),
        ("0 0 0 * * ? *", "0 0 * * *"),
    ],
)
def test_cron_in_five_fields(quartz: str, cron: str) -> None:
    assert to_cron(When("cron", quartz)) == cron


@pytest.mark.parametrize(
    ("quartz", "field", "airflow"),
    [
        ("30 0 6 ? * *", "seconds", None),
        ("0 0 6 ? * 6#3", "day of week", "0 6 * * FRI#3"),
        ("0 0 6 ? * 6L", "day of week", "0 6 * * L5"),
        ("0 0 6 L * ?", "day of month", "0 6 L * *"),
        ("0 0 6 15W * ?", "day of month", None),
        ("0 0 6 ? * * 2027", "year", None),
    ],
)
def test_times_that_cron_lacks(quartz: str, field: str, airflow: str | None) -> None:
    with pytest.raises(LostError, match=field):
        to_cron(When("cron", quartz))
    if airflow is not None:
        assert to_cron(When("cron", quartz), dialect="airflow") == airflow
    else:
        with pytest.raises(LostError, match=field):
            to_cron(When("cron", quartz), dialect="airflow")


@pytest.mark.parametrize(
    ("schedule", "repeat"),
    [
        (When("cron", "0 30 6 ? * *"), "R/2026-11-29T06:30:00Z/P1D"),
        (When("cron", "0 0 6 ? * WED"), "R/2026-11-25T06:00:00Z/P1W"),
        (When("cron", "0 0 6 ? * 1"), "R/2026-11-29T06:00:00Z/P1W"),
        (When("cron", "0 0 6 15 * ?"), "R/2026-11-15T06:00:00Z/P1M"),
        (When("cron", "0 */10 * * * ?"), "R/2026-11-29T00:00:00Z/PT10M"),
        (When("cron", "0 20 * * * ?"), "R/2026-11-29T00:20:00Z/PT1H"),
        (When("every", "2w"), "R/2026-11-29T00:00:00Z/P2W"),
    ],
)
def test_intervals_of_chronos(schedule: When, repeat: str) -> None:
    assert iso_repeat(schedule, date(2026, 11, 29)) == repeat  # a Sunday


@pytest.mark.parametrize("cron", ["0 0 6 ? * MON-FRI", "0 0 6,18 ? * *", "0 0 6 31 * ?"])
def test_times_that_chronos_lacks(cron: str) -> None:
    with pytest.raises(LostError, match="one length of time"):
        iso_repeat(When("cron", cron), date(2026, 11, 29))


def test_periods_that_do_not_divide_an_hour_or_a_day_are_lost() -> None:
    assert to_cron(When("cron", "0 0 6 1 NOV-FEB,JUN ?")) == "0 6 1 11-12,1-2,JUN *"
    assert to_cron(When("cron", "0 0 6 ? JAN/3 99")) == "0 6 * 1-12/3 *"
    assert to_cron(When("every", "2h")) == "0 */2 * * *"
    for every in ("7m", "5h", "2d", "2w"):
        with pytest.raises(LostError, match=every):
            to_cron(When("every", every))


def test_timers_of_systemd() -> None:
    assert calendar("5-59/15 * 1 JAN *") == "*-1-1 *:5..59/15:00"
    assert calendar("0 6 * * SUN,SAT", "UTC") == "Sun,Sat *-*-* 6:0:00 UTC"


@pytest.mark.parametrize(
    ("target", "without", "named"),
    [("cron", "exact", "approximated"), ("chronos", "approximated", "exact"),
     ("airflow", "approximated", "exact"), ("luigi", "approximated", "approximated")],
)  # fmt: skip
def test_whether_a_time_is_exact_depends_on_its_zone(target, without, named) -> None:
    def degree(zone: str | None) -> str:
        options = Options(schedule=When("cron", "0 30 6 ? * *", zone=zone))
        made = export(bundle({"a.job": "type=noop"}), target, project="p", options=options)
        (found,) = (one for one in made.losses if one.feature == "schedule")
        return found.degree

    assert (degree(None), degree("Europe/Berlin")) == (without, named)


def test_what_cannot_be_exported() -> None:
    with pytest.raises(InvalidProject, match="cron is nothing but one"):
        export(bundle(FLOW_1), "cron", project="p", flow="end")
    with pytest.raises(NotFound, match="which flow"):
        export(bundle({"a.job": "type=noop", "b.job": "type=noop"}), "luigi", project="p")
    with pytest.raises(InvalidProject, match="'pig'"):
        export(bundle({"a.job": "type=pig"}), "luigi", project="p")
    seconds = Options(schedule=When("cron", "9 0 6 ? * *"))
    with pytest.raises(InvalidProject, match="seconds '9'"):
        export(bundle({"a.job": "type=noop"}), "cron", project="p", options=seconds)


# -- azk export ---------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "a.job").write_text("type=noop\n")
    (folder / "b.job").write_text("type=noop\ndependencies=a\n")
    (folder / "azk.toml").write_text('[deploy]\ndaily = "06:30"\ntimezone = "Europe/Berlin"\n')
    return folder


def azk_export(*words: str):
    return CliRunner().invoke(azk, ["export", *words])


def test_the_command_takes_the_schedule_of_deploy(project: Path) -> None:
    done = azk_export("p", "--to", "cron", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["flow"], said["file"], said["exact"]) == ("b", "b.crontab", False)
    (time,) = (one for one in said["features"] if one["feature"] == "schedule")
    assert (time["degree"], "Debian and Ubuntu counts in the machine's" in time["how"]) == (
        "approximated", True,
    )  # fmt: skip
    text = (project.parent / "p-cron" / "b.crontab").read_text()
    assert "CRON_TZ=Europe/Berlin\n30 6 * * * " in text
    assert not (project.parent / "p-cron/p/azk.toml").exists()


def test_what_deploy_says_beside_the_times_is_listed(project: Path) -> None:
    table = '[deploy]\nevery = "1d"\nat = "06:00"\nuntil = "2999-01-31"\ncatch_up = "last"\n'
    (project / "azk.toml").write_text(table + 'timezone = "Europe/Berlin"\n')
    done = azk_export("p", "--to", "airflow", "--json")
    assert done.exit_code == 0, done.stderr
    found = {one["feature"]: one for one in json.loads(done.stdout)["features"]}
    assert found["schedule"]["degree"] == "approximated"
    assert "counts from the first run" in found["schedule"]["how"]
    assert {name: found[f"schedule: {name}"]["where"] for name in ("at", "until", "catch_up")} == {
        "at": "06:00", "until": "2999-01-31", "catch_up": "last",
    }  # fmt: skip
    text = (project.parent / "p-airflow" / "b_dag.py").read_text()
    assert 'CronTriggerTimetable("0 0 * * *", timezone="Europe/Berlin")' in text


def test_options_come_before_deploy_and_what_is_lost_of_them_is_listed(project: Path) -> None:
    done = azk_export("p", "--to", "airflow", "--every", "1d", "--until", "2999-01-31", "--json")
    assert done.exit_code == 0, done.stderr
    found = {one["feature"]: one for one in json.loads(done.stdout)["features"]}
    assert found["schedule"]["where"] == "every 1d, Europe/Berlin"
    assert (found["schedule: until"]["degree"], found["schedule: until"]["where"]) == (
        "lost", "2999-01-31",
    )  # fmt: skip


def test_strict_writes_nothing(project: Path) -> None:
    done = azk_export("p", "--to", "luigi", "--strict")
    assert done.exit_code == 2
    assert "schedule" in done.stdout
    assert "nothing is written" in done.stderr
    assert [one.name for one in project.parent.iterdir()] == ["p"]


def test_an_export_is_written_anew_and_nothing_else_is(project: Path) -> None:
    folder = project.parent / "out"
    assert azk_export("p", "--to", "luigi", "--output", "out").exit_code == 0
    (folder / "runs").mkdir()
    (folder / "p/old.txt").touch()
    assert azk_export("p", "--to", "luigi", "--output", "out").exit_code == 0
    assert (folder / "runs").is_dir()
    assert not (folder / "p/old.txt").exists()
    (project.parent / "mine").mkdir()
    (project.parent / "mine/thesis.txt").touch()
    done = azk_export("p", "--to", "luigi", "--output", "mine")
    assert (done.exit_code, "is no export" in str(done.exception)) == (1, True)
    assert [one.name for one in (project.parent / "mine").iterdir()] == ["thesis.txt"]
