"""What all tests share."""

from __future__ import annotations

import signal
from typing import Any

import pytest

# A shell that starts tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests that share servers in one process each: Azkaban's, MySQL's, Spark's."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path, *_ = nodeid.split("::", maxsplit=1)
            queues = ("tests/live/mysql/", "tests/live/spark/", "tests/live/")
            return next((queue for queue in queues if path.startswith(queue)), path)

    return ByFolder(config, log)
