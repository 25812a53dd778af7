"""Whom the server's Java trusts: its own authorities, the system's, the company's."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, pkcs12

from setup import java, maven
from setup.azkaban import config
from setup.java import truststore
from tests.setup.corporate import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.conftest import LiveAzkaban

CALLER = """
import javax.net.ssl.*;
public class Caller {
    public static void main(String[] arguments) throws Exception {
        SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        try (SSLSocket socket = (SSLSocket) factory.createSocket(arguments[0],
                Integer.parseInt(arguments[1]))) {
            SSLParameters strict = socket.getSSLParameters();
            strict.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(strict);
            socket.startHandshake();
            System.out.println("trusted");
        } catch (SSLException refused) {
            System.out.println(refused.getMessage());
        }
        TrustManagerFactory known = TrustManagerFactory.getInstance("PKIX");
        known.init((java.security.KeyStore) null);
        System.out.println(((X509TrustManager) known.getTrustManagers()[0])
            .getAcceptedIssuers().length);
    }
}
"""


@pytest.fixture
def caller(azkaban: LiveAzkaban, tmp_path: Path) -> list[str]:
    """Compile a program that connects with TLS; its command, options to come after the first."""
    program = str(java.ensure(azkaban.layout).program)
    [compiler] = maven.fetch(maven.pinned("compiler"), azkaban.layout.cache, lambda _: None)
    (tmp_path / "Caller.java").write_text(CALLER)
    compile_it = [program, "-jar", str(compiler), "-source", "1.8", "-target", "1.8", "-nowarn"]
    subprocess.run([*compile_it, "-d", ".", "Caller.java"], cwd=tmp_path, check=True)
    return [program, "-cp", str(tmp_path), "Caller"]


@pytest.fixture
def company(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Serve TLS with a certificate of a company: the file of its authority, and the port."""
    signer = Proxy(tmp_path)
    context = signer.context("localhost")

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # closed
                return
            with connection, contextlib.suppress(OSError):  # who does not trust it hangs up
                context.wrap_socket(connection, server_side=True).close()

    with signer, socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield signer.ca, listening.getsockname()[1]


def called(command: list[str], port: int, *options: str) -> tuple[str, int]:
    """Connect: what came of it, and how many authorities are trusted."""
    words = [command[0], *options, *command[1:], "localhost", str(port)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return told[0], int(told[1])


def test_a_company_s_authority_is_trusted_beside_java_s_own(
    caller: list[str],
    company: tuple[Path, int],
    azkaban: LiveAzkaban,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca, port = company
    program = java.ensure(azkaban.layout).program
    path = tmp_path / "authorities.jks"
    assert truststore.options(path) == []
    outcome, own = called(caller, port)
    assert "PKIX path building failed" in outcome
    truststore.write(path, program)
    assert path.stat().st_mode & 0o077 == 0  # doctor wants all in conf to be private
    outcome, without = called(caller, port, *truststore.options(path))
    assert "PKIX path building failed" in outcome
    assert without >= own
    monkeypatch.setenv("AZK_EXTRA_CA_CERTS", str(ca))
    truststore.write(path, program)
    assert called(caller, port, *truststore.options(path)) == ("trusted", without + 1)
    first = path.stat().st_mtime_ns
    truststore.write(path, program)
    assert path.stat().st_mtime_ns == first, "the same list is not written again"


def test_each_format_of_java_s_own_list_is_read(tmp_path: Path) -> None:
    """Releases before 18 have the old format, later ones PKCS12 with no password."""
    with Proxy(tmp_path) as signer:
        certificate = signer.certificate
    der = certificate.public_bytes(Encoding.DER)
    java_home = tmp_path / "java"
    (java_home / "bin").mkdir(parents=True)
    (java_home / "lib/security").mkdir(parents=True)
    own = java_home / "lib/security/cacerts"
    new = pkcs12.serialize_java_truststore(
        [pkcs12.PKCS12Certificate(certificate, b"corp")], NoEncryption()
    )
    for content in (truststore._packed([der]), new):
        own.write_bytes(content)
        assert list(truststore._own(java_home / "bin/java")) == [der]
    own.unlink()
    assert list(truststore._own(java_home / "bin/java")) == []


def test_the_server_is_started_with_that_list(azkaban: LiveAzkaban) -> None:
    process = azkaban.server.running()["azkaban"]
    command = psutil.Process(process.pid).cmdline()
    assert set(truststore.options(config.truststore(azkaban.layout))) <= set(command)
    assert set(java.OPTIONS) <= set(command)
