"""The pages over TLS: by host name with our authority only, modern ciphers only, no plain HTTP."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import sys
import time
import tomllib
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Client, collect
from azkaban_client.errors import TLSError
from setup import java
from setup.azkaban import Wanted
from setup.layout import CHECKOUT
from setup.life.process import free_port
from setup.tls import renewal
from setup.tls.certificates import Certificates
from tests.live.conftest import LiveAzkaban
from tests.live.tls_scan import (
    SSL3,
    TLS10,
    TLS11,
    TLS12,
    accepted,
    renegotiates,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from setup.azkaban import Settings


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAzkaban]:
    port = free_port("127.0.0.1", 8081, 8081)  # one that no other server takes in a restart
    live = LiveAzkaban(tmp_path_factory.mktemp("tls") / "p", Wanted(tls=True, port=port))
    yield live
    live.stop()


@pytest.fixture(scope="module")
def ca(secure: LiveAzkaban) -> str:
    return str(secure.layout.ca)


def test_azk_is_told_of_the_authority(secure: LiveAzkaban, ca: str) -> None:
    assert tomllib.loads(secure.config.read_text())["ca_cert"] == ca


def _client(secure: LiveAzkaban, url: str, *, verify: str | bool) -> Client:
    return Client(
        url,
        auth=(secure.username, secure.password),
        address=secure.address,
        verify=verify,
    )


def _handshake(settings: Settings, context: ssl.SSLContext) -> str:
    with (
        socket.create_connection((settings.address, settings.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=settings.host) as wrapped,
    ):
        version = wrapped.version()
        assert version is not None
        return version


def test_a_flow_over_https_by_host_name(secure: LiveAzkaban, ca: str, tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "hello.job").write_text("type=command\ncommand=echo hello\n")
    archive = collect(folder).write(tmp_path / "hello.zip")
    assert secure.url.startswith("https://")
    with _client(secure, secure.url, verify=ca) as client:
        client.create_project("hello", "over TLS")
        client.upload("hello", archive)
        assert client.wait(client.execute("hello", "hello")).succeeded


def test_another_name_for_the_server_is_refused(secure: LiveAzkaban, ca: str) -> None:
    port = secure.server.settings.port
    for name in (secure.address, "other.example"):
        with (
            _client(secure, f"https://{name}:{port}", verify=ca) as client,
            pytest.raises(TLSError),
        ):
            client.projects()


def test_without_our_authority_it_is_refused(secure: LiveAzkaban) -> None:
    with _client(secure, secure.url, verify=True) as client, pytest.raises(TLSError):
        client.projects()


def test_plain_http_is_off(secure: LiveAzkaban) -> None:
    settings = secure.server.settings
    ports = {port for _, port in secure.server.running()["azkaban"].listening()}
    assert ports == {settings.port, settings.executor_port}
    with socket.create_connection((settings.address, settings.port), timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name
)
def test_modern_versions_are_spoken(secure: LiveAzkaban, ca: str, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = version
    assert _handshake(secure.server.settings, context) == version.name.replace("_", ".")


# The one suite for EC keys in each strength; what else TLS 1.2 has is not wanted.
WANTED = {0xC02C, 0xC02B}  # TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ..._128_GCM_SHA256
ALL = [n for n in range(0x10000) if n not in (0x00FF, 0x5600)]  # signals, no suites


def _scan(secure: LiveAzkaban, version: int, suites: Collection[int]) -> set[int]:
    """Find every suite that is taken, among as many as asked."""
    settings = secure.server.settings
    end, found, left = (settings.address, settings.port), set(), sorted(suites)
    while left:
        offer, rest = left[:8000], left[8000:]
        while suite := accepted(end, settings.host, version, offer):
            found.add(suite)
            offer.remove(suite)
        left = rest
    return found


def test_no_other_suite_of_all_there_can_be_is_taken(secure: LiveAzkaban) -> None:
    """All 65,536 numbers are offered: static RSA, DHE, CBC, RC4, NULL, anonymous, unknown."""
    assert _scan(secure, TLS12, ALL) == WANTED


@pytest.mark.parametrize("version", [SSL3, TLS10, TLS11], ids=hex)
def test_old_versions_are_refused(secure: LiveAzkaban, version: int) -> None:
    classic = [n for n in ALL if n < 0x00C6 or 0xC001 <= n <= 0xC0AF]
    assert _scan(secure, version, classic) == set()


@pytest.mark.parametrize("curve", ["X25519", "P-256", "P-384", "P-521", "X448"])
def test_curves(secure: LiveAzkaban, ca: str, curve: str) -> None:
    settings = secure.server.settings
    to = ["-connect", f"{settings.address}:{settings.port}", "-servername", settings.host]
    command = ["openssl", "s_client", *to, "-CAfile", ca, "-tls1_3", "-groups", curve]
    done = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert (done.returncode == 0) is (curve in ("X25519", "P-256", "P-384")), done.stderr


def test_a_client_cannot_renegotiate(secure: LiveAzkaban) -> None:
    settings = secure.server.settings
    assert not renegotiates((settings.address, settings.port), settings.host)


def _served(secure: LiveAzkaban, ca: str) -> str:
    """Take the fingerprint of the certificate that is served."""
    settings = secure.server.settings
    context = ssl.create_default_context(cafile=ca)
    with (
        socket.create_connection((settings.address, settings.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=settings.host) as wrapped,
    ):
        certificate = wrapped.getpeercert(binary_form=True)
    assert certificate is not None
    return hashlib.sha256(certificate).digest().hex(":")


def test_renewal_is_in_use_at_once(secure: LiveAzkaban, ca: str) -> None:
    before = _served(secure, ca)
    secure.layout.env.symlink_to(sys.prefix)  # the environment of these tests, as it is
    program = "import sys; from setup import cli; from setup.python import layers; "
    program += "layers.enter = lambda *_, **__: None; "
    program += "raise SystemExit(cli.main(sys.argv[1:]))"
    prefix = str(secure.layout.prefix)
    command = [sys.executable, "-c", program, "tls", "renew", "--prefix", prefix]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert _served(secure, ca) == Certificates(secure.layout).summary().sha256 != before


def test_supervision_renews_what_ends_soon_unless_a_job_runs(
    secure: LiveAzkaban, ca: str, tmp_path: Path
) -> None:
    certificates = Certificates(secure.layout)

    def found() -> java.Java:
        return java.ensure(secure.layout)

    assert not renewal.tend(secure.server, found), "it holds long enough"
    certificates.init(certificates.settings.names, days=20)
    with _client(secure, secure.url, verify=ca) as client:
        folder = tmp_path / "busy"
        folder.mkdir()
        (folder / "busy.job").write_text("type=command\ncommand=sleep 600\n")
        client.create_project("busy", "a long job")
        client.upload("busy", collect(folder).write(tmp_path / "busy.zip"))
        execution = client.execute("busy", "busy")
        while not secure.server.running()["azkaban"].children():
            time.sleep(0.1)
        assert not renewal.tend(secure.server, found), "a job runs that it would end"
        client.cancel(execution)
        client.wait(execution)
    while secure.server.running()["azkaban"].children():
        time.sleep(0.1)
    assert renewal.tend(secure.server, found)
    summary = certificates.summary()
    assert summary.days_left > 300
    assert _served(secure, ca) == summary.sha256


def test_key_and_passwords_are_private(secure: LiveAzkaban) -> None:
    tls = secure.layout.prefix / "tls"
    secrets = [p for p in tls.iterdir() if p.suffix in (".key", ".p12", ".password")]
    assert len(secrets) >= 3
    for path in secrets:
        assert path.stat().st_mode & 0o077 == 0, path
