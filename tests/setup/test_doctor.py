"""The doctor on made-up trouble: each check finds it, and says what to do."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from azkaban_client.files import write_private
from setup import doctor, maven
from setup.azkaban import Mail, Settings, program
from setup.doctor import Finding
from setup.layout import CHECKOUT, Layout
from setup.life.process import free_port
from setup.python import layers
from setup.tls.certificates import Certificates
from tests.mailbox import mailbox
from tests.setup.authority import Company
from tests.setup.corporate import CA, NAMESPACE, PASSWORD, Proxy, jar, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A prefix from which nothing is reached."""
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("AZK_MAVEN_REPO", "http://127.0.0.1:9/maven2")
    made = Layout(tmp_path / "p", tmp_path / "cache")
    made.create(need=0)
    return made


@pytest.fixture
def installed(ours: Layout) -> Settings:
    """Settings of a server that was never started."""
    ours.azkaban.mkdir(mode=0o700)
    settings = Settings(
        host="localhost",
        address="127.0.0.1",
        port=free_port("127.0.0.1", 0),
        executor_port=free_port("127.0.0.1", 0),
        user="me",
    )
    settings.write(ours.azkaban / "settings.json")
    return settings


def _found(layout: Layout, check: str) -> Finding:
    [found] = [finding for finding in doctor.examine(layout) if finding.check == check]
    assert found.ok or found.fix, "what is wrong comes with what to do"
    return found


def test_doctor_finds_an_open_password_file(ours: Layout) -> None:
    ours.azkaban.mkdir()
    secret = ours.azkaban / "admin.password"
    secret.write_text("x")
    secret.chmod(0o644)
    [found] = [f for f in doctor.examine(ours) if f.check == "file modes"]
    assert not found.ok
    subprocess.run(["/bin/sh", "-c", found.fix], check=True)
    [found] = [f for f in doctor.examine(ours) if f.check == "file modes"]
    assert found.ok


def test_doctor_finds_a_changed_jar(ours: Layout) -> None:
    home = program.folder(ours)
    (home / "lib").mkdir(parents=True)
    jar = home / "lib" / "h2-1.3.176.jar"
    jar.write_bytes(b"right")
    sha256 = hashlib.sha256(b"right").hexdigest()
    record = program.Program("2.5.0", stock=True, libraries={}, jars={"lib/h2-1.3.176.jar": sha256})
    (home / "program.json").write_text(json.dumps(asdict(record)))
    [found] = [f for f in doctor.examine(ours) if f.check == "jars"]
    assert found.ok
    jar.write_bytes(b"changed")
    [found] = [f for f in doctor.examine(ours) if f.check == "jars"]
    assert not found.ok
    assert "h2-1.3.176.jar" in found.detail
    assert "setup up" in found.fix


def test_doctor_finds_a_clock_that_went_back(ours: Layout) -> None:
    logs = ours.azkaban / "logs"
    logs.mkdir(parents=True)
    (logs / "azkaban.log").touch()
    assert next(f for f in doctor.examine(ours) if f.check == "clock").ok
    ahead = (logs / "azkaban.log").stat().st_mtime + 4000
    os.utime(logs / "azkaban.log", (ahead, ahead))
    found = next(f for f in doctor.examine(ours) if f.check == "clock")
    assert not found.ok
    assert "behind the newest log" in found.detail


