"""The command line against a real server."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from azkaban_client.environments import store
from tests.commands import Azk
from tests.setup import made_up

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = "cli-tests"


@pytest.fixture(scope="module")
def azk(azkaban, tmp_path_factory):
    """Run `azk` as its users do, in an empty home, with settings from a file."""
    home = tmp_path_factory.mktemp("home")
    prefix = str(home / "prefix")  # for environments; uv is in the cache of this one
    run = Azk(azkaban, home, AZK_HOME=prefix, AZK_CACHE=str(store.cache()), COLUMNS="100")
    (home / "prefix").mkdir()
    (home / "prefix" / ".azkaban-jobflow").touch()
    folder = home / "flow"
    folder.mkdir()
    for name, text in {
        "cli.properties": "count=2\nseconds=0\n",
        "cli-talk.job": "type=command\ncommand=bash say.sh ${count}\nsay.count=${count}\n",
        "cli.job": "type=command\ncommand=sleep ${seconds}\ndependencies=cli-talk\n",
        "bad.job": 'type=command\ncommand=bash -c "echo reason; sleep 0.5; exit 4"\n',
        "say.sh": "for i in $(seq $1); do echo häßlich $i; done; sleep 0.3\n",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    run.folder = folder
    code, out, err = run("upload", PROJECT, str(folder), "--create", "--json")
    assert code == 0, err
    assert json.loads(out)["version"] == 1
    return run


def test_run_follow_and_logs(azk) -> None:
    code, out, err = azk("run", PROJECT, "cli", "--prop", "count=3", "--follow", "--json")
    assert code == 0, err
    execution = json.loads(out)
    assert execution["status"] == "SUCCEEDED"
    assert [job["status"] for job in execution["jobs"]] == ["SUCCEEDED", "SUCCEEDED"]
    execid = str(execution["execid"])
    code, out, _ = azk("logs", execid, "cli-talk")
    assert [line[-9:] for line in out.splitlines() if "häßlich" in line] == [
        f"häßlich {i}" for i in (1, 2, 3)
    ]
    code, out, _ = azk("status", execid)
    assert code == 0
    assert "SUCCEEDED" in out
    assert "cli-talk" in out
    code, out, err = azk("follow", execid, "--logs")
    assert code == 0
    assert "häßlich 3" in out
    assert "cli-talk: SUCCEEDED" in err


def test_a_failing_flow_exits_1_and_shows_its_log(azk) -> None:
    code, out, err = azk("run", PROJECT, "bad", "-f")
    assert code == 1
    assert "FAILED" in out
    assert "--- log of bad" in err
    assert "reason" in err


def test_properties_that_no_job_uses(azk) -> None:
    code, out, err = azk("run", PROJECT, "cli", "--prop", "cuont=3")
    assert (code, out) == (2, "")
    assert "cuont: no job of the flow uses it (did you mean count?); known: count, seconds" in err
    code, _, err = azk("run", PROJECT, "cli", "--prop", "say.count=3")
    assert code == 2
    assert "the file of job cli-talk sets it" in err


def state_of(azk, execid: str) -> dict[str, str]:
    jobs = json.loads(azk("status", execid, "--json")[1])["jobs"]
    return {job["id"]: job["status"] for job in jobs}


def test_ctrl_c_detaches(azk) -> None:
    process = azk.start("run", PROJECT, "cli", "--prop", "seconds=20", "--follow")
    line = process.stderr.readline()
    execid = line.split()[-1]
    assert "cli-talk: started" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"azk cancel {execid}" in err
    code, out, _ = azk("status", execid, "--json")
    assert json.loads(out)["status"] == "RUNNING"
    deadline = time.monotonic() + 60
    while state_of(azk, execid)["cli"] != "RUNNING":
        assert time.monotonic() < deadline
    assert azk("cancel", execid)[0] == 0
    assert azk("follow", execid, "--wait", "60")[0] == 1
    code, _, err = azk("cancel", execid)
    assert code == 5
    assert "isn't running" in err


def test_lint_stops_an_upload(azk) -> None:
    (azk.folder / "broken.job").write_text("type=noop\ndependencies=nosuch\n")
    try:
        code, _, err = azk("upload", PROJECT, str(azk.folder))
    finally:
        (azk.folder / "broken.job").unlink()
    assert code == 2
    assert "the dependency 'nosuch' does not exist" in err


def test_what_is_missing(azk) -> None:
    assert azk("run", "nosuch", "x")[0] == 4
    assert azk("run", PROJECT, "nosuch")[0] == 4
    assert azk("status", "999999")[0] == 4
    assert azk("project", "delete", "nosuch", "--yes")[0] == 4
    assert azk("schedule", "list", "nosuch")[0] == 4


def test_the_session_is_kept_and_renewed(azk) -> None:
    assert azk("login")[0] == 0
    code, out, _ = azk("whoami", "--json")
    assert code == 0
    assert json.loads(out)["address"] == "127.0.0.1"
    assert azk("logout")[0] == 0
    assert azk("project", "list")[0] == 0


def test_a_flow_in_python_with_packages_of_its_own(azk, tmp_path: Path) -> None:
    index = made_up.Index()
    index.add("numbers", "1.5")
    index.write(tmp_path / "wheels")
    for name, text in {
        "requirements.txt": "--no-index\n--find-links wheels\nnumbers\n",
        "count.py": "import made_up_numbers, sys\nprint(sys.argv[1], made_up_numbers.VERSION)\n",
        "flow.py": "from azkaban_client.flow import Flow\n"
        'nightly = Flow("nightly", properties={"word": "counted"})\n'
        'for city in ("berlin", "paris"):\n'
        '    command = "${python} -m azkaban_client.job.plain count.py ${word}-" + city\n'
        '    nightly.job(f"count-{city}", command)\n',
    }.items():
        (tmp_path / name).write_text(text)
    code, out, err = azk("upload", "cli-python", str(tmp_path), "--create", "--json")
    assert code == 0, err
    uploaded = json.loads(out)
    assert uploaded["flows"] == ["nightly"]
    code, out, err = azk(
        "run", "cli-python", "nightly", "--prop", "word=seen", "--follow", "--json"
    )
    assert code == 0, err
    jobs = {job["id"] for job in json.loads(out)["jobs"]}
    assert jobs == {"count-berlin", "count-paris", "nightly"}
    code, log, err = azk("logs", str(json.loads(out)["execid"]), "count-paris")
    assert "seen-paris 1.5" in log, err
    (made,) = json.loads(azk("env", "list", "--json")[1])
    assert made["python"] == uploaded["python"]
    assert [(use["project"], use["current"]) for use in made["uses"]] == [
        ("cli-python", True),
        ("", False),
    ]
    assert json.loads(azk("env", "prune", "--days", "0", "--json")[1]) == []
    assert azk("project", "delete", "cli-python", "--yes")[0] == 0
    assert len(json.loads(azk("env", "prune", "--days", "0", "--json")[1])) == 1
