"""What the server is told: `my.cnf`, how root gets in, accounts and tables."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup import limits
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from setup.mysql.program import Build

__all__ = ["Files", "client_options", "initial_sql", "server_options", "write"]

ADDRESS = "127.0.0.1"
DATABASE = "azkaban"
USER = "azkaban"
CHARACTERS = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
TABLES = CHECKOUT / "setup" / "azkaban" / "sql"
TABLES_VERSION = "2.5"

# The kernel's limit for the path of a socket (sun_path is 108 bytes with its closing zero).
SOCKET_BYTES = 107

MB = 1 << 20

# mysqld takes fewer by itself where this account may not open so many files.
MOST_CONNECTIONS = 1000


@dataclass(frozen=True)
class Files:
    """Every path of a server's folder `home`."""

    home: Path

    @property
    def data(self) -> Path:
        """The tables."""
        return self.home / "mysql_data"

    @property
    def old_data(self) -> Path:
        """The tables before a restore, until the server runs on the new ones."""
        return self.home / "mysql_data.old"

    @property
    def restore(self) -> Path:
        """The folder of a second server, into which a backup is loaded."""
        return self.home / "restore"

    @property
    def files(self) -> Path:
        """What a running server makes beside them."""
        return self.home / "mysql_files"

    @property
    def socket(self) -> Path:
        """Where root connects."""
        return self.files / "mysql.sock"

    @property
    def pid_file(self) -> Path:
        """The process id, written by mysqld itself."""
        return self.files / "mysqld.pid"

    @property
    def log(self) -> Path:
        """The error log."""
        return self.files / "mysqld.log"

    @property
    def output(self) -> Path:
        """What mysqld prints before it has a log: words of the dynamic loader."""
        return self.files / "mysqld.out"

    @property
    def options(self) -> Path:
        """Generated server options."""
        return self.home / "my.cnf"

    @property
    def own_options(self) -> Path:
        """The user's own options, read after the generated ones."""
        return self.home / "my.local.cnf"

    @property
    def root_options(self) -> Path:
        """Client options of root, password included."""
        return self.home / "root.cnf"

    @property
    def password(self) -> Path:
        """The password of Azkaban's account."""
        return self.home / "azkaban.password"

    @property
    def marker(self) -> Path:
        """Which version the data is of; a data folder without it is not complete, or not ours."""
        return self.marker_in(self.data)

    @staticmethod
    def marker_in(data: Path) -> Path:
        """Return where the marker is in a data folder."""
        return data / "azkaban-jobflow.json"

    @property
    def short_socket(self) -> str:
        """The socket's path, relative to `files` where the whole path is too long for a socket."""
        whole = str(self.socket)
        return whole if len(os.fsencode(whole)) <= SOCKET_BYTES else self.socket.name


def write(files: Files, program: Build, port: int) -> None:
    """Write ``my.cnf``, which only its owner can read."""
    write_private(files.options, server_options(files, program, port))


def server_options(files: Files, program: Build, port: int) -> str:
    """Write ``my.cnf``.

    Parameters
    ----------
    files
        The server's folder.
    program
        The server program, which knows some options only when built with OpenSSL.
    port
        TCP port on this machine's loopback.
    """
    socket = files.short_socket
    if "/" not in socket:  # mysqld works in its data folder
        socket = f"../{files.files.name}/{socket}"
    values: dict[str, object] = {
        "basedir": program.mysqld.parent,
        "lc-messages-dir": program.messages,
        "datadir": files.data,
        "tmpdir": files.files / "tmp",
        "socket": socket,
        "pid-file": files.pid_file,
        "log-error": files.log,
        # Connections: only from this machine, over TCP or the socket.
        "bind-address": ADDRESS,
        "port": port,
        "skip-name-resolve": 1,
        # Other accounts reach the port, too, and each idle connection of theirs takes a place until
        # it is cut off: room for many of them beside Azkaban's, and little time for each.
        "max-connections": MOST_CONNECTIONS,
        "connect-timeout": 5,
        **({"tls-version": "TLSv1.2"} if program.tls else {}),
        # Access: no files of this machine.
        "secure-file-priv": files.files / "exchange",
        "local-infile": 0,
        "symbolic-links": 0,
        "log-error-verbosity": 3,  # refused log-ins and broken connections too
        # Data: what does not fit is an error, what was committed is on the disk.
        "sql-mode": "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
        "NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION",
        "explicit-defaults-for-timestamp": 1,
        "character-set-server": "utf8mb4",
        "collation-server": "utf8mb4_bin",  # names differ in case, as in H2 and in files
        "innodb-flush-log-at-trx-commit": 1,
        # Sizes: a project's zip travels in pieces of up to 10 MB, a job's output in one piece, and
        # a backup writes them twice as long, in hexadecimal. Memory is taken only when needed.
        "max-allowed-packet": 1024 * MB,
        "innodb-log-file-size": 16 * MB,
        "innodb-buffer-pool-size": _buffer_pool(),
        "innodb-autoextend-increment": 8,
        "innodb-buffer-pool-dump-at-shutdown": 0,
        "performance-schema": 0,  # 140 MB of memory for statistics that nobody reads
    }
    lines = [
        "# Made at each start; your own options belong into my.local.cnf beside it.",
        "[mysqld]",
    ]
    lines += [f'{key} = "{value}"' for key, value in values.items()]
    if files.own_options.is_file():
        lines.append(f"!include {files.own_options}")
    return "\n".join(lines) + "\n"


def client_options(files: Files, password: str) -> str:
    """Write ``root.cnf``, with which any MySQL client gets in as root."""
    return (
        "# mysql --defaults-file=THIS_FILE (in the folder mysql_files, if the socket has no /)\n"
        "[client]\n"
        "user = root\n"
        f"password = {password}\n"
        f'socket = "{files.short_socket}"\n'
        "default-character-set = utf8mb4\n"
    )


def initial_sql(root_password: str, password: str) -> str:
    """Write what mysqld runs when it makes the data folder; one statement a line.

    Root gets a password before anybody can connect. Azkaban's account gets in from this machine
    alone and may read and change rows of its own database, nothing else.
    """
    account = f"'{USER}'@'{ADDRESS}'"
    statements = [
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{root_password}'",
        f"CREATE DATABASE `{DATABASE}` {CHARACTERS}",
        f"CREATE USER {account} IDENTIFIED BY '{password}'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{DATABASE}`.* TO {account}",
        f"USE `{DATABASE}`",
    ]
    for path in sorted(TABLES.glob("create.*.sql")):
        text = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
        statements += [_in_innodb(" ".join(p.split())) for p in text.split(";") if p.strip()]
        table = path.name.split(".")[1]
        statements.append(  # how Azkaban records the version of each table (type 1)
            "INSERT INTO properties (name, type, modified_time, value) VALUES "
            f"('{table}.version', 1, UNIX_TIMESTAMP() * 1000, '{TABLES_VERSION}')"
        )
    statements.sort(key=lambda text: text.startswith("INSERT"))  # when all tables are there
    return "".join(f"{statement};\n" for statement in statements)


def _in_innodb(statement: str) -> str:
    """Name the engine: while it makes its data folder, mysqld's default is MyISAM."""
    table = statement.upper().startswith("CREATE TABLE")
    return f"{statement} ENGINE=InnoDB ROW_FORMAT=DYNAMIC" if table else statement


def _buffer_pool() -> int:
    """Choose the memory for cached pages: a sixteenth of what this account may use."""
    return min(max(limits.memory() // 16, 64 * MB), 512 * MB) // MB * MB
