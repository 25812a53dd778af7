"""The keeper: a job ends with everything that it started, and is otherwise as without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Bundle, JobStarted, keeper
from azkaban_client.flow.local import run
from tests.stubborn import KINDS, left, write
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[bytes]]

WORD = f"stubborn-{os.getpid()}"
_LOOP = "while :; do sleep 0.3; done"
GRACE = 1.0


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs with a keeper; whatever they leave is ended in the end."""
    begun = []

    def start(*words: str, mark: str = f"/home/of:{WORD}:a", **options) -> subprocess.Popen[bytes]:
        environ = {**os.environ, keeper.VARIABLE: mark, **options.pop("env", {})}
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(GRACE), f"/bin/{words[0]}", *words],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    for line in left(WORD):
        os.kill(int(line.partition(":")[0]), signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> str:
    """Close the standard input, as a server does to end a job; return the job's log."""
    process.stdin.close()
    process.wait(30)
    return process.stdout.read().decode()


def test_every_process_of_a_stubborn_job_ends(start: Start, tmp_path: Path) -> None:
    kinds = [kind for kind in KINDS if not kind.endswith("-keeper")]
    write(tmp_path)
    jobs = {
        kind: start("sh", str(tmp_path / f"{kind}.sh"), WORD, str(tmp_path / kind), mark=kind)
        for kind in kinds
    }
    eventually(lambda: all((tmp_path / kind).exists() for kind in kinds), lambda: "", 30)
    other = start("sh", "-c", "sleep 600", mark="another:1:x")
    for job in jobs.values():
        job.stdin.close()
    eventually(lambda: not left(WORD), lambda: left(WORD), 30)
    codes = {kind: job.wait(30) for kind, job in jobs.items()}
    assert 0 not in codes.values()
    logs = {kind: job.stdout.read().decode() for kind, job in jobs.items()}
    assert f"ended by SIGKILL {GRACE:g} s after SIGTERM: sh (pid " in logs["ignores"]
    for kind in ("no-environment", "daemon", "stopped", "successor", "pipe"):
        assert "azkaban-jobflow: ended by SIG" in logs[kind], kind
    assert other.poll() is None


def test_the_rest_of_a_job_that_killed_its_keeper_is_found_by_its_mark(
    start: Start, tmp_path: Path
) -> None:
    write(tmp_path)
    home = f"/home/of-{WORD}"
    other = start("sh", "-c", "sleep 600", mark=f"{home}:120:a")
    job = start(
        "sh", str(tmp_path / "no-keeper.sh"), WORD, str(tmp_path / "up"), mark=f"{home}:12:a"
    )
    assert job.wait(30) == -signal.SIGKILL
    eventually(lambda: len(left(WORD)) == 1, lambda: left(WORD), 10)  # its program ended with it
    pid = left(WORD)[0].partition(":")[0]
    assert pid in {str(found[0]) for found in keeper.marked(f"{home}:12:")}
    command = [sys.executable, "-I", "-S", keeper.__file__, "--end", "1", f"{home}:12:"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("ended by SIGTERM: ")
    assert f"sh (pid {pid})" in said
    assert left(WORD) == []
    assert other.poll() is None


def test_what_is_below_a_keeper_that_does_nothing_is_ended_without_it(
    start: Start, tmp_path: Path
) -> None:
    write(tmp_path)
    job = start("sh", str(tmp_path / "stops-keeper.sh"), WORD, str(tmp_path / "up"), mark="m:1:x")
    eventually(lambda: "T" in (_state(job.pid)), lambda: left(WORD), 30)
    assert keeper.keeps(job.pid)
    command = [sys.executable, "-I", "-S", keeper.__file__, "--end", "1", "m:1:x", str(job.pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("ended by SIGTERM: ")
    eventually(lambda: len(left(WORD)) == 1, lambda: left(WORD), 10)  # the keeper itself
    assert job.poll() is None


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_job_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    write(tmp_path)
    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "job = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
            "time.sleep(600)",
            *(sys.executable, "-I", "-S", keeper.__file__, "1", "/bin/sh"),
            *("sh", str(tmp_path / "ignores.sh"), f"{WORD}-k", str(tmp_path / "up")),
        ],
        stderr=subprocess.DEVNULL,
    )
    eventually((tmp_path / "up").exists, lambda: "", 30)
    server.kill()
    server.wait()
    eventually(lambda: not left(f"{WORD}-k"), lambda: left(f"{WORD}-k"), 30)


def test_a_signal_ends_the_job_and_some_are_passed_on(start: Start) -> None:
    job = start("sh", "-c", f'trap "echo heard" USR1; echo up; {_LOOP}', WORD)
    assert job.stdout.readline() == b"up\n"
    job.send_signal(signal.SIGUSR1)
    assert job.stdout.readline() == b"heard\n"
    job.terminate()
    assert job.wait(30) == 128 + signal.SIGTERM
    assert left(WORD) == []


def test_a_program_that_ends_its_children_itself_is_given_the_time(start: Start) -> None:
    """Such as one that first ends an application on a cluster."""
    child = 'trap "echo child" TERM; echo up; while :; do sleep 0.05; done'
    own = f"trap 'sleep 0.2; echo mine; kill -KILL $child; exit 7' TERM; sh -c '{child}' & child=$!"
    job = start("bash", "-c", f"{own}; while :; do sleep 0.05; done", WORD)
    assert job.stdout.readline() == b"up\n"
    job.stdin.close()
    assert job.wait(30) == 7
    said = job.stdout.read().decode()
    assert said.startswith("mine\n")
    assert "child" not in said


def test_who_says_that_it_outlives_its_job_does(start: Start) -> None:
    outlives = f"{keeper.VARIABLE}={keeper.OUTLIVES}"
    job = start("sh", "-c", f"{outlives} setsid sh -c 'echo up; {_LOOP}' {WORD} & wait", WORD)
    assert job.stdout.readline() == b"up\n"
    job.stdin.close()
    job.wait(30)
    assert len(left(WORD)) == 1


def test_what_a_program_gets_and_returns_is_as_without_a_keeper(
    start: Start, tmp_path: Path
) -> None:
    shown = (
        "import os, signal, sys\n"
        "print(sys.argv, sorted(os.environ.items()), os.getcwd(), sys.stdin.readline())\n"
        "print(sorted(os.listdir('/proc/self/fd')))\n"
        "print([line for line in open('/proc/self/status') if line.startswith('Sig')])\n"
    )
    words = ["env", sys.executable, "-c", shown, "a b", "", "ä"]
    mark = {keeper.VARIABLE: "m"}
    plain = subprocess.run(
        words,
        executable="/usr/bin/env",
        env={**os.environ, **mark},
        cwd=tmp_path,
        input=b"hello\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    (tmp_path / "env").symlink_to("/usr/bin/env")
    kept = start(*words, mark="m", cwd=tmp_path)
    kept.stdin.write(b"hello\n")
    kept.stdin.flush()
    assert kept.wait(30) == 0
    assert kept.stdout.read() == plain.stdout


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143), ("kill -PIPE $$", 141)],
)
def test_exit_codes(start: Start, script: str, code: int) -> None:
    assert start("sh", "-c", script).wait(30) == code


