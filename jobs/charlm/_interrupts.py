"""Delay signals until unfinished work is saved."""

from __future__ import annotations

import signal
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """Delays SIGINT and SIGTERM while the block runs, and delivers them at its end.

    The work in the block checks `pending` between its steps, saves its state and leaves the block.
    The signal then has its usual effect.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._usual: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._usual[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, _frame: object) -> None:
        self.pending = number

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)
        if self.pending is not None:
            signal.raise_signal(self.pending)
