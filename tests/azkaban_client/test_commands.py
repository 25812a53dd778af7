"""What commands start, and what no shell makes of them: errors only where a server surely fails."""

from __future__ import annotations

import pytest

from azkaban_client.flow.executable import make_executable
from azkaban_client.flow.lint import lint
from azkaban_client.flow.zip import Bundle, Member

PRESENT = {
    "main.py": b"",
    "run.sh": b"#!/bin/sh\n",
    "tool/__main__.py": b"",
    "empty/data.csv": b"",
    "pack/__init__.py": b"",
    "pack/here.py": b"",
    "loose/here.py": b"",
    "built.cpython-311-x86_64-linux-gnu.so": b"",
    "lib.jar": b"",
    "server.js": b"",
}


def found(*commands: str, more: str = "", **others: str) -> list[tuple[str, str]]:
    """Lint a job with these commands; give the severity and rule of each problem."""
    keys = ["command", *(f"command.{n}" for n in range(1, 9))]
    lines = [f"{key}={value}" for key, value in zip(keys, commands, strict=False)]
    job = "\n".join(["type=command", *lines, more, ""])
    files = {f"{name}.job": text.encode() for name, text in others.items()}
    bundle = Bundle({**PRESENT, **files, "a.job": job.encode("utf-8")})
    return [
        (one.severity, one.rule) for one in lint(bundle, known=("python",)) if "a.job" in one.file
    ]


ERROR, WARNING = ("error", "missing-script"), ("warning", "missing-script")
MODULE, MODULE_WARNING = ("error", "missing-module"), ("warning", "missing-module")


@pytest.mark.parametrize(
    "command",
    [
        "python3 main.py", "python3 -u ./main.py", "python tool", "python3 -m pack.here",
        "python3 -um pack.here", "python3 -Bc 'import x'", "python3 -cprint()",
        "python3 -mpack.here",
        "python3 -W ignore -X dev main.py", "python3 -Wignore -Xdev main.py", "python3 --version",
        "python3 --check-hash-based-pycs never main.py", "python3 -VV", "python3 -m http.server",
        "python3 -m built", "python3 /opt/app/other.py", "python3 ../outside.py", "python3 -m pack",
        "${python} -u main.py", "/usr/bin/env python3 main.py", "env -i A=1 python3 main.py",
        "nice -n 5 python3 main.py", "timeout -k 5 60 python3 main.py", "env -C /x python3 no.py",
        "bash run.sh", "sh -e run.sh", "bash -lc 'no.sh'", "bash -eo pipefail run.sh",
        "node server", "java -cp x -jar lib.jar", "Rscript -e 1", "python3 -Im pack.no",
        "env PYTHONSAFEPATH=1 python3 -m no", "stdbuf -oL python3 main.py", "echo no.py", "nosuch",
    ],
)  # fmt: skip
def test_what_is_there_or_elsewhere(command) -> None:
    expected = [MODULE] if command == "python3 -m pack" else []
    assert [one for one in found(command) if "missing" in one[1]] == expected


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("python3 no.py", ERROR),
        ("python3 -u -X dev no.py", ERROR),
        ("python3 -Wd no.py", ERROR),
        ("python3 empty", ERROR),
        ("python3 -m pack.no", MODULE),
        ("python3 -um pack.no", MODULE),
        ("python3 -m pack.here.deeper", MODULE),
        ("python3 -m no-name", MODULE),
        ("env PYTHONPATH=/x python3 -m pack.no", MODULE_WARNING),
        ("python3 -m loose.no", MODULE_WARNING),
        ("python3 -m torch.distributed.run", MODULE_WARNING),
        ("env A=1 python3 no.py", ERROR),
        ("nohup bash ./no.sh", ERROR),
        ("bash no.sh", WARNING),
        ("./no.sh", ERROR),
        ("java -jar no.jar", ERROR),
        ("Rscript no.R", ERROR),
        ("node no", ERROR),
    ],
)
def test_what_is_missing(command, problem) -> None:
    assert found(command) == [problem]


@pytest.mark.parametrize(
    "given",
    [
        {"more": "working.dir=/srv/app"},
        {"more": "working.dir=${home}\nhome=/srv"},
    ],
)
def test_another_folder_to_work_in(given) -> None:
    assert found("python3 no.py", **given) == []
    assert found("./no.sh", **given) == []


@pytest.mark.parametrize(
    ("commands", "others"),
    [
        (["cp $${x} no.py", "python3 no.py"], {}),
        (["python3 no.py"], {"b": "type=command\ncommand=curl -o no.py http://x\ndependencies=c",
                             "c": "type=noop"}),
        (["python3 ${script}"], {}),
    ],
)  # fmt: skip
def test_what_may_have_been_made_before(commands, others) -> None:
    more = "x=y\nscript=no.py" + ("\ndependencies=b" if others else "")
    assert found(*commands, more=more, **others) == [WARNING]


