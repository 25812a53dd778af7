"""`setup spark submit` reads the line of spark-submit, merges settings, and shows the command."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from setup.commands import Parser
from setup.errors import ServerError, UsageError
from setup.layout import Layout
from setup.life.process import Process, free_port
from setup.numbers import megabytes
from setup.spark import (
    distribution,
    files,
    line,
    resources,
    secrecy,
    settings,
    submit,
    submit_command,
    submit_options,
)
from setup.spark import target as targets
from setup.spark.cluster import Cluster
from setup.spark.install import Spark
from setup.spark.resource_manager import Node
from setup.spark.secrecy import without_secrets
from setup.spark.shape import Shape

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Submit = Callable[..., dict[str, list[str]]]

# The command of the notes, as their page has it.
NOTES = (
    "–master yarn –properties-file bigdl/conf/spark-bigdl.conf "
    "–py-files bigdl-0.4.0-SNAPSHOT-python-api.zip,textclassifier.py –archives BigDL_venv.zip "
    "–driver-cores 2 –driver-memory 4g –executor-cores 1 –num-executors 128 "
    "–total-executor-cores 128 –executor-memory 4g textclassifier.py"
)


def parsed(*words: str) -> argparse.Namespace:
    """Read options as the command does."""
    parser = Parser(prog="submit", allow_abbrev=False)
    parser.add_argument("--prefix")
    submit_options.add_options(parser)
    return parser.parse_args(list(words))


def parts(command: str) -> dict[str, list[str]]:
    """Read the options of a command that was shown; what follows them is under an empty name."""
    words = shlex.split(command.replace("\\\n", " "))
    variables = [word for word in words if "=" in word.partition("/")[0]]
    words = words[words.index(next(word for word in words if word.endswith("/spark-submit"))) :]
    found: dict[str, list[str]] = {"variables": variables, "program": words[:1]}
    rest = words[1:]
    while rest[0].startswith("--"):
        switch = rest[0] in ("--verbose", "--supervise")
        found.setdefault(rest[0], []).extend([] if switch else rest[1:2])
        rest = rest[1 if switch else 2 :]
    return {**found, "": rest}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a script, a Hadoop configuration, and no settings from outside."""
    for name in ("SPARK_HOME", "SPARK_CONF_DIR", "YARN_CONF_DIR", "PYSPARK_PYTHON", "SPARK_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "work"
    (folder / "hadoop").mkdir(parents=True)
    (folder / "hadoop" / "yarn-site.xml").write_text("<configuration/>")
    (folder / "x.py").write_text("")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder / "hadoop"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def spark(tmp_path: Path) -> Spark:
    layout = Layout(tmp_path / "p", tmp_path / "cache")
    layout.spark.mkdir(parents=True)
    return Spark(layout)


@pytest.fixture
def shown(work: Path, spark: Spark, capsys: pytest.CaptureFixture[str]) -> Submit:
    """Return the parts of the command that a dry run shows."""

    def run(*words: str) -> dict[str, list[str]]:
        assert work.is_dir()
        assert submit_command.run(spark, parsed("--dry-run", *words)) == 0
        return parts(capsys.readouterr().out)

    return run


def archive(path: Path, *names: str) -> Path:
    """Write a zip with empty files."""
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, "")
    return path


def test_the_line_of_the_notes_word_for_word(shown: Submit, work: Path) -> None:
    (work / "bigdl/conf").mkdir(parents=True)
    (work / "bigdl/conf/spark-bigdl.conf").write_text("spark.speculation false\n")
    archive(work / "bigdl-0.4.0-SNAPSHOT-python-api.zip", "bigdl/__init__.py")
    archive(work / "BigDL_venv.zip", "BigDL_venv/bin/python")
    (work / "textclassifier.py").write_text("")
    found = shown(*NOTES.split())
    assert found["--master"] == ["yarn"]
    assert found["--properties-file"] == ["bigdl/conf/spark-bigdl.conf"]
    assert found["--py-files"] == ["bigdl-0.4.0-SNAPSHOT-python-api.zip,textclassifier.py"]
    assert found["--archives"] == ["BigDL_venv.zip"]
    for name, value in (
        ("--driver-cores", "2"),
        ("--driver-memory", "4096m"),
        ("--executor-cores", "1"),
        ("--num-executors", "128"),
        ("--total-executor-cores", "128"),
        ("--executor-memory", "4096m"),
    ):
        assert found[name] == [value]
    assert "spark.pyspark.python=./BigDL_venv.zip/BigDL_venv/bin/python" in found["--conf"]
    assert found[""] == ["textclassifier.py"]


