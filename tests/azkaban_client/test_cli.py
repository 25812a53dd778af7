"""The command line: each exit code, JSON of each command, passwords, sessions."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import keyring
import keyring.core
import pytest
from rich.console import Console

from azkaban_client import Execution, JobRun, JobStarted, Status
from azkaban_client._session import Version
from azkaban_client.cli import azk as root
from azkaban_client.cli._manage import _limit
from azkaban_client.cli.display import _Tree
from azkaban_client.cli.exit_codes import EXIT_CODES


def leaves(command=root, path=()):
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from leaves(sub, (*path, name))
    else:
        yield path, command


COMMANDS = list(leaves())


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda v: getattr(v, "name", None))
def test_every_command_has_json_and_examples_first(path, command) -> None:
    assert any("--json" in p.opts for p in command.params)
    lines = [line for line in command.help.splitlines() if line.strip("\b ")]
    assert lines[1] in ("Example:", "Examples:")
    assert any(f"azk {' '.join(path)}" in line or " ".join(path) in line for line in lines[2:])
    assert not any("password" in p.name and p.name != "password_file" for p in command.params)


# -- exit codes, one by one ------------------------------------------------------------------


def test_0_ok(azk, server) -> None:
    server.play("fetchexecflow at the end")
    result = azk("status", "32", "--json")
    assert result.code == 0
    assert result.json["status"] == "FAILED"
    assert result.json["jobs"][0]["id"] == "a"


def test_1_the_execution_failed(azk, server) -> None:
    server.play("fetchexecflow at the end", "fetchexecflow at the end")
    result = azk("follow", "32", "--json")
    assert result.code == 1
    assert result.json["status"] == "FAILED"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nosuch"], "No such command"),
        (["status"], "Missing argument"),
        (["status", "x"], "not a valid integer"),
        (["run", "p", "f", "--prop", "novalue"], "expected KEY=VALUE"),
        (["run", "p", "f", "--concurrency", "maybe"], "skip"),
        (["upload", "p", "/nosuch"], "does not exist"),
        (["project", "delete", "p"], "needs --yes"),
        (["run", "p", "f", "--failure-email", "a b"], "'a b': expected one address of mail"),
        (["run", "p", "f", "--failure-email", "me"], "'me': expected one address of mail"),
        (["schedule", "add", "p", "f", "--cron", "x", "--success-email", "a,b"], "one address"),
        (["sla", "add", "p", "f", "1:30", "--email", ""], "one address"),
    ],
)
def test_2_usage(azk, server, args, words) -> None:
    result = azk(*args)
    assert result.code == 2
    assert words in result.err
    assert result.out == ""


def test_2_no_server(azk) -> None:
    result = azk("status", "7")
    assert result.code == 2
    assert "no server: give --url" in result.err


def test_2_a_bad_setting(azk, tmp_path) -> None:
    (tmp_path / "azk.toml").write_text("timeout = 'x'")
    result = azk("config", "show")
    assert result.code == 2
    assert "azk.toml): expected a number of seconds" in result.err


def test_2_errors_found_by_lint(azk, server, tmp_path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.job").write_text("type=noop\ndependencies=b\n")
    result = azk("lint", "p")
    assert (result.code, result.out.split(":")[0]) == (2, "a.job")
    result = azk("upload", "p", "p")
    assert result.code == 2
    assert "nothing is uploaded (--no-lint to do it anyway): 1 error(s)" in result.err
    assert server.replayed == []


def test_3_a_wrong_password(azk, server, tmp_path) -> None:
    (tmp_path / "password").write_text("wrong\n")
    result = azk("login")
    assert result.code == 3
    assert result.err == "azk: Incorrect Login. Username/Password not found.\n"


def test_3_no_password(azk, server, monkeypatch) -> None:
    monkeypatch.delenv("AZK_PASSWORD_FILE")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    result = azk("status", "7")
    assert result.code == 3
    assert "--password-file" in result.err


def test_4_not_found(azk, server) -> None:
    result = azk("status", "999999")
    assert result.code == 4
    assert result.err == "azk: Cannot find execution '999999'\n"


def test_5_refused(azk, server) -> None:
    server.play("cancelFlow of a finished flow")
    result = azk("cancel", "33")
    assert result.code == 5
    assert "isn't running" in result.err


def test_2_an_option_in_the_wrong_place(azk) -> None:
    result = azk("run", "p", "f", "--url", "http://x")
    assert result.code == 2
    assert "--url stands before the command: azk --url ... run" in result.err
    assert "No such option '--urr'" in azk("run", "p", "f", "--urr", "http://x").err


def test_6_network(azk, server, monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AZK_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    result = azk("status", "7")
    assert result.code == 6
    assert "Connection refused" in result.err


def test_6_tls(azk, server, serve, answer, monkeypatch) -> None:
    monkeypatch.setenv("AZK_URL", serve(lambda _: answer(), tls=True).url)
    result = azk("--address", "127.0.0.1", "status", "7")
    assert result.code == 6
    assert "certificate is not trusted" in result.err


def test_7_the_wait_timed_out(azk, server, simulate, sim_job, monkeypatch) -> None:
    _, client, _ = simulate(sim_job("a", b"", 1, 10**6))
    monkeypatch.setenv("AZK_URL", client.url)
    result = azk("follow", "7", "--wait", "0.2")
    assert result.code == 7
    assert "execution 7 has not ended after 0.2 s; it goes on" in result.err


def test_130_interrupted_while_following(azk, server, monkeypatch) -> None:
    def interrupt(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("azkaban_client.cli.display.follow", interrupt)
    result = azk("follow", "32")
    assert result.code == 130
    assert "execution 32 goes on" in result.err
    assert "azk cancel 32" in result.err


def test_all_exit_codes_are_in_the_help(azk) -> None:
    text = azk("--help").out
    for code, meaning in EXIT_CODES.items():
        assert f"{code:<4}{meaning}" in text


# -- commands --------------------------------------------------------------------------------


def test_projects(azk, server) -> None:
    assert [p["name"] for p in azk("project", "list", "--json").json] == ["rec56517", "rec56548"]
    server.play("create project")
    assert azk("project", "create", "rec56548", "recorded").code == 0
    server.play("create project again")
    assert azk("project", "create", "rec56548").code == 5
    server.play("create project again")
    result = azk("project", "create", "rec56548", "--exist-ok", "--json")
    assert result.json == {"project": "rec56548", "created": False}
    assert "successfully deleted" in azk("project", "delete", "rec56548", "--yes").out


@pytest.fixture
def flow_folder(tmp_path) -> Path:
    for name, text in {
        "p/b.job": "type=command\ncommand=${python} -m jobs.x\n",
        "jobs/x.py": "",
        "jobs/__pycache__/x.pyc": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "p"


def test_upload_a_folder(azk, server, flow_folder) -> None:
    server.play("fetchProjectLogs", "upload")
    result = azk("upload", "rec56548", str(flow_folder), "--with", "jobs", "--json")
    assert result.json == {"project": "rec56548", "project_id": 10, "version": 1, "files": 2,
        "flows": ["b", "fail", "slow"], "python": None}  # fmt: skip


def test_upload_creates_the_project_on_request(azk, server, flow_folder) -> None:
    names = ("upload, no such project", "create project", "fetchProjectLogs", "upload")
    server.play(*names, "fetchprojectflows")
    assert azk("upload", "nn", str(flow_folder), "--with", "jobs", "--create").code == 0
    server.play("upload, no such project")
    assert azk("upload", "nn", str(flow_folder), "--with", "jobs").code == 4


def test_flow_2_is_not_sent_to_a_server_that_finds_nothing_in_it(
    azk, serve, answer, monkeypatch, tmp_path
) -> None:
    """A server before 3.43 would take a Flow 2.0 project, in place of one with flows."""
    body = '{"session.id": "s", "projectId": "1", "version": "1", "flows": []}'
    server = serve(lambda _: answer(body=body))
    monkeypatch.setenv("AZK_URL", server.url)
    monkeypatch.setenv("AZK_USER", "me")
    flow = "nodes: [{name: a, type: noop}]\n"
    texts = {"pw": "x\n", "p/a.project": "azkaban-flow-version: 2.0\n", "p/f.flow": flow}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(
        "azkaban_client.client.Client.version",
        property(lambda _: Version((2, 5, 0), (3, 1, 0))),
    )
    result = azk("--password-file", "pw", "upload", "p", "p")
    assert result.code == 5
    assert "p is Flow 2.0, which needs Azkaban 3.43 or later" in result.err
    assert "upload" not in server.actions()
    result = azk("--password-file", "pw", "upload", "p", "p", "--json", "--no-lint")
    assert result.json["flows"] == []
    assert "the server finds no flow in p" in result.err


def test_lint_json(azk, flow_folder) -> None:
    (found,) = azk("lint", str(flow_folder), "--json").json
    assert (found["file"], found["line"], found["rule"]) == ("b.job", 2, "missing-module")


def test_run_and_follow(azk, server) -> None:
    done = "fetchexecflow, failed"
    server.play("fetchFlowExecutions", "executeFlow, fails with one retry", done)
    result = azk("run", "rec56548", "fail", "-f", "--json")
    assert result.code == 1
    assert result.json["execid"] == 34
    server.play("fetchFlowExecutions", "executeFlow")
    result = azk("run", "rec56548", "b")
    assert (result.code, result.out) == (0, "32\n")


def test_run_refuses_properties_that_nothing_uses(azk, serve, answer, monkeypatch) -> None:
    """The pages are those of a server that has a job, a shared file and a literal."""
    graph = {"project": "p", "flow": "f", "nodes": [{"id": "a", "type": "command"}]}
    props = {"props": {"command": "run ${greet}", "nn.train.epochs": "${epochs}"}}
    pages = {
        "job": '<a href="/manager?project=p&flow=f&job=a&prop=f.properties">x</a>',
        "prop": '<td class="property-key">epochs</td><td>20</td>'
        '<td class="property-key">seed</td><td>${base}</td>',
    }

    def reply(asked):
        if "prop" in asked.fields or "job" in asked.fields:
            return answer(body=pages["prop" if "prop" in asked.fields else "job"])
        body = {
            "session.id": "s", "execid": 9, "total": 0, "from": 0, "executions": [],
            "flows": [{"flowId": "f"}], **graph, **props,
        }  # fmt: skip
        return answer(body=json.dumps(body))

    server = serve(reply)
    monkeypatch.setenv("AZK_URL", server.url)
    monkeypatch.setenv("AZK_USER", "me")
    Path("pw").write_text("x\n")
    result = azk("--password-file", "pw", "run", "p", "f", "--prop", "epoch=5")
    assert result.code == 2
    assert "--prop epoch: no job of the flow uses it (did you mean epochs?)" in result.err
    assert "known: base, epochs, greet, seed" in result.err
    result = azk("--password-file", "pw", "run", "p", "f", "--prop", "nn.train.epochs=5")
    assert "the file of job a sets it, which beats any --prop" in result.err
    assert "executeFlow" not in server.actions()
    assert azk("--password-file", "pw", "run", "p", "f", "--prop", "epochs=5").out == "9\n"
    assert server.asked[-1].fields["flowOverride[epochs]"] == "5"
    assert azk("run", "p", "f", "--any-prop", "--prop", "epoch=5").code == 0


def test_logs_are_exact(azk, server, simulate, sim_job, monkeypatch) -> None:
    log = "häßlich\r\n\x85\x0b😀\n".encode() * 50 + b"no newline"
    simulation, client, _ = simulate(sim_job("a", log, 0, 0), filing=0)
    simulation.clock = 9
    monkeypatch.setenv("AZK_URL", client.url)
    assert azk("logs", "7", "a").out.encode() == log
    assert azk("logs", "7", "a", "--follow").out.encode() == log
    assert azk("logs", "7", "a", "--json").json["log"].encode() == log


def test_follow_prints_lines_without_a_terminal(
    azk, server, simulate, sim_job, monkeypatch
) -> None:
    _, client, _ = simulate(sim_job("a", b"x INFO - Starting job a at 1\nhello\n", 1, 3))
    monkeypatch.setenv("AZK_URL", client.url)
    result = azk("follow", "7", "--logs")
    assert result.code == 0
    assert result.out.startswith("x INFO - Starting job a at 1\nhello\n")
    assert [line.split(" ", 1)[1] for line in result.err.splitlines()] == [
        "a: started",
        "a: SUCCEEDED in 1.0 s",
        "execution 7: SUCCEEDED in 1.0 s",
    ]


def test_names_are_shown_as_they_are(azk, tmp_path) -> None:
    """Neither as an emoji (:x:) nor as a colour ([red])."""
    flow = "nodes:\n- name: in\n  type: flow\n  nodes:\n  - {name: x, type: noop}\n"
    flow += "  - {name: '[red]', type: noop, dependsOn: [x]}\n"
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "p.project").write_text("azkaban-flow-version: 2.0\n")
    (tmp_path / "p" / "f.flow").write_text(flow)
    result = azk("run", "p", "f", "--local")
    assert result.code == 0
    assert "in:x: SUCCEEDED" in result.err
    assert "in:[red]: SUCCEEDED" in result.err
    assert "in:[red]" in result.out


@pytest.mark.parametrize(
    ("closed", "command", "code"),
    [(">&-", "config show", 0), ("2>&-", "whoami", 2), ("0<&- >&- 2>&-", "config show", 0)],
)
def test_descriptors_that_are_closed(closed: str, command: str, code: int, tmp_path: Path) -> None:
    """Nothing that is said goes elsewhere, and nothing fails for want of a place to say it."""
    azk = '"$0" -c "from azkaban_client.cli import main; main()"'
    result = subprocess.run(
        ["bash", "-c", f"exec {closed}; exec {azk} {command}", sys.executable],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (code, "", "")


@pytest.mark.parametrize("command", ["config show --json", "--help"])
def test_a_full_disk_behind_the_output(command: str, tmp_path: Path) -> None:
    azk = '"$0" -c "from azkaban_client.cli import main; main()"'
    result = subprocess.run(
        ["bash", "-c", f"exec {azk} {command} >/dev/full", sys.executable],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == (
        "azk: standard output: No space left on device; the disk is full: make room\n"
    )


def on_a_terminal(*args: str, **environ: str) -> tuple[int, str]:
    """Run `azk` in a process of its own, on a pseudo-terminal."""
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **environ}
    process = subprocess.Popen(
        [sys.executable, "-c", "from azkaban_client.cli import main; main()", *args],
        cwd=Path(__file__).parents[2],
        env=environ,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(master)
    return process.wait(), shown.decode()


def test_the_live_display_on_a_terminal(server, simulate, sim_job) -> None:
    _, client, _ = simulate(sim_job("a", b"hello\n", 1, 8), sim_job("b", b"", 8, 9, needs=("a",)))
    code, text = on_a_terminal("follow", "7", AZK_URL=client.url)
    assert code == 0
    assert "RUNNING" in text
    assert "0/2 jobs" in text or "1/2 jobs" in text
    assert "SUCCEEDED" in text
    assert "execution 7" in text


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal(azk, pair, environ, coloured) -> None:
    """Of messages and of tables; bold stands whatever NO_COLOR says."""
    code, text = on_a_terminal("run", str(pair), "b", "--local", **environ)
    assert code == 1
    assert ("\x1b[32m" in text) is coloured
    _, text = on_a_terminal("lint", str(pair / "p.properties"), **environ)
    assert "not a usable zip" in text
    assert ("\x1b[31m" in text) is coloured


@pytest.fixture
def pair(tmp_path) -> Path:
    for name, text in {
        "pair/a.job": "type=command\ncommand=echo ${word}\n",
        "pair/b.job": 'type=command\ncommand=bash -c "echo why; exit 2"\ndependencies=a\n',
        "pair/p.properties": "word=hello\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "pair"


def test_run_local(azk, pair) -> None:
    result = azk("run", str(pair), "b", "--local", "--logs", "--prop", "word=ciao")
    assert result.code == 1
    assert result.out.startswith("ciao\nwhy\n")
    assert "a: SUCCEEDED" in result.err
    result = azk("run", str(pair), "b", "--local")
    assert "--- log of b, last 2 lines\nwhy\n" in result.err
    result = azk("run", str(pair), "b", "--local", "--json")
    assert [job["status"] for job in result.json["jobs"]] == ["SUCCEEDED", "FAILED"]
    assert azk("run", str(pair), "nosuch", "--local").code == 4
    assert azk("run", "nosuch", "b", "--local").code == 2
    assert azk("run", "p", "f", "--with", "x").code == 2


def test_run_local_with_some_jobs(azk, pair) -> None:
    result = azk("run", str(pair), "b", "--local", "--only", "a", "--json")
    assert [job["status"] for job in result.json["jobs"]] == ["SUCCEEDED", "SKIPPED"]
    result = azk("run", str(pair), "b", "--local", "--disable", "b", "--logs")
    assert result.out.startswith("hello\njob")
    assert azk("run", str(pair), "b", "--local", "--disable", "nosuch").code == 4
    assert azk("run", str(pair), "b", "--local", "--disable", "a", "--disable", "b").code == 5


def test_run_local_refuses_what_it_would_pass_over(azk, pair) -> None:
    result = azk("run", str(pair), "b", "--local", "--prop", "wrod=ciao")
    assert (result.code, result.out) == (2, "")
    assert "wrod: no job of the flow uses it (did you mean word?); known: word" in result.err
    result = azk("run", str(pair), "b", "--local", "--prop", "command=ls")
    assert "the file of job a sets it" in result.err
    assert azk("run", str(pair), "b", "--local", "--any-prop", "--prop", "x=1").code == 1
    for option, value in (("--on-failure", "cancel-all"), ("--wait", "3"), ("--notify", "last")):
        result = azk("run", str(pair), "b", "--local", option, value)
        assert (result.code, result.out) == (2, "")
        assert f"{option} is for a server: it means nothing with --local" in result.err


def test_results_off_a_terminal_are_plain_and_whole(azk, tmp_path) -> None:
    name = "job_" + "x" * 120
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / f"{name}.job").write_text("type=noop\n")
    result = azk("run", "p", name, "--local")
    header, row, flow = result.out.splitlines()
    assert header.split() == ["job", "status", "start", "seconds", "attempts"]
    assert row.split()[:2] == [name, "SUCCEEDED"]
    assert flow.split()[:2] == [f"p/{name}", "SUCCEEDED"]


def test_graph(azk, server, pair) -> None:
    assert azk("graph", str(pair)).out == "b\n  a\n    b   <- a\n"
    assert azk("graph", str(pair), "b", "--format", "svg").out.startswith("<svg")
    assert azk("graph", "rec56548", "b", "--json").json == [
        {"flow": "b", "needs": {"a": [], "b": ["a"]}}
    ]
    assert azk("graph", str(pair), "nosuch").code == 4
    (pair / "a.job").write_text("type=noop\ndependencies=b\n")
    (pair / "c.job").write_text("type=noop\ndependencies=b\n")
    result = azk("graph", str(pair), "c")
    assert result.code == 2


# -- the rest of the commands ----------------------------------------------------------------


def test_what_runs(azk, server) -> None:
    server.play("getRunning")
    assert azk("running", "rec56548", "b").out.splitlines() == ["execid  flow", "32      b"]
    server.play("fetchprojectflows", "getRunning", "unknown action", "unknown action")
    assert azk("running", "rec56548", "--json").json == [{"execid": 32, "flow": "b"}]
    server.play("unknown action", "fetchprojectflows")
    assert azk("running", "rec56548", "nosuch").code == 4
    server.play("unknown action", "fetchprojectflows")
    assert azk("cancel", "--project", "rec56548", "--flow", "nosuch").code == 4


def test_logs_that_are_not_there(azk, server) -> None:
    server.play("fetchexecflow at the end")
    result = azk("logs", "32", "zz", "--follow")
    assert (result.code, result.err) == (4, "azk: execution 32 has no job 'zz' (its jobs: a, b)\n")
    server.play("job log past the end", "fetchexecflow at the end")
    result = azk("logs", "32", "a", "--attempt", "3")
    assert (result.code, result.err) == (
        4, "azk: job 'a' of execution 32 has no attempt 3 (its latest: 0)\n"
    )  # fmt: skip
    assert azk("logs", "32", "a", "--follow", "--json").code == 2


def test_history(azk, server) -> None:
    for _ in range(2):  # it has no viewer of ours, and what it was started with is not recorded
        server.play("fetchFlowExecutions", "unknown action", "unknown action")
    result = azk("history", "rec56548", "b", "-n", "3")
    assert result.out.splitlines()[1].startswith("32      FAILED  azkaban")
    (one,) = azk("history", "rec56548", "b", "-n", "3", "--json").json
    assert (one["execid"], one["start"][-5:-4], one["duration"] > 0) == (32, ".", True)
    assert one["retry_of"] is None


@pytest.mark.parametrize("viewer", [True, False])
def test_attempts_of_a_run_stand_together_in_the_history(
    azk, serve, answer, tmp_path, monkeypatch, viewer
) -> None:
    """A server of ours has a viewer that answers for all; a stock one is asked for each."""
    retries = {44: "41", 47: "41", 45: "none of ours", 46: "99"}

    def reply(asked):
        execid = asked.query.get("execid")
        if asked.action == "login":
            return answer(body='{"status": "success", "session.id": "s"}')
        if asked.action == "fetchFlowExecutions":
            about = {"flowId": "f", "status": "FAILED"}
            runs = [{"execId": number, **about} for number in (47, 46, 45, 44, 43, 41)]
            return answer(body=json.dumps({"total": 6, "from": 0, "executions": runs}))
        if asked.action == "retries" and viewer:
            return answer(body=json.dumps({"retries": retries}))
        if asked.action == "flowInfo" and execid != "43":
            given = {"retry.of": retries[int(execid)]} if int(execid) in retries else {}
            return answer(body=json.dumps({"failureAction": "finishCurrent", "flowParam": given}))
        return answer(body="<html>" if asked.action == "retries" else '{"error": "not yours"}')

    server = serve(reply)
    (tmp_path / "password").write_text("secret\n")
    monkeypatch.setenv("AZK_PASSWORD_FILE", str(tmp_path / "password"))
    rows = azk("--url", server.url, "--user", "me", "history", "p", "f").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["47", "44", "41", "46", "45", "43"]
    assert [row.split()[-1] == "41" for row in rows] == [True, True] + [False] * 4
    asked = [one.action for one in server.asked].count("flowInfo")
    assert asked == (0 if viewer else 6)


@pytest.mark.parametrize(
    ("recording", "args"),
    [
        ("pauseFlow", ["pause", "33"]),
        ("resumeFlow", ["resume", "33"]),
        ("cancelFlow", ["cancel", "33"]),
    ],
)
def test_control(azk, server, recording, args) -> None:
    server.play(recording)
    assert azk(*args).code == 0


def test_retry_of_one_that_goes_on(azk, server) -> None:
    server.play("fetchexecflow at once", "retryFailedJobs of a finished flow")
    assert azk("retry", "34").code == 5  # it has ended in between
    server.play("fetchexecflow at once")
    result = azk("retry", "34", "--only", "a")
    assert result.code == 2
    assert "goes on" in result.err


@pytest.mark.parametrize(("mail", "warned"), [("false", True), ("true", False)])
def test_mail_that_will_not_be_sent_is_said(azk, server, monkeypatch, mail, warned) -> None:
    monkeypatch.setenv("AZK_MAIL", mail)
    result = azk("run", "rec56548", "b", "--failure-email", "a@b.c")
    assert ("sends no mail" in result.err) == warned


def test_cancel_wants_an_execution_or_a_project(azk, server) -> None:
    assert azk("cancel").code == 2
    assert azk("cancel", "3", "--project", "p").code == 2
    assert azk("cancel", "--flow", "f").code == 2


def test_schedules_and_time_limits(azk, server) -> None:
    server.play("server status", "fetchprojectflows", "fetchSchedule, none")
    server.play("fetchprojectflows", "scheduleCronFlow", "fetchprojectflows", "fetchSchedule")
    result = azk("schedule", "add", "rec56548", "b", "--cron", "0 23/30 5 ? * 6#3", "--json")
    assert result.json["cron"] == "0 23/30 5 ? * 6#3"
    server.play("server status", "fetchprojectflows", "fetchSchedule, none")
    server.play("fetchprojectflows", "scheduleCronFlow", "fetchprojectflows", "fetchSchedule")
    options = ["--on-failure", "cancel-all", "--failure-email", "me@x", "--notify", "first"]
    cron = ["--cron", "0 0 5 ? * *", "--any-prop", "--prop", "k=v", "--concurrency", "concurrent"]
    assert azk("schedule", "add", "rec56548", "b", *cron, *options).code == 0
    fields = next(a for a in server.asked if "failureEmails" in a.fields).fields
    assert fields.items() >= {
        "failureAction": "cancelImmediately", "failureEmails": "me@x", "flowOverride[k]": "v",
        "concurrentOption": "ignore", "notifyFailureFirst": "true", "notifyFailureLast": "false",
    }.items()  # fmt: skip
    assert azk("schedule", "add", "p", "f", "--at", "soon").code == 2
    assert azk("schedule", "add", "p", "f", "--at", "2027-01-01T00:00", "--every", "x").code == 2
    assert azk("schedule", "add", "p", "f").code == 2
    result = azk("schedule", "add", "p", "f", "--at", "2020-01-01T00:00")
    assert (result.code, result.out) == (2, "")
    assert "--at 2020-01-01T00:00: has passed" in result.err
    server.play("fetchprojectflows", "fetchSchedule", "slaInfo", "setSla")
    assert azk("sla", "add", "rec56548", "b", "a:1:30", "--email", "a@example.com").code == 0
    server.play("fetchprojectflows", "fetchSchedule", "slaInfo")
    assert "a    finish  1:30:00  email" in azk("sla", "list", "rec56548", "b").out
    assert azk("sla", "add", "p", "f", "1:30").code == 2
    assert azk("sla", "add", "p", "f", "soon", "--kill").code == 2
    server.play("fetchprojectflows", "fetchSchedule, none")
    assert azk("sla", "list", "rec56548", "b").code == 4
    server.play("fetchprojectflows", "fetchSchedule", "removeSched")
    assert "no longer scheduled" in azk("schedule", "remove", "rec56548", "b").out
    server.play("unknown action")
    assert azk("schedule", "list", "--json").json == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1:30", (None, "finish", 90)),
        ("success:0:05", (None, "success", 5)),
        ("train:2:00", ("train", "finish", 120)),
        ("e:train:success:2:00", ("e:train", "success", 120)),
    ],
)
def test_wording_of_limits(text, expected) -> None:
    limit = _limit(text, email=True, kill=False)
    assert (limit.job, limit.rule, limit.within.total_seconds() / 60) == expected


def test_permissions(azk, server) -> None:
    server.play("getPermissions", "server status", "getGroupPermissions")
    assert "azkaban  user  admin" in azk("permission", "list", "rec56548").out
    server.play("getPermissions", "server status", "getGroupPermissions", "addPermission")
    assert azk("permission", "add", "rec56548", "bob", "read").code == 5
    assert azk("permission", "add", "rec56548", "bob", "own").code == 2
    server.play("getPermissions", "server status", "getGroupPermissions")
    last = azk("permission", "remove", "rec56548", "azkaban")
    assert (last.code, "nobody but 'azkaban' has a permission" in last.err) == (5, True)
    server.play("getPermissions", "server status", "getGroupPermissions")
    result = azk("permission", "remove", "rec56548", "bob")
    assert (result.code, "user 'bob' has no permission on" in result.err) == (4, True)


def test_proxy_users(azk, serve, answer, monkeypatch, server) -> None:
    body = {"session.id": "s", "version": "4.0.0", "proxyUsers": ["etl", "bob"], "projectId": 1}
    other = serve(lambda _: answer(body=json.dumps(body)))
    monkeypatch.setenv("AZK_URL", other.url)
    assert azk("permission", "proxy", "list", "p").out == "bob\netl\n"
    for verb, action in (("add", "addProxyUser"), ("remove", "removeProxyUser")):
        assert azk("permission", "proxy", verb, "p", "etl").code == 0
        assert (other.asked[-1].action, other.asked[-1].fields["name"]) == (action, "etl")
    result = azk("permission", "proxy", "remove", "p", "nobody")
    assert (result.code, "no proxy user 'nobody' (its own: bob, etl)" in result.err) == (4, True)


def test_more_of_projects(azk, server, tmp_path) -> None:
    assert azk("project", "flows", "rec56548").out == "b\nfail\nslow\n"
    assert azk("project", "describe", "rec56548", "new").code == 0
    server.play("fetchProjectLogs")
    assert "UPLOADED" in azk("project", "log", "rec56548").out
    assert azk("project", "download", "rec56548", "p.zip").code == 0
    assert (tmp_path / "p.zip").read_bytes().startswith(b"PK")
    assert azk("project", "download", "rec56548", "new", "--unpack", "--json").json["files"] == 0
    assert azk("server", "status").out.startswith("Azkaban 4.0.0")


# -- sessions and passwords ------------------------------------------------------------------


def test_login_keeps_the_session_for_the_next_call(azk, server, monkeypatch, tmp_path) -> None:
    assert azk("login", "--json").json["username"] == "azkaban"
    (kept,) = (tmp_path / "state/azk/sessions").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv("AZK_PASSWORD_FILE")
    monkeypatch.delenv("AZK_USER")
    assert azk("project", "list").code == 0
    assert server.replayed == ["login", "server status", "server status", "list all projects"]
    assert "azkaban on http://127.0.0.1:" in azk("whoami").out
    server.play("delete project")
    assert azk("logout").out.startswith("logged out of")
    assert not kept.exists()
    assert azk("logout").out.startswith("there was no session")


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", True), ("azkaban.test", False)])
def test_login_by_address_warns_where_sessions_are_bound(
    azk, serve, answer, monkeypatch, tmp_path, host, warned
) -> None:
    (tmp_path / "pw").write_text("x\n")
    page = "<html><title>Azkaban</title></html>"
    server = serve(lambda a: answer(body='{"session.id": "s"}' if a.action == "login" else page))
    monkeypatch.setenv("AZK_URL", f"http://{host}:{server.port}")
    result = azk("--address", "127.0.0.1", "--user", "me", "--password-file", "pw", "login")
    assert result.code == 0
    assert ("binds a session to the address" in result.err) is warned


def test_the_password_from_standard_input(azk, server, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("azkaban\n"))
    assert azk("--password-file", "-", "login").code == 0


def test_the_password_from_netrc(azk, server, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("AZK_PASSWORD_FILE")
    monkeypatch.delenv("AZK_USER")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login azkaban password azkaban\n")
    netrc.chmod(0o600)
    assert azk("login", "--json").json["username"] == "azkaban"


def test_the_password_from_the_keyring(azk, server, monkeypatch) -> None:
    class Ring(keyring.backend.KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return {(os.environ["AZK_URL"], "azkaban"): "azkaban"}.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

    monkeypatch.setattr(keyring.core, "_keyring_backend", Ring())
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.delenv("AZK_PASSWORD_FILE")
    assert azk("--user", "azkaban", "login").code == 0
    assert azk("--user", "other", "login").code == 3


def test_an_empty_password_file(azk, server, tmp_path) -> None:
    (tmp_path / "password").write_text("\n")
    result = azk("login")
    assert result.code == 2
    assert "its first line is empty" in result.err


def test_insecure_warns_each_time(azk, server, serve, answer, monkeypatch) -> None:
    tls = serve(lambda _: answer(body='{"session.id": "s"}'), tls=True)
    monkeypatch.setenv("AZK_URL", tls.url)
    for _ in range(2):
        result = azk("--address", "127.0.0.1", "--insecure", "login")
        assert result.code == 0
        assert "warning: TLS certificates are not checked" in result.err


def test_debug_shows_requests_without_secrets(azk, server) -> None:
    result = azk("--debug", "login")
    assert "POST / action=login username=azkaban password=*** -> 200" in result.err
    assert "password=azkaban" not in result.err


def test_config_show_names_the_sources(azk, server) -> None:
    shown = azk("config", "show", "--json").json
    assert shown["username"] == {"value": "azkaban", "source": "environment AZK_USER"}
    assert shown["timeout"]["source"] == "default"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(azk, shell) -> None:
    assert "_AZK_COMPLETE" in azk("completion", shell).out


def test_help_imports_no_http_and_no_terminal_library() -> None:
    code = (
        "import sys; sys.argv = ['azk', '--help']\n"
        "from azkaban_client.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'requests', 'urllib3', 'rich', 'tomllib', 'ssl', 'asyncio'}"
        " & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == "[]"


# -- the live display ------------------------------------------------------------------------


def test_durations_do_not_depend_on_the_server_s_clock() -> None:
    """A server whose clock is years ahead: what runs is timed by this machine's clock."""
    future = datetime(2099, 1, 1, tzinfo=UTC)
    job = JobRun(id="a", status=Status.RUNNING, start=future)
    execution = Execution(execid=7, project="p", flow="f", status=Status.RUNNING, jobs=(job,))
    tree = _Tree(execution)
    tree.take(JobStarted(execution=execution, job=job))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(tree)
    text = console.export_text()
    assert "RUNNING" in text
    assert "0.0 s" in text
    assert "0/1 jobs" in text


