"""Run in a file system that is nearly full: write until it is, make room, count what survived."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import mysql.connector

from setup.errors import SetupError
from setup.layout import Layout
from setup.mysql import Server


def main(saved: Path, place: Path, prefix: Path) -> None:
    """Copy a server into `place`, fill the disk by committed rows, recover, print the counts."""
    shutil.copytree(saved, place, dirs_exist_ok=True)
    server = Server(Layout.of(str(prefix)))
    ballast = place / "ballast"
    ballast.write_bytes(bytes(20 << 20))
    server.start()
    process = server.process()
    assert process is not None
    acknowledged, error = 0, ""
    try:
        with server.connect("azkaban") as connection:
            cursor = connection.cursor()
            for number in range(400):
                cursor.execute(
                    "INSERT INTO project_files VALUES (1, 1, %s, 1, %s)",
                    (number, os.urandom(1 << 20)),
                )
                acknowledged += 1
    except mysql.connector.Error as caught:
        error = str(caught)
    process.stop(patience=0.0)  # it may hang, waiting for room
    refused = ""
    try:
        server.start()
    except SetupError as caught:
        refused = str(caught)
    ballast.unlink()
    from setup.mysql import server as module

    module.START_BYTES = 0  # the file system of this test is small on purpose
    server.start()
    with server.connect("azkaban") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT COUNT(*) FROM project_files")
        found = cursor.fetchone()[0]
    server.stop()
    result = {"acknowledged": acknowledged, "error": error, "refused": refused, "found": found}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
