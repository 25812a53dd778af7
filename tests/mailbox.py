"""A mail server for tests, which keeps what it gets."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Mailbox", "mailbox"]


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server on this machine.

    Attributes
    ----------
    offers
        What it says that it can do, such as ``STARTTLS``.
    answers
        Other answers than that all is well, by command.
    commands, letters
        What it was told.
    closed
        Released when a client has gone.
    """

    daemon_threads = True

    def __init__(self, offers: tuple[str, ...] = (), answers: Mapping[str, str] | None = None):
        self.offers, self.answers = offers, dict(answers or {})
        self.commands: list[str] = []
        self.letters: list[str] = []
        self.closed = threading.Semaphore(0)
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.say("220 here")
        for line in iter(self.rfile.readline, b""):
            text = line.decode().strip()
            self.server.commands.append(text)
            command = text.split(" ")[0].upper()
            if command in self.server.answers:
                self.say(self.server.answers[command])
            elif command == "EHLO":
                parts = ["here", *self.server.offers, "SIZE 1000000"]
                last = parts.pop()
                self.say("\r\n".join([*(f"250-{part}" for part in parts), f"250 {last}"]))
            elif command == "DATA":
                self.say("354 go on")
                body = iter(self.rfile.readline, b".\r\n")
                self.server.letters.append(b"".join(body).decode())
                self.say("250 kept")
            elif command == "QUIT":
                self.say("221 bye")
                break
            else:
                self.say("250 fine")
        self.server.closed.release()

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mailbox(
    offers: tuple[str, ...] = (), answers: Mapping[str, str] | None = None
) -> Iterator[Mailbox]:
    """Run a mail server as long as the block lasts."""
    with Mailbox(offers, answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
