"""Flows that come from elsewhere: crontabs, DAGs, tasks, workflows, and Flow 1.0 as Flow 2.0."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from azkaban_client import Bundle, LogLine
from azkaban_client.cli import azk
from azkaban_client.errors import InvalidProject
from azkaban_client.flow.convert import to_flow_2
from azkaban_client.flow.export import Options, export
from azkaban_client.flow.imports import Imported, read
from azkaban_client.flow.lint import lint
from azkaban_client.flow.loader import load
from azkaban_client.flow.local import run
from azkaban_client.flow.times import to_quartz
from tests.exported import FAN, FLOW_1, bundle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CRONTAB = r"""
# m h dom mon dow command
MAILTO="ops@example.org"
CRON_TZ=Europe/Berlin
HOME=/srv
30 6 * * 1-5 python3 /srv/fetch.py --all
@hourly /srv/tidy.sh "a b" 'c' && echo done
*/10 * * * 0,7 date +\%F
0 0 13 * 5 /srv/friday.sh
@reboot /srv/start.sh
"""
DAG = """
from datetime import datetime, timedelta
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, TaskGroup, chain

ROOT = "/srv"
with DAG(
    "sales", schedule="30 6 * * MON-FRI", start_date=datetime(2026, 1, 1), catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "email": ["me@example.org"]},
    params={"day": Param("today", type="string"), "rows": 10},
) as dag:
    load = BashOperator(task_id="load", bash_command=f"{ROOT}/load.sh {{{{ params.day }}}}")
    with TaskGroup("clean") as clean:
        a = BashOperator(task_id="a", bash_command="echo a")
        b = BashOperator(
            task_id="b", bash_command='''echo "it's"; echo {{ params.rows }}''', retries=0)
        a >> b
    python = PythonOperator(task_id="model", python_callable=train)
    end = EmptyOperator(task_id="end", trigger_rule="all_done")
    other = EmptyOperator(task_id="other")
    load >> clean >> [python, other]
    end << python
    load.set_downstream(other)
    BashOperator(task_id="ds", bash_command="echo {{ ds }}") >> end
    for n in range(3):
        BashOperator(task_id=f"t{n}", bash_command="true")
"""
LUIGI = """
import luigi

class Base(luigi.Task):
    day = luigi.DateParameter()
    rows = luigi.IntParameter(default=10)

class Load(Base):
    def output(self):
        return luigi.LocalTarget("load.txt")
    def run(self):
        with self.output().open("w") as f:
            f.write("x")

class Clean(Base):
    def requires(self):
        return [self.clone(Load)]

class Report(luigi.WrapperTask):
    def requires(self):
        for day in ("mon", "tue"):
            yield Clean(day=day)
        yield Load()
"""
OOZIE = """<workflow-app xmlns="uri:oozie:workflow:0.5" name="daily">
  <parameters><property><name>day</name><value>today</value></property></parameters>
  <start to="load"/>
  <action name="load"><shell xmlns="uri:oozie:shell-action:0.3">
    <exec>load.sh</exec><argument>${day}</argument><argument>two words</argument>
    <env-var>MODE=full</env-var></shell><ok to="split"/><error to="kill"/></action>
  <fork name="split"><path start="a"/><path start="b"/></fork>
  <action name="a"><fs><mkdir path="/out/${day}"/><delete path="/tmp/x"/></fs>
    <ok to="meet"/><error to="tidy"/></action>
  <action name="b"><hive xmlns="uri:oozie:hive-action:0.5"><script>q.sql</script></hive>
    <ok to="meet"/><error to="kill"/></action>
  <join name="meet" to="done"/>
  <action name="done"><spark xmlns="uri:oozie:spark-action:0.2"><master>yarn</master>
    <class>x.Y</class><jar>y.jar</jar><spark-opts>--num-executors 2</spark-opts><arg>z</arg></spark>
    <ok to="end"/><error to="kill"/></action>
  <action name="tidy"><fs><delete path="/out"/></fs><ok to="end"/><error to="kill"/></action>
  <kill name="kill"><message>no</message></kill><end name="end"/></workflow-app>
