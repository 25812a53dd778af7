"""Sum vectors over processes on several machines, by a ring of authenticated TCP connections.

Each of n processes knows two others. A vector is cut into n parts. In n - 1 rounds each process
passes one part on and adds the part that arrives, after which each part is complete in one process;
in n - 1 more rounds the complete parts are passed on. Each process sends 2 (n - 1) / n of the
vector, for any n, and gets the same bytes (Patarasuk, Yuan 2009, Bandwidth optimal all-reduce
algorithms, J. Parallel Distrib. Comput. 69).

Both ends of a connection prove that they know a secret (HMAC-SHA256 over fresh random numbers). The
data sent after that are neither encrypted nor signed, like Spark's own data by default.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

__all__ = ["PeerError", "Ring", "Seat", "accept", "connect", "receive"]

_BYTES = 32  # of a random number and of a proof
# For a stranger who sends nothing, and for a caller behind such a stranger.
_HOST_SECONDS, _CALLER_SECONDS = 3.0, 60.0


class PeerError(ConnectionError):
    """Another process is gone, does not answer, or is not the right one."""


@dataclass(frozen=True)
class Seat:
    """What a process knows before it joins a ring.

    Attributes
    ----------
    rank, size
        Number of this process, from 0; number of processes.
    host
        Address to listen on: one that the others can reach.
    secret
        Known to all of them, and to no one else.
    gather
        Gives each process's text to all, in the order of ranks.
    ticket
        Larger in each new attempt; processes of an earlier attempt are refused.
    seconds
        How long to wait for another process before it is considered lost.
    """

    rank: int
    size: int
    host: str
    secret: bytes = field(repr=False)
    gather: Callable[[str], list[str]]
    ticket: int = 0
    seconds: float = 300.0


class Ring:
    """Connections to the next and from the previous process; made by `join`.

    Attributes
    ----------
    rank, size
        As of the seat.
    hosts
        Where each process runs, in the order of ranks.
    attempt
        The largest ticket: the same number for all.
    seconds
        Spent in `all_reduce`, waiting for others included.
    """

    def __init__(self, seat: Seat, attempt: int) -> None:
        self.rank = seat.rank
        self.size = seat.size
        self.hosts = [seat.host] * seat.size
        self.attempt = attempt
        self.seconds = 0.0
        self._patience = seat.seconds
        self._next: socket.socket | None = None
        self._previous: socket.socket | None = None
        self._work = np.empty(0)

    @classmethod
    def join(cls, seat: Seat) -> Ring:
        """Join the ring; all processes call this.

        Raises
        ------
        PeerError
            When one does not come, or does not know the secret.
        """
        family = socket.AF_INET6 if ":" in seat.host else socket.AF_INET
        with socket.create_server((seat.host, 0), family=family) as listener:
            card = json.dumps([seat.host, listener.getsockname()[1], seat.ticket])
            cards = [json.loads(text) for text in seat.gather(card)]
            ring = cls(seat, max(ticket for _, _, ticket in cards))
            ring.hosts = [host for host, _, _ in cards]
            if seat.size == 1:
                return ring
            behind, ahead = (seat.rank - 1) % seat.size, (seat.rank + 1) % seat.size
            host, port, _ = cards[ahead]
            deadline = time.monotonic() + seat.seconds
            with ThreadPoolExecutor(1) as pool:
                topic = f"ring {ring.attempt}: {behind} to {seat.rank}"
                coming = pool.submit(accept, listener, seat.secret, topic, deadline)
                topic = f"ring {ring.attempt}: {seat.rank} to {ahead}"
                try:
                    ring._next = connect((host, port), seat.secret, topic, deadline)
                    ring._previous = coming.result()
                except BaseException:
                    with contextlib.suppress(OSError):
                        listener.shutdown(socket.SHUT_RDWR)  # wakes the one who waits
                    ring.close()
                    raise
        for end in (ring._next, ring._previous):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)  # noqa: FBT003 (its only argument)
        return ring

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the ring; the neighbours notice."""
        for end in (self._next, self._previous):
            if end:
                end.close()
        self._next = self._previous = None

    def all_reduce(self, vector: npt.NDArray[Any]) -> None:
        """Replace `vector`, shape (n,), by the sum of all processes' vectors.

        Raises
        ------
        PeerError
            When another process is gone or does not answer; the vector is then invalid.
        """
        if self.size == 1:
            return
        begin = time.monotonic()
        parts = np.array_split(vector, self.size)
        if self._work.size < len(parts[0]) or self._work.dtype != vector.dtype:
            self._work = np.empty(len(parts[0]), dtype=vector.dtype)
        for step in range(self.size - 1):
            give = parts[(self.rank - step) % self.size]
            take = parts[(self.rank - step - 1) % self.size]
            work = self._work[: len(take)]
            self._exchange(give, work)
            take += work
        for step in range(self.size - 1):
            give = parts[(self.rank + 1 - step) % self.size]
            self._exchange(give, parts[(self.rank - step) % self.size])
        self.seconds += time.monotonic() - begin

    def share(self, data: bytes) -> bytes:
        """Give what the first process has to all of them; what the others have does not count.

        Raises
        ------
        PeerError
            When another process is gone or does not answer.
        """
        own = data if self.rank == 0 else b""
        size = np.array([len(own)])
        self.all_reduce(size)
        whole = np.zeros(int(size[0]), dtype=np.uint8)
        whole[: len(own)] = np.frombuffer(own, dtype=np.uint8)
        self.all_reduce(whole)  # with zeros from all others
        return whole.tobytes()

    def _exchange(self, give: npt.NDArray[Any], take: npt.NDArray[Any]) -> None:
        """Send to the next process while receiving from the previous one, to avoid a deadlock."""
        if not self._next or not self._previous:
            raise PeerError("this process has left the ring")
        out, into = give.view(np.uint8).data, take.view(np.uint8).data
        sent = got = 0
        while sent < len(out) or got < len(into):
            moved = False
            try:
                if sent < len(out):
                    with contextlib.suppress(BlockingIOError):
                        sent += self._next.send(out[sent:])
                        moved = True
                if got < len(into):
                    with contextlib.suppress(BlockingIOError):
                        count = self._previous.recv_into(into[got:])
                        if not count:
                            raise PeerError(f"process {(self.rank - 1) % self.size} has left")
                        got += count
                        moved = True
            except OSError as error:
                if isinstance(error, PeerError):
                    raise
                raise PeerError(f"a neighbour of process {self.rank} is gone: {error}") from error
            if not moved:
                self._wait(sending=sent < len(out), receiving=got < len(into))

    def _wait(self, *, sending: bool, receiving: bool) -> None:
        poll = select.poll()
        if self._next and sending:
            poll.register(self._next, select.POLLOUT)
        if self._previous and receiving:
            poll.register(self._previous, select.POLLIN)
        if not poll.poll(self._patience * 1000):
            raise PeerError(f"no word from the neighbours in {self._patience:.0f} s")


