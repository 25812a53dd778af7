"""Address, TLS, time limits and retries, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import NameOID

from azkaban_client import Bundle, Client, errors
from azkaban_client._http import Call, Transport

OK = '{"session.id": "s1", "status": "success", "flows": [], "projectId": 3, "execid": 5}'


@pytest.fixture
def resolved(monkeypatch) -> list[str]:
    """Resolve azkaban.test to a dead address and to the loopback one; count the look-ups."""
    asked: list[str] = []
    genuine = socket.getaddrinfo

    def resolve(host, port, *args, **kwargs) -> list[tuple]:
        if host != "azkaban.test":
            return genuine(host, port, *args, **kwargs)
        asked.append(host)
        found = genuine("127.0.0.1", port, *args, **kwargs)
        dead = [(*item[:4], ("127.0.0.77", port)) for item in found]
        return [*dead, *found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_the_name_is_resolved_once_and_one_address_kept(serve, connect, answer, resolved) -> None:
    server = serve(lambda _: answer(body=OK))
    client = connect(f"http://azkaban.test:{server.port}")
    for _ in range(3):
        client.flows("p")
    assert resolved == ["azkaban.test"]
    assert client.address == "127.0.0.1"
    assert {a.headers["Host"] for a in server.asked} == {f"azkaban.test:{server.port}"}
    assert {a.peer[0] for a in server.asked} == {"127.0.0.1"}


def test_a_given_address_is_used_without_resolving(serve, connect, answer, resolved) -> None:
    server = serve(lambda _: answer(body=OK))
    connect(f"http://azkaban.test:{server.port}", address="127.0.0.1").flows("p")
    assert resolved == []
    assert server.asked[0].headers["Host"] == f"azkaban.test:{server.port}"


def test_tls_is_checked_against_the_name(serve, connect, answer, ca_cert) -> None:
    server = serve(lambda _: answer(body=OK), tls=True)
    connect(server.url, address="127.0.0.1", verify=ca_cert).flows("p")
    assert set(server.names) == {"azkaban.test"}
    other = server.url.replace("azkaban.test", "other.test")
    with pytest.raises(errors.TLSError, match=r"not for this name.*'other.test' doesn't match"):
        connect(other, address="127.0.0.1", verify=ca_cert).flows("p")


def test_an_unknown_ca_is_refused_without_retries(serve, connect, answer) -> None:
    server = serve(lambda _: answer(body=OK), tls=True)
    with pytest.raises(errors.TLSError, match="--ca-cert"):
        connect(server.url, address="127.0.0.1").flows("p")
    assert server.asked == []


def test_an_unknown_ca_is_named_with_both_ways_out(serve, connect, answer, ca_cert) -> None:
    server = serve(lambda _: answer(body=OK), tls=True)
    with pytest.raises(errors.TLSError) as caught:
        connect(server.url, address="127.0.0.1").flows("p")
    signed = x509.load_pem_x509_certificate(Path(ca_cert).read_bytes()).subject
    name = signed.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    for words in (f'signed by "{name}', "system's store", "AZK_EXTRA_CA_CERTS=FILE"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "AZK_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"]
)
def test_the_system_s_authorities_are_trusted_as_well(
    serve, connect, answer, ca_cert, monkeypatch, *, tmp_path, variable
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    # A folder of authorities, as distributions have: OpenSSL finds each by the hash of its name.
    certificate = x509.load_pem_x509_certificate(Path(ca_cert).read_bytes())
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / f"{_subject_hash(certificate)}.0").write_bytes(Path(ca_cert).read_bytes())
    place = str(tmp_path / "certs") if variable == "SSL_CERT_DIR" else ca_cert
    monkeypatch.setenv(variable, place)
    server = serve(lambda _: answer(body=OK), tls=True)
    assert connect(server.url, address="127.0.0.1").flows("p") == ()
    other = tmp_path / "other.pem"
    other.write_text(_other_ca())
    with pytest.raises(errors.TLSError):  # who names the CA wants no other
        connect(server.url, address="127.0.0.1", verify=str(other)).flows("p")


def test_a_company_s_ca_that_is_no_file_is_named(connect, monkeypatch) -> None:
    monkeypatch.setenv("AZK_EXTRA_CA_CERTS", "/nowhere.pem")
    with pytest.raises(ValueError, match=r"AZK_EXTRA_CA_CERTS=/nowhere\.pem: no file of cert"):
        connect("https://azkaban.test:8443")


def _subject_hash(certificate) -> str:
    """Hash a name as `openssl rehash` does: SHA-1 of its canonical form, the first 4 bytes."""
    text = b""
    for attribute in certificate.subject:
        value = " ".join(attribute.value.lower().split()).encode()
        oid = attribute.oid.dotted_string
        assert oid.startswith("2.5.4."), "the names of the tests' CA are simple ones"
        pair = bytes([6, 3, 0x55, 4, int(oid[6:]), 0x0C, len(value)]) + value
        text += bytes([0x31, len(pair) + 2, 0x30, len(pair)]) + pair
    return hashlib.sha1(text).digest()[:4][::-1].hex()  # noqa: S324 (OpenSSL's own way)


def _other_ca() -> str:
    """Make an authority that signed nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_https_to_a_plain_port(serve, connect, answer) -> None:
    server = serve(lambda _: answer(body=OK))
    with pytest.raises(errors.TLSError, match=r"is this port HTTP \(http://\)"):
        connect(server.url.replace("http:", "https:")).flows("p")


