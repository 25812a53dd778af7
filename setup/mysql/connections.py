"""Connect to a server, and report failures as errors of set-up.

The socket lies in a folder of this account alone, so whoever answers there is the server. The port
can be another account's while the server is down, and the driver would send that account whatever
it asks for, the password included: there, the owner is looked at first.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from azkaban_client import owners
from setup.errors import ServerError
from setup.mysql import driver

if TYPE_CHECKING:
    from setup.layout import Layout

__all__ = ["ask", "connect", "rows"]


def connect(layout: Layout, **arguments: Any) -> Any:
    """Connect to a server.

    Parameters
    ----------
    layout
        Whose environment holds the driver.
    arguments
        Arguments of ``mysql.connector.connect``.

    Raises
    ------
    ServerError
        When it does not answer.
    """
    connector = driver.load(layout)
    options = {
        "charset": "utf8mb4",
        "collation": "utf8mb4_bin",
        "connection_timeout": 10,
        "autocommit": True,
        **arguments,
    }
    try:
        return _checked()(**options)
    except connector.Error as error:
        raise ServerError(f"MySQL does not answer: {error}") from error


def _checked() -> Any:
    """Make the class of connections that are refused before a word is said to a stranger."""
    from mysql.connector.connection import MySQLConnection
    from mysql.connector.errors import InterfaceError

    class Checked(MySQLConnection):  # type: ignore[misc, unused-ignore]
        def _get_connection(self) -> Any:
            found: Any = super()._get_connection()
            opened = found.open_connection

            def open_connection() -> None:
                opened()
                if found.sock.family != socket.AF_UNIX and (said := owners.refusal(found.sock)):
                    found.close_connection()
                    raise InterfaceError(said)

            found.open_connection = open_connection
            return found

    return Checked


def ask(layout: Layout, statement: str, **arguments: Any) -> None:
    """Connect and run one statement; any failure is a `ServerError`."""
    connection = connect(layout, **arguments)
    try:
        rows(connection.cursor(), statement)
    except driver.load(layout).Error as error:
        raise ServerError(f"MySQL refuses: {error}") from error
    finally:
        connection.close()


def rows(cursor: Any, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """Run a statement and return all its rows."""
    cursor.execute(statement, values)
    return list(cursor.fetchall())
