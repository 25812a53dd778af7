"""The client beside its peers and a bare HTTP loop, on one server, in one run.

    python benchmarks/client/run.py [--mtth PROGRAM] [--azkaban-cli PROGRAM] [--pykaban PROGRAM]

The server comes from the settings of azk (AZK_URL or AZK_CONFIG ...). PROGRAM is the command
of the peer (`azkaban`, or `pykaban`), each in an environment of its own:

    python -m venv mtth && mtth/bin/pip install azkaban==0.9.14
    python -m venv cli && cli/bin/pip install azkaban-cli==0.9.2
    python -m venv pykaban && pykaban/bin/pip install pykaban==0.7.0

Peers take the password on the command line: use a throw-away server on this machine.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from azkaban_client import Bundle, Client, LogLine, collect
from azkaban_client.config import load

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = "benchmark"
REPOSITORY = Path(__file__).parents[2]
PYTHON = [sys.executable, "-c"]
CONNECT = (
    "import sys; from azkaban_client import Client; "
    "url, user, password, address, path = sys.argv[1:]; "
    "client = Client(url, auth=(user, password), address=address or None); "
)
AZK = [sys.executable, "-c", "from azkaban_client.cli import main; main()"]
FILES = {
    "shared.properties": "lines=1000\n",
    "one.job": "type=command\ncommand=sleep 1\n",
    "two.job": "type=command\ncommand=echo done\ndependencies=one\n",
    "lines.job": "type=command\ncommand=bash lines.sh ${lines}\n",
    # numbered lines of one- to four-byte characters
    "lines.sh": 'i=0; while [ $i -lt $1 ]; do i=$((i+1)); echo "$i grün 中文 😀 <&>"; done\n',
}


def _children() -> float:
    """CPU seconds of the programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class CommandError(Exception):
    """A program has failed."""


