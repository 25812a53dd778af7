"""A script that knows nothing of the kit leaves what other jobs leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from azkaban_client import collect
from azkaban_client.flow.lint import lint
from azkaban_client.reports.records import runs, trends
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, os, pathlib, sys
print("rows", *sys.argv[1:])
pathlib.Path(os.environ["OUTPUT_DIR"], "rows.csv").write_text("1,2")
outputs = {"fetch.rows": 3, "fetch.share": "0.5", "fetch.day": "2026-11-30", "total": True}
pathlib.Path(os.environ["JOB_OUTPUT_PROP_FILE"]).write_text(json.dumps(outputs))
block = bytearray(60_000_000)
sys.exit(int(sys.argv[2]))
"""


def _start(folder: Path, *words: str, execid: int = 7) -> subprocess.Popen[str]:
    (folder / "props").write_text(
        f"azkaban.flow.execid={execid}\nazkaban.flow.flowid=daily\noutput.dir={folder / 'runs'}\n"
    )
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JOB_NAME": "fetch",
        "JOB_PROP_FILE": str(folder / "props"),
        "JOB_OUTPUT_PROP_FILE": str(folder / "outputs"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "azkaban_client.job.plain", *words],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _record(folder: Path, execid: int = 7) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"runs/daily/{execid}/fetch/run.json").read_text())
    return found


def test_its_numbers_are_metrics_and_its_files_are_shown(tmp_path: Path) -> None:
    (tmp_path / "fetch.py").write_text(SCRIPT)
    for execid in (7, 8):
        process = _start(tmp_path, "fetch.py", "--rows", "0", execid=execid)
        out, _ = process.communicate()
        assert (out, process.returncode) == ("rows --rows 0\n", 0)
    record = _record(tmp_path)
    assert record["status"] == "succeeded"
    assert record["metrics"] == {"rows": 3, "share": 0.5}
    assert record["outputs"]["day"] == "2026-11-30"
    assert record["output_properties"] == json.loads((tmp_path / "outputs").read_text())
    assert record["retry_of"] is None
    assert record["parameters"] == {"command": "fetch.py --rows 0"}
    assert record["peak_memory_bytes"] > 60_000_000
    assert json.loads((tmp_path / "outputs").read_text())["fetch.rows"] == 3  # the script's own
    page = (tmp_path / "runs/daily/7/fetch/report.html").read_text()
    assert "rows.csv" in page
    assert "fetch.py --rows 0" in page
    points = {(one.job, one.metric): one.points for one in trends(runs(tmp_path / "runs"))}
    assert points[("fetch", "rows")] == (("7", 3.0), ("8", 3.0))


def test_its_secrets_are_in_no_record(tmp_path: Path) -> None:
    (tmp_path / "fetch.py").write_text("import sys; print(len(sys.argv))")
    words = ["--token", "s3cr3t", "--db-password=s3cr3t", "API_KEY=s3cr3t", "https://me:s3cr3t@x/"]
    words += ["--header", "Authorization: Bearer s3cr3t", "http://x/?token=s3cr3t&rows=3"]
    out, _ = _start(tmp_path, "fetch.py", *words).communicate()
    assert out == "9\n"  # the script gets them all
    assert "--db-password=***" in _record(tmp_path)["parameters"]["command"]
    left = [path for path in tmp_path.glob("runs/**/*") if path.is_file()]
    assert len(left) == 2
    assert not [path for path in left if "s3cr3t" in path.read_text()]


def test_its_failure_is_recorded_and_its_exit_code_passed_on(tmp_path: Path) -> None:
    (tmp_path / "fetch.py").write_text(SCRIPT)
    process = _start(tmp_path, "fetch.py", "--rows", "3")
    process.communicate()
    assert process.returncode == 3
    assert (_record(tmp_path)["status"], _record(tmp_path)["error"]) == ("failed", "exit code 3")
    assert _record(tmp_path)["metrics"]["rows"] == 3
    (tmp_path / "fetch.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    process = _start(tmp_path, "fetch.py")
    process.communicate()
    assert process.returncode == 137
    process = _start(tmp_path, "missing.py")
    out, _ = process.communicate()
    assert process.returncode == 2
    assert "missing.py" in out
    process = _start(tmp_path)
    assert "usage" in process.communicate()[0]
    assert process.returncode == 2


def test_a_kill_reaches_the_script(tmp_path: Path) -> None:
    (tmp_path / "fetch.py").write_text(
        "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    )
    process = _start(tmp_path, "fetch.py")
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    assert _record(tmp_path)["status"] == "killed"
    eventually(lambda: not Path(f"/proc/{child}").exists(), "the script runs on", 10)
    process.stdout.close()


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"fetch.x": {"a": 1}}'])
def test_outputs_that_are_none_are_lost_as_on_a_server(text: str, tmp_path: Path) -> None:
    (tmp_path / "fetch.py").write_text(
        f"import os\nopen(os.environ['JOB_OUTPUT_PROP_FILE'], 'w').write({text!r})\n"
    )
    process = _start(tmp_path, "fetch.py")
    process.communicate()
    assert process.returncode == 0
    assert _record(tmp_path)["metrics"] == {}
    certain = {"": {}, '{"fetch.x": {"a": 1}}': {"fetch.x": {"a": 1}}}
    assert _record(tmp_path)["output_properties"] == certain.get(text)


def test_the_kit_travels_and_lint_looks_at_the_script(tmp_path: Path) -> None:
    job = "type=command\ncommand=${python} -m azkaban_client.job.plain fetch.py\n"
    (tmp_path / "fetch.job").write_text(job)
    assert "azkaban_client/job/plain.py" in collect(tmp_path).names
    [problem] = lint(collect(tmp_path))
    assert problem.message == "the script fetch.py is not in the project (looked for fetch.py)"
    (tmp_path / "fetch.py").write_text("import pandas\n")
    assert lint(collect(tmp_path)) == []
    [problem] = lint(collect(tmp_path), modules={"${python}": frozenset()})
    assert (problem.file, problem.rule) == ("fetch.py", "missing-package")
    (tmp_path / "fetch.job").unlink()
    (tmp_path / "flow.py").write_text(
        "from azkaban_client.flow import Flow\n"
        "Flow('f').job('f', '${python} -m azkaban_client.job.plain fetch.py')\n"
    )
    assert "azkaban_client/job/plain.py" in collect(tmp_path).names
