"""Run in a small file system: fill it under a server, and print what the server says of it."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client import Bundle, Client
from azkaban_client.errors import AzkabanError
from tests.live.conftest import LiveAzkaban

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TALK = """
words=$(head -c 3000 /dev/zero | tr '\\0' x)
while [ ! -e {go} ]; do echo some more words $words; sleep 0.05; done; echo the end
"""


def main(place: Path) -> None:
    """Start a server, use it while the disk is full and afterwards, and print what it said."""
    live = LiveAzkaban(place / "p")
    told: dict[str, Any] = {}
    try:
        with Client(
            live.url, auth=(live.username, live.password), address=live.address, timeout=60.0
        ) as client:
            use(client, place, told)
    finally:
        live.stop()
    print(json.dumps(told))


def use(client: Client, place: Path, told: dict[str, Any]) -> None:
    go = place / "go"
    script = TALK.format(go=go).encode()
    files: dict[str, bytes] = {"talk.job": b"type=command\ncommand=sh talk.sh\n", "talk.sh": script}
    small = Bundle(files).write(place / "small.zip")
    large = Bundle({**files, "ballast": os.urandom(3 << 20)}).write(place / "large.zip")
    for name in ("full", "other"):
        client.create_project(name)
        client.upload(name, small)
    execid = client.execute("full", "talk")
    while "more words" not in "".join(client.log(execid, "talk")):
        time.sleep(0.1)
    with filled(place):
        told["upload"] = said(lambda: client.upload("full", large))
        told["start"] = said(lambda: client.execute("other", "talk"))
        time.sleep(0.5)  # lines of the job that cannot be written
        told["made"], told["refused"] = made(client)
    go.touch()
    told["status"] = str(client.wait(execid, timeout=300).status)
    told["log"] = "".join(client.log(execid, "talk"))
    told["version"] = client.upload("full", large).version
    names = {project.name for project in client.projects()}
    told["kept"] = sum(f"made{number}" in names for number in range(told["made"]))
    again = client.execute("full", "talk")
    told["again"] = str(client.wait(again, timeout=300).status)


def made(client: Client) -> tuple[int, str]:
    """Make projects until the database's file takes no more; return how many, and what was said."""
    for number in range(1000):
        answer = said(lambda name=f"made{number}": client.create_project(name))
        if not answer.startswith("no error"):
            return number, answer
    return number, "no error"


def said(deed: Callable[[], object]) -> str:
    """Return the words of an error."""
    try:
        return f"no error: {deed()}"
    except AzkabanError as error:
        return error.message


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Leave no room on a disk."""
    path = place / "ballast"
    with path.open("wb", buffering=0) as stream:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue
    yield
    path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
