"""Each run leaves what is needed to run it again, and a report."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from dataclasses import dataclass
from pathlib import Path
from jobs._params import param
from jobs._runtime import Spec, main

@dataclass(frozen=True, kw_only=True)
class Params:
    text: Path = param(doc="A file.")
    times: int = param(2, doc="How often.", ge=1)

def run(params, job):
    if params.times == 9:
        (job.dir / "report.html").write_text("its own")
    return {"letters": len(params.text.read_text()) * params.times}

sys.exit(main(Spec(prefix="count", params=Params, run=run)))
"""


def _run(folder: Path, *props: str) -> Path:
    program = folder / "count.py"
    program.write_text(PROGRAM)
    words = [f"--prop={prop}" for prop in (f"output.dir={folder}", *props)]
    subprocess.run(
        [sys.executable, str(program), *words],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    return folder / "local" / "local" / "count"


def test_run_json_says_how_to_run_it_again(tmp_path: Path) -> None:
    text = tmp_path / "in.txt"
    text.write_text("größe")
    folder = _run(tmp_path, f"count.text={text}", "seed=7")
    record = json.loads((folder / "run.json").read_text())
    assert record["parameters"] == {"count.text": str(text), "count.times": 2}
    assert record["seed"] == 7
    assert record["outputs"] == {"letters": "10"}
    assert record["inputs"] == {
        str(text): {
            "bytes": text.stat().st_size,
            "sha256": hashlib.sha256(text.read_bytes()).hexdigest(),
        }
    }
    assert record["environment"]["python"].startswith("3.")
    assert record["seconds"] >= 0
    page = (folder / "report.html").read_text()
    assert hashlib.sha256(text.read_bytes()).hexdigest() in page
    assert "count.times" in page


def test_a_report_of_its_own_is_left_alone_and_a_stale_one_is_not(tmp_path: Path) -> None:
    text = tmp_path / "in.txt"
    text.write_text("x")
    folder = _run(tmp_path, f"count.text={text}", "count.times=9")
    assert (folder / "report.html").read_text() == "its own"
    _run(tmp_path, f"count.text={text}")
    assert "its own" not in (folder / "report.html").read_text()
