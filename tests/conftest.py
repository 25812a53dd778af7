"""What all tests share."""

from __future__ import annotations

import signal
from typing import Any

import pytest

# A shell that starts tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have one process run tests/live, whose tests share servers; elsewhere a file's tests."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 (where it is in use)

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path, *_ = nodeid.split("::", maxsplit=1)
            return "tests/live" if path.startswith("tests/live/") else path

    return ByFolder(config, log)
