"""The server's settings files, made anew before each start; only the users' file is kept."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from setup.layout import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from setup.azkaban.settings import Settings
    from setup.layout import Layout
    from setup.mysql import Connection
    from setup.tls.certificates import Keystore

__all__ = ["password_file", "write"]


def password_file(layout: Layout) -> Path:
    """Tell where the administrator's password stands."""
    return layout.azkaban / "admin.password"


def write(
    layout: Layout,
    settings: Settings,
    python: Path,
    *,
    mysql: Connection | None = None,
    keystore: Keystore | None = None,
) -> None:
    """Write every file that the server, its jobs and `azk` read.

    Parameters
    ----------
    layout
        Where they go.
    settings
        What the server is.
    python
        The interpreter of jobs.
    mysql
        Its database, unless that is the embedded one.
    keystore
        Its certificate, where the pages are served over TLS.
    """
    home = layout.azkaban
    conf = home / "conf"
    secret = password_file(layout)
    if not secret.is_file():
        write_private(secret, secrets.token_urlsafe(18) + "\n")
    _write_users(conf / "azkaban-users.xml", settings.user, secret.read_text().strip())
    server = {**_server(home, settings), **_database(home, mysql), **_jetty(settings, keystore)}
    _write_properties(conf / "azkaban.properties", server)
    _write_properties(conf / "global.properties", _jobs(layout, python))
    for part in settings.parts:
        _write_properties(conf / f"log4j-{part.name}.properties", _log(home, part.name))
    client = {
        "url": settings.url,
        "address": settings.address,
        "username": settings.user,
        "password_file": str(secret),  # the password itself stays in its own file
        "runs": str(layout.runs),
        **({"ca_cert": str(keystore.ca)} if keystore else {}),
    }
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in client.items())
    write_private(layout.client_config, text)


def _write_users(path: Path, user: str, password: str) -> None:
    """Write the users once; later the file is the user's to edit."""
    if not path.exists():
        write_private(
            path,
            "<azkaban-users>\n"
            f"  <user username={quoteattr(user)} password={quoteattr(password)} "
            'roles="admin"/>\n'
            '  <role name="admin" permissions="ADMIN"/>\n'
            "</azkaban-users>\n",
        )


def _server(home: Path, settings: Settings) -> dict[str, object]:
    return {
        "azkaban.name": "Azkaban",
        "azkaban.label": "azkaban-jobflow",
        "azkaban.color": "#1b86c9",
        "azkaban.default.servlet.path": "/js/console/index.html",  # see setup/web.py
        "default.timezone.id": _timezone(),
        "web.resource.dir": home / "web",
        "viewer.plugin.dir": home / "plugins/viewer",
        "trigger.plugin.dir": home / "plugins/triggers",
        "alerter.plugin.dir": home / "plugins/alerter",
        "user.manager.class": "azkaban.user.XmlUserManager",
        "user.manager.xml.file": home / "conf/azkaban-users.xml",
        "executor.global.properties": home / "conf/global.properties",
        "azkaban.jobtype.plugin.dir": home / "plugins/jobtypes",
        "azkaban.project.dir": home / "projects",
        "azkaban.execution.dir": home / "executions",
        "azkaban.temp.dir": home / "temp",
        "project.temp.dir": home / "temp",
        "executor.host": settings.executor_address,
        "executor.port": settings.executor_port,
        "executor.maxThreads": 50,
        "executor.flow.threads": 30,
    }


def _database(home: Path, mysql: Connection | None) -> dict[str, object]:
    if mysql is None:
        return {
            "database.type": "h2",
            "h2.path": home / "h2/azkaban",
            "h2.create.tables": "true",
            "database.sql.scripts.dir": home / "sql",
            "database.check.version": "true",
            "database.auto.update.tables": "true",
        }
    return {
        "database.type": "mysql",
        "mysql.host": mysql.host,
        "mysql.port": mysql.port,
        "mysql.database": mysql.database,
        "mysql.user": mysql.user,
        "mysql.password": mysql.password_file.read_text().strip(),
        "mysql.numconnections": 50,
        # Set-up makes the tables: Azkaban's account may not.
        "database.sql.scripts.dir": home / "sql",
        "database.check.version": "false",
        "database.auto.update.tables": "false",
    }


def _jetty(settings: Settings, keystore: Keystore | None) -> dict[str, object]:
    common: dict[str, object] = {"jetty.hostname": settings.host, "jetty.maxThreads": 25}
    if keystore is None:
        return {**common, "jetty.use.ssl": "false", "jetty.port": settings.port}
    return {
        **common,
        "jetty.use.ssl": "true",
        "jetty.ssl.port": settings.port,
        "jetty.keystore": keystore.path,
        "jetty.password": keystore.password,
        "jetty.keypassword": keystore.password,
        "jetty.truststore": keystore.path,
        "jetty.trustpassword": keystore.password,
    }


def _jobs(layout: Layout, python: Path) -> dict[str, object]:
    """Global properties of every job."""
    return {
        "python": python,
        "output.dir": layout.runs,
        "env.OPENBLAS_NUM_THREADS": 1,  # jobs run side by side; threads would fight
        "env.PYTHONDONTWRITEBYTECODE": 1,
        "env.MPLCONFIGDIR": layout.cache / "matplotlib",
    }


def _log(home: Path, part: str) -> dict[str, object]:
    return {
        "log4j.rootLogger": "INFO, file",
        "log4j.appender.file": "org.apache.log4j.RollingFileAppender",
        "log4j.appender.file.File": home / f"logs/{part}.log",
        "log4j.appender.file.MaxFileSize": "10MB",
        "log4j.appender.file.MaxBackupIndex": 5,
        "log4j.appender.file.layout": "org.apache.log4j.PatternLayout",
        "log4j.appender.file.layout.ConversionPattern": "%d{ISO8601} %p [%c{1}] %m%n",
    }


def _timezone() -> str:
    """Name this machine's time zone as Java knows it."""
    if os.environ.get("TZ", "").replace("/", "").replace("_", "").isalpha():
        return os.environ["TZ"]
    parts = Path("/etc/localtime").resolve().as_posix().partition("/zoneinfo/")
    return parts[2] or "UTC"


def _write_properties(path: Path, values: Mapping[str, object]) -> None:
    import javaproperties  # noqa: PLC0415 (in the environment only)

    text = {key: str(value) for key, value in values.items()}
    write_private(path, javaproperties.dumps(text, timestamp=None))