def accept(
    listener: socket.socket, secret: bytes, topic: str, deadline: float = float("inf")
) -> socket.socket:
    """Wait for a process that knows the secret; refuse others.

    Raises
    ------
    PeerError
        When the time (of `time.monotonic`) is over.
    """
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise PeerError(f"nobody came ({topic})")
        listener.settimeout(min(left, 3600.0))
        try:
            end, _ = listener.accept()
        except TimeoutError:
            continue
        except OSError as error:
            raise PeerError(f"no longer waiting ({topic})") from error
        try:
            prove(end, secret, topic, first=True)
        except OSError:
            end.close()
            continue
        return end


def connect(
    address: tuple[str, int], secret: bytes, topic: str, deadline: float | None = None
) -> socket.socket:
    """Connect to a process that knows the secret.

    Raises
    ------
    PeerError
        When there is none in time, or it does not know the secret.
    """
    left = _CALLER_SECONDS if deadline is None else deadline - time.monotonic()
    try:
        end = socket.create_connection(address, timeout=max(left, 0.1))
    except OSError as error:
        raise PeerError(f"{address[0]}:{address[1]} does not answer: {error}") from error
    try:
        prove(end, secret, topic, first=False)
    except OSError as error:
        end.close()
        raise PeerError(f"{address[0]}:{address[1]}: {error} ({topic})") from error
    return end


def prove(end: socket.socket, secret: bytes, topic: str, *, first: bool) -> None:
    """Check that both ends know the secret, mean the same attempt, and are not replayed."""
    end.settimeout(_HOST_SECONDS if first else _CALLER_SECONDS)
    mine = secrets.token_bytes(_BYTES)
    if first:
        end.sendall(mine)
        theirs = receive(end, _BYTES)
    else:
        theirs = receive(end, _BYTES)
        end.sendall(mine)
    numbers = mine + theirs if first else theirs + mine

    def proof(role: str) -> bytes:
        return hmac.digest(secret, role.encode() + numbers + topic.encode(), "sha256")

    def check() -> None:
        if not hmac.compare_digest(receive(end, _BYTES), proof("caller" if first else "host")):
            raise PeerError("the other end does not know the secret, or means another attempt")

    if first:  # the caller proves itself first: a stranger learns nothing
        check()
        end.sendall(proof("host"))
    else:
        end.sendall(proof("caller"))
        check()
    end.settimeout(None)


def receive(end: socket.socket, count: int) -> bytes:
    """Receive exactly `count` bytes."""
    data = bytearray(count)
    view = memoryview(data)
    got = 0
    while got < count:
        more = end.recv_into(view[got:])
        if not more:
            raise PeerError("the other end closed the connection")
        got += more
    return bytes(data)
