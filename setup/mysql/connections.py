"""Connect to a server, and report failures as errors of set-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        Of ``mysql.connector.connect``.

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
        "use_pure": True,
        **arguments,
    }
    try:
        return connector.connect(**options)
    except connector.Error as error:
        raise ServerError(f"MySQL does not answer: {error}") from error


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
