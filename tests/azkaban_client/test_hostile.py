"""Servers that answer slowly, without end, or nonsense: one clear message within the time limit."""

from __future__ import annotations

import gzip
import json
import socket
import threading

import pytest

from azkaban_client import errors

LOGIN = '{"session.id": "s1", "status": "success"}'


class Raw:
    """A server on a socket: a function gets each connection, after the request has come."""

    def __init__(self, serve, *, wait: bool = True) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.closing = threading.Event()
        self.serve, self.wait = serve, wait
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection) -> None:
        try:
            if self.wait:
                connection.recv(1 << 16)
            self.serve(self, connection)
        except OSError:
            return  # the client has had enough

    def stop(self) -> None:
        self.closing.set()
        self.listener.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def raw():
    started: list[Raw] = []

    def start(serve, *, wait: bool = True) -> Raw:
        started.append(Raw(serve, wait=wait))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def trickle(before: bytes, rest: bytes):
    def serve(server, connection) -> None:
        connection.sendall(before)
        while not server.closing.wait(0.05):
            connection.sendall(rest)

    return serve


@pytest.mark.parametrize(
    "serve",
    [
        trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        trickle(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        trickle(b"HTTP/1.1 2", b"0"),
        trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["body", "headers", "status", "chunks"],
)
def test_a_trickled_answer_has_an_end(raw, connect, serve) -> None:
    client = connect(f"http://127.0.0.1:{raw(serve).port}", timeout=0.5)
    with pytest.raises(
        errors.NetworkError, match=r"no whole answer within 0\.5 s|more than 100 headers"
    ):
        client.login()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"status": "success"', "breaks off"),
        ("\0\1\2", "not an answer"),
        ("null", "not an answer"),
    ],
)
def test_no_json_of_azkaban(serve, connect, answer, body, words) -> None:
    server = serve(lambda asked: answer(body=LOGIN if asked.action == "login" else body))
    with pytest.raises(errors.AzkabanError, match=words):
        connect(server.url).flows("p")


def test_an_answer_that_unpacks_to_gigabytes(serve, connect, answer) -> None:
    bomb = gzip.compress(b" " * (300 << 20), 9)

    def reply(asked) -> object:
        if asked.action == "login":
            return answer(body=LOGIN)
        return answer(body=bomb, headers=[("Content-Encoding", "gzip")])

    with pytest.raises(errors.BadAnswer, match="larger than 256 MB"):
        connect(serve(reply).url, timeout=60).flows("p")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"status": "RUNNING"}, "lacks 'execid'"),
        ({"status": 5, "execid": 1, "project": "p", "flow": "f", "nodes": "x"}, "cannot be read"),
        (
            {"status": "RUNNING", "execid": 1, "project": "p", "flow": "f", "nodes": [1]},
            "cannot be",
        ),
        (
            {"status": "READY", "execid": 1, "project": "p", "flow": "f", "nodes": [{}]},
            "lacks 'id'",
        ),
    ],
)
def test_answers_of_another_shape(serve, connect, answer, body, words) -> None:
    server = serve(
        lambda asked: answer(body=LOGIN if asked.action == "login" else json.dumps(body))
    )
    with pytest.raises(errors.BadAnswer, match=words):
        connect(server.url).execution(1)


def test_a_time_that_is_none(serve, connect, answer) -> None:
    body = {"status": "RUNNING", "execid": 1, "project": "p", "flow": "f", "startTime": 10**18}
    server = serve(
        lambda asked: answer(body=LOGIN if asked.action == "login" else json.dumps(body))
    )
    assert connect(server.url).execution(1).start is None


def test_http_to_a_port_of_tls(serve, connect, answer) -> None:
    server = serve(lambda _: answer(body=LOGIN), tls=True)
    with pytest.raises(
        errors.TLSError, match=rf"this port speaks TLS: use https://127.*:{server.port}"
    ):
        connect(f"http://127.0.0.1:{server.port}").login()
    assert server.asked == []


def test_http_to_a_port_that_closes_without_a_word(raw, connect) -> None:
    server = raw(lambda _, connection: connection.close())
    with pytest.raises(errors.NetworkError, match="cut before the answer"):
        connect(f"http://127.0.0.1:{server.port}", retries=0).login()


def test_what_never_left_is_sent_again(raw, connect) -> None:
    """A TLS server without a free thread takes the connection and says nothing."""
    server = raw(lambda server, _: server.closing.wait(30), wait=False)
    client = connect(
        f"https://azkaban.test:{server.port}", address="127.0.0.1", timeout=0.3, retries=2
    )
    with pytest.raises(errors.NetworkError, match=r"TLS was not set up within 0\.3 s") as caught:
        client.create_project("p")
    assert not isinstance(caught.value, errors.OutcomeUnknown)
    assert len(server.connections) == 3


def test_a_connection_that_is_cut_before_tls_is_set_up_is_tried_again(raw, connect) -> None:
    """A server with too many connections closes the next ones, and nothing was sent yet."""
    server = raw(lambda _, connection: connection.close())
    client = connect(f"https://azkaban.test:{server.port}", address="127.0.0.1", retries=2)
    with pytest.raises(errors.NetworkError, match="before TLS was set up") as caught:
        client.create_project("p")
    assert not isinstance(caught.value, (errors.OutcomeUnknown, errors.TLSError))
    assert len(server.connections) == 3
