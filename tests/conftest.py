"""What all tests share."""

from __future__ import annotations

import signal

import pytest

# A shell that starts tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of `tests/live` share servers, so one process runs them; elsewhere a file's do."""
    for item in items:
        group = "live" if "live" in item.path.parts else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