def test_the_environment_s_proxy_and_netrc_play_no_tricks(
    serve, connect, answer, monkeypatch, tmp_path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(lambda _: answer(body=OK))
    connect(server.url).flows("p")
    assert all(asked.headers["Authorization"] is None for asked in server.asked)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "azkaban.test"])
def test_this_machine_is_never_reached_through_a_proxy(
    serve, connect, answer, monkeypatch, *, resolved, variable, host
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "unrelated.example")
    server = serve(lambda _: answer(body=OK))
    connect(f"http://{host}:{server.port}").flows("p")
    assert server.asked


def test_a_pinned_address_is_never_reached_through_a_proxy(
    serve, connect, answer, monkeypatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server = serve(lambda _: answer(body=OK))
    url = f"http://nosuch.invalid:{server.port}"
    connect(url, address="127.0.0.1").flows("p")
    assert {asked.headers["Host"] for asked in server.asked} == {f"nosuch.invalid:{server.port}"}


def test_another_machine_is_reached_through_the_proxy(serve, connect, answer, monkeypatch) -> None:
    proxy = serve(lambda _: answer(body=OK))
    monkeypatch.setenv("http_proxy", f"http://me:s3cret@127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    connect("http://nosuch.invalid:8081").flows("p")
    expected = "Basic " + base64.b64encode(b"me:s3cret").decode()
    assert {asked.headers["Proxy-Authorization"] for asked in proxy.asked} == {expected}
    proxy.stop()
    with pytest.raises(errors.NetworkError, match=r"the proxy 127\.0\.0\.1:\d+ failed") as caught:
        connect("http://nosuch.invalid:8081", retries=0).flows("p")
    assert "NO_PROXY=nosuch.invalid" in str(caught.value)
    assert "s3cret" not in f"{caught.value!r} {caught.value}"


def test_an_unknown_host(connect) -> None:
    with pytest.raises(errors.NetworkError, match=r"unknown host 'nosuch\.invalid'"):
        connect("http://nosuch.invalid:8081").flows("p")


def test_nobody_listens(connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.NetworkError, match="Connection refused; is the server running"):
        connect(f"http://127.0.0.1:{port}", retries=1).flows("p")


def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Client(url, auth=("u", "p"), timeout=0.3)
        start = time.monotonic()
        with pytest.raises(errors.NetworkError, match=r"no answer within 0\.3 s"):
            client.flows("p")
        assert client.requests_made == 1
        assert time.monotonic() - start < 30
        client.close()


def test_a_lost_answer_is_asked_for_again(serve, connect, answer) -> None:
    losses = iter([True, True])
    server = serve(
        lambda a: (
            None if a.action == "fetchprojectflows" and next(losses, False) else answer(body=OK)
        )
    )
    assert connect(server.url).flows("p") == ()
    assert server.actions() == ["login"] + ["fetchprojectflows"] * 3


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_s_passing_failure_is_retried(serve, connect, answer, status) -> None:
    failures = iter([status])
    server = serve(
        lambda a: answer(next(failures, 200) if a.action == "fetchprojectflows" else 200, OK)
    )
    assert connect(server.url).flows("p") == ()
    assert server.actions().count("fetchprojectflows") == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_asked_again_whatever_it_was(
    serve, connect, answer, tmp_path, status
) -> None:
    path = Bundle({"data": os.urandom(300_000)}).write(tmp_path / "p.zip")
    busy = iter([answer(status, "", [("Retry-After", "0")])])
    body = '{"session.id": "s", "logData": [], "projectId": "3", "version": "1"}'
    server = serve(
        lambda a: next(busy, answer(body=body)) if a.action == "upload" else answer(body=body)
    )
    assert connect(server.url).upload("nn", path).version == 1
    first, second = [a.body for a in server.asked if a.action == "upload"]
    assert path.read_bytes() in second
    assert len(first) == len(second)


@pytest.mark.parametrize("wait", ["", "11", "9" * 20, "9" * 5000, "soon", "-1"])
def test_a_busy_server_that_names_no_short_wait_is_told_at_once(
    serve, connect, answer, wait
) -> None:
    named = [("Retry-After", wait)] if wait else []
    server = serve(lambda a: answer(503, "", named) if a.action == "create" else answer(body=OK))
    with pytest.raises(errors.ServerFault, match="503"):
        connect(server.url).create_project("nn")
    assert server.actions().count("create") == 1


def test_a_refused_connection_is_tried_again_whatever_it_was() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    waits: list[float] = []
    transport = Transport(
        f"http://127.0.0.1:{port}",
        address=None,
        verify=True,
        timeout=1.0,
        retries=3,
        sleep=waits.append,
    )
    with pytest.raises(errors.NetworkError, match="is the server running") as caught:
        transport.send(Call("POST", "/executor", safe=False))
    assert not isinstance(caught.value, errors.OutcomeUnknown)
    assert len(waits) == 3
    transport.close()


@pytest.mark.parametrize("cut", [{"cut_after": 5}, None])
def test_what_changes_something_is_never_sent_twice(serve, connect, answer, cut) -> None:
    server = serve(
        lambda a: (
            answer(body=OK) if a.action != "create" else (answer(body=OK, **cut) if cut else None)
        )
    )
    with pytest.raises(errors.OutcomeUnknown) as caught:
        connect(server.url).create_project("nn", "x")
    assert server.actions() == ["login", "create"]
    assert caught.value.project == "nn"


def test_an_upload_that_is_cut_is_reported(connect, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("azkaban_client._projects.time.sleep", lambda _s: None)
    path = Bundle({"data": os.urandom(3_000_000)}).write(tmp_path / "p.zip")
    body = '{"session.id": "s", "logData": []}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    uploads = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            for _ in range(6):  # login, log, upload, and three looks at the log
                peer, _ = listener.accept()
                with peer:
                    if peer.recv(65536).startswith(b"POST /manager"):
                        uploads.append(peer.recv(70_000))
                    else:
                        peer.sendall((head + body).encode())

        thread = threading.Thread(target=cut)
        thread.start()
        client = connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(errors.OutcomeUnknown, match="cut before the answer") as caught:
            client.upload("nn", path)
        thread.join()
    assert caught.value.request == "POST /manager ajax=upload project=nn file=p.zip"
    assert len(uploads) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://x", "expected http://HOST"),
        ("http://", "expected http://HOST"),
        ("http://x:99999", "99999|[Pp]ort"),
        ("http://me:secret@x", "credentials"),
    ],
)
def test_bad_urls(url, words) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Client(url)
    assert "secret" not in str(caught.value)
