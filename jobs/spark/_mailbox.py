"""Keep the last checkpoint of a training on many machines with the driver.

A cluster may have no disk that all its machines share, and a lost machine takes its own disk with
it. So the first process sends checkpoints to the driver, and the first one of a new attempt asks
for the last. Connections are those of `jobs.spark._allreduce`, in which both ends authenticate
themselves.
"""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from azkaban_client.job import write_bytes
from jobs.spark._allreduce import connect, prove, receive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Mail", "Mailbox"]

_TOPIC = "checkpoints"
_SECONDS = 120.0  # for one checkpoint
_MANY = 64  # calls at a time


@dataclass(frozen=True)
class Mail:
    """How processes reach the driver's mailbox.

    Attributes
    ----------
    address
        Host and port.
    secret
        That both know.
    """

    address: tuple[str, int]
    secret: bytes = field(repr=False)

    def fetch(self, attempt: int) -> bytes:
        """Fetch the last checkpoint, empty if there is none; this ends older attempts."""
        return self._call({"attempt": attempt}, b"")

    def send(self, attempt: int, checkpoint: bytes, note: str = "") -> None:
        """Send a checkpoint, a line for the log, or both; an older attempt's are dropped."""
        self._call({"attempt": attempt, "note": note}, checkpoint)

    def _call(self, header: dict[str, Any], body: bytes) -> bytes:
        with connect(self.address, self.secret, _TOPIC) as end:
            end.settimeout(_SECONDS)
            _write(end, json.dumps(header).encode())
            _write(end, body)
            return _read(end)


class Mailbox:
    """The driver's side: a server while the block runs.

    Parameters
    ----------
    host
        Address to listen at.
    secret
        That callers know.
    file
        Stores the last checkpoint; training begins at one that exists already.
    log
        Gets the notes.
    """

    def __init__(self, host: str, secret: bytes, file: Path, log: Callable[[str], None]) -> None:
        self._secret = secret
        self._file = file
        self._log = log
        self._attempt = -1
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=_MANY)
        self._pool = ThreadPoolExecutor(_MANY)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.mail = Mail((host, self._listener.getsockname()[1]), secret)
        self.attempts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._pool.shutdown(cancel_futures=True)

    def _serve(self) -> None:
        while True:
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            self._pool.submit(self._answer, end)

    def _answer(self, end: socket.socket) -> None:
        with end, suppress(OSError, ValueError):  # a caller that is lost calls again
            prove(end, self._secret, _TOPIC, first=True)
            end.settimeout(_SECONDS)
            header, body = json.loads(_read(end)), _read(end)
            _write(end, self._deliver(header["attempt"], header.get("note", ""), body))

    def _deliver(self, attempt: int, note: str, body: bytes) -> bytes:
        with self._lock:
            if body or note:
                if body and attempt >= self._attempt:
                    write_bytes(self._file, body)
                if note and attempt >= self._attempt:
                    self._log(note)
                return b""
            if attempt > self._attempt:
                self._attempt = attempt
                self.attempts += 1
            return self._file.read_bytes() if self._file.is_file() else b""


def _write(end: socket.socket, data: bytes) -> None:
    end.sendall(len(data).to_bytes(8, "big") + data)


def _read(end: socket.socket) -> bytes:
    return receive(end, int.from_bytes(receive(end, 8), "big"))
