"""A store that speaks S3, on loopback: moto's server, in an environment of its own."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from setup import maven
from setup.life.process import Process, free_port
from setup.python import pip
from setup.python.installer import Installer
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setup.layout import Layout

LOCK = Path(__file__).with_name("s3.txt")
BUCKET = "texts"
# What a client shows: this store takes any.
KEYS = {"AWS_ACCESS_KEY_ID": "of-a-test", "AWS_SECRET_ACCESS_KEY": "never-on-a-command-line"}

_PUT = """\
import sys, boto3
from pathlib import Path
url, bucket, folder = sys.argv[1:]
client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
client.create_bucket(Bucket=bucket)
for path in Path(folder).rglob("*"):
    if path.is_file():
        client.upload_file(str(path), bucket, str(path.relative_to(folder)))
"""


@dataclass(frozen=True)
class Store:
    """Where it answers, its Python, and what Spark needs to speak to it."""

    url: str
    python: Path
    jars: list[Path]

    @property
    def options(self) -> list[str]:
        """Those of spark-submit."""
        settings = {
            "endpoint": self.url,
            "endpoint.region": "us-east-1",
            "path.style.access": "true",
            "attempts.maximum": "3",
        }
        words = [f"--conf=spark.hadoop.fs.s3a.{name}={value}" for name, value in settings.items()]
        return ["--jars", ",".join(map(str, self.jars)), *words]

    def put(self, folder: Path) -> str:
        """Copy the files of a folder; return their URL."""
        words = [str(self.python), "-c", _PUT, self.url, BUCKET, str(folder)]
        done = subprocess.run(
            words, env=KEYS, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return f"s3a://{BUCKET}"


@contextmanager
def running(layout: Layout, folder: Path) -> Iterator[Store]:
    """Install and run it while the block runs."""
    env, port = folder / "env", free_port("127.0.0.1", 0)
    python = env / "bin" / "python"
    pip.make_environment(env)
    with Installer(layout) as installer:
        installer.install(LOCK, python)
    jars = maven.fetch(maven.pinned("s3a"), layout.cache, lambda _: None)
    found = Store(f"http://127.0.0.1:{port}", python, jars)
    process = Process.start(
        [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        folder=folder, log=folder / "store.log", environ={},
    )  # fmt: skip
    try:
        empty = folder / "empty"
        empty.mkdir()
        eventually(lambda: _answers(found, empty), "the store does not answer", 120)
        yield found
    finally:
        process.stop()


def _answers(store: Store, empty: Path) -> bool:
    try:
        return bool(store.put(empty))
    except AssertionError:
        return False
