"""Do what each start of set-up does first, however it was started."""

import os
import sys

__all__ = ["prepare"]


def prepare() -> None:
    """Open standard descriptors that are closed; let only this account change what is made."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed by the caller: the next file opened would get its number
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 (positional only)
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115 (no path; it stays open)
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
    os.umask(os.umask(0o077) | 0o022)
