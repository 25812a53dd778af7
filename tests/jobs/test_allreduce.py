"""The ring of TCP connections: sums, strangers, losses."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.spark._allreduce import PeerError, Ring, Seat, accept, connect, prove
from jobs.spark._mailbox import Mail, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = b"a secret of this test"


class Table:
    """Where threads meet: an all-gather."""

    def __init__(self, size: int) -> None:
        self.cards: dict[int, str] = {}
        self.barrier = threading.Barrier(size, timeout=30)

    def of(self, rank: int) -> Callable[[str], list[str]]:
        def gather(card: str) -> list[str]:
            self.cards[rank] = card
            self.barrier.wait()
            return [self.cards[i] for i in sorted(self.cards)]

        return gather


def run(
    size: int, work: Callable[[Ring], Any], secrets: list[bytes] | None = None, **options: Any
) -> list[Any]:
    """Run `work` in each process of a ring (here: threads); an error is its result."""
    table = Table(size)

    def member(rank: int) -> Any:
        secret = secrets[rank] if secrets else SECRET
        seat = Seat(
            rank=rank, size=size, host="127.0.0.1", secret=secret, gather=table.of(rank),
            **{"ticket": rank, "seconds": 20.0, **options},
        )  # fmt: skip
        try:
            with Ring.join(seat) as ring:
                return work(ring)
        except PeerError as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(member, range(size)))


@pytest.mark.parametrize("length", [0, 1, 4, 7, 100_003])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_everyone_gets_the_same_sum(size: int, length: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(size, length))

    def work(ring: Ring) -> list[np.ndarray]:
        found = []
        for factor in (1.0, 2.0):  # a ring is used many times
            vector = factor * vectors[ring.rank]
            ring.all_reduce(vector)
            found.append(vector)
        return found

    team = run(size, work)
    for first, second in team:
        assert np.allclose(first, vectors.sum(0), rtol=0, atol=1e-13)
        assert (second == 2 * first).all()
        assert first.tobytes() == team[0][0].tobytes()


def test_single_precision_and_larger_than_what_sockets_hold() -> None:
    def work(ring: Ring) -> np.ndarray:
        vector = np.full(3_000_000, ring.rank + 1, dtype=np.float32)
        ring.all_reduce(vector)
        return vector

    for vector in run(3, work):
        assert vector.dtype == np.float32
        assert (vector == 6).all()


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000])
def test_all_get_what_the_first_has(data: bytes) -> None:
    def work(ring: Ring) -> bytes:
        return ring.share(data if ring.rank == 0 else b"not this")

    assert run(3, work) == [data] * 3
    assert run(1, work) == [data]


def test_all_agree_on_the_attempt() -> None:
    assert run(3, lambda ring: ring.attempt) == [2, 2, 2]


def test_who_has_another_secret_is_not_let_in() -> None:
    found = run(2, lambda ring: ring.attempt, [SECRET, b"guessed"], seconds=2.0)
    assert all(isinstance(error, PeerError) for error in found)


def test_who_leaves_is_missed_at_once() -> None:
    def work(ring: Ring) -> None:
        if ring.rank == 1:
            return  # closes its connections, as a process that dies does
        for _ in range(3):
            ring.all_reduce(np.ones(1000))

    begin = time.monotonic()
    found = run(3, work)
    assert [type(error) for error in found] == [PeerError, type(None), PeerError]
    assert time.monotonic() - begin < 15  # not the 20 s that silence is waited for


def test_who_is_silent_counts_as_lost() -> None:
    done = threading.Event()

    def work(ring: Ring) -> None:
        if ring.rank == 0:
            done.wait(20)
        else:
            try:
                ring.all_reduce(np.ones(10))
            finally:
                done.set()

    silent, error = run(2, work, seconds=1.0)
    assert silent is None
    assert "no word" in str(error)


def test_ring_listens_where_it_was_told_and_no_longer_than_needed() -> None:
    ends: list[tuple[Any, Any]] = []

    def work(ring: Ring) -> None:
        assert ring._next is not None
        ends.append((ring._next.getsockname()[0], ring._next.getpeername()))

    run(2, work)
    assert [own for own, _ in ends] == ["127.0.0.1"] * 2
    for _, address in ends:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)


@pytest.mark.parametrize("said", [b"", b"x" * 64, b"GET / HTTP/1.1\r\n\r\n" * 20])
def test_strangers_are_sent_away_and_the_right_one_is_let_in(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(accept, listener, SECRET, "test", time.monotonic() + 30)
            with socket.create_connection(address) as stranger:
                stranger.sendall(said)
                with pytest.raises(PeerError):
                    connect(address, b"guessed", "test")
                with connect(address, SECRET, "test"), coming.result():
                    pass


def test_a_recording_does_not_open_the_door() -> None:
    """What a caller said is worth nothing a second time: the host's number is another."""
    heard: list[bytes] = []

    class Tap:
        def __init__(self, end: socket.socket) -> None:
            self.end = end

        def sendall(self, data: bytes) -> None:
            heard.append(data)
            self.end.sendall(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.end, name)

    a, b = socket.socketpair()
    with ThreadPoolExecutor(1) as pool, a, b:
        host = pool.submit(prove, a, SECRET, "test", first=True)
        prove(Tap(b), SECRET, "test", first=False)  # type: ignore[arg-type]
        host.result()
    a, b = socket.socketpair()
    with ThreadPoolExecutor(1) as pool, a, b:
        host = pool.submit(prove, a, SECRET, "test", first=True)
        b.sendall(b"".join(heard))
        with pytest.raises(PeerError, match="does not know the secret"):
            host.result()


def test_of_another_attempt_is_not_let_in() -> None:
    a, b = socket.socketpair()
    with ThreadPoolExecutor(1) as pool, a, b:
        host = pool.submit(prove, a, SECRET, "ring 7: 0 to 1", first=True)
        host.add_done_callback(lambda _: a.close())
        with pytest.raises(PeerError, match="closed the connection"):
            prove(b, SECRET, "ring 6: 0 to 1", first=False)
        with pytest.raises(PeerError, match="another attempt"):
            host.result()


def test_mailbox_keeps_the_last_checkpoint_and_drops_those_of_older_attempts(
    tmp_path: Path,
) -> None:
    notes: list[str] = []
    file = tmp_path / "checkpoint.npz"
    with Mailbox("127.0.0.1", SECRET, file, notes.append) as box:
        assert box.mail.fetch(1) == b""
        box.mail.send(1, b"one", "epoch 1")
        assert box.mail.fetch(4) == b"one"
        box.mail.send(1, b"late", "of an attempt that is over")
        assert box.mail.fetch(4) == b"one"
        box.mail.send(4, b"two" * 1_000_000, "epoch 2")
        assert box.attempts == 2
        with pytest.raises(PeerError):
            Mail(box.mail.address, b"guessed").fetch(9)
    assert file.read_bytes() == b"two" * 1_000_000
    assert notes == ["epoch 1", "epoch 2"]
    with pytest.raises(PeerError, match="does not answer"):
        box.mail.fetch(5)


def test_mailbox_begins_with_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.npz"
    file.write_bytes(b"earlier")
    with Mailbox("127.0.0.1", SECRET, file, print) as box:
        assert box.mail.fetch(0) == b"earlier"