def test_doctor_finds_an_environment_that_is_not_the_locks(
    ours: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _found(ours, "environment")
    assert not found.ok
    assert found.fix == "run python3 -m setup env"
    monkeypatch.setattr(layers, "current", lambda *_: True)
    assert _found(ours, "environment").ok


def test_doctor_finds_no_java(ours: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _found(ours, "java").ok
    monkeypatch.setenv("PATH", str(ours.prefix))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    found = _found(ours, "java")
    assert not found.ok
    assert "setup up --java private" in found.fix


def test_doctor_finds_a_disk_that_is_nearly_full(
    ours: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _found(ours, "disk").ok
    monkeypatch.setattr(doctor, "LOW_DISK", 1 << 60)
    found = _found(ours, "disk")
    assert not found.ok
    assert f"make room on the disk of {ours.prefix}" in found.fix


def test_doctor_finds_a_port_that_another_program_took(ours: Layout, installed: Settings) -> None:
    assert _found(ours, f"port {installed.port}").ok
    with socket.create_server((installed.address, installed.port)):
        found = _found(ours, f"port {installed.port}")
    assert not found.ok
    assert "--port" in found.fix


def test_doctor_finds_servers_that_are_down(ours: Layout, installed: Settings) -> None:
    found = _found(ours, "azkaban")
    assert (found.ok, found.fix) == (False, "run python3 -m setup up")
    replace(installed, database="mysql").write(ours.azkaban / "settings.json")
    found = _found(ours, "mysql")
    assert (found.ok, found.fix) == (False, "run python3 -m setup up")


def test_doctor_finds_a_certificate_that_ends_soon(ours: Layout, installed: Settings) -> None:
    replace(installed, tls=True).write(ours.azkaban / "settings.json")
    certificates = Certificates(ours)
    certificates.init(["localhost"], "ec", 90)
    assert _found(ours, "certificate").ok
    certificates.init(["localhost"], "ec", 10)
    found = _found(ours, "certificate")
    assert not found.ok
    assert "9 days left" in found.detail
    assert "python3 -m setup tls renew" in found.fix


def test_doctor_looks_at_the_chain_as_a_client(
    ours: Layout, installed: Settings, tmp_path: Path
) -> None:
    replace(installed, tls=True).write(ours.azkaban / "settings.json")
    certificates, company = Certificates(ours), Company(tmp_path)
    leaf = company.answer(certificates.csr(["localhost"], "ec"))
    certificates.import_answer([company.write("a", leaf, company.issuer, company.root)])
    assert _found(ours, "certificate").ok
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    key, chain = certificates._chain()
    leaf = company.sign(key.public_key(), ["localhost"], purpose)
    certificates._write(key, [leaf, company.issuer], chain[2:])
    found = _found(ours, "certificate")
    assert not found.ok
    assert "clientAuth only, and serverAuth is needed" in found.detail


def _names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(doctor, "addresses", lambda _: list(addresses))


def test_doctor_knows_the_trap_of_two_addresses(
    ours: Layout, installed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _names(monkeypatch, "127.0.0.1")
    assert _found(ours, "host name").fix == ""
    _names(monkeypatch, "127.0.0.1", "::1")
    found = _found(ours, "host name")
    assert "127.0.0.1, ::1" in found.detail
    assert "other clients may lose their session" in found.fix
    _names(monkeypatch, "192.0.2.7")
    assert "nothing for azk, it pins the address" in _found(ours, "host name").fix


def test_doctor_finds_a_name_that_leads_elsewhere(
    ours: Layout, installed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(installed, address="192.0.2.7").write(ours.azkaban / "settings.json")
    _names(monkeypatch, "192.0.2.8")
    found = _found(ours, "host name")
    assert not found.ok
    assert "DNS" in found.fix
    _names(monkeypatch, "192.0.2.7")
    assert _found(ours, "host name").ok


def test_doctor_asks_the_mail_server(ours: Layout, installed: Settings) -> None:
    assert "--mail-host" in _found(ours, "mail").fix
    with mailbox() as box:
        mail = Mail(host="127.0.0.1", port=box.port, sender="a@example.org", tls=False)
        replace(installed, mail=mail).write(ours.azkaban / "settings.json")
        assert _found(ours, "mail") == Finding(
            "mail", ok=True, detail=f"127.0.0.1:{box.port} takes it"
        )
    found = _found(ours, "mail")
    assert not found.ok
    assert "takes none: " in found.detail


def test_doctor_goes_on_after_a_check_that_cannot_be_made(ours: Layout) -> None:
    ours.azkaban.mkdir()
    write_private(ours.azkaban / "settings.json", "{")
    findings = {finding.check: finding for finding in doctor.examine(ours)}
    assert not findings["servers"].ok
    assert "settings.json cannot be read" in findings["servers"].detail
    assert findings["disk"].ok


@pytest.fixture
def corporate(
    ours: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Layout, Proxy]]:
    """Put the prefix behind a proxy that signs all connections anew."""
    with Proxy(tmp_path) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("PIP_INDEX_URL", "https://packages.invalid/simple")
        monkeypatch.setenv("AZK_MAVEN_REPO", "https://jars.invalid/maven2")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        name, content = wheel("uv", "1.0")
        proxy.offer(f"{name}", content, "uv")
        proxy.files[f"/maven2/{maven.pinned('agent')[0].path}"] = jar()
        yield ours, proxy


def test_doctor_finds_an_authority_that_the_system_alone_knows(
    corporate: tuple[Layout, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, proxy = corporate
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.ca))
    for setting in ("PIP_INDEX_URL", "AZK_MAVEN_REPO"):
        found = _found(layout, f"downloads ({setting})")
        assert found.ok
        assert f'signed by "{CA}, Corp", which this system trusts' in found.detail
        assert "REQUESTS_CA_BUNDLE" in found.fix


def test_doctor_finds_an_authority_that_nobody_knows(corporate: tuple[Layout, Proxy]) -> None:
    layout, _ = corporate
    for setting, host in (("PIP_INDEX_URL", "packages"), ("AZK_MAVEN_REPO", "jars")):
        found = _found(layout, f"downloads ({setting})")
        assert not found.ok
        assert f"{host}.invalid" in found.detail
        assert f'signed by "{CA}' in found.fix
        assert "AZK_EXTRA_CA_CERTS=FILE" in found.fix


def test_doctor_finds_a_proxy_that_answers_with_a_page(
    corporate: tuple[Layout, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, proxy = corporate
    monkeypatch.setenv("AZK_EXTRA_CA_CERTS", str(proxy.ca))
    proxy.page = b"<!DOCTYPE html><title>Please log in</title>"
    for setting in ("PIP_INDEX_URL", "AZK_MAVEN_REPO"):
        found = _found(layout, f"downloads ({setting})")
        assert not found.ok
        assert "a page in place of a file: Please log in" in found.detail
        assert "http://***@127.0.0.1" in found.fix
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("me:", "you:"))
    found = _found(layout, "downloads (AZK_MAVEN_REPO)")
    assert "407" in found.detail
    assert "did not pass this on" in found.fix
    assert PASSWORD not in found.fix


def test_doctor_finds_a_clock_that_makes_certificates_invalid(
    ours: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(tmp_path, begins=timedelta(days=300)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("AZK_EXTRA_CA_CERTS", str(proxy.ca))
        monkeypatch.setenv("AZK_MAVEN_REPO", "https://jars.invalid/maven2")
        found = [each for each in doctor.examine(ours) if each.check == "clock"]
    assert [each.ok for each in found] == [True, False]
    assert "not yet valid" in found[1].detail
    assert "set it (NTP)" in found[1].fix


@pytest.mark.parametrize(("version", "ok"), [("22.2.1", False), ("23.0.1", True), ("", True)])
def test_doctor_finds_an_old_pip(
    ours: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, *, ok: bool
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n[ -n '{version}' ] && echo '{version}'\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "_base_executable", str(python))
    found = _found(ours, "pip")
    assert found.ok is ok
    assert version in found.detail
    assert ok or found.fix.startswith(f"{python} -m pip install --upgrade pip")


def test_doctor_finds_a_full_disk_of_the_cache(ours: Layout) -> None:
    """A small disk of memory is mounted there, where nobody else sees it."""
    code = (
        "import sys; from pathlib import Path; from setup import doctor; "
        "from setup.layout import Layout; "
        "found = doctor._disk(Layout(Path(sys.argv[1]), Path(sys.argv[2]))); "
        "print([(f.check, f.ok, f.fix) for f in found if 'cache' in f.check])"
    )
    mount = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
    command = [sys.executable, "-c", code, str(ours.prefix), str(ours.cache)]
    output = subprocess.run(
        [*NAMESPACE, "sh", "-ec", mount, "-", str(ours.cache), *command],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.strip() == str(
        [("disk of the cache", False, f"make room on the disk of {ours.cache}")]
    )
