"""The agent in the server's process: what is printed does not fill the disk."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from setup import java, maven

if TYPE_CHECKING:
    from pathlib import Path

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


def test_what_is_printed_begins_a_new_file_when_it_is_full(
    azkaban: LiveAzkaban, tmp_path: Path
) -> None:
    program = str(java.ensure(azkaban.layout).program)
    [compiler] = maven.fetch(maven.pinned("compiler"), azkaban.layout.cache, lambda _: None)
    (tmp_path / "Talker.java").write_text(TALKER)
    compile_it = [program, "-jar", str(compiler), "-source", "11", "-target", "11"]
    subprocess.run([*compile_it, "-d", ".", "Talker.java"], cwd=tmp_path, check=True)
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
