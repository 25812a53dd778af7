"""Set-up behind a company's proxy, which signs every connection anew."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azkaban_client import authorities
from setup.layout import CHECKOUT, Layout
from setup.python.installer import LOCKS
from tests.setup.corporate import CA, NAMESPACE, PASSWORD, Proxy, jar, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

# What set-up downloads, in one process: packages, a jar, a file that the user names.
SCRIPT = """
import sys
from pathlib import Path
from setup import downloads, maven
from setup.messages import say
from setup.errors import SetupError
from setup.layout import Layout
from setup.python.installer import Installer

prefix, lock, jar = sys.argv[1:]
layout = Layout(Path(prefix), Path(prefix) / "cache")
layout.create(need=0)
for step in ("packages", "jars", "named"):
    try:
        if step == "packages":
            with Installer(layout) as installer:
                installer.install(Path(lock), Path(sys.executable), target=layout.prefix / "site")
                say(f"installed with {installer.name}")
        elif step == "jars":
            maven.fetch([maven.Jar("org.example:thing:1.0", jar, "")], layout.cache, say)
        else:
            downloads.named("--from", "https://files.invalid/thing.jar", jar, layout.cache, say)
        print(step)
    except SetupError as error:
        say(f"{step} failed: {error}")
"""
ALL = ["packages", "jars", "named"]


@dataclass
class Corporate:
    """A machine in that network."""

    proxy: Proxy
    folder: Path
    lock: Path
    sha256: str

    def run(self, *variables: str, store: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Download everything, with `store` in the place of the system's authorities."""
        environ = {
            "HOME": str(self.folder),
            "HTTPS_PROXY": self.proxy.url,
            "PATH": "/usr/bin:/bin",
            "PIP_INDEX_URL": "https://packages.invalid/simple",
            "AZK_MAVEN_REPO": "https://jars.invalid/maven2",
            **dict(variable.split("=", 1) for variable in variables),
        }
        prefix = self.folder / "prefix"
        command = [sys.executable, "-c", SCRIPT, str(prefix), str(self.lock), self.sha256]
        if store:
            place = next(path for path in authorities.PLACES if Path(path).is_file())
            mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
            command = [*NAMESPACE, "sh", "-ec", mount, "-", str(store), place, *command]
        return subprocess.run(
            command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=False
        )


@pytest.fixture
def corporate(tmp_path: Path) -> Iterator[Corporate]:
    """Offer a package, uv and a jar behind the proxy; nothing is known outside of it."""
    with Proxy(tmp_path) as proxy:
        yield prepared(proxy, tmp_path)


def prepared(proxy: Proxy, folder: Path) -> Corporate:
    name, content = wheel("thing", "1.0")
    lock = folder / "lock.txt"
    lock.write_text(f"thing==1.0 --hash=sha256:{proxy.offer(name, content, 'thing')}\n")
    cache = Path(os.environ.get("AZK_CACHE") or "~/.azkaban-jobflow/cache").expanduser()
    pinned = next(line for line in (LOCKS / "uv.txt").read_text().split() if line[:4] == "uv==")
    uv = next((cache / "installer").glob(f"uv-{pinned[4:]}-*.whl"))  # made by setup test
    proxy.offer(uv.name, uv.read_bytes(), "uv")
    proxy.files["/maven2/org/example/thing/1.0/thing-1.0.jar"] = jar()
    proxy.files["/thing.jar"] = jar()
    return Corporate(proxy, folder, lock, hashlib.sha256(jar()).hexdigest())


def told(output: str, step: str) -> str:
    """Find what was said when a step failed."""
    parts = re.split(rf"^({'|'.join(ALL)}) failed: ", output, flags=re.MULTILINE)
    return parts[parts.index(step) + 1]


def test_the_system_s_store_is_enough(corporate: Corporate) -> None:
    done = corporate.run(store=corporate.proxy.ca)
    assert done.stdout.split() == ALL, done.stderr
    assert "installed with uv" in done.stderr
    assert set(corporate.proxy.asked) == {"packages.invalid", "jars.invalid", "files.invalid"}
    assert (corporate.folder / "prefix" / "site" / "thing.py").is_file()