def test_jobs_that_cannot_make_it() -> None:
    later = {"z": "type=command\ncommand=touch no.py\ndependencies=a"}
    assert found("python3 no.py", **later) == [ERROR]
    before = {"b": "type=noop"}
    assert found("python3 no.py", more="dependencies=b", **before) == [ERROR]
    elsewhere = {"other": "type=command\ncommand=touch no.py"}
    assert found("python3 no.py", **elsewhere) == [ERROR]
    beside = {"end": "type=noop\ndependencies=a,b", "b": "type=command\ncommand=touch no.py"}
    assert found("python3 no.py", **beside) == [WARNING]


NO_SHELL = ("warning", "no-shell")


@pytest.mark.parametrize(
    "command",
    [
        "sh run.sh > out.log 2>&1", "ls|wc", "ls >out", "ls 2>err", "cat<in", "a && b", "a&&b",
        "sleep 5 &", "sleep 5&", "ls; ls", "echo $HOME", "echo $1", 'echo "$HOME"', "ls *.csv",
        "ls data/*", "ls ~/x", "cd data", "export A=1", "A=1 python3 main.py", "source env.sh",
        "echo `date`", "echo hi # note", "(ls)", "if [ -e x ]", "bash -c ls > out", "for x in y",
        "python3 main.py >> log 2>&1", "bash run.sh | tee log",
    ],
)  # fmt: skip
def test_a_shell_s_signs(command) -> None:
    assert found(command) == [NO_SHELL]


@pytest.mark.parametrize(
    "command",
    [
        'bash -c "ls | wc > out; echo $HOME"', "sh -xc 'a && b'", "echo 'a|b' \"x > y\"",
        "curl http://h/?a=1&b=2", "find . -name *.py", "find . -exec rm {} ;", "awk '{print $1}' f",
        'awk "{print $1}" f', "python3 -c 'print(1 > 2)'", "ssh host 'ls | wc'", "echo '$HOME'",
        'ssh host "echo $HOME"', "rsync --include=*.py a b", "nohup bash -c 'ls > x'",
        "bash -c ls|wc",
    ],
)  # fmt: skip
def test_signs_that_are_meant(command) -> None:
    assert found(command) == []


@pytest.mark.parametrize(
    ("command", "waits"),
    [
        ("cat", True), ("cat x", False), ("sort -r", True), ("python3", True), ("python3 -", True),
        ("bash", True), ("bash -s", True), ("wc -l", True), ("tee log", True), ("head -5 x", False),
        ("tr a b", True), ("perl -e 1", False), ("cat --version", False), ("psql -c 1", False),
    ],
)  # fmt: skip
def test_a_program_that_reads_its_input(command, waits) -> None:
    assert found(command) == ([("warning", "waits-for-input")] if waits else [])


def test_a_file_that_cannot_be_started() -> None:
    assert found("./run.sh") == [("warning", "not-executable")]
    assert found("run.sh") == [("warning", "not-executable")]
    assert found("chmod +x run.sh", "./run.sh") == []
    assert found("bash ./run.sh") == []


def test_commands_that_never_run() -> None:
    assert found("ls", more="command.2=no") == [("warning", "unreached-command")]


def test_a_folder_that_counts_from_elsewhere() -> None:
    assert found("ls", more="working.dir=data") == [("warning", "working-dir")]


FLOW = """\
nodes:
- name: a
  type: command
  config:
    command: ./run.sh "x y"
    command.1: echo it's done
    other: 1
- {name: b, type: command, config: {command: bin/tool}}
- name: c
  type: command
  config:
    command: bash run.sh
"""


def test_programs_are_made_executable() -> None:
    files = {"run.sh": b"", "bin/tool": b"", "d/a.job": b"command=../run.sh\n"}
    flow_1 = Bundle({**files, "p.properties": b"type=command\n"})
    assert [one.rule for one in lint(flow_1)] == ["not-executable"]
    changed = make_executable(flow_1)
    assert {one.rule for one in lint(changed)} == {"repeated-key"}
    assert b"command=chmod +x ../run.sh\ncommand.1=../run.sh\n" in changed.read("d/a.job")
    files["p.project"] = b"azkaban-flow-version: 2.0"
    flow_2 = Bundle({**files, "f.flow": FLOW.encode()})
    assert [one.rule for one in lint(flow_2) if one.rule == "not-executable"] == [
        "not-executable"
    ] * 2
    text = make_executable(flow_2).read("f.flow").decode()
    assert text == FLOW.replace(
        '    command: ./run.sh "x y"\n    command.1:',
        "    command: 'chmod +x ./run.sh'\n    command.1: ./run.sh \"x y\"\n    command.2:",
    ).replace("{command: bin", "{command: 'chmod +x bin/tool', command.1: bin")


def test_modes_of_a_zip(tmp_path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (tmp_path / "a.job").write_text("type=command\ncommand=./run.sh\n")
    path = Bundle({name: tmp_path / name for name in ("a.job", "run.sh")}).write(tmp_path / "p.zip")
    packed = Bundle.from_zip(path)
    assert isinstance(packed.files["run.sh"], Member)
    assert packed.is_executable("run.sh")
    assert not packed.is_executable("a.job")
    assert [one.rule for one in lint(packed)] == ["not-executable"]