"""


def jobs(
    made: Imported, flow: str | None = None
) -> Mapping[str, tuple[str | None, tuple[str, ...]]]:
    """The commands and dependencies of the jobs, as Azkaban reads them; lint has no complaint."""
    files = Bundle(dict(made.files))
    assert [one for one in lint(files) if one.severity == "error"] == []
    flows = load(files).flows
    return {
        name: (job.get("command"), job.dependencies)
        for name, job in flows[flow or made.flows[0]].jobs.items()
    }


def lost(made: Imported) -> set[tuple[str, str]]:
    return {(one.feature, one.where) for one in made.losses if one.degree == "lost"}


def test_a_crontab() -> None:
    made = read(CRONTAB, "cron", name="mine")
    assert {name: str(one) for name, one in made.schedules.items()} == {
        "fetch": "cron 0 30 6 ? * MON-FRI, Europe/Berlin",
        "tidy": "cron 0 0 * * * ?, Europe/Berlin",
        "date": "cron 0 */10 * ? * SUN,SUN, Europe/Berlin",
    }
    assert made.flows == ("fetch", "tidy", "date", "friday", "start")
    assert jobs(made, "fetch") == {
        "fetch": ("sh -c 'cd /srv || exit 1; python3 /srv/fetch.py --all'", ())
    }
    assert jobs(made, "tidy") == {"tidy": ("sh tidy.sh", ())}
    assert made.files["tidy.sh"] == b"cd /srv || exit 1; /srv/tidy.sh \"a b\" 'c' && echo done\n"
    assert jobs(made, "date") == {"date": ("sh -c 'cd /srv || exit 1; date +%F'", ())}
    job = load(Bundle(dict(made.files))).flows["fetch"].jobs["fetch"]
    assert (job.get("env.HOME"), job.get("failure.emails")) == ("/srv", "ops@example.org")
    assert lost(made) == {("time", "line 9"), ("time", "line 10")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing of cron"),
        ("* * * *\n", "line 1: expected five fields"),
        ("@daily", "line 1: expected five"),
    ],
)
def test_what_is_no_crontab(text: str, said: str) -> None:
    with pytest.raises(InvalidProject, match=said):
        read(text, "cron", name="mine")


def test_times_of_cron_in_quartz() -> None:
    assert to_quartz("0 6 1,15 * *") == "0 0 6 1,15 * ?"
    assert to_quartz("0 6 * jan-mar 7") == "0 0 6 ? JAN-MAR SUN"
    for wrong in ("61 * * * *", "0 6 * * 8", "0 6 32 * *"):
        with pytest.raises(ValueError, match=r"\d"):
            to_quartz(wrong)


def test_a_dag() -> None:
    made = read(DAG, "airflow", name="sales_dag")
    assert made.flows == ("sales",)
    assert str(made.schedules["sales"]) == "cron 0 30 6 ? * MON-FRI, UTC"
    assert jobs(made) == {
        "load": ("sh -c '/srv/load.sh ${day}'", ()),
        "clean.a": ("sh -c 'echo a'", ("load",)),
        "clean.b": ("sh clean.b.sh", ("clean.a",)),
        "model": (None, ("clean.b",)),
        "other": (None, ("clean.b", "load")),
        "ds": ("sh -c 'echo {{ ds }}'", ()),
        "end": (None, ("model", "ds")),
        "sales": (None, ("end", "other")),
    }
    assert made.files["clean.b.sh"] == b'echo "it\'s"; echo ${rows}\n'
    assert b"env.rows=${rows}" in made.files["clean.b.job"]
    assert (
        b"retries=2\nretry.backoff=60000\nfailure.emails=me@example.org" in made.files["load.job"]
    )
    assert b"retries" not in made.files["clean.b.job"]
    assert made.files["sales_dag.properties"] == b"day=today\nrows=10\n"
    assert lost(made) == {
        ("operator", "model"), ("trigger_rule", "end"), ("code", "line 27"),
        ("template", "ds: {{ ds }}"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "nothing of airflow"),
        ("with DAG('a'): pass\nwith DAG('b'): pass", "a second DAG"),
        ("def f(:", r"cannot be read: invalid syntax \(line 1\)"),
    ],
)
def test_what_is_no_dag(text: str, said: str) -> None:
    with pytest.raises(InvalidProject, match=said):
        read(text, "airflow", name="x")


AMSTERDAM = """
import pendulum
zone = pendulum.timezone("Europe/Amsterdam")
TABLE = {("a", "b"): timedelta(minutes="x")}
with DAG("d", schedule="@quarterly", start_date=pendulum.datetime(2026, 1, 1, tz=zone),
         default_args="x", params=3):
    a = BashOperator(task_id="a", bash_command="x", retries=1, retry_delay=timedelta(0, 30))
    b = BashOperator(task_id="b", bash_command="x", env=["x"], email=3, retries=1, retry_delay=None)
    many = BashOperator.partial(task_id="many").expand(bash_command=["x"])
    both = [a, b]
    c = EmptyOperator(task_id="c")
    both >> c
    elsewhere >> c
    d = EmptyOperator(task_id="d")
    cross_downstream([a, c], [d])
    d.set_upstream()
