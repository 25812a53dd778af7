"""A Kerberos of one's own: the KDC of Debian's packages, unpacked, on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from setup.debian import Apt
from setup.life.process import Process, free_port

if TYPE_CHECKING:
    from pathlib import Path

REALM = "JOBFLOW.TEST"


@dataclass(frozen=True)
class Kdc:
    """A folder with the programs, the database, and what was made of it."""

    folder: Path

    @property
    def settings(self) -> Path:
        """The krb5.conf for clients."""
        return self.folder / "krb5.conf"

    @property
    def user(self) -> str:
        """The principal of this account."""
        return f"{getpass.getuser()}@{REALM}"

    @property
    def keys(self) -> Path:
        """The keytab of this account."""
        return self.folder / f"{self.user}.keytab"

    @property
    def java(self) -> str:
        """The option by which a Java finds it."""
        return f"-Djava.security.krb5.conf={self.settings}"

    def environ(self) -> dict[str, str]:
        """Give the variables with which Kerberos's own programs find it."""
        root = self.folder / "root/usr"
        library = next((root / "lib").glob("*-linux-gnu"))
        return {
            **os.environ,
            "KRB5_CONFIG": str(self.settings),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            "KRB5CCNAME": str(self.folder / "tickets"),
            "LD_LIBRARY_PATH": str(library),
            "PATH": f"{root / 'bin'}:{root / 'sbin'}:{os.environ['PATH']}",
        }

    def run(self, *words: str) -> None:
        """Run one of Kerberos's programs, which must succeed."""
        done = subprocess.run(
            words, env=self.environ(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def keytab(self, *names: str) -> Path:
        """Make principals, and a file with the keys of all of them."""
        path = self.folder / f"{names[0].replace('/', '-')}.keytab"
        for name in names:
            self.run("kadmin.local", "-r", REALM, "addprinc", "-randkey", name)
            self.run("kadmin.local", "-r", REALM, "ktadd", "-k", str(path), name)
        return path


def start(folder: Path) -> tuple[Kdc, Process]:
    """Fetch, unpack, and start a KDC."""
    apt = Apt(folder / "apt")
    apt.download_missing(["krb5-kdc", "krb5-admin-server", "krb5-user"])
    apt.unpack(folder / "root")
    shutil.rmtree(apt.folder)
    kdc, port = Kdc(folder), free_port("127.0.0.1", 0)
    plugins = next((folder / "root/usr/lib").glob("*-linux-gnu")) / "krb5/plugins/kdb"
    kdc.settings.write_text(f"""\
[libdefaults]
 default_realm = {REALM}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
[realms]
 {REALM} = {{
  kdc = 127.0.0.1:{port}
 }}
[dbmodules]
 db_module_dir = {plugins}
""")
    (folder / "kdc.conf").write_text(f"""\
[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {REALM} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
 }}
""")
    kdc.run("kdb5_util", "create", "-s", "-r", REALM, "-P", "of a test")
    environ = kdc.environ()
    program = shutil.which("krb5kdc", path=environ["PATH"])
    assert program
    log = folder / "kdc.log"
    return kdc, Process.start([program, "-n"], folder=folder, log=log, environ=environ)
