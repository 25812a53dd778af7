"""The agent: output and logs do not fill the disk, no failure becomes a kill, causes are said."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from setup import java, maven
from setup.azkaban.accept import own_properties

if TYPE_CHECKING:
    from collections.abc import Callable

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

LOGGER = """
import java.io.IOException;
import java.sql.SQLException;
import org.apache.log4j.Logger;
import org.apache.log4j.PatternLayout;

public class Talkative {
    public static void main(String[] arguments) throws Exception {
        JobLog log = new JobLog(new PatternLayout("%m%n"), arguments[0], true);
        log.setMaxBackupIndex(Integer.parseInt(arguments[1]));
        log.setMaxFileSize("100KB");
        Logger logger = Logger.getLogger("job");
        logger.addAppender(log);
        for (int line = 0; line < Integer.parseInt(arguments[2]); line++) {
            logger.info("line " + line + " with a g\u00fcte and some more words");
        }
        log.close();
        IOException file = new IOException("No space left on device");
        SQLException table = new SQLException("The table 'project_files' is full Query: secret");
        System.out.println(Causes.told("Error unzipping file.", file));
        System.out.println(Causes.told("Error chunking", new IOException("x", table)));
        System.out.println(Causes.told("Error chunking", new SQLException("Duplicate: secret")));
        System.out.println(Causes.told("Error unzipping file.", new IOException("bad entry")));
        System.out.println(Causes.told("Nothing more is known", null));
    }
}
"""


def compile_(azkaban: LiveAzkaban, source: Path, folder: Path) -> None:
    """Compile a class that may use those of the server and of the agent."""
    program = str(java.ensure(azkaban.layout).program)
    [compiler] = maven.fetch(maven.pinned("compiler"), azkaban.layout.cache, lambda _: None)
    home = azkaban.server.home / "program"
    jars = ":".join(map(str, [*home.glob("agent/*.jar"), *home.glob("lib/*.jar")]))
    command = [program, "-jar", compiler, "-source", "1.8", "-target", "1.8", "-nowarn"]
    subprocess.run([*command, "-cp", jars, "-d", folder, source], check=True)


def printed(command: list[str], folder: Path) -> list[str]:
    """Run a command in a folder, for Azkaban's own settings of logs write into the current one."""
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, timeout=300
    )
    return result.stdout.splitlines()


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
        told[name] = printed(command, tmp_path)
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


def test_an_interrupt_does_not_close_the_embedded_database(
    azkaban: LiveAzkaban, tmp_path: Path
) -> None:
    """As it does that of 3.x and 4.0, whose flows are interrupted whenever a job ends."""
    compile_(azkaban, Path(__file__).parent / "agent" / "Interrupts.java", tmp_path)
    loader = [jar for jar in maven.pinned("loader") if ":h2:" in jar.coordinate]
    [newer] = maven.fetch(loader, azkaban.layout.cache, lambda _: None)
    [stock] = (azkaban.server.home / "program" / "lib").glob("h2-*.jar")
    agent = azkaban.server.home / "program" / "agent"
    guarded = [f"-javaagent:{agent / 'port-guard.jar'}=1=127.0.0.1"]
    program = str(java.ensure(azkaban.layout).program)
    told = []
    for number, (h2, options) in enumerate([(newer, []), (newer, guarded), (stock, guarded)]):
        (tmp_path / str(number)).mkdir()
        classes = f"{h2}:{agent}/*:{tmp_path}"
        command = [program, *options, "-cp", classes, "Interrupts", str(tmp_path / str(number))]
        told.append(printed(command, tmp_path))
    assert told == [["error 50000"], ["rows 20"], ["rows 20"]]


