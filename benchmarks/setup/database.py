"""MySQL: set-up against a bare mysqld, backup against mysqldump, side by side in one run.

    python -m benchmarks.setup.database [--rounds 5] [--megabytes 1000] [--dump PATH_OF_MYSQLDUMP]

Without --dump, Debian's mariadb-client is downloaded with apt-get and unpacked, not installed.
Seconds are wall-clock seconds with the CPU seconds of this machine's children beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from setup.layout import Layout
from setup.mysql import Server, dump
from setup.mysql.restore import restore
from setup.mysql.server import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from setup.mysql.program import Build


@contextlib.contextmanager
def timed(results: dict[str, list[float]], name: str) -> Iterator[None]:
    start, before = time.perf_counter(), cpu()
    with contextlib.redirect_stderr(io.StringIO()):
        yield
    results.setdefault(name, []).append(time.perf_counter() - start)
    results.setdefault(name + " (CPU)", []).append(cpu() - before)


def cpu() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, who))


def memory(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def bare(program: Build, folder: Path, results: dict[str, list[float]]) -> None:
    """Do what one types by hand: mysqld --initialize, mysqld, wait for the socket."""
    data, log, socket = folder / "data", folder / "log.err", folder / "s"
    common = [str(program.mysqld), "--no-defaults", f"--datadir={data}", f"--log-error={log}"]
    common += [f"--lc-messages-dir={program.messages}", f"--basedir={program.mysqld.parent}"]
    common += [f"--secure-file-priv={folder}", f"--socket={socket}", "--skip-networking"]
    common += [f"--pid-file={folder / 'pid'}"]
    with timed(results, "bare init"):
        subprocess.run([*common, "--initialize"], env=program.environ, check=True)
    start = time.perf_counter()
    with subprocess.Popen(common, env=program.environ) as process:
        deadline = time.monotonic() + 60
        while (
            time.monotonic() < deadline
            and "ready for connections" not in log.read_text().rpartition("starting as")[2]
        ):
            time.sleep(0.02)
        results.setdefault("bare start", []).append(time.perf_counter() - start)
        results.setdefault("bare memory, MB", []).append(memory(process.pid))
        process.terminate()
    shutil.rmtree(folder)


def ours(template: Server, folder: Path, results: dict[str, list[float]]) -> None:
    from setup.mysql.program import ServerSource

    layout = Layout(folder, template.layout.cache)
    layout.create(0)
    server = Server(layout)
    base = template.settings.program
    (server.home).mkdir()
    (server.home / "lib").symlink_to(base.libraries)
    with timed(results, "setup init"):
        server.init(ServerSource("basedir", str(base.mysqld.parent)))
    with timed(results, "setup start"):
        server.start()
    process = server.process()
    assert process is not None
    results.setdefault("setup memory, MB", []).append(memory(process.pid))
    with timed(results, "setup stop"):
        server.stop()
    shutil.rmtree(folder)


def fill(server: Server, megabytes: int) -> None:
    """Half zips that do not compress in pieces of 10 MB, half logs that do in rows of 20 kB."""
    line = b"22-11-2026 18:00:00 UTC nn_train INFO - epoch %d of 20, loss 0.%d, it's fine\n"
    with server.connect("azkaban") as connection:
        cursor = connection.cursor()
        for number in range(megabytes // 20):
            piece = os.urandom(10_000_000)
            cursor.execute("INSERT INTO project_files VALUES (1, %s, 0, 1, %s)", (number, piece))
            log = b"".join(line % (n, n * n) for n in range(260))
            values = [(number, f"job{n}", n, log) for n in range(500)]
            cursor.executemany(
                "INSERT INTO execution_logs (exec_id, name, attempt, enc_type, start_byte, "
                "end_byte, log, upload_time) VALUES (%s, %s, %s, 0, 0, 0, %s, 0)",
                values,
            )


def size(server: Server) -> float:
    with server.connect() as connection:
        cursor = connection.cursor()
        one = rows(cursor, "SELECT SUM(LENGTH(file)) FROM azkaban.project_files")[0][0]
        two = rows(cursor, "SELECT SUM(LENGTH(log)) FROM azkaban.execution_logs")[0][0]
    return float(one + two) / 1e6


def debian_client(folder: Path) -> Path:
    subprocess.run(
        ["apt-get", "download", "-qq", "mariadb-client", "mariadb-client-core"],
        cwd=folder, check=True,
    )  # fmt: skip
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=folder, check=True)
    return folder / "usr/bin/mariadb-dump"


def dumps(server: Server, program: Path, folder: Path, results: dict[str, list[float]]) -> None:
    def run(command: list[str], **options: object) -> None:
        subprocess.run(command, check=True, **options)  # type: ignore[call-overload]

    login = f"--defaults-file={server.files.root_options}"
    theirs, own = folder / "theirs.sql.gz", folder / "own.sql.gz"
    with timed(results, "setup backup"):
        dump.backup(server, own)
    with timed(results, "mysqldump | gzip -1"):
        options = "--single-transaction --hex-blob --max-allowed-packet=1G --databases azkaban"
        text = f"'{program}' '{login}' {options} | gzip -1 > '{theirs}'"
        run(["bash", "-o", "pipefail", "-c", text])
    with timed(results, "setup restore"):
        restore(server, own, replace=True)
    client = program.with_name("mariadb")
    with timed(results, "gunzip | mysql"):
        text = f"gunzip < '{theirs}' | '{client}' '{login}' --max-allowed-packet=1G"
        run(["bash", "-o", "pipefail", "-c", text])
    for name, path in (("setup backup, MB", own), ("mysqldump, MB", theirs)):
        results.setdefault(name, []).append(path.stat().st_size / 1e6)
        with gzip.open(path) as file:
            assert file.readline().startswith((b"-- ", b"/*"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--dump", type=Path, help="mysqldump or mariadb-dump, client beside it")
    options = parser.parse_args()
    cache = os.environ.get("AZK_CACHE") or Path("~/.azkaban-jobflow/cache").expanduser()
    results: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=Path.home()) as text:
        folder = Path(text)
        layout = Layout(folder / "prefix", Path(cache))
        layout.create(0)
        server = Server(layout)
        server.init()
        rounds: list[Callable[[], None]] = [
            lambda: bare(server.settings.program, made(folder / "bare"), results),
            lambda: ours(server, folder / "ours", results),
        ]
        for number in range(options.rounds):
            for step in rounds if number % 2 else rounds[::-1]:
                step()
        server.start()
        try:
            fill(server, options.megabytes)
            megabytes = size(server)
            dumps(server, options.dump or debian_client(folder), folder, results)
            assert size(server) == megabytes
        finally:
            server.stop()
    print(f"{'':28} median    min    max   ({megabytes:.0f} MB of data)")
    for name, values in results.items():
        print(f"{name:28} {statistics.median(values):6.2f} {min(values):6.2f} {max(values):6.2f}")


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
