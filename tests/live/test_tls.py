"""The pages over TLS: by host name with our authority only, modern ciphers only, no plain HTTP."""

from __future__ import annotations

import socket
import ssl
import tomllib
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Client, collect
from azkaban_client.errors import TLSError
from setup.azkaban import Wanted
from tests.live.conftest import LiveAzkaban

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.azkaban import Settings


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAzkaban]:
    live = LiveAzkaban(tmp_path_factory.mktemp("tls") / "p", Wanted(tls=True))
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
        username=secure.username,
        password=secure.password,
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


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(secure: LiveAzkaban, ca: str, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _handshake(secure.server.settings, context)


@pytest.mark.parametrize("ciphers", ["kRSA", "CBC", "AES128-SHA:AES256-SHA", "DHE"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(
    secure: LiveAzkaban, ca: str, ciphers: str
) -> None:
    context = ssl.create_default_context(cafile=ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    known = [c["name"] for c in ssl.create_default_context().get_ciphers()]
    names = (
        [name for name in known if "SHA" in name and "GCM" not in name and "POLY" not in name]
        if ciphers == "CBC"
        else [ciphers]
    )
    context.set_ciphers(":".join(names) + ":@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _handshake(secure.server.settings, context)


def test_key_and_passwords_are_private(secure: LiveAzkaban) -> None:
    tls = secure.layout.prefix / "tls"
    secrets = [p for p in tls.iterdir() if p.suffix in (".key", ".p12", ".password")]
    assert len(secrets) >= 3
    for path in secrets:
        assert path.stat().st_mode & 0o077 == 0, path
