"""The agent in the server's process: output does not fill the disk, no failure becomes a kill."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from setup import java, maven

if TYPE_CHECKING:
    from tests.live.conftest import LiveAzkaban

TALKER = """
public class Talker {
    public static void main(String[] arguments) {
        for (int line = 0; line < 250000; line++) {
            System.out.println(line + " " + "x".repeat(100));
        }
        System.err.println("the end");
    }
}
"""
MOST = 10 << 20


def compile_(azkaban: LiveAzkaban, source: Path, folder: Path) -> None:
    """Compile a class that may use those of the server."""
    program = str(java.ensure(azkaban.layout).program)
    [compiler] = maven.fetch(maven.pinned("compiler"), azkaban.layout.cache, lambda _: None)
    jars = ":".join(map(str, (azkaban.server.home / "program/lib").glob("*.jar")))
    command = [program, "-jar", compiler, "-source", "1.8", "-target", "1.8", "-nowarn"]
    subprocess.run([*command, "-cp", jars, "-d", folder, source], check=True)


def test_what_is_printed_begins_a_new_file_when_it_is_full(
    azkaban: LiveAzkaban, tmp_path: Path
) -> None:
    program = str(java.ensure(azkaban.layout).program)
    (tmp_path / "Talker.java").write_text(TALKER)
    compile_(azkaban, tmp_path / "Talker.java", tmp_path)
    agent = azkaban.server.home / "program" / "agent"
    output = tmp_path / "talker.out"
    told = subprocess.run(
        [
            program,
            f"-javaagent:{agent / 'port-guard.jar'}=1=127.0.0.1",
            f"-Dportguard.output={output}",
            *("-cp", f"{agent}/*:{tmp_path}", "Talker"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == ""
    earlier = tmp_path / "talker.out.1"
    assert output.read_text().endswith("the end\n")
    assert output.stat().st_size <= MOST + 200
    assert MOST <= earlier.stat().st_size <= MOST + 200
    last, first = earlier.read_text().splitlines()[-1], output.read_text().splitlines()[0]
    assert int(first.split()[0]) == int(last.split()[0]) + 1, "no line is lost between the files"
    assert sorted(p.name for p in tmp_path.glob("talker.*")) == ["talker.out", "talker.out.1"]


def test_a_failure_whose_end_the_flow_handles_late_is_a_failure(
    azkaban: LiveAzkaban, tmp_path: Path
) -> None:
    """And its retries are made; the server alone takes it for a kill."""
    compile_(azkaban, Path(__file__).parent / "agent" / "TwoEnds.java", tmp_path)
    home = azkaban.server.home / "program"
    program = str(java.ensure(azkaban.layout).program)
    classes = f"{home}/agent/*:{home}/lib/*:{tmp_path}"
    rest = ["-Dlog4j.defaultInitOverride=true", "-cp", classes, "TwoEnds", str(tmp_path)]
    agent = f"-javaagent:{home / 'agent/port-guard.jar'}=1=127.0.0.1"
    told = {}
    for name, options in {"alone": [], "with the agent": [agent]}.items():
        command = [program, *options, *rest]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        told[name] = result.stdout.splitlines()
    assert told == {
        "alone": [
            "FAILED, 0 retries: KILLED",
            "FAILED, 1 retries: KILLED",
            "FAILED_SUCCEEDED, 0 retries: too early: last SUCCEEDED",
        ],
        "with the agent": [
            "FAILED, 0 retries: FAILED",
            "FAILED, 1 retries: fails last SUCCEEDED",
            "FAILED_SUCCEEDED, 0 retries: last SUCCEEDED",
        ],
    }
