"""The commands that each step stands for, as one would type them with MySQL's own programs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from setup.mysql import config

if TYPE_CHECKING:
    from pathlib import Path

    from setup.mysql.server import Server

__all__ = ["explain"]

_STEPS = {
    "init": """\
tar -zxf mysql-5.7.N-linux-glibc2.12-x86_64.tar.gz -C {home}    # or a package of a registry
mkdir {files} {data}
{mysqld} --defaults-file={cnf} --initialize-insecure --init-file={files}/init.sql
# init.sql (0600, deleted afterwards), so that root never is without a password:
ALTER USER 'root'@'localhost' IDENTIFIED BY '...';              # kept in {root}
{sql}""",
    "start": """\
{library}{mysqld} --defaults-file={cnf} &
mysql --defaults-file={root} -e "SELECT 1"                      # until it answers
# or, without this project: {start}""",
    "use": """\
mysql --socket={socket} -u root -p
# the password is in {root}; without this project: {use}""",
    "status": """\
mysqladmin --defaults-file={root} ping
# without this project: {status}""",
    "stop": """\
mysqladmin -u root -p --socket={socket} shutdown
# the same as the statement SHUTDOWN; without this project: {stop}""",
    "rotate": """\
mv {files}/mysqld.log {files}/mysqld.log.1
mysql --defaults-file={root} -e "FLUSH ERROR LOGS\"""",
    "backup": """\
mysqldump --defaults-file={root} --single-transaction --hex-blob \\
    --databases azkaban | gzip > FILE.sql.gz""",
    "restore": """\
gunzip < FILE.sql.gz | mysql --defaults-file={root}
# into a second server with a data folder of its own; then, with both stopped:
mv {data} {data}.old && mv {home}/restore/mysql_data {data}""",
    "wipe": """\
mysqladmin -u root -p --socket={socket} shutdown
rm -r {home}""",
}


def explain(step: str, server: Server) -> str:
    """Write the commands of one step with the paths of this server.

    Parameters
    ----------
    step
        A subcommand of ``setup mysql``.
    server
        Whose paths are shown; it need not exist yet.
    """
    files = server.files
    mysqld: Path = files.home / "program" / "mysqld"
    library = ""
    if server.installed:
        program = server.settings.program
        mysqld = program.mysqld
        if program.libraries.is_dir():
            library = f"LD_LIBRARY_PATH={shlex.quote(str(program.libraries))} "
    sql = config.initial_sql("...", "...").splitlines()
    shown = [
        line for line in sql[1:] if line.startswith(("CREATE DATABASE", "CREATE USER", "GRANT"))
    ]
    shown.append(f"# and the {sum('CREATE TABLE' in line for line in sql)} tables of setup/sql")
    names = {
        "home": files.home,
        "files": files.files,
        "data": files.data,
        "cnf": files.options,
        "root": files.root_options,
        "socket": files.socket,
        "mysqld": mysqld,
        **{name: files.home / name for name in ("start", "stop", "status", "use")},
    }
    quoted = {name: shlex.quote(str(path)) for name, path in names.items()}
    return _STEPS[step].format(**quoted, library=library, sql="\n".join(shown))
