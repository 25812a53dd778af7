"""Install, run and back up a private MySQL 5.7 server without root.

`Server` is the entry point; everything is in ``<prefix>/mysql``::

    program/ lib/        the server program and shared libraries that the system lacks
    mysql_data/          the tables
    mysql_files/         socket, pid file, log, temporary files, and `exchange` (secure-file-priv)
    my.cnf               generated at each start; `my.local.cnf` is the user's own, read after it
    root.cnf             0600: how root gets in, by the socket alone
    azkaban.password     0600: the password of the account that Azkaban uses
    start stop status use    scripts that work without the checkout
    backups/
"""

from setup.mysql.server import Connection, Server

__all__ = ["Connection", "Server"]
