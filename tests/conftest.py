"""What all tests share."""

from __future__ import annotations

import signal
from typing import Any

import pytest

# A shell that starts tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Files whose tests share a server, by its fixture. In another process they would start another one.
SHARING = {
    "azkaban": "agent cli client client_lint client_local dense_flows flows server truststore web",
    "split": "clock profiles",
}
GROUPS = {
    "tests/live/mysql/": "mysql",
    "tests/live/spark/": "spark",
    "tests/live/faults/": "split",
    **{
        f"tests/live/test_{name}.py": key
        for key, names in SHARING.items()
        for name in names.split()
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of servers: the longest ones must not be left to one process."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/live/"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests that share servers in one process each: Azkaban's, MySQL's, Spark's."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path, *_ = nodeid.split("::", maxsplit=1)
            return next((key for start, key in GROUPS.items() if path.startswith(start)), path)

    config.option.loadscopereorder = False  # by the number of tests, which says nothing of servers
    return ByFile(config, log)
