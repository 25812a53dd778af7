"""A real Azkaban 2.5.0 without root: assembled, configured, started, stopped.

Everything lies in ``<prefix>/azkaban``::

    settings.json      what was asked for: profile, database, host, address, ports, user
    admin.password     0600; with azkaban-users.xml the only places that hold the password
    lib/               the pinned jars and port-guard.jar
    conf/ sql/ web/ plugins/ projects/ executions/ h2/ logs/ temp/

There are two profiles: ``solo`` runs everything in one process, on its embedded H2 or on MySQL;
``server`` runs the web pages and the executor as two processes, on MySQL.
"""

from setup.azkaban.install import VERSION
from setup.azkaban.server import Server
from setup.azkaban.settings import Settings, Wanted

__all__ = ["VERSION", "Server", "Settings", "Wanted"]