def test_only_what_the_user_gave_is_passed(shown: Submit) -> None:
    found = shown("--no-environment", "--conf", "spark.executor.memory=700m", "x.py", "--master")
    assert found[""] == ["x.py", "--master"]
    assert not [
        name for name in found if "memory" in name or "cores" in name or "executors" in name
    ]
    assert not found.keys() & {"--name", "--queue", "--deploy-mode", "--properties-file"}
    assert "spark.executor.memory=700m" in found["--conf"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--class", "a.B", "--jars", "hdfs:///a.jar"], {"--class": ["a.B"]}),
        (["--packages=g:a:1", "-v"], {"--packages": ["g:a:1"], "--verbose": []}),
        (["--driver-java-options", "-Xss4m -Da=b"], {"--driver-java-options": ["-Xss4m -Da=b"]}),
        (["--driver-java-options", "-Xss4m"], {"--driver-java-options": ["-Xss4m"]}),
        (["--option-of-spark-5", "value"], {"--option-of-spark-5": ["value"]}),
        (["--files", "https://h/a,hdfs:///b#c"], {"--files": ["https://h/a,hdfs:///b#c"]}),
        (["--archives", "hdfs://n/e.tgz#e"], {"--archives": ["hdfs://n/e.tgz#e"]}),
        (["-c", "a.b=c d"], {"--conf": ["a.b=c d"]}),
        (["--queue", "big", "--name", "my job"], {"--queue": ["big"], "--name": ["my job"]}),
        (["—executor-memory", "2g"], {"--executor-memory": ["2048m"]}),
    ],
)
def test_words_of_spark_submit(
    shown: Submit, words: list[str], expected: dict[str, list[str]]
) -> None:
    found = shown("--no-environment", *words, "x.py", "an argument")
    for name, values in expected.items():
        assert [value for value in found[name] if "spark." not in value] == values
    assert found[""] == ["x.py", "an argument"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--master", "yarn-client"], "write --master yarn --deploy-mode client"),
        (["--master", "k8s://https://h:443"], "use spark-submit itself"),
        (["--master", "sc://"], "sc://HOST:PORT"),
        (["--remote", "sc://h", "--executor-memory", "1g"], "--executor-memory: a Spark Connect"),
        (["--remote", "sc://h", "--packages", "a:b:1"], "--packages: a Spark Connect server has"),
        (["--remote", "sc://h", "--files", "hdfs:///x"], "hdfs:///x: files on this machine are"),
        (["--master", "mesos://h:5050"], "left Mesos"),
        (["--master", "spark:/h"], "expected yarn, local, local[N], local[*], spark://HOST"),
        (["--master", "local[x]"], "expected yarn"),
        (["--conf", "spark.master=k8s://h"], "spark.master of --conf k8s://h: executors on Kub"),
        (["--conf", "nothing"], "--conf nothing: expected NAME=VALUE"),
        (["--conf", "spark.executor.memory=lots"], "--conf spark.executor.memory='lots'"),
        (["--properties-file", "none.conf"], "none.conf: No such file"),
        (["--jars", "none.jar"], "--jars none.jar: no such file"),
        (["--files", "none#x"], "--files none#x: no such file"),
        (["--archives", "none.zip#x"], "--archives none.zip#x: no such file"),
        (["--py-files", "none"], "--py-files none: no such file or folder"),
        (["--keytab", "x.py"], "--keytab without --principal"),
        (["--conf", "spark.kerberos.principal=me"], "--principal without --keytab"),
        (["--master", "local", "--deploy-mode", "cluster"], "this machine alone runs no Python"),
        (["--spark-home", "."], "there is no Spark in it, bin/spark-submit is missing"),
        (["--spark-home", ".", "--bigdl"], "BigDL brings the Spark"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    shown: Submit, words: list[str], said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        shown("--no-environment", *words, "x.py")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_that_do_not_submit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--kill", "driver-1")
    assert ended.value.code == 2
    assert "--kill: this command submits" in capsys.readouterr().err


def test_options_after_the_program_are_pointed_out(
    work: Path, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--dry-run", "--no-environment", str(work / "x.py"), "–master", "yarn")
    submit_command.run(spark, parsed(*words))
    assert f"--master after {work / 'x.py'} goes to that program" in capsys.readouterr().err


def test_the_first_line_says_where_it_goes(
    work: Path, spark: Spark, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(*words: str) -> str:
        submit_command.run(spark, parsed("--dry-run", "--no-environment", *words, "x.py"))
        return capsys.readouterr().err.splitlines()[0]

    goes = "this application goes to"
    hadoop = work / "hadoop"
    assert first() == f"{goes} the YARN of {hadoop} (HADOOP_CONF_DIR)"
    assert first("--master", "local[2]") == f"{goes} this machine alone, local[2] (--master)"
    assert first("--master", "spark://h:7077") == f"{goes} spark://h:7077 (--master)"
    monkeypatch.setenv("YARN_CONF_DIR", str(hadoop))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(work))  # for HDFS alone
    assert first() == f"{goes} the YARN of {hadoop} (YARN_CONF_DIR)"
    conf = work / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text("spark.master spark://c:7077\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(conf))
    where = f"spark.master of {conf}/spark-defaults.conf"
    assert first() == f"{goes} spark://c:7077 ({where})"
    (conf / "spark-defaults.conf").unlink()
    (conf / "spark-env.sh").write_text(f"HADOOP_CONF_DIR='{hadoop}'\n")
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name)
    assert first() == f"{goes} the YARN of {hadoop} (spark-env.sh)"


def test_the_users_cluster_wins_over_a_trial_cluster(
    work: Path, spark: Spark, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own:
        """Stands for a trial cluster that runs."""

        kind, url, conf, properties = "yarn", "http://127.0.0.1:1", work / "own", None

    monkeypatch.setattr(targets, "running", lambda _: Own)
    assert targets.find(spark, ask=False).conf == work / "hadoop"
    monkeypatch.setenv("HADOOP_CONF_DIR", str(work / "own"))
    assert targets.find(spark).cluster is Own
    monkeypatch.delenv("HADOOP_CONF_DIR")
    assert targets.find(spark, "yarn").cluster is Own
    monkeypatch.setenv("HADOOP_CONF_DIR", str(work))
    with pytest.raises(UsageError, match="HADOOP_CONF_DIR must name a folder"):
        targets.find(spark, ask=False)


def test_settings_are_merged_as_spark_submit_does(work: Path) -> None:
    file = work / "my.conf"
    file.write_text(
        "spark.executor.memory   700m\nspark.executor.cores = 2\nspark.driver.memory 600m \n"
        "spark.executor.instances 3\nspark.executor.memoryOverheadFactor 0.5\n"
    )
    flags = dict.fromkeys(settings.SIZES, None) | {"spark.driver.memory": 2048}
    conf = ["spark.executor.cores=3", "spark.executor.pyspark.memory=100m"]
    given = settings.users(file, conf, flags, option="--properties-file")
    assert given.origins["spark.executor.memory"] == str(file)
    found = settings.request(given, "cluster", yarn=True)
    assert found.driver.memory == 2048
    assert (found.executor.memory, found.executor.cores, found.num_executors) == (700, 3, 3)
    assert found.executor.container == 700 + max(384, 350) + 100
    file.write_text("spark.executor.memory lots\n")
    given = settings.users(file, [], {}, option="--properties-file")
    with pytest.raises(UsageError, match=r"my.conf spark.executor.memory='lots': expected a size"):
        settings.request(given, "client", yarn=True)


def test_settings_of_the_user_are_not_set_again(shown: Submit, work: Path) -> None:
    (work / "my.conf").write_text("spark.pyspark.driver.python /my/python\nspark.yarn.tags mine\n")
    found = shown("--properties-file", "my.conf", "--no-environment", "x.py")
    assert found["--properties-file"] == ["my.conf"]
    tags, _page = sorted(found["--conf"], reverse=True)
    assert tags.startswith("spark.yarn.tags=mine,setup-")
    found = shown("--conf", "spark.pyspark.python=/my/python", "x.py")
    assert "--archives" not in found, "the user says which Python runs it"
    assert not [one for one in found["--conf"] if "driver.python" in one]


def test_a_default_file_is_merged_with_bigdls_and_read_for_sizes(
    shown: Submit, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "spark-defaults.conf").write_text("spark.executor.memory much\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(work))
    with pytest.raises(UsageError, match=r"spark-defaults.conf spark.executor.memory='much'"):
        shown("--no-environment", "x.py")
    (work / "spark-defaults.conf").write_text("spark.executor.memory 1g\n")
    assert "--properties-file" not in shown("--no-environment", "x.py"), "spark-submit finds it"


def test_bigdl_is_told_the_sizes_without_which_it_does_not_start(shown: Submit) -> None:
    found = shown("--bigdl", "--executor-cores", "2", "x.py")
    sizes = [setting for setting in found["--conf"] if setting.startswith("spark.executor.")]
    assert sizes == ["spark.executor.instances=2"]
    assert "spark.executor.cores=1" in shown("--bigdl", "x.py")["--conf"]


def test_names_with_spaces_and_the_like(shown: Submit, work: Path) -> None:
    folder = work / "my env, 100% #1"
    folder.mkdir()
    env = archive(folder / "x.zip", "bin/python")
    (folder / "y.py").write_text("")
    found = shown("--archive", str(env), str(folder / "y.py"))
    quoted = "my%20env%2C%20100%25%20%231"
    assert found["--archives"] == [f"file://{work}/{quoted}/x.zip#environment"]
    assert found[""] == [f"file://{work}/{quoted}/y.py"], "Spark misreads # and ,"
    for name in ("a b.txt", "it's 100% [x].py", "run:1.py"):
        (work / name).write_text("")
    found = shown("--no-environment", "--files", "a b.txt#c,x.py,a b.txt", "it's 100% [x].py")
    assert found["--files"] == [f"file://{work}/a%20b.txt#c,x.py,a b.txt"]
    assert found[""] == ["it's 100% [x].py"], "as the user wrote it"
    assert shown("--no-environment", "run:1.py")[""] == [f"file://{work}/run%3A1.py"]


SUBMIT = """\
#!/bin/sh
{ printf '%s\\0' "$@"; env; } > "$RECORD"
"""


def test_what_a_dry_run_prints_does_in_a_shell_what_a_run_does(
    work: Path, spark: Spark, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place = made(tmp_path / "their spark", "4.3.0")
    program = place / "bin/spark-submit"
    program.write_text(SUBMIT)
    program.chmod(0o700)
    java = SimpleNamespace(program=tmp_path / "a java/bin/java")
    monkeypatch.setattr(distribution.Distribution, "java", java)
    monkeypatch.setenv("PYTHONPATH", "/of/another/python")
    (work / "my $HOME's script.py").write_text("")
    words = ("--spark-home", str(place), "--master", "local[2]", "--no-environment")
    words += ("--conf", f"spark.pyspark.python={sys.executable}")
    words += ("--name", "a 'b'", "--conf", "spark.x=1 2", "my $HOME's script.py", "*", "", "a\nb")

    def recorded(name: str) -> tuple[list[str], dict[str, str]]:
        *found, variables = (tmp_path / name).read_text().split("\0")
        return found, dict(re.findall("(?m)^(SPARK_\\w+|JAVA_HOME|PYTHON\\w+)=(.*)$", variables))

    monkeypatch.setenv("RECORD", str(tmp_path / "run"))
    assert submit_command.run(spark, parsed(*words)) == 0
    capsys.readouterr()
    assert submit_command.run(spark, parsed("--dry-run", *words)) == 0
    monkeypatch.setenv("RECORD", str(tmp_path / "pasted"))
    subprocess.run(["sh", "-c", capsys.readouterr().out], cwd=work, check=True)
    assert recorded("pasted") == recorded("run")
    found, variables = recorded("run")
    assert found[-4:] == ["my $HOME's script.py", "*", "", "a\nb"]
    assert variables["JAVA_HOME"] == str(tmp_path / "a java")
    assert variables["SPARK_HOME"] == str(place)
    assert "PYTHONPATH" not in variables


def test_a_command_that_is_shown_names_files_that_yarn_finds(shown: Submit, work: Path) -> None:
    (work / "a b.py").write_text("print(1)")
    words = ("--deploy-mode", "cluster", "--no-environment", "a b.py")
    (plain,) = shown(*words)[""]
    assert plain.endswith("/a_b.py")
    assert Path(plain).read_text() == "print(1)"
    assert shown(*words)[""] == [plain], "one file, however often it is shown"


def test_a_command_that_is_shown_says_how_its_archive_is_made(
    work: Path, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "my lock.txt").write_text("six==1.17.0\n")
    words = ("--dry-run", "--requirements", "my lock.txt", "--kind", "venv", "x.py")
    submit_command.run(spark, parsed(*words))
    said = capsys.readouterr().err
    assert "is not there yet: " in said
    assert "spark pack --requirements 'my lock.txt' --kind venv makes it" in said
    assert "spark install installs this Spark first" in said


def test_what_yarn_cannot_find_under_its_name_gets_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "my x.py").write_text("1")
    assert files.plainly_named(f"{tmp_path / 'my x.py'}#y", tmp_path / "new").endswith("my_x.py#y")
    plain = files.plainly_named(str(tmp_path / "my x.py"), tmp_path / "new")
    assert plain == str(tmp_path / "new" / "my_x.py")
    assert os.path.realpath(plain) == plain, "Spark follows links to the name that does not work"
    assert files.plainly_named(plain, tmp_path / "other") == plain
    assert not (tmp_path / "other").exists()


def test_the_first_archive_with_a_python_is_the_environment(shown: Submit, work: Path) -> None:
    archive(work / "data.zip", "a.csv")
    archive(work / "env.zip", "e/bin/python")
    found = shown("--archives", "data.zip#d,env.zip#venv", "x.py")
    assert "spark.pyspark.python=./venv/e/bin/python" in found["--conf"]
    assert found["--archives"] == ["data.zip#d,env.zip#venv"]
    found = shown("--archives", "data.zip#d", "x.py")
    assert found["--archives"] == ["data.zip#d"]
    assert not [one for one in found["--conf"] if one.startswith("spark.pyspark.python")]
    (work / "bad.zip").write_text("no archive")
    with pytest.raises(UsageError, match=r"--archives bad.zip: it cannot be unpacked"):
        shown("--archives", "bad.zip", "x.py")


def test_what_settings_ship_is_not_lost(shown: Submit, work: Path) -> None:
    archive(work / "env.zip", "bin/python")
    (work / "my.conf").write_text(
        "spark.yarn.dist.archives env.zip#e\nspark.files x.py\nspark.submit.pyFiles x.py\n"
    )
    found = shown("--properties-file", "my.conf", "x.py")
    assert found["--archives"] == ["env.zip#e"]
    assert "spark.pyspark.python=./e/bin/python" in found["--conf"]
    assert (found["--files"], found["--py-files"]) == (["x.py"], ["x.py"])


@pytest.mark.parametrize(
    ("text", "size"), [("2g", 2048), ("1536", 1536), ("1073741824b", 1024), ("1tb", 1 << 20)]
)
def test_sizes_as_spark_writes_them(text: str, size: int) -> None:
    assert megabytes(text) == size


def test_programs_of_other_languages_need_no_python(shown: Submit, work: Path) -> None:
    (work / "a.jar").write_text("")
    found = shown("--class", "a.B", "a.jar")
    assert "--archives" not in found
    assert not [one for one in found["--conf"] if "python" in one]


@pytest.mark.parametrize(
    ("words", "version", "off"),
    [
        ([], "4.3.0", True),
        ([], "4.0.0", True),
        (["--deploy-mode", "client"], "4.3.0", True),
        (["--conf", "spark.ui.enabled=true"], "4.3.0", False),
        (["--properties-file", "my.conf"], "4.3.0", False),
        (["--deploy-mode", "cluster"], "4.3.0", False),
        (["--master", "local[2]"], "4.3.0", False),
        (["--master", "spark://h:7077"], "4.3.0", False),
        ([], "3.5.1", False),
    ],
)
def test_a_page_whose_start_could_end_the_driver_is_off_unless_it_is_wanted(
    work: Path, spark: Spark, capsys: pytest.CaptureFixture[str],
    words: list[str], version: str, off: bool,
) -> None:  # fmt: skip
    (work / "my.conf").write_text("spark.ui.enabled true\n")
    home = str(made(work / "theirs", version))
    shown = ("--dry-run", "--no-environment", "--spark-home", home, *words, "x.py")
    submit_command.run(spark, parsed(*shown))
    out, said = capsys.readouterr()
    assert ("spark.ui.enabled=false" in out, "Spark's own page is off" in said) == (off, off)
    assert "spark.ui.enabled=true" not in said.replace("--conf spark.ui.enabled=true turns", "")


def test_a_client_of_spark_connect(
    work: Path, spark: Spark, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", "/my/python")
    archive(work / "env.zip", "e/bin/python")
    url = "sc://h:1/;token=abc"
    words = ("--conf", "spark.sql.x=1", "--conf", "spark.my.password=abc", "--py-files", "x.py")
    submit_command.run(spark, parsed("--dry-run", "--master", url, *words, "x.py", "-a"))
    out, said = capsys.readouterr()
    assert "abc" not in out + said
    assert "goes to the Spark Connect server sc://h:1/;token=*** (--master)" in said
    assert "--conf spark.my.password, --master are in this command's own line" in said
    *_, python, program, file, script, argument = shlex.split(out.replace("\\\n", " "))
    assert (python, script, argument) == ("/my/python", "x.py", "-a")
    assert Path(program).is_file()
    needs = json.loads(Path(file).read_text())
    assert needs["settings"]["--conf"] == {"spark.sql.x": "1"}
    assert needs["artifacts"]["pyfile"] == [str(work / "x.py")]
    monkeypatch.delenv("PYSPARK_PYTHON")
    (work / "my.conf").write_text("spark.remote sc://h\nspark.sql.y 2\n")
    words = ("--properties-file", "my.conf", "--archives", "env.zip#e", "-m", "my.module", "-a")
    submit_command.run(spark, parsed("--dry-run", *words))
    out, said = capsys.readouterr()
    assert "server sc://h (spark.remote of my.conf)" in said
    *_, file, module, argument = shlex.split(out.replace("\\\n", " "))
    assert (module, argument) == ("my.module", "-a")
    needs = json.loads(Path(file).read_text())
    python = {"spark.sql.execution.pyspark.python": "./e/e/bin/python"}
    assert needs["settings"] == {"": {"spark.sql.y": "2"}, "--conf": python}
    assert needs["artifacts"]["archive"] == [f"{(work / 'env.zip').as_uri()}#e"]


def test_a_server_of_spark_connect_that_is_not_there(work: Path, spark: Spark) -> None:
    port = free_port("127.0.0.1", 0)
    words = ("--master", f"sc://127.0.0.1:{port}", "--no-environment", str(work / "x.py"))
    with pytest.raises(ServerError, match=f"no Spark Connect server answers at 127.0.0.1:{port}"):
        submit_command.run(spark, parsed(*words))


def test_a_variable_for_spark_connect_loses_to_a_master(
    work: Path, spark: Spark, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://h")
    words = ("--dry-run", "--no-environment", str(work / "x.py"))
    submit_command.run(spark, parsed(*words))
    assert "server sc://h (SPARK_REMOTE)" in capsys.readouterr().err
    submit_command.run(spark, parsed("--master", "local[1]", *words))
    assert "local[1] (--master)" in capsys.readouterr().err
    local = targets.find(spark, "local[1]", ask=False)
    monkeypatch.setattr(submit, "environ", lambda *_: {})
    assert "SPARK_REMOTE" not in submit.variables(spark, local, ships=False)


def test_on_a_standalone_cluster_executors_are_counted_in_cores(shown: Submit) -> None:
    words = ("--master", "spark://h:7077", "--no-environment", "--num-executors", "3", "x.py")
    found = shown("--executor-cores", "2", *words)
    assert (found["--executor-cores"], found["--total-executor-cores"]) == (["2"], ["6"])
    assert "--num-executors" not in found


NODES = [Node("a:1", "RUNNING", 3072, 4)]


@pytest.mark.parametrize(
    ("asked", "nodes", "fits"),
    [
        ({"executor": (1, 4096), "num_executors": 128}, NODES, (1, 1792, 1)),
        ({"executor": (8, 512), "num_executors": 4}, NODES, (1, 512, 3)),
        ({"executor": (1, 4096), "num_executors": 128}, NODES * 3, (2, 2688, 1)),
        (
            {"executor": (1, 4096), "driver": (2, 4096), "deploy_mode": "cluster"},
            NODES,
            (1, 1152, 1),
        ),
        ({"executor": (1, 512), "num_executors": 2}, NODES, (2, 512, 1)),
        ({"executor": (1, 8192), "num_executors": 9, "yarn": False}, NODES * 2, (2, 3072, 1)),
    ],
)
def test_a_request_is_reduced_to_what_fits(
    asked: dict[str, Any], nodes: list[Node], fits: tuple[int, int, int]
) -> None:
    sizes = {
        name: resources.ProcessSize(*value) if isinstance(value, tuple) else value
        for name, value in asked.items()
    }
    found = resources.fitted(resources.Request(**sizes), nodes)
    resources.check(found, nodes)
    assert (found.num_executors, found.executor.memory, found.executor.cores) == fits
    grown = resources.Request(**{**sizes, "num_executors": found.num_executors + 1})
    if asked.get("num_executors", 2) > found.num_executors:
        with pytest.raises(UsageError):
            resources.check(grown, nodes)


@pytest.fixture
def small(work: Path, spark: Spark, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A standalone cluster of two workers with a core each, whose master is this process."""
    assert work.is_dir()
    monkeypatch.delenv("HADOOP_CONF_DIR")
    found = Cluster(spark, "standalone")
    found.conf.mkdir(parents=True)
    found.properties.write_text("spark.authenticate true\n")
    Shape(workers=2, cores=1, memory=1024, ports=(1, 2)).write(found.home / "cluster.json")
    monkeypatch.chdir(found.home)
    (found.home / "x.py").write_text("")
    master = Process.of(os.getpid())
    assert master
    master.write(found.home / "master.pid")
    return found


HUGE = ("--num-executors", "128", "--executor-memory", "4g", "--no-environment", "x.py")


def test_128_executors_are_refused_with_what_would_fit(small: Cluster, spark: Spark) -> None:
    assert small.running()
    with pytest.raises(UsageError) as refused:
        submit_command.run(spark, parsed(*HUGE))
    said = str(refused.value)
    assert "--executor-memory 4096m" in said
    assert "use --executor-memory 1024m or less; --scale reduces it to that, --force" in said


def test_scale_fits_a_request(
    small: Cluster, shown: Submit, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown("--scale", *HUGE)
    assert found["--master"] == [f"spark://127.0.0.1:{small.shape.ports[0]}"]
    sizes = {name: value for name, value in found.items() if "exec" in name}
    assert sizes == {
        "--executor-memory": ["1024m"],
        "--executor-cores": ["1"],
        "--total-executor-cores": ["2"],
    }
    submit_command.run(spark, parsed("--dry-run", "--scale", "--force", *HUGE))
    said = capsys.readouterr().err
    assert "(--scale): --executor-memory 1024m, --num-executors 2\n" in said


def test_folders_of_code_are_zipped_for_the_command_that_is_shown(
    shown: Submit, work: Path
) -> None:
    (work / "mine").mkdir()
    (work / "mine" / "a.py").write_text("")
    (found,) = shown("--no-environment", "--py-files", "mine,x.py", "x.py")["--py-files"]
    package, script = found.split(",")
    assert script == "x.py"
    with zipfile.ZipFile(package) as packed:
        assert packed.namelist() == ["mine/a.py"]


def made(place: Path, version: str) -> Path:
    """Write what tells a Spark from another folder."""
    for name in ("bin/spark-submit", f"jars/spark-core_2.12-{version}.jar"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("")
    return place


@pytest.mark.parametrize(
    ("version", "fits", "not_these"),
    [
        ("3.3.4", ["3.7.1", "3.10.2"], ["3.6.9", "3.11.0"]),
        ("3.5.9", ["3.8.0", "3.11.9"], ["3.12.1"]),
        ("4.0.1-SNAPSHOT", ["3.9.0", "3.13.1"], ["3.8.1", "3.14.0"]),
        ("4.9.0", ["3.10.0", "3.20.0"], ["3.9.9"]),
    ],
)
def test_the_spark_of_a_cluster_and_the_pythons_that_it_runs(
    spark: Spark, tmp_path: Path, version: str, fits: list[str], not_these: list[str]
) -> None:
    found = distribution.named(spark.layout, str(made(tmp_path / "theirs", version)))
    assert found is not None
    assert found.version == version
    assert [one for one in fits if found.misfit(one)] == []
    assert [one for one in not_these if not found.misfit(one)] == []


@pytest.mark.parametrize("version", ["2.4.8", "3.2.1", "5.0.0"])
def test_a_spark_of_another_age_is_refused(spark: Spark, tmp_path: Path, version: str) -> None:
    place = made(tmp_path / "theirs", version)
    with pytest.raises(UsageError, match=rf"it is Spark {version}; 3.3 to 4.x work"):
        distribution.named(spark.layout, str(place))


def test_spark_home_is_used_unless_it_is_ours(
    shown: Submit, spark: Spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made(tmp_path / "theirs", "3.5.1")
    monkeypatch.setenv("SPARK_HOME", str(place))
    found = shown("--no-environment", "x.py")
    assert found["program"] == [f"{place}/bin/spark-submit"]
    assert f"SPARK_HOME={place}" in found["variables"]
    assert not [one for one in found["--conf"] if "python" in one], "spark-submit chooses"
    monkeypatch.setenv("SPARK_HOME", str(made(spark.spark_home, "4.3.0")))
    assert distribution.named(spark.layout, None) is None


def test_the_command_that_is_logged_has_no_secrets() -> None:
    words = ["submit", "--conf", "a.accessKey=k", "--conf", "spark.x=token", "--conf", "my.Token=t"]
    assert without_secrets(words)[2::2] == ["a.accessKey=***", "spark.x=token", "my.Token=***"]
    words = ["x.py", "--password", "p", "--db=postgres://me:p@h/d", "a"]
    assert "p" not in without_secrets(words)
    assert without_secrets(words)[3] == "--db=postgres://***@h/d"


S3 = "spark.hadoop.fs.s3a"


@pytest.mark.parametrize(
    "setting",
    [
        f"{S3}.secret.key=x",
        f"{S3}.access.key=x",
        f"{S3}.session.token=x",
        f"{S3}.bucket.mine.secret.key=x",
        f"{S3}.encryption.key=x",
        "spark.hadoop.fs.azure.account.key.me.blob.core.windows.net=x",
        "spark.hadoop.fs.gs.auth.service.account.private.key=x",
        "spark.authenticate.secret=x",
        "spark.ssl.keyStorePassword=123456",
        "spark.ssl.ui.keyPassword=x",
        "spark.executorEnv.AWS_SECRET_ACCESS_KEY=x",
        "spark.yarn.appMasterEnv.DB_PASS=x",
        "spark.es.net.http.auth.pass=x",
        "spark.mongodb.input.uri=mongodb://me:x@h/d",
        "spark.sql.catalog.pg.url=jdbc:postgresql://h/d?user=me&password=x",
        "spark.driver.extraJavaOptions=-Xss4m -Djavax.net.ssl.trustStorePassword=x",
    ],
)
def test_settings_that_are_secret(setting: str) -> None:
    assert secrecy.parted([setting])[0] == ()


@pytest.mark.parametrize(
    "setting",
    [
        "spark.hadoop.hadoop.security.credential.provider.path=jceks://hdfs@nn:8020/me.jceks",
        f"{S3}.aws.credentials.provider=org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "spark.security.credentials.hive.enabled=false",
        "spark.security.credentials.renewalRatio=0.75",
        "spark.kerberos.renewal.credentials=ccache",
        "spark.authenticate.secret.file=/run/secret",
        "spark.authenticate=true",
        "spark.files=hdfs://me@nn/x",
        "spark.io.encryption.keySizeBits=256",
        "spark.sql.shuffle.partitions=8",
    ],
)
def test_settings_that_are_not_secret(setting: str) -> None:
    assert secrecy.parted([setting]) == ((setting,), {})


COPYING = """\
#!/bin/sh
printf '%s\\0' "$@" > "$RECORD/argv"
while [ $# -gt 0 ]; do
    if [ "$1" = --properties-file ]; then echo "$2" > "$RECORD/place"; cp -p "$2" "$RECORD/file"; fi
    shift
done
exit $CODE
"""


@pytest.fixture
def copying(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, ...]]:
    """Options for a spark-submit that keeps its line and its settings, and ends with a code."""
    place = made(tmp_path / "their spark", "4.3.0")
    program = place / "bin/spark-submit"
    program.write_text(COPYING)
    program.chmod(0o700)
    java = SimpleNamespace(program=tmp_path / "java/bin/java", major=17)
    monkeypatch.setattr(distribution.Distribution, "java", java)
    monkeypatch.setenv("RECORD", str(work))
    monkeypatch.setenv("CODE", "0")
    python = ("--conf", f"spark.pyspark.python={sys.executable}")
    return lambda *words: (
        *("--spark-home", str(place), "--master", "local[1]", "--no-environment"),
        *(*python, *words, "x.py"),
    )


@pytest.mark.parametrize("code", [0, 3])
def test_secrets_travel_in_a_private_file_that_goes_afterwards(
    work: Path, spark: Spark, copying: Callable[..., tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], code: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("CODE", str(code))
    (work / "my.conf").write_text(
        f"{S3}.secret.key of-the-file\n{S3}.access.key kept\nspark.speculation true\n"
    )
    (work / "my.conf").chmod(0o644)
    words = copying(
        *("--properties-file", "my.conf", "--conf", f"{S3}.secret.key=first"),
        *("--conf", f"{S3}.secret.key=hé=:# !x", "--conf", "spark.x=1"),
    )
    assert submit_command.run(spark, parsed(*words)) == code
    argv = (work / "argv").read_text().split("\0")
    assert not [word for word in argv if f"{S3}.secret" in word or "!x" in word]
    assert "spark.x=1" in argv
    assert (work / "file").stat().st_mode & 0o777 == 0o600
    assert settings.read_file(work / "file", "") == {
        f"{S3}.secret.key": "hé=:# !x",
        f"{S3}.access.key": "kept",
        "spark.speculation": "true",
    }
    place = Path((work / "place").read_text().strip())
    assert place.parent == spark.home / "submissions"
    assert not place.exists()
    said = capfd.readouterr().err
    assert "!x" not in said
    assert said.count(f"--conf {S3}.secret.key is in this command's own line") == 1
    assert "my.conf has secrets that other accounts can read" in said
    (work / "my.conf").chmod(0o600)
    words = copying("--properties-file", "my.conf")
    submit_command.run(spark, parsed(*words))
    assert "note:" not in capfd.readouterr().err
    assert Path((work / "place").read_text().strip()) == Path("my.conf"), "it is passed as it is"


def test_a_default_file_goes_along_where_secrets_need_a_file_of_their_own(
    work: Path, spark: Spark, copying: Callable[..., tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (work / "spark-defaults.conf").write_text("spark.speculation true\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(work))
    submit_command.run(spark, parsed(*copying("--conf", "spark.authenticate.secret=abc")))
    found = settings.read_file(work / "file", "")
    assert found == {"spark.speculation": "true", "spark.authenticate.secret": "abc"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("spark-defaults.conf", None, "settings {}: Is a directory"),
        ("spark-defaults.conf", b"\xcd", "settings {}: 'utf-8' codec can't decode byte"),
        (
            "spark-defaults.conf",
            b"spark.submit.deployMode both",
            "{} spark.submit.deployMode='both': expected client or cluster",
        ),
        ("spark-env.sh", b"exit 3", "{}: it ends the shell, with exit code 3"),
        ("spark-env.sh", b"sleep 60", "{}: it has run for 1 s"),
    ],
)
def test_a_folder_of_settings_with_odd_files(
    work: Path,
    spark: Spark,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: bytes | None,
    said: str,
) -> None:
    folder = work / "conf"
    folder.mkdir()
    if text is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(text)
    monkeypatch.setenv("SPARK_CONF_DIR", str(folder))
    monkeypatch.setattr(targets, "_SCRIPT_SECONDS", 1.0)
    if name == "spark-env.sh":
        monkeypatch.delenv("HADOOP_CONF_DIR")
    with pytest.raises(UsageError, match=f"^{re.escape(said.format(folder / name))}"):
        submit_command.run(spark, parsed("--dry-run", "--no-environment", "x.py"))


def test_a_folder_of_settings_that_is_not_there_is_told(
    work: Path, spark: Spark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPARK_CONF_DIR", str(work / "x.py"))
    assert submit_command.run(spark, parsed("--dry-run", "--no-environment", "x.py")) == 0
    assert f"note: SPARK_CONF_DIR {work}/x.py: there is no such folder" in capsys.readouterr().err


def test_options_with_secrets_travel_in_that_file(
    work: Path, spark: Spark, copying: Callable[..., tuple[str, ...]],
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """They win over --conf as on a line of spark-submit."""
    words = ("--conf", "spark.jars.repositories=https://h/other", "--jars", "https://h/plain.jar")
    words += ("--repositories", "https://me:abc@h/r", "--repositories", "https://me:def@h/r")
    submit_command.run(spark, parsed(*copying(*words)))
    argv = (work / "argv").read_text().split("\0")
    assert "abc" not in " ".join(argv) + capfd.readouterr().err.replace("--repositories is in", "")
    assert [word for word in argv if "://" in word] == ["https://h/plain.jar"]
    found = settings.read_file(work / "file", "")
    assert found == {"spark.jars.repositories": "https://me:def@h/r"}


def test_options_of_java_without_secrets_stay_where_they_are(
    work: Path, spark: Spark, copying: Callable[..., tuple[str, ...]]
) -> None:
    submit_command.run(spark, parsed(*copying("--driver-java-options", "-Da=b -Xss4m")))
    argv = (work / "argv").read_text().split("\0")
    assert argv[argv.index("--driver-java-options") + 1] == "-Da=b -Xss4m"
    assert not (work / "file").exists()


def test_options_of_java_that_cannot_be_read(
    spark: Spark, copying: Callable[..., tuple[str, ...]]
) -> None:
    with pytest.raises(UsageError, match=r"extraJavaOptions: No closing quotation"):
        submit_command.run(spark, parsed(*copying("--driver-java-options", "-Dpassword='x")))


def test_a_command_that_is_shown_has_no_secrets_and_writes_none(
    work: Path, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--conf", f"{S3}.secret.key=abc", "--repositories", "https://me:abc@h/r", "x.py")
    submit_command.run(spark, parsed("--dry-run", "--no-environment", *words, "--token", "abc"))
    out, said = capsys.readouterr()
    assert "abc" not in out + said
    assert f"{S3}.secret.key=***" in out
    assert "secrets are shown as ***" in said
    assert f"--conf {S3}.secret.key, --repositories are in this command's own line" in said
    for path in (work.parent / "p").rglob("*.conf"):
        assert "abc" not in path.read_text()


def test_what_killed_submits_left_is_swept_away(
    work: Path, spark: Spark, copying: Callable[..., tuple[str, ...]]
) -> None:
    folder = spark.home / "submissions"
    folder.mkdir(parents=True)
    for name in ("setup-old", "setup-new"):
        (folder / f"{name}.conf").write_text("")
    os.utime(folder / "setup-old.conf", (1, 1))
    submit_command.run(spark, parsed(*copying("--conf", "spark.authenticate.secret=abc")))
    assert [path.name for path in folder.glob("*.conf")] == ["setup-new.conf"]


def test_a_secret_that_no_file_can_hold_is_refused(
    spark: Spark, copying: Callable[..., tuple[str, ...]]
) -> None:
    with pytest.raises(UsageError, match=r"authenticate\.secret: its value begins or ends with"):
        submit_command.run(spark, parsed(*copying("--conf", "spark.authenticate.secret=abc ")))


def test_what_is_known_to_the_parser_is_not_handed_through() -> None:
    options = parsed("--executor-cores", "2", "--jars", "a.jar,b.jar", "x.py")
    assert options.executor_cores == 2
    assert line.handed_through(options.passed) == {"--jars": ["a.jar,b.jar"]}
    assert options.program == ["x.py"]
