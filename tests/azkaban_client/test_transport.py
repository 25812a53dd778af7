"""Address, TLS, time limits and retries, over real sockets."""

# ruff: noqa: ANN001, ANN002, ANN003 (fixtures and parameters of tests)
from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from azkaban_client import Bundle, Client, errors

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
