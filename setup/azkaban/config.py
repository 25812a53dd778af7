"""Write the server's settings files before each start; only the users file is kept."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.schedules.book import Book
from setup.azkaban import capacity, timezone
from setup.azkaban.accept import own_properties
from setup.azkaban.passwords import generated, hashed
from setup.azkaban.users import Users, first
from setup.life import service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from setup.azkaban.program import Program
    from setup.azkaban.settings import Part, Settings
    from setup.layout import Layout
    from setup.mysql import Connection
    from setup.tls.certificates import Keystore

__all__ = ["conf_folder", "mail_password_file", "password_file", "server_values", "write"]

_USERS = "Users"  # Users.java, which reads what Azkaban's XmlUserManager reads
_IN_ROW = 2**20  # bytes; the state of a flow of thousands of jobs has less
_LOCK_SECONDS = 60  # that an operation on H2 waits for others

# plugins/jobtypes must exist, else global properties never reach jobs; plugins/triggers must not
# exist while it is empty, otherwise no page renders.
_FOLDERS = (
    *("conf", "projects", "executions", "logs", "temp", "h2"),
    "plugins/jobtypes",
)


def password_file(layout: Layout) -> Path:
    """Return the file that holds the administrator's password."""
    return layout.azkaban / "admin.password"


def write(
    layout: Layout,
    settings: Settings,
    program: Program,
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
    program
        What runs.
    python
        The interpreter of jobs.
    mysql
        Its database, unless that is the embedded one.
    keystore
        Its certificate, if the pages are served over TLS.
    """
    home = layout.azkaban
    conf = home / "conf"
    for name in _FOLDERS:
        (home / name).mkdir(parents=True, exist_ok=True)
    secret = password_file(layout)
    if not secret.is_file():
        write_private(secret, f"{generated()}\n")
    _write_users(conf / "azkaban-users.xml", settings.user, secret.read_text().strip())
    _write_properties(conf / "global.properties", _jobs(layout, python))
    for part in settings.parts:
        place = conf_folder(layout, part)
        place.mkdir(exist_ok=True)
        values = {
            **server_values(layout, settings, program, keystore),
            **_database(home, settings, program, mysql),
            **_mail(layout, settings),
            **(_executor(home, part) if part.kind == "executor" else {}),
        }
        _write_properties(place / "azkaban.properties", values, conf / "local.properties")
        _write_properties(place / "log4j.properties", _log(home, part.name, program))
    _write_plugins(home, program, Book(settings.url).path)
    client = {
        "url": settings.url,
        "address": settings.address,
        "username": settings.user,
        "password_file": str(secret),  # the password itself stays in its own file
        "runs": str(layout.runs),
        "dense_flows": True,  # by Projects.java
        # What `azk deploy` says of schedules: see azkaban_client/config.py
        "timezone": settings.timezone or timezone.of_machine(),
        "mail": settings.mail is not None,
        "service": service.installed(layout),
        "watch": str(layout.prefix / "watch.toml"),
        **({"ca_cert": str(keystore.ca)} if keystore else {}),
    }
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in client.items())
    write_private(layout.client_config, text)


def server_values(
    layout: Layout, settings: Settings, program: Program, keystore: Keystore | None = None
) -> dict[str, object]:
    """Return the settings; the only secrets in them are those of the keystore."""
    return {**_server(layout.azkaban, settings, program), **_jetty(settings, keystore)}


def conf_folder(layout: Layout, part: Part) -> Path:
    """Return the folder with the settings files of one process."""
    return layout.azkaban / "conf" / part.name


def _write_users(path: Path, user: str, password: str) -> None:
    """Write the users once; later the file is the user's to edit.

    The password of set-up's own account, which earlier releases wrote in plain text, is hashed.
    """
    if not path.exists():
        write_private(path, first(user, hashed(password)))
        return
    users = Users(path)
    if any(each.name == user and each.password == password for each in users.all):
        users.set_password(user, hashed(password))
        users.write()


def _server(home: Path, settings: Settings, program: Program) -> dict[str, object]:
    able = capacity.of(settings)
    common: dict[str, object] = {
        "azkaban.name": "Azkaban",
        "azkaban.label": "azkaban-jobflow",
        "azkaban.color": "#1b86c9",
        # The jar of 2.5.0 came without the scripts of Azkaban's own pages: see pages.py
        "azkaban.default.servlet.path": "/js/console/index.html" if program.stock else "/index",
        "default.timezone.id": settings.timezone or timezone.of_machine(),
        "web.resource.dir": home / "program/web",
        "viewer.plugin.dir": home / "plugins/viewer",
        "trigger.plugin.dir": home / "plugins/triggers",
        "alerter.plugin.dir": home / "plugins/alerter",
        "user.manager.class": _USERS,
        "user.manager.xml.file": home / "conf/azkaban-users.xml",
        "executor.global.properties": home / "conf/global.properties",
        "azkaban.jobtype.plugin.dir": home / "plugins/jobtypes",
        "azkaban.project.dir": home / "projects",
        "azkaban.execution.dir": home / "executions",
        "azkaban.temp.dir": home / "temp",
        "project.temp.dir": home / "temp",
        "executor.host": settings.executor_address,
        "executor.port": settings.executor_port,
        "executor.maxThreads": able.requests + 10,  # the web server asks on behalf of its callers
        "executor.flow.threads": able.flows,
        # Of a longer log the first piece and the last ones are kept: JobLog.java
        "job.log.chunk.size": "5MB",
        "job.log.backup.index": 4,
    }
    if not program.several_executors:
        return common
    return {
        **common,
        "azkaban.use.multiple.executors": "true",
        # Azkaban's own choice leaves out machines with less than 6 GB of free memory.
        "azkaban.executorselector.filters": "StaticRemainingFlowSize",
        "azkaban.executorselector.comparator.NumberOfAssignedFlowComparator": 1,
        "azkaban.executorselector.comparator.LastDispatched": 1,
        # The name under which an executor enters itself into the database; web asks it there.
        "azkaban.server.hostname": settings.executor_address,
        "azkaban.webserver.url": settings.url,
        "cache.directory": home / "temp/cache",
        "executor.portfile": home / "temp/executor.port",
        "execute.as.user": "false",
    }


def _executor(home: Path, part: Part) -> dict[str, object]:
    """List what executors of one machine must not share."""
    own = home / "executors" / part.name
    first = part.name == "executor"
    return {
        "executor.port": part.ends[0][1],
        "executor.portfile": home / f"temp/{part.name}.port",
        "azkaban.project.dir": home / "projects" if first else own / "projects",
        "azkaban.execution.dir": home / "executions" if first else own / "executions",
        "cache.directory": home / f"temp/{part.name}.cache",
    }


def _mail(layout: Layout, settings: Settings) -> dict[str, object]:
    """Return the mail settings; port and encryption, which 2.5 cannot set, go to the agent."""
    mail = settings.mail
    if mail is None:
        return {}
    secret = mail_password_file(layout)
    password = secret.read_text(encoding="utf-8").strip() if mail.user else ""
    return {
        "mail.host": mail.host,
        "mail.port": mail.port,
        "mail.sender": mail.sender,
        "mail.user": mail.user,
        "mail.password": password,
        "mail.useAuth": "true" if mail.user else "false",
        "mail.tls": "true" if mail.tls else "false",
    }


def truststore(layout: Layout) -> Path:
    """Return the list of authorities that the server trusts when it connects elsewhere."""
    return layout.azkaban / "conf" / "authorities.jks"


def mail_password_file(layout: Layout) -> Path:
    """Return the file that holds the mail account's password."""
    return layout.azkaban / "mail.password"


def _write_plugins(home: Path, program: Program, schedules: Path) -> None:
    """Put plugins where the server looks for them; the user's own stay."""
    import javaproperties

    source = home / "program" / "run-files"
    shutil.copytree(source, home / "plugins/viewer/runs", dirs_exist_ok=True)
    # The file of `azk schedule` is in the user's home, which may be another one at each start.
    settings = home / "plugins/viewer/runs/conf/plugin.properties"
    settings.parent.mkdir(parents=True, exist_ok=True)
    with settings.open("a", encoding="ascii") as stream:
        stream.write(javaproperties.dumps({"schedules.file": str(schedules)}, timestamp=None))
    came = home / "program" / "plugins"
    if came.is_dir():
        for path in came.rglob("*"):
            target = home / "plugins" / path.relative_to(came)
            if path.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    if program.several_executors:
        private = home / "plugins/jobtypes/commonprivate.properties"
        _require(private, {"execute.as.user": "false", "memCheck.enabled": "false"})


def _require(path: Path, values: Mapping[str, str]) -> None:
    """Make sure that a properties file, which may be the user's, says something."""
    present = own_properties(path)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    missing = {key: value for key, value in values.items() if present.get(key) != value}
    if missing:
        lines = "".join(f"{key}={value}\n" for key, value in missing.items())
        write_private(path, f"{text.rstrip()}\n# Without root:\n{lines}".lstrip())


def _database(
    home: Path, settings: Settings, program: Program, mysql: Connection | None
) -> dict[str, object]:
    if mysql is None:
        # The solo server makes the tables itself. From 3.x on the web server in it must not check
        # them, too: it takes files that make several tables for tables that are missing.
        check = {} if program.several_executors else {"database.check.version": "true"}
        return {
            "database.type": "h2",
            # The path is put into a JDBC address. Writers of a table wait for each other, by
            # default for 1 s and then with an error. By default H2 writes what it has acknowledged
            # up to 0.5 s later, and loses it if the process is killed or the disk is full by then.
            # What it keeps outside the row, by default from 256 bytes on, is gone for a reader
            # when a writer replaces it: an execution that changes its state could not be found.
            "h2.path": f"{home / 'h2/azkaban'};LOCK_TIMEOUT={_LOCK_SECONDS * 1000};WRITE_DELAY=0"
            f";MAX_LENGTH_INPLACE_LOB={_IN_ROW}",
            "h2.create.tables": "true",
            "database.sql.scripts.dir": home / "program/sql",
            "database.auto.update.tables": "true",
            **check,
        }
    return {
        "database.type": "mysql",
        "mysql.host": mysql.host,
        "mysql.port": mysql.port,
        # It is put into a JDBC address. The driver would verify nothing but the dates of the
        # certificate that mysqld makes itself, and fail after a clock is set back; who is at the
        # other end is looked at by the agent.
        "mysql.database": f"{mysql.database}?useSSL=false",
        "mysql.user": mysql.user,
        "mysql.password": mysql.password_file.read_text().strip(),
        "mysql.numconnections": capacity.of(settings).connections,
        # Set-up makes the tables: Azkaban's account may not.
        "database.sql.scripts.dir": home / "program/sql",
        "database.check.version": "false",
        "database.auto.update.tables": "false",
    }


def _jetty(settings: Settings, keystore: Keystore | None) -> dict[str, object]:
    common: dict[str, object] = {
        "jetty.hostname": settings.host,
        "jetty.maxThreads": capacity.of(settings).requests,
    }
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
    """Return the global properties of every job."""
    return {
        "python": python,
        "output.dir": layout.runs,
        "spark.submit": layout.spark / "submit",
        "env.OPENBLAS_NUM_THREADS": 1,  # jobs run side by side; threads would fight
        "env.MPLCONFIGDIR": layout.cache / "matplotlib",
        "env.NUMBA_CACHE_DIR": layout.cache / "numba",
    }


def _log(home: Path, part: str, program: Program) -> dict[str, object]:
    # 2.5 writes the session of each request into the log
    servlet = "log4j.logger.azkaban.webapp.servlet.LoginAbstractAzkabanServlet"
    return {
        **({} if program.several_executors else {servlet: "WARN"}),
        "log4j.rootLogger": "INFO, file",
        "log4j.appender.file": "org.apache.log4j.RollingFileAppender",
        "log4j.appender.file.File": home / f"logs/{part}.log",
        "log4j.appender.file.MaxFileSize": "10MB",
        "log4j.appender.file.MaxBackupIndex": 5,
        "log4j.appender.file.layout": "org.apache.log4j.PatternLayout",
        "log4j.appender.file.layout.ConversionPattern": "%d{ISO8601} %p [%c{1}] %m%n",
    }


def _write_properties(path: Path, values: Mapping[str, object], own: Path | None = None) -> None:
    """Write a properties file; values in the user's own file take precedence."""
    import javaproperties

    text = {key: str(value) for key, value in values.items()}
    if own:
        text.update(own_properties(own))
    if text.get("user.manager.class") == _USERS:
        text.setdefault("lockdown.create.projects", "true")  # other managers know no role "user"
    write_private(path, javaproperties.dumps(text, timestamp=None))