"""


def test_what_a_dag_may_have_besides() -> None:
    made = read(AMSTERDAM, "airflow", name="x")
    assert str(made.schedules["d"]) == "cron 0 0 0 1 */3 ?, Europe/Amsterdam"
    assert {name: needs for name, (_, needs) in jobs(made).items()} == {
        "a": (), "b": (), "c": ("a", "b"), "d": ("a", "c"),
    }  # fmt: skip
    assert b"retry.backoff=30000" in made.files["a.job"]
    assert lost(made) == {("code", "line 9"), ("dependency", "line 13")}


@pytest.mark.parametrize("schedule", ['["data"]', "{'a': 1}", "timedelta(days=1)", "'@once'"])
def test_a_schedule_without_a_time_is_lost(schedule: str) -> None:
    task = "x = BashOperator(task_id='x', bash_command='true')"
    made = read(f"@dag(schedule={schedule})\ndef d():\n    {task}\n", "airflow", name="y")
    assert [one.feature for one in made.losses if one.degree == "lost"] == ["schedule"]
    assert made.flows == ("d",)


def test_only_cron_tz_is_the_zone_of_a_crontabs_times() -> None:
    made = read("TZ=Asia/Tokyo\n0 6 * * * date\n", "cron", name="mine")
    assert str(made.schedules["date"]) == "cron 0 0 6 * * ?"
    assert b"env.TZ=Asia/Tokyo" in made.files["date.job"]
    assert {one.degree for one in made.losses} == {"exact"}
    made = read("CRON_TZ=Asia/Tokyo\n0 6 * * * date\n", "cron", name="mine")
    assert [one.degree for one in made.losses if one.feature == "time"] == ["approximated"]


def test_a_command_of_cron_begins_in_the_home_folder_with_the_shell_that_is_set() -> None:
    made = read("0 6 * * * ./run.sh\n0 7 * * * cd /srv && ./x\n", "cron", name="mine")
    assert jobs(made, "run") == {"run": ("sh -c 'cd; ./run.sh'", ())}
    assert jobs(made, "x") == {"x": ("sh -c 'cd /srv && ./x'", ())}
    text = 'SHELL=/bin/bash\nHOME=/my data\n0 6 * * * ./a.sh\n0 7 * * * ./b.sh "it\'s"\n'
    made = read(text, "cron", name="mine")
    assert jobs(made, "a") == {"a": ("/bin/bash -c \"cd '/my data' || exit 1; ./a.sh\"", ())}
    assert jobs(made, "b") == {"b": ("/bin/bash b.sh", ())}
    assert made.files["b.sh"] == b"cd '/my data' || exit 1; ./b.sh \"it's\"\n"


@pytest.mark.parametrize(
    "text",
    [
        "# m h dom mon dow user\tcommand\n5 6 * * * www-data /srv/a.sh\n",
        "# *  *  *  *  * user-name command to be executed\n5 6 * * * www-data /srv/a.sh\n",
        "5 6 * * * root\t/srv/a.sh\n@daily root /srv/b.sh\n",
    ],
)
def test_the_account_in_a_table_of_the_system_is_no_program(text: str) -> None:
    made = read(text, "cron", name="mine")
    assert jobs(made, "a") == {"a": ("sh -c 'cd; /srv/a.sh'", ())}
    assert {one.feature for one in made.losses if one.degree == "approximated"} == {"account"}


def test_a_program_called_root_is_no_account() -> None:
    made = read("5 6 * * * root -b a.C\n", "cron", name="mine")
    assert jobs(made) == {"a": ("sh -c 'cd; root -b a.C'", ())}


def test_a_variable_of_cron_that_azkaban_would_substitute_is_left_out() -> None:
    made = read("A=${B}/x\nC=d\n0 6 * * * date\n", "cron", name="mine")
    assert b"env.C=d" in made.files["date.job"]
    assert b"env.A" not in made.files["date.job"]
    assert lost(made) == {("variable", "line 3")}


@pytest.mark.parametrize("text", ["0 0 31 2 * date\n", "CRON_TZ=No/Where\n0 6 * * * date\n"])
def test_a_time_of_cron_that_never_comes_is_lost(text: str) -> None:
    made = read(text, "cron", name="mine")
    assert dict(made.schedules) == {}
    assert {feature for feature, _ in lost(made)} == {"time"}


@pytest.mark.parametrize("source", ["airflow", "luigi", "oozie", "cron"])
@pytest.mark.parametrize("text", ["x=" + "-" * 200_000 + "1", "import luigi\0"])
def test_what_no_parser_can_take_is_refused(source: Any, text: str) -> None:
    with pytest.raises(InvalidProject, match=r"cannot be read|no XML|nothing of cron"):
        read(text, source, name="mine")


def test_standard_input_of_cron_is_left_out() -> None:
    made = read("0 6 * * 0-7 mail me%Hello%you\n", "cron", name="mine")
    assert jobs(made) == {"mail": ("sh -c 'cd; mail me'", ())}
    assert str(made.schedules["mail"]) == "cron 0 0 6 ? * SUN-SAT"
    assert lost(made) == {("standard input", "line 1")}


def test_a_file_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"open({str(mark)!r}, 'w')\nx = BashOperator(task_id='x', bash_command='true')\n"
    assert read(text, "airflow", name="x").flows == ("x",)
    assert not mark.exists()


def test_tasks_of_luigi() -> None:
    made = read(LUIGI, "luigi", name="tasks")
    run = "${python} -m luigi --module tasks"
    report = jobs(made, "Report")
    assert report == {
        "Load": (
            f'{run} Load --local-scheduler --day "${{Load.day}}" --rows "${{Load.rows}}"', (),
        ),
        "Clean": (
            f'{run} Clean --local-scheduler --day "${{Clean.day}}" --rows "${{Clean.rows}}"',
            ("Load",),
        ),
        "Report": (f"{run} Report --local-scheduler", ("Load", "Clean")),
    }  # fmt: skip
    assert made.files["tasks.py"].decode() == LUIGI
    assert ("requires in a loop", "Report") in {(o.feature, o.where) for o in made.losses}


def test_a_workflow_of_oozie() -> None:
    made = read(OOZIE, "oozie", name="workflow")
    assert made.flows == ("daily",)
    assert jobs(made) == {
        "load": ('load.sh ${day} "two words"', ()),
        "a": ("sh -c 'hdfs dfs -mkdir -p /out/${day} && hdfs dfs -rm -r -f /tmp/x'", ("load",)),
        "b": (None, ("load",)),
        "done": (
            "spark-submit --master yarn --class x.Y --num-executors 2 y.jar z", ("a", "b"),
        ),
        "tidy": ("sh -c 'hdfs dfs -rm -r -f /out'", ()),
        "daily": (None, ("done", "tidy")),
    }  # fmt: skip
    assert made.files["workflow.properties"] == b"day=today\n"
    assert lost(made) == {("hive action", "b"), ("error transition", "a")}


def test_what_a_workflow_of_oozie_may_have_besides() -> None:
    text = """<workflow-app name="w">
      <action name="a"><fs><name-node>hdfs://x</name-node><mkdir path="/out"/></fs>
        <ok to="b"/><error to="stop"/></action>
      <action name="b"><fs><setrep path="/out"/></fs><ok to="c"/><error to="fail-mail"/></action>
      <action name="c"><shell><exec>say</exec><argument>"a" b</argument></shell>
        <ok to="end"/><error to="stop"/></action>
      <action name="fail-mail"><shell><exec>mail</exec></shell><ok to="stop"/></action>
      <kill name="stop"/><end name="end"/></workflow-app>"""
    made = read(text, "oozie", name="w")
    commands = {name: command for name, (command, _) in jobs(made).items()}
    assert commands["a"] == "sh -c 'hdfs dfs -mkdir -p /out'"
    assert commands["c"] == "say '\"a\" b'"
    assert lost(made) == {("fs action", "b"), ("error transition", "b")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<a/>", "expected <workflow-app>"),
        ("<a", "no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><workflow-app/>', "DOCTYPE"),
        ('<workflow-app name="x"/>', "nothing of oozie"),
    ],
)
def test_what_is_no_workflow(text: str, said: str) -> None:
    with pytest.raises(InvalidProject, match=said):
        read(text, "oozie", name="x")


# -- Flow 1.0 as Flow 2.0 ------------------------------------------------------------------------


def ends(files: Bundle, flow: str, **properties: str) -> tuple[dict[str, str], set[str]]:
    events = list(run(files, flow, properties=properties))
    said = {f"{e.job.id}: {e.text}" for e in events if isinstance(e, LogLine)}
    return {job.id: job.status.name for job in events[-1].execution.walk()}, said


@pytest.mark.parametrize(
    ("files", "flow"), [(FLOW_1, "end"), (FAN, "end")], ids=["attempts", "fan"]
)
def test_a_converted_flow_does_the_same(files: Mapping[str, str], flow: str) -> None:
    shown = {
        name: text.replace("bash say.sh", "bash show.sh") if name.endswith(".job") else text
        for name, text in files.items()
    }
    shown["show.sh"] = 'echo "$1=$2"; bash say.sh "$1" "$2"\n'
    old = bundle(shown)
    made = to_flow_2(old, "p")
    assert [one for one in lint(made.bundle) if one.severity == "error"] == []
    assert made.flows == (flow,)
    assert not any(name.endswith(".job") for name in made.bundle.names)
    given = {"day": "tue"} if flow == "end" and files is FLOW_1 else {}
    assert ends(made.bundle, flow, **given) == ends(old, flow, **given)


def test_what_flow_2_does_not_have_is_listed() -> None:
    files = {
        "a.properties": "x=1\ny=1\n",
        "d/b.properties": "y=2\n",
        "d/a.job": "type=command\ncommand=cat data\n",
        "b.job": "type=noop\ndependencies=a\n",
        "README": "text",
    }
    made = to_flow_2(bundle(files), "p")
    assert {(one.feature, one.degree, one.where) for one in made.losses} == {
        ("properties of a folder", "approximated", "d/a.job"),
        ("working directory", "lost", "d/a.job"),
    }
    assert made.bundle.names == ("README", "b.flow", "p.project")
    flow = load(made.bundle).flows["b"]
    assert [(job.get("x"), job.get("y")) for job in flow.jobs.values()] == [("1", "2"), ("1", "1")]
    with pytest.raises(InvalidProject, match="already"):
        to_flow_2(made.bundle, "p")


# -- The commands --------------------------------------------------------------------------------


def call(*words: str):
    return CliRunner().invoke(azk, [*words])


@pytest.mark.parametrize(
    ("file", "folder"),
    [("a b.txt", "a-b"), ("crontab", "crontab-project"), ("2nd", "job-2nd"), ("日本.tab", "job")],
)
def test_the_folder_has_a_name_that_a_project_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).write_text("CRON_TZ=UTC\n0 6 * * * python3 fetch.py\n")
    done = call("import", file, "--from", "cron")
    assert done.exit_code == 0, done.stderr
    assert f"azk schedule add {folder} fetch " in done.stderr
    assert (tmp_path / folder / "fetch.job").is_file()


def test_import_writes_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.crontab").write_text("CRON_TZ=UTC\n0 6 * * * python3 fetch.py\n")
    done = call("import", "mine.crontab", "--from", "cron")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "mine/fetch.job").is_file()
    assert "then: azk schedule add mine fetch --cron '0 0 6 * * ?'" in done.stderr
    assert "--timezone UTC" in done.stderr
    assert "is there already" in str(call("import", "mine.crontab", "--from", "cron").exception)
    assert call("lint", "mine").exit_code == 0
    (tmp_path / "bad").write_bytes(b"\xff")
    done = call("import", "bad", "--from", "oozie")
    assert (done.exit_code, "not UTF-8" in done.stderr) == (2, True)
    done = call("import", "/dev/zero", "--from", "cron")  # of any size
    assert (done.exit_code, "is it the right file?" in done.stderr) == (2, True)


def test_strict_import_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.xml").write_text(OOZIE)
    done = call("import", "w.xml", "--from", "oozie", "--strict", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["folder"] is None
    assert [one.name for one in tmp_path.iterdir()] == ["w.xml"]


def test_convert_writes_the_files_of_the_project_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("new", "sales", "--template", "etl").exit_code == 0
    done = call("convert", "sales")
    assert (done.exit_code, done.stdout) == (0, "all of it is exact\n"), done.stderr
    own = {one.name for one in (tmp_path / "sales").iterdir() if one.suffix in {".py", ".txt"}}
    written = {one.name for one in (tmp_path / "sales-2").iterdir()}
    assert own | {"sales.flow", "sales.project"} <= written
    assert not written & {"azkaban_client", "javaproperties"}


def test_convert_keeps_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "p"
    folder.mkdir()
    for name, text in FAN.items():
        (folder / name).write_text(text)
    before = sorted(one.name for one in folder.iterdir())
    done = call("convert", "p", "--strict", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["flows"] == ["end"]
    assert sorted(one.name for one in (tmp_path / "p-2").iterdir()) == [
        "end.flow", "p.project", "say.sh",
    ]  # fmt: skip
    assert sorted(one.name for one in folder.iterdir()) == before
    again = export(bundle(FAN), "luigi", project="p", flow="end", options=Options())
    assert again.flow == "end"