# -- what a server says on a terminal ---------------------------------------------------------

ATTACK = "a\x1b]52;c;aGk=\x07b\x1b[2Jc\x9b31m\u202ed\r\n"


def shown_on_a_terminal(script: str) -> str:
    """Run Python with its standard output on a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", script], stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    while process.poll() is None or not shown:
        try:
            shown += os.read(leader, 1 << 16)
        except OSError:  # its end
            break
    process.wait()
    os.close(leader)
    return shown.decode()


@pytest.mark.parametrize("raw", [False, True])
def test_control_codes_of_a_log_are_shown_as_text(raw) -> None:
    script = f"from azkaban_client.cli.display import write_log; write_log({ATTACK!r}, raw={raw})"
    shown = shown_on_a_terminal(script)
    if raw:
        assert "\x1b]52;c;aGk=\x07" in shown
    else:
        assert shown == "a^[]52;c;aGk=^Gb^[[2Jc\\u009b31m\\u202ed\r\n"
    piped = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert piped.stdout.decode() == ATTACK


def test_control_codes_of_messages_and_names_are_shown_as_text() -> None:
    script = (
        "from azkaban_client.cli._app import emit, note\n"
        f"note({ATTACK!r}); emit(False, None, {ATTACK!r})"
    )
    assert "\x1b]52" not in shown_on_a_terminal(script)
    assert "\x1b[2J" not in shown_on_a_terminal(script)


def test_follow_of_an_ended_run_shows_the_server_s_times(azk, server, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    server.play("fetchexecflow at the end", "fetchexecflow at the end")
    lines = azk("follow", "32").err.splitlines()
    server.play("fetchexecflow at the end")
    execution = azk("status", "32", "--json").json
    ended = {job["id"]: job["end"][11:19] for job in execution["jobs"]}
    shown = [line.split() for line in lines if ": FAILED in" in line]
    assert shown[0][:2] == [ended["a"], "a:"]
    assert shown[-1][0] == execution["end"][11:19]


def test_what_is_typed_in_another_encoding_is_refused_in_a_line(azk) -> None:
    result = azk("--url", "http://h\udcf6", "whoami")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("azk: a text here is not in UTF-8: ")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_local_run_that_is_ended_leaves_no_files(tmp_path, number) -> None:
    for name in ("p", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "p" / "a.job").write_text("type=command\ncommand=sleep 300\n")
    code = "from azkaban_client.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", str(tmp_path / "p"), "a", "--local"],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        # Under nohup, tests and their processes would ignore it.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 (no threads)
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "a: started" in line:
            break
    assert list((tmp_path / "temporary").iterdir()) != []
    process.send_signal(number)
    process.communicate()
    assert process.returncode == 128 + number
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_local_run_hears_a_signal_that_does_not_wake_its_main_thread(tmp_path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.job").write_text("type=command\ncommand=sleep 300\n")
    program = """
