"""Restore a backup completely, or change nothing, whatever is killed meanwhile.

The backup is loaded into a second server with a data folder of its own, ``restore`` below the
first one's. When it is complete and shut down, the first server is stopped and the folders are
renamed: ``mysql_data`` to ``mysql_data.old``, the new one to ``mysql_data``. If a process is
killed on the way, `Server.undo_restore`, which each start calls, sees from the names which folder
is complete. MySQL 5.7's own ``RENAME TABLE`` would not be enough: it moves files one by one, and a
crash can leave some in each place.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from azkaban_client.files import alone, write_private
from setup.errors import ServerError, UsageError
from setup.life.process import free_port
from setup.messages import step
from setup.mysql import config, dump
from setup.mysql.server import Server, rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["exchanged", "restore"]

# The second server need not wait for the disk until it is complete: see `_sync`.
_UNSAFE = """\
[mysqld]
innodb-flush-method = nosync
innodb-flush-log-at-trx-commit = 0
innodb-doublewrite = 0
sync-frm = 0
"""


def restore(server: Server, path: Path, *, replace: bool = False) -> None:
    """Put a server into the state that a backup holds.

    Existing accounts keep their passwords. The server answers until everything is loaded; then it
    is restarted on the new data.

    Parameters
    ----------
    server
        Must run; its MySQL may be newer than that of the backup.
    path
        What `setup.mysql.dump.backup` wrote.
    replace
        Replace databases that hold rows.

    Raises
    ------
    UsageError
        When the file is not a complete backup, rows would be lost and `replace` is not set, or
        another restore is running.
    ServerError
        When a statement fails, or the server does not start on the new data; the old data is
        restored then.
    """
    server.require_running()
    with step("restore") as shown:
        shown.update("checking the file")
        databases, what = dump.verify(path)

        def load(cursor: Any, update: Callable[[str], None]) -> None:
            for database in databases:
                cursor.execute(f"DROP DATABASE IF EXISTS {dump.quoted(database)}")
            _load(cursor, path, update)

        exchanged(server, load, shown.update, replace=replace)
        shown.done(f"{what} in {', '.join(databases)}")


def exchanged(
    server: Server,
    load: Callable[[Any, Callable[[str], None]], None],
    update: Callable[[str], None],
    *,
    replace: bool,
) -> None:
    """Load data into a second server, and replace the first one's when it is complete.

    Parameters
    ----------
    server
        Must run.
    load
        Called with a cursor of the second server, and a function that shows the progress.
    update
        Called with the progress.
    replace
        Replace databases that hold rows.

    Raises
    ------
    UsageError
        When rows would be lost and `replace` is not set, or another restore works.
    ServerError
        When the server does not come up on the new data; the old data is in place then.
    """
    with alone(server.restore_lock) as free:
        if not free:
            raise UsageError(f"another restore works on {server.home}; wait for its end")
        with server.connect() as connection:
            cursor = connection.cursor()
            if not replace and (table := _used(cursor)):
                raise UsageError(
                    f"the table {table} has rows, which would be lost; nothing was "
                    "changed. Add --replace if they may go (make a backup first)"
                )
            accounts = list(dump.accounts(cursor))
        server.clear_restore()
        second = _second(server)
        try:
            update("a second server for the new data")
            second.ensure()
            with second.connect() as connection:
                cursor = connection.cursor()
                for account in accounts:  # those that exist come first and so stay as they are
                    cursor.execute(account)
                load(cursor, update)
            second.stop()
            _sync(second.files.data)
            update("putting the new data in place")
            server.exchange(second.files.data)
        finally:
            second.wipe()


def _second(server: Server) -> Server:
    """Make a second server with the same program, accounts and passwords."""
    second = Server(server.layout, server.files.restore)
    second.home.mkdir(mode=0o700)
    program = server.settings.program
    type(server.settings)(free_port(config.ADDRESS, 0), program).write(second.settings_file)
    write_private(second.files.password, server.files.password.read_text(encoding="utf-8"))
    options = config.client_options(second.files, server.root_password())
    write_private(second.files.root_options, options)
    own = server.files.own_options  # some decide how the data is written
    text = own.read_text(encoding="utf-8") if own.is_file() else ""
    write_private(second.files.own_options, f"{text}\n{_UNSAFE}")
    return second


def _sync(folder: Path) -> None:
    """Write every file of a folder to the disk (fsync)."""
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _used(cursor: Any) -> str:
    """Name a table that has rows; the versions of Azkaban's tables, made at init, do not count."""
    databases = [name for (name,) in rows(cursor, "SHOW DATABASES") if name not in dump.SYSTEM]
    listing = (
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = %s AND table_type = 'BASE TABLE'"
    )
    found = [(name, table) for name in databases for (table,) in rows(cursor, listing, (name,))]
    for database, table in found:
        where = f"{dump.quoted(database)}.{dump.quoted(table)}"
        if table != "properties" and rows(cursor, f"SELECT 1 FROM {where} LIMIT 1"):
            return f"{database}.{table}"
    return ""


def _load(cursor: Any, path: Path, update: Callable[[str], None]) -> None:
    """Run the statements of a backup."""
    import mysql.connector

    for number, statement in dump.statements(path):
        update(f"line {number}")
        try:
            cursor.execute(statement)
        except mysql.connector.Error as error:
            start = statement[:60].decode(errors="replace")
            raise ServerError(
                f"{path}, line {number} ({start}...): {error}; nothing was changed"
            ) from error