class Bench:
    """One server, one project, and where the peers' programs are."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        settings = load({})
        if not (settings["url"] and settings["username"] and settings["password_file"]):
            sys.exit("no server: set AZK_CONFIG, or AZK_URL, AZK_USER and AZK_PASSWORD_FILE")
        self.url = str(settings["url"])
        self.user = str(settings["username"])
        self.password = Path(settings["password_file"]).read_text().split("\n")[0]
        self.address = settings["address"]
        host = self.url.split("//")[1].split(":")[0]
        # Peers cannot be told an address: give them the one that the client uses.
        self.peer_url = self.url.replace(host, self.address) if self.address else self.url
        self.mtth, self.cli, self.rounds = arguments.mtth, arguments.azkaban_cli, arguments.rounds
        self.pykaban = arguments.pykaban
        self.lines, self.follows = arguments.lines, arguments.follows
        self.folder = Path(tempfile.mkdtemp(prefix="azk-bench-"))
        bundle = Bundle({name: text.encode() for name, text in FILES.items()})
        self.archive = bundle.write(self.folder / "p.zip")
        self.sources = self.folder / "sources"
        self.sources.mkdir()
        for name, text in FILES.items():
            (self.sources / name).write_text(text, encoding="utf-8")
        with self.client() as client:
            if PROJECT not in {project.name for project in client.projects()}:
                client.create_project(PROJECT)
            client.upload(PROJECT, self.archive)

    def client(self) -> Client:
        """Connect as a user would."""
        return Client(self.url, auth=(self.user, self.password), address=self.address)

    # -- upload, run and follow -------------------------------------------------------------

    def bare(self, *, logs: bool = False) -> None:
        """Do it with plain requests, asking every 0.1 s; read each log once, when it is over."""
        with requests.Session() as http:
            form = {"action": "login", "username": self.user, "password": self.password}
            session = {"session.id": http.post(self.peer_url, data=form).json()["session.id"]}
            http.post(
                f"{self.peer_url}/manager",
                data={**session, "ajax": "upload", "project": PROJECT},
                files={"file": ("p.zip", self.archive.read_bytes(), "application/zip")},
            ).raise_for_status()
            query = {**session, "ajax": "executeFlow", "project": PROJECT, "flow": "two"}
            query["concurrentOption"] = "ignore"
            execid = http.get(f"{self.peer_url}/executor", params=query).json()["execid"]
            query = {**session, "ajax": "fetchexecflow", "execid": execid}
            while http.get(f"{self.peer_url}/executor", params=query).json()["status"] not in (
                "SUCCEEDED",
                "FAILED",
            ):
                time.sleep(0.1)
            query |= {"ajax": "fetchExecJobLogs", "offset": 0, "length": 10**6}
            for job in ("one", "two") if logs else ():
                query["jobId"] = job
                while not http.get(f"{self.peer_url}/executor", params=query).ok:
                    time.sleep(0.1)

    def library(self, *, logs: bool) -> int:
        """Do it with the library; give the number of requests."""
        with self.client() as client:
            client.upload(PROJECT, self.archive)
            execid = client.execute(PROJECT, "two", concurrency="concurrent")
            for event in client.follow(execid, logs=logs):
                last = event
            assert last.execution.succeeded
            return client.requests_made

    def azk(self) -> None:
        """Do it with two commands."""
        self.call([*AZK, "upload", PROJECT, str(self.archive)])
        self.call([*AZK, "run", PROJECT, "two", "--concurrency", "concurrent", "--follow"])

    def with_mtth(self) -> None:
        """Do it with three commands."""
        where = ["-u", f"{self.user}:{self.password}@{self.peer_url}", "-p", PROJECT]
        self.call([self.mtth, "upload", *where, str(self.archive)])
        said = self.call([self.mtth, "run", *where, "two"])
        found = re.search(r"executor\?execid=(\d+)", said)
        if found is None:
            raise CommandError(f"mtth azkaban run: no execution in {said!r}")
        self.call([self.mtth, "log", *where[:2], found[1]])

    def with_cli(self) -> None:
        """Upload and start with its commands; it cannot follow, so ask every 0.1 s for it."""
        self.call([self.cli, *self.cli_login(), "upload", "--project", PROJECT, str(self.sources)])
        self.call([self.cli, "execute", PROJECT, "two"])
        with self.client() as client:
            execid = client.history(PROJECT, "two", length=1).executions[0].execid
            while not client.execution(execid).finished:
                time.sleep(0.1)

    def cli_login(self) -> list[str]:
        """Log in with its command; others follow on the same line."""
        return ["login", "--host", self.peer_url, "--user", self.user, "--password", self.password]

    def call(self, command: list[str]) -> str:
        """Run a program to its end and give all that it printed."""
        environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CommandError(f"{command[0]}: {done.stdout}{done.stderr}".strip())
        return done.stdout + done.stderr

    def peak(self, command: list[str]) -> float:
        """Run a program and give the most memory that it had, in MB.

        A small process starts it: one that this one starts counts this one's memory as well.
        """
        code = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
            "print('\\npeak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        said = self.call([sys.executable, "-S", "-c", code, *command])
        return int(re.findall(r"^peak (\d+)$", said, re.MULTILINE)[-1]) / 1024

    def times(self) -> None:
        """Time the ways, one after the other in each round."""
        ways: dict[str, Callable[[], object]] = {
            "bare HTTP loop, 0.1 s": self.bare,
            "bare HTTP loop, then the logs": lambda: self.bare(logs=True),
            "azkaban_client, no logs": lambda: self.library(logs=False),
            "azkaban_client, all logs": lambda: self.library(logs=True),
            "azk upload; azk run --follow": self.azk,
        }
        if self.mtth:
            ways["mtth azkaban upload; run; log"] = self.with_mtth
        if self.cli:
            ways["azkaban-cli upload; execute (+ bare loop)"] = self.with_cli
        taken: dict[str, list[float]] = {name: [] for name in ways}
        words = dict.fromkeys(ways, "")
        for _ in range(self.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                try:
                    way()
                except CommandError as error:
                    words[name] = str(error).splitlines()[-1].split(": ", 1)[-1]
                    continue
                taken[name].append(time.perf_counter() - start)
        base = statistics.median(taken["bare HTTP loop, 0.1 s"])
        print(f"\n## Upload, run a two-job flow (1 s), follow it; median of {self.rounds}\n")
        print("| way | seconds | against the bare loop | failed |\n|---|---|---|---|")
        for name, values in taken.items():
            middle = statistics.median(values) if values else float("nan")
            failed = f"{self.rounds - len(values)} of {self.rounds} {words[name]}"
            print(f"| {name} | {middle:.2f} | {middle / base:.2f} | {failed.strip()} |")
        print(f"\nrequests of azkaban_client with all logs: {self.library(logs=True)}")

    # -- logs -------------------------------------------------------------------------------

    def exact_logs(self) -> None:
        """Follow a long log again and again; compare each line, and all bytes with `log`."""
        good, seconds, size, made = 0, 0.0, 0, 0
        expected = list(range(1, self.lines + 1))
        for _ in range(self.follows):
            with self.client() as client:
                start = time.perf_counter()
                execid = client.execute(PROJECT, "lines", properties={"lines": str(self.lines)})
                pieces = [
                    event.text + event.end
                    for event in client.follow(execid)
                    if isinstance(event, LogLine)
                ]
                seconds += time.perf_counter() - start
                made += client.requests_made
                seen = "".join(pieces)
                size = len(seen.encode())
                numbers = [int(n) for n in re.findall(r"INFO - (\d+) grün 中文 😀 <&>\n", seen)]
                good += numbers == expected and seen == "".join(client.log(execid, "lines"))
        print(f"\n## Follow {self.lines:,} lines of multi-byte text, {size / 1e6:.1f} MB\n")
        print(f"complete and byte-exact: {good} of {self.follows}")
        print(
            f"seconds each: {seconds / self.follows:.2f}; requests each: {made / self.follows:.0f}"
        )

    # -- start and memory -------------------------------------------------------------------

    def starts(self) -> None:
        """Time the start of each program."""
        programs = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "azk --help": [*AZK, "--help"],
        }
        for name, program in (
            ("mtth azkaban --help", self.mtth),
            ("azkaban-cli --help", self.cli),
            ("pykaban --help", self.pykaban),
        ):
            if program:
                programs[name] = [program, "--help"]
        wall: dict[str, list[float]] = {name: [] for name in programs}
        cpu: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(4 * self.rounds):
            for name, command in programs.items():
                start, used = time.perf_counter(), _children()
                self.call(command)
                wall[name].append((time.perf_counter() - start) * 1e3)
                cpu[name].append((_children() - used) * 1e3)
        print(f"\n## Start, {4 * self.rounds} times\n")
        print("| program | best ms | median ms | best CPU ms |\n|---|---|---|---|")
        for name in programs:
            middle = statistics.median(wall[name])
            print(f"| {name} | {min(wall[name]):.0f} | {middle:.0f} | {min(cpu[name]):.0f} |")

    def memory(self) -> None:
        """Upload 100 MB with each program and read the kernel's peak of its memory."""
        big = self.folder / "big"
        big.mkdir()
        (big / "a.job").write_text("type=noop\n")
        (big / "data.bin").write_bytes(os.urandom(100 << 20))
        archive = collect(big).write(self.folder / "big.zip")
        password = self.folder / "password"
        password.write_text(f"{self.password}\n")
        ways: dict[str, tuple[list[str], list[str]]] = {
            "azk upload": (
                [*AZK, "--password-file", str(password), "upload", PROJECT, str(archive)],
                [*AZK, "--version"],
            ),
            "azkaban_client": (
                [*PYTHON, f"{CONNECT}client.flows('benchmark'); client.upload('benchmark', path)"],
                [*PYTHON, f"{CONNECT}client.flows('benchmark')"],
            ),
        }
        library = [self.url, self.user, self.password, self.address or "", str(archive)]
        for arguments in ways["azkaban_client"]:
            arguments.extend(library)
        if self.mtth:
            where = ["-u", f"{self.user}:{self.password}@{self.peer_url}", "-p", PROJECT]
            ways["mtth azkaban upload"] = (
                [self.mtth, "upload", *where, str(archive)],
                [self.mtth, "--version"],
            )
        if self.cli:
            upload = ["upload", "--project", PROJECT, str(big)]
            ways["azkaban-cli upload"] = (
                [self.cli, *self.cli_login(), *upload],
                [self.cli, "--help"],
            )
        if self.pykaban:
            login = ["--server-url", self.peer_url, "--username", self.user]
            login += ["--password", self.password]
            ways["pykaban"] = (
                [self.pykaban, *login, "--project-path", str(big), "--project-name", PROJECT],
                [self.pykaban, "--help"],
            )
        print("\n## Upload of 100 MB\n")
        print("| way | peak MB | MB without the upload | difference |\n|---|---|---|---|")
        for name, (command, baseline) in ways.items():
            try:
                before, most = self.peak(baseline), self.peak(command)
            except CommandError as error:
                print(f"| {name} | failed: {str(error).splitlines()[-1]} | | |")
                continue
            print(f"| {name} | {most:.1f} | {before:.1f} | {most - before:.1f} |")
        with self.client() as client:
            client.upload(PROJECT, self.archive)


def _program(text: str) -> str:
    path = Path(text).absolute()  # it is called from another folder
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"{path} is no program: give the path of an installed one")
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mtth", type=_program, help="the program azkaban of mtth/azkaban")
    parser.add_argument("--azkaban-cli", type=_program, help="the program azkaban of azkaban-cli")
    parser.add_argument("--pykaban", type=_program, help="the program pykaban")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--follows", type=int, default=20)
    parts = ("times", "exact_logs", "starts", "memory")
    parser.add_argument("--only", choices=parts, action="append", help="a part; all by default")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    for part in arguments.only or parts:
        getattr(bench, part)()


if __name__ == "__main__":
    main()
