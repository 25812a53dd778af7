"""Jobs on a real server end with all that they started, whatever they do against it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Client, collect
from setup import java, maven
from tests.stubborn import KINDS, left, write
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.live.conftest import LiveAzkaban

# A flow runs ten jobs at once, so there are two. "no-keeper" fails at once, and then
# "left", which has ended when its flow is cancelled, too.
FLOWS = {
    "one": [*list(KINDS)[:6], "left"],
    "two": list(KINDS)[6:],
}


class Stubborn:
    """A project of stubborn jobs."""

    def __init__(self, live: LiveAzkaban, folder: Path) -> None:
        self.live, self.folder = live, folder
        self.word = f"live-{os.getpid()}"
        write(folder)
        script = folder / "session.sh"
        (folder / "left.sh").write_text(f"setsid sh {script} $1 $2 >/dev/null 2>&1 & exit 0\n")
        flows = folder / "flows"
        flows.mkdir()
        for flow, kinds in FLOWS.items():
            for kind in kinds:
                command = f"sh {folder}/{kind}.sh {self.word} {folder}/up-{kind}"
                (flows / f"{kind}.job").write_text(f"type=command\ncommand={command}\n")
            (flows / f"{flow}.job").write_text(f"type=noop\ndependencies={','.join(kinds)}\n")
        with self.client() as client:
            client.create_project("stubborn", "does not want to end")
            client.upload("stubborn", collect(flows).write(folder / "flows.zip"))

    def client(self) -> Client:
        live = self.live
        return Client(live.url, auth=(live.username, live.password), address=live.address)

    def execute(self, flow: str, kinds: Sequence[str]) -> int:
        """Start a flow and wait until its jobs are up."""
        up = [self.folder / f"up-{kind}" for kind in kinds]
        for path in up:
            path.unlink(missing_ok=True)
        others = [kind for kind in FLOWS[flow] if kind not in kinds]
        with self.client() as client:
            execid = client.execute("stubborn", flow, disabled=others)
        eventually(lambda: all(path.exists() for path in up), lambda: left(self.word), 60)
        return execid

    def cancel(self, execid: int) -> str:
        with self.client() as client:
            client.cancel(execid)
            return client.wait(execid, timeout=60).status.value

    def log(self, execid: int, job: str) -> str:
        with self.client() as client:
            return "".join(client.log(execid, job))

    def require_end(self) -> None:
        eventually(lambda: not left(self.word), lambda: left(self.word), 60)


@pytest.fixture(scope="module")
def stubborn(azkaban: LiveAzkaban, tmp_path_factory: pytest.TempPathFactory) -> Stubborn:
    return Stubborn(azkaban, tmp_path_factory.mktemp("stubborn"))


def test_a_cancelled_flow_ends_every_process_of_its_jobs(stubborn: Stubborn) -> None:
    with ThreadPoolExecutor() as pool:
        one, two = pool.map(lambda flow: stubborn.execute(flow, FLOWS[flow]), FLOWS)
        assert list(pool.map(stubborn.cancel, (one, two))) == ["KILLED", "KILLED"]
    stubborn.require_end()
    said = stubborn.log(one, "ignores")
    assert "azkaban-jobflow: ended by SIGKILL 5 s after SIGTERM: sh (pid " in said
    assert "azkaban-jobflow: ended by SIGTERM: sh (pid " in stubborn.log(two, "no-environment")


def test_stop_ends_the_programs_of_running_jobs(
    stubborn: Stubborn, capsys: pytest.CaptureFixture[str]
) -> None:
    stubborn.execute("two", ["no-environment", "stops-keeper", "forks"])
    stubborn.live.stop()
    try:
        assert left(stubborn.word) == []
        assert "stopping Azkaban: stopped; of its jobs ended by SIG" in capsys.readouterr().err
    finally:
        stubborn.live.start()


def test_jobs_end_when_their_server_dies_though_nobody_starts_another(stubborn: Stubborn) -> None:
    stubborn.execute("one", ["ignores", "daemon"])
    stubborn.live.kill()
    try:
        stubborn.require_end()
    finally:
        stubborn.live.start()


# Runs one job by Azkaban's own class, and ends it.
_KILL = """
import azkaban.jobExecutor.utils.process.AzkabanProcess;
import java.io.File;
import java.util.Arrays;
import java.util.HashMap;
import java.util.concurrent.TimeUnit;
import org.apache.log4j.ConsoleAppender;
import org.apache.log4j.Logger;
import org.apache.log4j.SimpleLayout;

public class Kill {
    public static void main(String[] words) throws Exception {
        Logger log = Logger.getLogger("job");
        log.addAppender(new ConsoleAppender(new SimpleLayout()));
        final AzkabanProcess process = new AzkabanProcess(
                Arrays.asList("sh", words[0], words[1], words[2]),
                new HashMap<String, String>(), "/", log);
        Thread runner = new Thread("JobRunner-job-7") {
            @Override
            public void run() {
                try {
                    process.run();
                } catch (Exception error) {
                    System.out.println("failed: " + error.getClass().getSimpleName());
                }
            }
        };
        runner.start();
        while (!new File(words[2]).exists()) {
            Thread.sleep(20);
        }
        process.awaitStartup();
        System.out.println("pid " + process.getProcessId());
        System.out.println("ended: " + process.softKill(1, TimeUnit.SECONDS));
        process.hardKill();
        runner.join();
    }
}
"""


@pytest.mark.parametrize("version", ["2.5.0", "3.58.0"])
def test_the_class_of_each_line_of_azkaban_ends_all(
    azkaban: LiveAzkaban, tmp_path: Path, version: str
) -> None:
    write(tmp_path)
    program = azkaban.layout.azkaban / "program"
    jars = list(program.glob("lib/*.jar"))
    if version != "2.5.0":
        jars = [*maven.fetch(maven.pinned("loader"), azkaban.layout.cache, print), *jars]
    compiler = maven.fetch(maven.pinned("compiler"), azkaban.layout.cache, print)[0]
    (tmp_path / "Kill.java").write_text(_KILL)
    classpath = ":".join(map(str, [tmp_path, *program.glob("agent/*.jar"), *jars]))
    build = ["-source", "1.8", "-target", "1.8", "-nowarn", "-cp", classpath]
    runtime = java.ensure(azkaban.layout).program
    subprocess.run([runtime, "-jar", compiler, *build, tmp_path / "Kill.java"], check=True)
    word = f"{version}-{os.getpid()}"
    said = subprocess.run(
        [
            runtime,
            f"-javaagent:{program / 'agent/port-guard.jar'}=1=127.0.0.1",
            f"-Djobs.home={tmp_path}",
            f"-Djobs.python={sys.executable}",
            f"-Djobs.keeper={program / 'agent/keeper.py'}",
            *("-cp", classpath, "Kill", tmp_path / "no-environment.sh", word, tmp_path / "up"),
        ],
        cwd=tmp_path,  # Azkaban's own settings of logs write into the current folder
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert left(word) == []
    assert "ended: true\n" in said
    assert "failed: ProcessFailureException\n" in said
    assert "azkaban-jobflow: ended by SIGTERM: sh (pid " in said
    assert not re.search(r"pid (0|-1)\n", said)