def test_a_program_that_ends_leaves_alone_what_it_left(start: Start) -> None:
    job = start("sh", "-c", f"setsid sh -c '{_LOOP}' {WORD} >/dev/null 2>&1 & exit 0", "x")
    assert job.wait(30) == 0
    assert len(left(WORD)) == 1


def test_a_script_that_names_no_shell_and_a_program_that_cannot_run(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo from $0\n")
    script.chmod(0o755)
    command = [sys.executable, "-I", "-S", keeper.__file__, "1", str(script), "script"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert (result.stdout, result.stderr) == (f"from {script}\n".encode(), b"")
    script.write_text("#!/nowhere/sh\n")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert result.returncode == 127
    assert b'Cannot run program "script": error=2, No such file or directory' in result.stderr
    assert result.stderr.endswith(b"azkaban-jobflow: exit code 127\n")  # 2.5 tells it nowhere


def test_without_a_program_there_is_no_keeper(tmp_path: Path) -> None:
    words = ["x", "y"]
    assert keeper.wrapped(str(tmp_path), words) is words
    assert keeper.wrapped(str(tmp_path / "none"), words) is words
    assert keeper.wrapped(sys.executable, words)[4:] == ["5.0", sys.executable, "x", "y"]


def test_a_pid_that_is_another_process_by_now_gets_no_signal(start: Start) -> None:
    job = start("sh", "-c", "echo up; sleep 600")
    job.stdout.readline()
    [one] = [found for found in keeper.living() if found[0] == job.pid]
    looks = iter([[(one[0], one[1] + 1, "sh")], [], [], []])
    lines = keeper.end(looks.__next__, grace=0.0)
    assert job.poll() is None
    assert lines == [f"ended by SIGKILL 0 s after SIGTERM: sh (pid {job.pid})"]
    assert _end(job).count("azkaban-jobflow") == 1


def test_names_of_processes_cannot_break_the_log(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "a\n\x1b[1m)b"
    program.symlink_to("/bin/sleep")
    job = start("sh", "-c", '"$0" 600 & echo up; wait', str(program))
    assert job.stdout.readline() == b"up\n"
    eventually(
        lambda: any("??[1m)b" in one[2] for one in keeper.descendants(job.pid)),
        lambda: keeper.descendants(job.pid),
        10,
    )
    assert "a??[1m)b (pid" in _end(job)


def test_it_is_quick_to_start(start: Start) -> None:
    """It imports nothing that a job would wait for."""
    modules = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-X", "importtime", keeper.__file__),
            *("1", "/bin/true", "true"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    for heavy in ("typing", "subprocess", "pathlib", "dataclasses", "re", "azkaban_client"):
        assert f" {heavy}\n" not in modules


def test_a_local_run_that_is_stopped_ends_what_its_jobs_started(tmp_path: Path) -> None:
    write(tmp_path)
    kinds = ("successor", "no-environment", "daemon", "stopped")
    files = {
        f"{kind}.job": f"type=command\ncommand=sh {tmp_path / kind}.sh {WORD}-l {tmp_path / kind}\n"
        for kind in kinds
    }
    files["end.job"] = f"type=noop\ndependencies={','.join(kinds)}\n"
    events = run(Bundle({name: text.encode() for name, text in files.items()}), "end")
    for _ in kinds:
        assert isinstance(next(events), JobStarted)
    eventually(lambda: all((tmp_path / kind).exists() for kind in kinds), lambda: "", 30)
    events.close()
    assert left(f"{WORD}-l") == []
