"""Standard input, output and errors that whoever started this has closed."""

from __future__ import annotations

import os
import sys

__all__ = ["open_closed"]


def open_closed() -> None:
    """Lead the standard descriptors that are closed to nowhere.

    Otherwise the next file that is opened would be taken for one of them, and Python prints what is
    for the standard errors to the standard output.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115 (it stays open)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
