"""A real Azkaban without root: assembled, configured, started, stopped, upgraded.

Everything is in ``<prefix>/azkaban``::

    settings.json      what was asked for: profile, database, host, address, ports, user
    admin.password     0600; the only place that holds the password of set-up's account
    program/           what runs: stock 2.5.0, or the user's own 3.x or 4.x (see program.py)
    conf/              a folder for each process, written before each start; local.properties
                       in it is the user's own and takes precedence
    start stop status use    scripts that work without the checkout
    plugins/ projects/ executions/ h2/ logs/ temp/ backups/

There are two profiles: ``solo`` runs everything in one process, on its embedded H2 or on MySQL;
``server`` runs the web pages and the executors as separate processes, on MySQL.
"""

from setup.azkaban.server import Server
from setup.azkaban.settings import Mail, Settings, Wanted

__all__ = ["Mail", "Server", "Settings", "Wanted"]