def test_what_is_written_meanwhile_can_be_read_from_the_embedded_database(
    azkaban: LiveAzkaban, tmp_path: Path
) -> None:
    """By itself H2 loses it, and the server says that it cannot find the execution."""
    compile_(azkaban, Path(__file__).parent / "agent" / "Readers.java", tmp_path)
    [h2] = (azkaban.server.home / "program" / "lib").glob("h2-*.jar")
    program = str(java.ensure(azkaban.layout).program)
    path = own_properties(azkaban.server.home / "conf/azkaban/azkaban.properties")["h2.path"]
    assert path.startswith(f"{azkaban.server.home}/h2/azkaban;")
    settings = path.partition(";")[2]
    told = [
        printed([program, "-cp", f"{h2}:{tmp_path}", "Readers", f"{tmp_path / name}"], tmp_path)
        for name in ("stock", f"ours;{settings}")
    ]
    assert [line.split()[0] for line in told[0]] == ["failed"]
    assert told[0] != ["failed 0"]
    assert told[1] == ["failed 0"]


def test_an_acceptor_does_not_end_while_its_connector_starts(
    azkaban: LiveAzkaban, tmp_path: Path
) -> None:
    """As it does by chance in Jetty 6: the server has started, and serves nobody."""
    compile_(azkaban, Path(__file__).parent / "agent" / "Starts.java", tmp_path)
    home = azkaban.server.home / "program"
    program = str(java.ensure(azkaban.layout).program)
    command = [program, "-cp", f"{home}/agent/*:{home}/lib/*:{tmp_path}", "Starts"]
    assert printed(command, tmp_path)[-1] == "lost 0"


@pytest.mark.parametrize(("kept", "lines"), [(3, 15_000), (0, 10_000), (20, 30_000), (3, 9_000)])
def test_a_long_log_keeps_its_ends_and_says_what_is_left_out(
    azkaban: LiveAzkaban, talkative: Callable[..., str], tmp_path: Path, kept: int, lines: int
) -> None:
    log = tmp_path / "job.log"
    talkative(log, kept, lines)
    files = sorted(tmp_path.glob("job.log*"), reverse=True)  # as Azkaban stores them
    assert sum(path.stat().st_size for path in files) < 100_500 * (2 + max(1, min(kept, 9)))
    text = "".join(path.read_text() for path in files)
    whole = "".join(
        f"line {number} with a g\u00fcte and some more words\n" for number in range(lines)
    )
    first, mark, last = text.partition("[... ")
    left_out, _, last = last.partition(" bytes of this log are left out here")
    last = last.partition("...]\n")[2]
    if lines == 9_000:
        assert (text, mark) == (whole, "")
        return
    assert whole.startswith(first)
    assert whole.endswith(last)
    assert 90_000 < len(first) < len(last) + 100_000
    assert len(whole.encode()) - len((first + last).encode()) == int(left_out)


def test_a_full_disk_is_named(talkative: Callable[..., str]) -> None:
    told = talkative("/dev/full", 3, 5).splitlines()
    full = "The server's disk is full: "
    assert told[-5:] == [
        f"{full}Error unzipping file. (No space left on device)",
        f"{full}Error chunking (The table 'project_files' is full)",
        "Error chunking",
        "Error unzipping file. (bad entry)",
        "Nothing more is known",
    ]
    assert sum("/dev/full: " in line for line in told) == 1


@pytest.fixture(scope="module")
def talkative(azkaban: LiveAzkaban, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Write a log as the executor does, and return what is printed."""
    folder = tmp_path_factory.mktemp("talkative")
    home = azkaban.server.home / "program"
    uses = f"{home}/agent/*:{home}/lib/*"
    program = str(java.ensure(azkaban.layout).program)
    (folder / "Talkative.java").write_text(LOGGER)
    compile_(azkaban, folder / "Talkative.java", folder)

    def run(*arguments: object) -> str:
        command = [program, "-Dfile.encoding=UTF-8", "-cp", f"{uses}:{folder}", "Talkative"]
        return subprocess.run(
            [*command, *map(str, arguments)],
            cwd=folder,  # the log files of Azkaban's own settings are made here
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout

    return run