import signal, threading, time
from azkaban_client.cli import main
threading.Thread(target=time.sleep, args=(300,), daemon=True).start()  # it takes the signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program, "run", str(tmp_path / "p"), "a", "--local"],
        env={**os.environ, "HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("a: started" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM


def test_a_reader_that_wants_no_more_is_no_failure(tmp_path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.job").write_text("type=command\ncommand=seq 100000\n")
    program = f"{sys.executable} -c 'from azkaban_client.cli import main; main()'"
    line = f"{program} run p a --local --logs 2>error | head -n 1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "1\n0\n"
    assert (tmp_path / "error").read_text().splitlines()[1:] == []  # "a: started"


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://",
        "http:///x",
        "ftp://h",
        "http://]",
        "http://h:0",
        "http://a b",
        "http://h/\x01",
    ],
)
def test_a_url_that_is_none_is_named(azk, url) -> None:
    result = azk("--url", url, "whoami")
    assert (result.code, result.out) == (2, "")
    assert f"url {url!r}: expected http://HOST[:PORT]" in result.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["--address", "here"], "address 'here': expected an IP address"),
        (["--ca-cert", "no.pem"], "no.pem: no file of certificates in PEM form"),
    ],
)
def test_a_setting_that_is_none_is_named(azk, tmp_path, settings, words) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    result = azk("--url", "https://127.0.0.1:9", *settings, "whoami")
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_a_proxy_that_cannot_be_used_is_named(azk, tmp_path, monkeypatch) -> None:
    """Requests speak no SOCKS without a package of its own."""
    (tmp_path / "password").write_text("p")
    monkeypatch.setenv("http_proxy", "socks5://me:s3cret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    given = ("--url", "http://azkaban.invalid:8081", "--user", "me", "--password-file", "password")
    result = azk(*given, "login")
    assert result.code == 6
    assert "azkaban.invalid:8081: the proxy 127.0.0.1:9 failed: " in result.err
    assert "s3cret" not in result.err


@pytest.mark.parametrize("command", ["status", "follow", "logs", "cancel", "pause", "retry"])
def test_a_number_that_no_server_counts_to(azk, server, command) -> None:
    result = azk(command, "99999999999999")
    assert (result.code, result.out) == (4, "")
    assert result.err == "azk: there is no execution 99999999999999\n"