@pytest.mark.parametrize(
    "variables",
    [
        ["AZK_EXTRA_CA_CERTS={ca}", "PIP_REQUIRE_HASHES=1", "PIP_USER=1", "PIP_TARGET=/nowhere"],
        ["SSL_CERT_FILE={ca}", "UV_NO_BINARY=1", "UV_SYSTEM_PYTHON=1"],
        ["REQUESTS_CA_BUNDLE={ca}", "AZK_INSTALLER=pip", "PIP_PREFIX=/nowhere", "PIP_ROOT=/no"],
        ["PIP_CONFIG_FILE={folder}/pip.conf"],
    ],
)
def test_one_setting_is_enough_whichever_it_is(corporate: Corporate, variables: list[str]) -> None:
    ca, folder = corporate.proxy.ca, corporate.folder
    (folder / "pip.conf").write_text(f"[global]\ncert = {ca}\nuser = yes\nno-binary = :all:\n")
    done = corporate.run(*(text.format(ca=ca, folder=folder) for text in variables))
    assert done.stdout.split() == ALL, done.stderr
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_an_unknown_authority_is_named_with_both_ways_out(
    corporate: Corporate, installer: str
) -> None:
    cache = corporate.folder / "prefix" / "cache" / "installer"
    cache.mkdir(parents=True)
    Layout(corporate.folder / "prefix", cache.parent).prefix.joinpath(".azkaban-jobflow").touch()
    name = next(file for file in corporate.proxy.files if "/uv-" in file)
    (cache / Path(name).name).write_bytes(corporate.proxy.files[name])
    done = corporate.run(f"AZK_INSTALLER={installer}")
    assert done.stdout == ""
    for step, host in zip(ALL, ("packages", "jars", "files"), strict=True):
        said = told(done.stderr, step)
        for words in (
            f"{host}.invalid",
            f'signed by "{CA}',
            "system's store",
            "AZK_EXTRA_CA_CERTS",
        ):
            assert words in said, f"{step}: {said}"
    assert "p%40ss" not in done.stderr
    # Two more tries of an installer at most, and one look at each certificate for the message.
    assert len(corporate.proxy.asked) <= 12


def test_a_clock_that_makes_certificates_invalid_is_named(tmp_path: Path) -> None:
    with Proxy(tmp_path, begins=dt.timedelta(days=300)) as proxy:
        corporate = prepared(proxy, tmp_path)
        done = corporate.run(f"AZK_EXTRA_CA_CERTS={proxy.ca}", "AZK_INSTALLER=pip")
    assert done.stdout == ""
    year = str(dt.datetime.now(dt.UTC).year)
    assert done.stderr.count(f"this machine's clock says {year}") == len(ALL), done.stderr


def test_a_page_of_the_proxy_is_named(corporate: Corporate) -> None:
    corporate.proxy.page = b"<html><head><title>Please log in</title></head></html>"
    done = corporate.run(f"AZK_EXTRA_CA_CERTS={corporate.proxy.ca}")
    assert done.stdout == ""
    for step in ("jars", "named"):
        said = told(done.stderr, step)
        assert "a page came instead of it" in said, done.stderr
        assert "Please log in" in said


def test_a_proxy_that_wants_another_password_is_named_without_it(corporate: Corporate) -> None:
    wrong = corporate.proxy.url.replace("p%40ss", "wr%40ng")
    done = corporate.run(f"HTTPS_PROXY={wrong}", f"AZK_EXTRA_CA_CERTS={corporate.proxy.ca}")
    assert done.stdout == ""
    assert done.stderr.count("The proxy http://***@127.0.0.1:") == len(ALL), done.stderr
    assert "wr%40ng" not in done.stderr


def test_logins_of_netrc_and_of_urls(corporate: Corporate) -> None:
    hosts = ("packages", "jars", "files")
    corporate.proxy.logins = {f"{host}.invalid": f"{host}:s3cr:t" for host in hosts}
    lines = (f"machine {host}.invalid login {host} password s3cr:t\n" for host in hosts)
    netrc = corporate.folder / ".netrc"
    netrc.write_text("".join(lines))
    netrc.chmod(0o600)
    trusting = f"AZK_EXTRA_CA_CERTS={corporate.proxy.ca}"
    done = corporate.run(trusting)
    assert done.stdout.split() == ALL, done.stderr
    netrc.unlink()
    done = corporate.run(
        trusting,
        "PIP_INDEX_URL=https://packages:s3cr%3At@packages.invalid/simple",
        "AZK_MAVEN_REPO=https://jars:s3cr%3At@jars.invalid/maven2",
    )
    assert done.stdout.split()[:2] == ALL[:2], done.stderr
    assert "s3cr" not in done.stderr


def test_the_test_s_authority_is_one_that_openssl_takes(corporate: Corporate) -> None:
    context = ssl.create_default_context(cafile=str(corporate.proxy.ca))
    assert context.cert_store_stats()["x509_ca"] == 1
