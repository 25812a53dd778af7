"""What all tests share."""

from __future__ import annotations

import signal

# A shell that starts tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
