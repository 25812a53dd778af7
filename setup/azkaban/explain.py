"""The commands that each step stands for, as one would type them with Azkaban's own programs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from setup import java as java_module
from setup.azkaban import config, launch, program
from setup.azkaban.settings import EXECUTOR_PORT, WEB_PORT, Settings
from setup.java import Java

if TYPE_CHECKING:
    import argparse

    from setup.layout import Layout

__all__ = ["explain"]

_STEPS = {
    "install": """\
tar -zxf azkaban-solo-server-VERSION.tar.gz -C {program}   # or jars of Maven Central, by hash
# {conf}/azkaban.properties, among it:
{settings}
# {users} (0600): a generated password instead of azkaban/azkaban
{database}""",
    "start": """\
{starts}
curl {ca}--data action=login -d username={user} --data-urlencode password@{password} {url}
# until it answers with a session; use the host name, not localhost or an IP address: up to 3.32
# a session is bound to the address.  Without this project: {home}/start""",
    "stop": """\
kill $(cat {home}/*.pid | sed 's/.*"pid": \\([0-9]*\\).*/\\1/')
# and the programs of jobs, which it leaves behind; without this project: {home}/stop""",
    "status": """\
curl {ca}{url}/
# without this project: {home}/status""",
    "use": """\
curl {ca}--cookie-jar session --data action=login -d username={user} \\
    --data-urlencode password@{password} {url}
curl {ca}--cookie session '{url}/manager?ajax=fetchprojectflows&project=NAME'
# without this project: {home}/use PATH""",
    "upgrade": """\
{home}/stop
cp -a {home}/settings.json {home}/conf {home}/projects {home}/h2 {home}/backups/TIME/
{dump}mv {program} {home}/backups/TIME/program
tar -zxf azkaban-solo-server-NEW.tar.gz -C {program}
{tables}{home}/start    # when a login does not work: everything back as it was""",
    "rollback": """\
{home}/stop
cp -a {home}/backups/TIME/* {home}/
{restore}{home}/start""",
}
_STEPS["restart"] = "{home}/stop\n{home}/start"

_SHOWN = (
    "jetty.use.ssl",
    "jetty.port",
    "jetty.ssl.port",
    "jetty.keystore",
    "jetty.truststore",
    "jetty.hostname",
    "azkaban.default.servlet.path",
    "web.resource.dir",
    "default.timezone.id",
    "database.type",
)


def explain(layout: Layout, options: argparse.Namespace) -> str:
    """Write the commands of one step with the paths of this server.

    Parameters
    ----------
    layout
        Whose paths are shown; nothing need exist yet.
    options
        The command line.
    """
    home = layout.azkaban
    settings = _settings(layout)
    present = program.Program.read(program.folder(layout)) or _stock()
    java = java_module.find(layout) or Java(layout.java / "bin/java", "17")
    starts = [
        f"{shlex.join(launch.command(layout, java, present, settings, part))} &"
        for part in settings.parts
    ]
    mysql = settings.database == "mysql"
    values = config.server_values(layout, settings, present)
    names = {
        "home": home,
        "program": program.folder(layout),
        "conf": home / "conf" / settings.parts[-1].name,
        "users": home / "conf/azkaban-users.xml",
        "password": config.password_file(layout),
    }
    quoted = {name: shlex.quote(str(path)) for name, path in names.items()}
    text = _STEPS[options.step].format(
        **quoted,
        settings="\n".join(f"{key}={values[key]}" for key in _SHOWN if key in values),
        starts="\n".join(starts),
        url=settings.url,
        user=settings.user,
        ca=f"--cacert {layout.ca} " if settings.tls else "",
        database="mysql azkaban < create-all-sql-VERSION.sql" if mysql else "",
        dump="mysqldump --single-transaction azkaban > dump.sql\n" if mysql else "",
        tables="mysql azkaban < alter.sql  # to the new create-all-sql\n" if mysql else "",
        restore="mysql azkaban < dump.sql\n" if mysql else "",
    )
    return text.rstrip()


def _settings(layout: Layout) -> Settings:
    path = layout.azkaban / "settings.json"
    if path.is_file():
        return Settings.read(path)
    return Settings(
        host="HOST", address="127.0.0.1", port=WEB_PORT, executor_port=EXECUTOR_PORT, user="USER"
    )


def _stock() -> program.Program:
    kinds = ("azkaban", "web", "executor")
    mains = {"azkaban": "azkaban.webapp.AzkabanSingleServer"}
    return program.Program(
        version=program.STOCK_VERSION,
        stock=True,
        libraries=dict.fromkeys(kinds, "lib"),
        classes={**dict.fromkeys(kinds, ""), **mains},
        jars={},
        ours="",
    )
